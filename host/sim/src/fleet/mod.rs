//! The fleet: carries a world's actions over UDP with the real protocol, and keeps the books.
//!
//! One thread, one socket and one endpoint for each device. The clock is read here, and only here: the world is told the time. Must never
//! tell the platform anything but by datagrams, nor count an uplink as acknowledged without an authentic 2.04.

mod acts;
mod answers;
mod book;
mod config;
mod control;
mod port;
mod report;
mod told;

pub use config::{FleetConfig, FleetError, first_sequence, raise_file_limit};
pub use control::{Control, ControlError};
pub use report::{Latency, LeakReport, Report, Totals};
pub use told::ToldLog;

use crate::{
    chance::Chance,
    credential::Credential,
    world::{
        Action, DeviceIndex, Fault, PlaceIndex, Received, Spec, World,
        leak::{LeakKind, LeakSite},
    },
};
use book::Book;
use davy_domain::{Span, Timestamp};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use port::Port;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

/// A fleet that runs.
pub struct Fleet<'a> {
    config: FleetConfig,
    credentials: &'a [Credential],
    by_serial: HashMap<&'a str, DeviceIndex>,
    /// Who speaks through whom, by the child's serial.
    children: HashMap<(DeviceIndex, &'a str), DeviceIndex>,
    world: World,
    ports: Vec<Option<Port>>,
    epoll: Epoll,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    actions: VecDeque<Action>,
    scratch: Vec<Action>,
    book: Book,
    told: Option<ToldLog>,
    chance: Chance,
    began: Instant,
    next_leak: Option<Instant>,
    /// When the datagram that is being handled was read.
    read_at: Instant,
    draining: bool,
}

