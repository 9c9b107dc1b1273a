//! What changes in a message's head on its way through.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, TE,
        TRANSFER_ENCODING, UPGRADE,
    },
    request, response,
    uri::PathAndQuery,
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// The client at the other end of a connection.
pub(crate) struct Client {
    address: HeaderValue,
    scheme: HeaderValue,
    /// Whether it is a balancer whose word on its own clients counts.
    trusted: bool,
    retiring: Arc<AtomicBool>,
}

impl Client {
    pub(crate) fn new(
        address: IpAddr,
        tls: bool,
        trusted: bool,
        retiring: Arc<AtomicBool>,
    ) -> Self {
        let text = address.to_canonical().to_string();
        Self {
            address: HeaderValue::try_from(text).expect("an address is printable"),
            scheme: HeaderValue::from_static(if tls { "https" } else { "http" }),
            trusted,
            retiring,
        }
    }

    /// Has the client open another connection for its next request, where this process will not
    /// be there for it.
    pub(super) fn finish<B>(&self, response: &mut Response<B>, version: Version) {
        let status = response.status();
        if version >= Version::HTTP_2 {
            // It has ways of its own, and forbids this one.
            response.headers_mut().remove(CONNECTION);
        } else if status != StatusCode::SWITCHING_PROTOCOLS && self.retiring.load(Ordering::Relaxed)
        {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
}

/// Whether the request asks for another protocol on its connection.
pub(super) fn wants_upgrade<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    headers.contains_key(UPGRADE)
        && request.version() == Version::HTTP_11
        && lists(headers, CONNECTION, "upgrade")
}

/// Makes the head of a client's request that of a request to a member.
pub(super) fn to_member(
    parts: &mut request::Parts,
    version: Version,
    client: &Client,
) -> Result<(), &'static str> {
    let headers = &mut parts.headers;
    if parts.method == http::Method::CONNECT {
        return Err("CONNECT is for other proxies than this\n");
    }
    remove_hop_by_hop(headers);
    headers.remove(PROXY_AUTHORIZATION);
    // hyper has told the client to go on when the body is asked for.
    headers.remove(EXPECT);
    if headers.contains_key(TE) {
        // All other values are between neighbours.
        headers.remove(TE);
    }
    if let Some(authority) = parts.uri.authority() {
        // The target of the request wins over the header (RFC 9112 section 3.2.2).
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host = HeaderValue::try_from(host).map_err(|_| "the host is malformed\n")?;
        headers.insert(HOST, host);
        parts.uri = origin_form(&parts.uri);
    } else {
        let mut hosts = headers.get_all(HOST).iter();
        let first = hosts.next();
        if hosts.next().is_some() {
            return Err("there is more than one Host\n");
        }
        if first.is_none() && version != Version::HTTP_10 {
            return Err("there is no Host\n");
        }
    }
    if version == Version::HTTP_2 {
        join_cookies(headers);
    }
    parts.version = Version::HTTP_11;
    forwarded(headers, client);
    Ok(())
}

/// Makes the head of a member's answer that of ours.
pub(super) fn to_client(parts: &mut response::Parts) {
    remove_hop_by_hop(&mut parts.headers);
    parts.version = Version::HTTP_11;
}

fn forwarded(headers: &mut HeaderMap, client: &Client) {
    if client.trusted
        && let Some(before) = headers.get(FORWARDED_FOR)
    {
        let chain = [before.as_bytes(), b", ", client.address.as_bytes()].concat();
        let chain = HeaderValue::from_bytes(&chain).unwrap_or_else(|_| client.address.clone());
        headers.insert(FORWARDED_FOR, chain);
    } else {
        headers.insert(FORWARDED_FOR, client.address.clone());
    }
    if !(client.trusted && headers.contains_key(FORWARDED_PROTO)) {
        headers.insert(FORWARDED_PROTO, client.scheme.clone());
    }
    if !(client.trusted && headers.contains_key(FORWARDED_HOST)) {
        match headers.get(HOST).cloned() {
            Some(host) => headers.insert(FORWARDED_HOST, host),
            None => headers.remove(FORWARDED_HOST),
        };
    }
}

/// Removes what is between neighbours (RFC 9110 section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        remove_listed(headers);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, UPGRADE] {
        headers.remove(name);
    }
    // Whoever sends it on frames it anew, with chunks where the length is not known.
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
}

