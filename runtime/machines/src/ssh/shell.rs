//! A POSIX shell on the machine that waits for scripts, one after the other. It is started once:
//! what the user's login shell does first is not done again for each call.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};

use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::flow::{Flow, Flows};

/// Whatever the login shell is, it understands this much. What the user's own files set is left
/// behind, but for what every program gets.
const BOOT: &str = concat!(
    "exec /bin/sh -c '",
    r#"exec env -i "HOME=$HOME" "PATH=$PATH" "USER=${USER-}" "LANG=${LANG-C}" "#,
    r#"/bin/sh -c "IFS= read -r n && eval \"\$(dd bs=\$n count=1 iflag=fullblock 2>/dev/null)\"""#,
    "'",
);

/// The words of all scripts, and the loop that reads them.
const WORDS: &str = include_str!("script.sh");

/// How long a shell's end is waited for before its place is given to another.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Shell {
    reader: Option<ChannelReadHalf>,
    pub(super) writer: Arc<ChannelWriteHalf<Msg>>,
    pub(super) flow: Arc<Flow>,
    flows: Flows,
    /// What must be sent before anything else.
    pub(super) first: Option<Vec<u8>>,
    place: Option<Place>,
}

/// A shell's place among those that a connection may have.
pub(super) struct Place {
    pub(super) permit: OwnedSemaphorePermit,
    /// Told when the place is free.
    pub(super) freed: Arc<Notify>,
}

impl Place {
    fn free(self) {
        drop(self.permit);
        self.freed.notify_one();
    }
}

impl Shell {
    pub(super) async fn start(
        channel: Channel<Msg>,
        flow: Arc<Flow>,
        flows: Flows,
        place: Place,
    ) -> Result<Self, russh::Error> {
        channel.exec(true, BOOT).await?;
        let (reader, writer) = channel.split();
        let first = Some(format!("{}\n{WORDS}", WORDS.len()).into_bytes());
        let (reader, writer) = (Some(reader), Arc::new(writer));
        Ok(Self {
            reader,
            writer,
            flow,
            flows,
            first,
            place: Some(place),
        })
    }

    /// What it says next; none when it has ended.
    pub(super) async fn hear(&mut self) -> Option<ChannelMsg> {
        match &mut self.reader {
            Some(reader) => reader.wait().await,
            None => None,
        }
    }

    /// Whether it still waits. One in which something is said while nothing was asked is not
    /// used again: what it says next could be taken for an answer.
    pub(super) fn is_ready(&mut self) -> bool {
        loop {
            match self.hear().now_or_never() {
                None => return true,
                Some(Some(ChannelMsg::WindowAdjusted { .. } | ChannelMsg::Success)) => {}
                Some(_) => return false,
            }
        }
    }
}

/// Ends it. Its place is free once the server has let go of it, too: it counts sessions.
impl Drop for Shell {
    fn drop(&mut self) {
        self.flows.close(self.writer.id());
        let (Some(mut reader), Some(place)) = (self.reader.take(), self.place.take()) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let writer = Arc::clone(&self.writer);
        runtime.spawn(async move {
            let closed = async {
                let _ = writer.close().await;
                while let Some(message) = reader.wait().await {
                    if matches!(message, ChannelMsg::Close) {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(CLOSE_WAIT, closed).await;
            place.free();
        });
    }
}
