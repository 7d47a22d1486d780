//! Observe, plain and protected: registration, notifications in order, and every way that an observation ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use davy_coap::{
    Code, EndpointError, Event, Failure, ObservationId, Request, Response, message::Message, netem::LinkConfig,
    oscore::Algorithm,
};
use support::{Pair, client_address};

const PROTECTIONS: [Option<Algorithm>; 3] = [None, Some(Algorithm::A128Gcm), Some(Algorithm::AesCcm16_64_128)];

fn state(n: usize) -> Response {
    Response::content(0, n.to_string().into_bytes())
}

/// A pair with an observation of `/c`.
fn observing(protection: Option<Algorithm>) -> (Pair, ObservationId, davy_coap::RequestId) {
    let mut pair = Pair::new(protection, LinkConfig::PERFECT, 11);
    pair.answer = Some(|_| state(0));
    let request = pair.request(Request::observe("c"));
    pair.run_for(1.0);
    let observation = registered(&pair);
    if protection.is_none() {
        // Proves the address, so that later notifications may be non-confirmable.
        notify(&mut pair, observation, state(0), true);
        pair.run_for(1.0);
        pair.server_events.pop();
        pair.client_events.pop();
    }
    (pair, observation, request)
}

fn registered(pair: &Pair) -> ObservationId {
    let id = |event: &Event| match event {
        Event::ObservationRegistered { observation, .. } => Some(*observation),
        _ => None,
    };
    pair.server_events.iter().rev().find_map(id).expect("a registration")
}

fn notify(pair: &mut Pair, observation: ObservationId, response: Response, confirmable: bool) {
    let (server, now) = pair.network.node(pair.server);
    server.notify(now, observation, response, confirmable).unwrap();
}

fn payloads(pair: &Pair) -> Vec<String> {
    pair.answers().into_iter().map(|response| String::from_utf8(response.payload).unwrap()).collect()
}

fn ended(pair: &Pair) -> bool {
    pair.server_events.iter().any(|event| matches!(event, Event::ObservationEnded { .. }))
}

#[test]
fn notifications_reach_the_observer_confirmably_or_not() {
    for protection in PROTECTIONS {
        let (mut pair, observation, _) = observing(protection);
        for n in 1..=6 {
            notify(&mut pair, observation, state(n), n % 2 == 0);
            pair.run_for(1.0);
        }
        assert_eq!(payloads(&pair), ["0", "1", "2", "3", "4", "5", "6"]);
        let delivered = pair.server_events.iter().filter(|e| matches!(e, Event::NotificationDelivered { .. })).count();
        assert_eq!(delivered, 3, "of the confirmable ones");
        let numbers: Vec<_> = pair.answers().iter().map(|response| response.observe.unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1] || pair[0] == 0), "{numbers:?}");
    }
}

#[test]
fn protected_notifications_carry_their_own_partial_iv_and_an_empty_inner_observe() {
    let (mut pair, observation, _) = observing(Some(Algorithm::A128Gcm));
    notify(&mut pair, observation, state(1), false);
    pair.run_for(1.0);
    let sent = pair.network.link().sent();
    let last = sent.iter().rfind(|d| d.to == client_address(1)).unwrap();
    let message = Message::parse(&last.bytes).unwrap();
    assert_eq!(message.header.code, Code::CONTENT, "the outer code of a notification");
    let options: Vec<_> = message.options().collect();
    assert_eq!(options, [(6, &[2][..]), (9, &[1, 0][..])], "Observe outside, Partial IV 0");
}

#[test]
fn an_overtaken_notification_is_dropped() {
    for protection in PROTECTIONS {
        let (mut pair, observation, _) = observing(protection);
        let mut held = Vec::new();
        for n in 1..=3 {
            let (server, now) = pair.network.node(pair.server);
            server.notify(now, observation, state(n), false).unwrap();
            held.push(server.poll_transmit().unwrap().payload);
        }
        for index in [1, 0, 2, 1] {
            let now = pair.network.now();
            let bytes = held[index].clone();
            pair.network.link().send(now, support::server_address(), client_address(1), bytes);
            pair.run_for(0.1);
        }
        assert_eq!(payloads(&pair), ["0", "2", "3"], "{protection:?}");
        let stats = pair.client().stats();
        assert_eq!((stats.stale_notifications, stats.duplicates_ignored), (1, 1));
    }
}

