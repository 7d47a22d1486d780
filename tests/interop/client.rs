//! Our client role as the device, aiocoap as the server.

use crate::peer::Peer;
use davy_coap::oscore::{Algorithm, Params, ReplayState, ReplayWindow, SecurityContext};
use davy_coap::{Code, ContextId, Endpoint, EndpointConfig, Event, Request, Response};
use davy_tests::credentials::Credential;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const SECRET: &str = "0102030405060708090a0b0c0d0e0f10";
const SALT: &str = "9e7ca92223786340";

/// An endpoint with its socket: the few lines that a device adds to the protocol.
struct Device {
    socket: UdpSocket,
    endpoint: Endpoint,
    context: ContextId,
    server: SocketAddr,
}

impl Device {
    fn new(server: SocketAddr, algorithm: Algorithm) -> Self {
        let context = SecurityContext::derive(Params {
            master_secret: &Credential::bytes(SECRET),
            master_salt: &Credential::bytes(SALT),
            id_context: Some(&Credential::bytes("0000000000000001")),
            sender_id: &[1, 2, 3],
            recipient_id: &[0x73],
            algorithm,
            replay: ReplayState::Synced(ReplayWindow::new()),
        })
        .unwrap();
        let mut endpoint = Endpoint::new(EndpointConfig::client(), rand::random());
        let context = endpoint.add_context(context);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self { socket, endpoint, context, server }
    }

    fn ask(&mut self, request: Request) {
        self.endpoint.request(Instant::now(), self.server, Some(self.context), request).unwrap();
    }

    /// Runs the protocol until `wanted` responses have come.
    fn responses(&mut self, wanted: usize) -> Vec<Response> {
        let begun = Instant::now();
        let mut got = Vec::new();
        let mut buffer = [0; 2048];
        while got.len() < wanted {
            assert!(begun.elapsed() < Duration::from_secs(30), "only {} of {wanted} responses came", got.len());
            while let Some(datagram) = self.endpoint.poll_transmit() {
                self.socket.send_to(&datagram.payload, datagram.peer).unwrap();
            }
            if let Ok((length, peer)) = self.socket.recv_from(&mut buffer) {
                self.endpoint.handle_datagram(Instant::now(), peer, &buffer[..length]);
            }
            self.endpoint.handle_timeout(Instant::now());
            while let Some(event) = self.endpoint.poll_event() {
                match event {
                    Event::Response { response, .. } => got.push(response),
                    Event::RequestFailed { reason, .. } => panic!("the request failed: {reason}"),
                    _ => {}
                }
            }
        }
        got
    }
}

fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn with_server(algorithm: Algorithm, name: &str, test: impl FnOnce(Device)) {
    let port = free_port();
    let _server = Peer::server(port, name, SECRET, SALT).unwrap();
    test(Device::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), algorithm));
}

fn on_both(test: impl Fn(Device)) {
    with_server(Algorithm::A128Gcm, "A128GCM", &test);
    with_server(Algorithm::AesCcm16_64_128, "AES-CCM-16-64-128", &test);
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn aiocoap_answers_our_confirmable_post() {
    on_both(|mut device| {
        device.ask(Request::post("echo", 42, vec![1, 2, 3]));
        let response = device.responses(1).remove(0);
        assert_eq!((response.code, response.payload), (Code::CHANGED, vec![1, 2, 3]));
    });
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn several_kilobytes_go_to_aiocoap_and_come_back_block_by_block() {
    on_both(|mut device| {
        let body: Vec<u8> = (0..5000_u32).map(|n| (n * 7) as u8).collect();
        device.ask(Request::post("echo", 42, body.clone()));
        let response = device.responses(1).remove(0);
        assert_eq!(response.code, Code::CHANGED);
        assert!(response.payload == body, "{} bytes came back", response.payload.len());
    });
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn aiocoaps_notifications_arrive_in_order() {
    on_both(|mut device| {
        device.ask(Request::observe("clock"));
        let counts: Vec<u32> = device
            .responses(4)
            .into_iter()
            .map(|response| String::from_utf8(response.payload).unwrap().parse().unwrap())
            .collect();
        assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
    });
}
