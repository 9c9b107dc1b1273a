//! Texts with a form of their own, by the name of their `format` in the schema: what they are
//! called in a message, how to write them, and the pattern that editors know them by.

use serde_json::{Value, json};

use crate::{count::Count, duration::Duration, fleet::Destination, size::Size};

/// The longest name: it becomes part of file names, and of a DNS label on many sites.
const NAME_LENGTH_MAX: usize = 63;

/// The hexadecimal digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;

/// One form of texts.
pub(crate) struct Format {
    /// As the schema calls it.
    pub(crate) name: &'static str,
    /// As a sentence calls it.
    pub(crate) expected: &'static str,
    /// How to write one.
    pub(crate) help: &'static str,
    /// What editors check.
    pattern: Option<&'static str>,
    /// What is wrong with a text.
    check: fn(&str) -> Result<(), String>,
}

/// Every format that the host's own sections use.
static FORMATS: [Format; 10] = [
    Format {
        name: "span-of-time",
        expected: "a span of time",
        help: "write it like `250ms`, `30s`, `5m` or `1h30m`",
        pattern: Some("^([0-9]+(ms|s|m|h|d))+$"),
        check: |text| {
            text.parse::<Duration>()
                .map(|_| ())
                .map_err(|_| "not a span of time".into())
        },
    },
    Format {
        name: "span-of-time-above-zero",
        expected: "a span of time",
        help: "write it like `250ms`, `30s`, `5m` or `1h30m`",
        pattern: Some("^([0-9]+(ms|s|m|h|d))+$"),
        check: |text| match text.parse::<Duration>() {
            Ok(duration) if duration.as_ms() == 0 => Err("must be more than nothing".into()),
            Ok(_) => Ok(()),
            Err(_) => Err("not a span of time".into()),
        },
    },
    Format {
        name: "size",
        expected: "a size",
        help: "write it like `512 KiB`, `64 MiB` or `1 GiB`",
        pattern: Some("^[0-9]+ ?([GMK]iB|GB|MB|kB|B)$"),
        check: |text| {
            text.parse::<Size>()
                .map(|_| ())
                .map_err(|_| "not a size".into())
        },
    },
    Format {
        name: "count",
        expected: "a number or a percentage of targets",
        help: "write it like `2` or `\"50%\"`",
        pattern: Some("^[0-9]+(\\.[0-9]+)? *%$"),
        check: |text| {
            Count::percent(text)
                .map(|_| ())
                .map_err(|wrong| match wrong {
                    crate::count::NotACount::Unreadable(_) => {
                        "neither a number nor a percentage".into()
                    }
                    out @ crate::count::NotACount::OutOfRange(_) => out.to_string(),
                })
        },
    },
    Format {
        name: "ssh-destination",
        expected: "an SSH destination",
        help: "write it like `deploy@10.0.1.11` or `deploy@host:2222`",
        pattern: None,
        check: destination,
    },
    Format {
        name: "ssh-destinations",
        expected: "SSH destinations with commas between them",
        help: "write it like `jump@10.0.1.1` or `jump@10.0.1.1,jump@10.0.2.1:2222`",
        pattern: None,
        check: |text| text.split(',').try_for_each(destination),
    },
    Format {
        name: "name",
        expected: "a name",
        help: "a name has ASCII letters, digits, `-`, `_` and `.`, begins with a letter or digit, and \
               is at most 63 long",
        pattern: Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"),
        check: name,
    },
    Format {
        name: "address",
        expected: "an address",
        help: "write it like `10.0.1.11:8080`, `app.internal:443` or `[::1]:8080`",
        pattern: None,
        check: address,
    },
    Format {
        name: "secret-reference",
        expected: "the name of a secret",
        help: "write it like `{ secret = \"NAME\" }`: the value itself stays out of the file",
        pattern: None,
        check: |_| Ok(()),
    },
    Format {
        name: "digest",
        expected: "a digest",
        help: "write it like `sha256:` and 64 hexadecimal digits; `runtime plugin inspect` shows it",
        pattern: Some("^sha256:[0-9a-f]{64}$"),
        check: digest,
    },
];

impl Format {
    /// The format of that name, where it is one of the host's.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// What is wrong with a text, in a few words.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        (self.check)(text)
    }

    /// The pattern for editors. A variable may stand for any part of a text.
    pub(crate) fn pattern(&self) -> Option<Value> {
        self.pattern
            .map(|pattern| json!(format!("({pattern})|\\$\\{{")))
    }
}

fn destination(text: &str) -> Result<(), String> {
    text.parse::<Destination>()
        .map(|_| ())
        .map_err(|_| "not an SSH destination".into())
}

fn name(text: &str) -> Result<(), String> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text.chars().find(|c| !letters(*c)) {
        _ if text.is_empty() => Err("must not be empty".into()),
        Some(' ') => Err("has a space in it".into()),
        Some(odd) => Err(format!("has `{odd}` in it")),
        None if !begins => Err("must begin with a letter or digit".into()),
        None if text.len() > NAME_LENGTH_MAX => Err("too long".into()),
        None => Ok(()),
    }
}

fn address(text: &str) -> Result<(), String> {
    if text.contains("://") {
        return Err("a URL, not an address".into());
    }
    let (host, port) = text.rsplit_once(':').ok_or("has no port")?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || ":/[]@".contains(c))
        }
    };
    match port.parse::<u16>() {
        Ok(0) | Err(_) => Err(format!("`{port}` is no port")),
        Ok(_) if !host_fits => Err(format!("`{host}` is no host")),
        Ok(_) => Ok(()),
    }
}

fn digest(text: &str) -> Result<(), String> {
    let digits = text
        .strip_prefix("sha256:")
        .ok_or("does not begin with `sha256:`")?;
    let hexadecimal = digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match digits.len() {
        DIGEST_DIGITS if hexadecimal => Ok(()),
        DIGEST_DIGITS => Err("only 0 to 9 and a to f may follow `sha256:`".into()),
        other => Err(format!(
            "{other} digits follow `sha256:`, not {DIGEST_DIGITS}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, good: &[&str], bad: &[&str]) {
        let format = Format::named(format).unwrap();
        good.iter()
            .for_each(|text| assert_eq!(format.check(text), Ok(()), "{text}"));
        bad.iter()
            .for_each(|text| assert!(format.check(text).is_err(), "{text}"));
    }

    #[test]
    fn texts_are_told_apart() {
        check(
            "name",
            &["web01", "eu-west", "a.b_c"],
            &["", "-a", ".a", "a b", "a/b", "ä", &"a".repeat(64)],
        );
        check(
            "address",
            &["10.0.1.11:8080", "host:1", "[::1]:80"],
            &["host", "host:0", "::1:80", ":80", "http://x:80"],
        );
        check("span-of-time-above-zero", &["1s"], &["0s", "1"]);
        check("count", &["50%", "0%"], &["101%", "50", "half"]);
        let digest = format!("sha256:{}", "a".repeat(64));
        check(
            "digest",
            &[&digest],
            &["", "sha256:", "md5:00", &digest.to_uppercase()],
        );
        check(
            "ssh-destinations",
            &["a@b", "a@b,c:22"],
            &["", "a,,b", "-oX"],
        );
    }
}
