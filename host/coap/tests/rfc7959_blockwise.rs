//! Block-wise transfer, in both directions, plain and protected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use std::time::Duration;

use davy_coap::{
    Code, EndpointConfig, Event, Failure, Request, Response, message::Message, netem::LinkConfig, oscore::Algorithm,
};
use support::{Pair, client_address, server_address};

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

fn pairs(server: fn(&mut EndpointConfig), client: fn(&mut EndpointConfig)) -> impl Iterator<Item = Pair> {
    [None, Some(Algorithm::A128Gcm), Some(Algorithm::AesCcm16_64_128)]
        .into_iter()
        .map(move |protection| Pair::with_configs(protection, LinkConfig::PERFECT, 5, server, client))
}

/// The values of an option in the unprotected messages to an address.
fn options(pair: &mut Pair, number: u16, to_server: bool) -> Vec<Vec<u8>> {
    let sent = pair.network.link().sent().iter().filter(|d| (d.to == server_address()) == to_server);
    sent.filter_map(|d| {
        let message = Message::parse(&d.bytes).unwrap();
        message.options().find(|&(n, _)| n == number).map(|(_, value)| value.to_vec())
    })
    .collect()
}

#[test]
fn bodies_of_every_length_around_the_block_size_arrive_intact_both_ways() {
    for len in [0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 10_000, 65_536] {
        for mut pair in pairs(|_| {}, |_| {}) {
            pair.request(Request::post("u", 60, body(len)));
            pair.run_for(60.0);
            assert_eq!(pair.served().iter().map(|r| r.payload.len()).collect::<Vec<_>>(), [len]);
            assert_eq!(pair.served()[0].payload, body(len));
            assert_eq!(pair.answers()[0].payload, body(len), "{len}");
            assert_eq!(pair.answers()[0].content_format, Some(60));
        }
    }
}

#[test]
fn figure_7_a_put_in_blocks_is_continued_block_by_block() {
    let mut pair = Pair::with_configs(None, LinkConfig::PERFECT, 1, |_| {}, |config| config.block_size = 128);
    pair.request(Request::post("options", 42, body(300)));
    pair.answer = Some(|_| Response::new(Code::CHANGED));
    pair.run_for(10.0);
    assert_eq!(options(&mut pair, 27, true), [[0x0b], [0x1b], [0x23]], "1:0/1/128 1:1/1/128 1:2/0/128");
    assert_eq!(options(&mut pair, 27, false), [[0x0b], [0x1b], [0x23]]);
    let codes: Vec<_> = pair
        .network
        .link()
        .sent()
        .iter()
        .filter(|d| d.to == client_address(1))
        .map(|d| Message::parse(&d.bytes).unwrap().header.code)
        .collect();
    assert_eq!(codes, [Code::CONTINUE, Code::CONTINUE, Code::CHANGED]);
}

#[test]
fn figure_3_early_negotiation_asks_for_smaller_blocks_from_the_start() {
    let mut pair = Pair::with_configs(None, LinkConfig::PERFECT, 1, |_| {}, |config| config.block_size = 64);
    pair.answer = Some(|_| Response::content(0, body(150)));
    pair.request(Request::get("status"));
    pair.run_for(10.0);
    assert_eq!(options(&mut pair, 23, true), [vec![0x02], vec![0x12], vec![0x22]]);
    assert_eq!(options(&mut pair, 23, false), [[0x0a], [0x1a], [0x22]], "2:0/1/64 2:1/1/64 2:2/0/64");
    assert_eq!(pair.answers()[0].payload, body(150));
    let etags = options(&mut pair, 4, false);
    assert!(etags.len() == 3 && etags.windows(2).all(|pair| pair[0] == pair[1]), "one entity tag for all blocks");
    assert_eq!(options(&mut pair, 28, false), [[150]], "Size2 on the first");
}

#[test]
fn figure_4_late_negotiation_goes_on_in_smaller_blocks_where_the_larger_one_ended() {
    let mut pair = Pair::with_configs(
        Some(Algorithm::A128Gcm),
        LinkConfig::PERFECT,
        1,
        |config| config.block_size = 128,
        |config| config.block_size = 64,
    );
    pair.answer = Some(|_| Response::content(0, body(300)));
    pair.request(Request::post("status", 0, vec![1]));
    pair.run_for(10.0);
    assert_eq!(pair.answers()[0].payload, body(300));
    let to_client = pair.network.link().sent().iter().filter(|d| d.to == client_address(1)).map(|d| d.bytes.len());
    let lengths: Vec<_> = to_client.collect();
    assert_eq!(lengths.len(), 4, "128 bytes, then 64, 64 and 44: {lengths:?}");
    assert_eq!(lengths[1] - lengths[3], 20);
}

