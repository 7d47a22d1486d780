//! The message format (RFC 7252 §3): a strict parser that borrows from the datagram, and a writer.
//!
//! The general codec crates build a map of lists of vectors per message, and take what the RFC forbids; the hot path parses and writes
//! two messages per datagram (the inner one of OSCORE has no header), so that both work on slices. Must never allocate while parsing,
//! nor take a message that a strict peer would refuse.

use std::fmt;

use crate::{
    code::{Code, MessageType},
    option::encode_uint,
};

/// A token: 0–8 bytes, chosen by the client, that ties a response to its request.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Token {
    len: u8,
    bytes: [u8; 8],
}

impl Token {
    /// A token of at most eight bytes; longer ones are no tokens.
    pub fn new(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        Some(Self { len: token.len() as u8, bytes })
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The four fixed bytes and the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type.
    pub message_type: MessageType,
    /// The code.
    pub code: Code,
    /// The message id.
    pub message_id: u16,
    /// The token.
    pub token: Token,
}

/// Why a datagram is no CoAP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Less than the four bytes of a header.
    #[error("{0} bytes; a message has at least 4")]
    TooShort(usize),
    /// Another version. It must be ignored, not answered (RFC 7252 §3).
    #[error("version {0}; expected 1")]
    Version(u8),
    /// A reserved token length.
    #[error("token length {0}; at most 8 is allowed")]
    TokenLength(u8),
    /// The datagram ends inside the token.
    #[error("the datagram ends inside the token")]
    TokenTruncated,
    /// An Empty message has more than its four bytes.
    #[error("an Empty message has a token, options or payload; expected four bytes")]
    EmptyWithContent,
    /// An option's delta or length is 15, which is reserved.
    #[error("an option's delta or length is 15, which is reserved")]
    ReservedNibble,
    /// The datagram ends inside an option.
    #[error("the datagram ends inside an option")]
    OptionTruncated,
    /// The deltas add up to more than 65,535.
    #[error("an option's number is above 65,535")]
    OptionNumber,
    /// A payload marker with nothing behind it.
    #[error("a payload marker without a payload")]
    EmptyPayload,
    /// A request in an acknowledgement or reset, or a reset that is not Empty.
    #[error("a {message_type:?} message must not have code {code}")]
    TypeAndCode {
        /// The type.
        message_type: MessageType,
        /// The code.
        code: Code,
    },
    /// A code of a reserved class.
    #[error("code {0} is of a reserved class")]
    ReservedClass(Code),
}

impl Header {
    /// Reads the header; what follows the token is not looked at.
    pub fn parse(datagram: &[u8]) -> Result<(Self, &[u8]), MessageError> {
        let &[first, code, mid_high, mid_low, ref rest @ ..] = datagram else {
            return Err(MessageError::TooShort(datagram.len()));
        };
        if first >> 6 != 1 {
            return Err(MessageError::Version(first >> 6));
        }
        let token_len = first & 15;
        if token_len > 8 {
            return Err(MessageError::TokenLength(token_len));
        }
        let (token, rest) = rest.split_at_checked(token_len.into()).ok_or(MessageError::TokenTruncated)?;
        let mut bytes = [0; 8];
        bytes[..token.len()].copy_from_slice(token);
        let header = Self {
            message_type: MessageType::from_bits(first >> 4),
            code: Code(code),
            message_id: u16::from_be_bytes([mid_high, mid_low]),
            token: Token { len: token_len, bytes },
        };
        Ok((header, rest))
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(0x40 | (self.message_type as u8) << 4 | self.token.len);
        out.push(self.code.0);
        out.extend_from_slice(&self.message_id.to_be_bytes());
        out.extend_from_slice(self.token.as_slice());
    }

    /// The message id of a datagram whose header can only be guessed at, so that it can be reset.
    pub(crate) fn confirmable_message_id(datagram: &[u8]) -> Option<u16> {
        match *datagram {
            [first, _, high, low, ..] if first >> 4 == 0b0100 => Some(u16::from_be_bytes([high, low])),
            _ => None,
        }
    }
}

/// A message, borrowed from its datagram and known to be well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// Options and payload.
    pub body: Body<'a>,
}

impl<'a> Message<'a> {
    /// Parses a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, MessageError> {
        let (header, rest) = Header::parse(datagram)?;
        let Header { message_type, code, token, .. } = header;
        if code == Code::EMPTY && (token.len > 0 || !rest.is_empty()) {
            return Err(MessageError::EmptyWithContent);
        }
        if matches!(code.class(), 1 | 6 | 7) {
            return Err(MessageError::ReservedClass(code));
        }
        let fits = match message_type {
            MessageType::Confirmable => true,
            MessageType::NonConfirmable => code != Code::EMPTY,
            MessageType::Acknowledgement => !code.is_request(),
            MessageType::Reset => code == Code::EMPTY,
        };
        if !fits {
            return Err(MessageError::TypeAndCode { message_type, code });
        }
        Ok(Self { header, body: Body::parse(rest)? })
    }

    /// The options, in order of number.
    pub fn options(&self) -> OptionIter<'a> {
        self.body.options()
    }

    /// The payload; empty when there is none.
    pub fn payload(&self) -> &'a [u8] {
        self.body.payload
    }

    /// Appends the message as it came.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        out.extend_from_slice(self.body.option_bytes);
        encode_payload(self.body.payload, out);
    }
}

