//! Lets us in: through every host on the way, of which each shows its key and gets to see ours.

use std::{sync::Arc, time::Instant};

use russh::{
    cipher,
    client::{Config, Handle, connect_stream},
};
use tokio::net::TcpStream;

use super::{
    client::{Client, Reason},
    config::{Hop, Route},
    flow::Flows,
    keys,
    known::Known,
    transport::{Counted, Piped, Prompt},
};
use crate::error::{ErrorKind, MachineError};

/// Unanswered keepalives after which a connection is lost.
const KEEPALIVES_MAX: usize = 3;

/// How often one side waits for the other until a key is accepted: for the service, for the offer,
/// for the signature.
const TURNS: u32 = 3;

/// A connection that stands.
pub(super) struct Entered {
    /// The last one is the machine's; the others carry it.
    pub(super) handles: Vec<Handle<Client>>,
    pub(super) ended: Reason,
    pub(super) flows: Flows,
    /// The machine, as messages name it.
    pub(super) whom: String,
}

/// Goes all of the way within the route's time.
pub(super) async fn enter(route: &Route) -> Result<Entered, MachineError> {
    // What is being done, for the message where it takes too long.
    let doing = Reason::default();
    let whom = route.hops.last().map(whom).unwrap_or_default();
    let way = async {
        let mut handles: Vec<Handle<Client>> = Vec::new();
        let (mut ended, mut flows) = Default::default();
        for hop in &route.hops {
            (ended, flows) = Default::default();
            let through = match (handles.last(), &route.proxy_command) {
                (Some(before), _) => Through::Host(before),
                (None, Some(command)) => Through::Program(command),
                (None, None) => Through::Network,
            };
            let handle = one(hop, through, &flows, &ended, &doing).await?;
            handles.push(handle);
        }
        Ok((handles, ended, flows))
    };
    match tokio::time::timeout(route.timeout, way).await {
        Ok(Ok((handles, ended, flows))) => Ok(Entered {
            handles,
            ended,
            flows,
            whom,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            let doing = doing.get().unwrap_or_default();
            let text = format!("{whom} did not answer within {:?}: {doing}", route.timeout);
            Err(MachineError::new(ErrorKind::Timeout, text))
        }
    }
}

/// What leads to a host.
enum Through<'a> {
    Network,
    Program(&'a str),
    Host(&'a Handle<Client>),
}

async fn one(
    hop: &Hop,
    through: Through<'_>,
    flows: &Flows,
    ended: &Reason,
    doing: &Reason,
) -> Result<Handle<Client>, MachineError> {
    let whom = whom(hop);
    let known = Known::of(hop);
    let mut config = Config {
        keepalive_interval: Some(hop.keepalive),
        keepalive_max: KEEPALIVES_MAX,
        ..Config::default()
    };
    config.preferred.key = known.preferred(&config.preferred.key).into();
    // Most processors have instructions for AES, and none for ChaCha20.
    let ciphers = config.preferred.cipher.to_mut();
    ciphers.sort_by_key(|name| *name != cipher::AES_256_GCM);
    let config = Arc::new(config);
    let refused = Reason::default();
    let client = Client {
        known,
        flows: flows.clone(),
        refused: refused.clone(),
        ended: ended.clone(),
    };
    let sent = Arc::clone(&flows.sent);
    let greeting = format!("{whom} does not greet, or exchange keys");
    let connected = match through {
        Through::Network => {
            doing.set(format!("{whom} does not accept a connection"));
            let stream = TcpStream::connect((hop.host.as_str(), hop.port)).await;
            let stream = stream
                .and_then(Prompt::new)
                .map_err(|error| no_way(&whom, &error))?;
            doing.set(greeting);
            connect_stream(config, Counted(stream, sent), client).await
        }
        Through::Program(command) => {
            doing.set(greeting);
            let stream = Piped::start(command).map_err(|error| no_way(&whom, &error))?;
            connect_stream(config, Counted(stream, sent), client).await
        }
        Through::Host(before) => {
            doing.set(format!("the way to {whom} through the host before it"));
            let (host, port) = (hop.host.as_str(), u32::from(hop.port));
            let way = before
                .channel_open_direct_tcpip(host, port, "127.0.0.1", 0)
                .await;
            let stream = way.map_err(|error| no_way(&whom, &error))?.into_stream();
            doing.set(greeting);
            connect_stream(config, Counted(stream, sent), client).await
        }
    };
    let connected = connected.map_err(|error| not_entered(&whom, &refused, ended, &error));
    let mut handle = connected?;
    doing.set(format!("{whom} does not say whether it lets us in"));
    let asked = Instant::now();
    keys::authenticate(&mut handle, hop).await.map_err(|why| {
        let said = ended
            .get()
            .map_or(String::new(), |said| format!(" ({said})"));
        let text = format!("{whom} does not let us in{said}: {why}");
        MachineError::new(ErrorKind::Denied, text)
    })?;
    flows.round_trip.seen(asked.elapsed() / TURNS);
    Ok(handle)
}

fn whom(hop: &Hop) -> String {
    let alias = if hop.alias == hop.host {
        String::new()
    } else {
        format!(" ({})", hop.alias)
    };
    format!("{}@{}:{}{alias}", hop.user, hop.host, hop.port)
}

fn no_way(whom: &str, error: &impl std::fmt::Display) -> MachineError {
    MachineError::new(
        ErrorKind::Unavailable,
        format!("{whom} could not be reached: {error}"),
    )
}

fn not_entered(whom: &str, refused: &Reason, ended: &Reason, error: &russh::Error) -> MachineError {
    if let Some(reason) = refused.get() {
        return MachineError::new(
            ErrorKind::Denied,
            format!("{whom} is not trusted: {reason}"),
        );
    }
    let ended = ended.get().map_or(String::new(), |why| format!(" ({why})"));
    match error {
        russh::Error::NoCommonAlgo { .. } | russh::Error::Version => {
            let text = format!("{whom} speaks an SSH that is not understood: {error}{ended}");
            MachineError::new(ErrorKind::Rejected, text)
        }
        _ => {
            let text = format!("{whom} broke off before it let us in: {error}{ended}");
            MachineError::new(ErrorKind::Unavailable, text)
        }
    }
}
