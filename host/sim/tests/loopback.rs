//! The fleet and the load against a platform made of the server role of our own CoAP: the real protocol over real sockets, with a
//! platform that knows only to acknowledge, to order a close on a leak's reading and to remember what it was told.

// A test's helpers fail the test they are called from.
#![allow(clippy::unwrap_used)]

use davy_coap::{
    Code, Endpoint, EndpointConfig, Event, ObservationId, Response,
    oscore::{Algorithm, Params, ReplayState, SecurityContext},
};
use davy_domain::{Action, CommandId, Quantity, Span, Timestamp, command::DeviceOutcome, senml, wire};
use davy_sim::{
    credential::Credential,
    fleet::{Control, Fleet, FleetConfig, ToldLog},
    load::{LoadConfig, Rate},
};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex, atomic::AtomicBool, atomic::Ordering, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

fn now() -> Timestamp {
    Timestamp::from_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}

/// One credential as provisioning writes it.
fn entry(number: usize, serial: &str, kind: &str, interval_ms: u64, sleepy: bool, premises: &str) -> serde_json::Value {
    serde_json::json!({
        "tenant_context": "0000000000000007",
        "kid": format!("{number:06x}"),
        "master_secret": format!("{:032x}", 0xA5A5_0000_u128 + number as u128),
        "master_salt": format!("{number:016x}"),
        "algorithm": if number.is_multiple_of(3) { "aes-ccm-16-64-128" } else { "a128gcm" },
        "serial": serial,
        "kind": kind,
        "device": format!("dev_{number}"),
        "links": [],
        "interval_ms": interval_ms,
        "sleepy": sleepy,
        "premises": premises,
        "parent": null,
    })
}

fn city(homes: usize) -> String {
    let mut list = Vec::new();
    for home in 0..homes {
        let premises = format!("home-{home}");
        list.push(entry(3 * home, &format!("D{home}"), "detector", 800, false, &premises));
        list.push(entry(3 * home + 1, &format!("V{home}"), "valve", 1_000, false, &premises));
        list.push(entry(3 * home + 2, &format!("M{home}"), "meter", 1_500, true, &premises));
    }
    serde_json::to_string(&list).unwrap()
}

#[derive(Default)]
struct Memory {
    /// SHA-256 of every payload that was acknowledged.
    stored: HashSet<String>,
    closed: HashSet<String>,
    outcomes: Vec<DeviceOutcome>,
    refused: Vec<String>,
}

