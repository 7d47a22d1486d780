//! Responses to requests of ours, and notifications.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::super::{Endpoint, server::is_safe, transmission::Purpose};
use crate::{
    blockwise::{Block, szx_of},
    code::{Code, MessageType},
    dedup::Fingerprint,
    event::{Event, Failure, RequestId},
    message::{Body, Header, Message, Token},
    option,
    oscore::{OscoreOption, RequestBinding, unprotect_response},
    request::Response,
    wire::{Control, read_response},
};

/// How often a request is repeated with another Echo value, and how often after an error that anyone could have written.
const MAX_REPETITIONS: u32 = 3;

/// After this long any notification counts as newer, whatever its number (RFC 7641 §3.4).
const NOTIFICATION_AGE: Duration = Duration::from_secs(128);

/// An observation that the server has granted.
pub(super) struct Subscription {
    pub(super) token: Token,
    binding: Option<RequestBinding>,
    /// The number of the newest notification, and when it came. Protected ones are numbered by their Partial IV.
    newest: Option<(u64, Instant)>,
}

impl Subscription {
    /// Whether a notification is newer than all that were delivered; if so, it is the newest now.
    fn advance(&mut self, now: Instant, number: Option<u64>) -> bool {
        let Some(number) = number else { return false };
        let newer = match (self.newest, self.binding) {
            (None, _) => true,
            (Some((newest, _)), Some(_)) => number > newest,
            (Some((newest, at)), None) => {
                const HALF: u64 = 1 << 23;
                newest < number && number - newest < HALF
                    || newest > number && newest - number > HALF
                    || now.duration_since(at) > NOTIFICATION_AGE
            }
        };
        if newer {
            self.newest = Some((number, now));
        }
        newer
    }
}

/// The part of a response's body that has arrived, in the response's payload.
pub(super) struct Download {
    response: Response,
    szx: u8,
}

impl Download {
    pub(super) fn next_block(&self) -> Block {
        let number = (self.response.payload.len() >> (self.szx + 4)) as u32;
        Block { number, more: false, szx: self.szx }
    }
}

/// A response, opened.
struct Arrived<'a> {
    code: Code,
    body: Body<'a>,
    /// The Partial IV, when it has one of its own.
    sequence: Option<u64>,
    /// Whether it came under the token of the subscription, not of the step.
    notification: bool,
}

impl Endpoint {
    pub(in crate::endpoint) fn response_came(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        message: &Message<'_>,
        datagram: &[u8],
    ) {
        let header = message.header;
        let fingerprint = self.fingerprint(datagram);
        if header.message_type == MessageType::Acknowledgement {
            let purpose = self.transmission_to(peer, header.message_id).and_then(|id| Some((id, self.purpose_of(id)?)));
            match purpose {
                Some((_, Purpose::Request(id))) if self.tokens.get(&header.token) == Some(&id) => {}
                Some((id, Purpose::Farewell)) => {
                    self.end_transmission(now, id);
                    return;
                }
                _ => {
                    self.stats.unmatched += 1;
                    return;
                }
            }
        } else if let Some(place) = self.peers.find(peer)
            && self.answer_duplicate(now, place, fingerprint, datagram.len())
        {
            return;
        }
        let id = self.tokens.get(&header.token).copied();
        let Some(id) = id.filter(|&id| self.requests.get(id).is_some_and(|outgoing| outgoing.peer == peer)) else {
            return self.response_is_unmatched(peer, message);
        };
        let oscore = message.options().find(|&(number, _)| number == option::OSCORE);
        let Some(outgoing) = self.requests.get(id) else { return };
        let subscription = outgoing.subscription.as_ref().filter(|subscription| subscription.token == header.token);
        let notification = subscription.is_some();
        match (outgoing.context, oscore) {
            (None, None) => {
                self.confirm_arrival(now, peer, &header, fingerprint, id);
                let arrived = Arrived { code: header.code, body: message.body, sequence: None, notification };
                self.response_is_genuine(now, id, arrived);
            }
            (None, Some(_)) => self.stats.bad_option += 1,
            (Some(_), None) if notification || header.code.class() < 4 => self.stats.unprotected += 1,
            (Some(_), None) => {
                self.confirm_arrival(now, peer, &header, fingerprint, id);
                self.unprotected_error_came(now, id, header.code, message.payload());
            }
            (Some(context), Some((_, value))) => {
                let binding = match (subscription, &outgoing.step) {
                    (Some(subscription), _) => subscription.binding,
                    (None, Some(step)) => step.binding,
                    (None, None) => None,
                };
                let (Some(entry), Some(binding)) = (self.contexts.get(context), binding) else { return };
                let Ok(OscoreOption { partial_iv: sequence, .. }) = OscoreOption::parse(value) else {
                    self.stats.oscore_malformed += 1;
                    return;
                };
                let mut plaintext = std::mem::take(&mut self.scratch);
                match unprotect_response(&entry.context, &binding, sequence, message, &mut plaintext) {
                    Ok(inner) if inner.code.is_response() => {
                        self.confirm_arrival(now, peer, &header, fingerprint, id);
                        let arrived = Arrived { code: inner.code, body: inner.body, sequence, notification };
                        self.response_is_genuine(now, id, arrived);
                    }
                    // RFC 8613 §8.4: stop processing, and leave the exchange as it was.
                    Ok(_) | Err(_) => self.stats.decrypt_failed += 1,
                }
                self.scratch = plaintext;
            }
        }
    }

