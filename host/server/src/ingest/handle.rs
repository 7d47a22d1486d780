//! Starting ingest, asking it something, and stopping it without losing anything.

use super::commit::{Committer, DatabaseHealth};
use super::intake::Intake;
use super::learn::{Learning, NewRoutes};
use super::recover::{self, RecoveredShard, Surroundings};
use super::reserve::Reserve;
use super::revoked::{self, Revoked, Speaker};
use super::route::{Routes, ShardIndex, home_of};
use super::shard::{Operation, Shard, ShardInput, ShardParts};
use super::socket::{self, Datagrams, Receiver as DatagramReceiver};
use super::state::ShardState;
use super::tenants::{self, FloorWatch};
use super::{IngestConfig, IngestError, IngestParts};
use crate::operate::{Again, Answer, DeviceView, Operate, OperateError, SetAside};
use crate::rules::running::{Registry, Sandbox};
use crossbeam_channel::{Sender, TrySendError};
use davy_coap::{Endpoint, EndpointConfig};
use davy_domain::alarm::{Alarm, AlarmEvent};
use davy_domain::command::{Cause, Command};
use davy_domain::floor::Floor;
use davy_domain::{AlarmId, DeviceId, IdSource, InterlockId, Quantity, Reading, TenantId, Timestamp};
use davy_store::{CompactOptions, DeviceCredentials, Store};
use metrics::counter;
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How many works may wait for the committer before the shards keep theirs back.
const COMMIT_QUEUE: usize = 256;
/// How many batches of datagrams may wait for one shard; past it the socket's own buffer fills.
const SHARD_QUEUE: usize = 256;
/// How often it is looked whether the statutory floor still judges.
const WATCH_FLOOR_EVERY: Duration = Duration::from_mins(1);

/// How many datagrams are held for a shard that does not keep up.
const MOST_HELD: usize = 16_384;

/// A running ingest.
pub struct Ingest {
    /// Where CoAP is listened for.
    local: SocketAddr,
    shards: Vec<ShardLink>,
    state_of: RwLock<HashMap<DeviceId, ShardIndex>>,
    /// What learning newcomers takes.
    learning: Learning,
    /// One at a time: of two that look for newcomers at once each would find the same.
    learns: tokio::sync::Mutex<()>,
    receiving: Arc<AtomicBool>,
    /// Cancelled when a thread or task that must never end has ended.
    failed: CancellationToken,
    threads: Mutex<Vec<JoinHandle<()>>>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    stopping: CancellationToken,
    registry: Arc<Registry>,
    revoked: Arc<Revoked>,
}

struct ShardLink {
    /// Orders and what the committer says: never refused.
    inputs: Sender<ShardInput>,
    state: Arc<Mutex<ShardState>>,
}