#[test]
fn a_server_with_smaller_blocks_is_followed() {
    for mut pair in pairs(|config| config.block_size = 32, |_| {}) {
        pair.request(Request::post("u", 0, body(3000)));
        pair.run_for(60.0);
        assert_eq!(pair.answers()[0].payload, body(3000));
    }
}

#[test]
fn a_body_over_the_bound_is_refused_with_the_bound() {
    for mut pair in pairs(|config| config.max_body_size = 5000, |_| {}) {
        pair.request(Request::post("u", 0, body(5001)));
        pair.run_for(60.0);
        let response = pair.answers().remove(0);
        assert_eq!(response.code, Code::REQUEST_ENTITY_TOO_LARGE);
        assert!(String::from_utf8_lossy(&response.payload).contains("5000"));
        assert!(pair.served().is_empty());
        assert_eq!(pair.server().stats().too_large, 1);
    }
    let mut pair = Pair::plain();
    let (client, now) = pair.network.node(pair.client);
    let error = client.request(now, server_address(), None, Request::post("u", 0, body(65_537))).unwrap_err();
    assert!(error.to_string().contains("65537 bytes, at most 65536"));
}

#[test]
fn a_response_over_the_clients_bound_fails_the_request() {
    for mut pair in pairs(|_| {}, |config| config.max_body_size = 5000) {
        pair.answer = Some(|_| Response::content(0, body(6000)));
        pair.request(Request::get("big"));
        pair.run_for(60.0);
        assert!(matches!(
            pair.client_events[..],
            [Event::RequestFailed { reason: Failure::Blockwise("the response is larger than max_body_size"), .. }]
        ));
    }
}

/// Sends a block by hand and gives the reply's code.
fn send_block(pair: &mut Pair, message_id: u8, block: u8, payload: &[u8]) -> Code {
    let mut datagram = vec![0x40, 0x02, 0, message_id, 0xb1, b'u', 0xd1, 27 - 11 - 13, block];
    if !payload.is_empty() {
        datagram.push(0xff);
        datagram.extend_from_slice(payload);
    }
    let (server, now) = pair.network.node(pair.server);
    server.handle_datagram(now, client_address(5), &datagram);
    while let Some(Event::Request { exchange, .. }) = server.poll_event() {
        server.respond(now, exchange, Response::new(Code::CHANGED)).unwrap();
    }
    let reply = server.poll_transmit().unwrap();
    Message::parse(&reply.payload).unwrap().header.code
}

#[test]
fn blocks_out_of_order_or_of_a_wrong_length_are_refused() {
    let mut pair = Pair::plain();
    assert_eq!(send_block(&mut pair, 1, 0x18, &[0; 16]), Code::REQUEST_ENTITY_INCOMPLETE, "block 1 first");
    assert_eq!(send_block(&mut pair, 2, 0x08, &[0; 16]), Code::CONTINUE);
    assert_eq!(send_block(&mut pair, 3, 0x28, &[0; 16]), Code::REQUEST_ENTITY_INCOMPLETE, "block 2 after 0");
    assert_eq!(send_block(&mut pair, 4, 0x08, &[0; 15]), Code::BAD_REQUEST, "not a full block");
    assert_eq!(send_block(&mut pair, 5, 0x08, &[0; 16]), Code::CONTINUE);
    assert_eq!(send_block(&mut pair, 6, 0x18, &[0; 16]), Code::CONTINUE);
    assert_eq!(send_block(&mut pair, 7, 0x18, &[0; 16]), Code::CONTINUE, "the same block in another message");
    assert_eq!(send_block(&mut pair, 8, 0x20, &[0; 3]), Code::CHANGED);
    assert_eq!(send_block(&mut pair, 9, 0x20, &[0; 3]), Code::REQUEST_ENTITY_INCOMPLETE, "the body is gone");
    assert_eq!(pair.server().stats().blockwise_failed, 4);
}

#[test]
fn an_abandoned_transfer_is_forgotten() {
    let mut pair = Pair::plain();
    assert_eq!(send_block(&mut pair, 1, 0x08, &[0; 16]), Code::CONTINUE);
    pair.run_for(320.0);
    assert_eq!(send_block(&mut pair, 2, 0x18, &[0; 16]), Code::REQUEST_ENTITY_INCOMPLETE);
    pair.run_for(1000.0);
    assert_eq!(pair.server().poll_timeout(), None);
}

