//! Devices that speak a vendor's own form: from the leak to the proven close, and a driver that fails until a better one comes.

use crate::company::{Company, Engineer};
use davy_coap::{Code, Request, Response};
use davy_tests::device::Device;
use davy_tests::{hostile, programs};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OCTETS: u16 = 42;
/// An alarm like the LF-G55-V, in the first home.
const ALARM: &str = "LZD000000";
/// The meter of that home: its serial number is its address.
const METER: &str = "202600000017";
/// How long something in the background may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first home has devices of two vendors: a leak that the alarm hears closes the meter's valve.
fn company() -> Company {
    Company::with_devices("DAVY_RULES_WAKE_CONDITIONS", "true", |devices| {
        let of = |serial: &str| devices.iter().position(|device| device["serial"] == serial).unwrap();
        let (alarm, meter) = (of(ALARM), of("LZM000000"));
        devices[alarm]["model"] = json!("LF-G55-V");
        devices[alarm]["links"] = json!([METER]);
        devices[meter]["model"] = json!("NB-G2.5");
        devices[meter]["serial"] = json!(METER);
    })
}

fn component(name: &str) -> Vec<u8> {
    std::fs::read(programs::rules().unwrap().join(format!("{name}.wasm"))).unwrap()
}

/// Uploads a driver and brings it into force with a second person.
#[track_caller]
fn in_force(anna: &Engineer, ben: &Engineer, component: &[u8]) -> String {
    let id = anna.upload("/api/v1/rules", component).unwrap()["id"].as_str().unwrap().to_owned();
    approved(anna, ben, &id);
    id
}

#[track_caller]
fn approved(anna: &Engineer, ben: &Engineer, id: &str) {
    anna.until(id, "checked");
    anna.act(id, "propose");
    assert_eq!(anna.act_refused(id, "approve"), "second-person");
    ben.act(id, "approve");
    assert_eq!(anna.rule(id)["version"]["stage"], "active");
}

#[track_caller]
fn says(device: &mut Device, message: Vec<u8>) -> Response {
    device.ask(Request::post("u", OCTETS, message)).unwrap();
    device.responses(1).unwrap().remove(0)
}

/// A line of the alarm, with its check sum.
fn line(body: &str) -> Vec<u8> {
    let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${body}*{sum:02X}\r\n").into_bytes()
}

/// CRC-16/MODBUS.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

/// A frame of the meter.
fn frame(function: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x68, body.len() as u8];
    out.extend(METER.as_bytes().chunks(2).rev().map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')));
    out.push(function);
    out.extend_from_slice(body);
    out.extend_from_slice(&crc(&out).to_le_bytes());
    out.push(0x16);
    out
}

/// Index 12.345 m³, this flow in L/h, 3.6 V, 18.5 °C, this status, −90 dBm.
fn report(flow: u32, status: u16) -> Vec<u8> {
    let mut body = vec![0x45, 0x23, 0x01, 0x00];
    body.extend_from_slice(&flow.to_le_bytes());
    body.extend_from_slice(&3_600_u16.to_le_bytes());
    body.extend_from_slice(&185_i16.to_le_bytes());
    body.extend_from_slice(&status.to_le_bytes());
    body.push(10);
    frame(0x81, &body)
}

fn outcome(counter: u64, result: u8) -> Vec<u8> {
    let mut body = counter.to_le_bytes().to_vec();
    body.push(result);
    frame(0x83, &body)
}

/// The newest value of a quantity.
fn latest(device: &Value, quantity: &str) -> Option<f64> {
    let latest = device["latest"].as_array().unwrap();
    latest.iter().find(|reading| reading["quantity"] == quantity)?["value"].as_f64()
}

