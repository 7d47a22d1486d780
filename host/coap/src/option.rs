//! CoAP option numbers and what the RFCs say of each: criticality, repetition, length, and how OSCORE classes it.
//!
//! Must never guess about a number it does not know: an unknown critical option refuses the message, an unknown elective one is passed on.

/// If-Match (RFC 7252 §5.10.8)
pub const IF_MATCH: u16 = 1;
/// Uri-Host
pub const URI_HOST: u16 = 3;
/// ETag
pub const ETAG: u16 = 4;
/// If-None-Match
pub const IF_NONE_MATCH: u16 = 5;
/// Observe (RFC 7641)
pub const OBSERVE: u16 = 6;
/// Uri-Port
pub const URI_PORT: u16 = 7;
/// Location-Path
pub const LOCATION_PATH: u16 = 8;
/// OSCORE (RFC 8613)
pub const OSCORE: u16 = 9;
/// Uri-Path
pub const URI_PATH: u16 = 11;
/// Content-Format
pub const CONTENT_FORMAT: u16 = 12;
/// Max-Age
pub const MAX_AGE: u16 = 14;
/// Uri-Query
pub const URI_QUERY: u16 = 15;
/// Hop-Limit (RFC 8768)
pub const HOP_LIMIT: u16 = 16;
/// Accept
pub const ACCEPT: u16 = 17;
/// Location-Query
pub const LOCATION_QUERY: u16 = 20;
/// Block2 (RFC 7959)
pub const BLOCK2: u16 = 23;
/// Block1 (RFC 7959)
pub const BLOCK1: u16 = 27;
/// Size2 (RFC 7959)
pub const SIZE2: u16 = 28;
/// Proxy-Uri
pub const PROXY_URI: u16 = 35;
/// Proxy-Scheme
pub const PROXY_SCHEME: u16 = 39;
/// Size1
pub const SIZE1: u16 = 60;
/// Echo (RFC 9175)
pub const ECHO: u16 = 252;
/// No-Response (RFC 7967)
pub const NO_RESPONSE: u16 = 258;
/// Request-Tag (RFC 9175)
pub const REQUEST_TAG: u16 = 292;

/// Whether a receiver that does not understand the option must refuse the message (RFC 7252 §5.4.1).
pub const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}

/// Whether a value of `len` bytes is within what the option's definition allows; unknown options may have any length. One that is not
/// counts as an unknown option (RFC 7252 §5.4.3).
pub const fn is_length_valid(number: u16, len: usize) -> bool {
    let (min, max) = match number {
        IF_MATCH | REQUEST_TAG => (0, 8),
        URI_HOST | PROXY_SCHEME => (1, 255),
        ETAG => (1, 8),
        IF_NONE_MATCH => (0, 0),
        OBSERVE | BLOCK1 | BLOCK2 => (0, 3),
        URI_PORT | CONTENT_FORMAT | ACCEPT => (0, 2),
        LOCATION_PATH | OSCORE | URI_PATH | URI_QUERY | LOCATION_QUERY => (0, 255),
        MAX_AGE | SIZE1 | SIZE2 => (0, 4),
        HOP_LIMIT => (1, 1),
        PROXY_URI => (1, 1034),
        ECHO => (1, 40),
        NO_RESPONSE => (0, 1),
        _ => (0, usize::MAX),
    };
    min <= len && len <= max
}

/// Whether the option may occur more than once. Of one that may not, the later ones count as unknown options (RFC 7252 §5.4.5).
pub const fn is_repeatable(number: u16) -> bool {
    matches!(number, IF_MATCH | ETAG | LOCATION_PATH | URI_PATH | URI_QUERY | LOCATION_QUERY | REQUEST_TAG)
}

/// Where an option of a protected message goes (RFC 8613 §4.1, figure 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OscoreClass {
    /// E: encrypted, in the inner message.
    Inner,
    /// U: for proxies, in the outer message.
    Outer,
    /// Observe: in both.
    Both,
}

/// The option's class. What is unknown is encrypted.
pub const fn oscore_class(number: u16) -> OscoreClass {
    match number {
        URI_HOST | URI_PORT | OSCORE | HOP_LIMIT | PROXY_URI | PROXY_SCHEME => OscoreClass::Outer,
        OBSERVE => OscoreClass::Both,
        _ => OscoreClass::Inner,
    }
}

/// An option value as an unsigned integer (RFC 7252 §3.2); leading zero bytes are allowed. None when it has more than four bytes.
pub fn decode_uint(value: &[u8]) -> Option<u32> {
    (value.len() <= 4).then(|| value.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
}

/// An unsigned integer in four bytes, and how many of the last of these the shortest form needs; none for 0.
pub(crate) fn encode_uint(value: u32) -> ([u8; 4], usize) {
    (value.to_be_bytes(), 4 - (value.leading_zeros() / 8) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_encoded_in_the_shortest_form() {
        for (value, expected) in [(0, &[][..]), (1, &[1]), (255, &[255]), (256, &[1, 0]), (0x0102_0304, &[1, 2, 3, 4])]
        {
            let (bytes, len) = encode_uint(value);
            assert_eq!(&bytes[4 - len..], expected);
            assert_eq!(decode_uint(expected), Some(value));
        }
        assert_eq!(decode_uint(&[0, 0, 7]), Some(7));
        assert_eq!(decode_uint(&[0; 5]), None);
    }

    #[test]
    fn the_critical_options_of_the_registry_have_odd_numbers() {
        for number in [
            IF_MATCH,
            URI_HOST,
            IF_NONE_MATCH,
            URI_PORT,
            OSCORE,
            URI_PATH,
            URI_QUERY,
            ACCEPT,
            BLOCK1,
            BLOCK2,
            PROXY_URI,
        ] {
            assert!(is_critical(number), "{number}");
        }
        for number in [ETAG, OBSERVE, CONTENT_FORMAT, MAX_AGE, SIZE1, SIZE2, ECHO, NO_RESPONSE, REQUEST_TAG, HOP_LIMIT]
        {
            assert!(!is_critical(number), "{number}");
        }
    }
}