#[test]
fn a_later_block_is_served_from_what_was_kept_and_a_get_without_it_asks_again() {
    let mut pair = Pair::protected();
    pair.answer = Some(|_| Response::content(0, body(3000)));
    pair.request(Request::get("big"));
    pair.run_for(10.0);
    assert_eq!((pair.served().len(), pair.answers()[0].payload.len()), (1, 3000));
    let mut pair = Pair::plain();
    pair.answer = Some(|_| Response::content(0, body(3000)));
    // Block 2 asked for by someone who never asked for block 0: the application answers, the endpoint cuts.
    let (server, now) = pair.network.node(pair.server);
    server.handle_datagram(now, client_address(5), b"\x40\x01\0\x01\xb3big\xc1\x22");
    pair.run_for(1.0);
    let sent = pair.network.link().sent();
    let reply = sent.iter().rfind(|d| d.to == client_address(5)).unwrap();
    let message = Message::parse(&reply.bytes).unwrap();
    assert_eq!(message.header.code, Code::CONTENT, "the third 64 bytes");
    assert_eq!(message.payload(), &body(3000)[128..192]);
}

#[test]
fn two_bodies_to_one_resource_at_the_same_time_do_not_mix() {
    for protection in [None, Some(Algorithm::A128Gcm)] {
        let mut pair = Pair::with_configs(protection, LinkConfig::PERFECT, 3, |_| {}, |config| config.nstart = 2);
        pair.request(Request::post("u", 0, body(5000)));
        pair.request(Request::post("u", 0, vec![7; 5000]));
        pair.run_for(20.0);
        let mut served: Vec<_> = pair.served().into_iter().map(|request| request.payload).collect();
        served.sort();
        let mut expected = vec![body(5000), vec![7; 5000]];
        expected.sort();
        assert!(served == expected, "the Request-Tag tells them apart");
    }
}

#[test]
fn a_nat_that_rebinds_in_the_middle_does_not_break_a_protected_transfer() {
    for (seed, algorithm) in (0..20).zip([Algorithm::A128Gcm, Algorithm::AesCcm16_64_128].into_iter().cycle()) {
        let mut pair = Pair::new(Some(algorithm), LinkConfig::PERFECT, seed);
        pair.request(Request::post("u", 0, body(20_000)));
        for n in 0..8 {
            // At odd moments: a block or its reply is under way to the address that is given up.
            pair.run_for(0.041 + 0.001 * seed as f64);
            pair.network.rebind(pair.client, client_address(100 + n));
        }
        pair.run_for(100.0);
        assert_eq!(pair.served().len(), 1, "seed {seed}: {:?}", pair.client_events);
        assert_eq!(pair.served()[0].payload, body(20_000));
    }
}

#[test]
fn a_large_answer_to_a_stranger_is_withheld_until_its_address_is_proved_and_the_request_is_executed_once() {
    for len in [600, 3000] {
        let mut pair = Pair::plain();
        pair.request(Request::post("u", 0, vec![1]));
        pair.answer = if len == 600 {
            Some(|_| Response::content(0, body(600)))
        } else {
            Some(|_| Response::content(0, body(3000)))
        };
        pair.run_for(10.0);
        assert_eq!(pair.answers()[0].payload, body(len));
        assert_eq!((pair.served().len(), pair.server().stats().amplification_limited), (1, 1));
    }
}

#[test]
fn a_body_that_changes_while_it_is_fetched_is_fetched_anew() {
    let mut pair = Pair::plain();
    pair.answer = Some(|_| Response::content(0, body(3000)));
    pair.request(Request::get("big"));
    pair.run_for(0.025);
    // Another request of the same client for the same resource puts a newer body in the place of the kept one.
    pair.answer = Some(|_| Response::content(0, vec![9; 3000]));
    let (server, now) = pair.network.node(pair.server);
    server.handle_datagram(now, client_address(1), b"\x40\x01\x77\x01\xb3big");
    pair.run_for(20.0);
    let answers = pair.answers();
    assert!(answers.len() == 1 && answers[0].payload == vec![9; 3000], "{:?}", pair.client_events);
}

#[test]
fn a_message_that_does_not_fit_although_its_body_does_is_an_error() {
    let mut pair = Pair::protected();
    let mut request = Request::post("u", 0, body(1000));
    request.queries = vec!["q".repeat(200)];
    let context = pair.client_context;
    let (client, now) = pair.network.node(pair.client);
    let error = client.request(now, server_address(), context, request).unwrap_err();
    assert!(error.to_string().contains("lower block_size"), "{error}");
    pair.answer = None;
    pair.request(Request::get("x"));
    pair.run_for(0.5);
    let (exchange, _) = pair.requests.remove(0);
    let (server, now) = pair.network.node(pair.server);
    let mut response = Response::content(0, body(1000));
    response.options = vec![(2048, vec![0; 200])];
    assert!(server.respond(now, exchange, response).is_err());
    pair.run_for(0.5);
    assert_eq!(pair.answers()[0].code, Code::INTERNAL_SERVER_ERROR, "the client is not left waiting");
    assert!(pair.network.link().next_arrival().is_none_or(|at| at > now + Duration::from_secs(1)));
}
