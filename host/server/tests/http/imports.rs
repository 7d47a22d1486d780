//! Devices that are added while the server runs: by a file or a form, whole or not at all, and their keys once.

use crate::city::{Answer, Browser, City, city};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use davy_coap::oscore::{Algorithm, Params, ReplayState, ReplayWindow, SecurityContext};
use davy_coap::{Code, Endpoint, EndpointConfig, Event, Request};
use davy_server::keys::from_hex;
use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

async fn upload(browser: &mut Browser, csv: &str) -> Answer {
    let request = browser.request(Method::POST, "/api/v1/device-imports?name=list.csv");
    let request = request.header("content-type", "text/csv").body(Body::from(csv.to_owned())).unwrap();
    browser.send(request).await
}

/// The import once it has ended.
async fn ended(browser: &mut Browser, id: &str) -> Value {
    for _ in 0..600 {
        let import = browser.get(&format!("/api/v1/device-imports/{id}")).await.json();
        if !matches!(import["state"].as_str(), Some("checking" | "entering")) {
            return import;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} did not end")
}

pub(crate) async fn add(browser: &mut Browser, csv: &str) -> Value {
    let answer = upload(browser, csv).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    ended(browser, answer.json()["id"].as_str().unwrap()).await
}

/// One uplink of gas in percent of the lower explosive limit, as the device of this credential; returns the answer's code.
pub(crate) async fn measured(city: &City, credential: &Value, gas: u8) -> Result<Code, String> {
    let (server, credential) = (city.coap, credential.clone());
    tokio::task::spawn_blocking(move || measure(server, &credential, gas)).await.unwrap()
}

fn measure(server: SocketAddr, credential: &Value, gas: u8) -> Result<Code, String> {
    let bytes = |name: &str| from_hex(credential[name].as_str().unwrap()).unwrap();
    let mut context = SecurityContext::derive(Params {
        master_secret: &bytes("master_secret"),
        master_salt: &bytes("master_salt"),
        id_context: Some(&bytes("tenant_context")),
        sender_id: &bytes("kid"),
        recipient_id: b"s",
        algorithm: Algorithm::A128Gcm,
        replay: ReplayState::Synced(ReplayWindow::default()),
    })
    .unwrap();
    context.set_sender_sequence(credential["first_sequence"].as_u64().unwrap_or(5));
    let mut endpoint = Endpoint::new(EndpointConfig::client(), [7; 32]);
    let context = endpoint.add_context(context);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut request = Request::new(Code::POST, "u");
    request.content_format = Some(112);
    request.payload = vec![0x81, 0xa2, 0x00, 0x63, b'g', b'a', b's', 0x02, 0x18, gas];
    let begun = Instant::now();
    endpoint.request(begun, server, Some(context), request).unwrap();
    let mut buffer = [0; 2048];
    while begun.elapsed() < Duration::from_secs(30) {
        while let Some(datagram) = endpoint.poll_transmit() {
            socket.send_to(&datagram.payload, datagram.peer).unwrap();
        }
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            endpoint.handle_datagram(Instant::now(), peer, &buffer[..length]);
        }
        endpoint.handle_timeout(Instant::now());
        while let Some(event) = endpoint.poll_event() {
            match event {
                Event::Response { response, .. } => return Ok(response.code),
                Event::RequestFailed { reason, .. } => return Err(reason.to_string()),
                _ => {}
            }
        }
    }
    panic!("no answer came")
}

