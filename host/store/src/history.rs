//! What the devices of a company sent, read back interlock by interlock to be folded once more.
//!
//! The journal's tail is read once, when the history is opened; chunks are read in windows of time, each in a short transaction
//! of its own, so that commits and compaction go on beside it. What is compacted meanwhile is found in chunks *and* in the tail
//! that was read; it is given once.
//!
//! Order: by time of arrival. Of what arrived in the same millisecond, a device's own order stands, and otherwise that of the
//! devices' ids. Of a gateway's message the gateway's own part comes first.

use crate::batch::RowKind;
use crate::chunk::{self, Entry};
use crate::compact::blocking;
use crate::connection::{Tx, fetch_all};
use crate::decode::{self, SENML_CBOR};
use crate::devices::DeviceRow;
use crate::engine::{self, Column};
use crate::error::StoreError;
use crate::recover::PageSize;
use crate::scope::TenantStore;
use crate::segment;
use davy_domain::device::DeviceConfig;
use davy_domain::driven::{DRIVEN, Driven, Report};
use davy_domain::history::{Arrival, Said, Subject};
use davy_domain::senml::{self, Part};
use davy_domain::wire::OutcomeReport;
use davy_domain::{DeviceId, InterlockId, Span, TenantId, Timestamp, wire};
use std::collections::{BTreeMap, HashMap, HashSet};

/// About how many messages a page holds.
const PAGE: i64 = 8_192;
/// Messages that were unpacked ahead of their page and are kept until then; beyond it they are unpacked once more.
const AHEAD: usize = 65_536;
/// Devices to a page of the list.
const DEVICES: i64 = 5_000;
/// So many interlocks tell about how much there is of all.
const SAMPLE: usize = 64;

/// The history of one company's interlocks within a span of time.
#[derive(Debug)]
pub struct StoredHistory {
    store: TenantStore,
    from: Timestamp,
    to: Timestamp,
    subjects: Vec<Subject>,
    tail: HashMap<InterlockId, Vec<TailRow>>,
    arrivals: u64,
}

/// A message out of the journal.
#[derive(Debug)]
struct TailRow {
    at: Timestamp,
    device: DeviceId,
    sequence: Option<u64>,
    kind: RowKind,
    format: u16,
    payload: Box<[u8]>,
}

/// Which message: a device's sequence numbers do not repeat.
type Key = (DeviceId, Option<u64>, Timestamp);

impl TailRow {
    const fn key(&self) -> Key {
        (self.device, self.sequence, self.at)
    }
}

impl TenantStore {
    /// The history of what arrived with `from <= at < to`, of as many of the company's interlocks as `per_mille` asks for (1,000
    /// for all; the same ones each time).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or holds what cannot be.
    pub async fn history(&self, from: Timestamp, to: Timestamp, per_mille: u16) -> Result<StoredHistory, StoreError> {
        let mut tx = self.snapshot().await?;
        let subjects = subjects(&mut tx, self.id(), per_mille).await?;
        let of_device: HashMap<DeviceId, InterlockId> = subjects
            .iter()
            .flat_map(|subject| subject.devices.iter().map(|device| (device.id, subject.interlock)))
            .collect();
        let tail = tail(&mut tx, self.id(), (from, to), &of_device).await?;
        drop(tx);
        let mut history = StoredHistory { store: self.clone(), from, to, subjects, tail, arrivals: 0 };
        history.arrivals = history.estimate().await?;
        Ok(history)
    }
}

impl StoredHistory {
    /// The interlocks with their devices, by id.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// About how many messages there are.
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// The messages of the interlock at this place in [`StoredHistory::subjects`], page by page.
    pub fn pages(&self, subject: usize) -> HistoryPages<'_> {
        let subject = self.subjects.get(subject);
        let tail = subject.and_then(|subject| self.tail.get(&subject.interlock)).map_or(&[][..], Vec::as_slice);
        HistoryPages {
            history: self,
            subject,
            tail,
            in_tail: tail.iter().map(TailRow::key).collect(),
            span: None,
            ahead: HashMap::new(),
        }
    }

    async fn estimate(&self) -> Result<u64, StoreError> {
        let some = &self.subjects[..self.subjects.len().min(SAMPLE)];
        let devices: Vec<i64> =
            some.iter().flat_map(|subject| &subject.devices).map(|device| device.id.raw()).collect();
        let (_, _, chunked) = extent(&self.store, &devices, self.from, self.to).await?;
        let scaled = chunked.cast_unsigned() * self.subjects.len() as u64 / some.len().max(1) as u64;
        Ok(scaled + self.tail.values().map(|rows| rows.len() as u64).sum::<u64>())
    }
}

