//! The options of a request. One that is not known is an error, or a newer plugin would silently
//! not get what it asks for.

use engine::Failure;

use crate::call::invalid;

/// More redirects than this are a loop.
const REDIRECTS_MAX: u32 = 10;

/// What a request says of how it is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// How many redirects are followed.
    pub(super) redirects: u32,
    /// Certificates that are trusted besides the machine's own, in PEM.
    pub(super) ca: Option<String>,
    /// The name that the other side's certificate must carry.
    pub(super) server_name: Option<String>,
    /// Any certificate will do.
    pub(super) unverified: bool,
}

impl Options {
    pub(super) fn parse(given: &[(String, String)]) -> Result<Self, Failure> {
        let mut options = Self::default();
        for (name, value) in given {
            match name.as_str() {
                "redirects" => {
                    let count = value.parse().ok().filter(|count| *count <= REDIRECTS_MAX);
                    options.redirects = count.ok_or_else(|| {
                        invalid(format!("`redirects` is a number up to {REDIRECTS_MAX}"))
                    })?;
                }
                "ca" => options.ca = Some(value.clone()),
                "server-name" => options.server_name = Some(value.clone()),
                "verify" if value == "none" => options.unverified = true,
                "verify" => return Err(invalid("`verify` can only be `none`")),
                _ => {
                    let name = name.escape_debug();
                    return Err(invalid(format!("a request has no option `{name}`")));
                }
            }
        }
        Ok(options)
    }
}
