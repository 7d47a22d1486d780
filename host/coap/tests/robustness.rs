//! Any bytes at all: no panic, no event out of nothing, and a codec that agrees with another one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use coap_lite::Packet;
use davy_coap::{
    Code, Endpoint, EndpointConfig, Event, MessageType, Request, Response,
    message::{Header, Message, MessageError, Options, Token, encode_message},
    netem::{Dice, LinkConfig},
    oscore::{Algorithm, OscoreOption},
    peek,
};
use proptest::prelude::*;
use support::{Pair, client_address, context, server_address, synced};

/// A server and a client in the middle of everything: exchanges, transfers, observations, and what they have sent so far.
fn busy(protection: Option<Algorithm>) -> (Pair, Vec<Vec<u8>>) {
    let mut pair = Pair::with_configs(protection, LinkConfig::PERFECT, 3, |_| {}, |config| config.nstart = 8);
    pair.answer = Some(|request| Response::content(0, request.payload.clone()));
    pair.request(Request::observe("c"));
    pair.run_for(1.0);
    for len in [0, 10, 3000] {
        pair.request(Request::post("u", 112, vec![7; len]));
    }
    pair.request(Request::get("x").non_confirmable());
    pair.run_for(0.035);
    let Some(observation) = pair.server_events.iter().find_map(|event| match event {
        Event::ObservationRegistered { observation, .. } => Some(*observation),
        _ => None,
    }) else {
        panic!("an observation")
    };
    let (server, now) = pair.network.node(pair.server);
    server.notify(now, observation, Response::content(0, vec![1; 2000]), true).unwrap();
    pair.answer = None;
    pair.request(Request::post("u", 112, vec![1]));
    pair.run_for(0.015);
    let sent = pair.network.link().sent().iter().map(|datagram| datagram.bytes.clone()).collect();
    (pair, sent)
}

fn shake(pair: &mut Pair, datagram: &[u8], seconds: f64) {
    for (from, node) in
        [(client_address(1), pair.server), (server_address(), pair.client), (client_address(9), pair.server)]
    {
        let (endpoint, now) = pair.network.node(node);
        endpoint.handle_datagram(now, from, datagram);
    }
    pair.run_for(seconds);
}

fn protections() -> impl Strategy<Value = Option<Algorithm>> {
    prop_oneof![Just(None), Just(Some(Algorithm::A128Gcm)), Just(Some(Algorithm::AesCcm16_64_128))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(
        protection in protections(),
        datagrams in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..100), 0.0..3.0), 1..10),
    ) {
        let (mut pair, _) = busy(protection);
        for (mut datagram, seconds) in datagrams {
            shake(&mut pair, &datagram, seconds);
            if let Some(first) = datagram.first_mut() {
                *first = *first & 0x38 | 0x40;
            }
            shake(&mut pair, &datagram, seconds);
        }
        pair.run();
    }

    #[test]
    fn mutated_datagrams_never_panic_and_never_pass_as_protected(
        protection in protections(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0.0..3.0), 1..10),
    ) {
        let (mut pair, sent) = busy(protection);
        let events = pair.server_events.len();
        for (index, seed, seconds) in picks {
            let mut datagram = index.get(&sent).clone();
            mutate(&mut datagram, seed);
            shake(&mut pair, &datagram, seconds);
        }
        pair.run();
        if protection.is_some() {
            let requests = pair.server_events[events..].iter().filter(|event| matches!(event, Event::Request { .. }));
            // What was under way when the picture was taken: the rest of the upload, its response, and the fetching of the notification.
            prop_assert!(requests.count() <= 4);
        }
    }

    #[test]
    fn what_is_parsed_is_encoded_to_the_same_bytes_or_to_their_shortest_form(
        datagram in prop::collection::vec(any::<u8>(), 0..64),
        first in 0x40_u8..0x80,
    ) {
        let mut datagram = datagram;
        if let Some(byte) = datagram.first_mut() {
            *byte = first & 0x78 | *byte & 7;
        }
        let _ = peek(&datagram);
        if let Ok(message) = Message::parse(&datagram) {
            let mut copy = Vec::new();
            message.encode(&mut copy);
            prop_assert_eq!(&copy, &datagram);

            let mut options = Options::default();
            options.extend_from(message.options());
            let mut shortest = Vec::new();
            encode_message(&message.header, &options, message.payload(), &mut shortest);
            prop_assert!(shortest.len() <= datagram.len());
            let again = Message::parse(&shortest).unwrap();
            prop_assert_eq!(again.header, message.header);
            prop_assert_eq!(again.payload(), message.payload());
            prop_assert!(again.options().eq(message.options()));
        }
    }

    #[test]
    fn what_is_encoded_is_parsed_as_it_was(
        message_id: u16,
        token in prop::collection::vec(any::<u8>(), 0..=8),
        code in prop_oneof![1_u8..32, 64_u8..192],
        options in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let header = Header {
            message_type: MessageType::Confirmable,
            code: Code(code),
            message_id,
            token: Token::new(&token).unwrap(),
        };
        let mut writer = Options::default();
        for (number, value) in &options {
            writer.push(*number, value);
        }
        let mut datagram = Vec::new();
        encode_message(&header, &writer, &payload, &mut datagram);
        let message = Message::parse(&datagram).unwrap();
        let mut sorted = options.clone();
        sorted.sort_by_key(|(number, _)| *number);
        prop_assert_eq!(message.header, header);
        prop_assert_eq!(message.payload(), &payload[..]);
        prop_assert!(message.options().map(|(number, value)| (number, value.to_vec())).eq(sorted));
    }

    #[test]
    fn another_codec_reads_the_same(datagram in prop::collection::vec(any::<u8>(), 4..64), seed: u64) {
        let mut datagram = datagram;
        datagram[0] = datagram[0] & 0x33 | 0x40;
        datagram[1] = Dice::new(seed).below(5) as u8 + 1;
        match (Message::parse(&datagram), Packet::from_bytes(&datagram)) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours.header.message_id, theirs.header.message_id);
                prop_assert_eq!(ours.header.token.as_slice(), theirs.get_token());
                prop_assert_eq!(ours.header.code.0, u8::from(theirs.header.code));
                prop_assert_eq!(ours.payload(), &theirs.payload[..]);
                let flat: Vec<_> = theirs
                    .options()
                    .flat_map(|(&number, values)| values.iter().map(move |value| (number, value.clone())))
                    .collect();
                prop_assert!(ours.options().map(|(number, value)| (number, value.to_vec())).eq(flat));
            }
            (Ok(ours), Err(error)) => prop_assert!(false, "only we take {ours:?}: {error:?}"),
            (Err(ours), Ok(_)) => {
                // What it takes and the RFC forbids.
                let forbidden = matches!(ours, MessageError::EmptyPayload | MessageError::TypeAndCode { .. });
                prop_assert!(forbidden, "only they take it: {ours}");
            }
            (Err(_), Err(_)) => {}
        }
    }
}

