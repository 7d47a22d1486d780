//! Over any number of restarts, whatever is lost, replayed or left without a record: no nonce seals two messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use davy_coap::{
    Code, Endpoint, EndpointConfig, Event, Request, Response,
    message::Message,
    netem::Dice,
    oscore::{Algorithm, NonceUse, OscoreOption, ReplayState, ReplayWindow},
};
use support::{client_address, context, server_address};

/// So few numbers of our own has each start: they run out.
const RANGE: u64 = 12;

/// What a message was sealed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Nonce {
    Own(u64),
    OfRequest(u64),
}

fn server(number: u64, recorded: &BTreeSet<u64>, dice: &mut Dice) -> Endpoint {
    let window = match recorded.last() {
        Some(&highest) => ReplayWindow::from_accepted(highest, recorded.iter().copied()),
        None => ReplayWindow::new(),
    };
    let mut context = context(1, Algorithm::A128Gcm, true, ReplayState::Restored(window));
    context.set_sender_range(number * RANGE..(number + 1) * RANGE);
    context.set_nonce_use(NonceUse::Recorded);
    let mut server = Endpoint::new(EndpointConfig::server(), dice.seed());
    server.add_context(context);
    server
}

/// What the endpoint has sent, with its nonce: it was about the request with this sequence number.
fn sealed(server: &mut Endpoint, request: u64) -> Vec<(Nonce, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(transmit) = server.poll_transmit() {
        let message = Message::parse(&transmit.payload).unwrap();
        let Some((_, value)) = message.options().find(|&(number, _)| number == 9) else { continue };
        let nonce = match OscoreOption::parse(value).unwrap().partial_iv {
            Some(number) => Nonce::Own(number),
            None => Nonce::OfRequest(request),
        };
        all.push((nonce, message.payload().to_vec()));
    }
    all
}

#[test]
fn no_nonce_seals_two_messages_over_restarts_replays_and_answers_without_a_record() {
    let (mut own, mut of_request, mut refused, mut ranges) = (0, 0, 0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut now = Instant::now();
        let mut device = Endpoint::new(EndpointConfig::client(), dice.seed());
        let of_device = device.add_context(context(1, Algorithm::A128Gcm, false, support::synced()));
        let mut captured: Vec<Vec<u8>> = Vec::new();
        let mut recorded: BTreeSet<u64> = BTreeSet::new();
        let mut used: HashMap<Nonce, Vec<u8>> = HashMap::new();
        let mut number = 0;
        for _ in 0..6 {
            let mut server = server(number, &recorded, &mut dice);
            number += 1;
            for _ in 0..40 {
                now += Duration::from_millis(400);
                let fresh = !dice.next_u64().is_multiple_of(3) || captured.is_empty();
                let sequence = if fresh {
                    let request = match dice.next_u64() % 3 {
                        0 => Request::observe("c"),
                        _ => Request::post("u", 112, captured.len().to_string().into_bytes()),
                    };
                    device.request(now, server_address(), Some(of_device), request).unwrap();
                    while device.poll_transmit().is_some_and(|sent| {
                        captured.push(sent.payload);
                        true
                    }) {}
                    device = replaced(&mut dice, captured.len() as u64);
                    captured.len() as u64 - 1
                } else {
                    dice.next_u64() % captured.len() as u64
                };
                let mut datagram = captured[usize::try_from(sequence).unwrap()].clone();
                // Another message id: no duplicate of the message layer.
                datagram[2..4].copy_from_slice(&dice.next_u64().to_be_bytes()[..2]);
                server.handle_datagram(now, client_address((dice.next_u64() % 5) as u16), &datagram);
                while let Some(event) = server.poll_event() {
                    match event {
                        Event::Request { exchange, sequence, .. } => {
                            let text = dice.next_u64().to_string();
                            let response = Response { payload: text.into_bytes(), ..Response::new(Code::CHANGED) };
                            if dice.next_u64().is_multiple_of(2) {
                                recorded.insert(sequence.unwrap());
                                server.respond_recorded(now, exchange, response).unwrap();
                            } else if server.respond(now, exchange, response).is_err() {
                                refused += 1;
                            }
                        }
                        Event::SequencesLow { context } if dice.next_u64().is_multiple_of(2) => {
                            ranges += 1;
                            let range = number * RANGE..(number + 1) * RANGE;
                            server.context_mut(context).unwrap().set_sender_range(range);
                            number += 1;
                        }
                        _ => {}
                    }
                }
                for (nonce, ciphertext) in sealed(&mut server, sequence) {
                    match nonce {
                        Nonce::Own(_) => own += 1,
                        Nonce::OfRequest(_) => of_request += 1,
                    }
                    let before = used.insert(nonce, ciphertext.clone());
                    assert!(before.is_none_or(|before| before == ciphertext), "seed {seed}: {nonce:?} was used twice");
                }
            }
        }
    }
    println!(
        "{own} under numbers of our own, {of_request} under their request's, {refused} refused, {ranges} further ranges"
    );
    assert!(own > 1000 && of_request > 1000 && refused > 100 && ranges > 50, "each way was taken");
}

