//! `kill -9` at random moments under load: what a client was told is stored, once.
//!
//! Ignored unless asked for, because it takes minutes: `cargo xtask test --only kill`.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use davy_city::Plan;
use davy_coap::oscore::{Algorithm, Params, ReplayState, SecurityContext};
use davy_coap::{Code, Endpoint, EndpointConfig, Event, Request};
use davy_store::{Store, StoreOptions};
use davy_tests::credentials::Credential;
use davy_tests::database::Engine;
use davy_tests::platform::Platform;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the server is killed.
const KILLS: u32 = 20;

/// A device and the hash of what it said.
type Said = (String, String);

/// What the load's log says was acknowledged. A line that was cut off by the end of the process does not count.
fn told(log: &Path) -> HashMap<Said, u32> {
    let text = std::fs::read_to_string(log).unwrap();
    let mut told = HashMap::new();
    for line in text.lines() {
        if let [_, _, serial, _, digest, _] = line.split(' ').collect::<Vec<_>>()[..]
            && digest.len() == 64
        {
            *told.entry((serial.to_owned(), digest.to_owned())).or_default() += 1;
        }
    }
    told
}

/// What is stored, and how often each sequence number of each device is.
struct Stored {
    said: HashMap<Said, u32>,
    twice: Vec<(String, u64)>,
    uplinks: u64,
}

fn stored(url: &str) -> Stored {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::connect(url, &StoreOptions::default()).await.unwrap();
        let mut recovery = store.recover().await.unwrap();
        let mut serials = HashMap::new();
        let mut after = None;
        loop {
            let page = recovery.devices(after).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.device.id);
            serials.extend(page.into_iter().map(|keyed| (keyed.device.id, keyed.device.serial)));
        }
        let mut found = Stored { said: HashMap::new(), twice: Vec::new(), uplinks: 0 };
        let mut sequences: HashMap<(String, u64), u32> = HashMap::new();
        let mut after = None;
        loop {
            let page = recovery.journal(after).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (_, row) in page {
                let serial = serials[&row.device].clone();
                let digest: String = Sha256::digest(&row.payload).iter().fold(String::new(), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                });
                if let Some(sequence) = row.sequence {
                    *sequences.entry((serial.clone(), sequence)).or_default() += 1;
                }
                *found.said.entry((serial, digest)).or_default() += 1;
                found.uplinks += 1;
            }
        }
        found.twice = sequences.into_iter().filter(|(_, times)| *times > 1).map(|(key, _)| key).collect();
        drop(recovery);
        store.close().await;
        found
    })
}

/// A sealed uplink of a device, to be sent as it is.
fn sealed(device: &Credential, server: SocketAddr, sequence: u64) -> (Endpoint, Vec<u8>) {
    let mut context = SecurityContext::derive(Params {
        master_secret: &Credential::bytes(&device.secret),
        master_salt: &Credential::bytes(&device.salt),
        id_context: Some(&Credential::bytes(&device.id_context)),
        sender_id: &Credential::bytes(&device.kid),
        recipient_id: b"s",
        algorithm: if device.algorithm == "A128GCM" { Algorithm::A128Gcm } else { Algorithm::AesCcm16_64_128 },
        replay: ReplayState::default(),
    })
    .unwrap();
    context.set_sender_sequence(sequence);
    let mut endpoint = Endpoint::new(EndpointConfig::client(), rand::random());
    let context = endpoint.add_context(context);
    // [{0: "gas", 2: 0.5}]
    let senml = [&[0x81, 0xa2, 0x00, 0x63][..], b"gas", &[0x02, 0xf9, 0x38, 0x00]].concat();
    endpoint.request(Instant::now(), server, Some(context), Request::post("u", 112, senml)).unwrap();
    let datagram = endpoint.poll_transmit().unwrap().payload;
    (endpoint, datagram)
}

/// Sends bytes from a new socket and returns what comes back, if anything.
fn exchange(server: SocketAddr, datagram: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    socket.send_to(datagram, server).unwrap();
    let mut buffer = [0; 2048];
    let (length, peer) = socket.recv_from(&mut buffer).ok()?;
    Some((peer, buffer[..length].to_vec()))
}

