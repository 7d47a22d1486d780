//! Messages in a vendor's own form: kept as they came, folded as a driver read them, set aside when none could.

use crate::fixture::{DETECTOR, Fixture, GREEN, at, own, reading, rows};
use davy_domain::command::DeviceOutcome;
use davy_domain::driven::{DRIVEN, Driven, OCTETS, Report, Said as Read};
use davy_domain::history::{Arrival, Said, Subject};
use davy_domain::{Quantity, QuarantineId};
use davy_store::{CompactOptions, JournalRow, RowKind};

both_engines!(
    what_a_driver_read_is_folded_again_without_the_driver,
    a_message_that_no_driver_could_read_waits_until_one_can,
    a_message_that_is_read_late_lets_nobody_have_spoken,
);

const DRIVER: [u8; 32] = [7; 32];
const MESSAGE: QuarantineId = QuarantineId::from_raw(900);

fn driven(ms: i64, set_aside: Option<QuarantineId>, result: Result<Read, String>) -> Driven {
    let raw = b"\x68vendor\x16".to_vec();
    Driven { set_aside, received_at: at(ms), format: OCTETS, raw, driver: DRIVER, settings_version: 1, result }
}

fn row(kind: RowKind, sequence: Option<u64>, ms: i64, message: &Driven) -> JournalRow {
    JournalRow {
        tenant: GREEN,
        device: DETECTOR,
        sequence,
        received_at: at(ms),
        payload: message.encode(),
        format: DRIVEN,
        rule_state: None,
        kind,
    }
}

fn gas(value: f64, ms: i64) -> Read {
    Read { parts: own(vec![reading(Quantity::Gas, value, ms)]), ..Read::default() }
}

async fn what_a_driver_read_is_folded_again_without_the_driver(fixture: Fixture) {
    let store = &fixture.store;
    let report = Report { child: None, counter: 4, outcome: DeviceOutcome::Actuated, at: at(9) };
    let message = driven(10, None, Ok(Read { reports: vec![report], ..gas(3.5, 8) }));
    store.commit(&rows(vec![row(RowKind::Uplink, Some(5), 10, &message)])).await.unwrap();
    for compacted in [false, true] {
        let memories = store.recover().await.unwrap().memories().await.unwrap();
        let memory = &memories[&DETECTOR];
        assert_eq!(memory.latest, [reading(Quantity::Gas, 3.5, 8)], "compacted: {compacted}");
        assert_eq!((memory.last_received_at, memory.window.unwrap().highest), (Some(at(10)), 5));
        let stored = store.tenant(GREEN).uplinks(DETECTOR, at(0), at(100)).await.unwrap();
        assert_eq!(stored[0].readings, [reading(Quantity::Gas, 3.5, 8)]);
        let (kind, format, payload) = stored[0].payload.clone().unwrap();
        assert_eq!((kind, format), (RowKind::Uplink, DRIVEN));
        assert_eq!(Driven::decode(&payload).unwrap(), message, "the bytes as they came, and who read them");
        let said: Vec<_> = arrivals(&fixture).await.into_iter().map(|arrival| arrival.said).collect();
        assert!(matches!(said[0], Said::Outcome(report) if report.counter == 4), "{said:?}");
        assert_eq!(said[1], Said::Uplink(own(vec![reading(Quantity::Gas, 3.5, 8)])));
        store.compact(at(100), &CompactOptions::default()).await.unwrap();
    }
    assert!(store.tenant(GREEN).quarantine().await.unwrap().is_empty());
}

async fn a_message_that_no_driver_could_read_waits_until_one_can(fixture: Fixture) {
    let store = &fixture.store;
    let rows_of = store.tenant(GREEN);
    let aside = driven(10, Some(MESSAGE), Err("a trap".to_owned()));
    store.commit(&rows(vec![row(RowKind::Uplink, Some(5), 10, &aside)])).await.unwrap();
    let waiting = rows_of.quarantined(None, None, 10).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].id, waiting[0].device, waiting[0].received_at), (MESSAGE, DETECTOR, at(10)));
    assert_eq!((&waiting[0].payload, waiting[0].reason.as_str(), waiting[0].tries), (&aside.raw, "a trap", 1));
    let model = waiting[0].model.clone();
    assert!(rows_of.quarantined(Some("another model"), None, 10).await.unwrap().is_empty());
    assert!(rows_of.quarantined(None, Some(MESSAGE), 10).await.unwrap().is_empty());
    rows_of.still_quarantined(MESSAGE, &[8; 32], 2, "still a trap").await.unwrap();
    let again = &rows_of.quarantined(Some(&model), None, 10).await.unwrap()[0];
    assert_eq!((again.reason.as_str(), again.tries, again.driver), ("still a trap", 2, [8; 32]));
    let counted = rows_of.quarantine().await.unwrap();
    assert_eq!((counted[0].model.as_str(), counted[0].count, counted[0].oldest), (model.as_str(), 1, at(10)));
    assert!(store.highest_id().await.unwrap() >= MESSAGE.raw());

    let read = driven(10, Some(MESSAGE), Ok(gas(3.5, 8)));
    store.commit(&rows(vec![row(RowKind::Late, None, 50, &read)])).await.unwrap();
    assert!(rows_of.quarantined(None, None, 10).await.unwrap().is_empty());
    assert!(rows_of.quarantine().await.unwrap().is_empty());
    for compacted in [false, true] {
        let series = rows_of.series(DETECTOR, Quantity::Gas, at(0), at(100)).await.unwrap();
        assert_eq!(series, [reading(Quantity::Gas, 3.5, 8)], "compacted: {compacted}");
        store.compact(at(100), &CompactOptions::default()).await.unwrap();
    }
}

async fn a_message_that_is_read_late_lets_nobody_have_spoken(fixture: Fixture) {
    let store = &fixture.store;
    let aside = driven(10, Some(MESSAGE), Err("a trap".to_owned()));
    let read = driven(10, Some(MESSAGE), Ok(gas(3.5, 8)));
    store.commit(&rows(vec![row(RowKind::Uplink, Some(5), 10, &aside)])).await.unwrap();
    store.commit(&rows(vec![row(RowKind::Late, None, 50, &read)])).await.unwrap();
    for compacted in [false, true] {
        let memories = store.recover().await.unwrap().memories().await.unwrap();
        let memory = &memories[&DETECTOR];
        assert_eq!(memory.last_received_at, Some(at(10)), "compacted: {compacted}");
        assert_eq!(memory.latest, [reading(Quantity::Gas, 3.5, 8)]);
        let said: Vec<_> = arrivals(&fixture).await.into_iter().map(|arrival| arrival.said).collect();
        let late = Said::Late(own(vec![reading(Quantity::Gas, 3.5, 8)]));
        assert_eq!(said, [Said::Uplink(Vec::new()), late], "compacted: {compacted}");
        store.compact(at(100), &CompactOptions::default()).await.unwrap();
    }
}

async fn arrivals(fixture: &Fixture) -> Vec<Arrival> {
    let history = fixture.store.tenant(GREEN).history(at(0), at(100), 1_000).await.unwrap();
    let mine = |subject: &Subject| subject.devices.iter().any(|device| device.id == DETECTOR);
    let mut pages = history.pages(history.subjects().iter().position(mine).unwrap());
    let mut all = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        all.extend(page);
    }
    all
}
