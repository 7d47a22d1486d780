//! Compaction: the journal's oldest rows become chunks and snapshots, in the transaction that deletes them.
//!
//! It deletes exactly the rows that it has read, never "everything below a mark": on PostgreSQL a row with a lower number may
//! become visible after one with a higher number. It never deletes a row whose content it has not written elsewhere.
//!
//! The journal is therefore as short as compaction is prompt, and needs no partitions on PostgreSQL: what is deleted is
//! vacuumed away within a table of minutes. Chunks are few and large (thousands of uplinks to a row); partitions of them by
//! time would split the merged ones and gain only the dropping of whole years, which nothing does yet.

use crate::batch::RowKind;
use crate::chunk::{self, Entry, RawKind};
use crate::connection::{Store, fetch_all, fetch_one};
use crate::decode::{decode_row, is_complete};
use crate::engine::{self, Column};
use crate::error::StoreError;
use crate::memory::{Children, DeviceSnapshot, device_of, fold_row};
use crate::recover;
use crate::segment::{self, RowRef};
use davy_domain::senml::Uplink;
use davy_domain::{DeviceId, Span, TenantId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How compaction goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactOptions {
    /// How long rows should stay in the journal: who calls compaction takes this from the time it is.
    pub keep: Span,
    /// How many uplinks are moved in one transaction, about; on SQLite each transaction holds up commits for its length.
    pub slice: usize,
    /// How many slices at most in one run.
    pub slices: usize,
    /// How many chunks of one level a device may have before they are merged into the next level; at least 2.
    pub fan_in: usize,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { keep: Span::from_minutes(10), slice: 4096, slices: usize::MAX, fan_in: 8 }
    }
}

/// What a run of compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Uplinks moved from the journal into chunks.
    pub uplinks: u64,
    /// Readings in them.
    pub readings: u64,
    /// Chunks merged into larger ones.
    pub merged: u64,
    /// Whether there is more to do at once.
    pub more: bool,
}

/// What is stored, and what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredSize {
    /// Chunks.
    pub chunks: u64,
    /// Uplinks in chunks.
    pub chunk_uplinks: u64,
    /// Readings in chunks.
    pub chunk_readings: u64,
    /// Bytes of the chunks' content.
    pub chunk_bytes: u64,
    /// Rows in the journal: uplinks, outcomes and rule memories.
    pub journal_rows: u64,
    /// Bytes of the journal's content.
    pub journal_bytes: u64,
}

/// A chunk to be written.
pub(crate) struct NewChunk {
    pub(crate) tenant: i64,
    pub(crate) device: i64,
    pub(crate) level: i64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    pub(crate) from_at: i64,
    pub(crate) to_at: i64,
    pub(crate) uplinks: i64,
    pub(crate) readings: i64,
    pub(crate) body: Vec<u8>,
}

/// A row of the journal: number, tenant, packed rows.
type Segment = (i64, i64, Vec<u8>);

struct Slice {
    segments: Vec<Segment>,
    more: bool,
}

impl Store {
    /// Moves what arrived before `before` from the journal into chunks and snapshots, then merges small chunks.
    ///
    /// Runs beside commits: each transaction is short. Whatever is read meanwhile is the same before and after.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when another process compacts as well; what was done until then stays done.
    pub async fn compact(&self, before: Timestamp, options: &CompactOptions) -> Result<CompactReport, StoreError> {
        let mut report = CompactReport::default();
        let mut tx = self.snapshot().await?;
        let children = std::sync::Arc::new(recover::children(&mut tx).await?);
        drop(tx);
        for _ in 0..options.slices {
            let slice = self.slice(before, options.slice).await?;
            report.more = slice.more;
            if slice.segments.is_empty() {
                break;
            }
            self.move_slice(slice.segments, &children, &mut report).await?;
        }
        report.merged = self.merge_chunks(options.fan_in).await?;
        Ok(report)
    }

    /// The oldest rows of the journal that may go, about `uplinks` of them.
    async fn slice(&self, before: Timestamp, uplinks: usize) -> Result<Slice, StoreError> {
        let mut segments = Vec::new();
        let mut after = i64::MIN;
        let mut rows = 0;
        loop {
            let page = fetch_all!(
                self.reader(),
                (i64, i64, i64, i64, Vec<u8>),
                "SELECT seq, tenant_id, last_received_at, uplinks, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT 64",
                after,
            )?;
            let Some(last) = page.last() else { return Ok(Slice { segments, more: false }) };
            after = last.0;
            for (seq, tenant, last_received_at, count, body) in page {
                // In order: a device's later uplinks never overtake its earlier ones.
                if last_received_at >= before.as_millis() {
                    return Ok(Slice { segments, more: false });
                }
                if rows >= uplinks {
                    return Ok(Slice { segments, more: true });
                }
                rows += count as usize;
                segments.push((seq, tenant, body));
            }
        }
    }

