//! What the other side may ask of us and tell us: its key, how much it takes, why it ends.

use std::sync::{Arc, Mutex, PoisonError};

use russh::{
    ChannelId,
    client::{DisconnectReason, Handler, Session},
    keys::PublicKeyOrCertificate,
};

use super::{flow::Flows, known::Known};

/// Why a connection ended, or did not come about, as far as it was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    pub(super) fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    pub(super) fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

pub(super) struct Client {
    pub(super) known: Known,
    pub(super) flows: Flows,
    /// Set where the host's key was refused.
    pub(super) refused: Reason,
    /// Set where the connection ended.
    pub(super) ended: Reason,
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let checked = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.known.check(key),
            PublicKeyOrCertificate::Certificate(_) => {
                Err("the host shows a certificate, and none was asked for".to_owned())
            }
        };
        checked
            .map_err(|reason| self.refused.set(reason))
            .map_or(Ok(false), |()| Ok(true))
    }

    async fn window_adjusted(
        &mut self,
        channel: ChannelId,
        window: u32,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.flows.adjusted(channel, window);
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.ended.set(info.message);
                Ok(())
            }
            DisconnectReason::Error(error) => {
                self.ended.set(error.to_string());
                Err(error)
            }
        }
    }
}
