//! Texts with gaps in them: what a scope says, where the host cannot tell all of it.

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Exactly this.
    Text(String),
    /// Any text but the empty one, without `..` in it.
    Gap,
}

/// A text with gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

/// A part of a pattern for whoever goes along it.
#[derive(PartialEq, Eq)]
enum Unit {
    This(char),
    /// Any one character.
    One,
    /// Any characters, also none.
    Any,
}

impl Pattern {
    pub(super) fn text(text: impl Into<String>) -> Self {
        let mut pattern = Self::default();
        pattern.push_text(&text.into());
        pattern
    }

    /// Anything.
    pub(super) fn gap() -> Self {
        Self(vec![Piece::Gap])
    }

    pub(super) fn push_text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }

    pub(super) fn push_gap(&mut self) {
        if self.0.last() != Some(&Piece::Gap) {
            self.0.push(Piece::Gap);
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        for piece in &other.0 {
            match piece {
                Piece::Text(text) => self.push_text(text),
                Piece::Gap => self.push_gap(),
            }
        }
    }

    /// The text, where there are no gaps.
    pub(super) fn whole(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the text is one that the pattern stands for. A gap does not reach over a `/` where
    /// `one_component` is set.
    pub(super) fn matches(&self, text: &str, one_component: bool) -> bool {
        fn go(pieces: &[Piece], text: &str, one_component: bool) -> bool {
            match pieces {
                [] => text.is_empty(),
                [Piece::Text(expected), rest @ ..] => text
                    .strip_prefix(expected.as_str())
                    .is_some_and(|left| go(rest, left, one_component)),
                [Piece::Gap, rest @ ..] => {
                    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
                    ends.map(|end| text.split_at(end))
                        .take_while(|(gap, _)| {
                            !(gap.contains("..") || one_component && gap.contains('/'))
                        })
                        .any(|(_, left)| go(rest, left, one_component))
                }
            }
        }
        go(&self.0, text, one_component)
    }

    /// Whether all that the other stands for is what this one stands for.
    pub(super) fn covers(&self, other: &Self) -> bool {
        // What stands in no text can only be met by a gap.
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Gap => '\0'.to_string(),
        };
        let other: String = other.0.iter().map(piece).collect();
        self.matches(&other, true)
    }

    /// Whether there may be a text that both stand for.
    pub(super) fn meets(&self, other: &Self) -> bool {
        fn go(one: &[Unit], other: &[Unit]) -> bool {
            match (one, other) {
                ([], []) => true,
                ([Unit::Any, rest @ ..], _) => {
                    go(rest, other) || other.split_first().is_some_and(|(_, left)| go(one, left))
                }
                (_, [Unit::Any, ..]) => go(other, one),
                ([a, rest @ ..], [b, left @ ..]) => {
                    (a == b || *a == Unit::One || *b == Unit::One) && go(rest, left)
                }
                _ => false,
            }
        }
        go(&self.units(), &other.units())
    }

    fn units(&self) -> Vec<Unit> {
        let units = self.0.iter().flat_map(|piece| match piece {
            Piece::Text(text) => text.chars().map(Unit::This).collect(),
            Piece::Gap => vec![Unit::One, Unit::Any],
        });
        units.collect()
    }

    /// Whether it begins with `write:` in place of `read:`, and what stands after.
    pub(super) fn split_prefix(&self) -> Option<(bool, Self)> {
        let Some(Piece::Text(text)) = self.0.first() else {
            return None;
        };
        let (write, rest) = match text.split_once(':')? {
            ("read", rest) => (false, rest),
            ("write", rest) => (true, rest),
            _ => return None,
        };
        let mut path = Self::text(rest);
        path.append(&Self(self.0[1..].to_vec()));
        Some((write, path))
    }

    /// As components of a path; `None` where it is no path that may be granted.
    pub(super) fn components(&self) -> Option<(bool, Vec<Self>)> {
        let absolute = matches!(self.0.first(), Some(Piece::Text(text)) if text.starts_with('/'));
        let mut components = vec![Self::default()];
        for piece in &self.0 {
            match piece {
                Piece::Gap => components.last_mut()?.push_gap(),
                Piece::Text(text) => {
                    for (index, part) in text.split('/').enumerate() {
                        if index > 0 {
                            components.push(Self::default());
                        }
                        components.last_mut()?.push_text(part);
                    }
                }
            }
        }
        components.retain(|component| !matches!(component.whole(), Some("" | ".")));
        let climbs = components
            .iter()
            .any(|component| component.whole() == Some(".."));
        (!climbs).then_some((absolute, components))
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Gap => f.write_str("*")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        for (index, part) in text.split('*').enumerate() {
            if index > 0 {
                pattern.push_gap();
            }
            pattern.push_text(part);
        }
        pattern
    }

    #[test]
    fn gaps_stand_for_something_that_does_not_climb() {
        for (text, sample, one_component, expected) in [
            ("abc", "abc", true, true),
            ("abc", "abcd", true, false),
            ("abc", "ab", true, false),
            ("a*c", "abbc", true, true),
            ("a*c", "ac", true, false),
            ("a*", "a/b", true, false),
            ("a*", "a/b", false, true),
            ("*", "..", false, false),
            ("*/x", "a..b/x", false, false),
            ("*-*", "a-b-c", true, true),
            ("*", "", true, false),
        ] {
            assert_eq!(
                pattern(text).matches(sample, one_component),
                expected,
                "{text} {sample}"
            );
        }
    }

    #[test]
    fn patterns_cover_and_meet_each_other() {
        for (one, other, covers, meets) in [
            ("abc", "abc", true, true),
            ("a*", "abc", true, true),
            ("abc", "a*", false, true),
            ("a*", "a*c", true, true),
            ("a*c", "a*", false, true),
            ("a*", "*b", false, true),
            ("a*", "b*", false, false),
            ("*", "a/b", false, true),
            ("*b", "a", false, false),
            ("a*", "a", false, false),
        ] {
            let (one, other) = (pattern(one), pattern(other));
            assert_eq!(one.covers(&other), covers, "{one} {other}");
            assert_eq!(one.meets(&other), meets, "{one} {other}");
            assert_eq!(other.meets(&one), meets, "{other} {one}");
        }
    }
}
