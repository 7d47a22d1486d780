//! The group commit: uplinks, alarms, commands, timers, notices and decisions in one transaction.
//!
//! It returns only when the database has the batch on disk. It never updates a row of the journal, and it never writes a part.

use crate::batch::{Batch, CommitReceipt, RowKind};
use crate::codes::{stored_u64, to_json};
use crate::connection::{On, Store};
use crate::engine::{self, Column};
use crate::error::StoreError;
use crate::ledger::{self, Entered};
use crate::quarantine;
use crate::script::{Runner, Script};
use crate::segment::{RowRef, SegmentWriter};
use davy_domain::alarm::Alarm;
use davy_domain::command::Command;
use davy_domain::interlock::{Decision, Effects, TimerChange};
use davy_domain::{InterlockId, TenantId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

impl Store {
    /// Makes a batch durable, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::AlarmAlreadyActive`] when a second active alarm of a device and condition would come about; any other
    /// error of the database. Nothing of the batch is stored then.
    pub async fn commit(&self, batch: &Batch) -> Result<CommitReceipt, StoreError> {
        let mut tries = 1;
        loop {
            let done = self.commit_once(batch).await;
            if done.is_err() {
                // Whatever went wrong, the database may have gone on, or back to an older state, without this process.
                self.heads.forget();
            }
            match done {
                // Somebody else has gone on with a chain: again, from where it ends now.
                Err(StoreError::LedgerTaken) if tries < ledger::TRIES => tries += 1,
                done => return done,
            }
        }
    }

    async fn commit_once(&self, batch: &Batch) -> Result<CommitReceipt, StoreError> {
        let segments = segments(batch)?;
        let mut script = Script::new(self.kind());
        // Pages are written whole, and each table that changes has some.
        self.log_grew(segments.iter().map(SegmentWriter::size).sum::<usize>() + 4096 + batch.effects.len() * 32_768);
        let quarantine = quarantine::Change::of(batch)?;
        if quarantine.is_empty() && !batch.effects.iter().any(|(.., effects)| writes_rows(effects)) {
            // One statement is a transaction of its own.
            let last_seq = script.run(Runner::Pool(self.committing()), segments).await?;
            return Ok(CommitReceipt { last_seq });
        }
        quarantine.add(&mut script)?;
        let decisions = batch.effects.iter().map(|(.., effects)| effects.decisions.len()).sum();
        let entered = self.enter_batch(&batch.effects).await?;
        let last_seq = match self.committing() {
            On::Postgres(pool) => {
                let ids = self.decision_numbers(decisions).await?;
                if let Some(ended) = ended_before_begun(&batch.effects) {
                    let mut tx = self.begin_commit().await?;
                    let mut first = Script::new(self.kind());
                    add_alarms(&mut first, &ended)?;
                    first.run(Runner::Connection(tx.on()), Vec::new()).await?;
                    add_effects(&mut script, &batch.effects, &entered, &ids)?;
                    let last_seq = script.run(Runner::Connection(tx.on()), segments).await?;
                    tx.commit().await?;
                    last_seq
                } else {
                    add_effects(&mut script, &batch.effects, &entered, &ids)?;
                    script.run(Runner::Pool(On::Postgres(pool)), segments).await?
                }
            }
            On::Sqlite(_) => {
                let mut tx = self.begin_commit().await?;
                let ids = engine::next_decisions(tx.on(), decisions).await?;
                add_effects(&mut script, &batch.effects, &entered, &ids)?;
                let last_seq = script.run(Runner::Connection(tx.on()), segments).await?;
                tx.commit().await?;
                last_seq
            }
        };
        entered.stored(&self.heads);
        Ok(CommitReceipt { last_seq })
    }
}

/// Whether anything beside journal rows follows from these effects.
fn writes_rows(effects: &Effects) -> bool {
    !(effects.alarms.is_empty()
        && effects.commands.is_empty()
        && effects.timers.is_empty()
        && effects.notices.is_empty()
        && effects.decisions.is_empty())
}

/// The journal rows of a batch, a segment for each tenant in order of its first row.
fn segments(batch: &Batch) -> Result<Vec<SegmentWriter>, StoreError> {
    let mut segments: Vec<SegmentWriter> = Vec::new();
    let mut places: HashMap<TenantId, usize> = HashMap::new();
    let mut place_of = |tenant: TenantId, segments: &mut Vec<SegmentWriter>| {
        *places.entry(tenant).or_insert_with(|| {
            segments.push(SegmentWriter::new(tenant));
            segments.len() - 1
        })
    };
    let mut latest = Timestamp::from_millis(0);
    for row in &batch.uplinks {
        if let Some(sequence) = row.sequence {
            stored_u64("OSCORE sequence number", sequence)?;
        }
        latest = latest.max(row.received_at);
        let place = place_of(row.tenant, &mut segments);
        segments[place].push(RowRef {
            device: row.device,
            kind: row.kind,
            sequence: row.sequence,
            received_at: row.received_at,
            format: row.format,
            payload: &row.payload,
            rule_state: row.rule_state.as_deref(),
        });
    }
    for (tenant, _, effects) in &batch.effects {
        for (device, state) in &effects.rule_state {
            let place = place_of(*tenant, &mut segments);
            segments[place].push(RowRef {
                device: *device,
                kind: RowKind::RuleState,
                sequence: None,
                received_at: latest,
                format: 0,
                payload: state,
                rule_state: None,
            });
        }
    }
    Ok(segments)
}

type Owned<'a, T> = (TenantId, InterlockId, &'a T);

