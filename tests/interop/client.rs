//! Our client role as the device, aiocoap as the server.

use crate::peer::Peer;
use davy_coap::{Code, Request};
use davy_tests::credentials::Credential;
use davy_tests::device::Device;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

const SECRET: &str = "0102030405060708090a0b0c0d0e0f10";
const SALT: &str = "9e7ca92223786340";

fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn with_server(algorithm: &str, test: impl FnOnce(Device)) {
    let port = free_port();
    let _server = Peer::server(port, algorithm, SECRET, SALT).unwrap();
    let keys = Credential {
        algorithm: algorithm.to_owned(),
        id_context: "0000000000000001".to_owned(),
        kid: "010203".to_owned(),
        secret: SECRET.to_owned(),
        salt: SALT.to_owned(),
        ..Credential::default()
    };
    test(Device::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &keys, 0).unwrap());
}

fn on_both(test: impl Fn(Device)) {
    with_server("A128GCM", &test);
    with_server("AES-CCM-16-64-128", &test);
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn aiocoap_answers_our_confirmable_post() {
    on_both(|mut device| {
        device.ask(Request::post("echo", 42, vec![1, 2, 3])).unwrap();
        let response = device.responses(1).unwrap().remove(0);
        assert_eq!((response.code, response.payload), (Code::CHANGED, vec![1, 2, 3]));
    });
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn several_kilobytes_go_to_aiocoap_and_come_back_block_by_block() {
    on_both(|mut device| {
        let body: Vec<u8> = (0..5000_u32).map(|n| (n * 7) as u8).collect();
        device.ask(Request::post("echo", 42, body.clone())).unwrap();
        let response = device.responses(1).unwrap().remove(0);
        assert_eq!(response.code, Code::CHANGED);
        assert!(response.payload == body, "{} bytes came back", response.payload.len());
    });
}

#[test]
#[ignore = "needs aiocoap: cargo xtask test --only interop"]
fn aiocoaps_notifications_arrive_in_order() {
    on_both(|mut device| {
        device.ask(Request::observe("clock")).unwrap();
        let counts: Vec<u32> = device
            .responses(4)
            .unwrap()
            .into_iter()
            .map(|response| String::from_utf8(response.payload).unwrap().parse().unwrap())
            .collect();
        assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
    });
}
