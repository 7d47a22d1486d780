//! What the load generator can do when the other side does only what physics asks: receive, open, acknowledge, send. The figure to read is
//! the generator's own time for each uplink. `cargo run --release -p davy-sim --example load_ceiling [DEVICES] [WINDOW]`

use davy_coap::{
    Code, MessageType,
    message::{Header, Message, Options},
    option,
    oscore::{
        Algorithm, OscoreOption, Params, ReplayState, ResponseNonce, SecurityContext, protect_response,
        unprotect_request,
    },
};
use davy_domain::Timestamp;
use davy_sim::{
    credential::Credential,
    load::{LoadConfig, Rate, run},
};
use std::{
    collections::HashMap,
    error::Error,
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

fn secret(number: u32) -> [u8; 16] {
    let mut secret = [0x5a; 16];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    secret
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let devices: u32 = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let window: usize = arguments.next().map_or(Ok(512), |text| text.parse())?;
    let list: Vec<serde_json::Value> = (0..devices)
        .map(|number| {
            let hex = format!("{:032x}", u128::from_be_bytes(secret(number)));
            serde_json::json!({
                "tenant_context": "0000000000000001", "kid": format!("{number:08x}"), "master_secret": hex, "master_salt": "",
                "algorithm": "a128gcm", "serial": format!("D{number}"), "kind": "detector", "device": number, "interval_ms": 60000
            })
        })
        .collect();
    let credentials = Credential::read(&serde_json::to_vec(&list)?)?;

    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let server = socket.local_addr()?;
    let stop = Arc::new(AtomicBool::new(false));
    let sink = std::thread::spawn({
        let stop = stop.clone();
        move || acknowledge(&socket, devices, &stop).is_ok()
    });
    let start = Timestamp::from_millis(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64);
    let config = LoadConfig {
        server,
        rate: Rate::Max,
        warm_up: Duration::from_millis(500),
        measures_for: Duration::from_secs(5),
        window,
        readings: 4,
        sockets: 32,
        start,
        probe_leaks: 0,
    };
    let report = run(&config, &credentials, None, &AtomicBool::new(false))?;
    stop.store(true, Ordering::Relaxed);
    println!("{}", report.line());
    println!("generator alone: {:.0} uplinks/s on one core", 1e6 / report.generator_us_per_uplink);
    if sink.join().is_ok_and(|ended_well| ended_well) { Ok(()) } else { Err("the other side failed".into()) }
}

fn acknowledge(socket: &UdpSocket, devices: u32, stop: &AtomicBool) -> Result<(), Box<dyn Error>> {
    let mut contexts = HashMap::new();
    for number in 0..devices {
        let context = SecurityContext::derive(Params {
            master_secret: &secret(number),
            master_salt: b"",
            id_context: Some(&[0, 0, 0, 0, 0, 0, 0, 1]),
            sender_id: b"s",
            recipient_id: &number.to_be_bytes(),
            algorithm: Algorithm::A128Gcm,
            replay: ReplayState::default(),
        })?;
        contexts.insert(number, context);
    }
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let (mut buffer, mut plain, mut reply, options) = ([0; 2048], Vec::new(), Vec::new(), Options::default());
    while !stop.load(Ordering::Relaxed) {
        let Ok((len, peer)) = socket.recv_from(&mut buffer) else { continue };
        let message = Message::parse(&buffer[..len])?;
        let value = message.options().find(|(number, _)| *number == option::OSCORE).map(|(_, value)| value);
        let oscore = OscoreOption::parse(value.ok_or("an unprotected uplink")?)?;
        let number = u32::from_be_bytes(oscore.kid.ok_or("no kid")?.try_into()?);
        let context = contexts.get_mut(&number).ok_or("an unknown kid")?;
        let (binding, _) = unprotect_request(context, oscore.partial_iv.ok_or("no partial IV")?, &message, &mut plain)?;
        let header = Header { message_type: MessageType::Acknowledgement, code: Code::CHANGED, ..message.header };
        reply.clear();
        protect_response(context, &header, &options, b"", &binding, ResponseNonce::OfRequest, &mut reply)?;
        socket.send_to(&reply, peer)?;
    }
    Ok(())
}
