//! A shard: one thread that owns the protocol state and the folded state of its interlocks.
//!
//! It folds what arrives, hands the result to the committer, and answers when the committer says that it is durable. It
//! never touches the database, and it never answers an uplink by itself but to refuse it.

use super::IngestError;
use super::commit::DatabaseHealth;
use super::crowd::Crowd;
use super::learn::Newcomers;
use super::protocol::ProtocolCounters;
use super::route::ShardIndex;
use super::socket::{Datagrams, Sender as DatagramSender};
use super::state::{DeviceSlot, ShardState, Stored};
use super::vendor::Vendors;
use super::work::{Delivery, Release, Work};
use crate::clock::SharedClock;
use crate::live::LiveBus;
use crate::operate::{Again, OperateError, SetAside};
use crate::shares::Shares;
use crossbeam_channel::Receiver;
use davy_coap::oscore::SecurityContext;
use davy_coap::{ContextId, Endpoint, Event, Failure, NotificationId, ObservationId, Transmit};
use davy_domain::alarm::{Alarm, AlarmEvent};
use davy_domain::command::{Cause, Command};
use davy_domain::interlock::{Effects, Input, MOST_LEAD, Transport};
use davy_domain::{AlarmId, CommandId, DeviceId, IdSource, InterlockId, Timestamp};
use davy_store::JournalRow;
use metrics::{Counter, counter};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::net::UdpSocket;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// SenML-CBOR (RFC 8428 §12.3).
pub const SENML_CBOR: u16 = 112;
/// CBOR (RFC 7252 registry).
pub const CBOR: u16 = 60;
/// Link format (RFC 6690).
pub const LINK_FORMAT: u16 = 40;
/// So many rows are worth a commit.
const ENOUGH_ROWS: usize = 512;
/// How often the protocol's counters are brought up to date.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// After how many seconds a refused device should try again.
pub(super) const RETRY_AFTER: u32 = 5;

/// What a shard is told.
pub enum ShardInput {
    /// From the committer: this is durable now.
    Durable(Release),
    /// From the committer: the database does not answer; these commands must go out all the same.
    Undurable(Release),
    /// From the committer: the database refused what this interlock decided; it stands as the database has it.
    Revert(InterlockId, Box<Stored>),
    /// From a person.
    Operate(Operation),
    /// Readings that arrived before this are in chunks now.
    Compacted(Timestamp),
    /// Sequence numbers of ours for the devices whose own run low.
    Sequences(Range<u64>),
    /// Devices that were provisioned while the server runs.
    Learn(Newcomers, tokio::sync::oneshot::Sender<Result<(), IngestError>>),
    /// From now on the device speaks under this context, with whether it sleeps, or not at all.
    Rekey(DeviceId, Option<(Box<SecurityContext>, bool)>, tokio::sync::oneshot::Sender<Result<(), IngestError>>),
    /// Hand over what is left and end once it is durable.
    Stop,
}

/// What a person wants.
pub enum Operation {
    /// Close the device's own valve.
    Close {
        /// In which interlock.
        interlock: InterlockId,
        /// Whose valve.
        device: DeviceId,
        /// Who wants it.
        cause: Cause,
        /// Gets the open closes of the valve.
        answer: tokio::sync::oneshot::Sender<Result<Vec<Command>, OperateError>>,
    },
    /// Deal with an alarm.
    Person {
        /// In which interlock.
        interlock: InterlockId,
        /// Which alarm.
        alarm: AlarmId,
        /// What the person does.
        event: AlarmEvent,
        /// Gets the alarm as it is then.
        answer: tokio::sync::oneshot::Sender<Result<Alarm, OperateError>>,
    },
    /// Read a message that was set aside.
    ReadAgain {
        /// In which interlock.
        interlock: InterlockId,
        /// The message.
        message: SetAside,
        /// Gets what came of it.
        answer: tokio::sync::oneshot::Sender<Result<Again, OperateError>>,
    },
}

/// The thread's own state.
pub struct Shard {
    pub(super) index: ShardIndex,
    pub(super) socket: Arc<UdpSocket>,
    pub(super) endpoint: Endpoint,
    /// By [`ContextId`].
    pub(super) contexts: Vec<Option<DeviceSlot>>,
    /// Whose sequence numbers of ours run low.
    low: Vec<ContextId>,
    reserve: mpsc::UnboundedSender<ShardIndex>,
    pub(super) observers: HashMap<DeviceId, ObservationId>,
    pub(super) notified: HashMap<(ObservationId, NotificationId), (DeviceId, Vec<CommandId>)>,
    state: Arc<Mutex<ShardState>>,
    pub(super) ids: IdSource,
    pub(super) effects: Effects,
    pub(super) work: Work,
    /// The closes of leaks: they wait for no commit.
    pub(super) closes: Vec<Delivery>,
    pub(super) outgoing: Vec<Transmit>,
    /// Whose replies are not yet released.
    pub(super) crowd: Crowd,
    pub(super) committer: mpsc::Sender<Work>,
    /// The newest memories of rules whose uplinks were turned away, until the database takes them.
    pub(super) memories: HashMap<DeviceId, (InterlockId, JournalRow)>,
    pub(super) vendors: Vendors,
    pub(super) database: Arc<DatabaseHealth>,
    pub(super) live: LiveBus,
    pub(super) clock: SharedClock,
    pub(super) counters: Counters,
    protocol: ProtocolCounters,
    counted_at: Instant,
    /// What the clock said last.
    told: Timestamp,
}

