//! Sealing and opening messages (RFC 8613 §8): which option goes where, and what the tag covers.
//!
//! Must never seal a second plaintext under a request's nonce: the caller says which nonce is free, and keeps the bytes it sent.

use super::{
    algorithm::Nonce,
    context::{KeyId, OscoreError, SecurityContext},
    option::{MAX_OPTION_LEN, OscoreOption, partial_iv},
};
use crate::{
    code::Code,
    message::{Body, Header, Message, MessageError, OptionWriter, Options, encode_payload},
    option::{self, OscoreClass, oscore_class},
};

/// What ties a response to its request: the tag of both covers the request's kid and Partial IV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBinding {
    kid: KeyId,
    sequence: u64,
}

impl RequestBinding {
    pub(crate) fn new(kid: KeyId, sequence: u64) -> Self {
        Self { kid, sequence }
    }

    /// The request's sequence number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// The nonce of a response (RFC 8613 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseNonce {
    /// The request's: saves bytes, and is good for exactly one response.
    OfRequest,
    /// One of our own sequence numbers: notifications, second responses, and whenever the request may be a replay.
    Own,
}

/// Why a protected message could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnprotectError {
    /// The ciphertext, its nonce or its binding was tampered with, or the keys differ.
    #[error("the ciphertext does not authenticate")]
    Decryption,
    /// What was encrypted is no message.
    #[error("the plaintext is no message: {0}")]
    Plaintext(#[from] MessageError),
}

/// An opened message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner<'a> {
    /// The code.
    pub code: Code,
    /// Options and payload.
    pub body: Body<'a>,
}

/// Appends the protected form of a request to `out`. The header has the request's own code; the outer one is POST, or FETCH with Observe.
pub fn protect_request(
    context: &mut SecurityContext,
    header: &Header,
    options: &Options,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<RequestBinding, OscoreError> {
    let sequence = context.next_sequence()?;
    let sender = context.sender_key_id();
    let binding = RequestBinding::new(sender, sequence);
    let observe = options.iter().any(|(number, _)| number == option::OBSERVE);
    let outer = Header { code: if observe { Code::FETCH } else { Code::POST }, ..*header };
    let oscore =
        OscoreOption { partial_iv: Some(sequence), kid_context: context.id_context(), kid: Some(context.sender_id()) };
    let nonce = context.nonce(sender, sequence);
    let message = Plain { code: header.code, options, payload, empty_observe: false };
    seal(context, &outer, oscore, &message, &nonce, &binding, out)?;
    Ok(binding)
}

/// Appends the protected form of a response to `out`.
pub fn protect_response(
    context: &mut SecurityContext,
    header: &Header,
    options: &Options,
    payload: &[u8],
    binding: &RequestBinding,
    nonce: ResponseNonce,
    out: &mut Vec<u8>,
) -> Result<(), OscoreError> {
    let observe = options.iter().any(|(number, _)| number == option::OBSERVE);
    let outer = Header { code: if observe { Code::CONTENT } else { Code::CHANGED }, ..*header };
    let (oscore, nonce) = match nonce {
        ResponseNonce::OfRequest => (OscoreOption::default(), context.nonce(binding.kid, binding.sequence)),
        ResponseNonce::Own => {
            let sequence = context.next_sequence()?;
            let oscore = OscoreOption { partial_iv: Some(sequence), ..OscoreOption::default() };
            (oscore, context.nonce(context.sender_key_id(), sequence))
        }
    };
    // The inner Observe of a notification is empty: its order is the Partial IV's (RFC 8613 §4.1.3.5.2).
    let message = Plain { code: header.code, options, payload, empty_observe: true };
    seal(context, &outer, oscore, &message, &nonce, binding, out)
}

/// Opens a request. `sequence` is its Partial IV; whether that is a replay is the caller's to check before, and to record after.
pub fn unprotect_request<'s>(
    context: &SecurityContext,
    sequence: u64,
    message: &Message<'_>,
    scratch: &'s mut Vec<u8>,
) -> Result<(RequestBinding, Inner<'s>), UnprotectError> {
    let binding = RequestBinding::new(context.recipient_key_id(), sequence);
    let nonce = context.nonce(binding.kid, sequence);
    Ok((binding, open(context, &nonce, &binding, message, scratch)?))
}

