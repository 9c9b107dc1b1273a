//! A real nginx in front of the targets, with a folder of its own and no privileges.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Signal, kill_process};

use crate::{Server, World, wait};

/// Where Debian puts it.
const PROGRAM: &str = "/usr/sbin/nginx";
/// The upstream that the driver writes.
const UPSTREAM: &str = "app";

/// An nginx, ended when dropped.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it on `listen`. It serves nothing until the driver has written its upstream and
    /// [`Nginx::serve`] was called.
    pub fn start(world: &World, listen: &str) -> Self {
        let folder = world.file("nginx");
        for name in ["upstreams", "servers"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("nginx.conf"), configuration(listen)).unwrap();
        let mut server = server("nginx", &folder);
        server.until_ready(|| wait::get(listen, "/ready").filter(|answer| answer.0 == 204));
        Self { server, folder }
    }

    /// Sends requests to the upstream from now on.
    pub fn serve(&self, listen: &str) {
        fs::write(self.folder.join("servers/app.conf"), SERVED).unwrap();
        self.reload();
        wait::until("nginx serves", || {
            wait::get(listen, "/").filter(|answer| answer.0 == 200)
        });
    }

    /// The load balancer in a configuration.
    pub fn toml(&self) -> String {
        let folder = self.folder.display();
        format!(
            r#"
[load-balancer]
use = "nginx"
upstream = "{UPSTREAM}"
file = "{folder}/upstreams/app.conf"
prefix = "{folder}"
conf = "nginx.conf"
test = ["{PROGRAM}", "-t"]
reload = ["{PROGRAM}", "-s", "reload"]
"#
        )
    }

    /// How often it was told to read its configuration again.
    pub fn reloads(&self) -> usize {
        let log = fs::read_to_string(self.folder.join("error.log")).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("(SIGHUP) received"))
            .count()
    }

    /// Tells it to, as `nginx -s reload` does, and waits until no worker is left that knows the
    /// old configuration only.
    pub fn reload(&self) {
        let before = self.workers();
        kill_process(self.server.pid(), Signal::HUP).unwrap();
        wait::until("the old workers of nginx have ended", || {
            let now = self.workers();
            (!now.is_empty() && !now.iter().any(|worker| before.contains(worker))).then_some(())
        });
    }

    fn workers(&self) -> Vec<String> {
        let master = self.server.pid().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        children
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}

/// Its folders for what it keeps for a while, which it makes whether or not it needs them.
pub(crate) const TEMPORARY: &str = "client_body_temp_path t1; proxy_temp_path t2; \
    fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;";

/// An nginx in the foreground, whose configuration lies in its folder.
pub(crate) fn server(name: &str, folder: &Path) -> Server {
    let mut command = Command::new(PROGRAM);
    command
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf", "-g", "daemon off;"]);
    Server::start(name, folder, &mut command)
}

/// The server's part that needs the upstream.
const SERVED: &str = r#"
location / {
  proxy_pass http://app;
  proxy_http_version 1.1;
  proxy_set_header Host $host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
}
"#;

fn configuration(listen: &str) -> String {
    format!(
        r#"worker_processes 2;
pid nginx.pid;
error_log error.log notice;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  {TEMPORARY}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  include upstreams/*.conf;
  server {{
    listen {listen};
    include servers/*.conf;
    location = /ready {{ return 204; }}
  }}
}}
"#
    )
}
