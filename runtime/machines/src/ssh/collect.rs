//! Makes outputs and errors of what a script reports.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use russh::ChannelMsg;

use super::{
    call::changed,
    frames::{Frames, Piece},
    script::Script,
};
use crate::{
    action::{Entry, EntryKind, Output},
    error::{ErrorKind, MachineError},
    local::older,
};

/// What login shells say before anything else, kept for the message where nothing else comes.
const NOISE_BYTES_MAX: usize = 2000;

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    /// The program is not there.
    NoProgram,
    /// With what the script's tools said.
    Failed(ErrorKind, String),
}

/// What came of one action.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) index: usize,
    pub(super) output: Output,
    pub(super) end: End,
}

/// The action under way.
#[derive(Default)]
struct Current {
    index: usize,
    out: Vec<u8>,
    truncated: bool,
    announced: Option<usize>,
    groups: Vec<(usize, Vec<u8>)>,
    lists: bool,
    no_program: bool,
    process: Option<i32>,
}

/// Listens to both streams of a shell.
pub(super) struct Collector {
    script: Arc<Script>,
    out: Frames,
    err: Frames,
    /// What was said on the second stream, by the marks that stand on both.
    said: Vec<Vec<u8>>,
    saying: Vec<u8>,
    /// For each mark on the first stream that stands on both: what it ended.
    marks: Vec<Option<usize>>,
    current: Option<Current>,
    came: Vec<Came>,
    noise: Vec<u8>,
    newer: Option<u64>,
    pub(super) begun: bool,
    /// The action that has no use for what is sent for it.
    pub(super) skipped: Option<usize>,
    ended: bool,
    failed: Option<(Option<usize>, ErrorKind)>,
    changed: Arc<OnceLock<usize>>,
}

impl Collector {
    pub(super) fn new(script: Arc<Script>) -> Self {
        Self {
            out: Frames::new(&script.nonce),
            err: Frames::new(&script.nonce),
            script,
            said: Vec::new(),
            saying: Vec::new(),
            marks: Vec::new(),
            current: None,
            came: Vec::new(),
            noise: Vec::new(),
            newer: None,
            begun: false,
            skipped: None,
            ended: false,
            failed: None,
            changed: Arc::default(),
        }
    }

    /// Where to put down which artifact was not what it should be.
    pub(super) fn changed(&self) -> Arc<OnceLock<usize>> {
        Arc::clone(&self.changed)
    }

    /// Whether all has been heard.
    pub(super) fn is_complete(&self) -> bool {
        (self.ended || self.failed.is_some()) && self.said.len() >= self.marks.len()
    }

    /// Whether the script came to its end, and the shell waits for the next.
    pub(super) fn came_to_its_end(&self) -> bool {
        self.ended && self.failed.is_none() && self.skipped.is_none()
    }

    /// The action under way, and the process that it runs.
    pub(super) fn under_way(&self) -> Option<(usize, Option<i32>)> {
        self.current
            .as_ref()
            .map(|current| (current.index, current.process))
    }

    /// What the action under way has written so far.
    pub(super) fn so_far(&self) -> Output {
        let out = self
            .current
            .as_ref()
            .map(|current| (current.out.clone(), current.truncated));
        let (stdout, truncated) = out.unwrap_or_default();
        Output {
            status: None,
            stdout,
            stderr: self.saying.clone(),
            truncated,
        }
    }