fn add_effects(
    script: &mut Script,
    all: &[(TenantId, InterlockId, Effects)],
    entered: &Entered,
    ids: &[i64],
) -> Result<(), StoreError> {
    // First, so that who was not the fastest finds out before anything else is written.
    entered.add_to(script)?;
    // An alarm may change more than once in a batch: its row gets the last state, its log every one. Ended occurrences come
    // first, because the next one of the same condition may begin in the same batch.
    let (active, ended): (Vec<_>, Vec<_>) =
        last_alarms(all).into_iter().partition(|(.., alarm)| alarm.state.is_active());
    add_alarms(script, &ended)?;
    add_alarms(script, &active)?;
    add_alarm_log(script, all, &entered.alarms)?;
    add_commands(script, all, &entered.commands)?;
    add_timers(script, all)?;
    add_notices(script, all)?;
    add_decisions(script, all, ids)
}

/// Each changed alarm as it is at the end of the batch.
fn last_alarms(all: &[(TenantId, InterlockId, Effects)]) -> Vec<Owned<'_, Alarm>> {
    let mut last: BTreeMap<i64, Owned<'_, Alarm>> = BTreeMap::new();
    for (tenant, interlock, effects) in all {
        for change in &effects.alarms {
            last.insert(change.alarm.id.raw(), (*tenant, *interlock, &change.alarm));
        }
    }
    last.into_values().collect()
}

/// The ended alarms, if one of them must be out of the way before another of its condition can begin.
fn ended_before_begun(all: &[(TenantId, InterlockId, Effects)]) -> Option<Vec<Owned<'_, Alarm>>> {
    let (active, ended): (Vec<_>, Vec<_>) =
        last_alarms(all).into_iter().partition(|(.., alarm)| alarm.state.is_active());
    let key = |(.., alarm): &Owned<'_, Alarm>| (alarm.device, alarm.condition);
    let begun: HashSet<_> = active.iter().map(key).collect();
    ended.iter().any(|alarm| begun.contains(&key(alarm))).then_some(ended)
}

