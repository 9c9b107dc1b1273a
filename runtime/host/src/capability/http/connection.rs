//! A fresh connection to where a request goes, with TLS on it where the URL says so.

use std::{net::SocketAddr, time::Duration};

use engine::{Code, Failure};
use machines::Stream;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{options::Options, resolve, tls};
use crate::{
    call::{CallState, of_machine},
    grants::Origin,
};

/// How long one address gets before the next one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a certificate must say where the machine's own endpoint is spoken to by TLS.
const MACHINE_SERVER_NAME: &str = "localhost";

pub(super) async fn open(
    call: &CallState,
    origin: &Origin,
    options: &Options,
) -> Result<Box<dyn Stream>, Failure> {
    if let (Some(outside), Origin::Outside { .. }) = (&call.services.http.outside, origin) {
        return outside.connect(&origin.to_string()).await;
    }
    let (stream, secure, host) = match origin {
        Origin::Outside { secure, host, port } => {
            let addresses = resolve::addresses(host, *port).await?;
            let stream: Box<dyn Stream> = Box::new(connect(origin, &addresses).await?);
            (stream, *secure, host.to_string())
        }
        Origin::Machine { secure, endpoint } => {
            let connected = call.machine.connect(endpoint, CONNECT_TIMEOUT).await;
            (
                connected.map_err(of_machine)?,
                *secure,
                MACHINE_SERVER_NAME.to_owned(),
            )
        }
    };
    if !secure {
        return Ok(stream);
    }
    let name = tls::server_name(options, &host)?;
    let connector = TlsConnector::from(call.services.http.trust.config(options)?);
    let secured = connector.connect(name, stream).await.map_err(|error| {
        // Where a certificate is wrong now, it will be the next time.
        let for_good = error
            .get_ref()
            .is_some_and(|inner| inner.is::<rustls::Error>());
        let code = if for_good {
            Code::Rejected
        } else {
            Code::Unavailable
        };
        let mut failure = Failure::new(code, format!("no TLS with {origin}: {error}"));
        failure.retryable = !for_good;
        failure
    })?;
    Ok(Box::new(secured))
}

async fn connect(origin: &Origin, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut last = String::from("there is no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Only makes answers later where it fails.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }
    let text = format!("{origin} could not be reached: {last}");
    Err(Failure::new(Code::Unavailable, text).retryable())
}
