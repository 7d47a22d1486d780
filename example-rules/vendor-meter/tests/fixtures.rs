//! Every file of `fixtures/`, natively, and what must hold whatever the bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::codes::action;
use davy_rules_sdk::driver::crc;
use davy_rules_sdk::fixtures::run_dir;
use davy_rules_sdk::harness::{Bench, NativeDriver};
use proptest::prelude::*;
use std::path::Path;
use vendor_meter::Meter;

#[test]
fn every_fixture_gives_the_expected_outcomes() {
    let reports = run_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), NativeDriver::<Meter>::new).unwrap();
    for report in &reports {
        assert!(report.passed(), "{}: {:#?}", report.name, report.mismatches);
    }
    assert!(reports.len() >= 4, "the fixtures were found");
}

/// A frame with a good check sum around any body.
fn framed(function: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x68, body.len() as u8, 0x56, 0x34, 0x12, 0x00, 0x00, 0x00, function];
    out.extend_from_slice(body);
    out.extend_from_slice(&crc::modbus(&out).to_le_bytes());
    out.push(0x16);
    out
}

proptest! {
    #[test]
    fn whatever_the_bytes_it_answers(payload: Vec<u8>) {
        let _ = Bench::driver::<Meter>("{}").unwrap().decode(0, &payload);
    }

    #[test]
    fn whatever_the_body_it_answers(function in 0x80..0x85_u8, body in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Bench::driver::<Meter>("{}").unwrap().decode(0, &framed(function, &body));
    }

    #[test]
    fn one_flipped_bit_and_nothing_is_read(index: u32, at: prop::sample::Index, bit in 0..8_u8) {
        let digits = format!("{:08}", index % 100_000_000);
        let mut body: Vec<u8> =
            (0..4).rev().map(|pair| u8::from_str_radix(&digits[pair * 2..pair * 2 + 2], 16).unwrap()).collect();
        body.extend_from_slice(&[0, 0, 0, 0, 0x10, 0x0e, 0xd7, 0, 0, 0, 20]);
        let mut frame = framed(0x81, &body);
        let mut bench = Bench::driver::<Meter>("{}").unwrap();
        let decoded = bench.decode(0, &frame).unwrap();
        prop_assert!((decoded.readings[0].reading.value - f64::from(index % 100_000_000) / 1_000.0).abs() < 1e-6);
        let at = at.index(frame.len());
        frame[at] ^= 1 << bit;
        prop_assert!(bench.decode(0, &frame).is_err());
    }

    #[test]
    fn an_order_carries_its_counter_whole(counter: u64) {
        let mut bench = Bench::driver::<Meter>(r#"{"address": "000000123456"}"#).unwrap();
        let payload = bench.encode(1_000, action::CLOSE, counter).unwrap().payload;
        prop_assert_eq!(&payload[9..17], &counter.to_le_bytes()[..]);
        prop_assert_eq!(payload[8], 1);
    }
}
