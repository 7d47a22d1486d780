//! What was sent comes back as it was sent, message by message, whatever was compacted when.

use crate::fixture::*;
use davy_domain::command::DeviceOutcome;
use davy_domain::history::{Arrival, Said};
use davy_domain::senml::{Part, encode};
use davy_domain::wire::{OutcomeReport, encode_outcome};
use davy_domain::*;
use davy_store::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

both_engines!(
    a_history_is_what_was_sent_whatever_was_compacted_when,
    what_is_compacted_while_it_is_read_is_given_once,
    a_share_of_the_interlocks_is_the_same_each_time,
    a_long_history_comes_in_pages,
);

const FOREVER: (Timestamp, Timestamp) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));

#[derive(Clone, Debug)]
enum Act {
    Says(DeviceId, Vec<(Option<&'static str>, u8)>),
    Answers(u8),
    Compact { slice: usize, back: i64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let device = prop_oneof![Just(DETECTOR), Just(VALVE), Just(METER), Just(WELL), Just(GATEWAY)];
    // A child that nobody has entered is kept with its message.
    let child = prop_oneof![4 => Just(None), 4 => Just(Some("SN-203")), 1 => Just(Some("SN-999"))];
    let says = (device, prop::collection::vec((child, 0..50_u8), 1..4)).prop_map(|(device, values)| {
        let own = |(child, value)| (if device == GATEWAY { child } else { None }, value);
        Act::Says(device, values.into_iter().map(own).collect())
    });
    let compact = (1..20_usize, 0..60_i64).prop_map(|(slice, back)| Act::Compact { slice, back });
    prop::collection::vec(prop_oneof![8 => says, 1 => (0..9_u8).prop_map(Act::Answers), 1 => compact], 1..60)
}

/// The gateway's own part first, each child's readings together: as senders that know their own children do.
fn parts_of(values: Vec<(Option<&'static str>, u8)>, ms: i64) -> Vec<Part> {
    let mut parts: BTreeMap<Option<&str>, Vec<Reading>> = BTreeMap::new();
    for (child, value) in values {
        parts.entry(child).or_default().push(reading(Quantity::Gas, f64::from(value), ms - i64::from(value)));
    }
    parts.into_iter().map(|(child, readings)| Part { child: child.map(str::to_owned), readings }).collect()
}

/// Every message that a history gives, by interlock.
async fn read(history: &StoredHistory) -> BTreeMap<InterlockId, Vec<Arrival>> {
    let mut all = BTreeMap::new();
    for (place, subject) in history.subjects().iter().enumerate() {
        let mut pages = history.pages(place);
        let mut arrivals = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            assert!(!page.is_empty());
            arrivals.extend(page);
        }
        if !arrivals.is_empty() {
            all.insert(subject.interlock, arrivals);
        }
    }
    all
}

fn interlock_of(device: DeviceId) -> InterlockId {
    match device {
        WELL => InterlockId::from_raw(1002),
        GATEWAY => InterlockId::from_raw(2002),
        _ => INTERLOCK,
    }
}

async fn a_history_is_what_was_sent_whatever_was_compacted_when(fixture: Fixture) {
    let store = &fixture.store;
    let mut runner = TestRunner::deterministic();
    let mut sent: BTreeMap<InterlockId, Vec<Arrival>> = BTreeMap::new();
    let mut sequence = 0;
    for _ in 0..12 {
        for act in acts().new_tree(&mut runner).unwrap().current() {
            match act {
                Act::Says(device, values) => {
                    sequence += 1;
                    let ms = sequence as i64 * 10;
                    let parts = parts_of(values, ms);
                    let tenant = if device == GATEWAY { BLUE } else { GREEN };
                    let row = uplink(tenant, device, sequence, ms, &parts);
                    let arrival = Arrival { at: at(ms), device, said: Said::Uplink(parts) };
                    sent.entry(interlock_of(device)).or_default().push(arrival);
                    store.commit(&rows(vec![row])).await.unwrap();
                }
                Act::Answers(counter) => {
                    sequence += 1;
                    let ms = sequence as i64 * 10;
                    let report =
                        OutcomeReport { counter: counter.into(), outcome: DeviceOutcome::Actuated, at: at(ms - 3) };
                    let row = JournalRow {
                        payload: encode_outcome(&report),
                        format: 60,
                        kind: RowKind::Outcome,
                        ..uplink(GREEN, VALVE, sequence, ms, &[])
                    };
                    sent.entry(INTERLOCK).or_default().push(Arrival {
                        at: at(ms),
                        device: VALVE,
                        said: Said::Outcome(report),
                    });
                    // The memory of a rule is no message of anybody.
                    let memory = JournalRow::memory(GREEN, DETECTOR, at(ms), vec![1, 2, 3]);
                    store.commit(&rows(vec![row, memory])).await.unwrap();
                }
                Act::Compact { slice, back } => {
                    let options = CompactOptions { slice, slices: 3, fan_in: 2, ..CompactOptions::default() };
                    store.compact(at(sequence as i64 * 10 - back), &options).await.unwrap();
                }
            }
        }
        let last = sequence as i64 * 10;
        for (from, to) in [FOREVER, (at(last / 3), at(2 * last / 3)), (at(last), at(0))] {
            for tenant in [GREEN, BLUE] {
                let history = store.tenant(tenant).history(from, to, 1_000).await.unwrap();
                assert!(history.subjects().iter().all(|subject| subject.tenant == tenant));
                let mut expected = sent.clone();
                expected.retain(|interlock, arrivals| {
                    arrivals.retain(|arrival| arrival.at >= from && arrival.at < to);
                    !arrivals.is_empty() && (interlock.raw() >= 2_000) == (tenant == BLUE)
                });
                assert_eq!(read(&history).await, expected, "{tenant} {from:?} {to:?}");
            }
        }
    }
    let size = store.stored_size().await.unwrap();
    assert!(size.chunks > 4 && size.journal_rows > 0, "both places hold something: {size:?}");
    let history = store.tenant(GREEN).history(FOREVER.0, FOREVER.1, 1_000).await.unwrap();
    let green: usize = sent.iter().filter(|(id, _)| id.raw() < 2_000).map(|(_, arrivals)| arrivals.len()).sum();
    assert_eq!(history.arrivals(), green as u64);
    let home = history.subjects().iter().find(|subject| subject.interlock == INTERLOCK).unwrap();
    assert_eq!(home.devices.iter().map(|device| device.id).collect::<Vec<_>>(), [DETECTOR, VALVE, METER]);
    assert_eq!(home.devices[0].links, [VALVE]);
}

async fn what_is_compacted_while_it_is_read_is_given_once(fixture: Fixture) {
    let store = &fixture.store;
    let send = |n: u64| gas(DETECTOR, n, n as i64 * 1_000, n as f64 / 100.0);
    for n in 0..50 {
        store.commit(&rows(vec![send(n)])).await.unwrap();
    }
    store.compact(at(20_000), &CompactOptions::default()).await.unwrap();
    let history = store.tenant(GREEN).history(FOREVER.0, FOREVER.1, 1_000).await.unwrap();
    // What the tail held goes into chunks, and more comes.
    store.compact(at(40_000), &CompactOptions { fan_in: 2, ..CompactOptions::default() }).await.unwrap();
    let all = read(&history).await;
    let times: Vec<i64> = all[&INTERLOCK].iter().map(|arrival| arrival.at.since(at(0)).as_millis() / 1_000).collect();
    assert_eq!(times, (0..50).collect::<Vec<_>>());
    // A clone of the message itself, in its own encoding, is what was understood.
    let Said::Uplink(parts) = &all[&INTERLOCK][7].said else { unreachable!("it sends readings only") };
    assert_eq!(encode(parts), send(7).payload);
}

async fn a_share_of_the_interlocks_is_the_same_each_time(fixture: Fixture) {
    let store = fixture.store.tenant(GREEN);
    let mut devices = Vec::new();
    for n in 0..400 {
        let mut new = device(DeviceId::from_raw(10_000 + n), GREEN, DeviceKind::WellMonitor);
        new.device.interlock = InterlockId::from_raw(50_000 + n);
        devices.push(new);
    }
    fixture.store.provision(&Provision { devices, ..Provision::default() }).await.unwrap();
    let chosen = async |per_mille| {
        let history = store.history(FOREVER.0, FOREVER.1, per_mille).await.unwrap();
        history.subjects().iter().map(|subject| subject.interlock).collect::<Vec<_>>()
    };
    let (none, some, more, all) = (chosen(0).await, chosen(250).await, chosen(500).await, chosen(1_000).await);
    assert_eq!((none.len(), all.len()), (0, 402));
    assert!((60..140).contains(&some.len()) && (150..250).contains(&more.len()), "{} {}", some.len(), more.len());
    assert!(some.iter().all(|interlock| more.contains(interlock)), "a larger share holds the smaller one");
    assert_eq!(chosen(250).await, some);
}

async fn a_long_history_comes_in_pages(fixture: Fixture) {
    let store = &fixture.store;
    let mut sequence = 0;
    for _ in 0..40 {
        let batch = (0..1_000).map(|_| {
            sequence += 1;
            // A busy beginning and a quiet end.
            let ms = if sequence < 30_000 { sequence as i64 * 20 } else { (sequence as i64 - 29_400) * 60_000 };
            gas(if sequence % 5 == 0 { METER } else { DETECTOR }, sequence, ms, 0.4)
        });
        store.commit(&rows(batch.collect())).await.unwrap();
    }
    store.compact(at(i64::MAX / 4), &CompactOptions::default()).await.unwrap();
    let history = store.tenant(GREEN).history(FOREVER.0, FOREVER.1, 1_000).await.unwrap();
    let place = history.subjects().iter().position(|subject| subject.interlock == INTERLOCK).unwrap();
    let mut pages = history.pages(place);
    let (mut sizes, mut last, mut count) = (Vec::new(), at(i64::MIN / 4), 0);
    while let Some(page) = pages.next().await.unwrap() {
        sizes.push(page.len());
        for arrival in page {
            assert!(arrival.at >= last);
            last = arrival.at;
            count += 1;
        }
    }
    assert_eq!(count, 40_000);
    assert!(sizes.len() >= 3 && sizes.iter().skip(1).all(|size| *size <= 33_000), "{sizes:?}");
}