    async fn move_slice(
        &self,
        segments: Vec<Segment>,
        children: &std::sync::Arc<Children>,
        report: &mut CompactReport,
    ) -> Result<(), StoreError> {
        let seqs: Vec<i64> = segments.iter().map(|segment| segment.0).collect();
        let mut touched = BTreeSet::new();
        for (seq, _, body) in &segments {
            segment::for_each(body, |row| {
                touched.insert(row.device.raw());
                touched
                    .extend(children.get(&row.device).into_iter().flat_map(HashMap::values).map(|child| child.raw()));
            })
            .map_err(|why| StoreError::corrupt(format!("journal row {seq}"), why))?;
        }
        let bytes: usize = segments.iter().map(|(.., body)| body.len()).sum();
        let known = self.snapshots_of(&touched.into_iter().collect::<Vec<_>>()).await?;
        let children = std::sync::Arc::clone(children);
        let moved = blocking(move || Moved::of(&segments, known, &children)).await??;

        let mut tx = self.begin().await?;
        insert_chunks(&mut tx, &moved.chunks).await?;
        let columns = [
            Column::Int(&moved.snapshots.iter().map(|(device, ..)| *device).collect::<Vec<_>>()),
            Column::Int(&moved.snapshots.iter().map(|(_, tenant, _)| *tenant).collect::<Vec<_>>()),
            Column::Int(&vec![seqs.last().copied().unwrap_or_default(); moved.snapshots.len()]),
            Column::Bytes(&moved.snapshots.iter().map(|(.., body)| body.clone()).collect::<Vec<_>>()),
        ];
        engine::UPSERT_SNAPSHOTS.execute(tx.on(), &columns).await?;
        let deleted = engine::DELETE_JOURNAL.execute(tx.on(), &[Column::Int(&seqs)]).await?;
        if deleted != seqs.len() as u64 {
            return Err(StoreError::Contended);
        }
        tx.commit().await?;
        // What is deleted passes through the log once, and what takes its place.
        self.log_grew(bytes * 2);
        report.uplinks += moved.uplinks;
        report.readings += moved.chunks.iter().map(|chunk| chunk.readings as u64).sum::<u64>();
        Ok(())
    }

    async fn snapshots_of(&self, devices: &[i64]) -> Result<HashMap<DeviceId, DeviceSnapshot>, StoreError> {
        let mut tx = self.snapshot().await?;
        let rows: Vec<(i64, i64, Vec<u8>)> = engine::SNAPSHOTS_OF.fetch(tx.on(), &[Column::Int(devices)]).await?;
        rows.into_iter()
            .map(|(device, tenant, body)| {
                let id = DeviceId::from_raw(device);
                let snapshot = DeviceSnapshot::decode(TenantId::from_raw(tenant), id, &body)
                    .map_err(|why| StoreError::corrupt(format!("snapshot of {id}"), why))?;
                Ok((id, snapshot))
            })
            .collect()
    }

    /// What is stored, and what it costs.
    pub async fn stored_size(&self) -> Result<StoredSize, StoreError> {
        let mut tx = self.snapshot().await?;
        let (chunks, uplinks, readings, bytes) = fetch_one!(
            tx.on(),
            (i64, i64, i64, i64),
            "SELECT COUNT(*), CAST(COALESCE(SUM(uplinks), 0) AS BIGINT), CAST(COALESCE(SUM(readings), 0) AS BIGINT), \
             CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) FROM chunks",
        )?;
        let (rows, journal_bytes) = fetch_one!(
            tx.on(),
            (i64, i64),
            "SELECT CAST(COALESCE(SUM(uplinks), 0) AS BIGINT), CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) FROM journal",
        )?;
        Ok(StoredSize {
            chunks: chunks as u64,
            chunk_uplinks: uplinks as u64,
            chunk_readings: readings as u64,
            chunk_bytes: bytes as u64,
            journal_rows: rows as u64,
            journal_bytes: journal_bytes as u64,
        })
    }
}

/// Runs work that keeps a core busy where it holds up no commit.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Database(sqlx::Error::WorkerCrashed))
}

