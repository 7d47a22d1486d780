//! OSCORE as an endpoint speaks it: refusals by the tables of RFC 8613, replays, restarts, and addresses that change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use std::{net::SocketAddr, time::Duration};

use davy_coap::{
    Code, Endpoint, EndpointConfig, Event, Failure, Request, Response,
    message::Message,
    netem::{Datagram, LinkConfig},
    oscore::{Algorithm, ReplayState, ReplayWindow},
};
use support::{Pair, WithPayload, client_address, context, server_address, synced};

fn uplink(text: &str) -> Request {
    Request::post("u", 112, text.as_bytes().to_vec())
}

fn sent_by_client(pair: &mut Pair) -> Vec<Datagram> {
    pair.network.link().sent().iter().filter(|d| d.to == server_address()).cloned().collect()
}

fn sent_to(pair: &mut Pair, address: SocketAddr) -> Vec<Vec<u8>> {
    pair.network.link().sent().iter().filter(|d| d.to == address).map(|d| d.bytes.clone()).collect()
}

/// Sends bytes to the server from an address and gives the replies to it.
fn inject(pair: &mut Pair, from: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
    let before = sent_to(pair, from).len();
    let now = pair.network.now();
    pair.network.link().send(now, from, server_address(), bytes.to_vec());
    pair.run_for(1.0);
    sent_to(pair, from).split_off(before)
}

fn code_and_diagnostic(datagram: &[u8]) -> (Code, String, Option<u32>) {
    let message = Message::parse(datagram).unwrap();
    let max_age = message
        .options()
        .find(|&(number, _)| number == 14)
        .map(|(_, value)| value.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)));
    (message.header.code, String::from_utf8_lossy(message.payload()).into_owned(), max_age)
}

