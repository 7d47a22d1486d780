//! Behind the seal: plaintexts of a device that has its key and means no good, or is broken. Each is sealed under the next sequence
//! number, so that it comes past deduplication, replay window and decryption to what reads options, puts blocks together and decodes.
//!
//! Sealed with arithmetic of its own (RFC 8613 §3.2, §5): the product's client can only say what is well-formed.

use crate::{context, input, pack, strike};
use aes_gcm::aead::array::Array;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{AesGcm, aes::Aes128};
use davy_coap::{Code, Endpoint, EndpointConfig, Event, ObservationId, Response, option};
use davy_domain::{Timestamp, senml, wire};
use hkdf::Hkdf;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use sha2::Sha256;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const KID: &[u8] = &[1, 2];
const ID_CONTEXT: &[u8] = &[1; 8];

/// Seals what it is given, whatever it is.
struct Sealer {
    cipher: AesGcm<Aes128, aes_gcm::aead::consts::U12>,
    iv: [u8; 12],
    sequence: u64,
}

impl Sealer {
    fn new() -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(&[9; 8]), &[7; 16]);
        // CBOR `[id, id_context, 1, type, L]`; every item is short.
        let derive = |id: &[u8], kind: &str, out: &mut [u8]| {
            let head = [&[0x85, 0x40 | id.len() as u8][..], id, &[0x48], ID_CONTEXT].concat();
            let kind = [&[1, 0x60 | kind.len() as u8][..], kind.as_bytes(), &[out.len() as u8]].concat();
            hkdf.expand(&[head, kind].concat(), out).unwrap();
        };
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        derive(KID, "Key", &mut key);
        derive(&[], "IV", &mut iv);
        Self { cipher: AesGcm::new(&Array::from(key)), iv, sequence: 0 }
    }

    /// A confirmable request around this plaintext, the outer code POST or, as with Observe, FETCH.
    fn seal(&mut self, plaintext: &[u8], observe: bool) -> Vec<u8> {
        let sequence = self.sequence;
        self.sequence += 1;
        let bytes = sequence.to_be_bytes();
        let piv = &bytes[(7 - (sequence.max(1).ilog2() / 8) as usize).min(7)..];
        let mut nonce = self.iv;
        nonce[0] ^= KID.len() as u8;
        nonce.iter_mut().take(7).skip(5).zip(KID).for_each(|(byte, id)| *byte ^= id);
        nonce.iter_mut().skip(12 - piv.len()).zip(piv).for_each(|(byte, piv)| *byte ^= piv);
        let external = [&[0x85, 0x01, 0x81, 0x01, 0x42][..], KID, &[0x40 | piv.len() as u8], piv, &[0x40]].concat();
        let aad = [b"\x83\x68Encrypt0\x40", &[0x40 | external.len() as u8][..], &external].concat();
        let mut sealed = plaintext.to_vec();
        let tag = self.cipher.encrypt_inout_detached(&Array::from(nonce), &aad, sealed.as_mut_slice().into()).unwrap();

        let oscore = [&[0x18 | piv.len() as u8][..], piv, &[8], ID_CONTEXT, KID].concat();
        let (low, high) = (sequence as u8, (sequence >> 8) as u8);
        let code = if observe { Code::FETCH } else { Code::POST };
        let mut datagram = vec![0x42, code.0, high, low, high, low];
        if observe {
            datagram.extend([0x60, 0x3d]);
        } else {
            datagram.push(0x9d);
        }
        datagram.push(oscore.len() as u8 - 13);
        datagram.extend(oscore);
        datagram.push(0xff);
        datagram.extend(sealed);
        datagram.extend_from_slice(&tag);
        datagram
    }
}

/// Option values that mean something, and some that do not.
fn value(chance: &mut StdRng, number: u16, body: &Body) -> Vec<u8> {
    let words: &[&[u8]] = match number {
        option::URI_PATH => &[b"u", b"u", b"u", b"c", b"42", b".well-known", b"core", b"", b"\xff"],
        option::CONTENT_FORMAT | option::ACCEPT => &[&[112], &[112], &[60], &[], &[1, 2], &[1, 2, 3]],
        option::OBSERVE => &[&[], &[], &[1], &[7], &[0, 0, 0, 0]],
        option::ECHO | option::REQUEST_TAG | option::ETAG => &[&[1], &[1; 8], &[], &[9; 41]],
        option::BLOCK1 | option::BLOCK2 => {
            let block = match number {
                option::BLOCK1 => body.block,
                _ => chance.random_range(0..6) << 4 | chance.random_range(0..8),
            };
            let block = if chance.random_bool(0.1) { chance.random::<u32>() >> 8 } else { block };
            let bytes = block.to_be_bytes();
            return bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        }
        _ => &[&[], &[0], &[255; 4], &[7; 20]],
    };
    words.choose(chance).unwrap().to_vec()
}

/// A body that goes block by block.
#[derive(Default)]
struct Body {
    rest: VecDeque<Vec<u8>>,
    /// The value of Block1.
    block: u32,
}