pub(crate) async fn insert_chunks(tx: &mut crate::connection::Tx, chunks: &[NewChunk]) -> Result<(), StoreError> {
    fn ints(chunks: &[NewChunk], value: impl Fn(&NewChunk) -> i64) -> Vec<i64> {
        chunks.iter().map(value).collect()
    }
    let columns = [
        Column::Int(&ints(chunks, |c| c.tenant)),
        Column::Int(&ints(chunks, |c| c.device)),
        Column::Int(&ints(chunks, |c| c.level)),
        Column::Int(&ints(chunks, |c| c.first_seq)),
        Column::Int(&ints(chunks, |c| c.last_seq)),
        Column::Int(&ints(chunks, |c| c.from_at)),
        Column::Int(&ints(chunks, |c| c.to_at)),
        Column::Int(&ints(chunks, |c| c.uplinks)),
        Column::Int(&ints(chunks, |c| c.readings)),
        Column::Bytes(&chunks.iter().map(|c| c.body.clone()).collect::<Vec<_>>()),
    ];
    engine::INSERT_CHUNKS.execute(tx.on(), &columns).await?;
    Ok(())
}

/// What a slice of the journal becomes.
struct Moved {
    chunks: Vec<NewChunk>,
    /// Device, tenant, content.
    snapshots: Vec<(i64, i64, Vec<u8>)>,
    uplinks: u64,
}

/// One device's share of a slice.
struct Share {
    tenant: TenantId,
    first_seq: i64,
    last_seq: i64,
    entries: Vec<Entry>,
}

impl Moved {
    fn of(
        segments: &[Segment],
        known: HashMap<DeviceId, DeviceSnapshot>,
        children: &Children,
    ) -> Result<Self, StoreError> {
        let mut memories = known;
        let mut changed = BTreeMap::new();
        let mut shares: BTreeMap<DeviceId, Share> = BTreeMap::new();
        let mut uplinks = 0;
        for (seq, tenant, body) in segments {
            let tenant = TenantId::from_raw(*tenant);
            segment::for_each(body, |row| {
                let uplink = decode_row(&row);
                changed.insert(row.device, tenant);
                fold_row(&mut memories, &row, uplink.as_ref(), children, |memories, device| {
                    memories.entry(device).or_insert_with(|| DeviceSnapshot::new(tenant, device))
                });
                if row.kind != RowKind::RuleState {
                    uplinks += 1;
                    for (device, entry) in entries_of(&row, uplink, children) {
                        changed.insert(device, tenant);
                        let share = shares.entry(device).or_insert_with(|| Share {
                            tenant,
                            first_seq: *seq,
                            last_seq: *seq,
                            entries: Vec::new(),
                        });
                        share.last_seq = *seq;
                        share.entries.push(entry);
                    }
                }
            })
            .map_err(|why| StoreError::corrupt(format!("journal row {seq}"), why))?;
        }
        let chunks = shares
            .into_iter()
            .map(|(device, share)| {
                new_chunk(share.tenant.raw(), device.raw(), 0, (share.first_seq, share.last_seq), &share.entries)
            })
            .collect();
        let snapshots = changed
            .into_iter()
            .filter_map(|(device, tenant)| Some((device.raw(), tenant.raw(), memories.get(&device)?.encode())))
            .collect();
        Ok(Self { chunks, snapshots, uplinks })
    }
}

pub(crate) fn new_chunk(tenant: i64, device: i64, level: i64, seqs: (i64, i64), entries: &[Entry]) -> NewChunk {
    let times = || entries.iter().flat_map(|entry| &entry.readings).map(|reading| reading.at.as_millis());
    let arrivals = || entries.iter().map(|entry| entry.received_at.as_millis());
    NewChunk {
        tenant,
        device,
        level,
        first_seq: seqs.0,
        last_seq: seqs.1,
        from_at: times().chain(arrivals()).min().unwrap_or_default(),
        to_at: times().chain(arrivals()).max().unwrap_or_default(),
        uplinks: entries.len() as i64,
        readings: times().count() as i64,
        body: chunk::encode(entries),
    }
}

/// What a row says of each device, the sender first. The payload is kept where the readings do not say all of it.
pub(crate) fn entries_of(row: &RowRef<'_>, uplink: Option<Uplink>, children: &Children) -> Vec<(DeviceId, Entry)> {
    let mut keep = uplink.as_ref().is_none_or(|uplink| !is_complete(row.format, uplink));
    let own =
        Entry { received_at: row.received_at, sequence: row.sequence, via: None, readings: Vec::new(), raw: None };
    let mut entries = vec![(row.device, own)];
    for part in uplink.into_iter().flat_map(|uplink| uplink.parts) {
        match device_of(row.device, part.child.as_deref(), children) {
            Some(device) if device == row.device => entries[0].1.readings.extend(part.readings),
            Some(device) => entries.push((
                device,
                Entry {
                    received_at: row.received_at,
                    sequence: row.sequence,
                    via: Some(row.device),
                    readings: part.readings,
                    raw: None,
                },
            )),
            // A child that nobody has entered yet: its readings stay where they are.
            None => keep = true,
        }
    }
    if keep {
        entries[0].1.raw = Some((RawKind { kind: row.kind as u8, format: row.format }, row.payload.to_vec()));
    }
    entries
}
