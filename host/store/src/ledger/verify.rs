//! Verifying a chain where it is stored: its own hashes, its checkpoints, the columns that it is found by, and the rows that its entries
//! tell of. Everything is read as it was at one moment.

use super::read::{EntryRow, run_within};
use crate::connection::{Store, Tx, fetch_all};
use crate::error::StoreError;
use davy_domain::ledger::{Act, Actor, Chain, Entry, Fault, Head, Log, Report, Signed, Verification};
use davy_domain::{DeviceId, UserId};
use std::collections::BTreeMap;

/// Entries, and rows of a log, that are read at once.
const PAGE: u32 = 8192;
/// So many rows may stand in a log before the one that is looked for: two processes do not number their rows in the order of entries.
const AHEAD: u64 = 65_536;

/// What a signature is worth to whoever verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is the key's, and the key counts.
    Genuine,
    /// It is the key's, and the key is nobody's who counts.
    Unknown,
    /// It is not the key's.
    Forged,
}

/// What whoever verifies brings along.
pub struct LedgerTrust<'a> {
    /// What a signature is worth.
    pub judge: &'a (dyn Fn(&Signed) -> Trust + Sync),
    /// Checkpoints that were kept elsewhere, of whatever chain.
    pub kept: &'a [Signed],
    /// Told how many entries have been read so far.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

impl std::fmt::Debug for LedgerTrust<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerTrust").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

/// A row of a log, in the columns that all of them have.
#[derive(sqlx::FromRow)]
struct LogRow {
    seq: i64,
    object: i64,
    at: i64,
    by_user: Option<i64>,
    state_before: Option<i64>,
    state_after: i64,
    level: Option<i64>,
    said: Option<String>,
    ledger_seq: Option<i64>,
}

/// A log that is read beside its chain.
struct Rows {
    log: Log,
    chain: Chain,
    /// Read and not yet told of, by the entry that each names.
    waiting: BTreeMap<u64, LogRow>,
    last: i64,
    ended: bool,
    /// Rows from before the ledger: so many, up to that number, were counted.
    counted: (u64, u64),
    old: u64,
}

impl Rows {
    fn of(log: Log, chain: Chain) -> Self {
        Self { log, chain, waiting: BTreeMap::new(), last: 0, ended: false, counted: (0, 0), old: 0 }
    }