/// Flips bits, cuts, doubles and inserts.
fn mutate(datagram: &mut Vec<u8>, seed: u64) {
    let mut dice = Dice::new(seed);
    for _ in 0..=dice.below(4) {
        let at = dice.below(datagram.len() as u64 + 1) as usize;
        match dice.below(5) {
            0 => datagram.truncate(at),
            1 => datagram.insert(at, dice.next_u64() as u8),
            2 if at < datagram.len() => drop(datagram.remove(at)),
            3 => datagram.extend_from_within(at..),
            _ => {
                if let Some(byte) = datagram.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
}

#[test]
fn a_flood_from_spoofed_addresses_leaves_nothing_behind_and_draws_little() {
    let mut server = Endpoint::new(EndpointConfig::server(), [1; 32]);
    server.set_well_known_core(Some("</u>".into()));
    let algorithm = Algorithm::A128Gcm;
    server.add_context(context(1, algorithm, true, synced()));
    let (mut pair, sent) = busy(Some(algorithm));
    let now = pair.network.now();
    pair.run_for(0.0);
    let mut dice = Dice::new(1);
    let (mut received, mut replied) = (0, 0);
    for n in 0..20_000_u32 {
        let mut datagram = sent[dice.below(sent.len() as u64) as usize].clone();
        mutate(&mut datagram, n.into());
        received += datagram.len() + 62;
        server.handle_datagram(now, (n.to_be_bytes(), 1024 + (n % 60_000) as u16).into(), &datagram);
        while let Some(transmit) = server.poll_transmit() {
            replied += transmit.payload.len() + 62;
            server.recycle(transmit.payload);
        }
        while let Some(event) = server.poll_event() {
            assert!(matches!(event, Event::Request { context: Some(_), .. }), "{event:?}");
        }
    }
    assert!(replied <= 3 * received);
    assert!(server.stats().peers < 200, "only addresses that sent something authentic: {}", server.stats().peers);
}

#[test]
fn memory_is_bounded_by_the_configuration() {
    let config = EndpointConfig {
        require_oscore: false,
        max_peers: 50,
        max_exchanges: 20,
        max_observations: 10,
        max_transfers: 5,
        ..EndpointConfig::server()
    };
    let mut server = Endpoint::new(config, [1; 32]);
    let mut now = std::time::Instant::now();
    for n in 0..5_000_u16 {
        now += std::time::Duration::from_millis(10);
        let peer = ([10, 9, (n >> 8) as u8, n as u8], 5683).into();
        let id = n.to_be_bytes();
        server.handle_datagram(now, peer, &[0x40, 1, id[0], id[1], 0x60, 0x51, b'c']);
        server.handle_datagram(
            now,
            peer,
            &[&[0x40, 2, id[0], !id[1], 0xb1, b'u', 0xd1, 3, 0x0e, 0xff][..], &[0; 1024]].concat(),
        );
        server.handle_timeout(now);
        while server.poll_transmit().is_some() {}
        while let Some(event) = server.poll_event() {
            if let Event::Request { exchange, .. } = event
                && n % 2 == 0
            {
                server.respond(now, exchange, Response::new(Code::CONTENT)).unwrap();
            }
        }
        let stats = server.stats();
        assert!(stats.peers <= 50 && stats.observations <= 10);
    }
    let stats = server.stats();
    assert!(stats.overloaded > 0 && stats.peers_evicted > 4000, "{stats:?}");
}

proptest! {
    #[test]
    fn the_oscore_option_parser_takes_any_bytes(value in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = OscoreOption::parse(&value);
    }
}