    /// RFC 7252 §4.2, RFC 7641 §3.5: a response that belongs to nothing is reset, so that the server stops sending.
    fn response_is_unmatched(&mut self, peer: SocketAddr, message: &Message<'_>) {
        self.stats.unmatched += 1;
        let notification = message.options().any(|(number, _)| number == option::OBSERVE);
        if message.header.message_type == MessageType::Confirmable || notification {
            self.send_reset(peer, message.header.message_id);
        }
    }

    /// The message layer's part of a response: acknowledge it, remember it, and stop repeating the request.
    fn confirm_arrival(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        header: &Header,
        fingerprint: Fingerprint,
        id: RequestId,
    ) {
        if header.message_type != MessageType::Acknowledgement
            && let Some(state) = self.enter_peer(now, peer).and_then(|id| self.peers.get_mut(id))
        {
            state.dedup.record(fingerprint, now, self.config.exchange_lifetime, self.config.dedup_depth);
            if header.message_type == MessageType::Confirmable {
                let mut acknowledgement = Vec::with_capacity(4);
                super::super::receive::empty(MessageType::Acknowledgement, header.message_id)
                    .encode(&mut acknowledgement);
                state.dedup.set_reply(fingerprint, &acknowledgement, self.config.cached_replies);
                self.transmit_copy(peer, &acknowledgement);
            }
        }
        self.verify_peer(now, peer);
        let step = self.requests.get_mut(id).and_then(|outgoing| outgoing.step.as_mut());
        if let Some(transmission) =
            step.filter(|step| step.token == header.token).and_then(|step| step.transmission.take())
        {
            self.end_transmission(now, transmission);
        }
    }

    /// A protected request was refused without protection. It may be true (the server has lost our context) or forged; and a server that
    /// took a retransmission from a new address for a replay says so too. What can be asked again safely is asked again.
    fn unprotected_error_came(&mut self, now: Instant, id: RequestId, code: Code, payload: &[u8]) {
        let Some(outgoing) = self.requests.get_mut(id) else { return };
        let block_before_last = outgoing
            .upload
            .as_ref()
            .is_some_and(|upload| upload.offset + (16 << upload.szx) < outgoing.request.payload.len());
        let repeatable = is_safe(outgoing.request.method) || block_before_last || outgoing.download.is_some();
        if code == Code::UNAUTHORIZED && repeatable && outgoing.retries < MAX_REPETITIONS {
            outgoing.retries += 1;
            return self.continue_request(now, id);
        }
        let diagnostic = String::from_utf8_lossy(payload).into_owned();
        self.fail_request(now, id, Failure::Rejected { code, diagnostic });
    }

