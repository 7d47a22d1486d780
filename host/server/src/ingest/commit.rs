//! The committer: gathers what the shards have decided, makes it durable in one transaction, and only then lets them answer.
//!
//! While the database does not answer it keeps every decision and tries again. Commands go out meanwhile, unacknowledged;
//! of quiet telemetry, which nobody was promised anything about, only so much is kept as fits.

use super::shard::ShardInput;
use super::work::{Release, Work};
use crate::live::{Committed, LiveBus};
use crossbeam_channel::Sender;
use davy_store::{Batch, RowKind, Store};
use metrics::{counter, gauge, histogram};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The most journal rows in one transaction: past it a bigger commit is no cheaper per row.
const MOST_ROWS: usize = 4096;
/// How long quiet telemetry waits for the database before the devices are told to send it again later.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
    /// Tells the shards that the database does not answer.
    pub degraded: Arc<AtomicBool>,
}

impl Committer {
    /// Runs until every shard has dropped its end and all of it is durable.
    pub async fn run(mut self) {
        let mut gathered: Vec<Work> = Vec::new();
        let mut batch = Batch::default();
        while let Some(first) = self.work.recv().await {
            let mut rows = first.rows.len();
            gathered.push(first);
            while rows < MOST_ROWS
                && let Ok(next) = self.work.try_recv()
            {
                rows += next.rows.len();
                gathered.push(next);
            }
            for work in &mut gathered {
                work.move_into(&mut batch);
            }
            self.commit(&mut batch, &mut gathered).await;
            counter!("davy_journal_rows_total").increment(batch.uplinks.len() as u64);
            batch.clear();
            for work in gathered.drain(..) {
                self.publish(work.announcements);
                self.tell(work.shard, ShardInput::Durable(work.release));
            }
        }
    }

    async fn commit(&self, batch: &mut Batch, gathered: &mut [Work]) {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(50);
        let mut shed = false;
        loop {
            if batch.is_empty() {
                break;
            }
            let Err(error) = self.store.commit(batch).await else { break };
            counter!("davy_commit_failures_total").increment(1);
            if !self.degraded.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the database does not take commits; commands go out unacknowledged until it does");
            }
            gauge!("davy_database_away").set(1.0);
            for work in gathered.iter_mut() {
                let commands = work.release.take_commands();
                self.tell(work.shard, ShardInput::Undurable(commands));
            }
            if !shed && begun.elapsed() >= PATIENCE {
                shed = true;
                self.shed(batch, gathered);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if self.degraded.swap(false, Ordering::Relaxed) {
            gauge!("davy_database_away").set(0.0);
            tracing::info!(seconds = begun.elapsed().as_secs(), "the database takes commits again");
        }
        histogram!("davy_commit_seconds").record(begun.elapsed().as_secs_f64());
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
        let before = batch.uplinks.len();
        batch.uplinks.retain(|row| row.kind != RowKind::Uplink || !refused.contains(&(row.device, row.sequence)));
        counter!("davy_uplinks_shed_total").increment((before - batch.uplinks.len()) as u64);
    }

    fn publish(&self, announcements: Vec<Committed>) {
        for committed in announcements {
            self.live.publish(committed);
        }
    }

    fn tell(&self, shard: u16, input: ShardInput) {
        // Nobody listens only when the shard's thread has ended, and then nobody waits for an answer either.
        if let Some(shard) = self.shards.get(usize::from(shard)) {
            let _ = shard.send(input);
        }
    }
}