#[test]
fn a_protected_request_is_answered_with_both_algorithms() {
    for algorithm in [Algorithm::A128Gcm, Algorithm::AesCcm16_64_128] {
        let mut pair = Pair::new(Some(algorithm), LinkConfig::PERFECT, 1);
        for n in 0..3 {
            pair.request(uplink(&n.to_string()));
        }
        pair.run_for(10.0);
        let answers: Vec<_> = pair.answers().into_iter().map(|response| response.payload).collect();
        assert_eq!(answers, [b"0", b"1", b"2"]);
        let sequences: Vec<_> = pair
            .server_events
            .iter()
            .map(|event| match event {
                Event::Request { sequence, context, .. } if *context == pair.server_context => sequence.unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(sequences, [0, 1, 2]);
        let on_the_wire = pair.network.link().sent();
        assert!(on_the_wire.iter().all(|d| !d.bytes.windows(2).any(|bytes| bytes == b"\xb1u")), "the path is inside");
    }
}

#[test]
fn responses_use_the_nonce_of_their_request_and_carry_no_partial_iv() {
    let mut pair = Pair::protected();
    pair.request(uplink("x"));
    pair.run_for(1.0);
    let reply = sent_to(&mut pair, client_address(1)).remove(0);
    let message = Message::parse(&reply).unwrap();
    assert_eq!(message.options().collect::<Vec<_>>(), [(9, &[][..])]);
    let id = pair.server_context.unwrap();
    assert_eq!(pair.server().context(id).unwrap().sender_sequence(), 0);
}

#[test]
fn a_replayed_datagram_is_refused_from_another_address_and_after_its_lifetime() {
    let mut pair = Pair::protected();
    pair.request(uplink("close"));
    pair.run_for(1.0);
    let captured = sent_by_client(&mut pair)[0].bytes.clone();
    let cached = sent_to(&mut pair, client_address(1))[0].clone();

    assert_eq!(inject(&mut pair, client_address(1), &captured), [cached], "a retransmission gets the same bytes");

    let refusal = inject(&mut pair, client_address(9), &captured).remove(0);
    assert_eq!(code_and_diagnostic(&refusal), (Code::UNAUTHORIZED, "Replay detected".into(), Some(0)));
    let mut other_id = captured.clone();
    other_id[3] ^= 1;
    assert_eq!(code_and_diagnostic(&inject(&mut pair, client_address(1), &other_id)[0]).1, "Replay detected");
    pair.run_for(300.0);
    assert_eq!(code_and_diagnostic(&inject(&mut pair, client_address(1), &captured)[0]).1, "Replay detected");

    assert_eq!(pair.served().len(), 1, "served once");
    assert_eq!(pair.server().stats().replayed, 3);
}

#[test]
fn a_replay_does_not_move_the_context_to_the_attacker() {
    let mut pair = Pair::protected();
    pair.request(uplink("1"));
    pair.run_for(1.0);
    let captured = sent_by_client(&mut pair)[0].bytes.clone();
    inject(&mut pair, client_address(9), &captured);
    let id = pair.server_context.unwrap();
    assert_eq!(pair.server().context_address(id), Some(client_address(1)));
}

#[test]
fn errors_before_authentication_follow_rfc_8613_section_8_2() {
    let mut pair = Pair::protected();
    pair.request(uplink("1"));
    pair.run_for(1.0);
    let good = sent_by_client(&mut pair)[0].bytes.clone();
    // 4 header, 4 token, option 9: 0x9e = long length or 0x9d; find the pieces by parsing.
    let message = Message::parse(&good).unwrap();
    let (_, value) = message.options().next().unwrap();
    let at = good.windows(value.len()).position(|window| window == value).unwrap();
    let end = at + value.len();
    let stranger = client_address(7);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };

    let unknown = with(&|bytes| bytes[end - 1] ^= 1);
    let reply = inject(&mut pair, stranger, &unknown).remove(0);
    assert_eq!(code_and_diagnostic(&reply), (Code::UNAUTHORIZED, "Security context not found".into(), Some(0)));
    assert_eq!((reply[0] >> 4, &reply[2..8]), (0b0110, &good[2..8]), "in the acknowledgement, with the token");

    let tampered = with(&|bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes[at + 1] = 9; // another Partial IV, so that it is no replay
    });
    let reply = inject(&mut pair, stranger, &tampered).remove(0);
    assert_eq!(code_and_diagnostic(&reply), (Code::BAD_REQUEST, "Decryption failed".into(), Some(0)));

    let reserved = with(&|bytes| bytes[at] |= 0x80);
    let reply = inject(&mut pair, stranger, &reserved).remove(0);
    assert_eq!(code_and_diagnostic(&reply), (Code::BAD_OPTION, "Failed to decode COSE".into(), Some(0)));

    let empty = with(&|bytes| bytes.truncate(end));
    assert_eq!(inject(&mut pair, stranger, &empty), [vec![0x70, 0, good[2], good[3]]], "no ciphertext: malformed");

    let outer_block = {
        let mut bytes = good[..end].to_vec();
        bytes.extend_from_slice(&[0xd1, 0x01, 0x06]); // option 23
        bytes.extend_from_slice(&good[end..]);
        bytes
    };
    let (code, diagnostic, _) = code_and_diagnostic(&inject(&mut pair, stranger, &outer_block)[0]);
    assert_eq!((code, diagnostic.contains("Outer block-wise")), (Code::BAD_OPTION, true));

    let stats = pair.server().stats();
    assert_eq!((stats.unknown_context, stats.decrypt_failed, stats.oscore_malformed, stats.bad_option), (1, 1, 2, 1));
    assert_eq!(pair.served().len(), 1);
    assert_eq!(stats.peers, 1, "nothing is remembered of the stranger");
}

