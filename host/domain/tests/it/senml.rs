//! What devices send: SenML packs, good and bad.

use davy_domain::senml::{Part, SenmlError, decode, encode};
use davy_domain::{Quantity, Reading, Span, Timestamp};
use minicbor::Encoder;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

type Bytes = Encoder<Vec<u8>>;

/// Ends a chain of writes.
fn done(_: &mut Bytes) {}

/// A pack of records, each written by its own function.
fn pack(records: &[&dyn Fn(&mut Bytes)]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.array(records.len() as u64).unwrap();
    for record in records {
        record(&mut encoder);
    }
    encoder.into_writer()
}

fn named(name: &'static str, value: f64) -> impl Fn(&mut Bytes) {
    move |encoder| {
        encoder.map(2).unwrap().u8(0).unwrap().str(name).unwrap().u8(2).unwrap().f64(value).unwrap();
    }
}

#[test]
fn a_record_inherits_base_name_base_time_and_base_value() {
    let bytes = pack(&[
        &|e| {
            e.map(5).unwrap().i8(-2).unwrap().str("K7-").unwrap().i8(-3).unwrap().f64(1_799_999_000.0).unwrap();
            e.i8(-5).unwrap().u8(20).unwrap().u8(0).unwrap().str("1/gas").unwrap().u8(2).unwrap().f64(1.5).unwrap();
        },
        &|e| {
            e.map(3).unwrap().u8(0).unwrap().str("2/gas").unwrap().u8(2).unwrap().u8(3).unwrap();
            e.u8(6).unwrap().i8(-10).unwrap();
        },
    ]);
    let uplink = decode(&bytes, NOW).unwrap();
    let first = Reading::new(Quantity::Gas, 21.5, Timestamp::from_millis(1_799_999_000_000)).unwrap();
    let second = Reading::new(Quantity::Gas, 23.0, Timestamp::from_millis(1_799_998_990_000)).unwrap();
    assert_eq!(
        uplink.parts,
        [
            Part { child: Some("K7-1".to_owned()), readings: vec![first] },
            Part { child: Some("K7-2".to_owned()), readings: vec![second] },
        ]
    );
}

#[test]
fn small_times_count_from_the_arrival_and_none_is_the_arrival() {
    let bytes = pack(&[&named("gas", 1.0), &|e| {
        e.map(3).unwrap().u8(0).unwrap().str("temp").unwrap().u8(2).unwrap().i8(-4).unwrap();
        e.u8(6).unwrap().f32(-2.5).unwrap();
    }]);
    let readings = &decode(&bytes, NOW).unwrap().parts[0].readings;
    assert_eq!(readings[0].at, NOW);
    assert_eq!(readings[1].at, NOW - Span::from_millis(2_500));
}

#[test]
fn a_clock_that_cannot_be_right_is_replaced_by_the_arrival_and_said() {
    for seconds in [1_800_090_000.0, 1_700_000_000.0, 1.0e18, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0e300] {
        let bytes = pack(&[&|e| {
            e.map(3).unwrap().u8(0).unwrap().str("gas").unwrap().u8(2).unwrap().u8(7).unwrap();
            e.u8(6).unwrap().f64(seconds).unwrap();
        }]);
        let uplink = decode(&bytes, NOW).unwrap();
        assert!(uplink.clock_suspect, "{seconds}");
        assert_eq!(uplink.parts[0].readings[0].at, NOW, "{seconds}");
    }
}

#[test]
fn flags_come_as_booleans_or_numbers_and_decimal_fractions_are_exact() {
    let bytes = pack(&[
        &|e| {
            e.map(2).unwrap().u8(0).unwrap().str("valve").unwrap().u8(4).unwrap().bool(true).unwrap();
        },
        &named("tamper", 0.0),
        &|e| {
            e.map(2).unwrap().u8(0).unwrap().str("gas").unwrap().u8(2).unwrap();
            e.tag(minicbor::data::Tag::new(4)).unwrap().array(2).unwrap().i8(-1).unwrap().u16(215).unwrap();
        },
    ]);
    let values: Vec<f64> = decode(&bytes, NOW).unwrap().parts[0].readings.iter().map(|reading| reading.value).collect();
    assert_eq!(values, [1.0, 0.0, 21.5]);
}

