//! HTTP through the host: from this process, or from the machine that the plugin works on. Each
//! hop is checked against the grants, and secrets are put in for that hop alone.

mod connection;
mod exchange;
mod options;
mod resolve;
mod signing;
mod tls;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bindings::http::{Request, Response};
use engine::{Code, Failure};
use hyper::{
    HeaderMap, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, LOCATION},
};
use machines::Stream;
use url::Url;

pub(crate) use tls::Trust;

use crate::{
    call::{CallState, invalid},
    grants::{Destination, Origin, Wanted, is_localhost},
    secret::Writing,
};
use options::Options;

/// How long a request may take where nothing is said; `wit/capabilities.wit` says so.
const USUAL_TIMEOUT: Duration = Duration::from_secs(30);

/// What is kept of a body; the rest is not read. More does not fit through a plugin's memory.
pub(crate) const BODY_BYTES_MAX: usize = 8 << 20;

/// Headers of one request.
const HEADERS_MAX: usize = 100;

/// Connections to the outside, shared by all plugins. Holds no connection open: a check of a
/// target's health means a new one, and what drains must not be kept from it by us.
#[derive(Default)]
pub struct HttpClients {
    pub(crate) trust: Trust,
    pub(crate) outside: Option<Arc<dyn Outside>>,
}

/// Stands for all that can be reached from this process, where plugins are to meet something
/// else there. Grants are checked before it is asked; TLS is left out.
#[async_trait]
pub trait Outside: Send + Sync {
    /// A connection to whatever stands for `origin`, as `https://example.com:443`.
    async fn connect(&self, origin: &str) -> Result<Box<dyn Stream>, Failure>;
}

impl HttpClients {
    /// Connections that all lead to something else, and none of them out of this process.
    pub fn leading_to(outside: Arc<dyn Outside>) -> Self {
        Self {
            trust: Trust::default(),
            outside: Some(outside),
        }
    }
}

/// A request as it goes out on one hop.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) destination: Destination,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What came back on one hop.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) truncated: bool,
}

/// The request as the plugin made it, changed by each redirect.
struct Hop {
    method: Method,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    signed: bool,
}