/// What follows the token, or the code in an OSCORE plaintext: options and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    option_bytes: &'a [u8],
    /// The payload; empty when there is none.
    pub payload: &'a [u8],
}

impl<'a> Body<'a> {
    /// Checks the options' encoding and finds the payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let mut rest = bytes;
        let mut number = 0_u32;
        loop {
            match rest {
                [] => return Ok(Self { option_bytes: bytes, payload: &[] }),
                [0xff] => return Err(MessageError::EmptyPayload),
                [0xff, payload @ ..] => {
                    let option_bytes = &bytes[..bytes.len() - payload.len() - 1];
                    return Ok(Self { option_bytes, payload });
                }
                _ => {
                    let (delta, _, tail) = split_option(rest)?;
                    number += delta;
                    if number > u32::from(u16::MAX) {
                        return Err(MessageError::OptionNumber);
                    }
                    rest = tail;
                }
            }
        }
    }

    /// The options, in order of number.
    pub fn options(&self) -> OptionIter<'a> {
        OptionIter { rest: self.option_bytes, number: 0 }
    }
}

/// The options of a well-formed message: number and value.
#[derive(Clone, Debug)]
pub struct OptionIter<'a> {
    rest: &'a [u8],
    number: u32,
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        // `Body::parse` has walked the same bytes without an error.
        let (delta, value, rest) = split_option(self.rest).ok()?;
        self.number += delta;
        self.rest = rest;
        Some((self.number as u16, value))
    }
}

/// The delta, the value, and what follows the first option of `bytes`, which must not be empty.
fn split_option(bytes: &[u8]) -> Result<(u32, &[u8], &[u8]), MessageError> {
    let (&first, mut rest) = bytes.split_first().ok_or(MessageError::OptionTruncated)?;
    let mut extend = |nibble: u8| match nibble {
        13 => {
            let (&byte, tail) = rest.split_first().ok_or(MessageError::OptionTruncated)?;
            rest = tail;
            Ok(u32::from(byte) + 13)
        }
        14 => {
            let (bytes, tail) = rest.split_first_chunk().ok_or(MessageError::OptionTruncated)?;
            rest = tail;
            Ok(u32::from(u16::from_be_bytes(*bytes)) + 269)
        }
        15 => Err(MessageError::ReservedNibble),
        small => Ok(u32::from(small)),
    };
    let delta = extend(first >> 4)?;
    let len = extend(first & 15)?;
    let (value, rest) = rest.split_at_checked(len as usize).ok_or(MessageError::OptionTruncated)?;
    Ok((delta, value, rest))
}

/// Options to be written, gathered in any order in one reusable buffer.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Number, and where the value is in `values`.
    entries: Vec<(u16, u32, u32)>,
    values: Vec<u8>,
}

impl Options {
    /// Forgets all options and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.values.clear();
    }

    /// Adds an option; of several with one number the first pushed comes first.
    pub fn push(&mut self, number: u16, value: &[u8]) {
        let start = self.values.len() as u32;
        self.values.extend_from_slice(value);
        // Nearly always the number is the highest so far, and this looks at one entry.
        let at = self.entries.iter().rposition(|&(before, ..)| before <= number).map_or(0, |i| i + 1);
        self.entries.insert(at, (number, start, value.len() as u32));
    }

    /// Adds an option with an unsigned value in its shortest form.
    pub fn push_uint(&mut self, number: u16, value: u32) {
        let (bytes, len) = encode_uint(value);
        self.push(number, &bytes[4 - len..]);
    }

    /// Adds all options of a message.
    pub fn extend_from(&mut self, options: OptionIter<'_>) {
        for (number, value) in options {
            self.push(number, value);
        }
    }

    /// The options, in order of number.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.entries.iter().map(|&(number, start, len)| (number, &self.values[start as usize..(start + len) as usize]))
    }
}

/// Writes options; they must come in order of number.
pub(crate) struct OptionWriter {
    last: u16,
}

impl OptionWriter {
    pub(crate) fn new() -> Self {
        Self { last: 0 }
    }

    pub(crate) fn write(&mut self, number: u16, value: &[u8], out: &mut Vec<u8>) {
        debug_assert!(number >= self.last, "options are written in order");
        let delta = number.saturating_sub(self.last);
        self.last = number;
        let len = value.len().min(usize::from(u16::MAX)) as u16;
        let nibble = |value: u16| match value {
            0..13 => value as u8,
            13..269 => 13,
            269.. => 14,
        };
        out.push(nibble(delta) << 4 | nibble(len));
        for value in [delta, len] {
            match value {
                0..13 => {}
                13..269 => out.push((value - 13) as u8),
                269.. => out.extend_from_slice(&(value - 269).to_be_bytes()),
            }
        }
        out.extend_from_slice(&value[..len.into()]);
    }
}

/// Appends the marker and the payload, or nothing.
pub(crate) fn encode_payload(payload: &[u8], out: &mut Vec<u8>) {
    if !payload.is_empty() {
        out.push(0xff);
        out.extend_from_slice(payload);
    }
}

/// Appends a whole unprotected message.
pub fn encode_message(header: &Header, options: &Options, payload: &[u8], out: &mut Vec<u8>) {
    header.encode(out);
    let mut writer = OptionWriter::new();
    for (number, value) in options.iter() {
        writer.write(number, value, out);
    }
    encode_payload(payload, out);
}
