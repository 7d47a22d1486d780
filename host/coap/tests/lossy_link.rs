//! Two endpoints over a link that loses, duplicates, delays and reorders, in virtual time, for many seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use std::collections::{BTreeMap, HashMap};

use davy_coap::{
    Code, ContextId, Endpoint, EndpointConfig, Event, Failure, MessageType, NotificationId, Request, RequestId,
    Response,
    message::Message,
    netem::{Dice, LinkConfig, Network},
    oscore::{Algorithm, OscoreOption},
};
use support::{Pair, client_address, context, server_address, synced};

const PROTECTIONS: [Option<Algorithm>; 3] = [None, Some(Algorithm::A128Gcm), Some(Algorithm::AesCcm16_64_128)];

/// A body that says which request it is of, and of a length that makes it one block or several.
fn body(n: u32, dice: &mut Dice) -> Vec<u8> {
    let len = if dice.below(3) == 0 { 1000 + dice.below(4000) } else { 10 };
    let mut body = n.to_be_bytes().to_vec();
    body.extend((0..len).map(|i| (u64::from(n) + i) as u8));
    body
}

/// A city in small: a few devices that talk to one server, which answers now or later.
struct World {
    network: Network,
    contexts: Vec<Option<ContextId>>,
    asked: HashMap<(usize, RequestId), Vec<u8>>,
    served: BTreeMap<Vec<u8>, u32>,
    ended: HashMap<(usize, RequestId), Result<Response, Failure>>,
    dice: Dice,
}

const CLIENTS: usize = 3;

impl World {
    fn new(protection: Option<Algorithm>, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut network = Network::new(LinkConfig::BAD_RADIO, dice.next_u64());
        let config = EndpointConfig { require_oscore: protection.is_some(), ..EndpointConfig::server() };
        let mut server = Endpoint::new(config, dice.seed());
        let mut contexts = Vec::new();
        for n in 0..CLIENTS as u8 {
            let add = |endpoint: &mut Endpoint, of_server| {
                protection.map(|algorithm| endpoint.add_context(context(n + 1, algorithm, of_server, synced())))
            };
            add(&mut server, true);
            let mut client = Endpoint::new(EndpointConfig::client(), dice.seed());
            contexts.push(add(&mut client, false));
            if n == 0 {
                network.add(server_address(), Endpoint::new(EndpointConfig::server(), [0; 32]));
            }
            network.add(client_address(n.into()), client);
        }
        let mut world =
            Self { network, contexts, asked: HashMap::new(), served: BTreeMap::new(), ended: HashMap::new(), dice };
        world.replace_server(server);
        world
    }

    fn nodes() -> Vec<davy_coap::netem::NodeId> {
        // Node ids count from 0 in order of addition: the server, then the clients.
        let mut network = Network::new(LinkConfig::PERFECT, 0);
        (0..=CLIENTS as u16)
            .map(|n| network.add(client_address(n), Endpoint::new(EndpointConfig::client(), [0; 32])))
            .collect()
    }

    fn replace_server(&mut self, server: Endpoint) {
        self.network.replace(Self::nodes()[0], server);
    }

    fn ask(&mut self, client: usize, n: u32) {
        let payload = body(n, &mut self.dice);
        let request = Request::post("u", 0, payload.clone());
        let (endpoint, now) = self.network.node(Self::nodes()[client + 1]);
        let id = endpoint.request(now, server_address(), self.contexts[client], request).unwrap();
        self.asked.insert((client, id), payload);
    }

    fn run_for(&mut self, seconds: u64) {
        let nodes = Self::nodes();
        let Self { network, served, ended, dice, .. } = self;
        let mut waiting = Vec::new();
        for _ in 0..seconds {
            network.run_for(std::time::Duration::from_secs(1), &mut |node, now, endpoint, event| match event {
                Event::Request { exchange, request, .. } => {
                    *served.entry(request.payload.clone()).or_default() += 1;
                    let response = Response::content(0, request.payload);
                    match dice.below(3) {
                        0 => waiting.push((dice.below(5), exchange, response)),
                        _ => endpoint.respond(now, exchange, response).unwrap(),
                    }
                }
                Event::Response { request, response, .. } => {
                    let client = nodes.iter().position(|&n| n == node).unwrap() - 1;
                    assert!(ended.insert((client, request), Ok(response)).is_none(), "one end each");
                }
                Event::RequestFailed { request, reason } => {
                    let client = nodes.iter().position(|&n| n == node).unwrap() - 1;
                    assert!(ended.insert((client, request), Err(reason)).is_none(), "one end each");
                }
                other => panic!("{other:?}"),
            });
            let (server, now) = network.node(nodes[0]);
            waiting = waiting
                .into_iter()
                .filter_map(|(left, exchange, response)| match left {
                    0 => server.respond(now, exchange, response).err().map(|error| panic!("{error}")),
                    _ => Some((left - 1, exchange, response)),
                })
                .collect();
        }
        assert!(waiting.is_empty());
    }

