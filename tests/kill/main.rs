//! `kill -9` at random moments under load, with and without compaction: what a client was told is stored, once; an alarm stands where it
//! stood, with its close, and what was said before is not taken again. At last an end in order, asked for under the same load.
//!
//! Ignored unless asked for, because it takes minutes: `cargo xtask test --only kill`.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod device;
mod stored;

use davy_city::Plan;
use davy_domain::Action;
use davy_domain::wire::decode_pending;
use davy_tests::api::Api;
use davy_tests::database::{Engine, numbers};
use davy_tests::platform::Platform;
use device::{AWAKE, LEAK, QUIET, exchange, sealed};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{Rng, SeedableRng};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use stored::{Said, Stored, stored, told};

/// How often the server is killed. In the second half compaction runs every second.
const KILLS: u32 = 20;
/// Every how-manieth leak a person acknowledges.
const ACKNOWLEDGED: u32 = 3;

/// What must stand after every kill: each leak's alarm (device, condition, id, state, time) and the close of its sleepy meter (device, id,
/// counter, deadline), as the database has them.
const ALARMS: &str = "SELECT a.device_id, a.condition, a.id, a.state, a.raised_at FROM alarms a JOIN devices d ON d.id = a.device_id \
     WHERE a.condition = 2 AND d.serial LIKE 'LZD%' ORDER BY a.id";
const CLOSES: &str = "SELECT c.device_id, c.id, c.counter, c.deadline FROM commands c JOIN devices d ON d.id = c.device_id \
     WHERE c.action = 1 AND c.state <= 6 AND d.serial LIKE 'LZM%' ORDER BY c.id";

/// Twenty homes of the first company leak, one a round; the devices of the second one carry the load.
fn provisioned(engine: Engine) -> Platform {
    let plan = Plan { households: KILLS as usize, wells: 0, gateways: 0, ..Plan::small(11) };
    let platform = Platform::provision(engine, &plan, |manifest| {
        for device in manifest["devices"].as_array_mut().into_iter().flatten() {
            // A leak closes the meter too, which sleeps: its close must wait, and survive.
            if let Some(valve) = device["links"][0].as_str().map(str::to_owned) {
                device["links"] = serde_json::json!([valve, valve.replacen('V', "M", 1)]);
            }
        }
    })
    .unwrap();
    platform.expect("no PostgreSQL was given: set DAVY_TEST_POSTGRES_URL, or run `cargo xtask test --only kill`")
}