fn add_alarms(script: &mut Script, some: &[Owned<'_, Alarm>]) -> Result<(), StoreError> {
    let columns = [
        Column::Int(&ints(some, |a| a.2.id.raw())),
        Column::Int(&ints(some, |a| a.0.raw())),
        Column::Int(&ints(some, |a| a.1.raw())),
        Column::Int(&ints(some, |a| a.2.device.raw())),
        Column::Int(&ints(some, |a| i64::from(a.2.condition.code()))),
        Column::Int(&ints(some, |a| i64::from(a.2.priority.code()))),
        Column::Int(&ints(some, |a| i64::from(a.2.origin.code()))),
        Column::Int(&ints(some, |a| i64::from(a.2.state.code()))),
        Column::Int(&ints(some, |a| i64::from(a.2.asserted.bits()))),
        Column::MaybeInt(&maybe_ints(some, |a| a.2.shelved_until.map(Timestamp::as_millis))),
        Column::Int(&ints(some, |a| a.2.raised_at.as_millis())),
        Column::Int(&ints(some, |a| a.2.changed_at.as_millis())),
    ];
    script.add(&engine::UPSERT_ALARMS, &columns)
}

/// `entered` are the changes' events as JSON, and their entries in the ledger.
fn add_alarm_log(
    script: &mut Script,
    all: &[(TenantId, InterlockId, Effects)],
    entered: &[(String, i64)],
) -> Result<(), StoreError> {
    let mut log = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (tenant, _, effects) in all {
        for change in &effects.alarms {
            let alarm = &change.alarm;
            log.0.push(tenant.raw());
            log.1.push(alarm.id.raw());
            log.2.push(alarm.changed_at.as_millis());
            log.3.push(i64::from(change.before.code()));
            log.4.push(i64::from(alarm.state.code()));
            log.5.push(i64::from(alarm.priority.code()));
        }
    }
    let (events, entries): (Vec<String>, Vec<i64>) = entered.iter().cloned().unzip();
    let columns = [
        Column::Int(&log.0),
        Column::Int(&log.1),
        Column::Int(&log.2),
        Column::Int(&log.3),
        Column::Int(&log.4),
        Column::Int(&log.5),
        Column::Text(&events),
        Column::Int(&entries),
    ];
    script.add(&engine::INSERT_ALARM_LOG, &columns)
}

/// `entered` are the changes' entries in the ledger.
fn add_commands(
    script: &mut Script,
    all: &[(TenantId, InterlockId, Effects)],
    entered: &[Option<i64>],
) -> Result<(), StoreError> {
    let mut log = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut last: BTreeMap<i64, Owned<'_, Command>> = BTreeMap::new();
    for (tenant, interlock, effects) in all {
        for change in &effects.commands {
            let command = &change.command;
            last.insert(command.id.raw(), (*tenant, *interlock, command));
            log.0.push(tenant.raw());
            log.1.push(command.id.raw());
            log.2.push(command.changed_at.as_millis());
            log.3.push(change.before.map(|state| i64::from(state.code())));
            log.4.push(i64::from(command.state.code()));
        }
    }
    if last.is_empty() {
        return Ok(());
    }
    let some: Vec<_> = last.into_values().collect();
    let mut causes = Vec::with_capacity(some.len());
    let mut counters = Vec::with_capacity(some.len());
    for (.., command) in &some {
        causes.push(to_json("command cause", &command.cause)?);
        counters.push(stored_u64("command counter", command.counter)?);
    }
    let columns = [
        Column::Int(&ints(&some, |c| c.2.id.raw())),
        Column::Int(&ints(&some, |c| c.0.raw())),
        Column::Int(&ints(&some, |c| c.1.raw())),
        Column::Int(&ints(&some, |c| c.2.device.raw())),
        Column::Int(&ints(&some, |c| i64::from(c.2.action.code()))),
        Column::Text(&causes),
        Column::Int(&ints(&some, |c| i64::from(c.2.state.code()))),
        Column::Int(&counters),
        Column::Int(&ints(&some, |c| c.2.requested_at.as_millis())),
        Column::MaybeInt(&maybe_ints(&some, |c| c.2.sent_at.map(Timestamp::as_millis))),
        Column::MaybeInt(&maybe_ints(&some, |c| c.2.actuated_at.map(Timestamp::as_millis))),
        Column::Int(&ints(&some, |c| c.2.changed_at.as_millis())),
        Column::Int(&ints(&some, |c| c.2.deadline.as_millis())),
    ];
    script.add(&engine::UPSERT_COMMANDS, &columns)?;
    let columns = [
        Column::Int(&log.0),
        Column::Int(&log.1),
        Column::Int(&log.2),
        Column::MaybeInt(&log.3),
        Column::Int(&log.4),
        Column::MaybeInt(entered),
    ];
    script.add(&engine::INSERT_COMMAND_LOG, &columns)
}

fn add_timers(script: &mut Script, all: &[(TenantId, InterlockId, Effects)]) -> Result<(), StoreError> {
    // Only the last word on each timer counts.
    let mut last: BTreeMap<(i64, i64), Option<[i64; 3]>> = BTreeMap::new();
    for (tenant, interlock, effects) in all {
        for change in &effects.timers {
            match *change {
                TimerChange::Set { device, timer } => last.insert(
                    (device.raw(), i64::from(timer.id)),
                    Some([tenant.raw(), interlock.raw(), timer.at.as_millis()]),
                ),
                TimerChange::Gone { device, id } => last.insert((device.raw(), i64::from(id)), None),
            };
        }
    }
    let (set, gone): (Vec<_>, Vec<_>) = last.into_iter().partition(|(_, timer)| timer.is_some());
    let columns =
        [Column::Int(&ints(&gone, |((device, _), _)| *device)), Column::Int(&ints(&gone, |((_, name), _)| *name))];
    script.add(&engine::DELETE_TIMERS, &columns)?;
    let set: Vec<_> = set.into_iter().filter_map(|(key, timer)| timer.map(|timer| (key, timer))).collect();
    let columns = [
        Column::Int(&ints(&set, |((device, _), _)| *device)),
        Column::Int(&ints(&set, |((_, name), _)| *name)),
        Column::Int(&ints(&set, |(_, timer)| timer[0])),
        Column::Int(&ints(&set, |(_, timer)| timer[1])),
        Column::Int(&ints(&set, |(_, timer)| timer[2])),
    ];
    script.add(&engine::UPSERT_TIMERS, &columns)
}

fn add_notices(script: &mut Script, all: &[(TenantId, InterlockId, Effects)]) -> Result<(), StoreError> {
    let some: Vec<_> = all
        .iter()
        .flat_map(|(tenant, _, effects)| effects.notices.iter().map(move |notice| (*tenant, notice)))
        .collect();
    let bodies = some.iter().map(|(_, notice)| to_json("notice", notice)).collect::<Result<Vec<_>, _>>()?;
    let columns = [
        Column::Int(&ints(&some, |n| n.1.id.raw())),
        Column::Int(&ints(&some, |n| n.0.raw())),
        Column::Int(&ints(&some, |n| n.1.device.raw())),
        Column::MaybeInt(&maybe_ints(&some, |n| n.1.alarm.map(davy_domain::AlarmId::raw))),
        Column::MaybeInt(&maybe_ints(&some, |n| n.1.command.map(davy_domain::CommandId::raw))),
        Column::Text(&bodies),
        Column::Int(&ints(&some, |n| n.1.at.as_millis())),
    ];
    script.add(&engine::INSERT_OUTBOX, &columns)
}

fn add_decisions(script: &mut Script, all: &[(TenantId, InterlockId, Effects)], ids: &[i64]) -> Result<(), StoreError> {
    let some: Vec<(TenantId, &Decision)> =
        all.iter().flat_map(|(tenant, _, effects)| effects.decisions.iter().map(move |d| (*tenant, d))).collect();
    if some.is_empty() {
        return Ok(());
    }
    let mut inputs = Vec::with_capacity(some.len());
    let mut results = Vec::with_capacity(some.len());
    let mut links = HashSet::new();
    for ((tenant, decision), id) in some.iter().zip(ids) {
        inputs.push(to_json("decision input", &decision.input)?);
        results.push(to_json("decision result", &crate::decisions::StoredResult::of(decision))?);
        links.extend(decision.alarms.iter().map(|alarm| (alarm.raw(), *id, tenant.raw())));
    }
    let digests: Vec<Option<Vec<u8>>> = some.iter().map(|(_, d)| d.rule.map(|rule| rule.digest.to_vec())).collect();
    let states: Vec<Vec<u8>> = some.iter().map(|(_, d)| d.state_before.clone()).collect();
    let columns = [
        Column::Int(ids),
        Column::Int(&ints(&some, |d| d.0.raw())),
        Column::Int(&ints(&some, |d| d.1.device.raw())),
        Column::Int(&ints(&some, |d| d.1.at.as_millis())),
        Column::MaybeBytes(&digests),
        Column::MaybeInt(&maybe_ints(&some, |d| d.1.rule.map(|rule| i64::from(rule.settings_version)))),
        Column::Text(&inputs),
        Column::Bytes(&states),
        Column::Text(&results),
    ];
    script.add(&engine::INSERT_DECISIONS, &columns)?;
    let links: Vec<_> = links.into_iter().collect();
    let columns = [
        Column::Int(&ints(&links, |link| link.0)),
        Column::Int(&ints(&links, |link| link.1)),
        Column::Int(&ints(&links, |link| link.2)),
    ];
    script.add(&engine::INSERT_DECISION_ALARMS, &columns)?;
    add_words(script, all, ids)
}

/// What the rules said to the alarms that they moved; `ids` are the decisions', in their order.
fn add_words(script: &mut Script, all: &[(TenantId, InterlockId, Effects)], ids: &[i64]) -> Result<(), StoreError> {
    let mut rows: (Vec<i64>, Vec<i64>, Vec<i64>) = Default::default();
    let mut texts: (Vec<Option<String>>, Vec<Option<String>>) = Default::default();
    let mut notes = Vec::new();
    let decisions =
        all.iter().flat_map(|(tenant, _, effects)| effects.decisions.iter().map(move |it| (*tenant, effects, it)));
    for ((tenant, effects, decision), id) in decisions.zip(ids) {
        let Some(Ok(outcome)) = decision.evaluation.as_ref().map(|evaluation| &evaluation.result) else { continue };
        if outcome.words.is_empty() {
            continue;
        }
        let said = to_json("notes of a rule", &outcome.words.notes)?;
        for alarm in decision.alarms.iter().collect::<BTreeSet<_>>() {
            let condition = effects.alarms.iter().find(|change| change.alarm.id == *alarm).map(|it| it.alarm.condition);
            let text = condition.and_then(|condition| outcome.words.text(condition));
            if text.is_none() && outcome.words.notes.is_empty() {
                continue;
            }
            rows.0.push(alarm.raw());
            rows.1.push(*id);
            rows.2.push(tenant.raw());
            texts.0.push(text.map(|text| text.zh.clone()));
            texts.1.push(text.map(|text| text.en.clone()));
            notes.push(said.clone());
        }
    }
    let columns = [
        Column::Int(&rows.0),
        Column::Int(&rows.1),
        Column::Int(&rows.2),
        Column::MaybeText(&texts.0),
        Column::MaybeText(&texts.1),
        Column::Text(&notes),
    ];
    script.add(&engine::INSERT_ALARM_WORDS, &columns)
}

fn ints<T>(rows: &[T], value: impl Fn(&T) -> i64) -> Vec<i64> {
    rows.iter().map(value).collect()
}

fn maybe_ints<T>(rows: &[T], value: impl Fn(&T) -> Option<i64>) -> Vec<Option<i64>> {
    rows.iter().map(value).collect()
}
