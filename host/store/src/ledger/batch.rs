//! The entries of a group commit: every transition of an alarm, and every command's birth and end.

use super::Heads;
use crate::codes::{stored_u64, to_json};
use crate::connection::Store;
use crate::engine::{self, Column};
use crate::error::StoreError;
use crate::script::Script;
use davy_domain::command::Cause;
use davy_domain::interlock::{AlarmChange, CommandChange, Effects};
use davy_domain::ledger::{Act, Actor, Chain, Entry, Head};
use davy_domain::{DeviceId, InterlockId, TenantId, Timestamp, UserId};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

type All = [(TenantId, InterlockId, Effects)];

/// What a batch adds to the ledger, and what its logs must name.
#[derive(Default)]
pub(crate) struct Entered {
    /// By chain, so that two commits that meet wait for each other in one order.
    chains: BTreeMap<Chain, (Head, Vec<Row>)>,
    /// Of every change of an alarm in the batch's order: its event as JSON, and its entry.
    pub(crate) alarms: Vec<(String, i64)>,
    /// Of every change of a command in the batch's order: its entry, if it has one.
    pub(crate) commands: Vec<Option<i64>>,
}

struct Row {
    entry: Entry,
    kind: i64,
    by: Option<i64>,
    object: Option<i64>,
    device: Option<i64>,
}

impl Store {
    /// Works out the entries of a batch. Nothing is stored.
    pub(crate) async fn enter_batch(&self, all: &All) -> Result<Entered, StoreError> {
        let mut entered = Entered::default();
        for (tenant, _, effects) in all {
            if effects.alarms.is_empty() && effects.commands.is_empty() {
                continue;
            }
            let chain = Chain::Tenant(*tenant);
            let (head, rows) = match entered.chains.entry(chain) {
                Slot::Occupied(known) => known.into_mut(),
                Slot::Vacant(first) => first.insert((self.head_to_follow(chain).await?, Vec::new())),
            };
            for change in &effects.alarms {
                let event = to_json("alarm event", &change.event)?;
                let act = moved(change, event);
                let actor = Actor::person_or_platform(change.event.by());
                let seq = append(head, rows, change.alarm.changed_at, actor, &act)?;
                if let Act::AlarmMoved { event, .. } = act {
                    entered.alarms.push((event, seq));
                }
            }
            for change in &effects.commands {
                let seq = match act_of(change)? {
                    Some((actor, act)) => Some(append(head, rows, change.command.changed_at, actor, &act)?),
                    None => None,
                };
                entered.commands.push(seq);
            }
        }
        Ok(entered)
    }
}

fn append(head: &mut Head, rows: &mut Vec<Row>, at: Timestamp, actor: Actor, act: &Act) -> Result<i64, StoreError> {
    let entry = head.append(at, actor, act);
    let seq = stored_u64("place in the ledger", entry.seq)?;
    rows.push(Row {
        entry,
        kind: i64::from(act.code()),
        by: actor.by().map(UserId::raw),
        object: act.object(),
        device: act.device().map(DeviceId::raw),
    });
    Ok(seq)
}

fn moved(change: &AlarmChange, event: String) -> Act {
    let alarm = &change.alarm;
    Act::AlarmMoved {
        alarm: alarm.id,
        device: alarm.device,
        condition: alarm.condition,
        priority: alarm.priority,
        before: change.before,
        after: alarm.state,
        event,
    }
}

/// A command's birth or its end; nothing for what lies between.
fn act_of(change: &CommandChange) -> Result<Option<(Actor, Act)>, StoreError> {
    let command = &change.command;
    let Some(before) = change.before else {
        let by = match command.cause {
            Cause::Operator { by } | Cause::Resident { by } => Some(by),
            Cause::Leak { .. } | Cause::Rule => None,
        };
        let given = Act::CommandGiven {
            command: command.id,
            device: command.device,
            action: command.action,
            cause: to_json("command cause", &command.cause)?,
            counter: command.counter,
            state: command.state,
            deadline: command.deadline,
        };
        return Ok(Some((Actor::person_or_platform(by), given)));
    };
    if command.state.is_open() {
        return Ok(None);
    }
    let (command, device, action, after) = (command.id, command.device, command.action, command.state);
    Ok(Some((Actor::Platform, Act::CommandEnded { command, device, action, before, after })))
}

impl Entered {
    /// Adds the entries to what is written in one go.
    pub(crate) fn add_to(&self, script: &mut Script) -> Result<(), StoreError> {
        let rows: Vec<&Row> = self.chains.values().flat_map(|(_, rows)| rows).collect();
        let ints = |value: fn(&Row) -> i64| rows.iter().map(|row| value(row)).collect::<Vec<_>>();
        let maybe = |value: fn(&Row) -> Option<i64>| rows.iter().map(|row| value(row)).collect::<Vec<_>>();
        let bytes = |value: fn(&Entry) -> Vec<u8>| rows.iter().map(|row| value(&row.entry)).collect::<Vec<_>>();
        let columns = [
            Column::Int(&ints(|row| row.entry.chain.raw())),
            Column::Int(&ints(|row| row.entry.seq as i64)),
            Column::Int(&ints(|row| row.entry.at.as_millis())),
            Column::Int(&ints(|row| row.kind)),
            Column::MaybeInt(&maybe(|row| row.by)),
            Column::MaybeInt(&maybe(|row| row.object)),
            Column::MaybeInt(&maybe(|row| row.device)),
            Column::Bytes(&bytes(|entry| entry.body.clone())),
            Column::Bytes(&bytes(|entry| entry.previous.as_bytes().to_vec())),
            Column::Bytes(&bytes(|entry| entry.hash.as_bytes().to_vec())),
        ];
        script.add(&engine::INSERT_LEDGER, &columns)
    }

    /// All of it is durable.
    pub(crate) fn stored(&self, heads: &Heads) {
        for (head, _) in self.chains.values() {
            heads.advance(*head);
        }
    }
}
