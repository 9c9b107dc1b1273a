//! A real nginx in front of the targets, with a folder of its own and no privileges.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Signal, kill_process};

use crate::{Server, World, wait};

/// The upstream that the driver writes.
pub const UPSTREAM: &str = "app";

/// An nginx, ended when dropped.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it on `listen`, with an upstream whose file the driver is to write. Until then
    /// every request is answered with 502.
    pub fn start(world: &World, listen: &str) -> Self {
        let folder = world.file("nginx");
        fs::create_dir_all(folder.join("upstreams")).unwrap();
        // A request that reaches no server at all, until the driver has written a real one.
        let nobody = format!("upstream {UPSTREAM} {{ server 127.0.0.1:1 down; }}\n");
        fs::write(folder.join("upstreams/app.conf"), nobody).unwrap();
        fs::write(folder.join("nginx.conf"), configuration(listen)).unwrap();
        wrap(&folder);
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(&folder)
            .args(["-c", "nginx.conf", "-g", "daemon off;"]);
        let mut server = Server::start("nginx", &folder, &mut command);
        server.until_ready(|| wait::get(listen, "/ready").filter(|answer| answer.0 == 204));
        Self { server, folder }
    }

    /// The file that is the driver's.
    pub fn upstream_file(&self) -> PathBuf {
        self.folder.join("upstreams/app.conf")
    }

    /// The load balancer in a configuration.
    pub fn toml(&self) -> String {
        let file = self.upstream_file();
        format!(
            "\n[load-balancer]\nuse = \"nginx\"\nupstream = \"{UPSTREAM}\"\nfile = \"{}\"\n",
            file.display()
        )
    }

    /// The folder with a program `nginx` that speaks to this nginx and no other.
    pub fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// How often it was told to read its configuration again.
    pub fn reloads(&self) -> usize {
        let log = fs::read_to_string(self.folder.join("error.log")).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("(SIGHUP) received"))
            .count()
    }

    /// Tells it to, as `nginx -s reload` does, and waits until it does.
    pub fn reload(&self) {
        let before = self.reloads();
        kill_process(self.server.pid(), Signal::HUP).unwrap();
        wait::until("nginx reloads", || (self.reloads() > before).then_some(()));
    }
}

/// A program `nginx` that is told where its folder is: as on a machine where it is installed.
fn wrap(folder: &Path) {
    let path = folder.join("bin/nginx");
    fs::create_dir_all(folder.join("bin")).unwrap();
    let script = format!(
        "#!/bin/sh\nexec /usr/sbin/nginx -p '{}' -c nginx.conf \"$@\"\n",
        folder.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn configuration(listen: &str) -> String {
    format!(
        r#"worker_processes 2;
pid nginx.pid;
error_log error.log notice;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  include upstreams/*.conf;
  server {{
    listen {listen};
    location / {{
      proxy_pass http://{UPSTREAM};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
    location = /ready {{ return 204; }}
  }}
}}
"#
    )
}