/// Opens a response to the request of `binding`. `sequence` is the Partial IV of the response, when it has one.
pub fn unprotect_response<'s>(
    context: &SecurityContext,
    binding: &RequestBinding,
    sequence: Option<u64>,
    message: &Message<'_>,
    scratch: &'s mut Vec<u8>,
) -> Result<Inner<'s>, UnprotectError> {
    let nonce = match sequence {
        Some(sequence) => context.nonce(context.recipient_key_id(), sequence),
        None => context.nonce(binding.kid, binding.sequence),
    };
    open(context, &nonce, binding, message, scratch)
}

struct Plain<'a> {
    code: Code,
    options: &'a Options,
    payload: &'a [u8],
    empty_observe: bool,
}

fn seal(
    context: &SecurityContext,
    outer: &Header,
    oscore: OscoreOption<'_>,
    message: &Plain<'_>,
    nonce: &Nonce,
    binding: &RequestBinding,
    out: &mut Vec<u8>,
) -> Result<(), OscoreError> {
    outer.encode(out);
    let mut writer = OptionWriter::new();
    let outside = |class| matches!(class, OscoreClass::Outer | OscoreClass::Both);
    let mut outer_options = message
        .options
        .iter()
        .filter(|&(number, _)| number != option::OSCORE && outside(oscore_class(number)))
        .peekable();
    while let Some((number, value)) = outer_options.next_if(|&(number, _)| number < option::OSCORE) {
        writer.write(number, value, out);
    }
    let mut value = [0; MAX_OPTION_LEN];
    let len = oscore.encode_into(&mut value);
    writer.write(option::OSCORE, &value[..len], out);
    for (number, value) in outer_options {
        writer.write(number, value, out);
    }
    out.push(0xff);

    let start = out.len();
    out.push(message.code.0);
    let mut writer = OptionWriter::new();
    for (number, value) in message.options.iter().filter(|&(number, _)| oscore_class(number) != OscoreClass::Outer) {
        let empty = message.empty_observe && number == option::OBSERVE;
        writer.write(number, if empty { &[] } else { value }, out);
    }
    encode_payload(message.payload, out);
    let (aad, len) = additional_data(context, binding);
    let sealed = context.sender_cipher().seal(nonce, &aad[..len], out, start);
    if sealed { Ok(()) } else { Err(OscoreError::PlaintextTooLong) }
}

fn open<'s>(
    context: &SecurityContext,
    nonce: &Nonce,
    binding: &RequestBinding,
    message: &Message<'_>,
    scratch: &'s mut Vec<u8>,
) -> Result<Inner<'s>, UnprotectError> {
    scratch.clear();
    scratch.extend_from_slice(message.payload());
    let (aad, len) = additional_data(context, binding);
    if !context.recipient_cipher().open(nonce, &aad[..len], scratch) {
        return Err(UnprotectError::Decryption);
    }
    let (&code, rest) = scratch.split_first().ok_or(MessageError::TooShort(0))?;
    Ok(Inner { code: Code(code), body: Body::parse(rest)? })
}

/// The Enc_structure around the external_aad (RFC 8613 §5.4): CBOR `["Encrypt0", h'', << [1, [alg], request_kid, request_piv, h''] >>]`.
/// Every length in it is below 24, so that each head is one byte and the whole fits a small array.
fn additional_data(context: &SecurityContext, binding: &RequestBinding) -> ([u8; 40], usize) {
    const PREFIX: &[u8] = b"\x83\x68Encrypt0\x40";
    const BYTES: u8 = 0x40;
    let kid = binding.kid.as_slice();
    let (piv, piv_len) = partial_iv(binding.sequence);
    let external_len = 7 + kid.len() + piv_len;
    let parts: [&[u8]; 6] = [
        PREFIX,
        &[BYTES | external_len as u8, 0x85, 0x01, 0x81, context.algorithm().cose_id(), BYTES | kid.len() as u8],
        kid,
        &[BYTES | piv_len as u8],
        &piv[5 - piv_len..],
        &[BYTES],
    ];
    let mut aad = [0; 40];
    let mut len = 0;
    for part in parts {
        aad[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    (aad, len)
}
