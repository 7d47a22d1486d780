//! A device that says one thing at a time, with a sequence number of the test's choice, so that the test holds the very bytes.

use davy_coap::oscore::{Algorithm, Params, ReplayState, SecurityContext};
use davy_coap::{Code, Endpoint, EndpointConfig, Event, Request, Response};
use davy_tests::credentials::Credential;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// `[{0: "gas", 2: 0.5}]`
pub(crate) const QUIET: &[u8] = b"\x81\xa2\x00\x63gas\x02\xf9\x38\x00";
/// `[{0: "gas", 2: 60.0}]`
pub(crate) const LEAK: &[u8] = b"\x81\xa2\x00\x63gas\x02\xf9\x53\x80";
/// `[{0: "bat", 2: 90.0}]`
pub(crate) const AWAKE: &[u8] = b"\x81\xa2\x00\x63bat\x02\xf9\x55\xa0";

/// A sealed uplink and the endpoint that can open the answer to it.
pub(crate) struct Sealed {
    endpoint: Endpoint,
    pub(crate) datagram: Vec<u8>,
}

/// Seals an uplink of a device.
pub(crate) fn sealed(device: &Credential, server: SocketAddr, sequence: u64, senml: &[u8]) -> Sealed {
    let mut context = SecurityContext::derive(Params {
        master_secret: &Credential::bytes(&device.secret),
        master_salt: &Credential::bytes(&device.salt),
        id_context: Some(&Credential::bytes(&device.id_context)),
        sender_id: &Credential::bytes(&device.kid),
        recipient_id: b"s",
        algorithm: if device.algorithm == "A128GCM" { Algorithm::A128Gcm } else { Algorithm::AesCcm16_64_128 },
        replay: ReplayState::default(),
    })
    .unwrap();
    context.set_sender_sequence(sequence);
    let mut endpoint = Endpoint::new(EndpointConfig::client(), rand::random());
    let context = endpoint.add_context(context);
    endpoint.request(Instant::now(), server, Some(context), Request::post("u", 112, senml.to_vec())).unwrap();
    let datagram = endpoint.poll_transmit().unwrap().payload;
    Sealed { endpoint, datagram }
}

/// Sends bytes from a new socket and returns what comes back, if anything.
pub(crate) fn exchange(server: SocketAddr, datagram: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    socket.send_to(datagram, server).unwrap();
    let mut buffer = [0; 2048];
    let (length, peer) = socket.recv_from(&mut buffer).ok()?;
    Some((peer, buffer[..length].to_vec()))
}

impl Sealed {
    /// Sends it. The payload of the authentic 2.04, when one comes back.
    pub(crate) fn acknowledged(&mut self, server: SocketAddr) -> Option<Vec<u8>> {
        let (peer, reply) = exchange(server, &self.datagram)?;
        self.endpoint.handle_datagram(Instant::now(), peer, &reply);
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Response { response: Response { code: Code::CHANGED, payload, .. }, .. } = event {
                return Some(payload);
            }
        }
        None
    }
}
