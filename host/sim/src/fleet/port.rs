//! A device on the network: its socket, its endpoint, its keys, and what the radio lets through.
//!
//! Must never use a sequence number twice: before a datagram leaves, the ceiling in the simulated flash is above it.

use super::FleetError;
use crate::{chance::Chance, credential::Credential, device::sequence::SenderSequence};
use davy_coap::{ContextId, Endpoint, EndpointConfig, Event, Request, RequestId};
use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

/// How many sequence numbers are written ahead to flash.
const SEQUENCE_BLOCK: u64 = 64;

/// Registrations that were replaced by newer ones stay in the endpoint's memory: after so many it is made anew.
const STALE_REGISTRATIONS: u32 = 64;

/// What a request was for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// An uplink.
    Uplink(Box<Uplink>),
    /// The outcome of a command.
    Outcome,
    /// The observation of `/c`.
    Observe,
}

/// An uplink on the way.
#[derive(Clone, Debug)]
pub(super) struct Uplink {
    pub(super) ticket: u64,
    pub(super) sent: Instant,
    pub(super) payload: Vec<u8>,
    /// The valves that it says are closed.
    pub(super) closed: Vec<crate::world::DeviceIndex>,
}

/// Counts of the link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkCounts {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
}

/// One device's place on the network.
pub(super) struct Port {
    socket: UdpSocket,
    server: SocketAddr,
    endpoint: Endpoint,
    context: ContextId,
    sequence: SenderSequence,
    requests: HashMap<RequestId, Purpose>,
    observation: Option<RequestId>,
    stale: u32,
    pub(super) radio: bool,
    loss: f64,
    chance: Chance,
    pub(super) counts: LinkCounts,
    /// What endpoints before a reboot had counted.
    retransmitted_before: u64,
    not_authentic_before: u64,
    /// The earliest timer that is in the runner's heap.
    pub(super) timer: Option<Instant>,
}

fn endpoint_config() -> EndpointConfig {
    // Two on the way: a leak's reading does not wait behind a quiet one that the radio lost.
    EndpointConfig {
        nstart: 2,
        max_peers: 4,
        max_exchanges: 4,
        max_observations: 4,
        max_transfers: 8,
        ..EndpointConfig::client()
    }
}

impl Port {
    pub(super) fn open(
        credential: &Credential,
        server: SocketAddr,
        first_sequence: u64,
        loss: f64,
        mut chance: Chance,
    ) -> Result<Self, FleetError> {
        let any = match server {
            SocketAddr::V4(v4) if v4.ip().is_loopback() => "127.0.0.1:0",
            SocketAddr::V4(_) => "0.0.0.0:0",
            SocketAddr::V6(v6) if v6.ip().is_loopback() => "[::1]:0",
            SocketAddr::V6(_) => "[::]:0",
        };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.connect(server)?;
            Ok(socket)
        });
        let socket = socket.map_err(|source| FleetError::Socket { serial: credential.serial.clone(), source })?;
        let sequence = SenderSequence::new(first_sequence, SEQUENCE_BLOCK);
        let mut endpoint = Endpoint::new(endpoint_config(), chance.seed());
        let context = endpoint.add_context(credential.context(sequence.next())?);
        Ok(Self {
            socket,
            server,
            endpoint,
            context,
            sequence,
            requests: HashMap::new(),
            observation: None,
            stale: 0,
            radio: true,
            loss,
            chance,
            counts: LinkCounts::default(),
            retransmitted_before: 0,
            not_authentic_before: 0,
            timer: None,
        })
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The power failed: all but the keys and the sequence's ceiling is gone. Says what was on the way.
    pub(super) fn reboot(&mut self, credential: &Credential) -> Result<usize, FleetError> {
        self.sequence.reboot();
        self.renew(credential)?;
        self.radio = false;
        Ok(self.requests.drain().filter(|(_, purpose)| matches!(purpose, Purpose::Uplink(_))).count())
    }

    fn renew(&mut self, credential: &Credential) -> Result<(), FleetError> {
        self.retransmitted_before = self.retransmissions();
        self.not_authentic_before = self.not_authentic();
        self.endpoint = Endpoint::new(endpoint_config(), self.chance.seed());
        self.context = self.endpoint.add_context(credential.context(self.sequence.next())?);
        self.observation = None;
        self.stale = 0;
        Ok(())
    }

    /// Makes the endpoint anew when it holds many replaced registrations and has nothing on the way.
    pub(super) fn tidy(&mut self, credential: &Credential) -> Result<(), FleetError> {
        if self.stale < STALE_REGISTRATIONS || self.requests_under_way() > 0 {
            return Ok(());
        }
        self.requests.clear();
        self.renew(credential)
    }

    /// Starts a request; false when the protocol has no room for it.
    pub(super) fn request(&mut self, now: Instant, request: Request, purpose: Purpose) -> bool {
        if let (Purpose::Observe, Some(before)) = (&purpose, self.observation.take()) {
            // Replaced by the new one. Cancelling it could reach the platform late and take the new one off, so it is left to itself.
            self.requests.remove(&before);
            self.stale += 1;
        }
        match self.endpoint.request(now, self.server, Some(self.context), request) {
            Ok(id) => {
                if matches!(purpose, Purpose::Observe) {
                    self.observation = Some(id);
                }
                self.requests.insert(id, purpose);
                true
            }
            Err(_) => false,
        }
    }

    /// What the request was for; it is kept while more may come.
    pub(super) fn purpose(&mut self, id: RequestId, more: bool) -> Option<Purpose> {
        if more {
            return self.requests.get(&id).cloned();
        }
        if self.observation == Some(id) {
            self.observation = None;
        }
        self.requests.remove(&id)
    }

    /// Uplinks without an answer.
    pub(super) fn uplinks_under_way(&self) -> usize {
        self.requests.values().filter(|purpose| matches!(purpose, Purpose::Uplink(_))).count()
    }

    /// Requests without an answer, but for observations.
    pub(super) fn requests_under_way(&self) -> usize {
        self.requests.values().filter(|purpose| !matches!(purpose, Purpose::Observe)).count()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.endpoint.poll_event()
    }

    /// Sends what the endpoint wants sent. A datagram that the radio loses is gone, and so is one that the socket has no room for.
    pub(super) fn flush(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if let Some(context) = self.endpoint.context(self.context) {
                self.sequence.used_up_to(context.sender_sequence());
            }
            if self.chance.happens(self.loss) {
                self.counts.lost += 1;
            } else {
                match self.socket.send(&transmit.payload) {
                    Ok(_) => self.counts.sent += 1,
                    Err(_) => self.counts.lost += 1,
                }
            }
            self.endpoint.recycle(transmit.payload);
        }
    }

    /// Takes one datagram from the socket into the endpoint; none when there is none. The clock is read as soon as it is there.
    pub(super) fn receive(&mut self, buffer: &mut [u8], clock: impl Fn() -> Instant) -> Option<Instant> {
        loop {
            match self.socket.recv(buffer) {
                Ok(len) => {
                    let now = clock();
                    if !self.radio || self.chance.happens(self.loss) {
                        self.counts.lost += 1;
                        continue;
                    }
                    self.counts.received += 1;
                    self.endpoint.handle_datagram(now, self.server, &buffer[..len]);
                    return Some(now);
                }
                // A server that is down answers with an ICMP error, which a connected socket reports here.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    pub(super) fn retransmissions(&self) -> u64 {
        self.retransmitted_before + self.endpoint.stats().retransmissions
    }

    pub(super) fn not_authentic(&self) -> u64 {
        self.not_authentic_before + self.endpoint.stats().decrypt_failed
    }
}
