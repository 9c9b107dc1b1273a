//! The other side of every call: what the kit answers in place of web services, programs, disks
//! and people. Well, as the answers say; or with the trouble of one case.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use engine::{Code, Failure};
use host::Outside;
use machines::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{
    answers::Answers,
    trouble::{Part, Trouble},
};

/// What is on its way between plugin and kit at once.
const PIPE_BYTES: usize = 64 << 10;
/// The longest head of a request.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// More than the host lets through of an HTTP answer.
const HUGE_BYTES: usize = (8 << 20) + 1;
/// How long the kit waits for a client to speak first, before it does.
const FIRST_WORD: Duration = Duration::from_millis(50);
/// Bytes that are no text, no JSON, and no image.
pub(crate) const GARBAGE: &[u8] = b"\xff\xfe{\"\x00\x9f not what \xc3 you think [[[\x1b[31m";
/// JSON that nobody expects.
pub(crate) const OTHER_JSON: &str = "[[null], 1e308, {\"\": [true]}]";

/// What goes wrong, with what, and from which use on (1 is the first).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) part: Part,
    pub(crate) trouble: Trouble,
    pub(crate) from: u32,
}

/// The other side.
pub(crate) struct Other {
    pub(crate) answers: Answers,
    plan: Mutex<Option<Plan>>,
    uses: AtomicU32,
    used: Mutex<BTreeMap<Part, u32>>,
}

impl Other {
    pub(crate) fn new(answers: Answers) -> Self {
        Self {
            answers,
            plan: Mutex::default(),
            uses: AtomicU32::new(0),
            used: Mutex::default(),
        }
    }

    /// From now on this goes wrong.
    pub(crate) fn begin(&self, plan: Plan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        self.uses.store(0, Ordering::Relaxed);
    }

    /// Whether the plan came to pass at all.
    pub(crate) fn came_to_pass(&self) -> bool {
        let plan = *self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.is_some_and(|plan| self.uses.load(Ordering::Relaxed) >= plan.from)
    }

    /// Nothing goes wrong any more, and nothing was used so far.
    pub(crate) fn calm(&self) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// What a plugin used of the machine and of the world, how often.
    pub(crate) fn used(&self) -> BTreeMap<Part, u32> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.clone()
    }

    /// What goes wrong with this use of that part.
    pub(crate) fn trouble(&self, part: Part) -> Option<Trouble> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used.entry(part).or_default() += 1;
        let plan = (*self.plan.lock().unwrap_or_else(PoisonError::into_inner))?;
        // A connection on the machine may be the beginning of either.
        let connects = |part| matches!(part, Part::Http | Part::Sockets);
        if plan.part != part && !(connects(plan.part) && part == Part::Sockets) {
            return None;
        }
        let count = self.uses.fetch_add(1, Ordering::Relaxed) + 1;
        (count >= plan.from).then_some(plan.trouble)
    }

    /// A connection to somebody who answers so. Speaks HTTP with whoever does.
    pub(crate) fn answering(&self, trouble: Option<Trouble>) -> Box<dyn Stream> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let answers = self.answers.clone();
        // Who hangs up in the middle has heard enough.
        tokio::spawn(async move { _ = answer(far, trouble, &answers).await });
        Box::new(near)
    }
}

#[async_trait]
impl Outside for Other {
    async fn connect(&self, origin: &str) -> Result<Box<dyn Stream>, Failure> {
        match self.trouble(Part::Http) {
            Some(Trouble::Refused) => {
                let text = format!("{origin} could not be reached: connection refused");
                Err(Failure::new(Code::Unavailable, text).retryable())
            }
            Some(Trouble::Silent) => {
                let text = "no answer within 30000 ms";
                Err(Failure::new(Code::Timeout, text).retryable())
            }
            trouble => Ok(self.answering(trouble)),
        }
    }
}

/// A request as it came.
struct Asked {
    method: String,
    path: String,
}

async fn answer(
    mut stream: DuplexStream,
    trouble: Option<Trouble>,
    answers: &Answers,
) -> std::io::Result<()> {
    let said = listen(&mut stream).await?;
    let (status, body) = match (&said, trouble) {
        (None, None) => return speak(&mut stream, answers.socket.as_bytes()).await,
        (None, Some(Trouble::Huge)) => return speak(&mut stream, &vec![b'a'; HUGE_BYTES]).await,
        (None, Some(Trouble::Garbage)) | (_, Some(Trouble::NoHttp)) => {
            return speak(&mut stream, GARBAGE).await;
        }
        (None, Some(_)) => return Ok(()),
        (Some(asked), None) => {
            let (status, body) = answers.http(&asked.method, &asked.path);
            (status, body.into_bytes())
        }
        (Some(_), Some(Trouble::Status(status))) => (status, b"the kit says no".to_vec()),
        (Some(_), Some(Trouble::Garbage)) => (200, GARBAGE.to_vec()),
        (Some(_), Some(Trouble::OtherJson)) => (200, OTHER_JSON.as_bytes().to_vec()),
        (Some(_), Some(Trouble::Huge)) => (200, vec![b'['; HUGE_BYTES]),
        (Some(_), Some(_)) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"half\": ";
            return speak(&mut stream, head.as_bytes()).await;
        }
    };
    let head = format!(
        "HTTP/1.1 {status} Kit\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let silent = said.is_some_and(|asked| asked.method == "HEAD");
    speak(&mut stream, if silent { b"" } else { &body }).await
}

async fn speak(stream: &mut DuplexStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

/// Reads a request to its end; none where whoever speaks does not speak HTTP, or waits.
async fn listen(stream: &mut DuplexStream) -> std::io::Result<Option<Asked>> {
    let mut read = Vec::new();
    loop {
        let more = stream.read_buf(&mut read);
        let count = match read_within(more, FIRST_WORD).await {
            Some(count) => count?,
            None => return Ok(None),
        };
        let text = String::from_utf8_lossy(&read);
        if count == 0 || read.len() > HEAD_BYTES_MAX || !may_be_http(&text) {
            return Ok(None);
        }
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut words = head.split(' ');
        let asked = Asked {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let length = name
                .eq_ignore_ascii_case("content-length")
                .then_some(value)?;
            length.trim().parse::<usize>().ok()
        });
        let mut left = (head.len() + 4 + length.unwrap_or(0)).saturating_sub(read.len());
        let mut rest = [0; 4_096];
        while left > 0 {
            match stream.read(&mut rest).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        return Ok(Some(asked));
    }
}

async fn read_within<T>(reading: impl Future<Output = T>, time: Duration) -> Option<T> {
    tokio::time::timeout(time, reading).await.ok()
}

fn may_be_http(text: &str) -> bool {
    let method = text.bytes().take_while(u8::is_ascii_uppercase).count();
    method == text.len() || (method > 0 && text[method..].starts_with(" /"))
}

/// The one that everything in a play is answered by.
pub(crate) type Answering = Arc<Other>;
