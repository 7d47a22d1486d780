//! Stored decisions made again: a leak through the real server, explained by the real `davyctl`.

use davy_city::Plan;
use davy_coap::oscore::{Algorithm, Params, ReplayState, ReplayWindow, SecurityContext};
use davy_coap::{Code, Endpoint, EndpointConfig, Event, Request};
use davy_domain::senml::{Part, encode};
use davy_domain::{AlarmId, Quantity, Reading, Span, Timestamp};
use davy_store::{Store, StoreOptions};
use davy_tests::credentials::Credential;
use davy_tests::platform::{PASSWORD, Platform};
use davy_tests::programs;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reports gas as the device would, and waits until that is stored.
fn report(platform: &Platform, device: &Credential, values: &[f64]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let now = Timestamp::from_millis(i64::try_from(now).expect("before the year 292 million"));
    let context = SecurityContext::derive(Params {
        master_secret: &Credential::bytes(&device.secret),
        master_salt: &Credential::bytes(&device.salt),
        id_context: Some(&Credential::bytes(&device.id_context)),
        sender_id: &Credential::bytes(&device.kid),
        recipient_id: &[0x73],
        algorithm: if device.algorithm == "A128GCM" { Algorithm::A128Gcm } else { Algorithm::AesCcm16_64_128 },
        replay: ReplayState::Synced(ReplayWindow::new()),
    })
    .unwrap();
    let mut endpoint = Endpoint::new(EndpointConfig::client(), rand::random());
    let context = endpoint.add_context(context);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for (at, value) in values.iter().enumerate() {
        let taken = now - Span::from_secs((values.len() - at) as i64);
        let readings = vec![Reading::new(Quantity::Gas, *value, taken).unwrap()];
        let request = Request::post("u", 112, encode(&[Part { child: None, readings }]));
        endpoint.request(Instant::now(), platform.coap, Some(context), request).unwrap();
        let begun = Instant::now();
        let mut stored = false;
        let mut buffer = [0; 2048];
        while !stored {
            assert!(begun.elapsed() < Duration::from_mins(1), "the uplink was not answered");
            while let Some(datagram) = endpoint.poll_transmit() {
                socket.send_to(&datagram.payload, datagram.peer).unwrap();
            }
            if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                endpoint.handle_datagram(Instant::now(), peer, &buffer[..length]);
            }
            endpoint.handle_timeout(Instant::now());
            while let Some(event) = endpoint.poll_event() {
                match event {
                    Event::Response { response, .. } => {
                        assert_eq!(response.code, Code::CHANGED);
                        stored = true;
                    }
                    Event::RequestFailed { reason, .. } => panic!("the uplink failed: {reason}"),
                    _ => {}
                }
            }
        }
    }
}

