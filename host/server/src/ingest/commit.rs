//! The committer: gathers what the shards have decided, makes it durable in one transaction, and only then lets them answer.
//!
//! A database that is slow, away or refuses never holds up a close: commands go out unacknowledged as soon as a commit takes
//! longer than it should. Of quiet telemetry, which nobody was promised anything about, only so much is kept as fits.

use super::route::home_of;
use super::shard::ShardInput;
use super::state::Stored;
use super::work::{Release, Work};
use crate::live::LiveBus;
use crossbeam_channel::Sender;
use davy_domain::{DeviceId, InterlockId};
use davy_store::{Batch, CommitReceipt, RowKind, Store, StoreError};
use metrics::{counter, gauge, histogram};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The most journal rows in one transaction: past it a bigger commit is no cheaper per row.
const MOST_ROWS: usize = 4096;
/// After so long without an answer commands go out without waiting for the commit.
const PROMPT: Duration = Duration::from_millis(250);
/// After so long quiet telemetry is no longer kept waiting: its devices are told to send it again later.
const PATIENCE: Duration = Duration::from_secs(2);
/// A commit without an answer for so long is given up and tried anew, on another connection.
const GIVE_UP: Duration = Duration::from_secs(30);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many works are taken from the shards while the database does not answer; the rest wait with their shards.
const MOST_LATE: usize = 1024;

/// How well the database answers: set by the committer, looked at by the shards.
#[derive(Debug, Default)]
pub struct DatabaseHealth(AtomicU8);

impl DatabaseHealth {
    const PROMPT: u8 = 0;
    const SLOW: u8 = 1;
    const AWAY: u8 = 2;

    /// Whether commands are to go out without waiting for their commit.
    pub fn is_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Self::SLOW
    }

    /// Whether quiet telemetry is to be turned away.
    pub fn is_away(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Self::AWAY
    }

    /// Makes it no better than `health`; returns whether that changed anything.
    fn worsen(&self, health: u8) -> bool {
        let worse = self.0.fetch_max(health, Ordering::Relaxed) < health;
        if worse {
            gauge!("davy_database_away").set(f64::from(health));
        }
        worse
    }

    /// Prompt again; returns whether it was not.
    fn recover(&self) -> bool {
        let was_not = self.0.swap(Self::PROMPT, Ordering::Relaxed) != Self::PROMPT;
        if was_not {
            gauge!("davy_database_away").set(f64::from(Self::PROMPT));
        }
        was_not
    }
}

/// The committer's ends.
pub struct Committer {
    /// Where it stores.
    pub store: Store,
    /// From the shards.
    pub work: mpsc::Receiver<Work>,
    /// To the shards, by their numbers.
    pub shards: Vec<Sender<ShardInput>>,
    /// For what has become durable.
    pub live: LiveBus,
    /// Tells the shards how well the database answers.
    pub database: Arc<DatabaseHealth>,
    /// What the shards handed over while the database did not answer.
    pub late: VecDeque<Work>,
    /// Interlocks of which something was refused, until their fold has gone back: whatever they decide meanwhile follows from what is
    /// not stored.
    pub refused: HashSet<InterlockId>,
}

impl Committer {
    /// Runs until every shard has dropped its end and all of it is durable.
    pub async fn run(mut self) {
        let mut gathered: Vec<Work> = Vec::new();
        let mut batch = Batch::default();
        loop {
            let first = match self.late.pop_front() {
                Some(first) => first,
                None => match self.work.recv().await {
                    Some(first) => first,
                    None => return,
                },
            };
            let mut rows = first.rows.len();
            gathered.push(first);
            while rows < MOST_ROWS
                && let Some(next) = self.late.pop_front().or_else(|| self.work.try_recv().ok())
            {
                rows += next.rows.len();
                gathered.push(next);
            }
            for work in &mut gathered {
                self.withhold(work);
                work.move_into(&mut batch);
            }
            self.commit(&mut batch, &mut gathered).await;
            batch.clear();
            for work in gathered.drain(..) {
                for (_, committed) in work.announcements {
                    self.live.publish(committed);
                }
                self.tell(work.shard, ShardInput::Durable(work.release));
            }
        }
    }

