//! JSON Pointers (RFC 6901): the way to one value inside the configuration.

/// The pointer to `key` below `pointer`.
pub(crate) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The keys on the way, outermost first.
pub(crate) fn keys(pointer: &str) -> impl Iterator<Item = String> {
    pointer
        .split('/')
        .skip(1)
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_as_they_went_in() {
        let pointer = join(&join("", "a/b"), "c~d");
        assert_eq!(pointer, "/a~1b/c~0d");
        assert_eq!(keys(&pointer).collect::<Vec<_>>(), ["a/b", "c~d"]);
        assert_eq!(keys("").count(), 0);
    }
}
