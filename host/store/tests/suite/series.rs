//! One series out of chunks and journal, whatever was compacted when; and nothing of the truth is lost on the way.

use crate::fixture::*;
use davy_domain::senml::Part;
use davy_domain::*;
use davy_store::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

both_engines!(
    a_series_is_what_was_sent_whatever_was_compacted_when,
    every_uplink_reads_back_with_its_sequence_and_readings,
    a_payload_that_says_more_than_its_readings_is_kept,
    a_gateways_children_have_their_own_series,
    young_rows_stay_in_the_journal,
    realistic_readings_cost_less_than_two_bytes,
);

const FOREVER: (Timestamp, Timestamp) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));

#[derive(Clone, Debug)]
enum Act {
    Commit(Vec<(DeviceId, Vec<Reading>)>),
    Compact { slice: usize, before: i64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    // Few distinct times and values, so that readings repeat, overtake each other and share their times.
    let one = (prop_oneof![Just(Quantity::Gas), Just(Quantity::Temperature)], 0..8_u8, 0..40_i64)
        .prop_map(|(quantity, value, ms)| reading(quantity, f64::from(value) / 10.0, ms));
    let device = prop_oneof![Just(DETECTOR), Just(METER), Just(OTHER)];
    let commit = prop::collection::vec((device, prop::collection::vec(one, 1..5)), 1..6).prop_map(Act::Commit);
    let compact = (1..20_usize, 0..60_i64).prop_map(|(slice, before)| Act::Compact { slice, before });
    prop::collection::vec(prop_oneof![3 => commit, 1 => compact], 1..25)
}

fn naive(sent: &[Reading], quantity: Quantity, from: Timestamp, to: Timestamp) -> Vec<Reading> {
    let mut all: Vec<Reading> = Vec::new();
    for reading in sent {
        if reading.quantity == quantity && reading.at >= from && reading.at < to && !all.contains(reading) {
            all.push(*reading);
        }
    }
    all.sort_by_key(|reading| reading.at);
    all
}

async fn a_series_is_what_was_sent_whatever_was_compacted_when(fixture: Fixture) {
    let store = &fixture.store;
    let mut runner = TestRunner::deterministic();
    let mut sent: std::collections::HashMap<DeviceId, Vec<Reading>> = std::collections::HashMap::new();
    let mut sequence = 0;
    for _ in 0..20 {
        for act in acts().new_tree(&mut runner).unwrap().current() {
            match act {
                Act::Commit(uplinks) => {
                    let uplinks = uplinks
                        .into_iter()
                        .map(|(device, readings)| {
                            sequence += 1;
                            sent.entry(device).or_default().extend(&readings);
                            let tenant = if device == OTHER { BLUE } else { GREEN };
                            uplink(tenant, device, sequence, sequence as i64 % 60, &own(readings))
                        })
                        .collect();
                    store.commit(&rows(uplinks)).await.unwrap();
                }
                Act::Compact { slice, before } => {
                    let options = CompactOptions { slice, slices: 3, fan_in: 2, ..CompactOptions::default() };
                    store.compact(at(before), &options).await.unwrap();
                }
            }
        }
        for (device, tenant) in [(DETECTOR, GREEN), (METER, GREEN), (OTHER, BLUE)] {
            for quantity in [Quantity::Gas, Quantity::Temperature, Quantity::Flow] {
                for (from, to) in [FOREVER, (at(5), at(25)), (at(25), at(5))] {
                    let sent = sent.get(&device).map(Vec::as_slice).unwrap_or_default();
                    let stored = store.tenant(tenant).series(device, quantity, from, to).await.unwrap();
                    assert_eq!(stored, naive(sent, quantity, from, to), "{device} {quantity:?}");
                    // Who holds in memory at least what is in no chunk yet gets the same without a look at the journal.
                    let span = (from, to);
                    let with = store.tenant(tenant).series_with(device, quantity, span, sent.to_vec()).await.unwrap();
                    assert_eq!(with, stored, "{device} {quantity:?}");
                }
            }
        }
    }
    let size = store.stored_size().await.unwrap();
    assert!(size.chunks > 0 && size.chunk_uplinks + size.journal_rows == sequence, "{size:?}");
}

async fn every_uplink_reads_back_with_its_sequence_and_readings(fixture: Fixture) {
    let store = &fixture.store;
    let mut sent = Vec::new();
    for n in 0..300_u64 {
        let ms = n as i64 * 1_000;
        // The sensor's clock is ahead by up to 3 s; several readings share a time.
        let readings = vec![
            reading(Quantity::Gas, (n % 7) as f64 * 0.1, ms + (n % 4) as i64 * 1_000),
            reading(Quantity::Battery, 90.0, ms + (n % 4) as i64 * 1_000),
            reading(Quantity::Temperature, f64::from_bits(20.0_f64.to_bits() + n), ms),
        ];
        sent.push((n, readings.clone()));
        store.commit(&rows(vec![uplink(GREEN, DETECTOR, n, ms, &own(readings))])).await.unwrap();
        if n % 40 == 39 {
            let options = CompactOptions { slice: 16, fan_in: 3, ..CompactOptions::default() };
            store.compact(at(ms - 10_000), &options).await.unwrap();
        }
    }
    let stored = store.tenant(GREEN).uplinks(DETECTOR, FOREVER.0, FOREVER.1).await.unwrap();
    assert_eq!(stored.len(), sent.len());
    for ((n, readings), stored) in sent.into_iter().zip(stored) {
        let expected =
            StoredUplink { received_at: at(n as i64 * 1_000), sequence: Some(n), via: None, readings, payload: None };
        assert_eq!(stored, expected);
    }
}

async fn a_payload_that_says_more_than_its_readings_is_kept(fixture: Fixture) {
    let store = &fixture.store;
    // [{0: "warp", 2: 1.5}, {0: "gas", 2: 3}]: a record that nobody knows beside one that everybody does.
    let payload = b"\x82\xa2\x00\x64warp\x02\xf9\x3e\x00\xa2\x00\x63gas\x02\x03".to_vec();
    let odd = JournalRow { payload: payload.clone(), ..gas(DETECTOR, 1, 0, 1.0) };
    let vendor = JournalRow { payload: b"\x00vendor\xff".to_vec(), format: 42, ..gas(DETECTOR, 2, 1, 1.0) };
    let outcome = JournalRow {
        payload: b"\x83\x01\x02\x00".to_vec(),
        format: 60,
        kind: RowKind::Outcome,
        ..gas(DETECTOR, 3, 2, 1.0)
    };
    store.commit(&rows(vec![odd, vendor.clone(), outcome.clone()])).await.unwrap();
    for compacted in [false, true] {
        let stored = store.tenant(GREEN).uplinks(DETECTOR, FOREVER.0, FOREVER.1).await.unwrap();
        assert_eq!(stored.len(), 3, "compacted: {compacted}");
        assert_eq!(stored[0].payload, Some((RowKind::Uplink, 112, payload.clone())));
        assert_eq!(stored[0].readings, vec![reading(Quantity::Gas, 3.0, 0)]);
        assert_eq!(stored[1].payload, Some((RowKind::Uplink, 42, vendor.payload.clone())));
        assert_eq!(stored[2].payload, Some((RowKind::Outcome, 60, outcome.payload.clone())));
        store.compact(at(100), &CompactOptions::default()).await.unwrap();
    }
}

async fn a_gateways_children_have_their_own_series(fixture: Fixture) {
    let store = &fixture.store;
    let parts = |value: f64, ms| {
        vec![
            Part { child: None, readings: vec![reading(Quantity::Battery, 80.0, ms)] },
            Part { child: Some("SN-203".to_owned()), readings: vec![reading(Quantity::Gas, value, ms)] },
        ]
    };
    let mut stranger = parts(3.0, 30);
    stranger.push(Part { child: Some("SN-999".to_owned()), readings: vec![reading(Quantity::Gas, 9.0, 30)] });
    store.commit(&rows(vec![uplink(BLUE, GATEWAY, 1, 10, &parts(1.0, 10))])).await.unwrap();
    store.compact(at(15), &CompactOptions::default()).await.unwrap();
    store.commit(&rows(vec![uplink(BLUE, GATEWAY, 2, 20, &parts(2.0, 20))])).await.unwrap();
    store.commit(&rows(vec![uplink(BLUE, GATEWAY, 3, 30, &stranger)])).await.unwrap();
    for compacted in [false, true] {
        let blue = store.tenant(BLUE);
        let child = blue.series(CHILD, Quantity::Gas, FOREVER.0, FOREVER.1).await.unwrap();
        let values: Vec<f64> = child.iter().map(|reading| reading.value).collect();
        assert_eq!(values, vec![1.0, 2.0, 3.0], "compacted: {compacted}");
        let own = blue.series(GATEWAY, Quantity::Battery, FOREVER.0, FOREVER.1).await.unwrap();
        assert_eq!(own.len(), 3);
        let stored = blue.uplinks(CHILD, FOREVER.0, FOREVER.1).await.unwrap();
        assert_eq!(
            stored.iter().map(|u| (u.via, u.sequence)).collect::<Vec<_>>(),
            vec![(Some(GATEWAY), Some(1)), (Some(GATEWAY), Some(2)), (Some(GATEWAY), Some(3))]
        );
        // What the unknown child said is not lost with it.
        let kept = blue.uplinks(GATEWAY, FOREVER.0, FOREVER.1).await.unwrap();
        assert_eq!(kept.iter().map(|u| u.payload.is_some()).collect::<Vec<_>>(), vec![false, false, true]);
        let options = CompactOptions { fan_in: 2, ..CompactOptions::default() };
        store.compact(at(100), &options).await.unwrap();
    }
}

async fn young_rows_stay_in_the_journal(fixture: Fixture) {
    let store = &fixture.store;
    for n in 0..10_u64 {
        store.commit(&rows(vec![gas(DETECTOR, n, n as i64, 1.0)])).await.unwrap();
    }
    let report = store.compact(at(4), &CompactOptions::default()).await.unwrap();
    assert_eq!((report.uplinks, report.readings, report.more), (4, 4, false));
    assert_eq!(store.stored_size().await.unwrap().journal_rows, 6);
    let slices = CompactOptions { slice: 1, slices: 2, ..CompactOptions::default() };
    let report = store.compact(at(100), &slices).await.unwrap();
    assert_eq!((report.uplinks, report.more), (2, true));
}

/// A week of two detectors and a meter that report as such devices do, with noise and jitter.
async fn realistic_readings_cost_less_than_two_bytes(fixture: Fixture) {
    let store = &fixture.store;
    let mut noise = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 11) as f64 / (1_u64 << 53) as f64
    };
    let round = |value: f64, places: i32| {
        let scale = 10_f64.powi(places);
        (value * scale).round() / scale
    };
    let mut volume = 1_234.567;
    let mut batch = Vec::new();
    for n in 0..4_000_u64 {
        let minute = n as i64 * 60_000;
        let flow = if random() < 0.1 { round(random() * 2.0, 3) } else { 0.0 };
        volume = round(volume + flow / 60.0, 3);
        let detector = vec![
            reading(Quantity::Gas, round(random() * 0.6, 1), minute),
            reading(Quantity::Temperature, round(20.0 + (n as f64 / 200.0).sin() * 4.0 + random() * 0.3, 1), minute),
            reading(Quantity::Battery, round(95.0 - n as f64 / 1_000.0, 0), minute),
            reading(Quantity::EndOfLife, 0.0, minute),
        ];
        let meter = vec![
            reading(Quantity::Volume, volume, minute),
            reading(Quantity::Flow, flow, minute),
            reading(Quantity::Valve, 0.0, minute),
            reading(Quantity::Battery, round(88.0 - n as f64 / 2_000.0, 0), minute),
        ];
        let arrival = minute + 80 + (random() * 400.0) as i64;
        batch.push(uplink(GREEN, DETECTOR, n, arrival, &own(detector)));
        batch.push(uplink(GREEN, METER, n, arrival + 7, &own(meter)));
        if n % 100 == 99 {
            store.commit(&rows(std::mem::take(&mut batch))).await.unwrap();
        }
    }
    store.compact(at(i64::MAX / 4), &CompactOptions { slice: 512, ..CompactOptions::default() }).await.unwrap();
    let size = store.stored_size().await.unwrap();
    assert_eq!((size.chunk_readings, size.journal_rows), (32_000, 0));
    let bytes = size.chunk_bytes as f64 / size.chunk_readings as f64;
    eprintln!("{bytes:.3} bytes a reading in {} chunks", size.chunks);
    assert!(bytes < 2.0, "{bytes} bytes a reading");
}