pub(super) struct Counters {
    pub uplinks: Counter,
    pub readings: Counter,
    pub unknown_names: Counter,
    pub shed: Counter,
}

/// What [`Shard::new`] needs.
pub struct ShardParts {
    /// Its number.
    pub index: ShardIndex,
    /// Where to answer.
    pub socket: Arc<UdpSocket>,
    /// The protocol state, with a context for each of `contexts`.
    pub endpoint: Endpoint,
    /// Whose context each is.
    pub contexts: Vec<(ContextId, DeviceSlot)>,
    /// The folded state.
    pub state: Arc<Mutex<ShardState>>,
    /// For the ids of alarms, commands and notices.
    pub ids: IdSource,
    /// The committer's end.
    pub committer: mpsc::Sender<Work>,
    /// Takes further sequence numbers.
    pub reserve: mpsc::UnboundedSender<ShardIndex>,
    /// How well the database answers.
    pub database: Arc<DatabaseHealth>,
    /// Where each company's uplinks are counted.
    pub shares: Arc<Shares>,
    /// For devices that somebody watches.
    pub live: LiveBus,
    /// The time.
    pub clock: SharedClock,
}

impl Shard {
    /// A shard with its recovered state.
    pub fn new(parts: ShardParts) -> Self {
        let length = parts.contexts.iter().map(|(id, _)| id.0 as usize + 1).max().unwrap_or(0);
        let mut contexts = vec![None; length];
        for (id, slot) in parts.contexts {
            contexts[id.0 as usize] = Some(slot);
        }
        let counted_at = parts.clock.instant();
        let told = parts.clock.now();
        Self {
            index: parts.index,
            socket: parts.socket,
            endpoint: parts.endpoint,
            contexts,
            low: Vec::new(),
            reserve: parts.reserve,
            observers: HashMap::new(),
            notified: HashMap::new(),
            state: parts.state,
            ids: parts.ids,
            effects: Effects::default(),
            work: Work::of(parts.index),
            closes: Vec::new(),
            outgoing: Vec::new(),
            crowd: Crowd::new(parts.shares),
            committer: parts.committer,
            memories: HashMap::new(),
            vendors: Vendors::default(),
            database: parts.database,
            live: parts.live,
            clock: parts.clock,
            counters: Counters {
                uplinks: counter!("davy_uplinks_total"),
                readings: counter!("davy_readings_total"),
                unknown_names: counter!("davy_unknown_names_total"),
                shed: counter!("davy_uplinks_shed_total"),
            },
            protocol: ProtocolCounters::default(),
            counted_at,
            told,
        }
    }

    /// Runs until told to stop. Orders come first: they are few, and people and durable answers wait for them.
    pub fn run(mut self, orders: &Receiver<ShardInput>, datagrams: &Receiver<Datagrams>) {
        let state = Arc::clone(&self.state);
        let mut sender = DatagramSender::default();
        let mut stopping = false;
        let mut connected = true;
        loop {
            let patience = self.patience(&state.lock());
            let silent = crossbeam_channel::never();
            let from_socket = if connected { datagrams } else { &silent };
            let mut first = None;
            crossbeam_channel::select! {
                recv(orders) -> order => match order {
                    Ok(order) => first = Some(order),
                    Err(_) => return,
                },
                recv(from_socket) -> batch => match batch {
                    Ok(batch) => self.take_datagrams(&batch, &mut state.lock(), &mut sender),
                    Err(_) => connected = false,
                },
                default(patience) => {}
            }
            let mut locked = state.lock();
            for order in first.into_iter().chain(orders.try_iter()) {
                stopping |= self.take(order, &mut locked);
                self.hurry(&mut locked, &mut sender);
            }
            // A commit's worth at most before what has been decided is handed over.
            while self.work.rows.len() < ENOUGH_ROWS
                && let Ok(batch) = datagrams.try_recv()
            {
                self.take_datagrams(&batch, &mut locked, &mut sender);
            }
            self.elapse(&mut locked, &mut sender);
            self.tell_unwritten(&mut locked);
            self.hand_over(stopping, &mut locked);
            drop(locked);
            self.count();
            self.transmit(&mut sender);
            if stopping
                && self.work.is_empty()
                && self.memories.is_empty()
                && self.crowd.is_empty()
                && datagrams.is_empty()
            {
                return;
            }
        }
    }