    async fn commit(&mut self, batch: &mut Batch, gathered: &mut [Work]) {
        if batch.is_empty() {
            return;
        }
        let begun = Instant::now();
        let store = self.store.clone();
        let mut pause = Duration::from_millis(50);
        loop {
            let Err(error) = self.meanwhile(attempt(&store, batch), begun, gathered).await else { break };
            counter!("davy_commit_failures_total").increment(1);
            if !error.is_transient() {
                tracing::error!(%error, "the database refuses a commit for what it says: trying interlock by interlock");
                self.one_by_one(batch, gathered, begun).await;
                break;
            }
            if self.database.worsen(DatabaseHealth::SLOW) {
                tracing::error!(%error, "the database does not take commits; commands go out unacknowledged until it does");
            }
            self.go_ahead(gathered);
            if self.database.is_away() {
                self.shed(batch, gathered);
            }
            self.meanwhile(tokio::time::sleep(pause), begun, gathered).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if self.database.recover() {
            tracing::info!(seconds = begun.elapsed().as_secs_f64(), "the database takes commits again");
        }
        counter!("davy_journal_rows_total").increment(batch.uplinks.len() as u64);
        histogram!("davy_commit_seconds").record(begun.elapsed().as_secs_f64());
    }

    /// Waits for something that has to do with the database; when that takes long, commands go out meanwhile.
    async fn meanwhile<T>(&mut self, what: impl Future<Output = T>, begun: Instant, gathered: &mut [Work]) -> T {
        let mut what = pin!(what);
        if !self.database.is_slow() {
            if let Ok(done) = tokio::time::timeout(PROMPT, &mut what).await {
                return done;
            }
            self.database.worsen(DatabaseHealth::SLOW);
            tracing::warn!("a commit takes longer than {} ms; commands go ahead of it", PROMPT.as_millis());
        }
        self.go_ahead(gathered);
        loop {
            let patience = PATIENCE.saturating_sub(begun.elapsed());
            tokio::select! {
                biased;
                done = &mut what => return done,
                Some(mut work) = self.work.recv(), if self.late.len() < MOST_LATE => {
                    let commands = work.release.take_commands();
                    self.tell(work.shard, ShardInput::Undurable(commands));
                    self.late.push_back(work);
                }
                () = tokio::time::sleep(patience), if !self.database.is_away() => {
                    self.database.worsen(DatabaseHealth::AWAY);
                    tracing::error!("the database has not answered for {} s; quiet telemetry is turned away", PATIENCE.as_secs());
                }
            }
        }
    }

    /// Sends the commands without waiting.
    fn go_ahead(&self, gathered: &mut [Work]) {
        for work in gathered {
            let commands = work.release.take_commands();
            if !commands.is_empty() {
                self.tell(work.shard, ShardInput::Undurable(commands));
            }
        }
    }

    /// Stores what can be stored when the whole was refused: what one interlock decided must not hold up all others. What the
    /// database refuses even so is not acknowledged, a person must look, and its fold goes back to what is stored: it would take the
    /// next reading of a leak for one that everybody knows of.
    async fn one_by_one(&mut self, batch: &Batch, gathered: &mut [Work], begun: Instant) {
        let store = self.store.clone();
        let mut refused = HashMap::new();
        for (interlock, part) in split(batch, gathered) {
            let mut pause = Duration::from_millis(50);
            while let Err(error) = self.meanwhile(attempt(&store, &part), begun, gathered).await {
                if error.is_transient() {
                    self.meanwhile(tokio::time::sleep(pause), begun, gathered).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                counter!("davy_decisions_refused_total").increment(1);
                tracing::error!(%interlock, %error, effects = ?part.effects, "the database refuses what an interlock decided; it is not stored");
                refused.insert(interlock, memories_before(&part));
                break;
            }
        }
        let of: HashSet<InterlockId> = refused.keys().copied().collect();
        for (interlock, memories) in refused {
            self.revert(interlock, memories, begun, gathered).await;
        }
        for work in gathered {
            let release = work.withhold_words(&of);
            self.tell(work.shard, ShardInput::Undurable(release));
        }
    }

    /// Sends an interlock's fold back to what is stored of it.
    async fn revert(
        &mut self,
        interlock: InterlockId,
        memories: Vec<(DeviceId, Vec<u8>)>,
        begun: Instant,
        gathered: &mut [Work],
    ) {
        let shard = home_of(interlock, self.shards.len());
        let store = self.store.clone();
        let rows = loop {
            match self.meanwhile(store.decided(interlock), begun, gathered).await {
                Ok(rows) => break rows,
                Err(error) if error.is_transient() => {
                    self.meanwhile(tokio::time::sleep(LONGEST_PAUSE), begun, gathered).await;
                }
                Err(error) => {
                    tracing::error!(%interlock, %error, "what is stored of an interlock cannot be read; its alarms may not be those of the pages");
                    return;
                }
            }
        };
        self.refused.insert(interlock);
        self.tell(shard, ShardInput::Revert(interlock, Box::new(Stored { rows, memories })));
    }

    /// Keeps back what was decided on top of something refused, until its shard says that the fold has gone back.
    fn withhold(&mut self, work: &mut Work) {
        for interlock in work.reverted.drain(..) {
            self.refused.remove(&interlock);
        }
        if self.refused.is_empty() {
            return;
        }
        let release = work.withhold(&self.refused);
        if !release.is_empty() {
            self.tell(work.shard, ShardInput::Undurable(release));
        }
    }

    /// Refuses quiet telemetry: its devices keep it and send it again. Everything that decided something stays.
    fn shed(&self, batch: &mut Batch, gathered: &mut [Work]) {
        let mut refused = HashSet::new();
        for work in gathered.iter_mut() {
            let quiet: Vec<_> = work.release.replies.extract_if(.., |reply| reply.quiet).collect();
            refused.extend(quiet.iter().map(|reply| (reply.device, reply.sequence)));
            let release = Release { replies: quiet, ..Release::default() };
            self.tell(work.shard, ShardInput::Undurable(release));
        }
        if refused.is_empty() {
            return;
        }
        let is_refused =
            |row: &davy_store::JournalRow| row.kind == RowKind::Uplink && refused.contains(&(row.device, row.sequence));
        let before = batch.uplinks.len();
        let mut shed = Vec::with_capacity(before);
        for row in &mut batch.uplinks {
            let gone = is_refused(row);
            shed.push(gone && row.rule_state.is_none());
            if gone && row.rule_state.is_some() {
                // The rule's memory is in what later rows follow from: it stays.
                row.kind = RowKind::RuleState;
                row.sequence = None;
                row.format = 0;
                row.payload = row.rule_state.take().unwrap_or_default();
            }
        }
        let mut each = shed.iter();
        batch.uplinks.retain(|_| !each.next().is_some_and(|gone| *gone));
        let mut each = shed.iter();
        for work in gathered {
            work.interlocks.retain(|_| !each.next().is_some_and(|gone| *gone));
        }
        counter!("davy_uplinks_shed_total").increment(refused.len() as u64);
    }

    fn tell(&self, shard: u16, input: ShardInput) {
        // Nobody listens only when the shard's thread has ended, and then nobody waits for an answer either.
        if let Some(shard) = self.shards.get(usize::from(shard)) {
            let _ = shard.send(input);
        }
    }
}

/// One try, given up when the database says nothing for too long.
async fn attempt(store: &Store, batch: &Batch) -> Result<CommitReceipt, StoreError> {
    let given_up = || StoreError::NoAnswer { seconds: GIVE_UP.as_secs() };
    tokio::time::timeout(GIVE_UP, store.commit(batch)).await.map_err(|_| given_up())?
}

/// What the rule remembered of each device before it first decided something here.
fn memories_before(part: &Batch) -> Vec<(DeviceId, Vec<u8>)> {
    let mut memories: BTreeMap<DeviceId, Vec<u8>> = BTreeMap::new();
    let decisions = part.effects.iter().flat_map(|(.., effects)| &effects.decisions);
    for decision in decisions.filter(|decision| decision.rule.is_some()) {
        memories.entry(decision.device).or_insert_with(|| decision.state_before.clone());
    }
    memories.into_iter().collect()
}

/// A batch for each interlock, in no order that matters between them.
fn split(batch: &Batch, gathered: &[Work]) -> BTreeMap<InterlockId, Batch> {
    let mut parts: BTreeMap<InterlockId, Batch> = BTreeMap::new();
    let interlocks = gathered.iter().flat_map(|work| &work.interlocks);
    for (row, interlock) in batch.uplinks.iter().zip(interlocks) {
        parts.entry(*interlock).or_default().uplinks.push(row.clone());
    }
    for each in &batch.effects {
        parts.entry(each.1).or_default().effects.push(each.clone());
    }
    parts
}