/// A platform on which the first company's first detector has had a leak; with the device and its alarm of gas.
fn after_a_leak() -> (Platform, Credential, AlarmId) {
    let mut platform = Platform::with_example_rule(&Plan::small(3)).unwrap();
    platform.start().unwrap();
    let detector = platform.devices.iter().find(|device| device.kind == "detector" && device.premises.is_some());
    let detector = detector.expect("the city has detectors").clone();
    report(&platform, &detector, &[0.4, 12.0, 33.3, 61.7]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let alarm = runtime.block_on(async {
        let store = Store::connect(&platform.url, &StoreOptions::default()).await.unwrap();
        let active = store.tenant(detector.tenant.parse().unwrap()).active_alarms(10).await.unwrap();
        let leak = active.iter().find(|stored| stored.alarm.condition.is_leak()).expect("the leak is alarmed").alarm.id;
        // The words that the example rule has for it came with it.
        let said = store.tenant(detector.tenant.parse().unwrap()).words_of(&active).await.unwrap();
        let text = said.get(&leak).and_then(|words| words.text.as_ref()).expect("the rule says why");
        assert!(!text.zh.is_empty() && !text.en.is_empty(), "{text:?}");
        store.close().await;
        leak
    });
    (platform, detector, alarm)
}

/// `davyctl explain` as somebody; its exit code and what it said.
fn explain(platform: &Platform, alarm: AlarmId, email: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(programs::program("davyctl").unwrap())
        .args(["explain", &alarm.to_string(), "--server", &format!("http://{}", platform.http), "--email", email])
        .args(more)
        .env("DAVY_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_leaks_decisions_come_out_the_same_for_everybody_who_may_see_the_alarm() {
    let (mut platform, _, alarm) = after_a_leak();
    for role in ["dispatcher", "regulator"] {
        let (code, said) = explain(&platform, alarm, &platform.person(role).unwrap().email, &[]);
        assert_eq!(code, Some(0), "{role}: {said}");
        for words in [
            "household-leak",
            "identical",
            "floor     cn-household-gas",
            "gas 33.3 %LEL",
            "closed    the linked valves",
        ] {
            assert!(said.contains(words), "{role}: expected {words:?} in\n{said}");
        }
        assert!(!said.contains("DIFFERENT"), "{role}: {said}");
    }
    let stranger = platform.people.iter().rfind(|person| person.role == "dispatcher").unwrap().email.clone();
    let (code, said) = explain(&platform, alarm, &stranger, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("404"), "{said}");
    platform.stop().unwrap();
}

#[test]
fn what_is_exported_replays_without_the_server_and_shows_what_was_altered() {
    let (mut platform, _, alarm) = after_a_leak();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("alarm.json");
    let path = bundle.to_str().unwrap().to_owned();
    let dispatcher = platform.person("dispatcher").unwrap().email.clone();
    let (code, said) = explain(&platform, alarm, &dispatcher, &["--export", &path]);
    assert_eq!(code, Some(0), "{said}");
    platform.stop().unwrap();

    let replay = |more: &[&str]| {
        let mut command = Command::new(programs::program("davyctl").unwrap());
        let output = command.arg("replay").arg(&bundle).args(more).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    for more in [&[][..], &["--interpreter"]] {
        let (code, said) = replay(more);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&alarm.to_string()) && said.contains("equal: made again"), "{said}");
    }
    let text = std::fs::read_to_string(&bundle).unwrap();
    assert!(text.contains("davy-bundle/1") && text.contains("cn-household-gas"), "{text}");
    assert_eq!(text.matches("\"component\":").count(), 1, "the component is in it once");
    std::fs::write(&bundle, text.replacen("\"close-valve\": true", "\"close-valve\": false", 1)).unwrap();
    let (code, said) = replay(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("DIFFERENT") && said.contains("close-valve"), "{said}");
}

#[test]
fn a_stored_decision_that_was_tampered_with_is_reported_as_different() {
    let (mut platform, _, alarm) = after_a_leak();
    let dispatcher = platform.person("dispatcher").unwrap().email.clone();
    let path = platform.url.strip_prefix("sqlite:").unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let changed = runtime.block_on(async {
        let mut database = SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
        let sql = "UPDATE decisions SET result = replace(result, '\"close_valve\":true', '\"close_valve\":false') \
                   WHERE id IN (SELECT decision_id FROM decision_alarms WHERE alarm_id = $1) AND result LIKE '%\"close_valve\":true%'";
        sqlx::query(sql).bind(alarm.raw()).execute(&mut database).await.unwrap().rows_affected()
    });
    assert!(changed > 0, "no decision of the alarm closed a valve");
    let (code, said) = explain(&platform, alarm, &dispatcher, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("DIFFERENT") && said.contains("close-valve"), "{said}");
    let (code, said) = explain(&platform, alarm, &dispatcher, &["--json"]);
    assert_eq!(code, Some(1), "{said}");
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["identical"], false);
    let differences =
        json["decisions"].as_array().unwrap().iter().filter_map(|it| it["again"]["differences"].as_array());
    assert_eq!(differences.flatten().filter(|found| found["part"] == "close-valve").count() as u64, changed);
    platform.stop().unwrap();
}
