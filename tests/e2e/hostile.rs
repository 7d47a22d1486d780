//! A company's rule that means harm, in the real server, at work without a pause: its own leaks are alarmed and closed all the same, and
//! its neighbour's leaks end as they do beside a good rule.

use davy_city::Plan;
use davy_tests::api::Api;
use davy_tests::database::{Engine, numbers};
use davy_tests::hostile;
use davy_tests::platform::{Platform, intervene};
use davy_tests::programs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Homes of each company.
pub(crate) const HOMES: usize = 24;
/// Homes of the first company that live; the devices of its others send without a pause.
pub(crate) const LIVING: usize = 4;
/// Which homes have a leak, in this order.
pub(crate) const LEAKS: [(&str, usize); 9] =
    [("MX", 0), ("LZ", 0), ("MX", 5), ("MX", 9), ("LZ", 1), ("MX", 13), ("MX", 17), ("LZ", 2), ("MX", 23)];
/// The premises of each company that have one.
const AT: [(&str, usize); 2] = [("LZ", 3), ("MX", 6)];

/// A place in the serial that tells the home: `LZD000007`.
pub(crate) fn home_of(serial: &str) -> Option<(&str, usize)> {
    Some((serial.get(..2)?, serial.get(3..)?.parse().ok()?))
}

