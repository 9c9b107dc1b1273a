//! The keys of hosts that are known.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{
    Algorithm, HashAlg, PublicKey,
    known_hosts::learn_known_hosts_path,
    ssh_key::known_hosts::{HostPatterns, KnownHosts, Marker},
};
use sha1::Sha1;

use super::config::{Hop, Unknown};

/// What is known of one host.
pub(super) struct Known {
    /// As the files have it: `host`, or `[host]:port`.
    name: String,
    alias: String,
    host: String,
    port: u16,
    files: Vec<PathBuf>,
    unknown: Unknown,
    keys: Vec<(PathBuf, PublicKey)>,
    revoked: Vec<PublicKey>,
}

impl Known {
    /// Reads the files; one that is missing knows nothing.
    pub(super) fn of(hop: &Hop) -> Self {
        let host = hop
            .key_alias
            .clone()
            .unwrap_or_else(|| hop.host.to_lowercase());
        // An alias stands for itself, whatever the port.
        let port = if hop.key_alias.is_some() {
            22
        } else {
            hop.port
        };
        let name = if port == 22 {
            host.clone()
        } else {
            format!("[{host}]:{port}")
        };
        let mut known = Self {
            name,
            alias: hop.alias.clone(),
            host,
            port,
            files: hop.known_hosts.clone(),
            unknown: hop.unknown,
            keys: Vec::new(),
            revoked: Vec::new(),
        };
        for file in &hop.known_hosts {
            known.read(file);
        }
        known
    }

    fn read(&mut self, file: &Path) {
        let Ok(text) = fs::read_to_string(file) else {
            return;
        };
        // A line that is not understood is of a kind of key that is not used.
        for entry in text
            .lines()
            .filter_map(|line| KnownHosts::new(line).next()?.ok())
        {
            if !matches(entry.host_patterns(), &self.name) {
                continue;
            }
            match entry.marker() {
                None => self
                    .keys
                    .push((file.to_owned(), entry.public_key().clone())),
                Some(Marker::Revoked) => self.revoked.push(entry.public_key().clone()),
                Some(Marker::CertAuthority) => {}
            }
        }
    }

    /// The kinds of key to ask for, those that are known first: a host has several.
    pub(super) fn preferred(&self, all: &[Algorithm]) -> Vec<Algorithm> {
        let is_known = |algorithm: &Algorithm| {
            self.keys
                .iter()
                .any(|(_, key)| match (key.algorithm(), algorithm) {
                    (Algorithm::Rsa { .. }, Algorithm::Rsa { hash }) => hash.is_some(),
                    (known, algorithm) => known == *algorithm,
                })
        };
        let (known, unknown): (Vec<_>, Vec<_>) = all.iter().cloned().partition(is_known);
        known.into_iter().chain(unknown).collect()
    }

    /// Whether the key may be trusted; else why not, and what to do about it.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), String> {
        let same = |other: &PublicKey| other.key_data() == key.key_data();
        if self.revoked.iter().any(same) {
            return Err(format!("the key of {} is revoked", self.name));
        }
        if self.keys.iter().any(|(_, known)| same(known)) {
            return Ok(());
        }
        let fingerprint = key.fingerprint(HashAlg::Sha256);
        if let Some((file, known)) = self.keys.first() {
            return Err(format!(
                "the key of {} is not the one that {} knows: it showed {fingerprint}, known is {}. \
                 Someone may be in between. If its key was changed on purpose: ssh-keygen -R '{}' -f {}",
                self.name,
                file.display(),
                known.fingerprint(HashAlg::Sha256),
                self.name,
                file.display(),
            ));
        }
        let file = self
            .files
            .first()
            .map_or_else(|| "known_hosts".into(), |file| file.display().to_string());
        match self.unknown {
            Unknown::Refuse => Err(format!(
                "the key of {} is not known ({} {fingerprint}). Compare it with the host's, then: \
                 ssh-keyscan -p {} {} >> {file}; or connect once by hand: ssh {}",
                self.name,
                key.algorithm(),
                self.port,
                self.host,
                self.alias,
            )),
            Unknown::Keep => self.keep(key),
        }
    }

    fn keep(&self, key: &PublicKey) -> Result<(), String> {
        let Some(file) = self.files.first() else {
            return Ok(());
        };
        tracing::warn!(host = self.name, "the host's key is new, and is kept");
        learn_known_hosts_path(&self.host, self.port, key, file)
            .map_err(|error| format!("could not keep the key in {}: {error}", file.display()))
    }
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
            .is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok()),
        HostPatterns::Patterns(patterns) => {
            let mut found = false;
            for pattern in patterns {
                match pattern.strip_prefix('!') {
                    Some(pattern) if like(pattern.as_bytes(), name.as_bytes()) => return false,
                    Some(_) => {}
                    None => found |= like(pattern.as_bytes(), name.as_bytes()),
                }
            }
            found
        }
    }
}

/// `*` and `?` as in the files' manual.
fn like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|from| like(rest, &name[from..])),
        ([b'?', pattern @ ..], [_, name @ ..]) => like(pattern, name),
        ([a, pattern @ ..], [b, name @ ..]) => a.eq_ignore_ascii_case(b) && like(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn checked(text: &str, name: &str) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known");
        fs::write(&file, text).unwrap();
        let (host, port) = name.split_once(':').unwrap_or((name, "22"));
        let port: u16 = port.parse().unwrap();
        let name = if port == 22 {
            host.to_owned()
        } else {
            format!("[{host}]:{port}")
        };
        let mut known = Known {
            name,
            alias: host.to_owned(),
            host: host.to_owned(),
            port,
            files: vec![file.clone()],
            unknown: Unknown::Refuse,
            keys: Vec::new(),
            revoked: Vec::new(),
        };
        known.read(&file);
        known.check(&KEY.parse().unwrap())
    }

    #[test]
    fn every_form_of_entry_is_understood() {
        let hashed =
            format!("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {KEY}\n");
        assert_eq!(checked(&hashed, "example.com"), Ok(()));
        assert!(
            checked(&hashed, "example.org")
                .unwrap_err()
                .contains("not known")
        );
        for (hosts, name) in [
            ("a,web", "web"),
            ("*.example", "web.example"),
            ("web?", "web1"),
            ("[web]:2222", "web:2222"),
            ("[*]:2222", "web:2222"),
        ] {
            assert_eq!(
                checked(&format!("# x\n\n{hosts} {KEY} comment\n"), name),
                Ok(()),
                "{hosts}"
            );
        }
        let negated = checked(&format!("*.example,!bad.example {KEY}\n"), "bad.example");
        assert!(negated.unwrap_err().contains("not known"));
        assert!(
            checked(&format!("web {KEY}\n"), "web:2222")
                .unwrap_err()
                .contains("not known")
        );
    }

    #[test]
    fn wrong_and_revoked_keys_are_told_apart() {
        assert!(
            checked(&format!("web {OTHER}\n"), "web")
                .unwrap_err()
                .contains("in between")
        );
        assert_eq!(checked(&format!("web {OTHER}\nweb {KEY}\n"), "web"), Ok(()));
        let revoked = checked(&format!("web {KEY}\n@revoked * {KEY}\n"), "web");
        assert!(revoked.unwrap_err().contains("revoked"));
        let authority = checked(&format!("@cert-authority web {KEY}\n"), "web");
        assert!(authority.unwrap_err().contains("not known"));
    }
}
