//! What of a flood is let in: a limit for each sender, before anything is decrypted or queued.
//!
//! A device that has gone wrong, or somebody who holds one, could otherwise fill the queues that other devices' alarms go through. The
//! limit is far above what any device needs, and what is dropped by it is sent again by whoever waits for an answer (RFC 7252 §4.2).
//! It counts by kid *and* address: a kid travels in clear, and who repeats somebody else's from another address must not use up the
//! owner's allowance. Senders share a table of fixed size under a hash that nobody outside can predict.

use davy_coap::{MessageType, Peek};
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

/// Places in the table. Two senders that share one share an allowance, which is far above what both need.
const CELLS: usize = 1 << 18;
/// So many seconds' allowance may be used at once: a device that was out of reach sends what it has kept.
const BURST_SECONDS: i64 = 10;
/// How many times a device's allowance one address may use for what carries no kid: answers to what the platform sent, of all the
/// devices behind that address.
const ANSWERS: i64 = 100;
/// Requests a second, from everybody together, that name no device the platform knows: enough for whoever looks what is here.
const STRANGERS: i64 = 1_000;

const SECOND: i64 = 1_000_000;

/// Lets `burst` pass at once and then one at each interval: the generic cell rate algorithm (ITU-T I.371), in microseconds.
#[derive(Clone, Copy, Debug)]
struct Pace {
    interval: i64,
    burst: i64,
}

impl Pace {
    fn per_second(rate: i64) -> Self {
        Self { interval: (SECOND / rate).max(1), burst: BURST_SECONDS * SECOND }
    }

    /// Whether one more may pass at `now`; `at_rest` is when all that has passed is forgotten.
    fn pass(self, at_rest: &mut i64, now: i64) -> bool {
        let begin = (*at_rest).max(now);
        if begin - now > self.burst {
            return false;
        }
        *at_rest = begin + self.interval;
        true
    }
}

/// The limits with what each sender has used.
pub struct Intake {
    device: Option<(Pace, Pace)>,
    cells: Box<[i64]>,
    strangers: i64,
    hash: SipHasher13,
}

impl Intake {
    /// A limit of so many datagrams a second for each device; 0 is none, for anybody. The seed keeps others from choosing whom they
    /// share a place with.
    pub fn new(device_rate: u32, seed: [u8; 16]) -> Self {
        let device = (device_rate > 0).then(|| {
            let rate = i64::from(device_rate);
            (Pace::per_second(rate), Pace::per_second(rate * ANSWERS))
        });
        let cells = if device.is_some() { vec![i64::MIN; CELLS] } else { Vec::new() };
        Self { device, cells: cells.into(), strangers: i64::MIN, hash: SipHasher13::new_with_key(&seed) }
    }

    /// Whether a datagram is taken, `since` the server's start. `known` says that it names a device the platform knows or comes from
    /// where one was heard.
    pub fn admits(&mut self, peer: SocketAddr, peek: Option<&Peek<'_>>, known: bool, since: Duration) -> bool {
        let Some((device, answers)) = self.device else { return true };
        let now = i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 2);
        if !known {
            return Pace::per_second(STRANGERS).pass(&mut self.strangers, now);
        }
        let kid = peek.and_then(|peek| Some((peek.kid_context, peek.kid?)));
        let pace = match peek {
            // What answers a message of ours goes with the address.
            Some(peek) if kid.is_none() && !matches!(peek.message_type, MessageType::Confirmable) => answers,
            _ => device,
        };
        let mut hash = self.hash;
        (peer, kid).hash(&mut hash);
        let place = hash.finish() as usize % CELLS;
        self.cells.get_mut(place).is_none_or(|at_rest| pace.pass(at_rest, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 200;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    /// A datagram of a type (0 confirmable, 2 acknowledgement), with an OSCORE option (RFC 8613 §6.1) when it has a kid.
    fn datagram(message_type: u8, kid: Option<u8>) -> Vec<u8> {
        let code = if message_type == 0 { 0x02 } else { 0x00 };
        let mut bytes = vec![0x40 | message_type << 4, code, 0, 1];
        if let Some(kid) = kid {
            bytes.extend([0x95, 0x19, 7, 1, b'c', kid, 0xff, 1]);
        }
        bytes
    }

    fn admitted(intake: &mut Intake, port: u16, bytes: &[u8], known: bool, times: usize, at: Duration) -> usize {
        let peek = davy_coap::peek(bytes);
        assert!(peek.is_some(), "no CoAP message: {bytes:?}");
        (0..times).filter(|_| intake.admits(address(port), peek.as_ref(), known, at)).count()
    }

    #[test]
    fn a_device_that_floods_gets_its_rate_and_its_neighbour_everything() {
        let mut intake = Intake::new(RATE, [7; 16]);
        let (flood, quiet) = (datagram(0, Some(b'1')), datagram(0, Some(b'2')));
        let mut taken = 0;
        for ms in 0..60_000 {
            let at = Duration::from_millis(ms);
            taken += admitted(&mut intake, 1, &flood, true, 10, at);
            if ms % 1_000 == 0 {
                assert_eq!(admitted(&mut intake, 2, &quiet, true, 1, at), 1);
            }
        }
        let most = RATE as usize * (60 + BURST_SECONDS as usize) + 2;
        assert!(taken <= most && taken > most - 100, "{taken} of 600,000, expected about {most}");
    }

    #[test]
    fn who_repeats_a_kid_from_elsewhere_does_not_use_up_its_owners_allowance() {
        let mut intake = Intake::new(RATE, [7; 16]);
        let kid = datagram(0, Some(b'1'));
        admitted(&mut intake, 666, &kid, true, 1_000_000, Duration::ZERO);
        assert_eq!(admitted(&mut intake, 1, &kid, true, 100, Duration::ZERO), 100);
    }

    #[test]
    fn strangers_share_one_allowance_and_take_none_from_devices() {
        let mut intake = Intake::new(RATE, [7; 16]);
        let stranger = datagram(0, None);
        let taken: usize =
            (0..60_000).map(|port| admitted(&mut intake, port, &stranger, false, 1, Duration::ZERO)).sum();
        assert_eq!(taken as i64, STRANGERS * BURST_SECONDS + 1);
        let device = datagram(0, Some(b'1'));
        assert_eq!(admitted(&mut intake, 1, &device, true, 10, Duration::ZERO), 10);
    }

    #[test]
    fn a_gateways_answers_are_not_counted_as_one_devices_requests() {
        let mut intake = Intake::new(RATE, [7; 16]);
        let answer = datagram(2, None);
        assert_eq!(admitted(&mut intake, 1, &answer, true, 5_000, Duration::ZERO), 5_000);
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let mut intake = Intake::new(0, [7; 16]);
        let kid = datagram(0, Some(b'1'));
        assert_eq!(admitted(&mut intake, 1, &kid, true, 100_000, Duration::ZERO), 100_000);
    }
}