/// The device again, as if it had been answered: its next request goes out at once.
fn replaced(dice: &mut Dice, next: u64) -> Endpoint {
    let mut device = Endpoint::new(EndpointConfig::client(), dice.seed());
    let mut context = context(1, Algorithm::A128Gcm, false, support::synced());
    context.set_sender_sequence(next);
    device.add_context(context);
    device
}

#[test]
fn a_recorded_answer_goes_under_its_requests_nonce_also_after_a_restart_and_costs_no_number() {
    let mut dice = Dice::new(3);
    let now = Instant::now();
    let mut server = server(0, &BTreeSet::from([0, 1, 2]), &mut dice);
    let mut device = replaced(&mut dice, 3);
    let of_device = device.find_context(Some(b"tenant-1"), &[]).unwrap();
    device.request(now, server_address(), Some(of_device), Request::post("u", 112, b"x".to_vec())).unwrap();
    let datagram = device.poll_transmit().unwrap().payload;
    server.handle_datagram(now, client_address(1), &datagram);
    let Some(Event::Request { exchange, .. }) = server.poll_event() else { panic!("a request above the window") };
    server.respond_recorded(now, exchange, Response::new(Code::CHANGED)).unwrap();
    let reply = server.poll_transmit().unwrap().payload;
    device.handle_datagram(now, server_address(), &reply);
    assert!(matches!(device.poll_event(), Some(Event::Response { response, .. }) if response.code == Code::CHANGED));
    let of_server = server.find_context(Some(b"tenant-1"), &[1, 0xde]).unwrap();
    assert_eq!(server.context(of_server).unwrap().sender_sequence(), 0);
}

#[test]
fn a_registration_that_is_replayed_without_end_is_challenged_once_a_second_and_a_new_one_at_once() {
    let mut dice = Dice::new(4);
    let start = Instant::now();
    let mut server = Endpoint::new(EndpointConfig::server(), dice.seed());
    let state = ReplayState::Restored(ReplayWindow::new());
    let id = server.add_context(context(1, Algorithm::A128Gcm, true, state));
    let registration = |next: u64, dice: &mut Dice| {
        let mut device = replaced(dice, next);
        let of_device = device.find_context(Some(b"tenant-1"), &[]).unwrap();
        device.request(start, server_address(), Some(of_device), Request::observe("c")).unwrap();
        device.poll_transmit().unwrap().payload
    };
    let captured = registration(7, &mut dice);
    let replay = |server: &mut Endpoint, n: u16, at: Instant| {
        let mut datagram = captured.clone();
        datagram[2..4].copy_from_slice(&n.to_be_bytes());
        server.handle_datagram(at, client_address(n), &datagram);
        std::iter::from_fn(|| server.poll_transmit()).count()
    };
    let answered: usize = (0..1000).map(|n| replay(&mut server, n, start + Duration::from_millis(u64::from(n)))).sum();
    assert_eq!(answered, 1, "within a second");
    assert_eq!(replay(&mut server, 1000, start + Duration::from_secs(1)), 1);
    assert_eq!(server.context(id).unwrap().sender_sequence(), 2, "so many numbers did it cost");
    assert_eq!(server.stats().challenges_withheld, 999);

    let genuine = registration(8, &mut dice);
    server.handle_datagram(start + Duration::from_secs(1), client_address(1), &genuine);
    assert!(server.poll_transmit().is_some(), "the device itself does not wait for that");
}