fn remove_listed(headers: &mut HeaderMap) {
    let values: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    headers.remove(CONNECTION);
    let names = values.iter().filter_map(|value| value.to_str().ok());
    for name in names.flat_map(|value| value.split(',')) {
        // What carries the message itself cannot be taken from it.
        let Ok(name) = HeaderName::try_from(name.trim()) else {
            continue;
        };
        if name != HOST && name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            headers.remove(name);
        }
    }
}

/// HTTP/2 may split the cookies, HTTP/1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
}

fn lists(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).into_iter();
    let mut texts = values.filter_map(|value| value.to_str().ok());
    texts.any(|text| {
        text.split(',')
            .any(|each| each.trim().eq_ignore_ascii_case(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: bool) -> Client {
        let retiring = Arc::new(AtomicBool::new(false));
        Client::new([192, 0, 2, 7].into(), false, trusted, retiring)
    }

    fn sent(request: &str, version: Version, trusted: bool) -> Result<Vec<String>, &'static str> {
        let mut lines = request.lines();
        let mut builder = Request::builder()
            .uri(lines.next().unwrap())
            .version(version);
        for (name, value) in lines.map(|line| line.split_once(": ").unwrap()) {
            builder = builder.header(name, value);
        }
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        to_member(&mut parts, version, &client(trusted))?;
        let headers = parts.headers.iter();
        let mut said: Vec<String> = headers
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        said.sort();
        said.insert(0, parts.uri.to_string());
        Ok(said)
    }

    #[test]
    fn a_member_learns_who_asks_and_nothing_between_neighbours() {
        let request = "/a?b\nHost: x\nConnection: close, X-Secret\nX-Secret: 1\nKeep-Alive: 1\nTE: trailers\n\
                       Proxy-Authorization: p\nExpect: 100-continue\nUpgrade: h2c\nX-Forwarded-For: 10.0.0.1\nAccept: */*";
        let expected = [
            "/a?b",
            "accept: */*",
            "host: x",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-host: x",
            "x-forwarded-proto: http",
        ];
        assert_eq!(sent(request, Version::HTTP_11, false).unwrap(), expected);
    }

    #[test]
    fn a_trusted_balancer_is_believed() {
        let request =
            "/\nHost: x\nX-Forwarded-For: 10.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: y";
        let expected = [
            "/",
            "host: x",
            "x-forwarded-for: 10.0.0.1, 192.0.2.7",
            "x-forwarded-host: y",
            "x-forwarded-proto: https",
        ];
        assert_eq!(sent(request, Version::HTTP_11, true).unwrap(), expected);
    }

    #[test]
    fn the_target_of_the_request_names_the_host() {
        let absolute = sent(
            "http://u@right:8080/p?q\nHost: wrong",
            Version::HTTP_11,
            false,
        )
        .unwrap();
        assert_eq!(absolute[0], "/p?q");
        assert!(absolute.contains(&"host: right:8080".to_owned()));
        let second = sent(
            "http://x/\nCookie: a=1\nCookie: b=2",
            Version::HTTP_2,
            false,
        )
        .unwrap();
        assert!(
            second.contains(&"cookie: a=1; b=2".to_owned()),
            "{second:?}"
        );
        assert!(second.contains(&"host: x".to_owned()), "{second:?}");
    }

    #[test]
    fn two_readings_of_one_request_are_refused() {
        assert!(sent("/\nHost: a\nHost: b", Version::HTTP_11, false).is_err());
        assert!(sent("/\nAccept: a", Version::HTTP_11, false).is_err());
        assert!(sent("/", Version::HTTP_10, false).is_ok());
        let both = sent(
            "/\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 3",
            Version::HTTP_11,
            false,
        );
        assert!(
            !both
                .unwrap()
                .iter()
                .any(|line| line.starts_with("content-length"))
        );
    }

    #[test]
    fn an_upgrade_needs_both_headers() {
        let asks = |headers: &[(&str, &str)]| {
            let mut builder = Request::builder();
            for (name, value) in headers {
                builder = builder.header(*name, *value);
            }
            wants_upgrade(&builder.body(()).unwrap())
        };
        assert!(asks(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket")
        ]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade")]));
    }
}
