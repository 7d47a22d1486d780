//! Requests and responses as the application sees them: decoded, reassembled and already unprotected.
//!
//! Must never carry what belongs to the message layer: types, message ids, tokens, blocks and OSCORE stay inside the endpoint.

use std::fmt;

use crate::code::Code;

/// A request, complete: its body is reassembled from all its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, e.g. [`Code::POST`].
    pub method: Code,
    /// The resource's path.
    pub path: Path,
    /// The Uri-Query options, each usually `key=value`.
    pub queries: Vec<String>,
    /// The Content-Format of the payload (RFC 7252 §12.3), e.g. 112 for SenML-CBOR.
    pub content_format: Option<u16>,
    /// The Content-Format the client wants back.
    pub accept: Option<u16>,
    /// Whether the request registers or deregisters an observation (RFC 7641).
    pub observe: Option<Observe>,
    /// Options that the endpoint does not handle itself: number and value, in order of number. Received unknown elective options are
    /// here too, and those critical ones that the configuration names as understood.
    pub options: Vec<(u16, Vec<u8>)>,
    /// The body, at most `max_body_size` bytes.
    pub payload: Vec<u8>,
    /// Whether the request is sent, or came, in a confirmable message.
    pub confirmable: bool,
}

impl Request {
    /// A confirmable request without payload. `path` is written `a/b`; see [`Path`].
    pub fn new(method: Code, path: &str) -> Self {
        Self {
            method,
            path: Path::from(path),
            queries: Vec::new(),
            content_format: None,
            accept: None,
            observe: None,
            options: Vec::new(),
            payload: Vec::new(),
            confirmable: true,
        }
    }

    /// A confirmable GET.
    pub fn get(path: &str) -> Self {
        Self::new(Code::GET, path)
    }

    /// A confirmable POST of `payload`, which is of `content_format`.
    pub fn post(path: &str, content_format: u16, payload: Vec<u8>) -> Self {
        Self { content_format: Some(content_format), payload, ..Self::new(Code::POST, path) }
    }

    /// A confirmable GET that registers an observation.
    pub fn observe(path: &str) -> Self {
        Self { observe: Some(Observe::Register), ..Self::get(path) }
    }

    /// The same request in a non-confirmable message.
    pub fn non_confirmable(self) -> Self {
        Self { confirmable: false, ..self }
    }

    /// The same request with a Uri-Query option more.
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.queries.push(query.into());
        self
    }
}

/// A response, complete: its body is reassembled from all its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The response code, e.g. [`Code::CHANGED`].
    pub code: Code,
    /// The Content-Format of the payload (RFC 7252 §12.3).
    pub content_format: Option<u16>,
    /// For how many seconds the response may be cached, or, with 5.03, after how many to retry.
    pub max_age: Option<u32>,
    /// The entity tag, 1–8 bytes. One is made by the endpoint when it splits a body that has none.
    pub etag: Option<Vec<u8>>,
    /// Set on what the client role receives for an observation. On plain CoAP it is the Observe sequence number (RFC 7641 §3.4, 24
    /// bits), on OSCORE the notification's Partial IV (RFC 8613 §7.4.1). The endpoint has already dropped what came out of order.
    pub observe: Option<u64>,
    /// Options that the endpoint does not handle itself: number and value, in order of number.
    pub options: Vec<(u16, Vec<u8>)>,
    /// The body; with an error code, a diagnostic for a person (RFC 7252 §5.5.2).
    pub payload: Vec<u8>,
}

impl Response {
    /// A response without payload.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            content_format: None,
            max_age: None,
            etag: None,
            observe: None,
            options: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// 2.05 with a payload of `content_format`.
    pub fn content(content_format: u16, payload: Vec<u8>) -> Self {
        Self { content_format: Some(content_format), payload, ..Self::new(Code::CONTENT) }
    }

    /// 2.04 with a payload of `content_format`.
    pub fn changed(content_format: u16, payload: Vec<u8>) -> Self {
        Self { content_format: Some(content_format), payload, ..Self::new(Code::CHANGED) }
    }

    /// An error with a diagnostic payload.
    pub fn error(code: Code, diagnostic: impl Into<String>) -> Self {
        Self { payload: diagnostic.into().into_bytes(), ..Self::new(code) }
    }

    /// The same response with a Max-Age.
    pub fn with_max_age(self, seconds: u32) -> Self {
        Self { max_age: Some(seconds), ..self }
    }
}

/// What a request wants of an observation: the value of the Observe option in a request (RFC 7641 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observe {
    /// 0: add the client to the list of observers.
    Register,
    /// 1: take it off.
    Deregister,
}

/// A resource's path: its segments joined by `/`, without a leading one. A `/` or `%` inside a segment is percent-encoded, so that
/// comparing the text compares the segments.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Path(String);

impl Path {
    /// The path as text, e.g. `.well-known/core`; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, decoded; none for the root.
    pub fn segments(&self) -> impl Iterator<Item = String> + '_ {
        self.encoded_segments().map(decode_segment)
    }

    /// The segments as they stand in the text, for matching without an allocation.
    pub fn encoded_segments(&self) -> impl Iterator<Item = &str> + '_ {
        self.0.split('/').filter(move |_| !self.0.is_empty())
    }

    pub(crate) fn push_segment(&mut self, segment: &str, first: bool) {
        if !first {
            self.0.push('/');
        }
        if !segment.contains(['/', '%']) {
            return self.0.push_str(segment);
        }
        for c in segment.chars() {
            match c {
                '/' => self.0.push_str("%2F"),
                '%' => self.0.push_str("%25"),
                c => self.0.push(c),
            }
        }
    }
}

pub(crate) fn decode_segment(segment: &str) -> String {
    if segment.contains('%') { segment.replace("%2F", "/").replace("%25", "%") } else { segment.to_owned() }
}

impl From<&str> for Path {
    /// Takes a path as [`Path::as_str`] gives it; a leading `/` is allowed and dropped.
    fn from(text: &str) -> Self {
        Self(text.strip_prefix('/').unwrap_or(text).to_owned())
    }
}

impl PartialEq<str> for Path {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Path {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_inside_a_segment_is_not_a_separator() {
        let mut path = Path::default();
        path.push_segment("a/b", true);
        path.push_segment("50%2F", false);
        assert_eq!(path, "a%2Fb/50%252F");
        assert_eq!(path.segments().collect::<Vec<_>>(), ["a/b", "50%2F"]);
    }

    #[test]
    fn the_root_has_no_segments() {
        assert_eq!(Path::from("/").segments().count(), 0);
        assert_eq!(Path::from("/c/7").encoded_segments().collect::<Vec<_>>(), ["c", "7"]);
    }
}