/// Reads one interlock's messages.
#[derive(Debug)]
pub struct HistoryPages<'a> {
    history: &'a StoredHistory,
    subject: Option<&'a Subject>,
    tail: &'a [TailRow],
    in_tail: HashSet<Key>,
    /// The next window: its begin and length, and where the last one ends. None before the first.
    span: Option<(Timestamp, Span, Timestamp)>,
    /// Chunks that reach beyond the window so far, unpacked: what has not been given yet.
    ahead: HashMap<i64, Vec<Entry>>,
}

impl HistoryPages<'_> {
    /// The next messages; none at the end. No page is empty.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a chunk cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Arrival>>, StoreError> {
        let Some(subject) = self.subject else { return Ok(None) };
        let devices: Vec<i64> = subject.devices.iter().map(|device| device.id.raw()).collect();
        loop {
            let (begin, length, end) = match self.span {
                Some(span) => span,
                None => self.first_window(&devices).await?,
            };
            if begin >= end {
                return Ok(None);
            }
            let until = (begin + length).min(end);
            let entries = self.window(&devices, begin, until).await?;
            let page = self.page(subject, entries, begin, until);
            // The next window is as long as would have filled a page.
            let length = length.as_millis();
            let next = match page.len() as i64 {
                ..2_048 => length.saturating_mul(4),
                2_048..=16_384 => length,
                many => (length / (many / PAGE).max(2)).max(1),
            };
            self.span = Some((until, Span::from_millis(next), end));
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
    }

    async fn first_window(&self, devices: &[i64]) -> Result<(Timestamp, Span, Timestamp), StoreError> {
        let StoredHistory { store, from, to, .. } = self.history;
        let (first, last, count) = extent(store, devices, *from, *to).await?;
        let times = || self.tail.iter().map(|row| row.at.as_millis());
        let (mut begin, mut end) = (times().min().unwrap_or(i64::MAX), times().max().unwrap_or(i64::MIN));
        if count > 0 {
            (begin, end) = (begin.min(first), end.max(last));
        }
        let begin = Timestamp::from_millis(begin).max(*from);
        let end = Timestamp::from_millis(end.saturating_add(1)).min(*to);
        let count = count.saturating_add(self.tail.len() as i64).max(1);
        let length = i128::from(end.since(begin).as_millis()) * i128::from(PAGE) / i128::from(count);
        let length = i64::try_from(length).unwrap_or(i64::MAX).max(1);
        Ok((begin, Span::from_millis(length), end))
    }

    /// What the chunks hold of a window, by device in the order of its chunks.
    async fn window(
        &mut self,
        devices: &[i64],
        begin: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(DeviceId, Entry)>, StoreError> {
        let mut tx = self.history.store.snapshot().await?;
        let columns = [
            Column::Int(devices),
            Column::Int(&vec![self.history.store.id().raw(); devices.len()]),
            Column::Int(&vec![begin.as_millis(); devices.len()]),
            Column::Int(&vec![until.as_millis(); devices.len()]),
        ];
        let heads: Vec<(i64, i64)> = engine::CHUNKS_WITHIN.fetch(tx.on(), &columns).await?;
        let mut known = std::mem::take(&mut self.ahead);
        let missing: Vec<i64> = heads.iter().map(|(id, _)| *id).filter(|id| !known.contains_key(id)).collect();
        let bodies: Vec<(i64, Vec<u8>)> = engine::CHUNK_BODIES
            .fetch(tx.on(), &[Column::Int(&missing), Column::Int(&vec![self.history.store.id().raw(); missing.len()])])
            .await?;
        drop(tx);
        let (entries, ahead) = blocking(move || {
            let bodies: HashMap<i64, Vec<u8>> = bodies.into_iter().collect();
            let mut entries = Vec::new();
            let mut ahead = HashMap::new();
            let mut kept = 0;
            for (id, device) in heads {
                let unpacked = match (known.remove(&id), bodies.get(&id)) {
                    (Some(unpacked), _) => unpacked,
                    (None, Some(body)) => {
                        chunk::decode(body).map_err(|why| StoreError::corrupt(format!("chunk {id}"), why))?
                    }
                    (None, None) => continue,
                };
                let mut later = Vec::new();
                for entry in unpacked {
                    if entry.received_at >= until {
                        later.push(entry);
                    } else if entry.received_at >= begin {
                        entries.push((DeviceId::from_raw(device), entry));
                    }
                }
                kept += later.len();
                if kept <= AHEAD {
                    ahead.insert(id, later);
                }
            }
            Ok::<_, StoreError>((entries, ahead))
        })
        .await??;
        self.ahead = ahead;
        Ok(entries)
    }

    /// Messages out of what each device's columns hold, with those of the tail.
    fn page(
        &self,
        subject: &Subject,
        entries: Vec<(DeviceId, Entry)>,
        begin: Timestamp,
        until: Timestamp,
    ) -> Vec<Arrival> {
        let mut page: Vec<Arrival> = Vec::new();
        // Messages that still take the parts of a gateway's children.
        let mut open: HashMap<Key, usize> = HashMap::new();
        let (own, of_children): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, entry)| entry.via.is_none());
        for (device, entry) in own {
            let key = (device, entry.sequence, entry.received_at);
            if self.in_tail.contains(&key) {
                continue;
            }
            let at = entry.received_at;
            if let Some((raw, payload)) = entry.raw {
                let said = said(RowKind::from_code(raw.kind), raw.format, &payload, at);
                page.extend(said.into_iter().map(|said| Arrival { at, device, said }));
            } else {
                open.insert(key, page.len());
                let own = (!entry.readings.is_empty()).then_some(Part { child: None, readings: entry.readings });
                page.push(Arrival { at, device, said: Said::Uplink(own.into_iter().collect()) });
            }
        }
        let serials: HashMap<DeviceId, &str> =
            subject.devices.iter().map(|device| (device.id, device.serial.as_str())).collect();
        for (child, entry) in of_children {
            let Some(gateway) = entry.via else { continue };
            let place = open.get(&(gateway, entry.sequence, entry.received_at));
            let Some(Said::Uplink(parts)) = place.map(|place| &mut page[*place].said) else { continue };
            let serial = serials.get(&child).map(|serial| (*serial).to_owned());
            parts.push(Part { child: serial, readings: entry.readings });
        }
        for row in self.tail.iter().filter(|row| row.at >= begin && row.at < until) {
            let said = said(Some(row.kind), row.format, &row.payload, row.at);
            page.extend(said.into_iter().map(|said| Arrival { at: row.at, device: row.device, said }));
        }
        page.sort_by_key(|arrival| arrival.at);
        page
    }
}

