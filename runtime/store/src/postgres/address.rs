//! The address of a database: its URL, and how the way to it is protected.
//!
//! Encryption is all or nothing: where there is any, the server's certificate is checked. Over a
//! socket file or to this very machine there is none, unless it is asked for.

use std::{fs, sync::Arc};

use percent_encoding::percent_decode_str;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{error::StoreError, place::Place};

/// Where the database is, and how to get there.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) config: Config,
    pub(super) tls: Option<MakeRustlsConnect>,
    /// The database is to refuse every change.
    pub(super) reading: bool,
}

impl Address {
    /// Reads a URL. What it says with `sslmode` and `sslrootcert` is what libpq's words mean,
    /// but that `require` checks the certificate, too.
    pub(super) fn parse(url: &str, password: Option<&str>) -> Result<Self, StoreError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut authorities, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => authorities = Some(value),
                _ => rest.push(pair),
            }
        }
        let mut config: Config = [base, &rest.join("&")]
            .join("?")
            .parse()
            .map_err(|error| bad(&super::failure::reason(&error)))?;
        if let Some(password) = password {
            config.password(password);
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(bad("it names no user or no database"));
        }
        if config.get_application_name().is_none() {
            config.application_name("runtime");
        }
        let encrypted = match mode {
            None => !is_local(&config),
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => {
                return Err(bad(&format!(
                    "`sslmode={other}` protects from nobody; say `verify-full` or `disable`"
                )));
            }
        };
        config.ssl_mode(if encrypted {
            SslMode::Require
        } else {
            SslMode::Disable
        });
        let tls = encrypted.then(|| tls(authorities)).transpose()?;
        Ok(Self {
            place: place(&config),
            config,
            tls,
            reading: false,
        })
    }

    /// The same, where nothing may be changed.
    pub(super) fn reading(self) -> Self {
        Self {
            reading: true,
            ..self
        }
    }
}

fn bad(reason: &str) -> StoreError {
    StoreError::Address {
        reason: reason.to_owned(),
    }
}

fn place(config: &Config) -> Place {
    let name = config.get_dbname().unwrap_or_default();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => Place::database(host, port, name),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => Place::database(&folder.to_string_lossy(), port, name),
        None => Place::database("localhost", port, name),
    }
}

/// Whether what is sent never leaves this machine.
fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// Trusts the authorities of a PEM file, or those that the system trusts.
fn tls(authorities: Option<&str>) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let path = percent_decode_str(path).decode_utf8_lossy();
            let unreadable = |reason: &str| bad(&format!("`sslrootcert={path}`: {reason}"));
            let pem = fs::read(&*path).map_err(|error| unreadable(&error.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| unreadable(&error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| unreadable(&error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unreadable("there is no certificate in it"));
            }
        }
        // The system may have some that are no good; the others count.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, place: &str, mode: SslMode) {
        let address = Address::parse(url, Some("hunter2")).unwrap();
        assert_eq!(address.place.to_string(), place);
        assert_eq!(address.config.get_ssl_mode(), mode, "{url}");
        assert_eq!(address.config.get_password(), Some(&b"hunter2"[..]));
    }

    #[test]
    fn certificate_is_checked_wherever_the_way_is_long() {
        check(
            "postgres://anna@db.example.org/state",
            "the database state on db.example.org:5432",
            SslMode::Require,
        );
        check(
            "postgresql://anna@127.0.0.1:5433/state",
            "the database state on 127.0.0.1:5433",
            SslMode::Disable,
        );
        check(
            "postgres://anna@db.example.org/state?sslmode=disable&connect_timeout=3",
            "the database state on db.example.org:5432",
            SslMode::Disable,
        );
        check(
            "postgres://anna@localhost/state?sslmode=verify-full",
            "the database state on localhost:5432",
            SslMode::Require,
        );
        check(
            "postgres:///state?host=/run/postgresql&user=anna",
            "the database state on /run/postgresql:5432",
            SslMode::Disable,
        );
    }

    fn refuse(url: &str, expected: &str) {
        let error = Address::parse(url, None).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn address_that_cannot_be_used_says_why() {
        refuse("postgres://db.example.org/state", "no user or no database");
        refuse("postgres://anna@db.example.org", "no user or no database");
        refuse(
            "postgres://anna@db/state?sslmode=prefer",
            "say `verify-full` or `disable`",
        );
        refuse(
            "postgres://anna@db/state?sslrootcert=%2Fnowhere.pem",
            "`sslrootcert=/nowhere.pem`",
        );
        refuse("postgres://anna@db/state?colour=blue", "colour");
    }
}