#[test]
fn a_wrong_key_is_refused_and_the_client_says_so() {
    let mut pair = Pair::protected();
    let id = pair.client_context.unwrap();
    pair.client().remove_context(id);
    let wrong = davy_coap::oscore::SecurityContext::derive(davy_coap::oscore::Params {
        master_secret: &[1; 16],
        master_salt: &[],
        id_context: Some(b"tenant-1"),
        sender_id: &[1, 0xde],
        recipient_id: &[],
        algorithm: Algorithm::A128Gcm,
        replay: synced(),
    });
    pair.client_context = Some(pair.client().add_context(wrong.unwrap()));
    pair.request(uplink("1"));
    pair.run_for(10.0);
    let [Event::RequestFailed { reason: Failure::Rejected { code, diagnostic }, .. }] = &pair.client_events[..] else {
        panic!("{:?}", pair.client_events)
    };
    assert_eq!((*code, diagnostic.as_str()), (Code::BAD_REQUEST, "Decryption failed"));
    assert!(pair.served().is_empty());
}

#[test]
fn everything_but_discovery_must_be_protected() {
    let mut pair = Pair::protected();
    pair.server().set_well_known_core(Some("</u>;ct=112,</c>;obs".into()));
    pair.client_context = None;
    for request in
        [uplink("x"), Request::get("c"), Request::get(".well-known/core"), Request::post(".well-known/core", 0, vec![])]
    {
        pair.request(request);
        pair.run_for(1.0);
    }
    let codes: Vec<_> = pair.answers().iter().map(|response| response.code).collect();
    assert_eq!(codes, [Code::UNAUTHORIZED, Code::UNAUTHORIZED, Code::CONTENT, Code::UNAUTHORIZED]);
    let document = &pair.answers()[2];
    assert_eq!((document.content_format, &document.payload[..]), (Some(40), &b"</u>;ct=112,</c>;obs"[..]));
    assert_eq!((pair.served().len(), pair.server().stats().unprotected), (0, 3));
    assert_eq!(pair.server().stats().peers, 0);
}

#[test]
fn a_long_discovery_document_is_held_back_until_the_address_is_proved() {
    let mut pair = Pair::protected();
    let document: String = (0..300).flat_map(|n| ["</resource/".to_owned(), n.to_string(), ">,".to_owned()]).collect();
    pair.server().set_well_known_core(Some(document.clone()));
    // A client that does not know Echo sees the challenge; ours would answer it, so this is asked by hand.
    let stranger = client_address(9);
    let reply = inject(&mut pair, stranger, b"\x40\x01\x12\x34\xbb.well-known\x04core").remove(0);
    let message = Message::parse(&reply).unwrap();
    assert_eq!(message.header.code, Code::UNAUTHORIZED);
    let echo = message.options().find(|&(number, _)| number == 252).unwrap().1.to_vec();
    assert!(reply.len() <= 3 * 23 + 124);
    assert_eq!(pair.server().stats().amplification_limited, 1);

    let mut proved = b"\x40\x01\x12\x35\xbb.well-known\x04core".to_vec();
    proved.extend_from_slice(&[0xdc, 252 - 11 - 13]);
    proved.extend_from_slice(&echo);
    let reply = inject(&mut pair, stranger, &proved).remove(0);
    assert_eq!(Message::parse(&reply).unwrap().header.code, Code::CONTENT);
    assert!(inject(&mut pair, client_address(10), &proved)[0].len() < 200, "not for another address");

    pair.client_context = None;
    pair.request(Request::get(".well-known/core"));
    pair.run_for(10.0);
    assert_eq!(pair.answers()[0].payload, document.as_bytes(), "our client goes through it all");
}

/// Restarts the server with what it knows of the client's sequence numbers.
fn restart(pair: &mut Pair, replay: ReplayState, floor: u64) {
    let mut server = Endpoint::new(EndpointConfig::server(), [0x77; 32]);
    let mut context = context(1, Algorithm::A128Gcm, true, replay);
    context.set_sender_sequence(floor);
    pair.server_context = Some(server.add_context(context));
    pair.network.replace(pair.server, server);
}

fn replies_have_partial_iv(pair: &mut Pair) -> Vec<bool> {
    sent_to(pair, client_address(1))
        .iter()
        .filter_map(|bytes| {
            let message = Message::parse(bytes).unwrap();
            message.options().find(|&(number, _)| number == 9).map(|(_, value)| !value.is_empty())
        })
        .collect()
}