impl<'a> Fleet<'a> {
    /// Opens a socket for each device and puts them into a world.
    ///
    /// # Errors
    /// [`FleetError`] when credentials or sockets fail.
    pub fn open(config: FleetConfig, credentials: &'a [Credential], told: Option<ToldLog>) -> Result<Self, FleetError> {
        let speakers = credentials.iter().filter(|each| each.speaks()).count();
        raise_file_limit(speakers)?;
        let specs = Credential::specs(credentials);
        let seed = config.world.seed;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let first = first_sequence(config.start);
        let mut ports = Vec::with_capacity(credentials.len());
        for (index, (credential, spec)) in credentials.iter().zip(&specs).enumerate() {
            if spec.speaker.is_some() {
                ports.push(None);
                continue;
            }
            let chance = Chance::new(seed, 2_000_000 + index as u64);
            let mut port = Port::open(credential, config.server, first, config.radio_loss, chance)?;
            port.radio = !credential.sleepy;
            epoll.add(port.socket(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            ports.push(Some(port));
        }
        let indexed = || (0_u32..).map(DeviceIndex).zip(credentials);
        let child =
            |((index, each), spec): ((_, &'a Credential), &Spec)| Some(((spec.speaker?, each.serial.as_str()), index));
        let began = Instant::now();
        Ok(Self {
            children: indexed().zip(&specs).filter_map(child).collect(),
            world: World::new(config.world.clone(), &specs, config.start),
            next_leak: config.leak_every.map(|_| began + config.first_leak_after),
            chance: Chance::new(seed, 3_000_000),
            book: Book::new(began),
            config,
            credentials,
            by_serial: indexed().map(|(index, each)| (each.serial.as_str(), index)).collect(),
            ports,
            epoll,
            timers: BinaryHeap::new(),
            actions: VecDeque::new(),
            scratch: Vec::new(),
            told,
            began,
            read_at: began,
            draining: false,
        })
    }

    /// Runs until its time is over, `stop` is set or [`Control::Stop`] comes. `progress` is called once a second.
    ///
    /// # Errors
    /// [`FleetError`] when the operating system or the log fails; what the platform does is never an error, it is in the report.
    pub fn run(
        mut self,
        controls: &Receiver<Control>,
        stop: &AtomicBool,
        mut progress: impl FnMut(&Report),
    ) -> Result<Report, FleetError> {
        let end = self.config.runs_for.map(|span| self.began + span);
        let mut next_second = self.began + Duration::from_secs(1);
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed)
                || end.is_some_and(|end| now >= end)
                || !self.take_controls(controls, now)?
            {
                break;
            }
            if now >= next_second {
                next_second += Duration::from_secs(1);
                progress(&self.report(now));
                if let Some(told) = &mut self.told {
                    told.flush()?;
                }
            }
            self.leak_when_due(now, end)?;
            let world_now = self.world_time(now);
            self.world.step(world_now, &mut self.scratch);
            self.carry_out(now)?;
            self.run_timers(now)?;
            self.wait(next_second.min(end.unwrap_or(next_second)))?;
        }
        self.drain()?;
        if let Some(told) = &mut self.told {
            told.flush()?;
        }
        let unanswered: usize = self.ports.iter().flatten().map(Port::uplinks_under_way).sum();
        self.book.totals.uplinks_unanswered = unanswered as u64;
        Ok(self.report(Instant::now()))
    }

    /// Waits for the answers that are on the way; nothing new is begun.
    fn drain(&mut self) -> Result<(), FleetError> {
        self.draining = true;
        let until = Instant::now() + self.config.drain;
        loop {
            let now = Instant::now();
            let waiting = self.ports.iter().flatten().any(|port| port.requests_under_way() > 0);
            if !waiting || now >= until {
                return Ok(());
            }
            self.run_timers(now)?;
            self.wait(until.min(now + Duration::from_millis(100)))?;
        }
    }

    fn world_time(&self, now: Instant) -> Timestamp {
        self.config.start + Span::from_millis(now.saturating_duration_since(self.began).as_millis() as i64)
    }

    fn wall_time(&self, at: Timestamp) -> Instant {
        self.began + Duration::from_millis(at.since(self.config.start).as_millis().max(0) as u64)
    }

    /// The books as they stand.
    fn report(&mut self, now: Instant) -> Report {
        let totals = &mut self.book.totals;
        let ports = || self.ports.iter().flatten();
        totals.datagrams_sent = ports().map(|port| port.counts.sent).sum();
        totals.datagrams_received = ports().map(|port| port.counts.received).sum();
        totals.datagrams_lost = ports().map(|port| port.counts.lost).sum();
        totals.retransmissions = ports().map(Port::retransmissions).sum();
        totals.answers_not_authentic = ports().map(Port::not_authentic).sum();
        self.book.report(now)
    }

    fn wait(&mut self, until: Instant) -> Result<(), FleetError> {
        let world = self.world.next_due().filter(|_| !self.draining).map(|at| self.wall_time(at));
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let wake = [world, timer].into_iter().flatten().min().map_or(until, |at| at.min(until));
        let sleep = wake.saturating_duration_since(Instant::now());
        // Rounded up: waking a fraction of a millisecond early would only spin.
        let millis = sleep.as_micros().div_ceil(1000).min(1000) as u16;
        let mut ready = [EpollEvent::empty(); 256];
        let count = match self.epoll.wait(&mut ready, EpollTimeout::from(millis)) {
            Ok(count) => count,
            Err(nix::Error::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &ready[..count] {
            self.read(event.data() as usize)?;
        }
        Ok(())
    }

    fn read(&mut self, index: usize) -> Result<(), FleetError> {
        let mut buffer = [0_u8; 2048];
        while let Some(now) = self.ports[index].as_mut().and_then(|port| port.receive(&mut buffer, Instant::now)) {
            self.read_at = now;
            self.attend(index, now)?;
            self.carry_out(now)?;
        }
        Ok(())
    }

    fn run_timers(&mut self, now: Instant) -> Result<(), FleetError> {
        while let Some(Reverse((at, index))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            let Some(port) = self.ports[index as usize].as_mut() else { continue };
            if port.timer == Some(at) {
                port.timer = None;
                port.handle_timeout(now);
                self.attend(index as usize, now)?;
                self.carry_out(now)?;
            }
        }
        Ok(())
    }

    /// After anything was done to a port: what it has to send goes out, what it has to say goes to the world, its timer is set.
    fn attend(&mut self, index: usize, now: Instant) -> Result<(), FleetError> {
        loop {
            let Some(port) = self.ports[index].as_mut() else { return Ok(()) };
            port.flush();
            let Some(event) = port.poll_event() else { break };
            self.event(index, event, now)?;
        }
        let Some(port) = self.ports[index].as_mut() else { return Ok(()) };
        if let Some(at) = port.poll_timeout()
            && port.timer.is_none_or(|before| at < before)
        {
            port.timer = Some(at);
            self.timers.push(Reverse((at, index as u32)));
        }
        Ok(())
    }

    fn tell(&mut self, index: usize, received: Received, now: Instant) {
        if self.draining {
            return;
        }
        let world_now = self.world_time(now);
        self.world.receive(DeviceIndex(index as u32), received, world_now, &mut self.scratch);
    }

    /// Carries out what the world wants, and what that leads to.
    fn carry_out(&mut self, now: Instant) -> Result<(), FleetError> {
        self.actions.extend(self.scratch.drain(..));
        while let Some(action) = self.actions.pop_front() {
            if let Some(index) = self.act(action, now)? {
                self.attend(index, now)?;
                self.actions.extend(self.scratch.drain(..));
            }
        }
        Ok(())
    }

    fn premises_name(&self, place: PlaceIndex) -> String {
        let first = self.world.devices_of(place).first().and_then(|device| self.credentials.get(device.0 as usize));
        first.map(|each| each.premises.clone().unwrap_or_else(|| each.serial.clone())).unwrap_or_default()
    }

    fn leak_when_due(&mut self, now: Instant, end: Option<Instant>) -> Result<(), FleetError> {
        let (Some(at), Some(every)) = (self.next_leak, self.config.leak_every) else { return Ok(()) };
        if now < at {
            return Ok(());
        }
        self.next_leak = Some(at + every);
        if end.is_some_and(|end| now + self.config.settle > end) {
            self.next_leak = None;
            return Ok(());
        }
        let kind = if self.chance.happens(self.config.slow_share) { LeakKind::Slow } else { LeakKind::Sudden };
        self.control(Control::Leak { premises: None, kind, site: LeakSite::BehindValves }, now)
    }

    /// False when the fleet is to end.
    fn take_controls(&mut self, controls: &Receiver<Control>, now: Instant) -> Result<bool, FleetError> {
        loop {
            match controls.try_recv() {
                Ok(Control::Stop) => return Ok(false),
                Ok(control) => self.control(control, now)?,
                // Nobody is left to say anything: that is no reason to end.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(true),
            }
        }
    }

    fn control(&mut self, control: Control, now: Instant) -> Result<(), FleetError> {
        let fault = match control {
            Control::Leak { premises, kind, site } => {
                self.place(premises.as_deref()).map(|place| Fault::Leak(place, kind, site))
            }
            Control::CarbonMonoxide { premises } => self.place(premises.as_deref()).map(Fault::CarbonMonoxide),
            Control::Repair { premises } => self.place(Some(&premises)).map(Fault::Repair),
            Control::Jam { serial } => self.by_serial.get(serial.as_str()).copied().map(Fault::Jam),
            Control::Reboot { serial } => self.by_serial.get(serial.as_str()).copied().map(Fault::Reboot),
            Control::Stop => None,
        };
        if let Some(fault) = fault {
            let world_now = self.world_time(now);
            self.world.inflict(fault, world_now, &mut self.scratch);
            self.carry_out(now)?;
        }
        Ok(())
    }

    /// The place of these premises, or a random one that a leak can be felt and stopped in.
    fn place(&mut self, premises: Option<&str>) -> Option<PlaceIndex> {
        let Some(name) = premises else {
            let places = self.world.leakable();
            return self.chance.pick(&places).copied();
        };
        let named =
            |each: &Credential| each.premises.as_deref() == Some(name) || each.serial == name || each.device == name;
        let index = self.credentials.iter().position(named)?;
        self.world.place_of(DeviceIndex(index as u32))
    }

    /// Leaks that no closed and reported valve has ended yet.
    pub fn unproven(&self) -> usize {
        self.book.unproven()
    }
}
