//! A company's rule that means harm, in the real server: its leak is alarmed and closed all the same, and its neighbour notices nothing.

use davy_city::Plan;
use davy_rules::package;
use davy_tests::database::Engine;
use davy_tests::platform::Platform;
use davy_tests::programs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of the contract over a hand-written core module. It passes every check: with an empty state it decides nothing and
/// remembers one byte. With that byte, from its second call on, it runs `harm`. The first page holds its description.
fn component(harm: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func $text (param $at i32) (param $text i32) (param $length i32)
                (i32.store offset=256 (local.get $at) (local.get $text))
                (i32.store offset=260 (local.get $at) (local.get $length)))
            (func (export "davy:rules/alarm@0.1.0#describe") (result i32)
                (call $text (i32.const 0) (i32.const 512) (i32.const 7))
                (call $text (i32.const 8) (i32.const 520) (i32.const 5))
                (call $text (i32.const 16) (i32.const 512) (i32.const 0))
                (call $text (i32.const 24) (i32.const 512) (i32.const 0))
                (call $text (i32.const 32) (i32.const 1024) (i32.const 33))
                (call $text (i32.const 40) (i32.const 512) (i32.const 0))
                (i32.const 256))
            (func (export "davy:rules/alarm@0.1.0#evaluate") (param $arguments i32) (result i32)
                (if (i32.load offset=12 (local.get $arguments)) (then {harm}))
                (i32.store (i32.const 4104) (i32.const 512))
                (i32.store (i32.const 4108) (i32.const 1))
                (i32.const 4096))
            (data (i32.const 512) "hostile\001.0.0")
            (data (i32.const 1024) "{{\"type\":\"object\",\"properties\":{{}}}}")
        )"#
    );
    let mut core = wat::parse_str(&wat).unwrap();
    let mut resolve = Resolve::default();
    let read = |file: &str| std::fs::read_to_string(programs::root().join("wit").join(file)).unwrap();
    let text = ["package.wit", "types.wit", "alarm.wit"].map(read).join("\n");
    let package = resolve.push_str("rules.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("alarm-policy")).unwrap();
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).unwrap();
    package::componentize(&core).unwrap()
}

fn written(folder: &Path, name: &str, harm: &str) -> PathBuf {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, component(harm)).unwrap();
    path
}

/// Both companies have leaks; the first one's rule does `harm`, the second one's is the example.
fn with_hostile_first_company(name: &str, harm: &str) {
    let folder = tempfile::tempdir().unwrap();
    let rule = written(folder.path(), name, harm);
    let good = programs::household_leak().expect("the example rule is packaged: `cargo xtask rules build`");
    let plan = Plan { households: 6, wells: 0, gateways: 0, report_interval_s: 5, ..Plan::small(9) };
    let mut platform = Platform::provision(Engine::Sqlite, &plan, |manifest: &mut Value| {
        manifest["tenants"][0]["rule"] = json!({"component": rule});
        manifest["tenants"][1]["rule"] = json!({"component": good});
    })
    .unwrap()
    .unwrap();
    platform.start().unwrap();
    let report = platform.path("report.json");
    let report_path = report.display().to_string();
    let arguments = [
        "--seconds",
        "45",
        "--settle",
        "20",
        "--first-leak-after",
        "8",
        "--leak-every",
        "2",
        "--gas-pace",
        "20",
        "--nuisance",
        "0",
        "--reboot-hours",
        "0",
        "--quiet",
        "--report",
        &report_path,
    ];
    platform.fleet("run", &arguments).unwrap();
    platform.ended_helper(std::time::Duration::from_mins(2)).unwrap();
    let faults = platform.counter("davy_rule_faults_total").unwrap();
    platform.stop().unwrap();

    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let company_of = |premises: &str| {
        let device = platform.devices.iter().find(|device| device.premises.as_deref() == Some(premises)).unwrap();
        device.serial[..2].to_owned()
    };
    let leaks = report["leaks"].as_array().unwrap();
    let mut by_company = std::collections::BTreeMap::<String, u32>::new();
    for leak in leaks {
        assert_eq!(leak["proven"], true, "{name}: not closed and proven: {leak}");
        *by_company.entry(company_of(leak["premises"].as_str().unwrap())).or_default() += 1;
    }
    assert_eq!(by_company.len(), 2, "{name}: both companies must have had leaks: {by_company:?}");
    assert!(faults > 0.0, "{name}: the rule was never run, or never failed");
    assert_eq!(report["lost"], 0, "{name}: {report}");
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_traps_leaves_the_leak_closed_and_the_neighbour_alone() {
    with_hostile_first_company("traps", "unreachable");
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_loops_leaves_the_leak_closed_and_the_neighbour_alone() {
    with_hostile_first_company("loops", "(loop $again (br $again)) unreachable");
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_hogs_memory_leaves_the_leak_closed_and_the_neighbour_alone() {
    with_hostile_first_company(
        "hogs",
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
    );
}

#[test]
#[ignore = "starts the whole platform: cargo xtask test --only browser"]
fn a_rule_that_returns_nonsense_leaves_the_leak_closed_and_the_neighbour_alone() {
    // A list of raises that is longer than the memory.
    with_hostile_first_company(
        "nonsense",
        "(i32.store (i32.const 4112) (i32.const 8192)) (i32.store (i32.const 4116) (i32.const 0x7fffffff)) (return (i32.const 4096))",
    );
}