    fn response_is_genuine(&mut self, now: Instant, id: RequestId, arrived: Arrived<'_>) {
        let Ok((mut response, control)) = read_response(arrived.code, &arrived.body, &self.config.understood_options)
        else {
            self.stats.bad_option += 1;
            let reason = "the response has a critical option that is unknown or malformed";
            return self.fail_request(now, id, Failure::Local(reason.to_owned()));
        };
        response.payload.extend_from_slice(arrived.body.payload);
        let going_on = if arrived.notification {
            self.notification_came(now, id, &arrived, &control, &mut response)
        } else {
            self.step_was_answered(now, id, &arrived, &control, &mut response)
        };
        if going_on {
            self.gather_response(now, id, response, &control);
        }
    }

    /// Whether the notification is to be delivered.
    fn notification_came(
        &mut self,
        now: Instant,
        id: RequestId,
        arrived: &Arrived<'_>,
        control: &Control<'_>,
        response: &mut Response,
    ) -> bool {
        let Some(outgoing) = self.requests.get_mut(id) else { return false };
        let Some(subscription) = &mut outgoing.subscription else { return false };
        let number = if subscription.binding.is_some() { arrived.sequence } else { control.observe.map(u64::from) };
        let ends = !arrived.code.is_success() || control.observe.is_none();
        if !ends && !subscription.advance(now, number) {
            self.stats.stale_notifications += 1;
            return false;
        }
        response.observe = number;
        // What was being fetched is of an older state.
        outgoing.download = None;
        let token = subscription.token;
        self.leave_step(now, id);
        if ends && let Some(outgoing) = self.requests.get_mut(id) {
            outgoing.subscription = None;
            self.tokens.remove(&token);
        }
        true
    }

    /// Whether the response is the last one of the upload.
    fn step_was_answered(
        &mut self,
        now: Instant,
        id: RequestId,
        arrived: &Arrived<'_>,
        control: &Control<'_>,
        response: &mut Response,
    ) -> bool {
        let Some(outgoing) = self.requests.get_mut(id) else { return false };
        let Some(step) = &outgoing.step else { return false };
        if let Some(echo) = control.echo.filter(|_| arrived.code == Code::UNAUTHORIZED) {
            if outgoing.challenges >= MAX_REPETITIONS {
                self.fail_request(now, id, Failure::ChallengedTooOften);
                return false;
            }
            outgoing.challenges += 1;
            outgoing.echo = Some(echo.to_vec());
            self.continue_request(now, id);
            return false;
        }
        if let Some(upload) = &mut outgoing.upload {
            let smaller = control.block1.map(|block| block.szx).filter(|&szx| szx < upload.szx);
            if arrived.code == Code::CONTINUE && control.block1.is_some() {
                upload.offset += 16 << upload.szx;
                upload.szx = smaller.unwrap_or(upload.szx);
                if upload.offset >= outgoing.request.payload.len() {
                    let reason = "the server wants more of the body than there is";
                    self.fail_request(now, id, Failure::Blockwise(reason));
                } else {
                    self.continue_request(now, id);
                }
                return false;
            }
            // RFC 7959 §2.9.3: the server cannot take blocks of this size, but smaller ones.
            if arrived.code == Code::REQUEST_ENTITY_TOO_LARGE
                && upload.offset == 0
                && let Some(szx) = smaller
            {
                upload.szx = szx;
                self.continue_request(now, id);
                return false;
            }
            outgoing.upload = None;
        }
        if step.registers && arrived.code.is_success() && control.observe.is_some() {
            let number = if step.binding.is_some() { arrived.sequence } else { control.observe.map(u64::from) };
            response.observe = Some(number.unwrap_or(0));
            outgoing.subscription = Some(Subscription {
                token: step.token,
                binding: step.binding,
                newest: number.map(|number| (number, now)),
            });
        }
        true
    }