struct Platform {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Platform {
    fn start(json: &str) -> Self {
        let list: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let memory = Arc::new(Mutex::new(Memory::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (memory, stop) = (memory.clone(), stop.clone());
            move || serve(&list, &socket, &memory, &stop)
        });
        Self { address, memory, stop, thread: Some(thread) }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn serve(list: &[serde_json::Value], socket: &UdpSocket, memory: &Mutex<Memory>, stop: &AtomicBool) {
    let mut endpoint = Endpoint::new(EndpointConfig::server(), [7; 32]);
    let mut devices = HashMap::new();
    for each in list {
        let field = |name: &str| each[name].as_str().unwrap().to_owned();
        let context = SecurityContext::derive(Params {
            master_secret: &unhex(&field("master_secret")),
            master_salt: &unhex(&field("master_salt")),
            id_context: Some(&unhex(&field("tenant_context"))),
            sender_id: b"s",
            recipient_id: &unhex(&field("kid")),
            algorithm: if field("algorithm") == "a128gcm" { Algorithm::A128Gcm } else { Algorithm::AesCcm16_64_128 },
            replay: ReplayState::default(),
        });
        devices.insert(endpoint.add_context(context.unwrap()), (field("serial"), field("kind"), field("premises")));
    }
    let mut observers: HashMap<String, ObservationId> = HashMap::new();
    let mut pending: HashMap<String, wire::PendingCommand> = HashMap::new();
    let mut counter = 0;
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut buffer) {
            Ok((len, peer)) => endpoint.handle_datagram(Instant::now(), peer, &buffer[..len]),
            Err(_) => endpoint.handle_timeout(Instant::now()),
        }
        while let Some(event) = endpoint.poll_event() {
            match event {
                Event::Request { exchange, context: Some(context), request, .. } => {
                    let (serial, kind, premises) = devices[&context].clone();
                    let mut memory = memory.lock().unwrap();
                    let mut reply = Response::new(Code::CHANGED);
                    if request.path == "u" {
                        memory.stored.insert(hex(&Sha256::digest(&request.payload)));
                        match senml::decode(&request.payload, now()) {
                            Ok(uplink) => {
                                let readings = || uplink.parts.iter().flat_map(|part| &part.readings);
                                if kind == "detector"
                                    && readings().any(|r| r.quantity == Quantity::Gas && r.value >= 25.0)
                                {
                                    for (other, _, _) in
                                        devices.values().filter(|(_, kind, at)| kind != "detector" && *at == premises)
                                    {
                                        counter += 1;
                                        pending.entry(other.clone()).or_insert(wire::PendingCommand {
                                            id: CommandId::from_raw(counter),
                                            action: Action::Close,
                                            counter: counter as u64,
                                            deadline: now() + Span::from_secs(30),
                                            child: None,
                                        });
                                        if let Some(observation) = observers.get(other) {
                                            let body = wire::encode_pending(&[pending[other].clone()]);
                                            let _ = endpoint.notify(
                                                Instant::now(),
                                                *observation,
                                                Response::content(60, body),
                                                true,
                                            );
                                        }
                                    }
                                }
                                if readings().any(|r| r.quantity == Quantity::Valve && r.value == 1.0) {
                                    memory.closed.insert(serial.clone());
                                }
                            }
                            Err(error) => memory.refused.push(error.to_string()),
                        }
                        if let Some(command) = pending.get(&serial).filter(|_| !memory.closed.contains(&serial)) {
                            reply = Response::changed(60, wire::encode_pending(std::slice::from_ref(command)));
                        }
                    } else if request.path == "c" {
                        reply = Response::content(60, Vec::new());
                    } else {
                        match wire::decode_outcome(&request.payload) {
                            Ok(report) => memory.outcomes.push(report.outcome),
                            Err(error) => memory.refused.push(error.to_string()),
                        }
                    }
                    endpoint.respond(Instant::now(), exchange, reply).unwrap();
                }
                Event::ObservationRegistered { observation, context: Some(context), .. } => {
                    observers.insert(devices[&context].0.clone(), observation);
                }
                _ => {}
            }
        }
        while let Some(transmit) = endpoint.poll_transmit() {
            let _ = socket.send_to(&transmit.payload, transmit.peer);
        }
    }
}

fn fleet(platform: &Platform, seconds: u64) -> FleetConfig {
    let mut config = FleetConfig::new(platform.address, now());
    config.runs_for = Some(Duration::from_secs(seconds));
    config.world.firmware.pace = 60.0;
    config.world.nuisance_per_meal = 0.0;
    config.world.firmware.reboots_every = None;
    config
}

#[test]
fn leaks_are_told_closed_and_proven_and_everything_acknowledged_is_on_the_other_side() {
    let json = city(6);
    let platform = Platform::start(&json);
    let credentials = Credential::read(json.as_bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("told");
    let mut config = fleet(&platform, 22);
    config.leak_every = Some(Duration::from_secs(2));
    config.first_leak_after = Duration::from_secs(3);
    config.settle = Duration::from_secs(15);
    let (_sender, controls) = mpsc::channel();
    let fleet = Fleet::open(config, &credentials, Some(ToldLog::create(&log).unwrap())).unwrap();
    let report = fleet.run(&controls, &AtomicBool::new(false), |_| {}).unwrap();

    let memory = platform.memory.lock().unwrap();
    assert!(memory.refused.is_empty(), "{:?}", memory.refused);
    assert!(report.leaks_injected >= 2, "{report:?}");
    assert_eq!(report.leaks_proven, report.leaks_injected, "{report:#?}");
    assert_eq!(report.leaks_all_proven, report.leaks_injected, "{report:#?}");
    assert_eq!(report.leak_to_close_ms.count, report.leaks_injected);
    assert_eq!((report.lost, report.totals.answers_not_authentic), (0, 0), "{report:#?}");
    assert!(memory.outcomes.contains(&DeviceOutcome::Accepted) && memory.outcomes.contains(&DeviceOutcome::Actuated));
    let told = std::fs::read_to_string(log).unwrap();
    assert_eq!(told.lines().count() as u64, report.uplinks_acked);
    for line in told.lines() {
        let digest = line.split(' ').nth(4).unwrap();
        assert!(memory.stored.contains(digest), "told but not stored: {line}");
    }
}

#[test]
fn loss_and_reboots_end_no_sequence_and_no_leak() {
    let json = city(3);
    let platform = Platform::start(&json);
    let credentials = Credential::read(json.as_bytes()).unwrap();
    let mut config = fleet(&platform, 25);
    config.radio_loss = 0.05;
    let (sender, controls) = mpsc::channel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        for serial in ["D0", "V0", "V1", "M2"] {
            sender.send(Control::Reboot { serial: serial.to_owned() }).unwrap();
        }
        std::thread::sleep(Duration::from_secs(9));
        sender.send("leak home-1 sudden".parse().unwrap()).unwrap();
        // Kept until the fleet has ended.
        std::thread::sleep(Duration::from_secs(20));
    });
    let fleet = Fleet::open(config, &credentials, None).unwrap();
    let report = fleet.run(&controls, &AtomicBool::new(false), |_| {}).unwrap();
    assert_eq!(report.totals.reboots, 4);
    assert!(report.totals.datagrams_lost > 0);
    // A number used twice would be refused as a replay.
    assert_eq!(report.totals.uplinks_refused, 0, "{report:#?}");
    assert_eq!((report.leaks_injected, report.leaks_proven), (1, 1), "{report:#?}");
}

#[test]
fn a_load_is_acknowledged_while_a_probe_leaks_beside_it() {
    let json = city(8);
    let platform = Platform::start(&json);
    let credentials = Credential::read(json.as_bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("told");
    let config = LoadConfig {
        server: platform.address,
        rate: Rate::PerSecond(300.0),
        warm_up: Duration::from_millis(500),
        measures_for: Duration::from_secs(10),
        window: 32,
        readings: 4,
        sockets: 4,
        start: now(),
        probe_leaks: 2,
    };
    let told = ToldLog::create(&log).unwrap();
    let report = davy_sim::load::run(&config, &credentials, Some(told), &AtomicBool::new(false)).unwrap();
    assert_eq!((report.refused, report.not_authentic, report.lost), (0, 0, 0), "{report:#?}");
    assert!(report.acked >= 2_500, "{report:#?}");
    assert_eq!(report.devices, 18);
    let probe = report.probe.unwrap();
    assert_eq!(probe.leaks_injected, 2);
    assert_eq!(probe.leak_to_close_ms.count, 2, "{probe:#?}");
    let memory = platform.memory.lock().unwrap();
    assert!(memory.refused.is_empty(), "{:?}", memory.refused);
    for line in std::fs::read_to_string(log).unwrap().lines() {
        assert!(memory.stored.contains(line.split(' ').nth(4).unwrap()));
    }
}