/// The alarms that the running server has, by their ids, with their states.
fn alarms_of(api: &Api) -> HashMap<String, String> {
    let page = api.get("/api/v1/alarms?limit=200").unwrap();
    let items = page["items"].as_array().unwrap().iter();
    let leaks = items.filter(|alarm| alarm["condition"] == "gas-high");
    leaks.map(|alarm| (text(&alarm["id"]), text(&alarm["state"]))).collect()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn killed_again_and_again(engine: Engine) {
    // What was said must still be there word for word, in the first half.
    let mut platform = provisioned(engine).set("DAVY_INGEST_COMPACT_EVERY", "24 h");
    let seed: u64 =
        std::env::var("DAVY_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}: set DAVY_TEST_SEED to repeat it");
    let mut chance = rand::rngs::StdRng::seed_from_u64(seed);
    // Kept apart from the load: its datagrams are recorded, and sent again after every restart.
    let recorded = platform.devices.iter().find(|device| device.serial.starts_with("MXV")).unwrap().clone();
    let of_load = |serial: &str| serial.starts_with("MX") && serial != recorded.serial;
    let load = platform.credentials_of("load.json", of_load).unwrap();

    let mut all_told: HashMap<Said, u32> = HashMap::new();
    let mut recordings: Vec<Vec<u8>> = Vec::new();
    let mut api: Option<Api> = None;
    let (mut alarms, mut closes) = (Vec::new(), Vec::new());
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        if round == KILLS / 2 {
            every_word_is_there(&platform.url, &all_told);
            platform = platform.set("DAVY_INGEST_COMPACT_EVERY", "1 s").set("DAVY_INGEST_COMPACT_AFTER", "0 ms");
        }
        platform.start().unwrap();
        let server = platform.coap;
        for datagram in &recordings {
            exchange(server, datagram);
        }
        let api = match &mut api {
            Some(api) => api,
            none => none.insert(Api::sign_in(platform.http, platform.person("dispatcher").unwrap()).unwrap()),
        };

        // What stood before the kill stands.
        assert_eq!(numbers(&platform.url, ALARMS).unwrap(), alarms, "round {round}: the alarms after the kill");
        assert_eq!(numbers(&platform.url, CLOSES).unwrap(), closes, "round {round}: the closes after the kill");
        let seen = alarms_of(api);
        assert_eq!(seen.len(), alarms.len(), "round {round}: {seen:?}");
        for id in &acknowledged {
            assert_eq!(seen[id], "acknowledged", "round {round}: a person has acknowledged {id}");
        }

        let mut fresh = sealed(&recorded, server, (u64::from(round) << 16) + 1, QUIET);
        assert!(fresh.acknowledged(server).is_some(), "round {round}: a fresh uplink is acknowledged");
        recordings.push(fresh.datagram);
        let mut leak = sealed(platform.device(&format!("LZD{round:06}")).unwrap(), server, 1, LEAK);
        assert!(leak.acknowledged(server).is_some(), "round {round}: a leak is acknowledged");
        recordings.push(leak.datagram);
        if round % ACKNOWLEDGED == 0 {
            let new = alarms_of(api).into_keys().find(|id| !seen.contains_key(id)).expect("the leak has its alarm");
            api.post(&format!("/api/v1/alarms/{new}/acknowledge")).unwrap();
            acknowledged.push(new);
        }

        let log = platform.path(&format!("told-{round}.log"));
        let acked_log = log.display().to_string();
        let arguments = ["--rate", "3000", "--seconds", "60", "--warm-up", "0", "--acked-log", &acked_log];
        let load_id = Pid::from_raw(platform.fleet_of(&load, "load", &arguments).unwrap().id() as i32);
        std::thread::sleep(Duration::from_millis(chance.random_range(300..1800)));
        platform.kill().unwrap();
        // The load must not wait for a server that is gone: its log is complete when it has ended.
        kill(load_id, Signal::SIGINT).unwrap();
        platform.ended_helper(Duration::from_secs(20)).unwrap();
        for (said, times) in told(&log) {
            *all_told.entry(said).or_default() += times;
        }
        // What was told before the kill: nothing of it changes any more, for there is nobody to change it.
        alarms = numbers(&platform.url, ALARMS).unwrap();
        closes = numbers(&platform.url, CLOSES).unwrap();
        assert_eq!(
            alarms.len(),
            round as usize + 1,
            "round {round}: every leak that was told has one alarm: {alarms:?}"
        );
        assert_eq!(closes.len(), alarms.len(), "round {round}: and the close of its meter waits: {closes:?}");
    }
    every_uplink_is_there(&platform.url, &all_told, &recorded.serial);
    platform.start().unwrap();
    the_server_knows_its_alarms(&platform, api.as_ref().unwrap(), &alarms);
    a_meter_that_wakes_is_told_to_close(&platform, &closes);
    asked_to_end_under_load(&mut platform, &load, &mut all_told);
}

/// SIGTERM while the load runs: the server ends by itself, in order, and what it has told until then is stored.
fn asked_to_end_under_load(platform: &mut Platform, load: &Path, all_told: &mut HashMap<Said, u32>) {
    let log = platform.path("told-at-the-end.log");
    let acked_log = log.display().to_string();
    let arguments = ["--rate", "3000", "--seconds", "60", "--warm-up", "0", "--acked-log", &acked_log];
    let load_id = Pid::from_raw(platform.fleet_of(load, "load", &arguments).unwrap().id() as i32);
    std::thread::sleep(Duration::from_secs(2));
    platform.stop().unwrap();
    kill(load_id, Signal::SIGINT).unwrap();
    platform.ended_helper(Duration::from_secs(20)).unwrap();
    let told = told(&log);
    assert!(told.len() > 100, "{} uplinks were acknowledged before the end: too few to prove anything", told.len());
    for (said, times) in told {
        *all_told.entry(said).or_default() += times;
    }
    let stored = stored(&platform.url);
    nothing_told_is_missing(&stored, all_told);
    assert!(stored.twice.is_empty(), "stored twice under one sequence number: {:?}", stored.twice);
}

