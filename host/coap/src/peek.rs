//! A glance at a datagram, to send it to the shard that holds its state: no decryption, no allocation.
//!
//! Must never decide anything but the way: whatever is odd here is refused, with a counter, by the endpoint that gets the datagram.

use crate::{
    code::{Code, MessageType},
    message::{Message, Token},
    option,
    oscore::OscoreOption,
};

/// What the outside of a datagram tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek<'a> {
    /// The type.
    pub message_type: MessageType,
    /// The outer code.
    pub code: Code,
    /// The message id.
    pub message_id: u16,
    /// The token.
    pub token: Token,
    /// Whether the message is protected by OSCORE.
    pub protected: bool,
    /// The kid context of its OSCORE option.
    pub kid_context: Option<&'a [u8]>,
    /// The kid of its OSCORE option: the Sender ID of whoever sent it. Requests have one, responses usually not, acknowledgements
    /// never: those go where the peer's address leads.
    pub kid: Option<&'a [u8]>,
}

/// Looks at a datagram; None when it is no CoAP message. An OSCORE option that cannot be decoded shows as `protected` without kid.
pub fn peek(datagram: &[u8]) -> Option<Peek<'_>> {
    let message = Message::parse(datagram).ok()?;
    let oscore = message.options().find(|&(number, _)| number == option::OSCORE);
    let ids = oscore.and_then(|(_, value)| OscoreOption::parse(value).ok()).unwrap_or_default();
    Some(Peek {
        message_type: message.header.message_type,
        code: message.header.code,
        message_id: message.header.message_id,
        token: message.header.token,
        protected: oscore.is_some(),
        kid_context: ids.kid_context,
        kid: ids.kid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_protected_request_are_seen_from_outside() {
        // RFC 8613 appendix C.6.
        let datagram = [
            0x44, 0x02, 0x2f, 0x8e, 0xef, 0x9b, 0xbf, 0x7a, 0x39, b'l', b'o', b'c', b'a', b'l', b'h', b'o', b's', b't',
            0x6b, 0x19, 0x14, 0x08, 0x37, 0xcb, 0xf3, 0x21, 0x00, 0x17, 0xa2, 0xd3, 0xff, 0x72, 0xcd,
        ];
        let peek = peek(&datagram).unwrap();
        assert_eq!(peek.message_type, MessageType::Confirmable);
        assert_eq!(peek.kid_context, Some(&[0x37, 0xcb, 0xf3, 0x21, 0x00, 0x17, 0xa2, 0xd3][..]));
        assert_eq!(peek.kid, Some(&[][..]));
    }

    #[test]
    fn an_acknowledgement_is_not_protected_and_garbage_is_nothing() {
        assert!(!peek(&[0x60, 0, 1, 2]).unwrap().protected);
        assert_eq!(peek(&[0x60, 0, 1]), None);
        assert_eq!(peek(b"\xff\xff\xff\xff\xff"), None);
    }
}
