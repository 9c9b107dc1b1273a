//! What a fake host holds: answers, files in memory, a clock, and what was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    Failure, Result,
    bindings::imports::{
        commands::{Command, Output},
        files::Entry,
        http::{Request, Response},
        traffic::Share,
    },
};

type OnCommand = Box<dyn FnMut(&Command) -> Result<Output>>;
type OnRequest = Box<dyn FnMut(&Request) -> Result<Response>>;
type OnSocket = Box<dyn FnMut(&str, &[u8]) -> Result<Vec<u8>>>;

pub(crate) struct World {
    pub(crate) calls: Vec<String>,
    pub(crate) failures: BTreeMap<String, Failure>,
    pub(crate) shares: Vec<Share>,
    pub(crate) verdict: String,
    pub(crate) now: u64,
    pub(crate) latency: u64,
    pub(crate) files: Files,
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) locks: BTreeSet<String>,
    pub(crate) requests: Vec<Request>,
    pub(crate) commands: Vec<Command>,
    pub(crate) on_command: OnCommand,
    pub(crate) on_request: OnRequest,
    pub(crate) on_socket: OnSocket,
}

impl Default for World {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            failures: BTreeMap::new(),
            shares: Vec::new(),
            verdict: "passed".into(),
            now: 0,
            latency: 0,
            files: Files::default(),
            notes: BTreeMap::new(),
            locks: BTreeSet::new(),
            requests: Vec::new(),
            commands: Vec::new(),
            on_command: Box::new(|_| Ok(super::output(0, "", ""))),
            on_request: Box::new(|_| Ok(super::response(200, ""))),
            on_socket: Box::new(|_, _| Ok(Vec::new())),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Notes the call down; fails where the test said so.
    pub(crate) fn called(&mut self, call: String) -> Result<()> {
        let failure = self.failures.get(&call).cloned();
        self.calls.push(call);
        failure.map_or(Ok(()), Err)
    }

    pub(crate) fn run(&mut self, command: &Command) -> Result<Output> {
        self.commands.push(command.clone());
        (self.on_command)(command)
    }
}

#[derive(Clone, Debug)]
enum Node {
    Directory,
    File(Vec<u8>),
    Link(String),
}

/// A file system in memory. Links are kept, not followed.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<String, Node>);

impl Files {
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.0.get(plain(path))? {
            Node::File(contents) => Some(contents.clone()),
            Node::Directory | Node::Link(_) => None,
        }
    }

    pub(crate) fn read_link(&self, path: &str) -> Option<String> {
        match self.0.get(plain(path))? {
            Node::Link(points_to) => Some(points_to.clone()),
            Node::Directory | Node::File(_) => None,
        }
    }

    pub(crate) fn write(&mut self, path: &str, contents: &[u8]) {
        self.put(path, Node::File(contents.to_vec()));
    }

    pub(crate) fn link(&mut self, path: &str, points_to: &str) {
        self.put(path, Node::Link(points_to.into()));
    }

    pub(crate) fn create_directory(&mut self, path: &str) {
        self.put(path, Node::Directory);
    }

    pub(crate) fn remove(&mut self, path: &str) {
        let below = format!("{}/", plain(path));
        self.0
            .retain(|each, _| each != plain(path) && !each.starts_with(&below));
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (plain(from), plain(to));
        if !self.0.contains_key(from) {
            return Err(Failure::missing(from));
        }
        let below = format!("{from}/");
        let moved: Vec<String> = self
            .0
            .keys()
            .filter(|each| *each == from || each.starts_with(&below))
            .cloned()
            .collect();
        for path in moved {
            let Some(node) = self.0.remove(&path) else {
                continue;
            };
            self.0.insert(format!("{to}{}", &path[from.len()..]), node);
        }
        Ok(())
    }

    pub(crate) fn stat(&self, path: &str) -> Option<Entry> {
        let path = plain(path);
        self.0
            .get(path)
            .map(|node| entry(path.rsplit('/').next().unwrap_or(path), node))
    }

    pub(crate) fn list(&self, path: &str) -> Vec<Entry> {
        let below = format!("{}/", plain(path));
        let inside = self.0.iter().filter_map(|(each, node)| {
            let name = each.strip_prefix(&below)?;
            (!name.contains('/')).then(|| entry(name, node))
        });
        inside.collect()
    }

    fn put(&mut self, path: &str, node: Node) {
        let path = plain(path);
        for (place, _) in path.match_indices('/').filter(|(place, _)| *place > 0) {
            self.0
                .entry(path[..place].into())
                .or_insert(Node::Directory);
        }
        match node {
            Node::Directory => _ = self.0.entry(path.into()).or_insert(node),
            node => _ = self.0.insert(path.into(), node),
        }
    }
}

fn plain(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn entry(name: &str, node: &Node) -> Entry {
    let (kind, size) = match node {
        Node::Directory => ("directory", 0),
        Node::File(contents) => ("file", contents.len()),
        Node::Link(points_to) => ("symlink", points_to.len()),
    };
    Entry {
        name: name.into(),
        kind: kind.into(),
        size: size as u64,
    }
}
