//! aiocoap as the device, the real server as the platform.

use crate::peer::Peer;
use anyhow::Result;
use davy_city::Plan;
use davy_domain::command::Action;
use davy_domain::wire::{PendingCommand, decode_pending};
use davy_tests::credentials::Credential;
use davy_tests::database::Engine;
use davy_tests::platform::Platform;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SENML_CBOR: u16 = 112;
/// Both that devices may speak.
const ALGORITHMS: [&str; 2] = ["A128GCM", "AES-CCM-16-64-128"];

/// SenML-CBOR (RFC 8428 §6) by hand: `[{0: name, 2: value}, …]`, measured on arrival.
fn senml(readings: &[(&str, f64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut cbor = minicbor::Encoder::new(&mut bytes);
    cbor.array(readings.len() as u64).unwrap();
    for (name, value) in readings {
        cbor.map(2).unwrap().u8(0).unwrap().str(name).unwrap().u8(2).unwrap().f64(*value).unwrap();
    }
    bytes
}

fn platform() -> Platform {
    let mut platform = Platform::provision(Engine::Sqlite, &Plan::small(3), |_| {}).unwrap().unwrap();
    platform.start().unwrap();
    platform
}

/// The first device of a kind that speaks an algorithm.
fn device(platform: &Platform, kind: &str, algorithm: &str) -> Credential {
    platform.devices.iter().find(|d| d.kind == kind && d.algorithm == algorithm && !d.kid.is_empty()).unwrap().clone()
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn an_uplink_of_aiocoap_is_acknowledged_with_both_algorithms() {
    let platform = platform();
    for algorithm in ALGORITHMS {
        let device = device(&platform, "detector", algorithm);
        let mut peer = Peer::device(&device, platform.coap).unwrap();
        let (code, payload) =
            peer.request("post", "u", Some(SENML_CBOR), &senml(&[("gas", 0.4), ("bat", 91.0)])).unwrap();
        assert_eq!((code.as_str(), payload), ("2.04", vec![]), "{algorithm}");
    }
    assert_eq!(platform.counter("davy_uplinks_total").unwrap(), 2.0);
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn a_payload_of_several_kilobytes_arrives_by_block1() {
    let platform = platform();
    // 400 readings with their times are about 8 KB: eight blocks.
    let mut bytes = Vec::new();
    let mut cbor = minicbor::Encoder::new(&mut bytes);
    cbor.array(400).unwrap();
    for at in 0..400 {
        cbor.map(3).unwrap().u8(0).unwrap().str("gas").unwrap().u8(2).unwrap().f64(f64::from(at % 4)).unwrap();
        cbor.u8(6).unwrap().f64(f64::from(at) - 400.0).unwrap();
    }
    assert!(bytes.len() > 4 * 1024, "{}", bytes.len());
    for (algorithm, readings) in ALGORITHMS.into_iter().zip([400.0, 800.0]) {
        let mut peer = Peer::device(&device(&platform, "detector", algorithm), platform.coap).unwrap();
        let (code, _) = peer.request("post", "u", Some(SENML_CBOR), &bytes).unwrap();
        assert_eq!(code, "2.04", "{algorithm}");
        assert_eq!(platform.counter("davy_readings_total").unwrap(), readings, "{algorithm}");
    }
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn a_leak_closes_the_observing_valve_and_the_answer_is_verified() {
    let platform = platform();
    for algorithm in ALGORITHMS {
        let valve = device(&platform, "valve", algorithm);
        let detector = platform.devices.iter().find(|each| each.links.contains(&valve.serial)).unwrap();
        closes_the_observing_valve(&platform, detector, &valve);
    }
}

fn closes_the_observing_valve(platform: &Platform, detector: &Credential, valve: &Credential) {
    let mut at_valve = Peer::device(valve, platform.coap).unwrap();
    assert_eq!(at_valve.request("post", "u", Some(SENML_CBOR), &senml(&[("valve", 0.0)])).unwrap().0, "2.04");
    let first = at_valve.order(serde_json::json!({"do": "observe", "method": "get", "path": "c"})).unwrap();
    assert_eq!((first["code"].as_str(), first["payload"].as_str()), (Some("2.05"), Some("")), "{first}");

    let mut at_detector = Peer::device(detector, platform.coap).unwrap();
    let (code, _) = at_detector.request("post", "u", Some(SENML_CBOR), &senml(&[("gas", 62.0)])).unwrap();
    assert_eq!(code, "2.04");

    let commands: Vec<PendingCommand> =
        decode_pending(&at_valve.notification(Duration::from_secs(10)).unwrap()).unwrap();
    assert_eq!(commands.len(), 1);
    let close = &commands[0];
    assert_eq!(close.action, Action::Close);

    // Accepted, actuated, and a reading that shows the valve closed.
    let outcome = |outcome: u8| {
        let mut bytes = Vec::new();
        let at_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        let mut cbor = minicbor::Encoder::new(&mut bytes);
        cbor.array(3).unwrap().u64(close.counter).unwrap().u8(outcome).unwrap().i64(at_ms).unwrap();
        bytes
    };
    let path = format!("c/{}", close.id.raw());
    for step in [1, 2] {
        assert_eq!(at_valve.request("post", &path, Some(60), &outcome(step)).unwrap().0, "2.04");
    }
    let (code, pending) = at_valve.request("post", "u", Some(SENML_CBOR), &senml(&[("valve", 1.0)])).unwrap();
    assert_eq!((code.as_str(), pending), ("2.04", vec![]), "nothing is pending once the close is verified");
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn the_same_datagram_again_gets_the_same_bytes_and_is_stored_once() {
    let platform = platform();
    for (algorithm, uplinks) in ALGORITHMS.into_iter().zip([1.0, 2.0]) {
        let mut peer = Peer::device(&device(&platform, "detector", algorithm), platform.coap).unwrap();
        let datagram = peer.protect("u", SENML_CBOR, &senml(&[("gas", 0.2)])).unwrap();
        let first = peer.datagram("a", &datagram).unwrap();
        assert_eq!(first["inner"], "2.04", "{algorithm}: {first}");
        let again = peer.datagram("a", &datagram).unwrap();
        assert_eq!(again["reply"], first["reply"], "{algorithm}");
        assert_eq!(platform.counter("davy_uplinks_total").unwrap(), uplinks, "{algorithm}");
    }
}

/// Hands datagrams on between one client and a server, but for the server's first answer. Ends with the test.
fn relay_that_loses_the_first_answer(server: SocketAddr) -> SocketAddr {
    let here = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let there = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    there.connect(server).unwrap();
    let address = here.local_addr().unwrap();
    let (back, onwards) = (here.try_clone().unwrap(), there.try_clone().unwrap());
    let client = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&client);
    std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = here.recv_from(&mut buffer) {
            *heard.lock().unwrap() = Some(from);
            onwards.send(&buffer[..length]).unwrap();
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        let mut lost = false;
        while let Ok(length) = there.recv(&mut buffer) {
            if !std::mem::replace(&mut lost, true) {
                continue;
            }
            let to = client.lock().unwrap().unwrap();
            back.send_to(&buffer[..length], to).unwrap();
        }
    });
    address
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn aiocoap_sends_again_what_was_not_answered_and_it_is_stored_once() {
    let platform = platform();
    for (algorithm, uplinks) in ALGORITHMS.into_iter().zip([1.0, 2.0]) {
        let relay = relay_that_loses_the_first_answer(platform.coap);
        let mut peer = Peer::device(&device(&platform, "detector", algorithm), relay).unwrap();
        let (code, _) = peer.request("post", "u", Some(SENML_CBOR), &senml(&[("gas", 0.3)])).unwrap();
        assert_eq!(code, "2.04", "{algorithm}");
        assert_eq!(platform.counter("davy_uplinks_total").unwrap(), uplinks, "{algorithm}");
    }
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn aiocoap_is_told_what_there_is() {
    let platform = platform();
    let mut peer = Peer::device(&device(&platform, "detector", "A128GCM"), platform.coap).unwrap();
    let (code, links) = peer.request("get", ".well-known/core", None, b"").unwrap();
    assert_eq!(code, "2.05");
    let links = String::from_utf8(links).unwrap();
    assert!(links.contains("</u>") && links.contains("</c>"), "{links}");
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn a_replayed_datagram_is_refused() {
    let platform = platform();
    for (algorithm, uplinks) in ALGORITHMS.into_iter().zip([1.0, 2.0]) {
        let mut peer = Peer::device(&device(&platform, "detector", algorithm), platform.coap).unwrap();
        let datagram = peer.protect("u", SENML_CBOR, &senml(&[("gas", 0.2)])).unwrap();
        assert_eq!(peer.datagram("a", &datagram).unwrap()["inner"], "2.04", "{algorithm}");
        // Another message id and another source: no retransmission, but what somebody recorded.
        let mut bytes = Credential::bytes(&datagram);
        bytes[2] ^= 0x55;
        let replayed = peer.datagram("b", &crate::peer::hex(&bytes)).unwrap();
        assert_eq!(replayed["code"], "4.01", "{algorithm}: {replayed}");
        assert_eq!(platform.counter("davy_uplinks_total").unwrap(), uplinks, "{algorithm}");
    }
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn a_wrong_key_is_refused() -> Result<()> {
    let platform = platform();
    for algorithm in ALGORITHMS {
        let mut device = device(&platform, "detector", algorithm);
        device.secret = "00".repeat(16);
        let mut peer = Peer::device(&device, platform.coap)?;
        let datagram = peer.protect("u", SENML_CBOR, &senml(&[("gas", 0.2)]))?;
        let refused = peer.datagram("a", &datagram)?;
        assert_eq!(refused["code"], "4.00", "{algorithm}: {refused}");
    }
    assert_eq!(platform.counter("davy_uplinks_total")?, 0.0);
    Ok(())
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn bad_senml_is_refused_with_the_record_and_the_reason() {
    let platform = platform();
    let device = device(&platform, "detector", "A128GCM");
    let mut peer = Peer::device(&device, platform.coap).unwrap();
    let (code, reason) = peer.request("post", "u", Some(SENML_CBOR), b"\xff\xff").unwrap();
    assert_eq!(code, "4.00");
    assert!(!reason.is_empty(), "a refusal says why");
    let (code, _) = peer.request("post", "u", Some(0), b"hello").unwrap();
    assert_eq!(code, "4.15", "another content format is named as what it is");
    let (code, _) = peer.request("post", "nowhere", Some(SENML_CBOR), b"").unwrap();
    assert_eq!(code, "4.04");
}