/// The second company has the example rule, the first one `rule`. Both have leaks while most of the first one's devices send as fast as
/// they are answered.
fn both_companies_come_through(name: &str, rule: impl FnOnce(&tempfile::TempDir) -> PathBuf, hostile: bool) {
    let folder = tempfile::tempdir().unwrap();
    let rule = rule(&folder);
    let good = programs::household_leak().expect("the example rule is packaged: `cargo xtask rules build`");
    let plan = Plan { households: HOMES, wells: 0, gateways: 0, report_interval_s: 5, ..Plan::small(9) };
    let mut platform = Platform::provision(Engine::Sqlite, &plan, |manifest: &mut Value| {
        manifest["tenants"][0]["rule"] = json!({"component": rule});
        manifest["tenants"][1]["rule"] = json!({"component": good});
    })
    .unwrap()
    .unwrap();
    platform.start().unwrap();
    let rushing = |serial: &str| home_of(serial).is_some_and(|(company, home)| company == "LZ" && home >= LIVING);
    let rush = platform.credentials_of("rush.json", rushing).unwrap();
    let live = platform.credentials_of("live.json", |serial| !rushing(serial)).unwrap();
    platform.fleet_of(&rush, "load", &["--rate", "max", "--window", "256", "--seconds", "600"]).unwrap();
    let report = platform.path("report.json");
    let report_path = report.display().to_string();
    let life = ["--gas-pace", "20", "--nuisance", "0", "--reboot-hours", "0", "--quiet"];
    let end = ["--seconds", "45", "--report", &report_path];
    platform.fleet_of(&live, "run", &[&life[..], &end[..]].concat()).unwrap();
    // Every living device is heard of by then, and every rule has a memory.
    std::thread::sleep(Duration::from_secs(8));
    let counters = ["davy_uplinks_total", "davy_rule_faults_total", "davy_rule_suspended_total"];
    let before = counters.map(|name| platform.counter(name).unwrap());
    for (company, home) in LEAKS {
        let serial = format!("{company}D{home:06}");
        let premises = platform.device(&serial).unwrap().premises.clone().unwrap();
        intervene(platform.last_helper().unwrap(), &format!("leak {premises}")).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
    }
    let after = counters.map(|name| platform.counter(name).unwrap());
    let [uplinks, faults, suspended] = [0, 1, 2].map(|at| after[at] - before[at]);
    platform.ended_helper(Duration::from_mins(2)).unwrap();
    platform.stop().unwrap();

    println!(
        "{name}: {uplinks} uplinks, {faults} rule faults, {suspended} times not asked between the first leak and the last"
    );
    assert!(uplinks > 1_000.0, "{name}: {uplinks} uplinks: the first company did not send without a pause");
    if hostile {
        // Nearly every uplink would be for that rule; one that takes too much is not asked for a while.
        assert!(
            faults > 10.0 && faults + suspended > uplinks / 10.0,
            "{name}: {faults} faults, {suspended} times not asked, {uplinks} uplinks: the rule was not at work"
        );
    } else {
        assert!(faults == 0.0, "{name}: a good rule failed {faults} times");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let leaks = report["leaks"].as_array().unwrap();
    let mut proven = BTreeMap::<&str, usize>::new();
    for leak in leaks {
        assert_eq!(leak["proven"], true, "{name}: not closed and proven: {leak}");
        let premises = leak["premises"].as_str().unwrap();
        let at = platform.devices.iter().find(|device| device.premises.as_deref() == Some(premises)).unwrap();
        *proven.entry(home_of(&at.serial).unwrap().0).or_default() += 1;
    }
    assert_eq!(proven.into_iter().collect::<Vec<_>>(), AT, "{name}");
    assert_eq!(report["lost"], 0, "{name}: {report}");
    what_is_stored(name, &platform.url);
}

/// By the database: each leak has its alarm, each close was verified, and before its deadline.
pub(crate) fn what_is_stored(name: &str, url: &str) {
    for (company, leaks) in AT {
        let alarmed = format!(
            "SELECT CAST(COUNT(DISTINCT d.premises_id) AS BIGINT) FROM alarms a JOIN devices d ON d.id = a.device_id \
             WHERE a.condition IN (1, 2) AND d.serial LIKE '{company}D%'"
        );
        assert_eq!(numbers(url, &alarmed).unwrap(), [[leaks as i64]], "{name}: alarmed homes of {company}");
        let closes = format!(
            "SELECT c.state, c.deadline - c.changed_at FROM commands c JOIN devices d ON d.id = c.device_id \
             WHERE c.action = 1 AND d.serial LIKE '{company}V%'"
        );
        let closes = numbers(url, &closes).unwrap();
        assert!(closes.len() >= leaks, "{name}: {} closes of {company} for {leaks} leaks", closes.len());
        for close in closes {
            assert!(close[0] == 7 && close[1] >= 0, "{name}: a close of {company} was not verified in time: {close:?}");
        }
    }
}

/// A device of the first company sends without end, and so does somebody who knows nobody's key, while homes of both leak.
#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn while_one_device_floods_every_leak_is_closed_and_nothing_acknowledged_is_lost() {
    let plan = Plan { households: HOMES, wells: 0, gateways: 0, report_interval_s: 5, ..Plan::small(9) };
    let mut platform = Platform::with_example_rule(&plan).unwrap();
    platform.start().unwrap();
    let wild = |serial: &str| home_of(serial) == Some(("LZ", HOMES - 1));
    let (one, rest) = (
        platform.credentials_of("wild.json", wild).unwrap(),
        platform.credentials_of("rest.json", |serial| !wild(serial)).unwrap(),
    );
    platform.fleet_of(&one, "flood", &["--rate", "20000", "--seconds", "600"]).unwrap();
    let report = platform.path("report.json");
    let report_path = report.display().to_string();
    let life = ["--gas-pace", "20", "--nuisance", "0", "--reboot-hours", "0", "--quiet"];
    platform.fleet_of(&rest, "run", &[&life[..], &["--seconds", "45", "--report", &report_path]].concat()).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let to = platform.coap;
        let over = &over;
        scope.spawn(move || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            while !over.load(Ordering::Relaxed) {
                for id in 0..20_u8 {
                    // `GET /nothing`, in clear.
                    let _ = socket.send_to(&[0x40, 1, id, id, 0xb7, b'n', b'o', b't', b'h', b'i', b'n', b'g'], to);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        std::thread::sleep(Duration::from_secs(8));
        for (company, home) in LEAKS {
            let premises = platform.device(&format!("{company}D{home:06}")).unwrap().premises.clone().unwrap();
            intervene(platform.last_helper().unwrap(), &format!("leak {premises}")).unwrap();
            std::thread::sleep(Duration::from_millis(1500));
        }
        platform.ended_helper(Duration::from_mins(2)).unwrap();
        over.store(true, Ordering::Relaxed);
    });
    let flooded = platform.counter("davy_datagrams_flooded_total").unwrap();
    platform.stop().unwrap();
    assert!(flooded > 50_000.0, "{flooded} datagrams were kept out: there was no flood");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let leaks = report["leaks"].as_array().unwrap();
    assert_eq!(leaks.len(), LEAKS.len());
    for leak in leaks {
        assert_eq!(leak["proven"], true, "not closed and proven: {leak}");
    }
    assert_eq!(report["lost"], 0, "{report}");
    what_is_stored("flood", &platform.url);
}

/// An engineer of the first company uploads the corpus again and again, while homes of both leak.
#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn while_a_company_uploads_a_hostile_corpus_every_leak_is_closed_and_the_server_does_not_grow() {
    let plan = Plan { households: HOMES, wells: 0, gateways: 0, report_interval_s: 5, ..Plan::small(9) };
    let mut platform = Platform::with_example_rule(&plan).unwrap();
    platform.start().unwrap();
    let report = platform.path("report.json");
    let report_path = report.display().to_string();
    let life = ["--gas-pace", "20", "--nuisance", "0", "--reboot-hours", "0", "--quiet"];
    let end = ["--seconds", "45", "--report", &report_path];
    let credentials = platform.credentials();
    platform.fleet_of(&credentials, "run", &[&life[..], &end[..]].concat()).unwrap();
    let engineer = Api::sign_in(platform.http, platform.person("rule-engineer").unwrap()).unwrap();
    let over = AtomicBool::new(false);
    let before = platform.resident_kib().unwrap();
    let examined = std::thread::scope(|scope| {
        let corpus = scope.spawn(|| upload_until(&over, &engineer));
        std::thread::sleep(Duration::from_secs(8));
        for (company, home) in LEAKS {
            let premises = platform.device(&format!("{company}D{home:06}")).unwrap().premises.clone().unwrap();
            intervene(platform.last_helper().unwrap(), &format!("leak {premises}")).unwrap();
            std::thread::sleep(Duration::from_millis(1500));
        }
        let ended = platform.ended_helper(Duration::from_mins(2));
        over.store(true, Ordering::Relaxed);
        ended.unwrap();
        corpus.join().unwrap()
    });
    let grown = platform.resident_kib().unwrap().saturating_sub(before);
    platform.stop().unwrap();
    println!("{examined} hostile components were examined meanwhile; the server grew by {grown} KiB");
    assert!(examined > 10, "{examined} examined: the corpus was not at work");
    assert!(grown < 256 << 10, "the server grew by {grown} KiB");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["leaks"].as_array().unwrap().len(), LEAKS.len());
    for leak in report["leaks"].as_array().unwrap() {
        assert_eq!(leak["proven"], true, "not closed and proven: {leak}");
    }
    assert_eq!(report["lost"], 0, "{report}");
    what_is_stored("corpus", &platform.url);
}

