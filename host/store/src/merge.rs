//! Merging: many small chunks of a device become few large ones, level by level, so that each uplink is rewritten only as
//! often as there are levels. Within a device a higher level is always older.

use crate::chunk;
use crate::compact::{NewChunk, blocking, insert_chunks, new_chunk};
use crate::connection::{Store, fetch_all};
use crate::engine::{self, Column};
use crate::error::StoreError;

/// Chunks of this many uplinks are large enough: compression gains nothing more, and a page reads one at once.
const FULL: i64 = 4096;
/// The highest level; its chunks stay as they are.
const TOP: i64 = 6;
/// Devices to a transaction.
const DEVICES: usize = 64;

#[derive(sqlx::FromRow)]
struct ChunkRow {
    id: i64,
    tenant_id: i64,
    device_id: i64,
    first_seq: i64,
    last_seq: i64,
    from_at: i64,
    to_at: i64,
    uplinks: i64,
    readings: i64,
    body: Vec<u8>,
}

#[derive(Default)]
struct Merged {
    new: Vec<NewChunk>,
    gone: Vec<i64>,
    promoted: Vec<i64>,
}

impl Store {
    /// Merges wherever a device has at least `fan_in` chunks of a level, and says how many chunks that were.
    pub(crate) async fn merge_chunks(&self, fan_in: usize) -> Result<u64, StoreError> {
        let mut count = 0;
        for level in 0..TOP {
            let crowded = fetch_all!(
                self.reader(),
                (i64,),
                "SELECT device_id FROM chunks WHERE level = $1 GROUP BY device_id HAVING COUNT(*) >= $2 ORDER BY device_id",
                level,
                fan_in.max(2) as i64,
            )?;
            for some in crowded.chunks(DEVICES) {
                let devices: Vec<i64> = some.iter().map(|(device,)| *device).collect();
                count += self.merge_level(&devices, level).await?;
            }
        }
        Ok(count)
    }

    async fn merge_level(&self, devices: &[i64], level: i64) -> Result<u64, StoreError> {
        let mut tx = self.snapshot().await?;
        let columns = [Column::Int(devices), Column::Int(&vec![level; devices.len()])];
        let rows: Vec<ChunkRow> = engine::CHUNKS_OF_LEVEL.fetch(tx.on(), &columns).await?;
        drop(tx);
        let merged = blocking(move || merge(rows, level)).await??;

        let mut tx = self.begin().await?;
        let deleted = engine::DELETE_CHUNKS.execute(tx.on(), &[Column::Int(&merged.gone)]).await?;
        let promoted = engine::PROMOTE_CHUNKS.execute(tx.on(), &[Column::Int(&merged.promoted)]).await?;
        if deleted != merged.gone.len() as u64 || promoted != merged.promoted.len() as u64 {
            return Err(StoreError::Contended);
        }
        insert_chunks(&mut tx, &merged.new).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

/// All chunks of one level, by device and in order, into chunks of the next.
fn merge(rows: Vec<ChunkRow>, level: i64) -> Result<Merged, StoreError> {
    let mut merged = Merged::default();
    let mut run: Vec<ChunkRow> = Vec::new();
    for row in rows {
        let fits = run.first().is_some_and(|first| first.device_id == row.device_id)
            && run.iter().map(|row| row.uplinks).sum::<i64>() + row.uplinks <= FULL;
        if !fits {
            merge_run(&mut merged, std::mem::take(&mut run), level)?;
        }
        run.push(row);
    }
    merge_run(&mut merged, run, level)?;
    Ok(merged)
}

fn merge_run(merged: &mut Merged, run: Vec<ChunkRow>, level: i64) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    if run.len() == 1 {
        merged.promoted.push(first.id);
        return Ok(());
    }
    let mut entries = Vec::new();
    for row in &run {
        let some = chunk::decode(&row.body).map_err(|why| StoreError::corrupt(format!("chunk {}", row.id), why))?;
        entries.extend(some);
    }
    let new = new_chunk(first.tenant_id, first.device_id, level + 1, (first.first_seq, last.last_seq), &entries);
    // What goes must be what comes, to the last reading.
    let (uplinks, readings) = run.iter().fold((0, 0), |(u, r), row| (u + row.uplinks, r + row.readings));
    let (from_at, to_at) = run.iter().fold((i64::MAX, i64::MIN), |(f, t), row| (f.min(row.from_at), t.max(row.to_at)));
    if (new.uplinks, new.readings, new.from_at, new.to_at) != (uplinks, readings, from_at, to_at) {
        let what = format!("chunks {} to {}", first.id, last.id);
        return Err(StoreError::corrupt(what, format!("expected {uplinks} uplinks and {readings} readings in them")));
    }
    merged.gone.extend(run.iter().map(|row| row.id));
    merged.new.push(new);
    Ok(())
}