    /// Puts the response's blocks together (RFC 7959 §2.4), and delivers it when it is whole.
    fn gather_response(&mut self, now: Instant, id: RequestId, response: Response, control: &Control<'_>) {
        let own_szx = szx_of(self.config.block_size);
        let max = self.config.max_body_size;
        let Some(outgoing) = self.requests.get_mut(id) else { return };
        let failure = match (control.block2, outgoing.download.take()) {
            // An error in the middle of a transfer is the answer.
            (None, download) if download.is_none() || !response.code.is_success() => {
                return self.deliver(now, id, response);
            }
            (None, _) => "a block of the response came without its Block2 option",
            (Some(block), None) if block.number == 0 && !block.more => return self.deliver(now, id, response),
            (Some(block), None) if block.number == 0 && response.payload.len() == block.size() => {
                outgoing.download = Some(Download { response, szx: block.szx.min(own_szx) });
                return self.continue_request(now, id);
            }
            (Some(_), None) => "the response does not begin with a full block 0",
            (Some(block), Some(download)) if block.offset() != download.response.payload.len() => {
                "a block of the response is not the one that was asked for"
            }
            (Some(block), Some(_)) if block.more && response.payload.len() != block.size() => {
                "a block of the response has not the announced size"
            }
            (Some(_), Some(download)) if download.response.payload.len() + response.payload.len() > max => {
                self.stats.too_large += 1;
                "the response is larger than max_body_size"
            }
            (Some(_), Some(download)) if download.response.etag != response.etag => {
                if is_safe(outgoing.request.method)
                    && outgoing.subscription.is_none()
                    && outgoing.retries < MAX_REPETITIONS
                {
                    outgoing.retries += 1;
                    return self.continue_request(now, id);
                }
                "the response changed while it was fetched"
            }
            (Some(block), Some(mut download)) => {
                download.response.payload.extend_from_slice(&response.payload);
                if !block.more {
                    return self.deliver(now, id, download.response);
                }
                download.szx = block.szx.min(download.szx);
                outgoing.download = Some(download);
                return self.continue_request(now, id);
            }
        };
        self.stats.blockwise_failed += 1;
        self.fail_request(now, id, Failure::Blockwise(failure));
    }

    fn deliver(&mut self, now: Instant, id: RequestId, response: Response) {
        let Some(outgoing) = self.requests.get_mut(id) else { return };
        let (peer, more) = (outgoing.peer, outgoing.subscription.is_some());
        // Each response begins with its own patience.
        (outgoing.challenges, outgoing.retries) = (0, 0);
        if more {
            self.leave_step(now, id);
        } else {
            self.remove_request(now, id);
        }
        self.stats.responses += 1;
        self.events.push_back(Event::Response { request: id, peer, response, more });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oscore::KeyId;

    fn subscription(protected: bool, newest: u64, at: Instant) -> Subscription {
        let binding = protected.then(|| RequestBinding::new(KeyId::new(&[]).unwrap(), 0));
        Subscription { token: Token::default(), binding, newest: Some((newest, at)) }
    }

    #[test]
    fn plain_notifications_are_ordered_by_rfc_7641_section_3_4() {
        let now = Instant::now();
        let advances = |newest, number, seconds| {
            subscription(false, newest, now).advance(now + Duration::from_secs(seconds), Some(number))
        };
        assert!(advances(5, 6, 0) && !advances(5, 5, 0) && !advances(5, 4, 0));
        assert!(advances(0xff_ffff, 0, 0), "the number wraps");
        assert!(!advances(0, 0xff_ffff, 0));
        assert!(advances(5, 4, 129), "two minutes later everything is new");
    }

    #[test]
    fn protected_notifications_are_ordered_by_their_partial_iv_for_ever() {
        let now = Instant::now();
        let mut subscription = subscription(true, 5, now);
        assert!(!subscription.advance(now + Duration::from_secs(999), Some(5)));
        assert!(!subscription.advance(now, None), "the first response again");
        assert!(subscription.advance(now, Some(9)) && !subscription.advance(now, Some(8)));
    }
}
