//! Codes and message types: the second byte and the first two bits of every CoAP message (RFC 7252 §3, §12.1).
//!
//! Must never interpret a code beyond its class: what a method or a response code *means* is the application's business.

use std::fmt;

/// A CoAP code, `c.dd`: three bits of class and five of detail (RFC 7252 §3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// 0.00, the code of an empty message: a bare acknowledgement, a reset or a ping.
    pub const EMPTY: Self = Self::new(0, 0);
    /// 0.01
    pub const GET: Self = Self::new(0, 1);
    /// 0.02
    pub const POST: Self = Self::new(0, 2);
    /// 0.03
    pub const PUT: Self = Self::new(0, 3);
    /// 0.04
    pub const DELETE: Self = Self::new(0, 4);
    /// 0.05 (RFC 8132); also the outer code of an OSCORE request that registers an observation.
    pub const FETCH: Self = Self::new(0, 5);
    /// 0.06 (RFC 8132)
    pub const PATCH: Self = Self::new(0, 6);
    /// 0.07 (RFC 8132)
    pub const IPATCH: Self = Self::new(0, 7);
    /// 2.01
    pub const CREATED: Self = Self::new(2, 1);
    /// 2.02
    pub const DELETED: Self = Self::new(2, 2);
    /// 2.03
    pub const VALID: Self = Self::new(2, 3);
    /// 2.04
    pub const CHANGED: Self = Self::new(2, 4);
    /// 2.05
    pub const CONTENT: Self = Self::new(2, 5);
    /// 2.31 (RFC 7959 §2.9.1)
    pub const CONTINUE: Self = Self::new(2, 31);
    /// 4.00
    pub const BAD_REQUEST: Self = Self::new(4, 0);
    /// 4.01
    pub const UNAUTHORIZED: Self = Self::new(4, 1);
    /// 4.02
    pub const BAD_OPTION: Self = Self::new(4, 2);
    /// 4.03
    pub const FORBIDDEN: Self = Self::new(4, 3);
    /// 4.04
    pub const NOT_FOUND: Self = Self::new(4, 4);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Self = Self::new(4, 5);
    /// 4.06
    pub const NOT_ACCEPTABLE: Self = Self::new(4, 6);
    /// 4.08 (RFC 7959 §2.9.2)
    pub const REQUEST_ENTITY_INCOMPLETE: Self = Self::new(4, 8);
    /// 4.09 (RFC 8132)
    pub const CONFLICT: Self = Self::new(4, 9);
    /// 4.13
    pub const REQUEST_ENTITY_TOO_LARGE: Self = Self::new(4, 13);
    /// 4.15
    pub const UNSUPPORTED_CONTENT_FORMAT: Self = Self::new(4, 15);
    /// 4.22 (RFC 8132)
    pub const UNPROCESSABLE_ENTITY: Self = Self::new(4, 22);
    /// 4.29 (RFC 8516)
    pub const TOO_MANY_REQUESTS: Self = Self::new(4, 29);
    /// 5.00
    pub const INTERNAL_SERVER_ERROR: Self = Self::new(5, 0);
    /// 5.03; Max-Age says after how many seconds to retry.
    pub const SERVICE_UNAVAILABLE: Self = Self::new(5, 3);
    /// 5.05
    pub const PROXYING_NOT_SUPPORTED: Self = Self::new(5, 5);

    /// The code `class.detail`; `class` is 0–7 and `detail` 0–31, higher bits are dropped.
    pub const fn new(class: u8, detail: u8) -> Self {
        Self((class & 7) << 5 | detail & 31)
    }

    /// The class, 0–7.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The detail, 0–31.
    pub const fn detail(self) -> u8 {
        self.0 & 31
    }

    /// Whether this is the code of a request (0.01–0.31).
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// Whether this is the code of a response (2.00–5.31).
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2..=5)
    }

    /// Whether this is the code of a successful response (2.xx).
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The type of a message (RFC 7252 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// Asks for an acknowledgement and is retransmitted without one.
    Confirmable = 0,
    /// Sent once.
    NonConfirmable = 1,
    /// Acknowledges a confirmable message; may carry its response.
    Acknowledgement = 2,
    /// Says that a message arrived which the receiver has no context for.
    Reset = 3,
}

impl MessageType {
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Confirmable,
            1 => Self::NonConfirmable,
            2 => Self::Acknowledgement,
            _ => Self::Reset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_print_as_the_registry_writes_them() {
        assert_eq!(Code::REQUEST_ENTITY_INCOMPLETE.to_string(), "4.08");
        assert_eq!(Code(0x45), Code::CONTENT);
        assert_eq!(Code(0x84).to_string(), "4.04");
    }

    #[test]
    fn classes_one_six_and_seven_are_neither_request_nor_response() {
        for class in [1, 6, 7] {
            assert!(!Code::new(class, 1).is_request() && !Code::new(class, 1).is_response());
        }
        assert!(!Code::EMPTY.is_request());
    }
}
