//! Byte streams from the machine that the plugin works on.

use std::time::Duration;

use engine::{Code, Failure};
use machines::{Endpoint, OUTPUT_BYTES_MAX, Stream};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    call::{CallState, invalid, of_machine},
    grants::Wanted,
};

impl CallState {
    pub(crate) async fn connect_socket(
        &self,
        endpoint: &str,
        timeout_ms: u64,
    ) -> Result<(), Failure> {
        let used = self.on_machine("sockets", "connect", endpoint);
        let timeout = self.timeout(Some(timeout_ms), Duration::ZERO);
        used.ended(self.open(endpoint, timeout).await.map(drop))
    }

    /// Writes, and reads to the end, or until `until` was read.
    pub(crate) async fn talk(
        &self,
        endpoint: &str,
        payload: &[u8],
        until: Option<&[u8]>,
        timeout_ms: u64,
    ) -> Result<Vec<u8>, Failure> {
        let action = if until.is_some() {
            "converse"
        } else {
            "exchange"
        };
        let used = self.on_machine("sockets", action, endpoint);
        let timeout = self.timeout(Some(timeout_ms), Duration::ZERO);
        let mut received = Vec::new();
        let talking = async {
            let mut stream = self.open(endpoint, timeout).await?;
            transfer(&mut stream, payload, until, &mut received)
                .await
                .map_err(|error| {
                    Failure::new(Code::Unavailable, format!("{endpoint} broke off: {error}"))
                        .retryable()
                })
        };
        let ended = tokio::time::timeout(timeout, talking).await;
        let result = match ended {
            Ok(Ok(())) if received.len() > OUTPUT_BYTES_MAX => {
                let text = format!("{endpoint} answered with more than {OUTPUT_BYTES_MAX} bytes");
                Err(Failure::new(Code::Rejected, text))
            }
            Ok(Ok(())) => Ok(self.sealed.answer_bytes(received)),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                let ms = timeout.as_millis();
                let text = format!("{endpoint} did not answer within {ms} ms");
                let mut failure = Failure::new(Code::Timeout, text).retryable();
                if until.is_some() {
                    let received = self.sealed.answer_bytes(received);
                    failure.details = json!({ "received": String::from_utf8_lossy(&received) });
                }
                Err(failure)
            }
        };
        used.ended(result)
    }

    async fn open(&self, endpoint: &str, timeout: Duration) -> Result<Box<dyn Stream>, Failure> {
        let endpoint: Endpoint = endpoint
            .parse()
            .map_err(|error| invalid(format!("the endpoint: {error}")))?;
        if let Endpoint::Unix(path) = &endpoint
            && path
                .components()
                .any(|part| part == std::path::Component::ParentDir)
        {
            return Err(invalid("the socket's path has `..` in it"));
        }
        self.grants().check(&Wanted::Socket(&endpoint))?;
        self.machine
            .connect(&endpoint, timeout)
            .await
            .map_err(of_machine)
    }
}

async fn transfer(
    stream: &mut Box<dyn Stream>,
    payload: &[u8],
    until: Option<&[u8]>,
    received: &mut Vec<u8>,
) -> std::io::Result<()> {
    stream.write_all(payload).await?;
    match until {
        Some(_) => stream.flush().await?,
        None => stream.shutdown().await?,
    }
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = stream.read(&mut buffer).await?;
        // What was looked through before need not be again, but for what may have begun there.
        let looked = until.map_or(0, |until| received.len().saturating_sub(until.len()));
        received.extend_from_slice(&buffer[..count]);
        let found = until.is_some_and(|until| {
            until.is_empty()
                || received[looked..]
                    .windows(until.len())
                    .any(|part| part == until)
        });
        if count == 0 || found || received.len() > OUTPUT_BYTES_MAX {
            return Ok(());
        }
    }
}