pub(crate) fn find<'a>(credentials: &'a Value, serial: &str) -> &'a Value {
    credentials.as_array().unwrap().iter().find(|each| each["serial"] == serial).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_adds_a_new_home_and_a_detector_in_one_that_runs_and_both_speak_at_once() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let home = city.premises["a-flat"];
    let csv = format!(
        "serial,kind,model,premises,address,lon,lat,division,links\nV9,valve,QF,new,新街 9 号,120.1,30.2,330106,\n\
         D9,detector,TC,new,,,,,V9\nD3,detector,TC,{home},,,,,V2\n"
    );
    let import = add(&mut operator, &csv).await;
    assert_eq!((import["state"].as_str(), import["devices"].as_u64()), (Some("entered"), Some(3)), "{import}");
    assert_eq!(import["has_credentials"], true);

    let path = format!("/api/v1/device-imports/{}/credentials", import["id"].as_str().unwrap());
    let stranger = city.operator("b").await.post(&path, &Value::Null).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    let taken = operator.post(&path, &Value::Null).await;
    assert_eq!((taken.status, taken.headers["cache-control"].as_bytes()), (StatusCode::OK, b"no-store".as_slice()));
    let credentials = taken.json();
    let again = operator.post(&path, &Value::Null).await;
    assert_eq!((again.status, again.problem().as_str()), (StatusCode::GONE, "gone"));

    for (serial, valve) in [("D9", "V9"), ("D3", "V2")] {
        let credential = find(&credentials, serial).clone();
        let valve = match valve {
            "V2" => city.devices["a-V2"].to_string(),
            other => find(&credentials, other)["device"].as_str().unwrap().to_owned(),
        };
        let id = credential["device"].as_str().unwrap().to_owned();
        let code = measured(&city, &credential, 40).await;
        assert_eq!(code, Ok(Code::CHANGED), "{serial}");
        let alarms = operator.get("/api/v1/alarms").await.json();
        assert!(alarms["items"].as_array().unwrap().iter().any(|alarm| alarm["device"] == id.as_str()), "{alarms}");
        let valve = operator.get(&format!("/api/v1/devices/{valve}")).await.json();
        assert_eq!(valve["commands"].as_array().map(Vec::len), Some(1), "{valve}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_one_fault_adds_nothing_and_says_where_the_fault_is() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let before = operator.get("/api/v1/devices").await.json()["total"].clone();
    let foreign = city.premises["b-home"];
    let csv = format!(
        "serial,kind,model,premises,address,lon,lat,links,kid\nV8,valve,QF,n,road,120,30,,\nD1,detector,TC,n,,,,V8,\n\
         D7,detector,TC,{foreign},,,,,\nD6,detector,TC,n,,,,\"V1 V2\",00000001\n=D5,detector,TC,n,,,,=X,\n"
    );
    let import = add(&mut operator, &csv).await;
    assert_eq!((import["state"].as_str(), import["devices"].as_u64()), (Some("refused"), Some(0)), "{import}");
    let places: Vec<_> = import["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["line"].as_u64().unwrap(), it["column"].as_str().unwrap()))
        .collect();
    for place in [(3, "serial"), (4, "premises"), (5, "kid"), (5, "links"), (6, "links")] {
        assert!(places.contains(&place), "{place:?} in {import}");
    }
    assert_eq!(operator.get("/api/v1/devices").await.json()["total"], before);
    let id = import["id"].as_str().unwrap();
    let report = operator.get(&format!("/api/v1/device-imports/{id}/report")).await;
    assert_eq!(report.headers["content-type"], "text/csv; charset=utf-8");
    assert!(report.text().starts_with("\u{feff}line,column,fault\n"), "{}", report.text());
    for stranger in [&mut city.operator("b").await, &mut city.regulator().await, &mut city.resident("a").await] {
        for path in [format!("/api/v1/device-imports/{id}"), format!("/api/v1/device-imports/{id}/report")] {
            let status = stranger.get(&path).await.status;
            assert!(matches!(status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN), "{path} gave {status}");
        }
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_adds_one_device_and_its_page_hands_the_keys_over_once() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let home = city.premises["a-home"].to_string();
    let fields =
        [("csrf", csrf.as_str()), ("serial", "X1"), ("kind", "detector"), ("model", "TC"), ("premises", &home)];
    let answer = operator.form("/actions/devices/add", &fields).await;
    assert_eq!(answer.location(), "/devices/add?done=import");
    let listed = operator.get("/api/v1/device-imports").await.json();
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ended(&mut operator, &id).await["state"], "entered");
    let page = operator.get("/devices/add").await.text();
    assert!(page.contains("data-testid=\"take-keys\"") && page.contains("X1"), "{page}");
    let answer = operator.form("/actions/devices/credentials", &[("csrf", "wrong"), ("import", &id)]).await;
    assert_eq!(answer.location(), "/devices/add?error=csrf");
    let keys = operator.form("/actions/devices/credentials", &[("csrf", &csrf), ("import", &id)]).await;
    assert_eq!(keys.json()[0]["serial"], "X1");
    let answer = operator.form("/actions/devices/credentials", &[("csrf", &csrf), ("import", &id)]).await;
    assert_eq!(answer.location(), "/devices/add?error=gone");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_stored_in_the_clear_or_said_by_any_other_answer() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let (secret, salt) = ("5ec2e75ec2e75ec2e75ec2e75ec2e7aa", "5a17a05a17a05a17");
    let csv = format!(
        "serial,kind,model,lon,lat,kid,master_secret,master_salt\nK1,detector,TC,120,30,aabbcc,{secret},{salt}\n"
    );
    let import = add(&mut operator, &csv).await;
    assert_eq!(import["state"], "entered", "{import}");
    let mut said = import.to_string();
    for path in ["/api/v1/device-imports", "/api/v1/devices", "/devices/add", "/devices", "/metrics"] {
        said += &operator.get(path).await.text();
    }
    assert!(!said.contains(secret) && !said.contains(salt));
    let folder = city.stop().await;
    let (raw, raw_salt) = (from_hex(secret).unwrap(), from_hex(salt).unwrap());
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        let holds = |what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
        assert!(!holds(&raw) && !holds(secret.as_bytes()) && !holds(&raw_salt) && !holds(salt.as_bytes()));
        files += usize::from(!bytes.is_empty());
    }
    assert!(files >= 2, "database and key file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once_and_a_new_one_takes_its_place() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let import = add(&mut operator, "serial,kind,model,lon,lat\nR1,detector,TC,120,30\n").await;
    let path = format!("/api/v1/device-imports/{}/credentials", import["id"].as_str().unwrap());
    let first = operator.post(&path, &Value::Null).await.json()[0].clone();
    let key = format!("/api/v1/devices/{}/key", first["device"].as_str().unwrap());
    assert_eq!(measured(&city, &first, 1).await, Ok(Code::CHANGED));
    for stranger in [&mut city.operator("b").await, &mut city.resident("a").await] {
        for act in ["revoke", "replace"] {
            let status = stranger.post(&format!("{key}/{act}"), &Value::Null).await.status;
            assert!(matches!(status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN), "{act} gave {status}");
        }
    }

    let mut later = first.clone();
    later["first_sequence"] = 50.into();
    assert_eq!(measured(&city, &later, 1).await, Ok(Code::CHANGED), "nobody has revoked it yet");
    assert_eq!(operator.post(&format!("{key}/revoke"), &Value::Null).await.status, StatusCode::NO_CONTENT);
    let state = operator.get(&key).await.json();
    assert!(state["has_key"] == false && state["changed_at"].is_i64(), "{state}");
    later["first_sequence"] = 60.into();
    let refused = measured(&city, &later, 40).await.unwrap_err();
    assert!(refused.contains("4.01 Security context not found"), "{refused}");
    // Nobody hears it, and somebody is told.
    let mut noticed = Value::Null;
    for _ in 0..200 {
        noticed = operator.get(&key).await.json();
        if noticed["spoke_at"].is_i64() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(noticed["spoke_times"], 1, "{noticed}");
    let page = operator.get(&format!("/devices/{}", first["device"].as_str().unwrap())).await.text();
    assert!(page.contains("data-testid=\"spoke\""), "{page}");

    let second = operator.post(&format!("{key}/replace"), &Value::Null).await.json()[0].clone();
    assert_eq!((&second["kid"], &second["serial"]), (&first["kid"], &first["serial"]));
    assert_ne!(second["master_secret"], first["master_secret"]);
    assert_eq!(measured(&city, &second, 1).await, Ok(Code::CHANGED));
    later["first_sequence"] = (second["first_sequence"].as_u64().unwrap() + 10).into();
    let refused = measured(&city, &later, 40).await.unwrap_err();
    assert!(refused.contains("4.00 Decryption failed"), "{refused}");
    let alarms = operator.get("/api/v1/alarms").await.json();
    assert!(!alarms.to_string().contains(first["device"].as_str().unwrap()), "what it said was heard: {alarms}");
    let state = operator.get(&key).await.json();
    assert!(state["has_key"] == true && state["spoke_at"].is_null(), "{state}");
    let ledger = operator.get("/api/v1/ledger?kind=provisioning").await.text();
    for act in ["provisioned", "keys-taken", "key-revoked", "revoked-spoke", "key-replaced"] {
        assert_eq!(
            ledger.matches(&format!("\"kind\":\"{act}\"")).count(),
            if act == "provisioned" { 2 } else { 1 },
            "{act}: {ledger}"
        );
    }
    city.stop().await;
}