    /// Reads on; says what is wrong with a row that names no entry of its own.
    async fn read(&mut self, tx: &mut Tx) -> Result<Option<Fault>, StoreError> {
        let sql = match self.log {
            Log::Alarms => {
                "SELECT seq, alarm_id AS object, at, CAST(NULL AS BIGINT) AS by_user, state_before, state_after, priority AS level, \
                 event AS said, ledger_seq FROM alarm_log WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
            }
            Log::Commands => {
                "SELECT seq, command_id AS object, at, CAST(NULL AS BIGINT) AS by_user, state_before, state_after, \
                 CAST(NULL AS BIGINT) AS level, CAST(NULL AS TEXT) AS said, ledger_seq FROM command_log \
                 WHERE tenant_id = $1 AND seq > $2 AND (ledger_seq IS NOT NULL OR state_before IS NULL OR state_after > 6) \
                 ORDER BY seq LIMIT $3"
            }
            Log::Rules => {
                "SELECT seq, release_id AS object, at, by_user, stage_before AS state_before, stage_after AS state_after, \
                 CAST(NULL AS BIGINT) AS level, act AS said, ledger_seq FROM rule_acts WHERE tenant_id = $1 AND seq > $2 \
                 ORDER BY seq LIMIT $3"
            }
        };
        let rows = fetch_all!(tx.on(), LogRow, sql, self.chain.raw(), self.last, i64::from(PAGE))?;
        self.ended = rows.len() < PAGE as usize;
        for row in rows {
            self.last = row.seq;
            let (log, number) = (self.log, row.seq.unsigned_abs());
            match row.ledger_seq.map(i64::unsigned_abs) {
                None if number <= self.counted.1 => self.old += 1,
                None => return Ok(Some(Fault::RowWithoutEntry { log, row: number, named: 0 })),
                Some(named) => {
                    // Of two rows that name one entry, one has none.
                    if self.waiting.insert(named, row).is_some() {
                        return Ok(Some(Fault::RowWithoutEntry { log, row: number, named }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The row that an entry tells of, or what is wrong.
    async fn row_of(&mut self, tx: &mut Tx, seq: u64) -> Result<Result<LogRow, Fault>, StoreError> {
        loop {
            if let Some(row) = self.waiting.remove(&seq) {
                return Ok(Ok(row));
            }
            let far = self.waiting.keys().next_back().is_some_and(|last| *last > seq + AHEAD);
            if self.ended || far {
                return Ok(Err(Fault::EntryWithoutRow { log: self.log, seq }));
            }
            if let Some(fault) = self.read(tx).await? {
                return Ok(Err(fault));
            }
        }
    }

    /// What is wrong with the rows that no entry has told of.
    async fn rest(&mut self, tx: &mut Tx) -> Result<Option<Fault>, StoreError> {
        while !self.ended {
            if let Some(fault) = self.read(tx).await? {
                return Ok(Some(fault));
            }
        }
        let log = self.log;
        if let Some((named, row)) = self.waiting.first_key_value() {
            return Ok(Some(Fault::RowWithoutEntry { log, row: row.seq.unsigned_abs(), named: *named }));
        }
        let (expected, found) = (self.counted.0, self.old);
        Ok((expected != found).then_some(Fault::OldRows { log, expected, found }))
    }
}

/// What the row of an act must say; none for an act without a row.
fn told(actor: Actor, act: &Act, entry: &Entry) -> Option<(Log, LogRow)> {
    let row = |object, state_before, state_after, level, said| LogRow {
        seq: 0,
        object,
        at: entry.at.as_millis(),
        by_user: None,
        state_before,
        state_after,
        level,
        said,
        ledger_seq: None,
    };
    let row = match act {
        Act::AlarmMoved { alarm, priority, before, after, event, .. } => {
            let (before, after) = (i64::from(before.code()), i64::from(after.code()));
            row(alarm.raw(), Some(before), after, Some(i64::from(priority.code())), Some(event.clone()))
        }
        Act::CommandGiven { command, state, .. } => row(command.raw(), None, i64::from(state.code()), None, None),
        Act::CommandEnded { command, before, after, .. } => {
            row(command.raw(), Some(i64::from(before.code())), i64::from(after.code()), None, None)
        }
        Act::RuleActed { release, step, before, after, .. } => {
            let (before, after) = (before.map(|stage| i64::from(stage.code())), i64::from(after.code()));
            let row = row(release.raw(), before, after, None, Some(step.clone()));
            LogRow { by_user: actor.by().map(UserId::raw), ..row }
        }
        _ => return None,
    };
    act.log().map(|log| (log, row))
}

fn differs(log: Log, seq: u64, told: &LogRow, row: &LogRow) -> Option<Fault> {
    let text = |value: Option<i64>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    let said = |row: &LogRow| row.said.clone().unwrap_or_default();
    let columns = [
        ("subject", told.object.to_string(), row.object.to_string()),
        ("time", told.at.to_string(), row.at.to_string()),
        ("person", text(told.by_user), text(row.by_user)),
        ("state before", text(told.state_before), text(row.state_before)),
        ("state after", told.state_after.to_string(), row.state_after.to_string()),
        ("priority", text(told.level), text(row.level)),
        ("content", said(told), said(row)),
    ];
    let (column, expected, found) = columns.into_iter().find(|(_, told, row)| told != row)?;
    Some(Fault::RowDiffers { log, row: row.seq.unsigned_abs(), seq, column, expected, found })
}

/// What an entry is filed under, against what it says.
fn misfiled(row: &EntryRow, actor: Actor, act: &Act, seq: u64) -> Option<Fault> {
    let columns = [
        ("kind", Some(i64::from(act.code())), Some(row.kind)),
        ("person", actor.by().map(UserId::raw), row.by_user),
        ("subject", act.object(), row.object),
        ("device", act.device().map(DeviceId::raw), row.device_id),
    ];
    let text = |value: Option<i64>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    let (column, expected, found) = columns.into_iter().find(|(_, says, filed)| says != filed)?;
    Some(Fault::Misfiled { seq, column, expected: text(expected), found: text(found) })
}

impl Store {
    /// Verifies a chain from its first entry to its last, with everything that the database has beside it.
    pub async fn verify_ledger(&self, chain: Chain, trust: &LedgerTrust<'_>) -> Result<Report, StoreError> {
        let chains = self.ledger_chains().await?;
        let signed = self.checkpoints(chain, u32::MAX).await?;
        let mut tx = self.snapshot().await?;
        let mut verification = Verification::of(chain).among(&chains);
        for each in signed.iter().rev().chain(trust.kept.iter().filter(|kept| kept.checkpoint.chain == chain)) {
            let worth = (trust.judge)(each);
            verification.checkpoint(*each, worth == Trust::Genuine, worth != Trust::Forged);
        }
        let mut logs = [Log::Alarms, Log::Commands, Log::Rules].map(|log| Rows::of(log, chain));
        let mut after = 0;
        while verification.is_sound() {
            let rows = run_within(tx.on(), chain, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq();
            for mut row in rows {
                let entry = row.entry()?;
                verification.entry(&entry);
                if !verification.is_sound() {
                    break;
                }
                if let Some(fault) = beside(&mut tx, &mut logs, &row, &entry).await? {
                    verification.found(fault);
                    break;
                }
            }
            (trust.progress)(after);
        }
        let mut report = verification.finish();
        for log in &mut logs {
            if report.fault.is_none() {
                report.fault = log.rest(&mut tx).await?;
            }
        }
        Ok(report)
    }

    /// Verifies what was appended to a chain after a head that is known to be right, by the hashes alone.
    pub async fn verify_ledger_after(&self, head: Head) -> Result<Report, StoreError> {
        let mut verification = Verification::after(head);
        let mut after = head.seq;
        loop {
            let entries = self.ledger_run(head.chain, after, PAGE).await?;
            let Some(last) = entries.last() else { return Ok(verification.finish()) };
            after = last.seq;
            for entry in &entries {
                verification.entry(entry);
            }
        }
    }
}

/// What is wrong with what stands beside an entry.
async fn beside(tx: &mut Tx, logs: &mut [Rows; 3], row: &EntryRow, entry: &Entry) -> Result<Option<Fault>, StoreError> {
    // An act of a newer version: its hash is right, and there is no more to be said.
    let Ok((actor, act)) = entry.read() else { return Ok(None) };
    if let Some(fault) = misfiled(row, actor, &act, entry.seq) {
        return Ok(Some(fault));
    }
    if let Act::Began { alarm_rows, alarm_last, command_rows, command_last, rule_rows, rule_last } = act
        && entry.seq == 1
    {
        let counted = [(alarm_rows, alarm_last), (command_rows, command_last), (rule_rows, rule_last)];
        for (log, counted) in logs.iter_mut().zip(counted) {
            log.counted = counted;
        }
        return Ok(None);
    }
    let Some((log, told)) = told(actor, &act, entry) else { return Ok(None) };
    let Some(rows) = logs.iter_mut().find(|rows| rows.log == log) else { return Ok(None) };
    Ok(match rows.row_of(tx, entry.seq).await? {
        Ok(row) => differs(log, entry.seq, &told, &row),
        Err(fault) => Some(fault),
    })
}
