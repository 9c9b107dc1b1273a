//! Files on the machine that the plugin works on, below the paths that were granted.

use bindings::files::Entry;
use engine::{Code, Failure};
use machines::{Action, EntryKind, Output, Place};

use crate::{
    call::{CallState, invalid, of_machine},
    grants::CleanPath,
};

/// What a file with a secret in it is readable for: its owner.
const SECRET_MODE: u32 = 0o600;

/// A link says a path, and no path is longer than this.
const LINK_BYTES_MAX: usize = 4_096;

impl CallState {
    /// Where a path is, if it was granted.
    pub(crate) fn place(&self, path: &str, write: bool) -> Result<Place, Failure> {
        let clean = CleanPath::parse(path)
            .map_err(|what| invalid(format!("the path `{}` {what}", path.escape_debug())))?;
        Ok(self.grants().place(&clean, write)?)
    }

    pub(crate) async fn read_file(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let used = self.on_machine("files", "read", path);
        let reading = async {
            let at = self.place(path, false)?;
            self.machine.read(&at).await.map_err(of_machine)
        };
        let contents = used.ended(reading.await)?;
        Ok(self.sealed.answer_bytes(contents))
    }

    pub(crate) async fn stat_file(&self, path: &str) -> Result<Option<Entry>, Failure> {
        let used = self.on_machine("files", "stat", path);
        let looking = async {
            let at = self.place(path, false)?;
            Ok(self.machine.stat(&at).await.map_err(of_machine)?.map(entry))
        };
        used.ended(looking.await)
    }

    pub(crate) async fn list_directory(&self, path: &str) -> Result<Vec<Entry>, Failure> {
        let used = self.on_machine("files", "list", path);
        let listing = async {
            let at = self.place(path, false)?;
            let entries = self.machine.list(&at).await.map_err(of_machine)?;
            Ok(entries.into_iter().map(entry).collect())
        };
        used.ended(listing.await)
    }

    pub(crate) async fn read_link_file(&self, path: &str) -> Result<String, Failure> {
        let used = self.on_machine("files", "read-link", path);
        let reading = async {
            let at = self.place(path, false)?;
            self.machine.read_link(&at).await.map_err(of_machine)
        };
        used.ended(reading.await)
    }

    pub(crate) async fn write_file(&self, path: &str, contents: Vec<u8>) -> Result<(), Failure> {
        self.change_file("write", path, contents).await
    }

    /// One of the verbs that change something, outside of `machine.perform`.
    pub(crate) async fn change_file(
        &self,
        verb: &str,
        path: &str,
        argument: Vec<u8>,
    ) -> Result<(), Failure> {
        let mut used = self.on_machine("files", verb, path);
        let mut secrets = Vec::new();
        let changing = async {
            let action = self.file_action(verb, path, argument, &mut secrets)?;
            used.with_secrets(&secrets);
            let fence = self.context.fence.as_ref();
            self.machine
                .perform(&[action], fence, None)
                .await
                .map_err(of_machine)?;
            Ok(())
        };
        let result = changing.await;
        used.ended(result)
    }

    /// The action of a verb of `files`, checked against the grants. The secrets that go into it
    /// are added to `secrets`.
    pub(crate) fn file_action(
        &self,
        verb: &str,
        path: &str,
        argument: Vec<u8>,
        secrets: &mut Vec<String>,
    ) -> Result<Action, Failure> {
        Ok(match verb {
            "write" => {
                let at = self.place(path, true)?;
                let (contents, put_in) = self.sealed.put_in_file(argument);
                let mode = (!put_in.is_empty()).then_some(SECRET_MODE);
                secrets.extend(put_in);
                Action::Write { at, contents, mode }
            }
            "create-directory" => Action::CreateDirectory {
                at: self.place(path, true)?,
            },
            "remove" => Action::Remove {
                at: self.place(path, true)?,
            },
            "link" => {
                let points_to = text(verb, argument)?;
                if points_to.is_empty()
                    || points_to.len() > LINK_BYTES_MAX
                    || points_to.contains('\0')
                {
                    return Err(invalid("a link must say a path"));
                }
                Action::Link {
                    at: self.place(path, true)?,
                    points_to,
                }
            }
            "rename" => {
                let to = text(verb, argument)?;
                Action::Rename {
                    from: self.place(path, true)?,
                    to: self.place(&to, true)?,
                }
            }
            "read" => Action::Read {
                at: self.place(path, false)?,
            },
            "read-link" => Action::ReadLink {
                at: self.place(path, false)?,
            },
            "list" => Action::List {
                at: self.place(path, false)?,
            },
            "stat" => Action::Stat {
                at: self.place(path, false)?,
            },
            other => {
                let text = format!("there is no verb `{}`", other.escape_debug());
                return Err(Failure::new(Code::Invalid, text));
            }
        })
    }

    /// An output as the plugin gets it: without the values of secrets.
    pub(crate) fn output(&self, output: Output) -> bindings::commands::Output {
        bindings::commands::Output {
            status: output.status,
            stdout: self.sealed.answer_bytes(output.stdout),
            stderr: self.sealed.answer_bytes(output.stderr),
            truncated: output.truncated,
        }
    }
}

fn text(verb: &str, argument: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(argument).map_err(|_| invalid(format!("the argument of `{verb}` is no text")))
}

fn entry(theirs: machines::Entry) -> Entry {
    let kind = match theirs.kind {
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink => "symlink",
        EntryKind::Other => "other",
    };
    Entry {
        name: theirs.name,
        kind: kind.to_owned(),
        size: theirs.size,
    }
}
