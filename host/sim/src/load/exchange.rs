//! One uplink on the way: protected once, sent until it is answered, its answer verified.
//!
//! Must never count an answer that does not authenticate, nor seal a second plaintext under one sequence number.

use davy_coap::{
    Code, MessageType,
    message::{Header, Message, Options, Token},
    option,
    oscore::{OscoreError, OscoreOption, RequestBinding, SecurityContext, protect_request, unprotect_response},
};
use std::time::Instant;

/// An uplink on the way.
pub(super) struct Exchange {
    pub(super) device: u32,
    pub(super) message_id: u16,
    pub(super) generation: u16,
    binding: Option<RequestBinding>,
    pub(super) datagram: Vec<u8>,
    /// The payload, when it is to be logged.
    pub(super) payload: Vec<u8>,
    pub(super) first_sent: Instant,
    pub(super) resend_at: Instant,
    pub(super) resent: u32,
    pub(super) active: bool,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 2.04: stored.
    Stored,
    /// 5.03 or 4.29: not now.
    TurnedAway,
    /// 4.01 with an Echo value to repeat.
    Challenged(Vec<u8>),
    /// Any other code.
    Refused(Code),
    /// Not protected, or not authentic.
    NotAuthentic,
}

impl Exchange {
    pub(super) fn idle(now: Instant) -> Self {
        Self {
            device: 0,
            message_id: 0,
            generation: 0,
            binding: None,
            datagram: Vec::with_capacity(256),
            payload: Vec::new(),
            first_sent: now,
            resend_at: now,
            resent: 0,
            active: false,
        }
    }

    /// Protects an uplink into the datagram.
    pub(super) fn seal(
        &mut self,
        context: &mut SecurityContext,
        slot: u16,
        options: &Options,
        payload: &[u8],
    ) -> Result<(), OscoreError> {
        self.generation = self.generation.wrapping_add(1);
        let [a, b] = slot.to_be_bytes();
        let [c, d] = self.generation.to_be_bytes();
        let header = Header {
            message_type: MessageType::Confirmable,
            code: Code::POST,
            message_id: self.message_id,
            token: Token::new(&[a, b, c, d]).unwrap_or_default(),
        };
        self.datagram.clear();
        self.binding = Some(protect_request(context, &header, options, payload, &mut self.datagram)?);
        Ok(())
    }

    /// Opens the answer to this uplink.
    pub(super) fn open(&self, context: &SecurityContext, message: &Message<'_>, scratch: &mut Vec<u8>) -> Answer {
        let value = message.options().find(|(number, _)| *number == option::OSCORE).map(|(_, value)| value);
        let (Some(binding), Some(Ok(oscore))) = (&self.binding, value.map(OscoreOption::parse)) else {
            return Answer::NotAuthentic;
        };
        let Ok(inner) = unprotect_response(context, binding, oscore.partial_iv, message, scratch) else {
            return Answer::NotAuthentic;
        };
        match inner.code {
            code if code.is_success() => Answer::Stored,
            Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS => Answer::TurnedAway,
            Code::UNAUTHORIZED => {
                let echo = inner.body.options().find(|(number, _)| *number == option::ECHO);
                echo.map_or(Answer::Refused(inner.code), |(_, value)| Answer::Challenged(value.to_vec()))
            }
            code => Answer::Refused(code),
        }
    }
}

/// The slot and generation in a token of ours.
pub(super) fn slot_of(token: &Token) -> Option<(u16, u16)> {
    let &[a, b, c, d] = token.as_slice() else { return None };
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}
