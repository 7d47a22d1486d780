//! Messages of a device that somebody else sends again, byte for byte, from another address.

use crate::city::{City, city};
use davy_coap::oscore::{Algorithm, Params, ReplayState, ReplayWindow, SecurityContext};
use davy_coap::{Code, ContextId, Endpoint, EndpointConfig, Event, Request};
use davy_domain::wire::decode_pending;
use davy_server::keys::from_hex;
use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A device on a socket of its own, which keeps what it has sent.
struct Device {
    endpoint: Endpoint,
    context: ContextId,
    socket: UdpSocket,
    server: SocketAddr,
    sent: Vec<Vec<u8>>,
}

impl Device {
    fn new(server: SocketAddr, credential: &Value) -> Self {
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
        context.set_sender_sequence(5);
        let mut endpoint = Endpoint::new(EndpointConfig::client(), [9; 32]);
        let context = endpoint.add_context(context);
        Self { endpoint, context, socket: socket(), server, sent: Vec::new() }
    }

    fn ask(&mut self, request: Request) {
        self.endpoint.request(Instant::now(), self.server, Some(self.context), request).unwrap();
    }

    /// Sends and hears until an answer comes; none when it stays quiet for so long.
    fn hear(&mut self, patience: Duration) -> Option<(Code, Vec<u8>)> {
        let begun = Instant::now();
        let mut buffer = [0; 2048];
        while begun.elapsed() < patience {
            while let Some(event) = self.endpoint.poll_event() {
                match event {
                    Event::Response { response, .. } => return Some((response.code, response.payload)),
                    Event::RequestFailed { reason, .. } => panic!("{reason}"),
                    _ => {}
                }
            }
            while let Some(datagram) = self.endpoint.poll_transmit() {
                self.socket.send_to(&datagram.payload, datagram.peer).unwrap();
                self.sent.push(datagram.payload);
            }
            if let Ok((length, peer)) = self.socket.recv_from(&mut buffer) {
                self.endpoint.handle_datagram(Instant::now(), peer, &buffer[..length]);
            }
            self.endpoint.handle_timeout(Instant::now());
        }
        None
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    socket
}

/// Sends bytes and gives every datagram that comes back within so long.
fn replayed(socket: &UdpSocket, server: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<Vec<u8>> {
    socket.send_to(bytes, server).unwrap();
    let begun = Instant::now();
    let (mut buffer, mut came) = ([0; 2048], Vec::new());
    while begun.elapsed() < patience {
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            came.push(buffer[..length].to_vec());
        }
    }
    came
}

/// The code of a CoAP message.
fn code(datagram: &[u8]) -> (u8, u8) {
    (datagram[1] >> 5, datagram[1] & 31)
}

async fn added(city: &City) -> Value {
    let mut operator = city.operator("a").await;
    let request =
        operator.request(axum::http::Method::POST, "/api/v1/device-imports").header("content-type", "text/csv");
    let csv = "serial,kind,model,premises,address,lon,lat\nP1,valve,QF,n,新街 9 号,120,30\n";
    let begun = operator.send(request.body(csv.to_owned().into()).unwrap()).await.json();
    let path = format!("/api/v1/device-imports/{}", begun["id"].as_str().unwrap());
    for _ in 0..600 {
        if operator.get(&path).await.json()["state"] == "entered" {
            return operator.post(&format!("{path}/credentials"), &Value::Null).await.json()[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the import does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_said_changes_nothing_when_it_is_sent_again_from_elsewhere_and_orders_still_go_to_the_device() {
    let city = city().await;
    let credential = added(&city).await;
    let (id, server) = (credential["device"].as_str().unwrap().to_owned(), city.coap);
    let patience = Duration::from_secs(30);
    let mut device = Device::new(server, &credential);
    let (mut device, stolen) = tokio::task::spawn_blocking(move || {
        device.ask(Request::observe("c"));
        assert_eq!(device.hear(patience).unwrap().0, Code::CONTENT);
        let registration = device.sent.clone();
        device.sent.clear();
        let mut uplink = Request::new(Code::POST, "u");
        uplink.content_format = Some(112);
        // The valve is open.
        uplink.payload = vec![0x81, 0xa2, 0x00, 0x65, b'v', b'a', b'l', b'v', b'e', 0x04, 0xf4];
        device.ask(uplink);
        assert_eq!(device.hear(patience).unwrap().0, Code::CHANGED);
        let uplink = device.sent.clone();
        (device, [registration, uplink].concat())
    })
    .await
    .unwrap();
    assert!(stolen.len() >= 2, "{stolen:?}");

    let mut operator = city.operator("a").await;
    let page = format!("/api/v1/devices/{id}");
    let before = operator.get(&page).await.json();
    let thief = socket();
    let (thief, answers) = tokio::task::spawn_blocking(move || {
        let again = stolen.iter().filter(|bytes| code(bytes).0 == 0 && code(bytes).1 != 0);
        let answers: Vec<_> = again.map(|bytes| replayed(&thief, server, bytes, Duration::from_millis(500))).collect();
        (thief, answers)
    })
    .await
    .unwrap();
    assert!(answers.len() >= 2, "{answers:?}");
    for came in &answers {
        assert_eq!(came.len(), 1, "{answers:?}");
        assert_eq!(code(&came[0]), (4, 1), "a number that was used before: {answers:?}");
    }
    let after = operator.get(&page).await.json();
    assert_eq!(after["last_seen"], before["last_seen"]);
    assert_eq!(after["latest"], before["latest"]);

    // The close goes to where the device is, and to nobody else.
    let closed = operator.post(&format!("{page}/close"), &Value::Null).await;
    assert!(closed.status.is_success(), "{closed:?}");
    tokio::task::spawn_blocking(move || {
        let (_, orders) = device.hear(patience).expect("the device hears of its close");
        assert_eq!(decode_pending(&orders).unwrap().len(), 1);
        let mut buffer = [0; 2048];
        assert!(thief.recv_from(&mut buffer).is_err(), "something went to who had only repeated the device");
    })
    .await
    .unwrap();
    city.stop().await;
}
