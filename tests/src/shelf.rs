//! A real nginx that serves a folder over TLS: where artifacts lie once they are built.

use std::{fs, net::TcpStream, path::PathBuf};

use crate::{
    Server, World,
    nginx::{self, TEMPORARY},
};

const PORT: u16 = 8443;

/// An nginx, ended when dropped.
#[derive(Debug)]
pub struct Shelf {
    _server: Server,
    address: String,
    folder: PathBuf,
}

impl Shelf {
    /// Starts one with nothing on it, which the world's programs trust from now on.
    pub fn start(world: &mut World) -> Self {
        let address = world.at(PORT);
        let folder = world.file("shelf");
        fs::create_dir_all(folder.join("files")).unwrap();
        let ip = address.rsplit_once(':').unwrap().0.to_owned();
        let made = rcgen::generate_simple_self_signed([ip]).unwrap();
        let certificate = folder.join("certificate.pem");
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("nginx.conf"), configuration(&address)).unwrap();
        world.set("SSL_CERT_FILE", certificate.to_str().unwrap());
        let mut server = nginx::server("shelf", &folder);
        server.until_ready(|| TcpStream::connect(&address).ok());
        Self {
            _server: server,
            address,
            folder,
        }
    }

    /// Where what lies in its folder is found.
    pub fn url(&self, name: &str) -> String {
        format!("https://{}/{name}", self.address)
    }

    /// The place of what is served under that name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join("files").join(name)
    }

    /// Every path that was asked for, in its order.
    pub fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

fn configuration(listen: &str) -> String {
    format!(
        r#"pid nginx.pid;
error_log error.log notice;
events {{ }}
http {{
  log_format path '$uri';
  access_log access.log path;
  {TEMPORARY}
  server {{
    listen {listen} ssl;
    ssl_certificate certificate.pem;
    ssl_certificate_key key.pem;
    root files;
  }}
}}
"#
    )
}
