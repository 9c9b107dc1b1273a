//! What is wrong with a configuration, and where; all of it in one go.

use std::{fmt, path::Path};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{render, source::Place};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of mistake it is, for programs: `unknown-key`, `wrong-type`, `plugin`, …
    pub code: &'static str,
    /// What is wrong, in one sentence without a full stop.
    pub title: String,
    /// Where; none where there is no text to point at.
    pub place: Option<Place>,
    /// What is wrong with just that place, in a few words.
    pub label: Box<str>,
    /// Other places that matter, and why.
    pub notes: Vec<(Place, String)>,
    /// What to do about it.
    pub help: Option<Box<str>>,
}

impl Problem {
    /// A problem without a place.
    pub fn new(code: &'static str, title: impl Into<String>) -> Self {
        Self {
            code,
            title: title.into(),
            place: None,
            label: Box::default(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// The same problem at a place.
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>, label: impl Into<Box<str>>) -> Self {
        self.place = place.into();
        self.label = label.into();
        self
    }

    /// The same problem with another place that matters.
    #[must_use]
    pub fn note(mut self, place: impl Into<Option<Place>>, label: impl Into<String>) -> Self {
        self.notes
            .extend(place.into().map(|place| (place, label.into())));
        self
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<Box<str>>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Problem", 8)?;
        out.serialize_field("code", self.code)?;
        out.serialize_field("message", &self.title)?;
        out.serialize_field("label", &self.label)?;
        out.serialize_field("help", &self.help)?;
        let at = self.place.as_ref().map(Place::line_column);
        out.serialize_field("file", &self.place.as_ref().map(|place| &place.source.name))?;
        out.serialize_field("line", &at.map(|(line, _)| line))?;
        out.serialize_field("column", &at.map(|(_, column)| column))?;
        out.serialize_field("text", &self.place.as_ref().map(Place::line))?;
        out.end()
    }
}

/// Everything that is wrong with one configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: String,
    list: Vec<Problem>,
}

impl Problems {
    /// The problems of the configuration in a file; none where the list is empty.
    pub fn new(path: &Path, list: Vec<Problem>) -> Option<Self> {
        (!list.is_empty()).then(|| Self {
            file: path.display().to_string(),
            list,
        })
    }

    /// The one problem of the configuration in a file.
    pub(crate) fn one(path: &Path, problem: Problem) -> Self {
        Self {
            file: path.display().to_string(),
            list: vec![problem],
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// What a person reads, with escape sequences for colours where they are wanted.
    pub fn render(&self, colours: bool) -> String {
        render::render(self, colours)
    }

    /// The last line: how many there are, and what did not happen.
    pub fn summary(&self) -> String {
        let plural = if self.list.len() == 1 { "" } else { "s" };
        format!(
            "{} problem{plural} in {}; nothing was deployed",
            self.list.len(),
            self.file
        )
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Problems", 3)?;
        out.serialize_field("file", &self.file)?;
        out.serialize_field("problems", &self.list)?;
        out.serialize_field("summary", &self.summary())?;
        out.end()
    }
}
