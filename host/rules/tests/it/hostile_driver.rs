//! Drivers that mean harm: the limits are those of the engine and not of one world.

use crate::components::{embed, engine};
use davy_domain::policy::PolicyFault;
use davy_rules::{Driver, package};
use davy_rules_sdk::contract::driver::{Order, Uplink};
use std::fmt::Write as _;

/// Empty results lie from here on.
const RESULT: u32 = 4_096;

/// A driver over a hand-written core module: the bodies of `decode` and `encode`, each of which leaves the address of its result.
fn hostile(items: &str, decode: &str, encode: &str) -> Driver {
    // (address, value): the description's strings and lists, where the contract's layout has them.
    let words: &[(u32, u32)] = &[
        (256, 512),
        (260, 7),
        (264, 520),
        (268, 5),
        (272, 512),
        (280, 512),
        (288, 1024),
        (292, 17),
        (296, 512),
        (304, 512),
        (312, 512),
        (320, 600),
        (324, 1),
        (328, 1 << 4),
        (336, 1 << 1),
        (344, 640),
        (348, 1),
        (600, 512),
        (604, 7),
        (640, 3),
        (664, 512),
        (672, 512),
    ];
    let mut data = String::new();
    for (at, value) in words {
        let [a, b, c, d] = value.to_le_bytes();
        writeln!(data, "(data (i32.const {at}) \"\\{a:02x}\\{b:02x}\\{c:02x}\\{d:02x}\")").unwrap();
    }
    let wat = format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            {items}
            (func (export "davy:rules/driver@0.1.0#describe") (result i32) (i32.const 256))
            (func (export "davy:rules/driver@0.1.0#decode")
                (param i32 i32 i64 i32 i32 i32 i32 i32 i32) (result i32) {decode})
            (func (export "davy:rules/driver@0.1.0#encode")
                (param i32 i32 i32 i32 i32 i64 i64 i64 i32 i32) (result i32) {encode})
            (data (i32.const 512) "hostile\001.0.0")
            (data (i32.const 1024) "{{\22type\22:\22object\22}}")
            {data}
        )"#
    );
    let mut core = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    embed(&mut core, "0.1.0", "driver.wit", "device-driver");
    let component = package::componentize(&core).unwrap();
    let engine = engine();
    engine.load(&engine.admit_as(&component).unwrap())
}

fn decode(driver: &Driver) -> Result<usize, PolicyFault> {
    let uplink =
        Uplink { received_at_ms: 0, device_kind: 4, format: 42, payload: vec![1, 2, 3], extensions: Vec::new() };
    let first = driver.decode(&[0xa0], &uplink);
    assert_eq!(driver.decode(&[0xa0], &uplink).result, first.result, "and the same again");
    first.result.map(|decoded| decoded.readings.len())
}

#[track_caller]
fn nonsense(decode_body: &str, words: &str) {
    match decode(&hostile("", decode_body, "unreachable")) {
        Err(PolicyFault::Nonsense { what }) => assert!(what.contains(words), "expected {words:?} in {what:?}"),
        other => panic!("expected nonsense about {words:?}, got {other:?}"),
    }
}

/// A list of so many readings from an address on.
fn readings(at: u32, count: u32) -> String {
    let (list, length) = (RESULT + 12, RESULT + 16);
    format!("(i32.store (i32.const {list}) (i32.const {at})) (i32.store (i32.const {length}) (i32.const {count}))")
}

#[test]
fn a_driver_that_reads_nothing_from_a_message_is_a_driver() {
    assert_eq!(decode(&hostile("", "(i32.const 4096)", "unreachable")), Ok(0));
}

#[test]
fn an_endless_loop_a_trap_and_a_hog_are_stopped() {
    let endless = "(loop $again (br $again)) unreachable";
    assert_eq!(decode(&hostile("", endless, "unreachable")), Err(PolicyFault::OutOfFuel { limit: 2_000_000 }));
    assert!(matches!(decode(&hostile("", "unreachable", "unreachable")), Err(PolicyFault::Trap { .. })));
    let hog = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    assert!(matches!(decode(&hostile("", hog, "unreachable")), Err(PolicyFault::Limit { .. })));
}

#[test]
fn more_than_the_contract_allows_and_what_is_not_there_is_nonsense() {
    nonsense(&format!("{} (i32.const 4096)", readings(8_192, 3_000)), "readings[0]: expected a known quantity, got 0");
    nonsense(
        &format!("{} (i32.const 4096)", readings(8_192, 0x1000_0000)),
        "a value that is not of the contract's type",
    );
    nonsense(&format!("{} (i32.const 4096)", readings(0x7fff_0000, 8)), "a value that is not of the contract's type");
    nonsense(
        "(i32.store8 (i32.const 4096) (i32.const 7)) (i32.const 4096)",
        "a value that is not of the contract's type",
    );
}

#[test]
fn an_order_without_bytes_is_nonsense() {
    let driver = hostile("", "unreachable", "(i32.const 4096)");
    let order =
        Order { action: 1, child: String::new(), counter: 1, now_ms: 0, deadline_ms: 1, extensions: Vec::new() };
    match driver.encode(&[0xa0], &order).result {
        Err(PolicyFault::Nonsense { what }) => assert!(what.contains("1 to 1024 bytes, got 0"), "{what}"),
        other => panic!("{other:?}"),
    }
}