impl Ingest {
    /// Rebuilds the state and begins to listen.
    ///
    /// # Errors
    /// [`IngestError`] says what stands against it.
    pub async fn start(config: IngestConfig, parts: IngestParts) -> Result<Arc<Self>, IngestError> {
        let IngestParts { store, engine, compiled, admission, keys, live, shares, clock, random } = parts;
        let now = clock.now();
        let boot = store.next_boot(now).await?;
        let floor = statutory_floor(&store).await?;
        let tenants = store.tenants().await?;
        let worlds = tenants::worlds(&floor, &tenants, now)?;
        let sandbox = Sandbox { engine, compiled, admission };
        let registry =
            Registry::load(store.clone(), sandbox, config.wake_conditions, Arc::clone(&clock), worlds).await?;
        let registry = Arc::new(registry);
        let endpoints = (0..config.shards.max(1))
            .map(|_| {
                let mut seed = [0; 32];
                random.fill(&mut seed).map(|()| Endpoint::new(EndpointConfig::server(), seed))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| IngestError::System { what: "randomness", source })?;
        let highest = store.highest_id().await?;
        let surroundings = Surroundings { tenants: &tenants, worlds: registry.worlds(), keys: &keys, boot, now };
        let (recovered, contexts) = recover::rebuild(&mut store.recover().await?, &surroundings, endpoints).await?;

        let listen = |source| IngestError::Listen { listen: config.listen, source };
        let socket = Arc::new(socket::bind(config.listen).map_err(listen)?);
        let local = socket.local_addr().map_err(listen)?;
        let database = Arc::new(DatabaseHealth::default());
        let receiving = Arc::new(AtomicBool::new(true));
        let (committer, work) = mpsc::channel(COMMIT_QUEUE);
        let (reserve, wanted) = mpsc::unbounded_channel();
        let (new_routes, learnt_routes) = crossbeam_channel::unbounded();
        let (revoked, notices) = Revoked::gather(&store, &tenants).await?;
        let revoked = Arc::new(revoked);
        let mut this = Self {
            local,
            shards: Vec::new(),
            state_of: RwLock::default(),
            learning: Learning {
                store: store.clone(),
                keys,
                boot,
                registry: Arc::clone(&registry),
                routes: new_routes,
            },
            learns: tokio::sync::Mutex::default(),
            receiving: Arc::clone(&receiving),
            failed: CancellationToken::new(),
            threads: Mutex::default(),
            tasks: Mutex::default(),
            stopping: CancellationToken::new(),
            registry,
            revoked: Arc::clone(&revoked),
        };
        let noted = revoked::note(notices, store.clone(), Arc::clone(&clock), this.stopping.clone());
        this.tasks.lock().push(tokio::spawn(noted));
        let mut datagrams = Vec::new();
        let mut state_of = HashMap::new();
        for (index, RecoveredShard { state, contexts, endpoint }) in recovered.into_iter().enumerate() {
            let index = index as ShardIndex;
            state_of.extend(state.devices().map(|id| (id, index)));
            let state = Arc::new(Mutex::new(state));
            let (inputs, orders) = crossbeam_channel::unbounded();
            let (to_shard, from_socket) = crossbeam_channel::bounded(SHARD_QUEUE);
            let shard = Shard::new(ShardParts {
                index,
                socket: Arc::clone(&socket),
                endpoint,
                contexts,
                state: Arc::clone(&state),
                ids: IdSource::new(index as u8, highest),
                committer: committer.clone(),
                reserve: reserve.clone(),
                database: Arc::clone(&database),
                live: live.clone(),
                shares: Arc::clone(&shares),
                clock: Arc::clone(&clock),
            });
            this.spawn(format!("shard-{index}"), move || shard.run(&orders, &from_socket))?;
            this.shards.push(ShardLink { inputs, state });
            datagrams.push(to_shard);
        }
        drop(committer);
        this.state_of = RwLock::new(state_of);
        let committer = Committer {
            store: store.clone(),
            work,
            shards: this.shards.iter().map(|shard| shard.inputs.clone()).collect(),
            live,
            database,
            late: VecDeque::new(),
            refused: HashSet::new(),
        };
        let vital = this.vital("the committer");
        this.tasks.lock().push(tokio::spawn(async move {
            committer.run().await;
            drop(vital);
        }));
        let reserve = Reserve {
            store: store.clone(),
            wanted,
            shards: this.shards.iter().map(|shard| shard.inputs.clone()).collect(),
            clock: Arc::clone(&clock),
            stop: this.stopping.clone(),
        };
        this.tasks.lock().push(tokio::spawn(reserve.run()));
        let watch = FloorWatch::new(this.registry.worlds().clone());
        this.tasks.lock().push(tokio::spawn(watch_floor(watch, this.stopping.clone(), Arc::clone(&clock))));
        let routes = Routes::new(contexts);
        let mut seed = [0; 16];
        random.fill(&mut seed).map_err(|source| IngestError::System { what: "randomness", source })?;
        let intake = Intake::new(config.device_rate, seed);
        this.spawn("receive".to_owned(), move || {
            receive(&socket, (routes, learnt_routes), (intake, &revoked), &datagrams, &receiving);
        })?;
        let compaction = compact(
            store,
            this.shards.iter().map(|shard| shard.inputs.clone()).collect(),
            config.compact_every,
            CompactOptions { slices: 64, keep: config.compact_after, ..CompactOptions::default() },
            this.stopping.clone(),
            clock,
        );
        this.tasks.lock().push(tokio::spawn(compaction));
        Ok(Arc::new(this))
    }

    /// The rules that the shards ask.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Where CoAP is listened for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn spawn(&self, name: String, run: impl FnOnce() + Send + 'static) -> Result<(), IngestError> {
        let vital = self.vital(&name);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            run();
            drop(vital);
        });
        self.threads.lock().push(thread.map_err(|source| IngestError::System { what: "a thread", source })?);
        Ok(())
    }

    /// To be held by whatever must not end before a shutdown.
    fn vital(&self, name: &str) -> Vital {
        Vital { name: name.to_owned(), receiving: Arc::clone(&self.receiving), failed: self.failed.clone() }
    }

    async fn ask<T>(
        &self,
        interlock: InterlockId,
        operation: impl FnOnce(oneshot::Sender<Result<T, OperateError>>) -> Operation,
    ) -> Result<T, OperateError> {
        let shard = self.shards.get(usize::from(home_of(interlock, self.shards.len())));
        let shard = shard.ok_or_else(|| OperateError::Unknown { what: interlock.to_string() })?;
        let (answer, answered) = oneshot::channel();
        shard.inputs.send(ShardInput::Operate(operation(answer))).map_err(|_| OperateError::Stopping)?;
        answered.await.map_err(|_| OperateError::Stopping)?
    }

    fn with_state<T>(&self, device: DeviceId, look: impl FnOnce(&ShardState) -> T) -> Option<T> {
        let index = *self.state_of.read().get(&device)?;
        let shard = self.shards.get(usize::from(index))?;
        Some(look(&shard.state.lock()))
    }
}