#[test]
fn after_a_restart_with_records_uplinks_go_on_and_a_recorded_one_is_a_replay() {
    let mut pair = Pair::protected();
    for text in ["0", "1", "2"] {
        pair.request(uplink(text));
        pair.run_for(1.0);
    }
    let captured = sent_by_client(&mut pair);
    restart(&mut pair, ReplayState::Restored(ReplayWindow::from_accepted(2, [0, 1])), 1 << 20);
    pair.request(uplink("3"));
    pair.run_for(1.0);
    assert_eq!(pair.answers().last().unwrap().payload, b"3");
    assert_eq!(pair.server().stats().echo_challenges, 0);
    assert_eq!(
        replies_have_partial_iv(&mut pair),
        [false, false, false, true],
        "the nonce of a request may have been used before the restart"
    );
    for datagram in &captured {
        assert_eq!(code_and_diagnostic(&inject(&mut pair, client_address(1), &datagram.bytes)[0]).1, "Replay detected");
    }
    assert_eq!(pair.served().len(), 4);
}

#[test]
fn after_a_restart_an_observation_has_to_prove_that_it_is_fresh() {
    let mut pair = Pair::protected();
    pair.request(uplink("0"));
    pair.run_for(1.0);
    restart(&mut pair, ReplayState::Restored(ReplayWindow::from_accepted(0, [])), 1 << 20);
    pair.request(Request::observe("c"));
    pair.run_for(5.0);
    assert_eq!(pair.server().stats().echo_challenges, 1);
    assert!(matches!(pair.server_events.last(), Some(Event::ObservationRegistered { .. })));
    assert!(
        matches!(pair.client_events.last(), Some(Event::Response { more: true, .. })),
        "answered by the client itself"
    );
    let id = pair.server_context.unwrap();
    assert!(matches!(pair.server().context(id).unwrap().replay(), ReplayState::Synced(_)));
    pair.request(uplink("1"));
    pair.run_for(1.0);
    assert_eq!(replies_have_partial_iv(&mut pair).last(), Some(&false), "from now on the requests' nonces are free");
}

#[test]
fn a_replayed_registration_draws_no_notifications_after_a_restart() {
    let mut pair = Pair::protected();
    pair.request(Request::observe("c"));
    pair.run_for(1.0);
    let captured = sent_by_client(&mut pair)[0].bytes.clone();
    restart(&mut pair, ReplayState::Restored(ReplayWindow::new()), 1 << 20);
    pair.server_events.clear();
    let reply = inject(&mut pair, client_address(9), &captured).remove(0);
    assert_eq!(Message::parse(&reply).unwrap().header.code, Code::CHANGED, "a protected challenge");
    assert!(pair.server_events.is_empty());
    assert_eq!((pair.server().stats().observations, pair.server().stats().peers), (0, 0));
}

#[test]
fn without_records_every_request_is_challenged_until_one_has_proved_to_be_fresh() {
    let mut pair = Pair::protected();
    pair.request(uplink("0"));
    pair.run_for(1.0);
    let captured = sent_by_client(&mut pair)[0].bytes.clone();
    restart(&mut pair, ReplayState::Unknown, 1 << 20);
    inject(&mut pair, client_address(1), &captured);
    assert_eq!(pair.served().len(), 1, "the old one proves nothing");
    pair.request(uplink("1"));
    pair.run_for(5.0);
    assert_eq!(pair.answers().last().unwrap().payload, b"1");
    assert_eq!(pair.server().stats().echo_challenges, 2);
    assert_eq!(code_and_diagnostic(&inject(&mut pair, client_address(1), &captured)[0]).1, "Replay detected");
    pair.request(uplink("2"));
    pair.run_for(5.0);
    assert_eq!(pair.server().stats().echo_challenges, 2, "no more challenges");
}

