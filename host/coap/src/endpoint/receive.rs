//! The message layer's inward side (RFC 7252 §4): what a datagram is, whether it is a duplicate, and what it acknowledges.

use std::{net::SocketAddr, time::Instant};

use super::{Endpoint, reply::Caller};
use crate::{
    arena::PeerId,
    code::{Code, MessageType},
    dedup::{Fingerprint, Verdict},
    message::{Header, Message, MessageError, Token},
    option,
    request::Response,
    wire::Control,
};

impl Endpoint {
    pub(super) fn receive(&mut self, now: Instant, peer: SocketAddr, datagram: &[u8]) {
        if peer.port() == 0 || peer.ip().is_multicast() || peer.ip().is_unspecified() || is_broadcast(peer) {
            self.stats.unanswerable += 1;
            return;
        }
        if datagram.len() > self.config.max_message_size {
            return self.refuse_oversized(peer, datagram);
        }
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(error) => return self.refuse_malformed(peer, datagram, error),
        };
        let Header { message_type, code, message_id, .. } = message.header;
        match message_type {
            MessageType::Acknowledgement if code == Code::EMPTY => self.acknowledged(now, peer, message_id),
            MessageType::Reset => self.was_reset(now, peer, message_id),
            // A ping (RFC 7252 §4.3).
            MessageType::Confirmable if code == Code::EMPTY => self.send_reset(peer, message_id),
            _ if code.is_request() => self.request_came(now, peer, &message, datagram),
            _ => self.response_came(now, peer, &message, datagram),
        }
    }

    fn request_came(&mut self, now: Instant, peer: SocketAddr, message: &Message<'_>, datagram: &[u8]) {
        let fingerprint = self.fingerprint(datagram);
        let place = self.peers.find(peer);
        if place.is_some_and(|place| self.answer_duplicate(now, place, fingerprint, datagram.len())) {
            return;
        }
        let caller = Caller { place, ..Caller::new(peer, &message.header, fingerprint, datagram.len()) };
        match message.options().find(|&(number, _)| number == option::OSCORE) {
            Some((_, value)) => self.protected_request_came(now, caller, message, value),
            None => self.plain_request_came(now, caller, message),
        }
    }

    pub(super) fn fingerprint(&self, datagram: &[u8]) -> Fingerprint {
        Fingerprint(self.hash.bytes(datagram))
    }

    /// Deals with a message that came before. This is done before anything is decrypted: a retransmission is no replay, and gets the
    /// very bytes that were sent, because sealing another reply under the same nonce would break the cipher.
    pub(super) fn answer_duplicate(
        &mut self,
        now: Instant,
        place: PeerId,
        fingerprint: Fingerprint,
        len: usize,
    ) -> bool {
        let Some(state) = self.peers.get_mut(place) else { return false };
        let peer = state.address;
        state.earn(len, self.config.amplification_factor);
        match state.dedup.check(fingerprint, now, self.config.exchange_lifetime) {
            Verdict::New => return false,
            Verdict::Ignore => self.stats.duplicates_ignored += 1,
            Verdict::Repeat(reply) => {
                let mut buffer = self.spare.pop().unwrap_or_default();
                buffer.extend_from_slice(reply);
                if state.spend(buffer.len()) {
                    self.stats.duplicates_answered += 1;
                    self.transmit(peer, buffer);
                } else {
                    self.stats.amplification_limited += 1;
                    self.recycle(buffer);
                }
            }
        }
        true
    }

    pub(super) fn send_reset(&mut self, peer: SocketAddr, message_id: u16) {
        self.send_empty(peer, MessageType::Reset, message_id);
    }

    pub(super) fn send_empty(&mut self, peer: SocketAddr, message_type: MessageType, message_id: u16) {
        let mut buffer = self.buffer();
        empty(message_type, message_id).encode(&mut buffer);
        self.transmit(peer, buffer);
    }

    /// RFC 7252 §4.2 and §4.3: a confirmable message that cannot be read is reset, any other ignored; of another version, ignored.
    fn refuse_malformed(&mut self, peer: SocketAddr, datagram: &[u8], error: MessageError) {
        self.stats.malformed += 1;
        if matches!(error, MessageError::Version(_) | MessageError::TooShort(_)) {
            return;
        }
        if let Some(message_id) = Header::confirmable_message_id(datagram) {
            self.send_reset(peer, message_id);
        }
    }

    /// 4.13 with the size that would have been taken (RFC 7252 §5.9.2.9), when it is a confirmable request at all.
    fn refuse_oversized(&mut self, peer: SocketAddr, datagram: &[u8]) {
        self.stats.too_large += 1;
        let Ok((header, _)) = Header::parse(datagram) else { return };
        if header.message_type != MessageType::Confirmable || !header.code.is_request() {
            return;
        }
        let caller = Caller::new(peer, &header, Fingerprint(0), datagram.len());
        let max = self.config.max_message_size;
        let diagnostic = format!("the message has {} bytes, at most {max} are taken", datagram.len());
        let control = Control { size1: Some(max as u32), ..Control::default() };
        self.reply_unprotected(&caller, &Response::error(Code::REQUEST_ENTITY_TOO_LARGE, diagnostic), &control);
    }
}

/// A message without token, options and payload.
pub(super) fn empty(message_type: MessageType, message_id: u16) -> Header {
    Header { message_type, code: Code::EMPTY, message_id, token: Token::default() }
}

fn is_broadcast(peer: SocketAddr) -> bool {
    matches!(peer, SocketAddr::V4(v4) if v4.ip().is_broadcast())
}