    fn check(&mut self, seed: u64) -> (usize, usize) {
        assert!(self.served.values().all(|&times| times == 1), "seed {seed}: at most once");
        assert_eq!(self.asked.len(), self.ended.len(), "seed {seed}: every request has an end");
        let mut failed = 0;
        for (key, payload) in &self.asked {
            match &self.ended[key] {
                // So long between two blocks that the server has forgotten the first.
                Ok(response) if response.code == Code::REQUEST_ENTITY_INCOMPLETE => failed += 1,
                Ok(response) => {
                    assert_eq!(
                        response.code,
                        Code::CONTENT,
                        "seed {seed}: {}",
                        String::from_utf8_lossy(&response.payload)
                    );
                    assert!(response.payload == *payload, "seed {seed}: the body arrives intact, there and back");
                    assert_eq!(self.served.get(payload), Some(&1));
                }
                Err(Failure::TimedOut) => failed += 1,
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
        for node in Self::nodes() {
            let (endpoint, _) = self.network.node(node);
            let stats = endpoint.stats();
            assert_eq!((stats.decrypt_failed, stats.malformed, stats.oscore_malformed), (0, 0, 0));
            assert_eq!(endpoint.poll_timeout(), None, "seed {seed}: nothing is left");
        }
        (self.asked.len(), failed)
    }
}

#[test]
fn every_request_is_served_at_most_once_and_answered_or_reported_failed() {
    let (mut asked, mut failed) = (0, 0);
    for seed in 0..60 {
        let mut world = World::new(PROTECTIONS[seed as usize % 3], seed);
        for n in 0..24 {
            world.ask(n as usize % CLIENTS, n);
        }
        world.run_for(4000);
        let (a, f) = world.check(seed);
        nonces_are_used_once(&mut world.network, seed);
        replies_are_repeated_byte_for_byte(&mut world.network, seed);
        asked += a;
        failed += f;
    }
    assert!(failed * 10 < asked, "{failed} of {asked} failed: the link is bad, but not so bad");
}

/// What was sealed under one nonce is one message: the same bytes but for the message id and type.
fn nonces_are_used_once(network: &mut Network, seed: u64) {
    let mut sealed: HashMap<(bool, Vec<u8>, Vec<u8>), Vec<u8>> = HashMap::new();
    for datagram in network.link().sent() {
        let message = Message::parse(&datagram.bytes).unwrap();
        let Some((_, value)) = message.options().find(|&(number, _)| number == 9) else { continue };
        let by_server = datagram.from == server_address();
        let peer = if by_server { datagram.to } else { datagram.from };
        let nonce = match OscoreOption::parse(value).unwrap().partial_iv {
            Some(sequence) => sequence.to_be_bytes().to_vec(),
            // The request's nonce: its token stands for it here, because ours never repeat one.
            None => message.header.token.as_slice().to_vec(),
        };
        let key = (by_server, peer.to_string().into_bytes(), nonce);
        let ciphertext = message.payload().to_vec();
        assert!(*sealed.entry(key).or_insert_with(|| ciphertext.clone()) == ciphertext, "seed {seed}: two plaintexts");
    }
}

/// All acknowledgements that carry a response, for one message id of one client, are the same bytes.
fn replies_are_repeated_byte_for_byte(network: &mut Network, seed: u64) {
    let (mut replies, mut repeated) = (HashMap::new(), 0);
    for datagram in network.link().sent().iter().filter(|d| d.from == server_address()) {
        let header = Message::parse(&datagram.bytes).unwrap().header;
        if header.message_type == MessageType::Acknowledgement && header.code != Code::EMPTY {
            match replies.insert((datagram.to, header.message_id), &datagram.bytes) {
                Some(before) if before == &datagram.bytes => repeated += 1,
                Some(_) => panic!("seed {seed}: another reply"),
                None => {}
            }
        }
    }
    assert!(repeated > 0, "seed {seed}: on such a link something is repeated");
}

#[test]
fn notifications_arrive_in_order_and_each_confirmable_one_has_an_end() {
    for seed in 0..60 {
        let protection = PROTECTIONS[seed as usize % 3];
        let mut dice = Dice::new(seed ^ 0xabc);
        let mut pair =
            Pair::with_configs(protection, LinkConfig::BAD_RADIO, seed, |config| config.max_queued = 100, |_| {});
        pair.answer = Some(|_| Response::content(0, 0_u32.to_be_bytes().to_vec()));
        pair.request(Request::observe("c"));
        pair.run_for(100.0);
        let Some(observation) = pair.server_events.iter().find_map(|event| match event {
            Event::ObservationRegistered { observation, .. } => Some(*observation),
            _ => None,
        }) else {
            continue;
        };
        let mut confirmable = Vec::new();
        for n in 1..=40_u32 {
            let (server, now) = pair.network.node(pair.server);
            let wanted = dice.below(2) == 0;
            let Ok(id) = server.notify(now, observation, Response::content(0, n.to_be_bytes().to_vec()), wanted) else {
                break;
            };
            if wanted {
                confirmable.push(id);
            }
            pair.run_for(dice.share() * 4.0);
        }
        pair.run_for(3000.0);
        let values: Vec<u32> = pair
            .answers()
            .iter()
            .map(|response| u32::from_be_bytes(response.payload[..].try_into().unwrap()))
            .collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: {values:?}");
        let ends = |id: NotificationId| {
            let of = |event: &&Event| match event {
                Event::NotificationDelivered { notification, .. } | Event::NotificationFailed { notification, .. } => {
                    *notification == id
                }
                _ => false,
            };
            pair.server_events.iter().filter(of).count()
        };
        let failed = pair.server_events.iter().any(|event| matches!(event, Event::NotificationFailed { .. }));
        assert!(failed || confirmable.iter().all(|&id| ends(id) == 1), "seed {seed}: one end each");
    }
}

#[test]
fn a_body_sent_through_rebinding_addresses_arrives_once_or_is_reported_failed() {
    let mut whole = 0;
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let link = LinkConfig { max_delay: std::time::Duration::from_millis(900), ..LinkConfig::BAD_RADIO };
        let mut pair = Pair::new(PROTECTIONS[1 + seed as usize % 2], link, seed);
        let body: Vec<u8> = (0..8000).map(|n| dice.below(256) as u8 ^ n as u8).collect();
        pair.request(Request::post("u", 0, body.clone()));
        for n in 0..10 {
            pair.run_for(dice.share() * 4.0);
            pair.network.rebind(pair.client, client_address(100 + n));
        }
        pair.run_for(2000.0);
        assert_eq!(pair.client_events.len(), 1, "seed {seed}: one end");
        assert!(pair.served().len() <= 1, "seed {seed}: at most once");
        match &pair.client_events[0] {
            Event::Response { response, .. } => {
                assert!(pair.served()[0].payload == body && response.payload == body, "seed {seed}");
                whole += 1;
            }
            Event::RequestFailed { reason: Failure::TimedOut | Failure::Rejected { .. }, .. } => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        nonces_are_used_once_by_one_client(&mut pair, seed);
    }
    assert!(whole > 30, "only {whole} of 60 got through");
}

/// As above, where the client's address changes.
fn nonces_are_used_once_by_one_client(pair: &mut Pair, seed: u64) {
    let mut sealed: HashMap<(bool, Option<u64>, Vec<u8>), Vec<u8>> = HashMap::new();
    for datagram in pair.network.link().sent() {
        let message = Message::parse(&datagram.bytes).unwrap();
        let Some((_, value)) = message.options().find(|&(number, _)| number == 9) else { continue };
        let sequence = OscoreOption::parse(value).unwrap().partial_iv;
        let token = if sequence.is_none() { message.header.token.as_slice().to_vec() } else { Vec::new() };
        let ciphertext = message.payload().to_vec();
        let before = sealed.entry((datagram.from == server_address(), sequence, token));
        assert!(*before.or_insert_with(|| ciphertext.clone()) == ciphertext, "seed {seed}: two plaintexts");
    }
}