/// An option in front of what follows, its number as a difference.
fn push_option(out: &mut Vec<u8>, delta: u16, value: &[u8]) {
    let nibble = |number: usize| match number {
        0..=12 => (number as u8, Vec::new()),
        13..=268 => (13, vec![(number - 13) as u8]),
        _ => (14, ((number - 269) as u16).to_be_bytes().to_vec()),
    };
    let ((delta, more_delta), (length, more_length)) = (nibble(delta.into()), nibble(value.len()));
    out.push(delta << 4 | length);
    out.extend(more_delta);
    out.extend(more_length);
    out.extend_from_slice(value);
}

/// A plaintext: mostly one that could be, with strange options, blocks and payloads; now and then with bytes turned as well.
fn plaintext(chance: &mut StdRng, body: &mut Body) -> Vec<u8> {
    const RARE: &[u16] = &[
        option::IF_MATCH,
        option::URI_HOST,
        option::ETAG,
        option::IF_NONE_MATCH,
        option::OBSERVE,
        option::URI_PORT,
        option::OSCORE,
        option::URI_PATH,
        option::CONTENT_FORMAT,
        option::MAX_AGE,
        option::URI_QUERY,
        option::ACCEPT,
        option::BLOCK2,
        option::BLOCK1,
        option::SIZE2,
        option::PROXY_URI,
        option::SIZE1,
        option::ECHO,
        option::NO_RESPONSE,
        option::REQUEST_TAG,
        2048,
        2049,
        65535,
    ];
    // `[2, 1, 1790000000000]`
    let outcome = vec![0x83, 0x02, 0x01, 0x1b, 0, 0, 1, 0xa0, 0xc5, 0xa5, 0xac, 0];
    let reports = chance.random_bool(0.1);
    let valid = if reports { outcome } else { pack() };
    let mut payload = if chance.random_bool(0.4) { valid } else { input(chance, &[valid]) };
    let mut options: Vec<(u16, Vec<u8>)> = Vec::new();
    let post = chance.random_bool(0.8);
    let under_way = !body.rest.is_empty();
    if let Some(next) = body.rest.pop_front() {
        // The next block of a body that is under way, seldom out of turn.
        payload = next;
        body.block += if chance.random_bool(0.01) { 32 } else { 16 };
        if body.rest.is_empty() {
            body.block &= !8;
        }
        options.push((option::BLOCK1, Vec::new()));
    } else if post && chance.random_bool(0.03) {
        let szx = [0, 2, 4, 5, 6, 6].choose(chance).copied().unwrap();
        let long = std::iter::repeat_with(|| input(chance, &[pack()])).take(20).flatten().collect::<Vec<_>>();
        let long = if chance.random_bool(0.5) { long } else { padded_pack(chance) };
        body.rest = long.chunks(16 << szx).map(<[u8]>::to_vec).collect();
        if let Some(first) = body.rest.pop_front() {
            payload = first;
        }
        body.block = szx | if body.rest.is_empty() { 0 } else { 8 };
        options.push((option::BLOCK1, Vec::new()));
    } else if chance.random_bool(0.05) {
        options.push((option::BLOCK1, Vec::new()));
    }
    if under_way || chance.random_bool(0.95) {
        let path: &[&[u8]] = match (post || under_way, reports && !under_way) {
            (true, true) => &[b"c", b"42"],
            (true, false) => &[b"u"],
            (false, _) => &[b"c"],
        };
        options.extend(path.iter().map(|segment| (option::URI_PATH, segment.to_vec())));
    }
    if !post && !under_way && chance.random_bool(0.4) {
        options.push((option::OBSERVE, Vec::new()));
    }
    if (post || under_way) && chance.random_bool(0.95) {
        options.push((option::CONTENT_FORMAT, vec![112]));
    }
    let strange: &[usize] = if under_way { &[0, 0, 0, 0, 0, 0, 0, 1] } else { &[0, 0, 0, 0, 1, 1, 3] };
    for _ in 0..*strange.choose(chance).unwrap() {
        options.push((*RARE.choose(chance).unwrap(), Vec::new()));
    }
    options.sort_by_key(|(number, _)| *number);
    let code = if under_way {
        Code::POST.0
    } else if chance.random_bool(0.03) {
        chance.random()
    } else if post {
        Code::POST.0
    } else {
        Code::GET.0
    };
    let mut plain = vec![code];
    let mut last = 0;
    for (number, given) in options {
        let value = if given.is_empty() { value(chance, number, body) } else { given };
        push_option(&mut plain, number - last, &value);
        last = number;
    }
    if !payload.is_empty() {
        plain.push(0xff);
        plain.extend(payload);
    }
    plain.truncate(1_060);
    if chance.random_bool(if under_way { 0.02 } else { 0.2 }) { input(chance, &[plain]) } else { plain }
}

