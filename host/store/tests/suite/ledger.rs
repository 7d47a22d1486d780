//! The ledger: what is entered and with what, that nothing forks or is lost, and that no way of tampering stays unseen.

use crate::fixture::*;
use davy_domain::command::{Action, Cause, CommandState};
use davy_domain::interlock::{CommandChange, Effects};
use davy_domain::ledger::{Act, Actor, Chain, Checkpoint, Entry, Fault, Log, PublicKey, Refusal, Report, Signed};
use davy_domain::*;
use davy_store::*;

both_engines!(
    alarms_and_commands_are_entered_with_their_rows,
    a_refused_batch_leaves_neither_an_entry_nor_a_gap,
    two_processes_neither_fork_a_chain_nor_lose_an_entry,
    the_database_itself_refuses_what_is_not_an_appending,
    every_way_of_tampering_is_found_in_its_place,
    chains_that_changed_places_are_found,
    rows_beside_a_chain_cannot_be_changed_either,
    rows_from_before_the_ledger_are_counted_once,
    what_people_did_is_entered_in_the_transaction_that_does_it,
    pages_show_what_was_asked_for_and_nobody_elses,
);

const GREENS: Chain = Chain::Tenant(GREEN);
const BLUES: Chain = Chain::Tenant(BLUE);
const KEY: PublicKey = PublicKey::from_bytes([8; 32]);

fn judge(signed: &Signed) -> Trust {
    match (signed.signature[0], signed.key) {
        (1, KEY) => Trust::Genuine,
        (1, _) => Trust::Unknown,
        _ => Trust::Forged,
    }
}

fn vouch(entry: &Entry) -> Signed {
    Signed { checkpoint: Checkpoint::of(entry.head(), at(99)), key: KEY, signature: [1; 64] }
}

async fn verified(store: &Store, chain: Chain, kept: &[Signed]) -> Report {
    let trust = LedgerTrust { judge: &judge, kept, progress: &|_| {} };
    store.verify_ledger(chain, &trust).await.unwrap()
}

async fn fault(store: &Store, chain: Chain) -> Option<Fault> {
    verified(store, chain, &[]).await.fault
}

async fn entries(store: &Store, chain: Chain) -> Vec<Entry> {
    store.ledger_run(chain, 0, 10_000).await.unwrap()
}

/// An alarm raised, with a close that is given and verified.
fn leak(id: i64, device: DeviceId, tenant: TenantId) -> Batch {
    let alarm = alarm(id, device, Condition::GasHigh);
    let order = command(id + 1, device, Action::Close, CommandState::Queued, id.unsigned_abs());
    let sent = command(id + 1, device, Action::Close, CommandState::Sent, id.unsigned_abs());
    let done = command(id + 1, device, Action::Close, CommandState::Verified, id.unsigned_abs());
    let effects = Effects {
        alarms: vec![raised(&alarm), ended(&alarm)],
        commands: vec![
            given(&order),
            CommandChange { before: Some(CommandState::Queued), command: sent, effect: None },
            CommandChange { before: Some(CommandState::Sent), command: done, effect: None },
        ],
        ..Effects::default()
    };
    Batch { uplinks: vec![], effects: vec![(tenant, INTERLOCK, effects)] }
}

