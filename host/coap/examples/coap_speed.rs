//! How long the hot path takes: one core, virtual peers, no sockets. Run with `cargo run --release -p davy-coap --example coap_speed`.
//!
//! Each device sends confirmable OSCORE uplinks of 64 bytes to `/u` and gets 16 bytes back in the acknowledgement. What is timed is the
//! server's side alone: `handle_datagram` up to the event (parse, deduplicate, find the context, check the window, open, dispatch), and
//! `respond` up to the datagram (seal, encode, keep for repetition).

#![allow(clippy::expect_used, reason = "what is asked for here is known to be valid")]

use std::{
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};

use davy_coap::{
    ContextId, Endpoint, EndpointConfig, Event, Request, Response,
    message::Message,
    oscore::{Algorithm, Params, ReplayState, ReplayWindow, SecurityContext},
};

/// How many messages each line of the table is taken from.
const MESSAGES: usize = 400_000;

/// How many requests the application takes, commits and answers together.
const BATCH: usize = 64;

fn context(device: u32, algorithm: Algorithm, of_server: bool) -> SecurityContext {
    let device = &device.to_be_bytes();
    let ids: [&[u8]; 2] = [device, &[]];
    SecurityContext::derive(Params {
        master_secret: &[7; 16],
        master_salt: &[],
        id_context: Some(b"tenant-1"),
        sender_id: ids[usize::from(of_server)],
        recipient_id: ids[usize::from(!of_server)],
        algorithm,
        replay: ReplayState::Synced(ReplayWindow::new()),
    })
    .expect("these parameters are valid")
}

struct Device {
    address: SocketAddr,
    endpoint: Endpoint,
    context: ContextId,
}

/// Nanoseconds per message, one figure per round.
#[derive(Default)]
struct Spent {
    parse: Vec<u128>,
    receive: Vec<u128>,
    respond: Vec<u128>,
    duplicate: Vec<u128>,
    messages: u64,
}

fn main() {
    println!(
        "ns per message, the median of all rounds and, in brackets, the best tenth (on a busy machine only that says much)\n"
    );
    let heads = ["algorithm", "devices", "parse", "receive", "respond", "duplicate"];
    println!("{:<16} {:>8} {:>14} {:>14} {:>14} {:>14}", heads[0], heads[1], heads[2], heads[3], heads[4], heads[5]);
    for algorithm in [Algorithm::A128Gcm, Algorithm::AesCcm16_64_128] {
        for devices in [64, 1_000, 20_000] {
            let spent = run(algorithm, devices, (MESSAGES / devices as usize).max(10));
            print!("{:<16} {devices:>8}", format!("{algorithm:?}"));
            for mut rounds in [spent.parse, spent.receive, spent.respond, spent.duplicate] {
                rounds.sort_unstable();
                print!(" {:>14}", format!("{} ({})", rounds[rounds.len() / 2], rounds[rounds.len() / 10]));
            }
            println!();
        }
    }
}

fn run(algorithm: Algorithm, devices: u32, rounds: usize) -> Spent {
    let mut now = Instant::now();
    let server_address: SocketAddr = ([10, 0, 0, 1], 5683).into();
    let mut server = Endpoint::new(EndpointConfig::server(), [1; 32]);
    let mut fleet: Vec<Device> = (0..devices)
        .map(|n| {
            server.add_context(context(n, algorithm, true));
            let [_, b, c, d] = n.to_be_bytes();
            let mut seed = [2; 32];
            seed[..4].copy_from_slice(&n.to_be_bytes());
            let mut endpoint = Endpoint::new(EndpointConfig::client(), seed);
            let context = endpoint.add_context(context(n, algorithm, false));
            Device { address: ([11, b, c, d], 40_000).into(), endpoint, context }
        })
        .collect();
    let mut spent = Spent::default();
    let mut datagrams = Vec::new();
    for _ in 0..rounds {
        // As if 50,000 uplinks came each second.
        now += Duration::from_micros(20) * devices;
        datagrams.clear();
        for device in &mut fleet {
            let request = Request::post("u", 112, vec![0x5a; 64]);
            let sent = device.endpoint.request(now, server_address, Some(device.context), request);
            assert!(sent.is_ok());
            if let Some(transmit) = device.endpoint.poll_transmit() {
                datagrams.push(transmit.payload);
            }
        }

        let start = Instant::now();
        for datagram in &datagrams {
            black_box(Message::parse(datagram).is_ok());
        }
        spent.parse.push(start.elapsed().as_nanos() / u128::from(devices));

        let mut spent_here = [Duration::ZERO; 3];
        for (fleet, datagrams) in fleet.chunks_mut(BATCH).zip(datagrams.chunks(BATCH)) {
            let mut events = Vec::with_capacity(BATCH);
            let start = Instant::now();
            for (device, datagram) in fleet.iter().zip(datagrams) {
                server.handle_datagram(now, device.address, datagram);
                events.extend(server.poll_event());
            }
            spent_here[0] += start.elapsed();
            assert_eq!(events.len(), datagrams.len());

            let answers: Vec<_> = events
                .into_iter()
                .filter_map(|event| match event {
                    Event::Request { exchange, request, .. } => {
                        black_box(&request);
                        Some((exchange, Response::changed(60, vec![1; 16])))
                    }
                    _ => None,
                })
                .collect();
            let mut replies = Vec::with_capacity(BATCH);
            let start = Instant::now();
            for (exchange, response) in answers {
                let answered = server.respond(now, exchange, response);
                assert!(answered.is_ok());
                replies.extend(server.poll_transmit());
            }
            spent_here[1] += start.elapsed();

            let start = Instant::now();
            for (device, datagram) in fleet.iter().zip(datagrams) {
                server.handle_datagram(now, device.address, datagram);
                if let Some(transmit) = server.poll_transmit() {
                    server.recycle(transmit.payload);
                }
            }
            spent_here[2] += start.elapsed();

            for (device, reply) in fleet.iter_mut().zip(replies) {
                device.endpoint.handle_datagram(now, server_address, &reply.payload);
                assert!(matches!(device.endpoint.poll_event(), Some(Event::Response { .. })));
                server.recycle(reply.payload);
                device.endpoint.handle_timeout(now);
            }
        }
        for (rounds, time) in [&mut spent.receive, &mut spent.respond, &mut spent.duplicate].into_iter().zip(spent_here)
        {
            rounds.push(time.as_nanos() / u128::from(devices));
        }
        server.handle_timeout(now);
        spent.messages += u64::from(devices);
    }
    assert_eq!(server.stats().requests, spent.messages);
    spent
}