/// Whether an authentic 2.04 comes back to a request of this endpoint.
fn acknowledged(endpoint: &mut Endpoint, server: SocketAddr, datagram: &[u8]) -> bool {
    let Some((peer, reply)) = exchange(server, datagram) else { return false };
    endpoint.handle_datagram(Instant::now(), peer, &reply);
    while let Some(event) = endpoint.poll_event() {
        if let Event::Response { response, .. } = event {
            return response.code == Code::CHANGED;
        }
    }
    false
}

fn killed_again_and_again(engine: Engine) {
    let plan = Plan { households: 20, wells: 0, gateways: 0, ..Plan::small(11) };
    let Some(platform) = Platform::provision(engine, &plan, |_| {}).unwrap() else {
        panic!("no PostgreSQL was given: set DAVY_TEST_POSTGRES_URL, or run `cargo xtask test --only kill`")
    };
    // What was said must still be there word for word.
    let mut platform = platform.set("DAVY_INGEST_COMPACT_EVERY", "24 h");
    let seed: u64 =
        std::env::var("DAVY_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}: set DAVY_TEST_SEED to repeat it");
    let mut chance = rand::rngs::StdRng::seed_from_u64(seed);

    // One device is kept apart: its datagram is recorded, and sent again after every restart.
    let recorded = platform.devices.iter().position(|device| device.kind == "valve").unwrap();
    let recorded = platform.devices.remove(recorded);
    let list: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(platform.credentials()).unwrap()).unwrap();
    let list: Vec<_> = list.into_iter().filter(|device| device["serial"] != recorded.serial).collect();
    std::fs::write(platform.credentials(), serde_json::to_vec(&list).unwrap()).unwrap();

    let mut all_told: HashMap<Said, u32> = HashMap::new();
    let mut recordings: Vec<Vec<u8>> = Vec::new();
    for round in 0..KILLS {
        platform.start().unwrap();
        let server = platform.coap;
        for datagram in &recordings {
            exchange(server, datagram);
        }
        let (mut endpoint, datagram) = sealed(&recorded, server, (u64::from(round) << 16) + 1);
        assert!(acknowledged(&mut endpoint, server, &datagram), "round {round}: a fresh uplink is acknowledged");
        recordings.push(datagram);

        let log = platform.path(&format!("told-{round}.log"));
        let acked_log = log.display().to_string();
        let load = platform
            .fleet("load", &["--rate", "3000", "--seconds", "60", "--warm-up", "0", "--acked-log", &acked_log])
            .unwrap();
        let load_id = Pid::from_raw(load.id() as i32);
        std::thread::sleep(Duration::from_millis(chance.random_range(300..1800)));
        platform.kill().unwrap();
        // The load must not wait for a server that is gone: its log is complete when it has ended.
        kill(load_id, Signal::SIGINT).unwrap();
        platform.ended_helper(Duration::from_secs(20)).unwrap();
        for (said, times) in told(&log) {
            *all_told.entry(said).or_default() += times;
        }
    }
    let stored = stored(&platform.url);
    let told_in_all: u32 = all_told.values().sum();
    println!("{KILLS} kills, {told_in_all} uplinks told as stored, {} stored", stored.uplinks);
    assert!(told_in_all > 1_000, "the load was acknowledged {told_in_all} times in all: too little to prove anything");
    let lost: Vec<_> =
        all_told.iter().filter(|(said, times)| stored.said.get(*said).copied().unwrap_or(0) < **times).collect();
    assert!(lost.is_empty(), "{} acknowledged uplinks are not stored, such as {:?}", lost.len(), lost[0]);
    assert!(stored.twice.is_empty(), "stored twice under one sequence number: {:?}", stored.twice);
    let of_recorded: u32 =
        stored.said.iter().filter(|((serial, _), _)| *serial == recorded.serial).map(|(_, times)| times).sum();
    assert_eq!(
        of_recorded, KILLS,
        "each recorded datagram was sent again after every later restart, and is stored once"
    );
}

#[test]
#[ignore = "takes minutes: cargo xtask test --only kill"]
fn nothing_acknowledged_is_lost_on_sqlite() {
    killed_again_and_again(Engine::Sqlite);
}

#[test]
#[ignore = "takes minutes: cargo xtask test --only kill"]
fn nothing_acknowledged_is_lost_on_postgresql() {
    killed_again_and_again(Engine::Postgres);
}
