//! A device as a test plays it: our client role on a socket of its own, with the sequence numbers of the test's choice.

use crate::credentials::Credential;
use anyhow::{Context, Result, bail};
use davy_coap::oscore::{Algorithm, Params, ReplayState, ReplayWindow, SecurityContext};
use davy_coap::{ContextId, Endpoint, EndpointConfig, Event, Request, Response};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long a response may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An endpoint with its socket: the few lines that a device adds to the protocol.
pub struct Device {
    socket: UdpSocket,
    endpoint: Endpoint,
    context: ContextId,
    server: SocketAddr,
}

impl Device {
    /// A device that speaks to `server`, from this sequence number on.
    ///
    /// # Errors
    /// When its keys are none, or there is no socket.
    pub fn new(server: SocketAddr, keys: &Credential, sequence: u64) -> Result<Self> {
        let mut context = SecurityContext::derive(Params {
            master_secret: &Credential::bytes(&keys.secret),
            master_salt: &Credential::bytes(&keys.salt),
            id_context: Some(&Credential::bytes(&keys.id_context)),
            sender_id: &Credential::bytes(&keys.kid),
            recipient_id: b"s",
            algorithm: if keys.algorithm == "A128GCM" { Algorithm::A128Gcm } else { Algorithm::AesCcm16_64_128 },
            replay: ReplayState::Synced(ReplayWindow::new()),
        })
        .context("the device's keys are none")?;
        context.set_sender_sequence(sequence);
        let mut endpoint = Endpoint::new(EndpointConfig::client(), rand::random());
        let context = endpoint.add_context(context);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no socket")?;
        socket.set_read_timeout(Some(Duration::from_millis(20))).context("no time-out on the socket")?;
        Ok(Self { socket, endpoint, context, server })
    }

    /// Asks something of the server; what it answers comes by [`Self::responses`].
    ///
    /// # Errors
    /// When the endpoint does not take the request.
    pub fn ask(&mut self, request: Request) -> Result<()> {
        self.endpoint.request(Instant::now(), self.server, Some(self.context), request).context("cannot ask")?;
        self.send()
    }

    /// Runs the protocol until `wanted` responses have come: answers and notifications.
    ///
    /// # Errors
    /// When one fails, or they do not come in half a minute.
    pub fn responses(&mut self, wanted: usize) -> Result<Vec<Response>> {
        let begun = Instant::now();
        let mut got = Vec::new();
        let mut buffer = [0; 2048];
        while got.len() < wanted {
            if begun.elapsed() > PATIENCE {
                bail!("only {} of {wanted} responses came", got.len());
            }
            self.send()?;
            if let Ok((length, peer)) = self.socket.recv_from(&mut buffer) {
                self.endpoint.handle_datagram(Instant::now(), peer, &buffer[..length]);
            }
            self.endpoint.handle_timeout(Instant::now());
            while let Some(event) = self.endpoint.poll_event() {
                match event {
                    Event::Response { response, .. } => got.push(response),
                    Event::RequestFailed { reason, .. } => bail!("the request failed: {reason}"),
                    _ => {}
                }
            }
            self.send()?;
        }
        Ok(got)
    }

    fn send(&mut self) -> Result<()> {
        while let Some(datagram) = self.endpoint.poll_transmit() {
            self.socket.send_to(&datagram.payload, datagram.peer).context("cannot send")?;
        }
        Ok(())
    }
}