#[test]
fn a_client_that_has_forgotten_resets_and_the_observation_ends() {
    for (protection, confirmable) in PROTECTIONS.into_iter().flat_map(|p| [(p, true), (p, false)]) {
        let (mut pair, observation, _) = observing(protection);
        let forgetful = davy_coap::Endpoint::new(davy_coap::EndpointConfig::client(), [9; 32]);
        pair.network.replace(pair.client, forgetful);
        notify(&mut pair, observation, state(1), confirmable);
        pair.run_for(1.0);
        let [.., Event::NotificationFailed { reason: Failure::Reset, .. }, Event::ObservationEnded { .. }] =
            &pair.server_events[..]
        else {
            panic!("{:?}", pair.server_events)
        };
        let (server, now) = pair.network.node(pair.server);
        assert_eq!(server.notify(now, observation, state(2), false), Err(EndpointError::UnknownObservation));
    }
}

#[test]
fn a_silent_observer_is_dropped_when_a_confirmable_notification_times_out() {
    let (mut pair, observation, _) = observing(Some(Algorithm::A128Gcm));
    pair.network.rebind(pair.client, client_address(99));
    notify(&mut pair, observation, state(1), true);
    pair.run_for(100.0);
    assert!(matches!(
        &pair.server_events[..],
        [.., Event::NotificationFailed { reason: Failure::TimedOut, .. }, Event::ObservationEnded { .. }]
    ));
    assert_eq!(pair.server().stats().observations, 0);
}

#[test]
fn a_client_that_cancels_deregisters() {
    for protection in PROTECTIONS {
        let (mut pair, observation, request) = observing(protection);
        let (client, now) = pair.network.node(pair.client);
        client.cancel_request(now, request).unwrap();
        pair.run_for(1.0);
        assert!(ended(&pair), "{protection:?}");
        let (server, now) = pair.network.node(pair.server);
        assert!(server.notify(now, observation, state(1), true).is_err());
        assert_eq!(payloads(&pair), ["0"]);
        pair.run();
        assert_eq!(pair.client().poll_timeout(), None, "nothing is left");
    }
}

#[test]
fn an_unprotected_observer_has_to_prove_its_address_by_acknowledging() {
    let mut pair = Pair::plain();
    pair.answer = Some(|_| state(0));
    pair.request(Request::observe("c"));
    pair.run_for(1.0);
    let observation = registered(&pair);
    pair.network.rebind(pair.client, client_address(99));
    for n in 0..50 {
        let (server, now) = pair.network.node(pair.server);
        if server.notify(now, observation, state(n), false).is_err() {
            break;
        }
    }
    pair.run_for(300.0);
    let to_victim = pair.network.link().sent().iter().filter(|d| d.to == client_address(1));
    let (datagrams, bytes) = to_victim.fold((0, 0), |(n, sum), d| (n + 1, sum + d.bytes.len() + 62));
    assert!(datagrams <= 3 && bytes <= 3 * (11 + 62), "{datagrams} datagrams, {bytes} bytes");
    assert_eq!(pair.server().stats().observations, 0);
}

#[test]
fn an_error_ends_the_observation_on_both_sides() {
    for protection in PROTECTIONS {
        let (mut pair, observation, _) = observing(protection);
        notify(&mut pair, observation, Response::error(Code::NOT_FOUND, "gone"), true);
        pair.run_for(1.0);
        assert!(ended(&pair));
        assert!(
            matches!(pair.client_events.last(), Some(Event::Response { more: false, response, .. }) if response.code == Code::NOT_FOUND)
        );
    }
}

#[test]
fn an_error_or_a_refusal_establishes_nothing() {
    for protection in PROTECTIONS {
        let mut pair = Pair::new(protection, LinkConfig::PERFECT, 1);
        pair.answer = Some(|_| Response::new(Code::NOT_FOUND));
        pair.request(Request::observe("nothing"));
        pair.run_for(1.0);
        assert!(matches!(pair.client_events[..], [Event::Response { more: false, .. }]));
        pair.answer = None;
        pair.request(Request::observe("fixed"));
        pair.run_for(1.0);
        let Some(Event::Request { exchange, observation: Some(observation), .. }) = pair.server_events.last().cloned()
        else {
            panic!("a registration")
        };
        pair.server().cancel_observation(observation).unwrap();
        pair.respond(exchange, state(7));
        pair.run_for(1.0);
        assert!(matches!(pair.client_events[..], [_, Event::Response { more: false, .. }]));
        assert_eq!(pair.server().stats().observations, 0);
    }
}

