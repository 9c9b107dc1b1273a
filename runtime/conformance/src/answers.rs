//! What the other side answers where nothing goes wrong: what the author of a plugin wrote of it,
//! else as little as can be.

use serde::Deserialize;

/// What the other side answers, in the words of its author.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answers {
    /// To HTTP requests: the first that fits.
    #[serde(default)]
    pub http: Vec<Answer>,
    /// To programs that are run: the first that fits.
    #[serde(default)]
    pub commands: Vec<Said>,
    /// Over a socket.
    #[serde(default)]
    pub socket: String,
}

/// An answer to an HTTP request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    /// The method that it answers; any where none is given.
    #[serde(default)]
    pub method: Option<String>,
    /// How the path that it answers begins.
    #[serde(default)]
    pub path: String,
    /// Its status.
    #[serde(default = "ok")]
    pub status: u16,
    /// Its body.
    #[serde(default)]
    pub body: String,
}

/// How a program ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Said {
    /// How its line begins: the program and its arguments, with a space between.
    #[serde(default)]
    pub run: String,
    /// Its exit status.
    #[serde(default)]
    pub status: i32,
    /// What it writes.
    #[serde(default)]
    pub stdout: String,
    /// What it complains about.
    #[serde(default)]
    pub stderr: String,
}

fn ok() -> u16 {
    200
}

impl Answers {
    /// The status and body for a request.
    pub(crate) fn http(&self, method: &str, path: &str) -> (u16, String) {
        let fits = |answer: &&Answer| {
            answer.method.as_deref().is_none_or(|each| each == method)
                && path.starts_with(&answer.path)
        };
        match self.http.iter().find(fits) {
            Some(answer) => (answer.status, answer.body.clone()),
            None => (200, "{}".to_owned()),
        }
    }

    /// How a program with this line ends.
    pub(crate) fn command(&self, line: &str) -> Said {
        let said = self
            .commands
            .iter()
            .find(|said| line.starts_with(&said.run));
        said.cloned().unwrap_or_else(|| Said {
            run: String::new(),
            status: 0,
            stdout: String::new(),
            stderr: String::new(),
        })
    }
}
