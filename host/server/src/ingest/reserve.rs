//! Sender sequence numbers of ours, in ranges: one for each start of the server, and a further one for the devices that have used up half
//! of theirs.
//!
//! Must never give out a range before the database has it on record: the next start would give it out again, and a number used twice
//! under one key breaks the cipher (RFC 8613 §B.1.1).

use super::route::ShardIndex;
use super::shard::ShardInput;
use crate::clock::SharedClock;
use crossbeam_channel::Sender;
use davy_store::{Store, StoreError};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// The 40 bits of a number are 2^20 ranges of 2^20 messages each.
const SEQUENCES_PER_RANGE: u64 = 1 << 20;
/// At most so often a range is taken: a device that draws messages without end uses up its own numbers, and not everybody's ranges.
const SPACING: Duration = Duration::from_mins(1);
/// Between two tries while the database does not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// The numbers that the database's count of starts stands for. Past the last of them the range is empty, and nothing can be sealed.
pub fn range_of(number: u64) -> Range<u64> {
    let start = number.saturating_mul(SEQUENCES_PER_RANGE);
    start..start.saturating_add(SEQUENCES_PER_RANGE)
}

/// Takes further ranges for the shards.
pub struct Reserve {
    /// Which numbers the ranges.
    pub store: Store,
    /// Which shards want one.
    pub wanted: UnboundedReceiver<ShardIndex>,
    /// To the shards, by their numbers.
    pub shards: Vec<Sender<ShardInput>>,
    /// The time.
    pub clock: SharedClock,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

impl Reserve {
    /// Runs until told to stop.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.serve()).await;
    }

    async fn serve(&mut self) {
        while let Some(first) = self.wanted.recv().await {
            let mut shards = BTreeSet::from([first]);
            let range = loop {
                match self.take().await {
                    Ok(range) => break range,
                    Err(error) => {
                        tracing::error!(%error, "no further sequence numbers could be reserved; trying again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
            shards.extend(std::iter::from_fn(|| self.wanted.try_recv().ok()));
            for shard in shards {
                if let Some(shard) = self.shards.get(usize::from(shard)) {
                    // Nobody listens only when the shard has ended.
                    let _ = shard.send(ShardInput::Sequences(range.clone()));
                }
            }
            tokio::time::sleep(SPACING).await;
        }
    }

    async fn take(&self) -> Result<Range<u64>, StoreError> {
        let number = self.store.next_boot(self.clock.now()).await?;
        tracing::info!(number, "a further range of sequence numbers is reserved");
        Ok(range_of(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use davy_domain::Timestamp;
    use davy_store::StoreOptions;
    use std::sync::Arc;

    #[tokio::test]
    async fn ranges_of_starts_and_of_what_they_reserve_later_never_overlap() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("davy.db").display());
        let mut given = Vec::new();
        for start in 0..3 {
            let store = Store::connect(&url, &StoreOptions::default()).await.unwrap();
            store.migrate().await.unwrap();
            given.push(range_of(store.next_boot(Timestamp::from_millis(start)).await.unwrap()));
            let (want, wanted) = tokio::sync::mpsc::unbounded_channel();
            let (to_shard, shard) = crossbeam_channel::unbounded();
            let stop = CancellationToken::new();
            let reserve = Reserve {
                store: store.clone(),
                wanted,
                shards: vec![to_shard],
                clock: Arc::new(SystemClock),
                stop: stop.clone(),
            };
            let task = tokio::spawn(reserve.run());
            want.send(0).unwrap();
            let told = tokio::task::spawn_blocking(move || shard.recv()).await.unwrap().unwrap();
            let ShardInput::Sequences(range) = told else { panic!("a range was asked for") };
            given.push(range);
            stop.cancel();
            task.await.unwrap();
            store.close().await;
        }
        assert!(given.iter().all(|range| range.end - range.start == SEQUENCES_PER_RANGE), "{given:?}");
        assert!(given.windows(2).all(|pair| pair[0].end <= pair[1].start), "{given:?}");
    }

    #[test]
    fn when_every_range_is_used_up_nothing_can_be_sealed() {
        assert!(range_of(1 << 20).start > davy_coap::oscore::MAX_SEQUENCE);
        assert!(range_of(u64::MAX).is_empty());
    }
}