/// What a payload said, in order; nothing when it was of no use to anybody.
fn said(kind: Option<RowKind>, format: u16, payload: &[u8], at: Timestamp) -> Vec<Said> {
    let one = |said: Option<Said>| said.into_iter().collect();
    match (kind, format) {
        (None | Some(RowKind::RuleState), _) => Vec::new(),
        (Some(RowKind::Uplink), SENML_CBOR) => {
            one(senml::decode(payload, at).ok().map(|uplink| Said::Uplink(uplink.parts)))
        }
        (Some(RowKind::Uplink), DRIVEN) => driven(payload),
        // A device that speaks another language was heard all the same.
        (Some(RowKind::Uplink), _) => vec![Said::Uplink(Vec::new())],
        (Some(kind @ RowKind::Late), _) => {
            one(decode::decode(kind, format, payload, at).map(|uplink| Said::Late(uplink.parts)))
        }
        (Some(RowKind::Outcome), _) => one(wire::decode_outcome(payload).ok().map(Said::Outcome)),
    }
}

/// What a driver read, as it was acted on: the reports first, then the readings.
fn driven(payload: &[u8]) -> Vec<Said> {
    let Ok(Driven { result: Ok(read), .. }) = Driven::decode(payload) else { return vec![Said::Uplink(Vec::new())] };
    let outcome = |Report { counter, outcome, at, .. }| Said::Outcome(OutcomeReport { counter, outcome, at });
    read.reports.into_iter().map(outcome).chain([Said::Uplink(read.parts)]).collect()
}