impl Operate for Ingest {
    fn close(&self, interlock: InterlockId, device: DeviceId, cause: Cause) -> Answer<'_, Vec<Command>> {
        Box::pin(self.ask(interlock, move |answer| Operation::Close { interlock, device, cause, answer }))
    }

    fn person(&self, interlock: InterlockId, alarm: AlarmId, event: AlarmEvent) -> Answer<'_, Alarm> {
        Box::pin(self.ask(interlock, move |answer| Operation::Person { interlock, alarm, event, answer }))
    }

    fn read_again(&self, interlock: InterlockId, message: SetAside) -> Answer<'_, Again> {
        Box::pin(self.ask(interlock, move |answer| Operation::ReadAgain { interlock, message, answer }))
    }

    fn device_view(&self, device: DeviceId) -> Option<DeviceView> {
        self.with_state(device, |state| state.view(device)).flatten()
    }

    fn recent(&self, device: DeviceId, quantity: Quantity, from: Timestamp, to: Timestamp) -> Vec<Reading> {
        self.with_state(device, |state| state.recent(device, quantity, from, to)).unwrap_or_default()
    }

    fn learn(&self, after: Option<DeviceId>) -> Answer<'_, usize> {
        Box::pin(async move {
            let _alone = self.learns.lock().await;
            let failed = |error: IngestError| OperateError::NotLearnt { reason: error.to_string() };
            let is_known = |device: DeviceId| self.state_of.read().contains_key(&device);
            let gathered = self.learning.gather(after, is_known).await.map_err(failed)?;
            let mut count = 0;
            for (newcomers, routes) in self.learning.prepare(gathered, self.shards.len()).await.map_err(failed)? {
                let shard = usize::from(newcomers.shard);
                let Some(link) = self.shards.get(shard) else { continue };
                let devices = newcomers.devices();
                let (answer, answered) = oneshot::channel();
                link.inputs.send(ShardInput::Learn(newcomers, answer)).map_err(|_| OperateError::Stopping)?;
                answered.await.map_err(|_| OperateError::Stopping)?.map_err(failed)?;
                count += devices.len();
                self.state_of.write().extend(devices.into_iter().map(|device| (device, shard as ShardIndex)));
                // Nobody listens only when the server stops.
                let _ = self.learning.routes.send(routes);
            }
            Ok(count)
        })
    }

    fn rekey(&self, tenant: TenantId, device: DeviceId, key: Option<(DeviceCredentials, bool)>) -> Answer<'_, ()> {
        Box::pin(async move {
            let failed = |error: IngestError| OperateError::NotLearnt { reason: error.to_string() };
            let shard = self.state_of.read().get(&device).copied();
            let shard = shard.ok_or_else(|| OperateError::Unknown { what: device.to_string() })?;
            let link = self.shards.get(usize::from(shard)).ok_or(OperateError::NotReady)?;
            let mut context = None;
            let has_key = key.is_some();
            if let Some((credentials, is_sleepy)) = key {
                let (new, routes) =
                    self.learning.context_of(tenant, device, credentials, shard).await.map_err(failed)?;
                context = Some((Box::new(new), is_sleepy));
                let _ = self.learning.routes.send(routes);
            }
            let (answer, answered) = oneshot::channel();
            link.inputs.send(ShardInput::Rekey(device, context, answer)).map_err(|_| OperateError::Stopping)?;
            answered.await.map_err(|_| OperateError::Stopping)?.map_err(failed)?;
            if has_key {
                self.revoked.remove(device);
            } else if let Some(identity) = self.learning.identity_of(tenant, device).await.map_err(failed)? {
                self.revoked.add(identity, Speaker { tenant, device });
            }
            Ok(())
        })
    }

    fn ready(&self) -> bool {
        self.receiving.load(Ordering::Relaxed)
    }

    fn failed(&self) -> CancellationToken {
        self.failed.clone()
    }

    fn shutdown(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.receiving.store(false, Ordering::Relaxed);
            self.stopping.cancel();
            for shard in &self.shards {
                // A shard that has ended already has nothing left to hand over.
                let _ = shard.inputs.send(ShardInput::Stop);
            }
            let threads = std::mem::take(&mut *self.threads.lock());
            let joined =
                tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok())).await;
            let tasks = std::mem::take(&mut *self.tasks.lock());
            for task in tasks {
                task.await.map_err(|error| OperateError::NotStored { reason: error.to_string() })?;
            }
            match joined {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => {
                    Err(OperateError::NotStored { reason: "a shard ended abnormally; see the log".into() })
                }
            }
        })
    }
}