/// Uploads the corpus over and over, each when the one before has been checked; says how many the server has examined.
fn upload_until(over: &AtomicBool, engineer: &Api) -> usize {
    let corpus = davy_tests::corpus::all();
    let mut examined = 0;
    for hostile in corpus.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        // What is too large is refused before it is read to its end, which breaks the connection.
        let Ok((status, answer)) = engineer.send("POST", "/api/v1/rules", "application/wasm", &hostile.bytes) else {
            continue;
        };
        if status != 201 {
            assert!((400..500).contains(&status), "{}: {status} {answer}", hostile.name);
            continue;
        }
        let version = format!("/api/v1/rules/{}", answer["id"].as_str().unwrap());
        while !over.load(Ordering::Relaxed) {
            if engineer.get(&version).unwrap()["version"]["stage"] != "uploaded" {
                examined += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    examined
}

fn beside(name: &str, harm: &str) {
    let rule = |folder: &tempfile::TempDir| {
        let path = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&path, hostile::component(harm).unwrap()).unwrap();
        path
    };
    both_companies_come_through(name, rule, true);
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn beside_a_good_rule_both_companies_come_through() {
    both_companies_come_through("good", |_| programs::household_leak().expect("packaged"), false);
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_traps_leaves_the_leak_closed_and_the_neighbour_alone() {
    beside("traps", hostile::TRAPS);
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_loops_leaves_the_leak_closed_and_the_neighbour_alone() {
    beside("loops", hostile::LOOPS);
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_hogs_memory_leaves_the_leak_closed_and_the_neighbour_alone() {
    beside("hogs", hostile::HOGS);
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_returns_nonsense_leaves_the_leak_closed_and_the_neighbour_alone() {
    beside("nonsense", hostile::TALKS_NONSENSE);
}
