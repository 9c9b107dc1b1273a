//! Signs a request with secrets that the plugin need not see.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bindings::http::Signing;
use engine::Failure;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use url::Position;

use super::Outgoing;
use crate::{
    cache::hex,
    call::{invalid, now},
    secret::{Sealed, Writing},
};

/// Where `hmac-sha256` puts its signature when no header is named.
const SIGNATURE_HEADER: &str = "x-signature-256";

/// Adds what the scheme adds to a request. Secrets that are used are added to `used`.
pub(super) fn sign(
    sealed: &Sealed,
    signing: &Signing,
    outgoing: &mut Outgoing,
    used: &mut Vec<String>,
) -> Result<(), Failure> {
    let allowed: &[&str] = match signing.scheme.as_str() {
        "basic" => &["user", "password"],
        "hmac-sha256" => &["secret", "header"],
        "aws-sigv4" => &[
            "service",
            "region",
            "access-key-id",
            "secret-access-key",
            "session-token",
        ],
        other => {
            let text = format!("there is no signing scheme `{}`", other.escape_debug());
            return Err(invalid(text));
        }
    };
    if let Some((name, _)) = signing
        .parameters
        .iter()
        .find(|(name, _)| !allowed.contains(&name.as_str()))
    {
        let text = format!(
            "{} has no parameter `{}`",
            signing.scheme,
            name.escape_debug()
        );
        return Err(invalid(text));
    }
    let mut optional = |name: &str| -> Result<Option<String>, Failure> {
        let given = signing.parameters.iter().find(|(each, _)| each == name);
        let origin = &outgoing.destination.origin;
        given
            .map(|(_, value)| sealed.put_in_request(value, Writing::Plain, origin, used))
            .transpose()
    };
    let mut needed = |name: &str| -> Result<String, Failure> {
        optional(name)?
            .ok_or_else(|| invalid(format!("{} needs the parameter `{name}`", signing.scheme)))
    };
    match signing.scheme.as_str() {
        "basic" => {
            let (user, password) = (needed("user")?, needed("password")?);
            let encoded = STANDARD.encode(format!("{user}:{password}"));
            put(outgoing, AUTHORIZATION, &format!("Basic {encoded}"))
        }
        "hmac-sha256" => {
            let secret = needed("secret")?;
            let header = optional("header")?.unwrap_or_else(|| SIGNATURE_HEADER.to_owned());
            let header = HeaderName::from_bytes(header.to_ascii_lowercase().as_bytes())
                .map_err(|_| invalid(format!("`{}` is no header", header.escape_debug())))?;
            let signature = hex(&hmac(secret.as_bytes(), &outgoing.body));
            put(outgoing, header, &format!("sha256={signature}"))
        }
        _ => {
            let keys = Keys {
                service: needed("service")?,
                region: needed("region")?,
                id: needed("access-key-id")?,
                secret: needed("secret-access-key")?,
                token: optional("session-token")?,
            };
            aws(outgoing, &keys, &stamp(now())?)
        }
    }
}

/// What a URL says of who asks, as the header that says it.
pub(super) fn of_url(url: &url::Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut known = percent_decode_str(url.username()).collect::<Vec<u8>>();
    known.push(b':');
    known.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(known))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

struct Keys {
    service: String,
    region: String,
    id: String,
    secret: String,
    token: Option<String>,
}

fn put(outgoing: &mut Outgoing, name: HeaderName, value: &str) -> Result<(), Failure> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| invalid(format!("the value of the header {name} is none")))?;
    value.set_sensitive(true);
    outgoing.headers.insert(name, value);
    Ok(())
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// AWS Signature Version 4, over the host, the date, the body and the headers of AWS's own.
fn aws(outgoing: &mut Outgoing, keys: &Keys, stamp: &str) -> Result<(), Failure> {
    let body_digest = hex(&Sha256::digest(&outgoing.body));
    put(outgoing, HeaderName::from_static("x-amz-date"), stamp)?;
    put(
        outgoing,
        HeaderName::from_static("x-amz-content-sha256"),
        &body_digest,
    )?;
    if let Some(token) = &keys.token {
        put(
            outgoing,
            HeaderName::from_static("x-amz-security-token"),
            token,
        )?;
    }
    let url = &outgoing.destination.url;
    let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
    let mut signed: Vec<(String, String)> = outgoing
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-amz-") || *name == "content-type")
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (
                name.as_str().to_owned(),
                value.split_whitespace().collect::<Vec<_>>().join(" "),
            )
        })
        .collect();
    signed.push(("host".to_owned(), host));
    signed.sort();
    let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let path = canonical_path(url.path(), keys.service == "s3");
    let query = canonical_query(url);
    let method = &outgoing.method;
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body_digest}");
    let day = &stamp[..8];
    let scope = format!("{day}/{}/{}/aws4_request", keys.region, keys.service);
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}");
    let mut key = hmac(format!("AWS4{}", keys.secret).as_bytes(), day.as_bytes());
    for part in [keys.region.as_str(), &keys.service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    let id = &keys.id;
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    put(outgoing, AUTHORIZATION, &value)
}

/// Every service but S3 wants the path, which is escaped already, escaped once more.
fn canonical_path(path: &str, once: bool) -> String {
    if once {
        path.to_owned()
    } else {
        escape(path, true)
    }
}

fn canonical_query(url: &url::Url) -> String {
    let mut pairs: Vec<String> = url
        .query_pairs()
        .map(|(name, value)| format!("{}={}", escape(&name, false), escape(&value, false)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn escape(text: &str, slash: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain || (slash && byte == b'/') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A time as AWS writes it: `20251116T103045Z`.
fn stamp(time: engine::Timestamp) -> Result<String, Failure> {
    let milliseconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(milliseconds)
        .map_err(|error| invalid(format!("the clock is out of range: {error}")))?;
    Ok(time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, Method};

    use super::*;
    use crate::grants::Destination;

    /// The examples of "Signature Calculations for the Authorization Header" in the documentation
    /// of Amazon S3, with the keys, the bucket and the time that it has.
    #[test]
    fn aws_s_own_examples_come_out() {
        let examples = [
            (
                "?lifecycle",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "?max-keys=2&prefix=J",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        let keys = Keys {
            service: "s3".into(),
            region: "us-east-1".into(),
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        for (query, signature) in examples {
            let url = format!("https://examplebucket.s3.amazonaws.com/{query}");
            let mut outgoing = Outgoing {
                method: Method::GET,
                destination: Destination::parse(&url).unwrap(),
                headers: HeaderMap::new(),
                body: Vec::new(),
            };
            aws(&mut outgoing, &keys, "20130524T000000Z").unwrap();
            let said = outgoing.headers[AUTHORIZATION].to_str().unwrap();
            assert_eq!(
                said,
                format!(
                    "AWS4-HMAC-SHA256 \
                     Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                     SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
                )
            );
        }
    }
}
