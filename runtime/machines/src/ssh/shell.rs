//! A POSIX shell on the machine that waits for scripts, one after the other. It is started once:
//! what the user's login shell does first is not done again for each call.

use std::sync::Arc;

use futures::FutureExt;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};

use super::{
    connection::Permit,
    flow::{Flow, Flows},
};

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

pub(super) struct Shell {
    pub(super) reader: ChannelReadHalf,
    pub(super) writer: Arc<ChannelWriteHalf<Msg>>,
    pub(super) flow: Arc<Flow>,
    flows: Flows,
    /// What must be sent before anything else.
    pub(super) first: Option<Vec<u8>>,
    _permit: Permit,
}

impl Shell {
    pub(super) async fn start(
        channel: Channel<Msg>,
        flow: Arc<Flow>,
        flows: Flows,
        permit: Permit,
    ) -> Result<Self, russh::Error> {
        channel.exec(true, BOOT).await?;
        let (reader, writer) = channel.split();
        let first = Some(format!("{}\n{WORDS}", WORDS.len()).into_bytes());
        Ok(Self {
            reader,
            writer: Arc::new(writer),
            flow,
            flows,
            first,
            _permit: permit,
        })
    }

    /// Whether it still waits. One in which something is said while nothing was asked is not
    /// used again: what it says next could be taken for an answer.
    pub(super) fn is_ready(&mut self) -> bool {
        loop {
            match self.reader.wait().now_or_never() {
                None => return true,
                Some(Some(ChannelMsg::WindowAdjusted { .. } | ChannelMsg::Success)) => {}
                Some(_) => return false,
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.flows.close(self.writer.id());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let writer = Arc::clone(&self.writer);
            runtime.spawn(async move { writer.close().await });
        }
    }
}