/// Tells when its holder ends, also by a panic, while it should be running: nothing that is left could answer for the whole.
struct Vital {
    name: String,
    receiving: Arc<AtomicBool>,
    failed: CancellationToken,
}

impl Drop for Vital {
    fn drop(&mut self) {
        if self.receiving.swap(false, Ordering::Relaxed) {
            tracing::error!(part = self.name, "a part of ingest that must not end has ended; the server stops");
            self.failed.cancel();
        }
    }
}

/// The stored floor; on a new database the defaults become data first.
async fn statutory_floor(store: &Store) -> Result<Floor, IngestError> {
    let floor = store.statutory_floor().await?;
    if !floor.rules.is_empty() {
        return Ok(floor);
    }
    let floor = Floor::china_default();
    store.put_statutory_floor(&floor).await?;
    Ok(floor)
}

/// Receives, routes and hands over until told to stop.
fn receive(
    socket: &UdpSocket,
    (mut routes, learnt): (Routes, crossbeam_channel::Receiver<NewRoutes>),
    (mut intake, revoked): (Intake, &Revoked),
    shards: &[Sender<Datagrams>],
    receiving: &AtomicBool,
) {
    let begun = Instant::now();
    let flooded = counter!("davy_datagrams_flooded_total");
    let mut receiver = DatagramReceiver::default();
    let mut sorted: Vec<Datagrams> = shards.iter().map(|_| Datagrams::default()).collect();
    while receiving.load(Ordering::Relaxed) {
        let mut flood = 0;
        let mut is_first = true;
        let received = receiver.receive(socket, |peer, datagram| {
            // Only now, not before the wait: who was told that a device can speak may have made it speak at once.
            if std::mem::take(&mut is_first) {
                learnt.try_iter().flatten().for_each(|(context, shard)| routes.add(context, shard));
            }
            let peek = davy_coap::peek(datagram);
            let known = routes.shard_of(peer, peek.as_ref());
            if !intake.admits(peer, peek.as_ref(), known.is_some(), begun.elapsed()) {
                flood += 1;
                return;
            }
            revoked.look(peek.as_ref(), Instant::now);
            // What belongs nowhere is refused by the first shard, in the protocol's own words.
            let shard = known.unwrap_or(0);
            if let Some(sorted) = sorted.get_mut(usize::from(shard)) {
                sorted.push(peer, datagram);
            }
        });
        if flood > 0 {
            flooded.increment(flood);
        }
        if let Err(error) = received {
            tracing::error!(%error, "receiving failed; trying again");
            std::thread::sleep(Duration::from_millis(100));
        }
        for (sorted, shard) in sorted.iter_mut().zip(shards) {
            if sorted.is_empty() {
                continue;
            }
            // A shard that does not keep up holds up no other: what it cannot take waits here, and beyond that is lost as on any
            // network, and sent again by its device.
            match shard.try_send(std::mem::take(sorted)) {
                Ok(()) => {}
                Err(TrySendError::Full(back)) => *sorted = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            let dropped = sorted.keep(MOST_HELD);
            if dropped > 0 {
                counter!("davy_datagrams_dropped_total").increment(dropped as u64);
            }
        }
    }
}

/// Looks after the statutory floor.
async fn watch_floor(mut watch: FloorWatch, stop: CancellationToken, clock: crate::clock::SharedClock) {
    loop {
        watch.look(clock.now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(WATCH_FLOOR_EVERY) => {}
        }
    }
}

/// Compacts the journal from time to time, and lets the shards forget what pages now find in chunks.
async fn compact(
    store: Store,
    shards: Vec<Sender<ShardInput>>,
    every: Duration,
    options: CompactOptions,
    stop: CancellationToken,
    clock: crate::clock::SharedClock,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let before = clock.now() - options.keep;
        match store.compact(before, &options).await {
            Ok(report) if report.uplinks > 0 => {
                tracing::debug!(uplinks = report.uplinks, readings = report.readings, "compacted");
                // What arrived just before the cut may have been committed after it: it is kept a little longer in both places.
                let forget = before - davy_domain::Span::from_minutes(1);
                if !report.more {
                    for shard in &shards {
                        let _ = shard.send(ShardInput::Compacted(forget));
                    }
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "compaction failed; trying again later"),
        }
    }
}
