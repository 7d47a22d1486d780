//! A close waits for nothing that its shard has before it.

use super::*;
use crate::clock::Clock;
use crate::ingest::state::DevicePlace;
use crate::rules::running::TenantWorld;
use davy_coap::oscore::{Algorithm, Params, ReplayState, SecurityContext};
use davy_coap::{EndpointConfig, Request, Response};
use davy_domain::floor::Floor;
use davy_domain::interlock::Interlock;
use davy_domain::wire::decode_pending;
use davy_domain::{DeviceConfig, DeviceKind, TenantId};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `[{0: "gas", 2: 0.5}]`
const QUIET: &[u8] = b"\x81\xa2\x00\x63gas\x02\xf9\x38\x00";
/// `[{0: "gas", 2: 60.0}]`
const LEAK: &[u8] = b"\x81\xa2\x00\x63gas\x02\xf9\x53\x80";

/// A clock that looks, each time it is asked, whether something has arrived at the valve: the fold asks it about every uplink.
struct Watching {
    valve: UdpSocket,
    asked: AtomicUsize,
    arrived_when_asked: Mutex<Option<usize>>,
}

impl Clock for Watching {
    fn now(&self) -> Timestamp {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut arrived = self.arrived_when_asked.lock();
        if arrived.is_none() && self.valve.peek(&mut [0; 8]).is_ok() {
            *arrived = Some(asked);
        }
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

fn context(kid: u8, of_server: bool) -> SecurityContext {
    let ids: [&[u8]; 2] = [&[0, kid], b"s"];
    SecurityContext::derive(Params {
        master_secret: &[kid; 16],
        master_salt: &[],
        id_context: Some(b"t"),
        sender_id: ids[usize::from(of_server)],
        recipient_id: ids[usize::from(!of_server)],
        algorithm: Algorithm::A128Gcm,
        replay: ReplayState::default(),
    })
    .unwrap()
}

/// A device that has not asked anything yet, with its `sequence`-th request on the way.
fn asking(kid: u8, sequence: u64, request: Request, server: SocketAddr) -> (Endpoint, Vec<u8>) {
    let mut context = context(kid, false);
    context.set_sender_sequence(sequence);
    let mut endpoint = Endpoint::new(EndpointConfig::client(), [kid; 32]);
    let context = endpoint.add_context(context);
    endpoint.request(Instant::now(), server, Some(context), request).unwrap();
    let datagram = endpoint.poll_transmit().unwrap().payload;
    (endpoint, datagram)
}

fn config(id: DeviceId, kind: DeviceKind, links: Vec<DeviceId>) -> DeviceConfig {
    DeviceConfig {
        id,
        serial: id.to_string(),
        kind,
        premises: None,
        installed_at: None,
        report_interval: None,
        sleepy: false,
        links,
        parent: None,
    }
}

#[test]
fn a_close_is_on_the_wire_before_the_next_datagram_of_its_batch_is_looked_at() {
    let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (server, valve) = (Arc::new(socket()), socket());
    let (server_at, valve_at) = (server.local_addr().unwrap(), valve.local_addr().unwrap());
    let detector_at = socket().local_addr().unwrap();
    valve.set_nonblocking(true).unwrap();
    let clock = Arc::new(Watching {
        valve: valve.try_clone().unwrap(),
        asked: AtomicUsize::new(0),
        arrived_when_asked: Mutex::new(None),
    });

    let ids = [DeviceId::from_raw(1), DeviceId::from_raw(2)];
    let now = clock.now();
    let world = Arc::new(TenantWorld::new(Floor::china_default().in_force_at("CN", now).unwrap()));
    let (interlock_id, tenant) = (InterlockId::from_raw(1), TenantId::from_raw(1));
    let devices = vec![config(ids[0], DeviceKind::Detector, vec![ids[1]]), config(ids[1], DeviceKind::Valve, vec![])];
    let interlock = Interlock::new(interlock_id, tenant, devices, now, world.limits()).unwrap();
    let mut state = ShardState::default();
    let place = DevicePlace { division: None, premises: None, model: "TC".into() };
    let index = state.add(interlock, world, ids.map(|id| (id, place.clone())));
    let mut endpoint = Endpoint::new(EndpointConfig::server(), [9; 32]);
    let contexts = [1_u8, 2].map(|kid| {
        let device = ids[usize::from(kid) - 1];
        let slot = DeviceSlot { device, tenant, interlock: index, interlock_id };
        (endpoint.add_context(context(kid, true)), slot)
    });
    let (committer, mut committed) = mpsc::channel(8);
    let (reserve, _wanted) = mpsc::unbounded_channel();
    let mut shard = Shard::new(ShardParts {
        index: 0,
        socket: server,
        endpoint,
        contexts: contexts.to_vec(),
        state: Arc::default(),
        ids: IdSource::new(0, 0),
        committer,
        reserve,
        database: Arc::default(),
        live: LiveBus::new(8),
        shares: Arc::new(Shares::new(0, 1, now)),
        clock: Arc::clone(&clock) as SharedClock,
    });
    let mut sender = DatagramSender::default();

    // The valve listens for commands.
    let (mut at_valve, registration) = asking(2, 0, Request::observe("c"), server_at);
    let mut batch = Datagrams::default();
    batch.push(valve_at, &registration);
    shard.take_datagrams(&batch, &mut state, &mut sender);
    shard.hand_over(false, &mut state);
    let work = committed.try_recv().unwrap();
    shard.take(ShardInput::Durable(work.release), &mut state);
    shard.drain_events(&mut state);
    shard.transmit(&mut sender);
    let received = |at_valve: &mut Endpoint| {
        let mut buffer = [0; 2048];
        let (length, from) = valve.recv_from(&mut buffer).unwrap();
        at_valve.handle_datagram(Instant::now(), from, &buffer[..length]);
        let Some(Event::Response { response: Response { payload, .. }, .. }) = at_valve.poll_event() else {
            panic!("the valve is told something")
        };
        payload
    };
    assert!(received(&mut at_valve).is_empty(), "nothing is pending yet");

    let mut batch = Datagrams::default();
    for sequence in 0..500 {
        let payload = if sequence == 0 { LEAK } else { QUIET };
        let (_, mut datagram) = asking(1, sequence, Request::post("u", SENML_CBOR, payload.to_vec()), server_at);
        // Each a message of its own, though each is the first one of its endpoint.
        datagram[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
        batch.push(detector_at, &datagram);
    }
    clock.asked.store(0, Ordering::Relaxed);
    clock.arrived_when_asked.lock().take();
    shard.take_datagrams(&batch, &mut state, &mut sender);
    assert_eq!(shard.work.rows.len(), 500);
    let asked = clock.asked.load(Ordering::Relaxed);
    let arrived = clock.arrived_when_asked.lock().expect("the close went out while the batch was looked at");
    assert!(asked > 500 && arrived < 10, "the clock was asked {asked} times; the close was there at the {arrived}th");
    let commands = decode_pending(&received(&mut at_valve)).unwrap();
    assert_eq!(commands.len(), 1);
}
