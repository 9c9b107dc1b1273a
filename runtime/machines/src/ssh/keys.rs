//! Proves who we are, with the agent's keys and those in files. Never asks for a password.

use std::{path::Path, sync::Arc};

use russh::{
    client::{AuthResult, Handle},
    keys::{
        HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient},
        load_public_key, load_secret_key,
    },
};
use tokio::net::UnixStream;

use super::{client::Client, config::Hop};

/// Servers give up after six attempts.
const ATTEMPTS_MAX: usize = 6;

/// One key to try.
enum Key {
    File(Arc<PrivateKey>),
    Agent(PublicKey),
}

/// Tries one key after the other; says which were tried where none was right.
pub(super) async fn authenticate(handle: &mut Handle<Client>, hop: &Hop) -> Result<(), String> {
    let mut notes = Vec::new();
    let (keys, mut agent) = candidates(hop, &mut notes).await;
    if keys.is_empty() {
        notes.push("there is no key to offer".to_owned());
    }
    for (name, key) in keys.into_iter().take(ATTEMPTS_MAX) {
        let hash = match &key {
            Key::File(key) if key.algorithm().is_rsa() => best_hash(handle).await,
            Key::Agent(key) if key.algorithm().is_rsa() => best_hash(handle).await,
            _ => None,
        };
        let tried = match (key, &mut agent) {
            (Key::File(key), _) => {
                let key = PrivateKeyWithHashAlg::new(key, hash);
                handle
                    .authenticate_publickey(&hop.user, key)
                    .await
                    .map_err(|error| error.to_string())
            }
            (Key::Agent(key), Some(agent)) => handle
                .authenticate_publickey_with(&hop.user, key, hash, agent)
                .await
                .map_err(|error| error.to_string()),
            (Key::Agent(_), None) => continue,
        };
        match tried {
            Ok(AuthResult::Success) => return Ok(()),
            Ok(AuthResult::Failure {
                partial_success: true,
                ..
            }) => {
                notes.push(format!("{name} is right, but more than a key is asked for"));
            }
            Ok(AuthResult::Failure { .. }) => notes.push(format!("{name} was refused")),
            Err(error) => notes.push(format!("{name} could not be used: {error}")),
        }
        if handle.is_closed() {
            notes.push("the server hung up".to_owned());
            break;
        }
    }
    Err(notes.join("; "))
}

async fn best_hash(handle: &Handle<Client>) -> Option<HashAlg> {
    // Servers that do not say know SHA-2 all the same, but for very old ones.
    let said = handle.best_supported_rsa_hash().await.ok().flatten();
    said.unwrap_or(Some(HashAlg::Sha512))
}

type Agent = AgentClient<UnixStream>;

/// Keys that were named come first, then what the agent has, then what lies where keys do.
async fn candidates(hop: &Hop, notes: &mut Vec<String>) -> (Vec<(String, Key)>, Option<Agent>) {
    let mut agent = None;
    let mut held: Vec<(String, PublicKey)> = Vec::new();
    if let Some(socket) = &hop.agent {
        match Agent::connect_uds(socket).await {
            Ok(mut client) => {
                let identities = client.request_identities().await.unwrap_or_default();
                held.extend(
                    identities
                        .into_iter()
                        .filter_map(|identity| match identity {
                            AgentIdentity::PublicKey { key, comment } => Some((comment, key)),
                            AgentIdentity::Certificate { .. } => None,
                        }),
                );
                agent = Some(client);
            }
            Err(error) => notes.push(format!(
                "the agent at {} is silent: {error}",
                socket.display()
            )),
        }
    }
    let mut keys = Vec::new();
    for path in &hop.identities {
        match take(path, &mut held) {
            Ok(key) => keys.push((path.display().to_string(), key)),
            Err(why) => notes.push(why),
        }
    }
    if !hop.identities_only {
        let from_agent = |(comment, key)| (format!("the agent's {comment}"), Key::Agent(key));
        let defaults: Vec<_> = hop
            .default_identities
            .iter()
            .filter(|path| path.exists())
            .collect();
        let taken: Vec<_> = defaults
            .iter()
            .map(|path| (path.display().to_string(), take(path, &mut held)))
            .collect();
        keys.extend(held.into_iter().map(from_agent));
        for (name, key) in taken {
            match key {
                Ok(key) => keys.push((name, key)),
                Err(why) => notes.push(why),
            }
        }
    } else if hop.identities.is_empty() {
        for path in hop.default_identities.iter().filter(|path| path.exists()) {
            match take(path, &mut held) {
                Ok(key) => keys.push((path.display().to_string(), key)),
                Err(why) => notes.push(why),
            }
        }
    }
    (keys, agent)
}

/// The key of a file; the agent's where it holds that one.
fn take(path: &Path, held: &mut Vec<(String, PublicKey)>) -> Result<Key, String> {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    // A public key alone may be named, too, where the agent has the private one.
    let public = load_public_key(&public)
        .or_else(|_| load_public_key(path))
        .ok();
    let mut from_agent = |public: &PublicKey| {
        let at = held
            .iter()
            .position(|(_, key)| key.key_data() == public.key_data())?;
        Some(Key::Agent(held.swap_remove(at).1))
    };
    if let Some(key) = public.as_ref().and_then(&mut from_agent) {
        return Ok(key);
    }
    match load_secret_key(path, None) {
        Ok(key) => Ok(from_agent(key.public_key()).unwrap_or_else(|| Key::File(Arc::new(key)))),
        Err(russh::keys::Error::KeyIsEncrypted) => Err(format!(
            "{0} is encrypted and no agent holds it: ssh-add {0}",
            path.display()
        )),
        Err(error) => Err(format!("{} cannot be used: {error}", path.display())),
    }
}
