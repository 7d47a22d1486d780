//! Any bytes at all, at each door of the platform: no panic, and what is taken is well-formed. A second each by default;
//! `DAVY_FUZZ_SECONDS=300 cargo test -p davy-tests --test fuzz --release` for a long run.
//!
//! Inputs are half random and half mutations of valid ones: random bytes alone never come past the first check.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod sealed;

use davy_coap::oscore::{Algorithm, OscoreOption, Params, ReplayState, ReplayWindow, SecurityContext};
use davy_coap::{Endpoint, EndpointConfig, Event, Request};
use davy_domain::{Timestamp, senml, wire};
use davy_rules::{Engine, EngineConfig};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::time::{Duration, Instant};

/// Calls `door` with random inputs and with mutations of `seeds`.
fn knock(name: &str, seeds: &[Vec<u8>], door: impl FnMut(&[u8])) {
    strike(name, |chance| input(chance, seeds), door);
}

/// Calls `door` with what `make` makes until the time is up; the seed is printed, so that a failure can be repeated.
fn strike(name: &str, mut make: impl FnMut(&mut StdRng) -> Vec<u8>, mut door: impl FnMut(&[u8])) {
    let seconds = std::env::var("DAVY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let seed = std::env::var("DAVY_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("{name}: seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let begun = Instant::now();
    let mut count = 0_u64;
    while begun.elapsed() < Duration::from_secs_f64(seconds) {
        for _ in 0..16 {
            let input = make(&mut chance);
            door(&input);
            count += 1;
        }
    }
    println!("{name}: {count} inputs in {seconds} s");
    assert!(count > 0);
}

fn input(chance: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if seeds.is_empty() || chance.random_bool(0.3) {
        let mut bytes = vec![0; chance.random_range(0..200)];
        chance.fill_bytes(&mut bytes);
        return bytes;
    }
    let mut bytes = seeds[chance.random_range(0..seeds.len())].clone();
    for _ in 0..chance.random_range(0..6) {
        let at = if bytes.is_empty() { 0 } else { chance.random_range(0..bytes.len()) };
        match chance.random_range(0..6) {
            _ if bytes.is_empty() => bytes.push(chance.random()),
            0 => bytes[at] ^= 1 << chance.random_range(0..8),
            1 => bytes[at] = chance.random(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, chance.random()),
            4 => drop(bytes.remove(at)),
            _ => {
                // A piece of another valid input, in the middle of this one.
                let other = &seeds[chance.random_range(0..seeds.len())];
                let from = chance.random_range(0..=other.len());
                bytes.splice(at..at, other[from..].iter().take(40).copied());
            }
        }
    }
    bytes
}

fn context(sender: &[u8], recipient: &[u8]) -> SecurityContext {
    SecurityContext::derive(Params {
        master_secret: &[7; 16],
        master_salt: &[9; 8],
        id_context: Some(&[1; 8]),
        sender_id: sender,
        recipient_id: recipient,
        algorithm: Algorithm::A128Gcm,
        replay: ReplayState::Synced(ReplayWindow::new()),
    })
    .unwrap()
}

/// Valid datagrams of a client: protected and not, small and block-wise.
fn datagrams() -> Vec<Vec<u8>> {
    let now = Instant::now();
    let server = "127.0.0.1:5683".parse().unwrap();
    let mut all = Vec::new();
    for request in [
        Request::post("u", 112, pack()),
        Request::observe("c"),
        Request::post("u", 112, vec![1; 3000]),
        Request::get(".well-known/core"),
    ] {
        for protected in [true, false] {
            let mut client = Endpoint::new(EndpointConfig::client(), [3; 32]);
            let context = protected.then(|| client.add_context(context(&[1, 2], b"s")));
            client.request(now, server, context, request.clone()).unwrap();
            while let Some(transmit) = client.poll_transmit() {
                all.push(transmit.payload);
            }
        }
    }
    // Empty, acknowledgement, reset.
    all.extend([vec![0x40, 0, 1, 2], vec![0x60, 0, 1, 2], vec![0x70, 0, 1, 2]]);
    all
}

/// `[{-2: "S1/", 0: "gas", 2: 0.5, 6: -3}, {0: "valve", 4: true}]`
fn pack() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut cbor = minicbor::Encoder::new(&mut bytes);
    cbor.array(2).unwrap();
    cbor.map(4).unwrap().i8(-2).unwrap().str("S1/").unwrap().u8(0).unwrap().str("gas").unwrap();
    cbor.u8(2).unwrap().f32(0.5).unwrap().u8(6).unwrap().i8(-3).unwrap();
    cbor.map(2).unwrap().u8(0).unwrap().str("valve").unwrap().u8(4).unwrap().bool(true).unwrap();
    bytes
}

#[test]
fn any_datagram_is_answered_or_dropped() {
    let start = Instant::now();
    let peer = "127.0.0.1:40000".parse().unwrap();
    let mut endpoint = Endpoint::new(EndpointConfig::server(), [5; 32]);
    endpoint.add_context(context(b"s", &[1, 2]));
    let mut received = 0_usize;
    knock("datagrams", &datagrams(), |bytes| {
        let now = start + Duration::from_millis(received as u64);
        received += 1;
        endpoint.handle_datagram(now, peer, bytes);
        endpoint.handle_timeout(now);
        while let Some(event) = endpoint.poll_event() {
            if let Event::Request { exchange, context, request, .. } = event {
                let public = request.path == ".well-known/core";
                assert!(context.is_some() || public, "an unprotected request reached the application: {request:?}");
                // Whether it still waits is the endpoint's business.
                let _ = endpoint.respond(now, exchange, davy_coap::Response::new(davy_coap::Code::CHANGED));
            }
        }
        let mut sent = 0;
        while let Some(transmit) = endpoint.poll_transmit() {
            assert!(transmit.payload.len() <= 1152, "{} bytes", transmit.payload.len());
            sent += 1;
            endpoint.recycle(transmit.payload);
        }
        assert!(sent < 100, "one datagram made it send {sent}");
    });
}

#[test]
fn any_oscore_option_is_read_or_refused() {
    let seeds = vec![vec![0x09, 0x14, 0x01], vec![0x19, 0x05, 0x02, 0xaa, 0xbb, 0x01, 0x02], vec![], vec![0x01, 0x25]];
    knock("OSCORE options", &seeds, |bytes| {
        // No algorithm leaves room for a kid of more than 7 bytes; what is longer is written cut, and no context has it.
        if let Ok(option) = OscoreOption::parse(bytes)
            .map_err(drop)
            .and_then(|o| if o.kid.is_some_and(|k| k.len() > 7) { Err(()) } else { Ok(o) })
        {
            let mut out = [0; davy_coap::oscore::MAX_OPTION_LEN];
            let length = option.encode_into(&mut out);
            let again = OscoreOption::parse(&out[..length]).expect("what we write we read");
            assert_eq!(
                (again.partial_iv, again.kid, again.kid_context),
                (option.partial_iv, option.kid, option.kid_context)
            );
        }
    });
}

#[test]
fn any_senml_is_read_or_refused_with_a_reason() {
    let now = Timestamp::from_millis(1_790_000_000_000);
    knock("SenML", &[pack()], |bytes| match senml::decode(bytes, now) {
        Ok(uplink) => {
            for reading in uplink.parts.iter().flat_map(|part| &part.readings) {
                let (low, high) = reading.quantity.range();
                assert!(reading.value >= low && reading.value <= high, "{reading:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    });
}

#[test]
fn any_command_message_is_read_or_refused_with_a_reason() {
    // [[7, 1, 2, 1790000000000]] and [2, 1, 1790000000000]
    let pending = vec![0x81, 0x84, 0x07, 0x01, 0x02, 0x1b, 0x00, 0x00, 0x01, 0xa0, 0xc5, 0xa5, 0xac, 0x00];
    let outcome = vec![0x83, 0x02, 0x01, 0x1b, 0x00, 0x00, 0x01, 0xa0, 0xc5, 0xa5, 0xac, 0x00];
    knock("command messages", &[pending, outcome], |bytes| {
        if let Err(error) = wire::decode_pending(bytes) {
            assert!(!error.to_string().is_empty());
        }
        if let Err(error) = wire::decode_outcome(bytes) {
            assert!(!error.to_string().is_empty());
        }
    });
}

#[test]
fn any_component_is_admitted_or_refused_with_a_reason() {
    let engine = Engine::new(&EngineConfig { pool_size: 4, ..EngineConfig::default() }).unwrap();
    let mut seeds = vec![b"\0asm\x0d\0\x01\0".to_vec(), b"\0asm\x01\0\0\0".to_vec()];
    seeds.extend(davy_tests::programs::household_leak().and_then(|path| std::fs::read(path).ok()));
    knock("components", &seeds, |bytes| {
        if let Err(refusal) = engine.admit(bytes) {
            assert!(!refusal.to_string().is_empty());
        }
    });
}