async fn alarms_and_commands_are_entered_with_their_rows(fixture: Fixture) {
    let store = &fixture.store;
    let start = entries(store, GREENS).await.len();
    store.commit(&leak(10, DETECTOR, GREEN)).await.unwrap();
    let found = entries(store, GREENS).await;
    let acts: Vec<_> = found[start..].iter().map(|entry| entry.read().unwrap().1).collect();
    let names: Vec<_> = acts.iter().map(Act::name).collect();
    // The step between birth and end has no entry.
    assert_eq!(names, ["alarm-moved", "alarm-moved", "command-given", "command-ended"]);
    assert!(acts.iter().all(|act| act.device() == Some(DETECTOR)));
    assert!(matches!(&acts[0], Act::AlarmMoved { event, before, .. }
        if event == r#"{"event":"raise","priority":"urgent","origin":"floor"}"# && *before == AlarmState::Normal));
    assert_eq!(fault(store, GREENS).await, None);
    let by_object = store.tenant(GREEN).ledger_of_object(11).await.unwrap();
    assert_eq!(by_object, &found[start + 2..]);
    assert!(store.tenant(BLUE).ledger_of_object(11).await.unwrap().is_empty());
    // A person's command is the person's.
    let mut order = command(50, VALVE, Action::Close, CommandState::Queued, 9);
    order.cause = Cause::Operator { by: UserId::from_raw(7) };
    store.commit(&effects(Effects { commands: vec![given(&order)], ..Effects::default() })).await.unwrap();
    let last = entries(store, GREENS).await.pop().unwrap();
    assert_eq!(last.read().unwrap().0, Actor::Person { by: UserId::from_raw(7) });
}

async fn a_refused_batch_leaves_neither_an_entry_nor_a_gap(fixture: Fixture) {
    let store = &fixture.store;
    let first = alarm(1, DETECTOR, Condition::GasHigh);
    store.commit(&effects(Effects { alarms: vec![raised(&first)], ..Effects::default() })).await.unwrap();
    let before = store.ledger_head(GREENS).await.unwrap();
    let second = alarm(2, DETECTOR, Condition::GasHigh);
    let twice = effects(Effects { alarms: vec![raised(&second)], ..Effects::default() });
    assert!(matches!(store.commit(&twice).await.unwrap_err(), StoreError::AlarmAlreadyActive));
    assert_eq!(store.ledger_head(GREENS).await.unwrap(), before);
    store.commit(&leak(30, WELL, GREEN)).await.unwrap();
    assert_eq!(store.ledger_head(GREENS).await.unwrap().seq, before.seq + 4);
    assert_eq!(fault(store, GREENS).await, None);
}

async fn two_processes_neither_fork_a_chain_nor_lose_an_entry(fixture: Fixture) {
    let other = fixture.again().await;
    let start =
        fixture.store.ledger_head(GREENS).await.unwrap().seq + fixture.store.ledger_head(BLUES).await.unwrap().seq;
    let mut writers = tokio::task::JoinSet::new();
    for (number, store) in
        [fixture.store.clone(), other.clone(), fixture.store.clone(), other.clone()].into_iter().enumerate()
    {
        writers.spawn(async move {
            for turn in 0..12 {
                // A batch that touches both chains, in either order, and a person's act beside it.
                let id = 1_000 * (number as i64 + 1) + 10 * turn;
                let mut batch = leak(id, DETECTOR, GREEN);
                let mut blue = leak(id + 2, OTHER, BLUE);
                if number % 2 == 0 {
                    batch.effects.append(&mut blue.effects);
                } else {
                    blue.effects.append(&mut batch.effects);
                    batch = blue;
                }
                if number < 2 {
                    store.commit(&batch).await.unwrap();
                } else {
                    let act = Act::SignInRefused { account: None, why: Refusal::NobodyKnown };
                    store.enter(GREENS, at(turn), Actor::Unknown, &act).await.unwrap();
                    store.enter(BLUES, at(turn), Actor::Unknown, &act).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let (greens, blues) = (verified(&other, GREENS, &[]).await, verified(&other, BLUES, &[]).await);
    assert_eq!((greens.fault, blues.fault), (None, None));
    assert_eq!(greens.entries + blues.entries, start + 2 * 12 * 8 + 2 * 12 * 2);
    other.close().await;
}

async fn the_database_itself_refuses_what_is_not_an_appending(fixture: Fixture) {
    fixture.store.commit(&leak(10, DETECTOR, GREEN)).await.unwrap();
    let last = entries(&fixture.store, GREENS).await.pop().unwrap();
    fixture.store.put_checkpoint(&vouch(&last)).await.unwrap();
    let mut wrong = vec![
        "UPDATE ledger SET at = 5 WHERE seq = 1",
        "UPDATE ledger SET at = at",
        "DELETE FROM ledger WHERE seq = 2",
        "UPDATE ledger_checkpoints SET seq = 1",
        "DELETE FROM ledger_checkpoints",
    ];
    wrong.push(match fixture.store.kind() {
        EngineKind::Sqlite => "REPLACE INTO ledger SELECT * FROM ledger WHERE seq = 1",
        EngineKind::Postgres => "TRUNCATE ledger",
    });
    for sql in wrong {
        let refused = fixture.raw(sql).await.unwrap_err().to_string();
        assert!(refused.contains("append-only") || refused.contains("is taken"), "{sql}: {refused}");
    }
    assert_eq!(verified(&fixture.store, GREENS, &[]).await.covered, Some(vouch(&last)));
}

/// A way of tampering, and what it must be called.
struct Tampering {
    name: &'static str,
    change: fn(&mut Vec<Entry>),
    found: fn(&Fault, u64) -> bool,
}

fn anew(entries: &mut [Entry], from: usize) {
    let mut head = entries[from - 1].head();
    for entry in &mut entries[from..] {
        (entry.seq, entry.previous) = (head.seq + 1, head.hash);
        entry.hash = entry.digest();
        head = entry.head();
    }
}

/// Entry 6, at place 5, is one that no row stands beside.
const TAMPERINGS: &[Tampering] = &[
    Tampering {
        name: "edited",
        change: |all| all[5].at = at(12_345),
        found: |fault, _| matches!(fault, Fault::Edited { seq: 6, .. }),
    },
    Tampering {
        name: "edited with its hash",
        change: |all| {
            all[5].at = at(12_345);
            all[5].hash = all[5].digest();
        },
        found: |fault, _| matches!(fault, Fault::Broken { seq: 7, .. }),
    },
    Tampering {
        name: "deleted",
        change: |all| drop(all.remove(5)),
        found: |fault, _| matches!(fault, Fault::Deleted { from: 6, to: 6 }),
    },
    Tampering {
        name: "deleted and closed up",
        change: |all| {
            all.remove(5);
            for (seq, entry) in (1..).zip(all) {
                entry.seq = seq;
            }
        },
        found: |fault, _| matches!(fault, Fault::Moved { seq: 6, from: 7 }),
    },
    Tampering {
        name: "inserted",
        change: |all| {
            let put_in =
                all[4].head().append(at(1), Actor::Platform, &Act::SignedOut { session: SessionId::from_raw(1) });
            all.insert(5, put_in);
            for (seq, entry) in (1..).zip(all) {
                entry.seq = seq;
            }
        },
        found: |fault, _| matches!(fault, Fault::Moved { seq: 7, from: 6 }),
    },
    Tampering {
        name: "swapped",
        change: |all| {
            all.swap(5, 6);
            for (seq, entry) in (1..).zip(all) {
                entry.seq = seq;
            }
        },
        found: |fault, _| matches!(fault, Fault::Moved { seq: 6, from: 7 }),
    },
    Tampering {
        name: "truncated below the checkpoint",
        change: |all| all.truncate(6),
        found: |fault, count| matches!(fault, Fault::Truncated { last: 6, seq } if *seq == count - 1),
    },
    Tampering {
        name: "emptied",
        change: Vec::clear,
        found: |fault, count| matches!(fault, Fault::Truncated { last: 0, seq } if *seq == count - 1),
    },
    Tampering {
        name: "written anew from the middle on",
        change: |all| {
            all[5].at = at(12_345);
            anew(all, 5);
        },
        found: |fault, count| matches!(fault, Fault::Rewritten { after: 2, seq, .. } if *seq == count - 1),
    },
    Tampering {
        // No checkpoint guards what comes after the last one; the rows that its entries tell of do.
        name: "the tail written anew after the last checkpoint",
        change: |all| {
            let last = all.len() - 1;
            let act = Act::SignedOut { session: SessionId::from_raw(1) };
            all[last] = all[last - 1].head().append(at(1), Actor::Platform, &act);
        },
        found: |fault, count| matches!(fault, Fault::RowWithoutEntry { log: Log::Commands, named, .. } if *named == count),
    },
    Tampering {
        name: "the tail cut off after the last checkpoint",
        change: |all| drop(all.pop()),
        found: |fault, count| matches!(fault, Fault::RowWithoutEntry { log: Log::Commands, named, .. } if *named == count),
    },
];

async fn every_way_of_tampering_is_found_in_its_place(fixture: Fixture) {
    let store = &fixture.store;
    store.commit(&leak(10, DETECTOR, GREEN)).await.unwrap();
    for turn in 0..2 {
        let act = Act::SignInRefused { account: None, why: Refusal::NobodyKnown };
        store.enter(GREENS, at(15 + turn), Actor::Unknown, &act).await.unwrap();
    }
    store.commit(&leak(20, DETECTOR, GREEN)).await.unwrap();
    let whole = entries(store, GREENS).await;
    let kept = [vouch(&whole[1]), vouch(&whole[whole.len() - 2])];
    for signed in &kept {
        store.put_checkpoint(signed).await.unwrap();
    }
    assert_eq!(verified(store, GREENS, &[]).await.covered, Some(kept[1]));
    fixture.disarm().await;
    for Tampering { name, change, found } in TAMPERINGS {
        let mut changed = whole.clone();
        change(&mut changed);
        fixture.rewrite(GREENS, &changed).await;
        let report = verified(store, GREENS, &[]).await;
        assert!(report.fault.as_ref().is_some_and(|fault| found(fault, whole.len() as u64)), "{name}: {report:?}");
        // Who removes the checkpoints too does not reach the one that somebody keeps elsewhere.
        if name.starts_with("truncated") || name.starts_with("written") {
            fixture.raw("DELETE FROM ledger_checkpoints").await.unwrap();
            let report = verified(store, GREENS, &kept).await;
            assert!(report.fault.as_ref().is_some_and(|fault| found(fault, whole.len() as u64)), "{name}: {report:?}");
            for signed in &kept {
                store.put_checkpoint(signed).await.unwrap();
            }
        }
        fixture.rewrite(GREENS, &whole).await;
        assert_eq!(fault(store, GREENS).await, None, "put back after: {name}");
    }
    // A signature that is not the key's, and a key that is nobody's.
    let forged = Signed { signature: [9; 64], ..vouch(&whole[2]) };
    assert_eq!(verified(store, GREENS, &[forged]).await.fault, Some(Fault::BadSignature { seq: 3, key: KEY }));
    let key = PublicKey::from_bytes([3; 32]);
    let strange = Signed { key, ..vouch(&whole[2]) };
    assert_eq!(verified(store, GREENS, &[strange]).await.fault, Some(Fault::UnknownKey { seq: 3, key }));
}

async fn chains_that_changed_places_are_found(fixture: Fixture) {
    let store = &fixture.store;
    store.commit(&leak(10, DETECTOR, GREEN)).await.unwrap();
    store.commit(&leak(20, OTHER, BLUE)).await.unwrap();
    fixture.disarm().await;
    for sql in [
        "UPDATE ledger SET tenant_id = 77 WHERE tenant_id = 1",
        "UPDATE ledger SET tenant_id = 1 WHERE tenant_id = 2",
        "UPDATE ledger SET tenant_id = 2 WHERE tenant_id = 77",
    ] {
        fixture.raw(sql).await.unwrap();
    }
    let swapped = |seq, expected, found| Some(Fault::WrongChain { seq, expected, found });
    assert_eq!(fault(store, GREENS).await, swapped(1, GREENS, BLUES));
    assert_eq!(fault(store, BLUES).await, swapped(1, BLUES, GREENS));
}

/// A statement, what undoes it, and what it must be called.
type Change = (&'static str, &'static str, fn(&Fault) -> bool);

async fn rows_beside_a_chain_cannot_be_changed_either(fixture: Fixture) {
    let store = &fixture.store;
    store.commit(&leak(10, DETECTOR, GREEN)).await.unwrap();
    fixture.disarm().await;
    let alarms = "INSERT INTO alarm_log (tenant_id, alarm_id, at, state_before, state_after, priority, event";
    let cases: &[Change] = &[
        ("UPDATE alarm_log SET at = at + 1 WHERE seq = 2", "UPDATE alarm_log SET at = at - 1 WHERE seq = 2", |fault| {
            matches!(fault, Fault::RowDiffers { log: Log::Alarms, row: 2, column: "time", .. })
        }),
        (
            "UPDATE alarm_log SET event = '{\"event\":\"clear\"}' WHERE seq = 1",
            "UPDATE alarm_log SET event = '{\"event\":\"raise\",\"priority\":\"urgent\",\"origin\":\"floor\"}' WHERE seq = 1",
            |fault| matches!(fault, Fault::RowDiffers { log: Log::Alarms, row: 1, column: "content", .. }),
        ),
        (
            "UPDATE command_log SET state_after = 9 WHERE state_after = 7",
            "UPDATE command_log SET state_after = 7 WHERE state_after = 9",
            |fault| matches!(fault, Fault::RowDiffers { log: Log::Commands, column: "state after", .. }),
        ),
        (
            "UPDATE ledger SET by_user = 4 WHERE tenant_id = 1 AND seq = 3",
            "UPDATE ledger SET by_user = NULL",
            |fault| matches!(fault, Fault::Misfiled { seq: 3, column: "person", .. }),
        ),
        (
            "UPDATE ledger SET kind = 2 WHERE tenant_id = 1 AND kind = 24",
            "UPDATE ledger SET kind = 24 WHERE tenant_id = 1 AND kind = 2",
            |fault| matches!(fault, Fault::Misfiled { column: "kind", .. }),
        ),
        (
            "UPDATE command_log SET ledger_seq = NULL WHERE state_before IS NULL",
            "UPDATE command_log SET ledger_seq = 4 WHERE state_before IS NULL",
            |fault| matches!(fault, Fault::RowWithoutEntry { log: Log::Commands, named: 0, .. }),
        ),
    ];
    for (change, back, found) in cases {
        assert_eq!(fault(store, GREENS).await, None, "before: {change}");
        fixture.raw(change).await.unwrap();
        let report = verified(store, GREENS, &[]).await;
        assert!(report.fault.as_ref().is_some_and(found), "{change}: {report:?}");
        fixture.raw(back).await.unwrap();
    }
    // A row that never had an entry, one that names another's, and one that is gone.
    fixture.raw(&format!("{alarms}) VALUES (1, 10, 5, 0, 1, 4, 'x')")).await.unwrap();
    let found = fault(store, GREENS).await;
    assert!(matches!(found, Some(Fault::RowWithoutEntry { log: Log::Alarms, named: 0, .. })), "{found:?}");
    fixture.raw("UPDATE alarm_log SET ledger_seq = 2 WHERE at = 5").await.unwrap();
    let found = fault(store, GREENS).await;
    assert!(matches!(found, Some(Fault::RowWithoutEntry { log: Log::Alarms, named: 2, .. })), "{found:?}");
    fixture.raw("DELETE FROM alarm_log WHERE seq = 1 OR at = 5").await.unwrap();
    let found = fault(store, GREENS).await;
    assert_eq!(found, Some(Fault::EntryWithoutRow { log: Log::Alarms, seq: 2 }));
}

async fn rows_from_before_the_ledger_are_counted_once(fixture: Fixture) {
    let store = &fixture.store;
    store.commit(&leak(10, DETECTOR, GREEN)).await.unwrap();
    // As an older version left it.
    fixture.disarm().await;
    for sql in [
        "DELETE FROM ledger",
        "DELETE FROM meta WHERE name = 'ledger_began'",
        "UPDATE alarm_log SET ledger_seq = NULL",
        "UPDATE command_log SET ledger_seq = NULL",
    ] {
        fixture.raw(sql).await.unwrap();
    }
    let store = &fixture.again().await;
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    let first = entries(store, GREENS).await;
    assert_eq!(first.len(), 1);
    let began = first[0].read().unwrap().1;
    assert!(matches!(began, Act::Began { alarm_rows: 2, command_rows: 2, rule_rows: 0, .. }), "{began:?}");
    store.commit(&leak(20, DETECTOR, GREEN)).await.unwrap();
    assert_eq!(fault(store, GREENS).await, None);
    fixture.raw("DELETE FROM alarm_log WHERE seq = 1").await.unwrap();
    let lost = Fault::OldRows { log: Log::Alarms, expected: 2, found: 1 };
    assert_eq!(fault(store, GREENS).await, Some(lost));
    // A new row does not pass for an old one.
    fixture.raw("UPDATE alarm_log SET ledger_seq = NULL WHERE seq = 3").await.unwrap();
    let found = fault(store, GREENS).await;
    assert!(matches!(found, Some(Fault::RowWithoutEntry { log: Log::Alarms, row: 3, .. })), "{found:?}");
    store.close().await;
}

async fn what_people_did_is_entered_in_the_transaction_that_does_it(fixture: Fixture) {
    let store = &fixture.store;
    let provisioned = entries(store, GREENS).await;
    assert_eq!(provisioned.len(), 1);
    let act = provisioned[0].read().unwrap();
    let whole = Act::Provisioned { tenants: 1, premises: 1, devices: 4, users: 0 };
    assert_eq!(act, (Actor::CommandLine, whole));
    let by = UserId::from_raw(901);
    let user = User {
        id: by,
        email: "anna@green.example".to_owned(),
        name: "Anna".to_owned(),
        phone: None,
        password_hash: "x".to_owned(),
        locale: "zh-CN".to_owned(),
        scope: PersonScope::Tenant { tenant: GREEN },
        roles: Roles::one(Role::Dispatcher),
        ended_at: None,
    };
    store.provision(&Provision { users: vec![user], at: at(1), by: Some(by), ..Provision::default() }).await.unwrap();
    let session = Session {
        id: SessionId::from_raw(5),
        token_hash: [1; 32],
        user: by,
        csrf_secret: [2; 32],
        created_at: at(2),
        expires_at: at(900_000),
        last_seen_at: at(2),
        second_factor_at: None,
        waits_for_factor: false,
        agent: String::new(),
        address: String::new(),
    };
    store.open_session(&session).await.unwrap();
    assert!(store.open_session(&session).await.is_err(), "the same session twice");
    store.close_session(session.id, at(3)).await.unwrap();
    store.close_session(session.id, at(4)).await.unwrap();
    let green = store.tenant(GREEN);
    green.add_rule_signer(&[3; 32], "Anna's key", by, at(5)).await.unwrap();
    green.remove_rule_signer(&[3; 32], by, at(6)).await.unwrap();
    green.remove_rule_signer(&[3; 32], by, at(7)).await.unwrap();
    store.commit(&leak(10, DETECTOR, GREEN)).await.unwrap();
    green.put_finding(AlarmId::from_raw(10), "leak", by, at(8)).await.unwrap();
    green.put_finding(AlarmId::from_raw(404), "leak", by, at(8)).await.unwrap();
    let acts: Vec<_> = entries(store, GREENS).await.iter().map(|entry| entry.read().unwrap()).collect();
    let names: Vec<_> = acts.iter().map(|(_, act)| act.name()).filter(|name| *name != "alarm-moved").collect();
    let expected = [
        "provisioned",
        "provisioned",
        "signed-in",
        "signed-out",
        "signer-accepted",
        "signer-removed",
        "command-given",
        "command-ended",
        "alarm-judged",
    ];
    assert_eq!(names, expected);
    assert!(acts.iter().filter(|(actor, _)| actor.by() == Some(by)).count() == 6);
    assert_eq!(fault(store, GREENS).await, None);
    assert_eq!(fault(store, Chain::Platform).await, None);
    assert_eq!(store.ledger_chains().await.unwrap(), [Chain::Platform, GREENS, BLUES]);
}

async fn pages_show_what_was_asked_for_and_nobody_elses(fixture: Fixture) {
    let store = &fixture.store;
    for turn in 0..5 {
        store.commit(&leak(100 + 10 * turn, DETECTOR, GREEN)).await.unwrap();
        store.commit(&leak(105 + 10 * turn, OTHER, BLUE)).await.unwrap();
    }
    store.commit(&leak(1_000, WELL, GREEN)).await.unwrap();
    let green = store.tenant(GREEN);
    let all = green.ledger(&LedgerFilter::default(), None, 1_000).await.unwrap();
    assert_eq!(all.len(), 1 + 6 * 4);
    assert!(all.iter().all(|entry| entry.chain == GREENS));
    // Page by page it is the same.
    let mut paged: Vec<Entry> = Vec::new();
    loop {
        let place = paged.last().map(LedgerPlace::of);
        let page = green.ledger(&LedgerFilter::default(), place, 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let count = async |filter: LedgerFilter| green.ledger(&filter, None, 1_000).await.unwrap().len();
    assert_eq!(count(LedgerFilter { kinds: Some((24, 25)), ..LedgerFilter::default() }).await, 12);
    assert_eq!(count(LedgerFilter { object: Some(110), ..LedgerFilter::default() }).await, 2);
    assert_eq!(count(LedgerFilter { device: Some(WELL), ..LedgerFilter::default() }).await, 4);
    assert_eq!(count(LedgerFilter { by: Some(UserId::from_raw(1)), ..LedgerFilter::default() }).await, 0);
    let between = LedgerFilter { from: Some(at(110)), until: Some(at(121)), ..LedgerFilter::default() };
    assert_eq!(count(between).await, 6);
    // A regulator sees what happened within the division, of every company, in one order.
    let safety = LedgerFilter { kinds: Some((16, 31)), ..LedgerFilter::default() };
    let west = store.regulator(WEST).ledger(&[GREEN, BLUE], &safety, None, 1_000).await.unwrap();
    assert_eq!(west.len(), 2 * 5 * 4);
    assert!(west.is_sorted_by_key(|entry| std::cmp::Reverse(LedgerPlace::of(entry))));
    let mut paged: Vec<Entry> = Vec::new();
    loop {
        let place = paged.last().map(LedgerPlace::of);
        let page = store.regulator(WEST).ledger(&[GREEN, BLUE], &safety, place, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, west);
    let east = store.regulator(EAST).ledger(&[GREEN, BLUE], &safety, None, 1_000).await.unwrap();
    assert_eq!(east.len(), 4);
}