#[test]
fn a_client_that_is_challenged_for_ever_gives_up() {
    let link = LinkConfig {
        min_delay: Duration::from_millis(700),
        max_delay: Duration::from_millis(700),
        ..LinkConfig::PERFECT
    };
    let mut pair = Pair::with_configs(Some(Algorithm::A128Gcm), link, 1, |_| {}, |_| {});
    let mut server =
        Endpoint::new(EndpointConfig { echo_lifetime: Duration::ZERO, ..EndpointConfig::server() }, [3; 32]);
    server.add_context(context(1, Algorithm::A128Gcm, true, ReplayState::Unknown));
    pair.network.replace(pair.server, server);
    pair.request(uplink("x"));
    pair.run_for(60.0);
    assert!(matches!(pair.client_events[..], [Event::RequestFailed { reason: Failure::ChallengedTooOften, .. }]));
    assert_eq!(pair.server().stats().echo_challenges, 4);
    assert!(pair.served().is_empty());
}

#[test]
fn an_unknown_inner_critical_option_is_refused_under_protection() {
    let mut pair = Pair::protected();
    let mut request = uplink("x");
    request.options = vec![(25, vec![1])];
    pair.request(request);
    pair.run_for(1.0);
    assert_eq!(pair.answers()[0].code, Code::BAD_OPTION);
    assert_eq!(Message::parse(&sent_to(&mut pair, client_address(1))[0]).unwrap().header.code, Code::CHANGED);
    assert!(pair.served().is_empty());
}

#[test]
fn a_used_up_sender_sequence_is_an_error_not_a_reuse() {
    let mut pair = Pair::protected();
    let id = pair.client_context.unwrap();
    pair.client().context_mut(id).unwrap().set_sender_sequence((1 << 40) - 1);
    pair.request(uplink("last"));
    pair.run_for(1.0);
    assert_eq!(pair.answers()[0].payload, b"last");
    let (client, now) = pair.network.node(pair.client);
    let error = client.request(now, server_address(), Some(id), uplink("one more")).unwrap_err();
    assert!(error.to_string().contains("derive a new context"));
}

#[test]
fn a_separate_response_is_protected_and_cannot_be_forged() {
    let mut pair = Pair::protected();
    pair.answer = None;
    pair.request(uplink("slow"));
    pair.run_for(2.0);
    let (exchange, _) = pair.requests.remove(0);
    // Someone who saw the token answers first.
    let request = sent_by_client(&mut pair)[0].bytes.clone();
    let mut forged = b"\x44\x44\x77\x77".to_vec();
    forged.extend_from_slice(&request[4..8]);
    let now = pair.network.now();
    pair.network.link().send(now, server_address(), client_address(1), forged);
    pair.run_for(0.1);
    assert!(pair.client_events.is_empty(), "an unprotected success is nothing");
    pair.respond(exchange, Response::new(Code::CHANGED).with_payload(b"done".to_vec()));
    pair.run_for(5.0);
    assert_eq!(pair.answers()[0].payload, b"done");
    assert_eq!(pair.client().stats().unprotected, 1);
}

#[test]
fn removing_a_context_ends_what_hangs_on_it() {
    let mut pair = Pair::protected();
    pair.request(Request::observe("c"));
    pair.run_for(1.0);
    pair.answer = None;
    pair.request(uplink("pending"));
    pair.run_for(0.5);
    let (exchange, _) = pair.requests.remove(0);
    let (server_id, client_id) = (pair.server_context.unwrap(), pair.client_context.unwrap());
    pair.server().remove_context(server_id);
    pair.client().remove_context(client_id);
    pair.run_for(1.0);
    assert!(matches!(pair.server_events.last(), Some(Event::ObservationEnded { .. })));
    let failed =
        pair.client_events.iter().filter(|e| matches!(e, Event::RequestFailed { reason: Failure::Cancelled, .. }));
    assert_eq!(failed.count(), 2, "the observation and the request");
    let (server, now) = pair.network.node(pair.server);
    assert!(server.respond(now, exchange, Response::new(Code::CHANGED)).is_err());
    assert_eq!(server.find_context(Some(b"tenant-1"), &[1, 0xde]), None);
}
