//! The load generator: protected, confirmable uplinks at a rate or as fast as they are acknowledged, each answer verified.
//!
//! Light on purpose: it shares its cores with the server that it measures. One thread, a window of outstanding uplinks, batches of
//! datagrams, payloads patched from templates; the leaks of a probe run beside it, in a thread of their own, with the full device model.
//! Must never report an acknowledgement that did not authenticate, nor reuse a sequence number when it sends again.

mod batch;
mod config;
mod exchange;
mod payload;
mod probe;
mod report;

pub use config::{LoadConfig, LoadError, Rate};
pub use payload::Template;
pub use report::LoadReport;

use crate::{
    credential::Credential,
    fleet::{FleetError, Latency, ToldLog, first_sequence, raise_file_limit},
    senml,
};
use batch::{Inbox, Outbox};
use davy_coap::{
    MessageType,
    message::{Header, Message, Options},
    option,
    oscore::SecurityContext,
};
use davy_domain::Span;
use exchange::{Answer, Exchange, slot_of};
use hdrhistogram::Histogram;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        resource::{UsageWho, getrusage},
        socket::{setsockopt, sockopt},
        time::{TimeSpec, TimeVal, TimeValLike},
    },
};
use std::{
    collections::VecDeque,
    net::UdpSocket,
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// First wait for an answer; each further one is twice as long (RFC 7252 §4.8).
const ACK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often an uplink is sent again.
const MAX_RETRANSMIT: u32 = 4;
/// How often the window is searched for what is to be sent again.
const RESEND_SCAN: Duration = Duration::from_millis(50);
/// How long answers are awaited at the end.
const DRAIN: Duration = Duration::from_secs(5);
/// Bytes that a socket may hold in each direction: answers to a whole window.
const SOCKET_BUFFER: usize = 1 << 22;

/// Runs a load against a platform.
///
/// # Errors
/// [`LoadError`] when credentials, sockets or settings fail; what the platform does is never an error, it is in the report.
pub fn run(
    config: &LoadConfig,
    credentials: &[Credential],
    told: Option<ToldLog>,
    stop: &AtomicBool,
) -> Result<LoadReport, LoadError> {
    if config.window == 0 || config.window > usize::from(u16::MAX) {
        return Err(LoadError::Window(config.window));
    }
    let (aside, rest) = probe::set_aside(credentials, config.probe_leaks);
    let speakers: Vec<&Credential> = rest.iter().filter(|each| each.speaks()).collect();
    if speakers.is_empty() {
        let devices = credentials.iter().filter(|each| each.speaks()).count();
        return Err(LoadError::NoDevices { devices, probe: config.probe_leaks });
    }
    raise_file_limit(config.sockets + aside.len())?;
    let mut generator = Generator::open(config, &speakers, told)?;
    if aside.is_empty() {
        return generator.run(stop);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let leaks = scope.spawn(|| probe::run(config, &aside, &done));
        let load = generator.run(stop);
        done.store(true, Ordering::Relaxed);
        let probe = leaks.join().map_err(|_| LoadError::Probe)??;
        Ok(LoadReport { probe: Some(probe), ..load? })
    })
}

struct Speaker {
    context: SecurityContext,
    template: usize,
    socket: usize,
    echo: Option<Vec<u8>>,
}

struct Line {
    socket: UdpSocket,
    message_id: u16,
    /// Slots whose datagrams wait to be sent.
    waiting: VecDeque<u16>,
}

struct Generator<'a> {
    config: &'a LoadConfig,
    credentials: &'a [&'a Credential],
    speakers: Vec<Speaker>,
    templates: Vec<Template>,
    lines: Vec<Line>,
    epoll: Epoll,
    exchanges: Vec<Exchange>,
    free: Vec<u16>,
    next_speaker: usize,
    options: Options,
    inbox: Option<Inbox>,
    outbox: Outbox,
    scratch: Vec<u8>,
    told: Option<ToldLog>,
    began: Instant,
    measuring: bool,
    report: LoadReport,
    latency: Histogram<u64>,
}

fn uplink_options(echo: Option<&[u8]>) -> Options {
    let mut options = Options::default();
    options.push(option::URI_PATH, b"u");
    options.push_uint(option::CONTENT_FORMAT, u32::from(senml::CONTENT_FORMAT));
    if let Some(echo) = echo {
        options.push(option::ECHO, echo);
    }
    options
}