#[test]
fn registering_again_for_the_same_resource_keeps_one_observation() {
    for protection in PROTECTIONS {
        let (mut pair, observation, _) = observing(protection);
        let second = pair.request(Request::observe("c"));
        pair.run_for(1.0);
        assert_eq!((registered(&pair), pair.server().stats().observations), (observation, 1));
        notify(&mut pair, observation, state(5), true);
        pair.run_for(1.0);
        let Some(Event::Response { request, .. }) = pair.client_events.last() else { panic!("a notification") };
        assert_eq!(*request, second, "under the newer token");
        pair.request(Request::observe("other"));
        pair.run_for(1.0);
        assert_eq!(pair.server().stats().observations, 2);
    }
}

#[test]
fn notifications_follow_a_protected_client_to_its_new_address() {
    let (mut pair, observation, _) = observing(Some(Algorithm::A128Gcm));
    pair.network.rebind(pair.client, client_address(50));
    pair.request(Request::post("u", 0, vec![]));
    pair.run_for(1.0);
    notify(&mut pair, observation, state(1), true);
    pair.run_for(1.0);
    assert_eq!(payloads(&pair).last().unwrap(), "1");
    assert_eq!(pair.server().stats().retransmissions, 0);
}

#[test]
fn a_notification_on_the_way_follows_too() {
    let (mut pair, observation, _) = observing(Some(Algorithm::AesCcm16_64_128));
    pair.network.rebind(pair.client, client_address(50));
    notify(&mut pair, observation, state(1), true);
    pair.run_for(0.5);
    pair.request(Request::post("u", 0, vec![]));
    pair.run_for(10.0);
    assert!(payloads(&pair).contains(&"1".to_owned()), "sent again to where the uplink came from");
    assert!(matches!(pair.server_events.last(), Some(Event::NotificationDelivered { .. })));
    let peer = pair.network.link().sent().iter().filter(|d| d.to == client_address(50)).count();
    assert_eq!(peer, 2, "the answer and the notification");
}

#[test]
fn a_large_notification_is_fetched_block_by_block() {
    for protection in PROTECTIONS {
        let (mut pair, observation, _) = observing(protection);
        let large: Vec<u8> = (0..5000).map(|n| b'a' + (n % 26) as u8).collect();
        notify(&mut pair, observation, Response::content(0, large.clone()), true);
        pair.run_for(5.0);
        assert!(pair.answers().last().unwrap().payload == large, "{protection:?}");
        notify(&mut pair, observation, state(2), true);
        pair.run_for(1.0);
        assert_eq!(payloads(&pair).last().unwrap(), "2", "and the observation goes on");
    }
}

#[test]
fn a_newer_notification_stops_the_fetching_of_an_older_one() {
    let (mut pair, observation, _) = observing(Some(Algorithm::A128Gcm));
    notify(&mut pair, observation, Response::content(0, vec![b'x'; 20_000]), true);
    pair.run_for(0.075);
    notify(&mut pair, observation, state(9), false);
    pair.run_for(20.0);
    assert_eq!(payloads(&pair), ["0", "9"]);
}

#[test]
fn a_registration_beyond_the_bound_is_answered_as_a_plain_request() {
    let mut pair = Pair::with_configs(None, LinkConfig::PERFECT, 1, |config| config.max_observations = 1, |_| {});
    pair.answer = Some(|_| state(0));
    pair.request(Request::observe("a"));
    pair.request(Request::observe("b"));
    pair.run_for(1.0);
    let more: Vec<_> = pair.client_events.iter().map(|e| matches!(e, Event::Response { more: true, .. })).collect();
    assert_eq!(more, [true, false]);
}

#[test]
fn confirmable_notifications_keep_nstart_and_their_order() {
    let (mut pair, observation, _) = observing(Some(Algorithm::A128Gcm));
    for n in 1..=5 {
        notify(&mut pair, observation, state(n), true);
    }
    pair.run_for(5.0);
    assert_eq!(payloads(&pair), ["0", "1", "2", "3", "4", "5"]);
    let times: Vec<_> = pair.network.link().sent().iter().filter(|d| d.to == client_address(1)).map(|d| d.at).collect();
    assert!(times.windows(2).skip(1).all(|pair| pair[0] < pair[1]), "one at a time");
}
