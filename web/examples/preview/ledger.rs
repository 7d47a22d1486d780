//! A made-up day in the ledger, chained as a real one.

use davy_api::{AlarmLedger, CheckpointItem, LedgerCheckpoints, LedgerItem, LedgerPage, LedgerQuery, ledger_kinds};
use davy_domain::command::{Action, CommandState};
use davy_domain::ledger::{Act, Actor, Chain, Checkpoint, Head, PublicKey, Refusal, Signed};
use davy_domain::{
    AlarmId, AlarmState, CommandId, Condition, DeviceId, Priority, SessionId, Span, TenantId, Timestamp, UserId,
};

const ALARM: AlarmId = AlarmId::from_raw(1);
const VALVE: DeviceId = DeviceId::from_raw(8);
const KEY: PublicKey = PublicKey::from_bytes([7; 32]);

fn acts() -> Vec<(Actor, Act)> {
    let (person, command) = (Actor::Person { by: UserId::from_raw(2) }, CommandId::from_raw(5));
    let moved = |before, after, event: &str| Act::AlarmMoved {
        alarm: ALARM,
        device: DeviceId::from_raw(9),
        condition: Condition::GasHigh,
        priority: Priority::Urgent,
        before,
        after,
        event: event.to_owned(),
    };
    let (action, device) = (Action::Close, VALVE);
    vec![
        (Actor::CommandLine, Act::Provisioned { tenants: 1, premises: 120, devices: 480, users: 12 }),
        (Actor::Unknown, Act::SignInRefused { account: None, why: Refusal::NobodyKnown }),
        (person, Act::SignedIn { session: SessionId::from_raw(3) }),
        (Actor::Platform, moved(AlarmState::Normal, AlarmState::Unacknowledged, r#"{"event":"raise"}"#)),
        (
            Actor::Platform,
            Act::CommandGiven {
                command,
                device,
                action,
                cause: r#"{"reason":"leak"}"#.to_owned(),
                counter: 4,
                state: CommandState::Queued,
                deadline: Timestamp::from_millis(1_795_406_430_000),
            },
        ),
        (
            Actor::Platform,
            Act::CommandEnded {
                command,
                device,
                action,
                before: CommandState::Actuated,
                after: CommandState::Verified,
            },
        ),
        (person, moved(AlarmState::Unacknowledged, AlarmState::Acknowledged, r#"{"event":"acknowledge"}"#)),
        (person, Act::Exported { what: "ledger".to_owned(), from: Some(1), to: Some(7) }),
    ]
}

/// First to last; the first five are signed for.
fn items(now: Timestamp) -> Vec<LedgerItem> {
    let mut head = Head::start(Chain::Tenant(TenantId::from_raw(1)));
    let mut entries = Vec::new();
    for (number, (actor, act)) in (0..).zip(acts()) {
        entries.push(head.append(now - Span::from_minutes(60 - number), actor, &act));
    }
    let signed = Signed { checkpoint: Checkpoint::of(entries[4].head(), now), key: KEY, signature: [9; 64] };
    let item = |entry: &davy_domain::ledger::Entry| {
        let (actor, act) = entry.read().ok().unzip();
        LedgerItem {
            chain: entry.chain.to_string(),
            company: "津门燃气".to_owned(),
            seq: entry.seq,
            at: entry.at,
            kind: act.as_ref().map(|act| act.name().to_owned()).unwrap_or_default(),
            actor,
            name: actor.and_then(Actor::by).map(|_| "王敏".to_owned()),
            act: serde_json::to_value(act).unwrap_or_default(),
            previous: entry.previous,
            hash: entry.hash,
            covered_by: (entry.seq <= 5).then(|| CheckpointItem::from(&signed)),
        }
    };
    entries.iter().map(item).collect()
}

pub(crate) fn page(now: Timestamp, query: &LedgerQuery, may_export: bool) -> LedgerPage {
    let known = |kind: &str| Act::KINDS.iter().find(|(_, name)| *name == kind).map(|(code, _)| *code);
    let mut items = items(now);
    if let Some((first, last)) = query.kind.as_deref().and_then(ledger_kinds) {
        items.retain(|item| known(&item.kind).is_some_and(|code| (first..=last).contains(&code)));
    }
    items.reverse();
    LedgerPage { items, next: None, may_export }
}

pub(crate) fn of_alarm(now: Timestamp, alarm: AlarmId) -> AlarmLedger {
    let mut items = items(now);
    items.retain(|item| item.kind.starts_with("alarm") || item.kind.starts_with("command"));
    AlarmLedger { alarm, commands: vec![CommandId::from_raw(5)], items }
}

pub(crate) fn checkpoints(now: Timestamp) -> LedgerCheckpoints {
    let items = items(now).into_iter().filter_map(|item| item.covered_by).take(1).collect();
    LedgerCheckpoints { keys: vec![KEY], items }
}