    /// How long nothing needs to be done if nothing arrives.
    fn patience(&self, state: &ShardState) -> Duration {
        if !self.work.is_empty() {
            return Duration::from_millis(1);
        }
        let longest = Duration::from_millis(250);
        let protocol = self.endpoint.poll_timeout().map(|at| at.saturating_duration_since(self.clock.instant()));
        let due = state
            .next_due()
            .map(|at| Duration::from_millis(u64::try_from(at.since(self.clock.now()).as_millis()).unwrap_or(0)));
        longest.min(protocol.unwrap_or(longest)).min(due.unwrap_or(longest))
    }

    /// Takes one input; returns whether the shard is to stop.
    fn take(&mut self, input: ShardInput, state: &mut ShardState) -> bool {
        match input {
            ShardInput::Durable(release) => self.release(release, true, state),
            ShardInput::Undurable(release) => self.release(release, false, state),
            ShardInput::Revert(interlock, stored) => {
                let withheld = self.work.withhold(&HashSet::from([interlock]));
                self.memories.retain(|_, (of, _)| *of != interlock);
                state.revert(interlock, *stored, self.clock.now());
                self.work.reverted.push(interlock);
                self.release(withheld, false, state);
            }
            ShardInput::Operate(operation) => self.operate(operation, state),
            ShardInput::Compacted(before) => state.forget_readings(before),
            ShardInput::Sequences(range) => {
                for id in std::mem::take(&mut self.low) {
                    if let Some(context) = self.endpoint.context_mut(id) {
                        context.set_sender_range(range.clone());
                    }
                }
            }
            ShardInput::Learn(newcomers, answer) => {
                // Who asked may have gone; the devices are known all the same.
                let _ = answer.send(self.learn(newcomers, state));
            }
            ShardInput::Rekey(device, context, answer) => {
                let _ = answer.send(self.rekey(device, context, state));
            }
            ShardInput::Stop => return true,
        }
        false
    }

    fn take_datagrams(&mut self, datagrams: &Datagrams, state: &mut ShardState, sender: &mut DatagramSender) {
        let now = self.clock.instant();
        for (peer, datagram) in datagrams.iter() {
            self.endpoint.handle_datagram(now, peer, datagram);
            self.drain_events(state);
            self.hurry(state, sender);
        }
    }

    /// Lets time pass, in the protocol and in the fold.
    fn elapse(&mut self, state: &mut ShardState, sender: &mut DatagramSender) {
        let instant = self.clock.instant();
        if self.endpoint.poll_timeout().is_some_and(|at| at <= instant) {
            self.endpoint.handle_timeout(instant);
            self.drain_events(state);
        }
        let now = self.clock.now();
        if self.told.since(now) > MOST_LEAD {
            tracing::warn!(
                ms = self.told.since(now).as_millis(),
                "the system's clock has stepped back; what was set by it is moved back"
            );
            for interlock in state.step_back() {
                self.step(state, interlock, None, Input::Due, now);
                self.hurry(state, sender);
            }
        }
        self.told = now;
        while let Some(interlock) = state.pop_due(now) {
            self.step(state, interlock, None, Input::Due, now);
            self.hurry(state, sender);
        }
        self.hurry(state, sender);
    }

    fn drain_events(&mut self, state: &mut ShardState) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { exchange, context, sequence, observation, request, .. } => {
                    self.request(state, exchange, context, sequence, observation, request);
                }
                Event::ObservationRegistered { observation, context, .. } => {
                    if let Some(slot) = self.slot(context) {
                        self.observers.insert(slot.device, observation);
                        self.notify_pending(slot.device, state);
                    }
                }
                Event::ObservationEnded { observation, context, .. } => {
                    if let Some(slot) = self.slot(context)
                        && self.observers.get(&slot.device) == Some(&observation)
                    {
                        self.observers.remove(&slot.device);
                    }
                }
                Event::NotificationDelivered { observation, notification } => {
                    // A message holds only so many commands: the others follow.
                    if let Some(device) = self.notified(state, observation, notification, Transport::Delivered) {
                        self.notify_pending(device, state);
                    }
                }
                Event::NotificationFailed { observation, notification, reason } => {
                    tracing::debug!(%reason, "a notification was not delivered");
                    self.notified(state, observation, notification, Transport::TimedOut);
                }
                Event::SequencesLow { context } => {
                    self.low.push(context);
                    // Nobody takes it only when the server stops.
                    let _ = self.reserve.send(self.index);
                }
                // The platform asks nothing of devices: it has no requests that could be answered.
                Event::Response { .. } | Event::RequestFailed { reason: Failure::TimedOut | Failure::Reset, .. } => {}
                Event::RequestFailed { reason, .. } => tracing::debug!(%reason, "a request failed"),
            }
        }
    }

    /// Brings the counters up to what the endpoint has seen, about once a second.
    fn count(&mut self) {
        let now = self.clock.instant();
        if now.saturating_duration_since(self.counted_at) >= COUNT_EVERY {
            self.counted_at = now;
            self.protocol.report(&self.endpoint.stats());
        }
    }

    pub(super) fn slot(&self, context: Option<ContextId>) -> Option<DeviceSlot> {
        self.contexts.get(context?.0 as usize).copied().flatten()
    }
}

#[cfg(test)]
mod promptness;
