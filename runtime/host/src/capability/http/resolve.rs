//! Names to addresses: once for each connection, so that what was checked is what is connected
//! to. A name that leads inside is refused; an address inside is granted by being written.

use std::net::{IpAddr, SocketAddr};

use engine::{Code, Failure};
use url::Host;

use crate::grants::{is_inside, is_localhost};

/// The addresses of an origin that was granted.
pub(super) async fn addresses(host: &Host<String>, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Domain(name) => name,
    };
    let found = tokio::net::lookup_host((name.as_str(), port))
        .await
        .map_err(|error| {
            let text = format!("the name {name} cannot be resolved: {error}");
            Failure::new(Code::Unavailable, text).retryable()
        })?;
    allowed(name, found.collect())
}

/// Those of a name's addresses that may be connected to.
pub(super) fn allowed(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Failure> {
    if found.is_empty() {
        let text = format!("the name {name} has no address");
        return Err(Failure::new(Code::Unavailable, text).retryable());
    }
    let localhost = is_localhost(name);
    let may = |address: &SocketAddr| {
        let ip = address.ip().to_canonical();
        // `localhost` means loopback by definition, and nothing else.
        if localhost {
            ip.is_loopback()
        } else {
            !is_inside(ip)
        }
    };
    // One address inside is enough: a name that leads to both is up to something.
    match found.iter().find(|address| !may(address)) {
        None => Ok(found),
        Some(address) => {
            let text = format!(
                "the name {name} leads to {}, an address inside; where that is meant, grant the \
                 address itself",
                address.ip()
            );
            Err(Failure::new(Code::Denied, text))
        }
    }
}