/// First and last time that chunks of these devices hold, and how many uplinks; of those that overlap the span.
async fn extent(
    store: &TenantStore,
    devices: &[i64],
    from: Timestamp,
    to: Timestamp,
) -> Result<(i64, i64, i64), StoreError> {
    let columns = [
        Column::Int(devices),
        Column::Int(&vec![store.id().raw(); devices.len()]),
        Column::Int(&vec![from.as_millis(); devices.len()]),
        Column::Int(&vec![to.as_millis(); devices.len()]),
    ];
    let rows: Vec<(i64, i64, i64)> = engine::CHUNK_EXTENT.fetch(store.read().await?.on(), &columns).await?;
    Ok(rows.first().copied().unwrap_or_default())
}

/// Whether an interlock is among so many of a thousand.
pub(crate) fn is_chosen(interlock: InterlockId, per_mille: u16) -> bool {
    let mixed = interlock.raw().cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    mixed % 1_000 < u64::from(per_mille)
}

async fn subjects(tx: &mut Tx, tenant: TenantId, per_mille: u16) -> Result<Vec<Subject>, StoreError> {
    let links = fetch_all!(
        tx.on(),
        (i64, i64),
        "SELECT source_id, valve_id FROM device_links WHERE tenant_id = $1 ORDER BY source_id, valve_id",
        tenant.raw(),
    )?;
    let mut valves: HashMap<i64, Vec<DeviceId>> = HashMap::new();
    for (source, valve) in links {
        valves.entry(source).or_default().push(DeviceId::from_raw(valve));
    }
    let mut interlocks: BTreeMap<InterlockId, Vec<DeviceConfig>> = BTreeMap::new();
    let mut after = i64::MIN;
    loop {
        let rows = fetch_all!(
            tx.on(),
            DeviceRow,
            "SELECT id, tenant_id, interlock_id, premises_id, division_code, parent_id, serial, kind, model, installed_at, \
             report_interval_ms, sleepy, lon, lat FROM devices WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            tenant.raw(),
            after,
            DEVICES,
        )?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in rows {
            let links = valves.remove(&row.id).unwrap_or_default();
            let device = row.with_links(links)?;
            if !is_chosen(device.interlock, per_mille) {
                continue;
            }
            interlocks.entry(device.interlock).or_default().push(device.into_config());
        }
    }
    Ok(interlocks.into_iter().map(|(interlock, devices)| Subject { interlock, tenant, devices }).collect())
}

/// The journal's messages of the chosen interlocks, in its order.
async fn tail(
    tx: &mut Tx,
    tenant: TenantId,
    (from, to): (Timestamp, Timestamp),
    of_device: &HashMap<DeviceId, InterlockId>,
) -> Result<HashMap<InterlockId, Vec<TailRow>>, StoreError> {
    let mut tail: HashMap<InterlockId, Vec<TailRow>> = HashMap::new();
    let mut after = i64::MIN;
    let mut size = PageSize::default();
    loop {
        let rows = fetch_all!(
            tx.on(),
            (i64, Vec<u8>),
            "SELECT seq, body FROM journal WHERE seq > $1 AND tenant_id = $2 ORDER BY seq LIMIT $3",
            after,
            tenant.raw(),
            size.rows(),
        )?;
        size.learn(rows.iter().map(|(_, body)| body.len()).sum());
        let Some(last) = rows.last() else { return Ok(tail) };
        after = last.0;
        for (seq, body) in &rows {
            segment::for_each(body, |row| {
                let wanted = row.kind != RowKind::RuleState && row.received_at >= from && row.received_at < to;
                let Some(interlock) = of_device.get(&row.device).filter(|_| wanted) else { return };
                tail.entry(*interlock).or_default().push(TailRow {
                    at: row.received_at,
                    device: row.device,
                    sequence: row.sequence,
                    kind: row.kind,
                    format: row.format,
                    payload: row.payload.into(),
                });
            })
            .map_err(|why| StoreError::corrupt(format!("journal row {seq}"), why))?;
        }
    }
}
