//! Programs with the arguments they may be given.

use super::{
    pattern::Pattern,
    template::{Names, Offer, Part, parts},
};

/// As many argument lists as one scope may stand for.
const ALTERNATIVES_MAX: usize = 50_000;

/// A scope of `commands`: a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandScope(Vec<Word>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    One(Pattern),
    /// Any arguments, also none.
    Any,
}

impl CommandScope {
    /// Everything that a scope stands for: words between spaces, `*` for any arguments, `{name}`
    /// alone for all of a list.
    pub(super) fn expand(scope: &str, names: &Names<'_>) -> Vec<Self> {
        let mut scopes = vec![Vec::new()];
        for word in scope.split_whitespace() {
            let offered = offered(word, names);
            if offered.is_empty() || scopes.len().saturating_mul(offered.len()) > ALTERNATIVES_MAX {
                return Vec::new();
            }
            scopes = scopes
                .iter()
                .flat_map(|before: &Vec<Word>| {
                    offered
                        .iter()
                        .map(move |words| before.iter().chain(words).cloned().collect())
                })
                .collect();
        }
        scopes.retain(|words: &Vec<Word>| !words.is_empty());
        scopes.into_iter().map(Self).collect()
    }

    pub(crate) fn covers(&self, program: &str, arguments: &[String]) -> bool {
        let mut given: Vec<&str> = vec![program];
        given.extend(arguments.iter().map(String::as_str));
        go(&self.0, &given, &|pattern, word| {
            pattern.matches(word, false)
        })
    }

    /// What both allow; where neither is within the other, this.
    pub(super) fn shared(&self, other: &Self) -> Option<Self> {
        let covers = |one: &Self, other: &Self| {
            go(&one.0, &other.0, &|pattern, word| match word {
                Word::One(word) => pattern.covers(word),
                Word::Any => false,
            })
        };
        if covers(self, other) {
            return Some(other.clone());
        }
        (covers(other, self) || meets(&self.0, &other.0)).then(|| self.clone())
    }
}

impl std::fmt::Display for CommandScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, word) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            match word {
                Word::One(pattern) => write!(f, "{pattern}")?,
                Word::Any => f.write_str("*")?,
            }
        }
        Ok(())
    }
}

fn go<T>(words: &[Word], given: &[T], fits: &impl Fn(&Pattern, &T) -> bool) -> bool {
    match (words, given) {
        ([], []) => true,
        ([Word::Any], _) => true,
        ([Word::Any, rest @ ..], _) => (0..=given.len()).any(|skip| go(rest, &given[skip..], fits)),
        ([Word::One(pattern), rest @ ..], [argument, left @ ..]) => {
            fits(pattern, argument) && go(rest, left, fits)
        }
        _ => false,
    }
}

/// Whether there may be a command that both stand for.
fn meets(one: &[Word], other: &[Word]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([Word::Any, rest @ ..], _) => {
            meets(rest, other)
                || other
                    .split_first()
                    .is_some_and(|(_, left)| meets(one, left))
        }
        (_, [Word::Any, ..]) => meets(other, one),
        ([Word::One(a), rest @ ..], [Word::One(b), left @ ..]) => a.meets(b) && meets(rest, left),
        _ => false,
    }
}

/// The lists of words that one word of a scope stands for.
fn offered(word: &str, names: &Names<'_>) -> Vec<Vec<Word>> {
    if word == "*" {
        return vec![vec![Word::Any]];
    }
    let one = |text: Pattern| vec![Word::One(text)];
    match parts(word).as_slice() {
        [Part::Name(name)] => match names.offer(name) {
            Some(Offer::Lists(lists)) => lists
                .into_iter()
                .map(|list| list.into_iter().map(Word::One).collect())
                .collect(),
            Some(Offer::Texts(texts)) => texts.into_iter().map(one).collect(),
            None => Vec::new(),
        },
        _ => names.texts(word).into_iter().map(one).collect(),
    }
}

/// Variables that change what a granted program is, and so are not the plugin's to set.
pub(crate) fn is_loader_variable(name: &str) -> bool {
    const EXACT: [&str; 19] = [
        "PATH",
        "IFS",
        "ENV",
        "BASH_ENV",
        "SHELLOPTS",
        "BASHOPTS",
        "PS4",
        "CDPATH",
        "GCONV_PATH",
        "PERL5LIB",
        "PERL5OPT",
        "PERL5DB",
        "RUBYLIB",
        "RUBYOPT",
        "NODE_OPTIONS",
        "NODE_PATH",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "HOSTALIASES",
    ];
    const BEGINNINGS: [&str; 6] = ["LD_", "DYLD_", "PYTHON", "GIT_", "BASH_FUNC_", "MALLOC_"];
    EXACT.contains(&name)
        || BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
}
