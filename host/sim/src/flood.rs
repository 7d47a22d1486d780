//! One device that has gone wrong: it sends sealed uplinks at a rate of its own and waits for no answer.
//!
//! Must never read the clock for what it reports: what time it is at the start is a parameter. Its readings are quiet ones.

use crate::{
    credential::{Credential, CredentialError},
    fleet::first_sequence,
    load::Template,
    senml,
};
use davy_coap::{
    Code, MessageType,
    message::{Header, Options, Token},
    option,
    oscore::{OscoreError, protect_request},
};
use davy_domain::{Span, Timestamp};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Why there is no flood.
#[derive(Debug, thiserror::Error)]
pub enum FloodError {
    /// The device's keys make no security context.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A sequence number beyond the last one.
    #[error("an uplink cannot be protected: {0}")]
    Oscore(#[from] OscoreError),
    /// The socket.
    #[error("sending failed: {0}")]
    Network(#[from] io::Error),
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FloodReport {
    /// Datagrams that left.
    pub sent: u64,
    /// Datagrams that the system did not take.
    pub refused: u64,
}

/// Sends `rate` uplinks a second of one device, for so long or until told to stop.
///
/// # Errors
/// [`FloodError`].
pub fn run(
    server: SocketAddr,
    credential: &Credential,
    rate: f64,
    lasts: Duration,
    start: Timestamp,
    stop: &AtomicBool,
) -> Result<FloodReport, FloodError> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    let mut context = credential.context(first_sequence(start))?;
    let mut template = Template::new(credential.kind, 4);
    let mut options = Options::default();
    options.push(option::URI_PATH, b"u");
    options.push_uint(option::CONTENT_FORMAT, u32::from(senml::CONTENT_FORMAT));
    let (begun, mut report, mut datagram) = (Instant::now(), FloodReport { sent: 0, refused: 0 }, Vec::new());
    while begun.elapsed() < lasts && !stop.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * rate) as u64;
        while report.sent + report.refused < due {
            let count = report.sent + report.refused;
            let header = Header {
                message_type: MessageType::Confirmable,
                code: Code::POST,
                message_id: count as u16,
                token: Token::new(&(count as u32).to_be_bytes()).unwrap_or_default(),
            };
            let at = start + Span::from_millis(begun.elapsed().as_millis() as i64);
            datagram.clear();
            protect_request(&mut context, &header, &options, template.fill(at, count), &mut datagram)?;
            match socket.send(&datagram) {
                Ok(_) => report.sent += 1,
                Err(_) => report.refused += 1,
            }
        }
        // Answers are thrown away.
        let mut answer = [0; 64];
        while socket.recv(&mut answer).is_ok() {}
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(report)
}