    /// What a shell said that would not take a script.
    pub(super) fn noise(&self) -> String {
        let said = [self.noise.as_slice(), self.saying.as_slice()].concat();
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// Whether there are programs to run that have not ended.
    pub(super) fn may_run(&self) -> bool {
        !self.is_complete() && self.script.parts.iter().any(|part| part.runs)
    }

    /// What the other side sends.
    pub(super) fn take(&mut self, message: &ChannelMsg) {
        match message {
            ChannelMsg::Data { data } => self.hear(data),
            ChannelMsg::ExtendedData { data, .. } => self.hear_said(data),
            _ => {}
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for piece in self.out.take(bytes) {
            match piece {
                Piece::Bytes(bytes) => self.written(&bytes),
                Piece::Report(report) => self.reported(&report),
            }
        }
    }

    fn hear_said(&mut self, bytes: &[u8]) {
        for piece in self.err.take(bytes) {
            match piece {
                Piece::Bytes(bytes) => {
                    let room = crate::OUTPUT_BYTES_MAX.saturating_sub(self.saying.len());
                    self.saying
                        .extend_from_slice(&bytes[..bytes.len().min(room)]);
                    if bytes.len() > room
                        && let Some(current) = &mut self.current
                    {
                        current.truncated = true;
                    }
                }
                Piece::Report(_) => self.said.push(std::mem::take(&mut self.saying)),
            }
        }
    }

    fn written(&mut self, bytes: &[u8]) {
        let Some(current) = &mut self.current else {
            let room = NOISE_BYTES_MAX.saturating_sub(self.noise.len());
            self.noise
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        };
        let keep = self
            .script
            .parts
            .get(current.index)
            .map_or(0, |part| part.keep);
        let into = match current.groups.last_mut() {
            Some((_, group)) => group,
            None => &mut current.out,
        };
        let room = keep.saturating_sub(into.len());
        into.extend_from_slice(&bytes[..bytes.len().min(room)]);
        current.truncated |= bytes.len() > room;
    }

    fn reported(&mut self, report: &str) {
        let mut words = report.split(' ');
        let word = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|text| text.parse::<i64>().ok());
        match word {
            "begin" => {
                self.begun = true;
                self.marks.push(None);
            }
            "go" => {
                let index = number()
                    .and_then(|index| usize::try_from(index).ok())
                    .unwrap_or(0);
                self.current = Some(Current {
                    index,
                    ..Current::default()
                });
            }
            "newer" => self.newer = number().and_then(|newer| u64::try_from(newer).ok()),
            "skip" => self.skipped = self.current.as_ref().map(|current| current.index),
            "ok" => {
                let status = number().and_then(|_| number());
                self.done(status);
            }
            "ran" => {
                let status = number().and_then(|_| number());
                self.marks.push(Some(self.came.len()));
                self.done(status);
            }
            "fail" => {
                let index = number().and_then(|index| usize::try_from(index).ok());
                let kind = report.rsplit(' ').next().and_then(ErrorKind::parse);
                self.failed = Some((index, kind.unwrap_or(ErrorKind::Internal)));
                self.marks.push(None);
            }
            "end" => self.ended = true,
            _ => {
                let value = number();
                if let Some(current) = &mut self.current {
                    current.told(word, value);
                }
            }
        }
    }

    fn done(&mut self, status: Option<i64>) {
        let Some(current) = self.current.take() else {
            return;
        };
        let index = current.index;
        let no_program = current.no_program;
        let (output, end) = match current.output(status) {
            Ok(output) => (
                output,
                if no_program {
                    End::NoProgram
                } else {
                    End::Done
                },
            ),
            Err(why) => (Output::default(), End::Failed(ErrorKind::Unavailable, why)),
        };
        self.came.push(Came { index, output, end });
    }

    /// What came of the actions, in their order; the last of them may have failed.
    pub(super) fn finish(mut self) -> Result<Vec<Came>, MachineError> {
        for (mark, said) in self.marks.iter().zip(&mut self.said) {
            if let Some(came) = mark.and_then(|place| self.came.get_mut(place)) {
                came.output.stderr = std::mem::take(said);
            }
        }
        if let Some((index, kind)) = self.failed {
            if let (Some(newest), Some(fence)) = (self.newer, &self.script.fence) {
                let file = Path::new("~").join(fence.path());
                return Err(older(&file, fence.token, newest));
            }
            let said = String::from_utf8_lossy(&self.said.pop().unwrap_or_default())
                .trim()
                .to_owned();
            let Some(index) = index else {
                let text = format!("could not take the lock: {said}");
                return Err(MachineError::new(refined(kind, &said), text));
            };
            let current = self.current.take().unwrap_or_default();
            let end = if current.no_program {
                End::NoProgram
            } else if self.changed.get() == Some(&index) {
                // Whatever the tools stumbled over, this is why.
                return Err(changed().at(index));
            } else {
                End::Failed(refined(kind, &said), said)
            };
            let output = Output {
                stdout: current.out,
                ..Output::default()
            };
            self.came.push(Came { index, output, end });
        }
        Ok(self.came)
    }
}

/// The kind of a failure that only the tools' words tell.
fn refined(kind: ErrorKind, said: &str) -> ErrorKind {
    match kind {
        ErrorKind::Rejected if said.contains("Permission denied") => ErrorKind::Denied,
        ErrorKind::Rejected if said.contains("Read-only file system") => ErrorKind::Denied,
        kind => kind,
    }
}

impl Current {
    fn told(&mut self, word: &str, value: Option<i64>) {
        let count = value.and_then(|value| usize::try_from(value).ok());
        match word {
            "pid" => {
                self.process = value.and_then(|value| i32::try_from(value).ok());
                self.out.clear();
            }
            "data" => {
                self.announced = count;
                self.out.clear();
            }
            "list" => self.lists = true,
            "names" => self.groups.push((count.unwrap_or(0), Vec::new())),
            "none" => self.no_program = true,
            _ => {}
        }
    }

    /// Another program's words among what was read are noticed by their length.
    fn output(self, status: Option<i64>) -> Result<Output, String> {
        let mixed = || "something that was left running there writes into the answers".to_owned();
        if self
            .announced
            .is_some_and(|announced| announced != self.out.len())
        {
            return Err(mixed());
        }
        let stdout = if self.groups.is_empty() && !self.lists {
            self.out
        } else {
            let mut entries = Vec::new();
            for (count, group) in &self.groups {
                entries.extend(listed(*count, group).ok_or_else(mixed)?);
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            let written = match (self.lists, entries.as_slice()) {
                (false, [entry]) => serde_json::to_vec(entry),
                _ => serde_json::to_vec(&entries),
            };
            written.map_err(|error| error.to_string())?
        };
        // Shells add 128 to the number of the signal that ended a program.
        let status = status.and_then(|status| i32::try_from(status).ok());
        let status = status.filter(|status| !(129..=192).contains(status));
        Ok(Output {
            status,
            stdout,
            stderr: Vec::new(),
            truncated: self.truncated,
        })
    }
}

/// Names that end with null bytes, then a line for each with its size and, in hexadecimal, mode.
fn listed(count: usize, group: &[u8]) -> Option<Vec<Entry>> {
    let mut parts = group.splitn(count + 1, |byte| *byte == 0);
    let names: Vec<&[u8]> = parts.by_ref().take(count).collect();
    let lines = std::str::from_utf8(parts.next()?).ok()?;
    let mut lines = lines.lines();
    let mut entries = Vec::with_capacity(count);
    for name in names {
        let (size, mode) = lines.next()?.split_once(' ')?;
        let mode = u32::from_str_radix(mode, 16).ok()?;
        let kind = match mode & 0o170_000 {
            0o100_000 => EntryKind::File,
            0o040_000 => EntryKind::Directory,
            0o120_000 => EntryKind::Symlink,
            _ => EntryKind::Other,
        };
        let name = String::from_utf8_lossy(name.strip_prefix(b"./")?).into_owned();
        entries.push(Entry {
            name,
            kind,
            size: size.parse().ok()?,
        });
    }
    lines.next().is_none().then_some(entries)
}