#[test]
fn unknown_names_are_counted_and_unknown_labels_skipped() {
    let bytes = pack(&[&named("humidity", 40.0), &|e| {
        e.map(4).unwrap().u8(0).unwrap().str("bat").unwrap().u8(2).unwrap().u8(90).unwrap();
        e.u8(99).unwrap().array(1).unwrap().str("x").unwrap().str("vendor").unwrap().null().unwrap();
    }]);
    let uplink = decode(&bytes, NOW).unwrap();
    assert_eq!((uplink.unknown, uplink.parts[0].readings.len()), (1, 1));
}

#[test]
fn a_refusal_names_record_field_expected_and_got() {
    let with_unit = |unit: &'static str| {
        move |e: &mut Bytes| {
            e.map(3).unwrap().u8(0).unwrap().str("temp").unwrap().u8(1).unwrap().str(unit).unwrap();
            e.u8(2).unwrap().u8(20).unwrap();
        }
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (pack(&[&named("bat", 50.0), &with_unit("K")]), "record 1, field `u`: `temp` must be in `Cel`, got `K`"),
        (pack(&[&named("bat", 101.0)]), "record 0, field `v`: `bat` must be between 0 and 100 %EL, got 101"),
        (pack(&[&named("gas", f64::NAN)]), "record 0, field `v`: `gas` must be a finite number, got NaN"),
        (
            pack(&[&|e| {
                e.map(2).unwrap().u8(0).unwrap().str("gas").unwrap().u8(2).unwrap().str("12").unwrap();
            }]),
            "record 0, field `v`: expected a number, got string",
        ),
        (
            pack(&[&|e| {
                e.map(1).unwrap().u8(0).unwrap().str("gas").unwrap();
            }]),
            "record 0: `gas` needs a value in field `v` (or `vb` for a flag)",
        ),
        (
            pack(&[&|e| {
                e.map(2).unwrap().str("must_").unwrap().u8(1).unwrap().u8(2).unwrap().u8(1).unwrap();
            }]),
            "record 0: field `must_` must be understood and is not known here",
        ),
        (pack(&[]), "a SenML pack must be an array of 1 to 4096 records, got 0 records"),
        (pack(&[&named("/gas", 1.0)]), "record 0, field `n`: expected a serial of 1 to 64 bytes before the `/`, got "),
        (
            [pack(&[&named("bat", 5.0)]), vec![0]].concat(),
            "a SenML pack must be nothing after its records, got 1 more bytes",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decode(&bytes, NOW).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_leak_is_not_missed_because_another_record_is_odd() {
    let bytes = pack(&[&named("bat", 400.0), &named("gas", 31.0)]);
    let uplink = decode(&bytes, NOW).unwrap();
    assert_eq!(uplink.parts[0].readings[0].value, 31.0);
    assert!(matches!(uplink.fault, Some(SenmlError::Value { record: 0, .. })));
}

/// A record that is at fault, each in its own way, with CBOR that is well-formed.
const FAULTY: &[fn(&mut Bytes)] = &[
    |e| done(e.map(2).unwrap().u8(0).unwrap().str("bat").unwrap().u8(2).unwrap().str("full").unwrap()),
    |e| done(e.map(2).unwrap().u8(0).unwrap().str("bat").unwrap().u8(2).unwrap().u16(400).unwrap()),
    |e| done(e.map(2).unwrap().u8(0).unwrap().str("gas").unwrap().u8(2).unwrap().f64(f64::NAN).unwrap()),
    |e| done(e.map(1).unwrap().u8(0).unwrap().str("co").unwrap()),
    |e| done(e.map(2).unwrap().u8(0).unwrap().u8(7).unwrap().u8(2).unwrap().u8(7).unwrap()),
    |e| done(e.map(2).unwrap().u8(0).unwrap().str("temp").unwrap().u8(1).unwrap().bytes(b"Cel").unwrap()),
    |e| done(e.map(2).unwrap().u8(0).unwrap().str("tamper").unwrap().u8(4).unwrap().u8(1).unwrap()),
    |e| done(e.map(2).unwrap().u8(6).unwrap().str("noon").unwrap().u8(2).unwrap().null().unwrap()),
    |e| done(e.map(2).unwrap().str("leak_").unwrap().array(1).unwrap().u8(1).unwrap().u8(2).unwrap().u8(1).unwrap()),
    |e| done(e.map(1).unwrap().i8(-1).unwrap().u8(11).unwrap()),
    |e| done(e.map(1).unwrap().i8(-1).unwrap().str("10").unwrap()),
    |e| done(e.map(2).unwrap().i8(-2).unwrap().u8(7).unwrap().u8(0).unwrap().str("bat").unwrap()),
    |e| done(e.map(1).unwrap().i8(-2).unwrap().str("/").unwrap()),
    |e| done(e.map(1).unwrap().i8(-2).unwrap().str(&"7".repeat(300)).unwrap()),
    |e| done(e.map(1).unwrap().i8(-3).unwrap().bool(true).unwrap()),
    |e| done(e.map(1).unwrap().i8(-4).unwrap().begin_map().unwrap().end().unwrap()),
    |e| done(e.map(1).unwrap().i8(-5).unwrap().f64(f64::INFINITY).unwrap()),
    |e| {
        done(
            e.map(2)
                .unwrap()
                .u8(0)
                .unwrap()
                .str(&["7".repeat(65), "/gas".to_owned()].concat())
                .unwrap()
                .u8(2)
                .unwrap()
                .u8(9)
                .unwrap(),
        );
    },
    |e| done(e.map(1).unwrap().u64(u64::MAX).unwrap().u8(2).unwrap()),
    |e| done(e.map(1).unwrap().array(1).unwrap().u8(0).unwrap().u8(2).unwrap()),
    |e| done(e.begin_map().unwrap().f32(0.5).unwrap().begin_array().unwrap().end().unwrap().end().unwrap()),
    |e| {
        done(
            e.map(2)
                .unwrap()
                .u8(0)
                .unwrap()
                .str("bat")
                .unwrap()
                .u8(2)
                .unwrap()
                .tag(minicbor::data::Tag::new(4))
                .unwrap()
                .u8(1)
                .unwrap(),
        );
    },
    |e| e.writer_mut().extend([0xA1, 0x00, 0x62, 0xFF, 0xFE]),
    |e| done(e.str("gas").unwrap()),
    |e| done(e.begin_array().unwrap().array(2).unwrap().null().unwrap().null().unwrap().end().unwrap()),
];

#[test]
fn a_faulty_record_is_left_out_and_named_while_the_gas_beside_it_is_read() {
    for (place, faulty) in FAULTY.iter().enumerate() {
        assert!(decode(&pack(&[faulty]), NOW).is_err(), "{place} alone");
        for records in [[faulty as &dyn Fn(&mut Bytes), &named("gas", 31.0)], [&named("gas", 31.0), faulty]] {
            let uplink = decode(&pack(&records), NOW).unwrap_or_else(|error| panic!("{place}: {error}"));
            let reading = Reading::new(Quantity::Gas, 31.0, NOW).unwrap();
            assert_eq!(uplink.parts, [Part { child: None, readings: vec![reading] }], "{place}");
            assert!(uplink.fault.is_some(), "{place}");
        }
    }
}

#[test]
fn what_follows_a_base_name_that_cannot_be_read_is_not_laid_at_another_childs_door() {
    let under = |name: &'static str| move |e: &mut Bytes| done(e.map(1).unwrap().i8(-2).unwrap().str(name).unwrap());
    let bytes = pack(&[
        &under("K1/"),
        &|e| done(e.map(1).unwrap().i8(-2).unwrap().u8(7).unwrap()),
        &named("gas", 0.0),
        &under("K2/"),
        &named("gas", 31.0),
    ]);
    let parts = decode(&bytes, NOW).unwrap().parts;
    let children: Vec<_> = parts.iter().map(|part| (part.child.as_deref(), part.readings[0].value)).collect();
    assert_eq!(children, [(None, 0.0), (Some("K2"), 31.0)]);
}

#[test]
fn a_good_base_holds_even_when_the_rest_of_its_record_is_faulty() {
    let bytes = pack(&[
        &|e| done(e.map(2).unwrap().i8(-2).unwrap().str("K1/").unwrap().u8(2).unwrap().str("?").unwrap()),
        &named("gas", 31.0),
    ]);
    assert_eq!(decode(&bytes, NOW).unwrap().parts[0].child.as_deref(), Some("K1"));
}

#[test]
fn deep_nesting_and_huge_counts_are_refused_without_harm() {
    let nested = [vec![0x81, 0xA1, 0x18, 0x63], vec![0x81; 60_000]].concat();
    assert!(decode(&nested, NOW).is_err());
    assert!(decode(&[0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], NOW).is_err());
    assert!(decode(&[0x81, 0xBB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], NOW).is_err());
}

fn readings() -> impl Strategy<Value = Vec<Reading>> {
    let reading =
        (0..Quantity::ALL.len(), 0.0_f64..=1.0, 0_i64..300_000_000_000).prop_map(|(quantity, share, back)| {
            let quantity = Quantity::ALL[quantity];
            let (low, high) = quantity.range();
            let at = NOW - Span::from_millis(back % 30_000_000_000);
            Reading::new(quantity, (low + share * (high - low)).clamp(low, high), at).unwrap()
        });
    prop::collection::vec(reading, 1..20)
}

/// Any well-formed item as CBOR.
fn item() -> impl Strategy<Value = Vec<u8>> {
    let write = |head: &dyn Fn(&mut Bytes)| {
        let mut encoder = Encoder::new(Vec::new());
        head(&mut encoder);
        encoder.into_writer()
    };
    let leaf = prop_oneof![
        any::<i64>().prop_map(move |value| write(&|e| done(e.i64(value).unwrap()))),
        any::<f64>().prop_map(move |value| write(&|e| done(e.f64(value).unwrap()))),
        any::<bool>().prop_map(move |value| write(&|e| done(e.bool(value).unwrap()))),
        "[a-z/_]{0,80}".prop_map(move |value| write(&|e| done(e.str(&value).unwrap()))),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(move |value| write(&|e| done(e.bytes(&value).unwrap()))),
        Just(write(&|e| done(e.null().unwrap()))),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        (prop::collection::vec(inner, 0..5), 0_u8..4).prop_map(move |(items, form)| {
            let head = write(&|e| match form {
                0 => done(e.array(items.len() as u64).unwrap()),
                1 => done(e.begin_array().unwrap()),
                2 => done(e.map(items.len() as u64 / 2).unwrap()),
                _ => done(e.begin_map().unwrap()),
            });
            let count = if form < 2 { items.len() } else { items.len() / 2 * 2 };
            let end = if form % 2 == 1 { vec![0xFF] } else { Vec::new() };
            [head, items[..count].concat(), end].concat()
        })
    })
}

/// A record with a name of its own, so that its base fields are what it may do to others, and any values in its fields.
/// A base that can be read rightly changes what follows, so there is none in it.
fn record_of_anything() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::collection::vec(
        (prop_oneof![Just(0_i64), Just(1), Just(2), Just(4), Just(6), -50_i64..-5, 7_i64..50], item()),
        0..6,
    );
    fields.prop_map(|fields| {
        let mut encoder = Encoder::new(Vec::new());
        encoder.map(fields.len() as u64).unwrap();
        for (label, value) in &fields {
            encoder.i64(*label).unwrap();
            encoder.writer_mut().extend(value);
        }
        encoder.into_writer()
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(own in readings(), child in readings()) {
        let parts =
            vec![Part { child: None, readings: own }, Part { child: Some("GW1-007".to_owned()), readings: child }];
        let uplink = decode(&encode(&parts), NOW).unwrap();
        prop_assert_eq!(uplink.parts, parts);
        prop_assert!(!uplink.clock_suspect);
    }

    #[test]
    fn gas_at_a_floor_level_is_read_whatever_one_other_record_is(
        level in 25.0_f64..=10_000.0,
        before in readings(),
        faulty in prop_oneof![
            (0..FAULTY.len()).prop_map(|place| {
                let mut encoder = Encoder::new(Vec::new());
                FAULTY[place](&mut encoder);
                encoder.into_writer()
            }),
            record_of_anything(),
        ],
        first: bool,
    ) {
        let leak = [Part { child: None, readings: vec![Reading::new(Quantity::Gas, level, NOW).unwrap()] }];
        // The bytes of the records alone, without the head of the array.
        let bare = |parts: &[Part]| encode(parts)[1..].to_vec();
        let (leak, before) = (bare(&leak), bare(&[Part { child: None, readings: before.clone() }]));
        let mut bytes = vec![0x9F];
        let parts = if first { [&faulty, &before, &leak] } else { [&before, &leak, &faulty] };
        bytes.extend(parts.into_iter().flatten());
        bytes.push(0xFF);
        let uplink = decode(&bytes, NOW).unwrap();
        let found = uplink.parts.iter().flat_map(|part| &part.readings);
        prop_assert!(found.clone().any(|reading| reading.quantity == Quantity::Gas && reading.value == level && reading.at == NOW));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, NOW);
    }

    #[test]
    fn a_damaged_pack_is_refused_or_read_but_never_panics(own in readings(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encode(&[Part { child: None, readings: own }]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(uplink) = decode(&bytes, NOW) {
            for reading in uplink.parts.iter().flat_map(|part| &part.readings) {
                prop_assert!(Reading::new(reading.quantity, reading.value, reading.at).is_ok());
            }
        }
    }
}