impl CallState {
    pub(crate) async fn http(&self, request: Request) -> Result<Response, Failure> {
        let options = Options::parse(&request.options)?;
        let method = Method::from_bytes(request.method.as_bytes())
            .ok()
            .filter(|method| {
                method
                    .as_str()
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase())
            })
            .filter(|method| *method != Method::CONNECT && *method != Method::TRACE)
            .ok_or_else(|| invalid(format!("`{}` is no method", request.method.escape_debug())))?;
        if request.headers.len() > HEADERS_MAX {
            return Err(invalid(format!(
                "a request has at most {HEADERS_MAX} headers"
            )));
        }
        let timeout = self.timeout(request.timeout, USUAL_TIMEOUT);
        match tokio::time::timeout(timeout, self.follow(request, method, &options)).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!("no answer within {} ms", timeout.as_millis());
                Err(Failure::new(Code::Timeout, text).retryable())
            }
        }
    }

    /// Goes where redirects lead, as often as the plugin allows.
    async fn follow(
        &self,
        request: Request,
        method: Method,
        options: &Options,
    ) -> Result<Response, Failure> {
        let mut used = Vec::new();
        let url = self.sealed.put_in_url(&request.url, &mut used);
        let mut destination = destination(&url)?;
        let Request {
            headers,
            body,
            signing,
            ..
        } = request;
        let mut hop = Hop {
            method,
            body,
            headers,
            signed: true,
        };
        let mut left = options.redirects;
        loop {
            self.sealed.may_go(&used, &destination.origin)?;
            let signing = signing.as_ref().filter(|_| hop.signed);
            let incoming = self.one_hop(
                &hop,
                signing,
                &destination,
                options,
                std::mem::take(&mut used),
            );
            let incoming = incoming.await?;
            let Some(next) = redirect(&incoming).filter(|_| left > 0) else {
                return Ok(self.response(incoming));
            };
            left -= 1;
            let next = destination
                .join(next)
                .map_err(|what| rejected(&destination, &format!("leads to a URL that {what}")))?;
            hop.moved(incoming.status, next.origin != destination.origin);
            destination = next;
        }
    }

    async fn one_hop(
        &self,
        hop: &Hop,
        signing: Option<&bindings::http::Signing>,
        destination: &Destination,
        options: &Options,
        mut secrets: Vec<String>,
    ) -> Result<Incoming, Failure> {
        let origin = &destination.origin;
        let subject = format!(
            "{origin}{}",
            shown_path(&destination.url, !secrets.is_empty())
        );
        let machine = match origin {
            Origin::Machine { .. } => Some(self.machine.name().to_owned()),
            Origin::Outside { .. } => None,
        };
        let mut used = self.begin("http", hop.method.as_str(), &subject, machine);
        let sending = async {
            self.grants().check(&Wanted::Http {
                method: hop.method.as_str(),
                origin,
            })?;
            let mut outgoing = self.outgoing(hop, destination, &mut secrets)?;
            if let Some(signing) = signing {
                signing::sign(&self.sealed, signing, &mut outgoing, &mut secrets)?;
            }
            used.with_secrets(&secrets);
            exchange::send(self, outgoing, options).await
        };
        let result = sending.await;
        used.ended_as(result, |incoming| format!("status {}", incoming.status))
    }

    /// The request with the values of secrets in it.
    fn outgoing(
        &self,
        hop: &Hop,
        destination: &Destination,
        secrets: &mut Vec<String>,
    ) -> Result<Outgoing, Failure> {
        let origin = &destination.origin;
        let mut headers = HeaderMap::with_capacity(hop.headers.len() + 4);
        for (name, value) in &hop.headers {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(format!("`{}` is no header", name.escape_debug())))?;
            self.check_header(&parsed, value, origin)?;
            let value = self
                .sealed
                .put_in_request(value, Writing::Plain, origin, secrets)?;
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| invalid(format!("the value of the header {name} is none")))?;
            value.set_sensitive(parsed == AUTHORIZATION);
            headers.append(parsed, value);
        }
        if let Some(value) = signing::of_url(&destination.url)
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, value);
        }
        let writing = writing_of(headers.get(CONTENT_TYPE));
        let body = self
            .sealed
            .put_in_body(hop.body.clone(), writing, origin, secrets)?;
        let method = hop.method.clone();
        Ok(Outgoing {
            method,
            destination: destination.clone(),
            headers,
            body,
        })
    }

    /// The host sets what frames a message, and nobody names another site than the one granted.
    fn check_header(&self, name: &HeaderName, value: &str, origin: &Origin) -> Result<(), Failure> {
        const FRAMING: [&str; 10] = [
            "connection",
            "content-length",
            "expect",
            "keep-alive",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        if FRAMING.contains(&name.as_str()) {
            return Err(invalid(format!("the host itself sets the header {name}")));
        }
        if *name != HOST {
            return Ok(());
        }
        let by_address = match origin {
            Origin::Machine { .. } => true,
            Origin::Outside {
                host: url::Host::Domain(name),
                ..
            } => is_localhost(name),
            Origin::Outside { .. } => true,
        };
        if by_address || says(&self.sealed.settings, value) {
            return Ok(());
        }
        let text = format!(
            "the host name `{}` is sent to {origin} only where the settings name it",
            value.escape_debug()
        );
        Err(Failure::new(Code::Denied, text))
    }

    fn response(&self, incoming: Incoming) -> Response {
        let text = |value: &HeaderValue| {
            self.sealed
                .answer(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Response {
            status: incoming.status,
            headers: incoming
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), text(value)))
                .collect(),
            body: self.sealed.answer_bytes(incoming.body),
            truncated: incoming.truncated,
        }
    }
}

impl Hop {
    /// What is left of the request after a redirect: nothing of it that was meant for the origin
    /// left behind.
    fn moved(&mut self, status: u16, elsewhere: bool) {
        let get = status == 303 || (matches!(status, 301 | 302) && self.method == Method::POST);
        if get && self.method != Method::HEAD {
            self.method = Method::GET;
            self.body.clear();
            self.headers
                .retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
        }
        if elsewhere {
            self.signed = false;
            let own = [AUTHORIZATION, COOKIE, HOST];
            self.headers.retain(|(name, value)| {
                !own.iter()
                    .any(|own| name.eq_ignore_ascii_case(own.as_str()))
                    && !value.contains("secret-")
            });
        }
    }
}

fn destination(url: &str) -> Result<Destination, Failure> {
    Destination::parse(url).map_err(|what| invalid(format!("the URL {what}")))
}

fn redirect(incoming: &Incoming) -> Option<&str> {
    let redirects = matches!(incoming.status, 301 | 302 | 303 | 307 | 308);
    incoming
        .headers
        .get(LOCATION)
        .filter(|_| redirects)?
        .to_str()
        .ok()
}

fn rejected(destination: &Destination, what: &str) -> Failure {
    Failure::new(Code::Rejected, format!("{} {what}", destination.origin))
}

/// The path, for the audit; not where a secret is in it.
fn shown_path(url: &Url, secret: bool) -> &str {
    if secret { "/…" } else { url.path() }
}

fn writing_of(content_type: Option<&HeaderValue>) -> Writing {
    let text = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => Writing::Form,
        _ if kind.ends_with("/json") || kind.ends_with("+json") => Writing::Json,
        _ => Writing::Plain,
    }
}

/// Whether that very text stands anywhere in the settings.
fn says(settings: &serde_json::Value, text: &str) -> bool {
    match settings {
        serde_json::Value::String(each) => each == text,
        serde_json::Value::Array(items) => items.iter().any(|item| says(item, text)),
        serde_json::Value::Object(entries) => entries.values().any(|value| says(value, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