#[track_caller]
fn once(mut holds: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it did not come about: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_leak_in_one_vendors_form_closes_a_valve_in_anothers_and_is_proven() {
    let mut company = company();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    let (mut alarm, mut meter) = (company.device(ALARM, 0), company.device(METER, 0));
    // Nobody can read it yet, and nothing is acknowledged that nobody keeps.
    assert_eq!(says(&mut alarm, line("G55,1,5,,21,")).code, Code::UNSUPPORTED_CONTENT_FORMAT);

    let driver = anna.upload("/api/v1/rules", &component("lf-g55v")).unwrap();
    let driver = driver["id"].as_str().unwrap();
    anna.until(driver, "checked");
    for act in ["start-shadow", "start-cohort"] {
        assert_eq!(anna.act_refused(driver, act), "other-world");
    }
    approved(&anna, &ben, driver);
    let meters = in_force(&anna, &ben, &component("vendor-meter"));
    let stages: Vec<_> = [driver, &meters].map(|id| anna.rule(id)["version"]["stage"].clone()).into();
    assert_eq!(stages, ["active", "active"], "drivers of different models are in force beside each other");

    let told = says(&mut meter, report(120, 0));
    assert_eq!((told.code, told.payload.is_empty()), (Code::CHANGED, true));
    // 35 %LEL: above every level of the floor.
    assert_eq!(says(&mut alarm, line("G55,1,350,,21,R")).code, Code::CHANGED);
    assert!(!anna.alarms().is_empty());
    assert_eq!(latest(&anna.get(&format!("/api/v1/devices/{}", company.id_of(ALARM))), "gas"), Some(35.0));

    // The meter sleeps: it hears of the close in the reply to what it sends next, in its own form.
    let told = says(&mut meter, report(120, 0));
    assert_eq!((told.code, told.content_format), (Code::CHANGED, Some(OCTETS)));
    let order = told.payload;
    assert_eq!(order[..9], frame(0x01, &order[9..21])[..9], "a close for this meter: {order:02x?}");
    assert_eq!(order, frame(0x01, &order[9..21]));
    let counter = u64::from_le_bytes(order[9..17].try_into().unwrap());

    let path = format!("/api/v1/devices/{}", company.id_of(METER));
    assert_eq!(says(&mut meter, outcome(counter, 0)).code, Code::CHANGED);
    assert_eq!(says(&mut meter, outcome(counter, 1)).code, Code::CHANGED);
    let state = |anna: &Engineer| anna.get(&path)["commands"][0]["state"].as_str().unwrap().to_owned();
    assert_eq!(state(&anna), "actuated");
    assert!(says(&mut meter, report(0, 1)).payload.is_empty());
    assert_eq!(state(&anna), "verified", "the valve reports closed and nothing flows");
    let before = (anna.alarms(), anna.get(&path)["latest"].clone());
    assert_eq!(latest(&anna.get(&path), "volume"), Some(12.345));
    assert!(anna.rule(&meters)["health"]["calls"].as_u64().unwrap() >= 6, "{}", anna.rule(&meters)["health"]);

    // It is folded again as it was read.
    company.restart();
    let anna = company.engineer("anna");
    assert_eq!((anna.alarms(), anna.get(&path)["latest"].clone()), before);
    let ben = company.engineer("ben");
    // The driver goes, and with it what it could read; its readings stay.
    ben.act(&meters, "roll-back");
    let mut meter = company.device(METER, 1 << 16);
    assert_eq!(says(&mut meter, report(0, 1)).code, Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(anna.get(&path)["latest"], before.1);
    company.stop();
}

#[test]
fn what_a_driver_cannot_read_is_kept_and_read_by_the_next_one() {
    let mut company = company();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    in_force(&anna, &ben, &component("lf-g55v"));
    // It has the name of the one that is to come: the next version of it.
    let traps = in_force(&anna, &ben, &hostile::driver("vendor-meter", "NB-G2.5", hostile::TRAPS).unwrap());
    let mut meter = company.device(METER, 0);
    assert_eq!(says(&mut meter, report(120, 0)).code, Code::CHANGED, "it is stored");
    let quarantine = |anna: &Engineer| anna.get("/api/v1/quarantine");
    let waiting = quarantine(&anna);
    assert_eq!((&waiting["models"][0]["model"], &waiting["models"][0]["waiting"]), (&json!("NB-G2.5"), &json!(1)));
    assert_eq!(waiting["oldest"][0]["serial"], METER);
    assert!(waiting["oldest"][0]["reason"].as_str().unwrap().contains("trap"), "{waiting}");
    let path = format!("/api/v1/devices/{}", company.id_of(METER));
    let alarms = anna.get("/api/v1/alarms?limit=200")["items"].as_array().unwrap().clone();
    assert_eq!(
        (alarms.len(), &alarms[0]["condition"], &alarms[0]["origin"]),
        (1, &json!("rule-fault"), &json!("driver"))
    );
    assert_eq!(latest(&anna.get(&path), "volume"), None);
    assert_eq!(anna.rule(&traps)["health"]["faults"]["trap"], 1);

    // A leak does not wait for a driver: what it cannot write goes out in the platform's own form.
    let mut alarm = company.device(ALARM, 0);
    assert_eq!(says(&mut alarm, line("G55,1,350,,21,R")).code, Code::CHANGED);
    let told = says(&mut meter, report(120, 0));
    assert_eq!((told.code, told.content_format, told.payload.is_empty()), (Code::CHANGED, Some(60), false));

    company.restart();
    let (anna, ben) = (company.engineer("anna"), company.engineer("ben"));
    assert_eq!(quarantine(&anna)["models"][0]["waiting"], 2, "it outlives the process");
    // Still the same driver: still unread.
    anna.post("/api/v1/quarantine/read", &json!({})).unwrap();
    once(|| quarantine(&anna)["oldest"].as_array().unwrap().iter().all(|message| message["tries"] == 2), "tried again");

    let good = in_force(&anna, &ben, &component("vendor-meter"));
    assert_eq!(anna.rule(&traps)["version"]["stage"], "retired", "the newer version has its place");
    let seen = anna.get(&path)["summary"]["last_seen"].clone();
    anna.post("/api/v1/quarantine/read", &json!({"model": "NB-G2.5"})).unwrap();
    once(|| quarantine(&anna)["models"] == json!([]), "read at last");
    let device = anna.get(&path);
    assert_eq!(latest(&device, "volume"), Some(12.345));
    assert_eq!(device["summary"]["last_seen"], seen, "nobody has spoken");
    assert_eq!(anna.rule(&good)["health"]["faults"], json!({}));

    // What the meter says next can be read, and nobody needs to be told any longer.
    let mut meter = company.device(METER, 1 << 16);
    let told = says(&mut meter, report(120, 0));
    assert_eq!((told.code, told.content_format), (Code::CHANGED, Some(OCTETS)), "the close, in its own form now");
    let faults = |anna: &Engineer| {
        let alarms = anna.get("/api/v1/alarms?limit=200")["items"].as_array().unwrap().clone();
        alarms.iter().filter(|alarm| alarm["condition"] == "rule-fault").cloned().collect::<Vec<_>>()
    };
    let left = faults(&anna);
    assert!(left.iter().all(|alarm| alarm["state"] != "unacknowledged"), "{left:?}");
    company.stop();
}