/// A valid pack of many records: what a body of several blocks looks like when it is meant well.
fn padded_pack(chance: &mut StdRng) -> Vec<u8> {
    let count = chance.random_range(24..120_u8);
    let mut bytes = vec![0x98, count];
    for at in 0..count {
        bytes.extend(b"\xa3\x00\x63gas\x02\x18");
        bytes.extend([24 + at % 60, 0x06, 0x38, 24 + at % 200]);
    }
    bytes
}

/// How far the inputs came.
#[derive(Debug, Default)]
struct Reached {
    requests: u64,
    packs: u64,
    readings: u64,
    long: u64,
    outcomes: u64,
    observations: u64,
}

#[test]
fn any_plaintext_of_a_device_with_its_key_is_answered() {
    let start = Instant::now();
    let at = Timestamp::from_millis(1_790_000_000_000);
    let mut endpoint = Endpoint::new(EndpointConfig::server(), [5; 32]);
    endpoint.add_context(context(b"s", KID));
    let mut sealer = Sealer::new();
    let mut body = Body::default();
    let mut received = 0_u64;
    let mut observation: Option<ObservationId> = None;
    let mut reached = Reached::default();
    let make = |chance: &mut StdRng| {
        let plain = plaintext(chance, &mut body);
        sealer.seal(&plain, chance.random_bool(0.1))
    };
    strike("sealed plaintexts", make, |datagram| {
        received += 1;
        let now = start + Duration::from_millis(received);
        // A device's address changes now and then.
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000 + (received / 5_000 % 8) as u16));
        let refused = endpoint.stats().decrypt_failed + endpoint.stats().replayed;
        endpoint.handle_datagram(now, peer, datagram);
        assert_eq!(endpoint.stats().decrypt_failed + endpoint.stats().replayed, refused, "it is sealed with the key");
        endpoint.handle_timeout(now);
        while let Some(event) = endpoint.poll_event() {
            match event {
                Event::Request { exchange, context, request, .. } => {
                    assert!(context.is_some() || request.path.as_str() == ".well-known/core", "{request:?}");
                    reached.requests += 1;
                    reached.long += u64::from(request.payload.len() > 1_024);
                    let response = answered(&request, at, &mut reached);
                    // Whether it still waits is the endpoint's business.
                    let _ = endpoint.respond(now, exchange, response);
                }
                Event::ObservationRegistered { observation: new, .. } => {
                    reached.observations += 1;
                    observation = Some(new);
                }
                Event::ObservationEnded { .. } => observation = None,
                _ => {}
            }
        }
        if let Some(observation) = observation.filter(|_| received.is_multiple_of(7)) {
            let news = Response::content(60, vec![0x80; received as usize % 1_500]);
            let _ = endpoint.notify(now, observation, news, received.is_multiple_of(2));
        }
        let mut confirm = Vec::new();
        let mut sent = 0;
        while let Some(transmit) = endpoint.poll_transmit() {
            assert!(transmit.payload.len() <= 1152, "{} bytes", transmit.payload.len());
            sent += 1;
            if let [first, _, high, low, ..] = transmit.payload[..]
                && first >> 4 == 0b0100
            {
                // Acknowledged, or now and then reset.
                confirm.push((transmit.peer, [if low % 5 == 0 { 0x70 } else { 0x60 }, 0, high, low]));
            }
            endpoint.recycle(transmit.payload);
        }
        assert!(sent < 100, "one datagram made it send {sent}");
        for (peer, datagram) in confirm {
            endpoint.handle_datagram(now, peer, &datagram);
        }
    });
    println!("sealed plaintexts: {reached:?}, {:?}", endpoint.stats());
    let Reached { requests, packs, readings, long, observations, outcomes } = reached;
    let deep = [requests, packs, readings, long, observations, outcomes];
    assert!(deep.iter().all(|count| *count > 0), "the inputs do not come to where they should: {reached:?}");
    assert!(requests > received / 8, "{requests} of {received} come to the application: the seal is wrong");
}

/// What the server does with a request: decodes it, and answers.
fn answered(request: &davy_coap::Request, at: Timestamp, reached: &mut Reached) -> Response {
    match (request.method, request.path.as_str()) {
        (Code::POST, "u") => match senml::decode(&request.payload, at) {
            Ok(uplink) => {
                reached.packs += 1;
                for reading in uplink.parts.iter().flat_map(|part| &part.readings) {
                    reached.readings += 1;
                    let (low, high) = reading.quantity.range();
                    assert!(reading.value >= low && reading.value <= high, "{reading:?}");
                }
                Response::new(Code::CHANGED)
            }
            Err(error) => Response::error(Code::BAD_REQUEST, error.to_string()),
        },
        (Code::POST, path) if path.starts_with("c/") => {
            reached.outcomes += u64::from(wire::decode_outcome(&request.payload).is_ok());
            Response::new(Code::CHANGED)
        }
        // Longer than a block now and then.
        (Code::GET, _) => Response::content(60, vec![0x80; request.payload.len() * 20]),
        _ => Response::error(Code::NOT_FOUND, "expected POST /u, GET /c or POST /c/{id}"),
    }
}