fn cpu_time() -> Duration {
    let spent = |time: TimeVal| Duration::from_micros(time.num_microseconds().max(0) as u64);
    getrusage(UsageWho::RUSAGE_THREAD)
        .map(|usage| spent(usage.user_time()) + spent(usage.system_time()))
        .unwrap_or_default()
}

impl<'a> Generator<'a> {
    fn open(
        config: &'a LoadConfig,
        credentials: &'a [&'a Credential],
        told: Option<ToldLog>,
    ) -> Result<Self, LoadError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let count = config.sockets.clamp(1, credentials.len());
        let mut lines = Vec::with_capacity(count);
        for index in 0..count {
            let any = if config.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let opened = UdpSocket::bind(any).and_then(|socket| {
                socket.connect(config.server)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            let named = |source| FleetError::Socket { serial: format!("(load {index})"), source };
            let socket = opened.map_err(named)?;
            // As much as the system lets us have; less only costs retransmissions.
            let _ = setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER);
            let _ = setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER);
            epoll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            lines.push(Line { socket, message_id: (index as u16).wrapping_mul(7919), waiting: VecDeque::new() });
        }
        let mut kinds = Vec::new();
        let mut speakers = Vec::with_capacity(credentials.len());
        let sequence = first_sequence(config.start);
        let share = credentials.len().div_ceil(count);
        for (index, credential) in credentials.iter().enumerate() {
            let template = kinds.iter().position(|kind| *kind == credential.kind).unwrap_or_else(|| {
                kinds.push(credential.kind);
                kinds.len() - 1
            });
            let context = credential.context(sequence).map_err(FleetError::from)?;
            // Neighbours share a socket, so that a round over the devices makes long batches.
            speakers.push(Speaker { context, template, socket: index / share, echo: None });
        }
        let now = Instant::now();
        Ok(Self {
            config,
            credentials,
            speakers,
            templates: kinds.iter().map(|kind| Template::new(*kind, config.readings)).collect(),
            lines,
            epoll,
            exchanges: (0..config.window).map(|_| Exchange::idle(now)).collect(),
            free: (0..config.window as u16).rev().collect(),
            next_speaker: 0,
            options: uplink_options(None),
            inbox: Some(Inbox::new()),
            outbox: Outbox::new(),
            scratch: Vec::with_capacity(512),
            told,
            began: now,
            measuring: false,
            report: LoadReport {
                devices: credentials.len(),
                window: config.window,
                rate: match config.rate {
                    Rate::Max => None,
                    Rate::PerSecond(rate) => Some(rate),
                },
                ..LoadReport::default()
            },
            latency: Histogram::new_with_bounds(1, 600_000_000, 3)
                .unwrap_or_else(|_| unreachable!("the bounds are constants that hold")),
        })
    }

    fn run(&mut self, stop: &AtomicBool) -> Result<LoadReport, LoadError> {
        self.began = Instant::now();
        let measure_from = self.began + self.config.warm_up;
        let end = measure_from + self.config.measures_for;
        let mut next_scan = self.began + RESEND_SCAN;
        let mut cpu_before = cpu_time();
        let mut issued_before = 0;
        let mut issued = 0_u64;
        loop {
            let now = Instant::now();
            if now >= end || stop.load(Ordering::Relaxed) {
                break;
            }
            if !self.measuring && now >= measure_from {
                self.measuring = true;
                cpu_before = cpu_time();
                issued_before = issued;
            }
            if now >= next_scan {
                next_scan = now + RESEND_SCAN;
                self.resend(now)?;
            }
            let wanted = self.wanted(now, issued);
            let room = self.free.len();
            if self.measuring && matches!(self.config.rate, Rate::PerSecond(_)) {
                self.report.held_back += wanted.saturating_sub(room) as u64;
            }
            for _ in 0..wanted.min(room) {
                self.issue(now)?;
                issued += 1;
            }
            self.flush()?;
            self.wait(now, end.min(next_scan), issued)?;
        }
        let measured = Instant::now().saturating_duration_since(measure_from);
        let spent = cpu_time().saturating_sub(cpu_before);
        self.measuring = false;
        self.report.seconds = measured.as_secs_f64();
        self.report.acked_per_s = self.report.acked as f64 / self.report.seconds.max(1e-9);
        self.report.generator_us_per_uplink = spent.as_micros() as f64 / (issued - issued_before).max(1) as f64;
        self.drain()?;
        self.report.lost += (self.config.window - self.free.len()) as u64;
        self.report.latency_ms = Latency::of(&self.latency);
        if let Some(told) = &mut self.told {
            told.flush().map_err(FleetError::from)?;
        }
        Ok(self.report.clone())
    }

    /// How many uplinks should go now.
    fn wanted(&self, now: Instant, issued: u64) -> usize {
        match self.config.rate {
            Rate::Max => self.free.len(),
            Rate::PerSecond(rate) => {
                let due = (now.saturating_duration_since(self.began).as_secs_f64() * rate) as u64;
                due.saturating_sub(issued) as usize
            }
        }
    }

    fn issue(&mut self, now: Instant) -> Result<(), LoadError> {
        let Some(slot) = self.free.pop() else { return Ok(()) };
        let device = self.next_speaker;
        self.next_speaker = (device + 1) % self.speakers.len();
        self.seal(slot, device, now, true)?;
        self.report.sent += u64::from(self.measuring);
        Ok(())
    }

    fn seal(&mut self, slot: u16, device: usize, now: Instant, first: bool) -> Result<(), LoadError> {
        let speaker = &mut self.speakers[device];
        let line = &mut self.lines[speaker.socket];
        let exchange = &mut self.exchanges[usize::from(slot)];
        line.message_id = line.message_id.wrapping_add(1);
        exchange.message_id = line.message_id;
        exchange.device = device as u32;
        let sequence = speaker.context.sender_sequence();
        let at = self.config.start + Span::from_millis(now.saturating_duration_since(self.began).as_millis() as i64);
        let payload = self.templates[speaker.template].fill(at, sequence ^ (device as u64) << 40);
        if self.told.is_some() {
            exchange.payload.clear();
            exchange.payload.extend_from_slice(payload);
        }
        match speaker.echo.take() {
            None => exchange.seal(&mut speaker.context, slot, &self.options, payload)?,
            Some(echo) => exchange.seal(&mut speaker.context, slot, &uplink_options(Some(&echo)), payload)?,
        }
        exchange.active = true;
        exchange.resend_at = now + ACK_TIMEOUT;
        exchange.resent = 0;
        if first {
            exchange.first_sent = now;
        }
        line.waiting.push_back(slot);
        Ok(())
    }

    /// Hands what waits to the sockets, as far as they have room.
    fn flush(&mut self) -> Result<(), LoadError> {
        for line in &mut self.lines {
            while !line.waiting.is_empty() {
                let exchanges = &self.exchanges;
                let datagrams = line.waiting.iter().map(|slot| exchanges[usize::from(*slot)].datagram.as_slice());
                let sent = self.outbox.send(line.socket.as_fd(), datagrams)?;
                line.waiting.drain(..sent);
                if sent == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Waits for answers, or until the next uplink is due.
    fn wait(&mut self, now: Instant, until: Instant, issued: u64) -> Result<(), LoadError> {
        let next = match self.config.rate {
            Rate::PerSecond(rate) if !self.free.is_empty() => {
                (self.began + Duration::from_secs_f64((issued + 1) as f64 / rate)).min(until)
            }
            Rate::Max | Rate::PerSecond(_) => until,
        };
        let mut ready = [EpollEvent::empty(); 128];
        let mut count = self.poll(&mut ready)?;
        if count == 0 && next > now {
            let sleep = next.saturating_duration_since(Instant::now());
            let mut descriptor = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut descriptor, Some(TimeSpec::from_duration(sleep)), None) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            count = self.poll(&mut ready)?;
        }
        for event in &ready[..count] {
            self.read(event.data() as usize)?;
        }
        Ok(())
    }

    fn poll(&self, ready: &mut [EpollEvent]) -> Result<usize, LoadError> {
        match self.epoll.wait(ready, EpollTimeout::ZERO) {
            Ok(count) => Ok(count),
            Err(Errno::EINTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self, line: usize) -> Result<(), LoadError> {
        // Taken out for the time of reading: answering needs everything else.
        let Some(mut inbox) = self.inbox.take() else { return Ok(()) };
        let count = inbox.receive(self.lines[line].socket.as_fd())?;
        let now = Instant::now();
        for number in 0..count {
            self.answer(line, inbox.datagram(number), now)?;
        }
        self.inbox = Some(inbox);
        Ok(())
    }

    fn answer(&mut self, line: usize, datagram: &[u8], now: Instant) -> Result<(), LoadError> {
        let Ok(message) = Message::parse(datagram) else {
            self.report.not_authentic += 1;
            return Ok(());
        };
        let header = message.header;
        if header.message_type == MessageType::Confirmable {
            self.acknowledge(line, &header);
        }
        if header.code.is_request() || (header.token.as_slice().is_empty() && header.message_type != MessageType::Reset)
        {
            // An empty acknowledgement names its uplink by message id alone: the answer will come, there is no hurry to send again.
            self.hold(line, header.message_id, now);
            return Ok(());
        }
        let known = slot_of(&header.token).filter(|(slot, generation)| {
            let exchange = self.exchanges.get(usize::from(*slot));
            exchange.is_some_and(|exchange| exchange.active && exchange.generation == *generation)
        });
        let Some((slot, _)) = known else {
            // The second answer to an uplink that was sent twice.
            return Ok(());
        };
        let exchange = &self.exchanges[usize::from(slot)];
        let device = exchange.device as usize;
        let answer = exchange.open(&self.speakers[device].context, &message, &mut self.scratch);
        let measured = u64::from(self.measuring);
        match answer {
            Answer::Stored => {
                self.report.acked += measured;
                if self.measuring {
                    self.latency
                        .saturating_record(now.saturating_duration_since(exchange.first_sent).as_micros() as u64);
                }
                if let Some(told) = &mut self.told {
                    let sent = exchange.first_sent.saturating_duration_since(self.began).as_millis() as i64;
                    let sent_ms = self.config.start.as_millis() + sent;
                    told.told(self.credentials[device], sent_ms, &exchange.payload).map_err(FleetError::from)?;
                }
                self.release(slot);
            }
            Answer::Challenged(echo) => {
                self.report.challenged += measured;
                self.speakers[device].echo = Some(echo);
                self.seal(slot, device, now, false)?;
            }
            Answer::TurnedAway => {
                self.report.turned_away += measured;
                self.release(slot);
            }
            Answer::Refused(_) => {
                self.report.refused += measured;
                self.release(slot);
            }
            // Anyone can write these: the uplink goes on waiting for a genuine answer.
            Answer::NotAuthentic => self.report.not_authentic += 1,
        }
        Ok(())
    }

    fn hold(&mut self, line: usize, message_id: u16, now: Instant) {
        let speakers = &self.speakers;
        let held = self.exchanges.iter_mut().find(|exchange| {
            exchange.active && exchange.message_id == message_id && speakers[exchange.device as usize].socket == line
        });
        if let Some(exchange) = held {
            exchange.resend_at = now + ACK_TIMEOUT * 30;
        }
    }

    fn acknowledge(&mut self, line: usize, header: &Header) {
        let mut datagram = Vec::with_capacity(4);
        let empty = Header {
            message_type: MessageType::Acknowledgement,
            code: davy_coap::Code::EMPTY,
            token: davy_coap::message::Token::default(),
            ..*header
        };
        empty.encode(&mut datagram);
        // If it is lost, the platform sends its answer again, and this is said again.
        let _ = self.lines[line].socket.send(&datagram);
    }

    fn release(&mut self, slot: u16) {
        self.exchanges[usize::from(slot)].active = false;
        self.free.push(slot);
    }

    /// Sends again, as the same bytes, what has waited too long, and gives up what has waited for ever.
    fn resend(&mut self, now: Instant) -> Result<(), LoadError> {
        for slot in 0..self.exchanges.len() as u16 {
            let exchange = &mut self.exchanges[usize::from(slot)];
            if !exchange.active || exchange.resend_at > now {
                continue;
            }
            if exchange.resent >= MAX_RETRANSMIT {
                self.report.lost += 1;
                self.release(slot);
                continue;
            }
            exchange.resent += 1;
            exchange.resend_at = now + ACK_TIMEOUT * (1 << exchange.resent);
            self.report.resent += 1;
            let line = &mut self.lines[self.speakers[exchange.device as usize].socket];
            if !line.waiting.contains(&slot) {
                line.waiting.push_back(slot);
            }
        }
        self.flush()
    }

    fn drain(&mut self) -> Result<(), LoadError> {
        let until = Instant::now() + DRAIN;
        while self.free.len() < self.config.window && Instant::now() < until {
            let now = Instant::now();
            self.resend(now)?;
            self.wait(now, now + RESEND_SCAN, u64::MAX - 1)?;
            self.flush()?;
        }
        Ok(())
    }
}