/// Of each device at least as many uplinks are stored as it was told.
fn nothing_told_is_missing(stored: &Stored, told: &HashMap<Said, u32>) {
    let mut by_device: HashMap<&str, u64> = HashMap::new();
    for ((serial, _), times) in told {
        *by_device.entry(serial).or_default() += u64::from(*times);
    }
    for (serial, times) in by_device {
        let kept = stored.by_device.get(serial).copied().unwrap_or(0);
        assert!(kept >= times, "{serial} was told {times} times that its uplink is stored; {kept} are");
    }
}

/// By their words: each uplink that was told as stored stands in the journal, and none twice.
fn every_word_is_there(url: &str, told: &HashMap<Said, u32>) {
    let stored = stored(url);
    let in_all: u32 = told.values().sum();
    println!("first half: {in_all} uplinks told as stored, {} stored", stored.uplinks);
    assert!(in_all > 1_000, "the load was acknowledged {in_all} times in all: too little to prove anything");
    let lost: Vec<_> =
        told.iter().filter(|(said, times)| stored.said.get(*said).copied().unwrap_or(0) < **times).collect();
    assert!(lost.is_empty(), "{} acknowledged uplinks are not stored, such as {:?}", lost.len(), lost[0]);
    assert!(stored.twice.is_empty(), "stored twice under one sequence number: {:?}", stored.twice);
    assert_eq!(stored.in_chunks, 0, "nothing was to be compacted yet");
}

/// By their number, because chunks do not keep the words: of each device at least what was told, and of those whose datagrams were
/// sent again after every restart exactly what was said once.
fn every_uplink_is_there(url: &str, told: &HashMap<Said, u32>, recorded: &str) {
    let stored = stored(url);
    let in_all: u64 = told.values().map(|times| u64::from(*times)).sum();
    println!(
        "{KILLS} kills: {in_all} uplinks told as stored, {} stored, {} of them compacted",
        stored.uplinks, stored.in_chunks
    );
    assert!(stored.in_chunks > 1_000, "{} uplinks were compacted: too few to prove anything", stored.in_chunks);
    nothing_told_is_missing(&stored, told);
    assert!(stored.twice.is_empty(), "stored twice under one sequence number: {:?}", stored.twice);
    assert_eq!(stored.by_device[recorded], u64::from(KILLS), "each was sent again after every later restart");
    for home in 0..KILLS {
        assert_eq!(stored.by_device[&format!("LZD{home:06}")], 1, "home {home}: so was its leak");
    }
}

/// Lists come from the database; these two things only the server's memory can do: take another reading of a leak as the same leak, and
/// let a person acknowledge.
fn the_server_knows_its_alarms(platform: &Platform, api: &Api, alarms: &[Vec<i64>]) {
    for home in 0..KILLS {
        let detector = platform.device(&format!("LZD{home:06}")).unwrap();
        let again = sealed(detector, platform.coap, 2, LEAK).acknowledged(platform.coap);
        assert!(again.is_some(), "home {home}: the leak goes on, and is acknowledged");
    }
    assert_eq!(numbers(&platform.url, ALARMS).unwrap(), alarms, "a leak that goes on is the same alarm");
    let seen = alarms_of(api);
    let open = seen.iter().filter(|(_, state)| *state == "unacknowledged").map(|(id, _)| id);
    for id in open {
        api.post(&format!("/api/v1/alarms/{id}/acknowledge")).unwrap();
    }
    let states = numbers(&platform.url, ALARMS).unwrap().into_iter().map(|alarm| alarm[3]);
    assert_eq!(states.collect::<Vec<_>>(), vec![2; KILLS as usize], "every alarm is acknowledged now");
}

/// The close that waited through the kills goes out, with the very id and counter.
fn a_meter_that_wakes_is_told_to_close(platform: &Platform, closes: &[Vec<i64>]) {
    let server = platform.coap;
    let mut told = Vec::new();
    for home in 0..KILLS {
        let meter = platform.device(&format!("LZM{home:06}")).unwrap();
        let answer = sealed(meter, server, 1, AWAKE).acknowledged(server).expect("the meter is answered");
        let pending = decode_pending(&answer).unwrap();
        let [close] = &pending[..] else { panic!("home {home}: expected one command, got {pending:?}") };
        assert_eq!(close.action, Action::Close);
        told.push((close.id.raw(), close.counter as i64, close.deadline.as_millis()));
    }
    told.sort_unstable();
    let expected: Vec<_> = closes.iter().map(|row| (row[1], row[2], row[3])).collect();
    assert_eq!(told, expected);
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
