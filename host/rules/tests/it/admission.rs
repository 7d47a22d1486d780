//! What is refused before it may run, at which stage, with which words.

use crate::components::{SCHEMA, engine, hostile, hostile_with, household_leak};
use davy_rules::{Refusal, RuleDigest, Stage};

fn refusal(component: &[u8]) -> Refusal {
    engine().admit(component).expect_err("expected a refusal")
}

#[track_caller]
fn refused(component: &[u8], stage: Stage, words: &str) -> Refusal {
    let refusal = refusal(component);
    assert_eq!(refusal.stage, stage, "{refusal}");
    assert!(refusal.reason.contains(words), "expected {words:?} in {refusal}");
    assert!(!refusal.remedy.is_empty());
    refusal
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn the_example_rule_is_admitted_and_says_what_it_is() {
    let component = household_leak();
    let admitted = engine().admit(component).unwrap();
    assert_eq!(admitted.digest(), RuleDigest::of(component));
    let about = admitted.description();
    assert_eq!((about.name.as_str(), about.version.as_str()), ("household-leak", "1.0.0"));
    assert!(about.summary.zh.contains("燃气"));
    let level = about.schema.properties.iter().find(|property| property.name == "gas-low-level").unwrap();
    assert_eq!(level.unit.as_deref(), Some("%LEL"));
    assert_eq!(level.label_zh.as_deref(), Some("燃气低限"));
    assert_eq!(level.default, Some(serde_json::json!(10)));
    assert!(component.len() <= 70_000, "{} bytes", component.len());
}

#[test]
fn what_is_no_component_is_named_for_what_it_is() {
    refused(b"", Stage::Structure, "empty");
    refused(b"\0asm\x01\0\0\0", Stage::Structure, "core module");
    refused(b"\x7fELF\x02\x01\x01\0", Stage::Structure, "compiled artifacts are never accepted");
    refused(b"(component)", Stage::Structure, "text");
    refused(b"MZ", Stage::Structure, "something else");
}

#[test]
fn a_component_over_the_size_limit_is_refused_before_it_is_read() {
    refused(&vec![0; (2 << 20) + 1], Stage::Size, "2097153");
}

#[test]
fn a_cut_component_is_refused_wherever_it_is_cut() {
    let component = household_leak();
    let engine = engine();
    for part in 1..32 {
        let cut = &component[..component.len() * part / 32];
        let refusal = engine.admit(cut).expect_err("cut");
        assert!(matches!(refusal.stage, Stage::Structure | Stage::Validation | Stage::World), "{refusal}");
    }
}

#[test]
fn every_import_is_named() {
    let component = wat(r#"(component
            (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))
            (import "wasi:random/random@0.2.0" (instance
                (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
                (export "get-random-u64" (func (result u64)))))
            (import "launch" (func)))"#);
    let refusal = refused(&component, Stage::World, "got 4");
    for name in
        ["wasi:clocks/wall-clock@0.2.0#now", "wasi:random/random@0.2.0#get-random-bytes", "#get-random-u64", "launch"]
    {
        assert!(refusal.reason.contains(name), "expected {name} in {refusal}");
    }
    assert!(refusal.remedy.contains("wasm32-unknown-unknown"), "{refusal}");
}

#[test]
fn a_component_without_the_export_is_refused() {
    refused(&wat("(component)"), Stage::World, "no export at all");
    let other = wat(r#"(component (instance $i) (export "some:other/thing@1.0.0" (instance $i)))"#);
    refused(&other, Stage::World, "some:other/thing@1.0.0");
}

#[test]
fn another_version_of_the_contract_is_named() {
    let component = hostile_with("0.9.0", SCHEMA, "", "", "unreachable");
    refused(&component, Stage::World, "got version 0.9.0");
}

#[test]
fn a_start_function_that_never_ends_is_stopped_at_admission() {
    let component = hostile("(func $spin (loop $again (br $again))) (start $spin)", "unreachable");
    refused(&component, Stage::Describe, "fuel");
}

#[test]
fn a_description_that_traps_or_breaks_the_contract_is_refused() {
    let trapping = hostile_with("0.1.0", SCHEMA, "unreachable", "", "unreachable");
    refused(&trapping, Stage::Describe, "unreachable");
    let no_schema = hostile_with("0.1.0", "[1, 2", "", "", "unreachable");
    refused(&no_schema, Stage::Schema, "JSON");
    let unknown = r#"{"type":"object","properties":{"x":{"type":"duration"}}}"#;
    let refusal = refused(&hostile_with("0.1.0", unknown, "", "", "unreachable"), Stage::Schema, "one of");
    assert_eq!(refusal.place, "/properties/x/type");
    let bad_default = r#"{"type":"object","properties":{"x":{"type":"number","maximum":5,"default":6}}}"#;
    let refusal = refused(&hostile_with("0.1.0", bad_default, "", "", "unreachable"), Stage::Schema, "at most 5");
    assert_eq!(refusal.place, "/properties/x/default");
}

#[test]
fn what_would_blow_up_the_compiler_is_refused_before_compiling() {
    let nested = |what: &str, depth| format!("(func {} {})", format!("({what} ").repeat(depth), ")".repeat(depth));
    let refusal = refused(&hostile(&nested("loop", 5_000), "unreachable"), Stage::Structure, "nested loops");
    assert!(refusal.place.contains("function"), "{refusal}");
    refused(&hostile(&nested("block", 5_000), "unreachable"), Stage::Structure, "nested blocks");

    let branch = "(if (i32.eqz (i32.const 1)) (then (local.set 0 (local.get 1))))";
    let joins = format!("(func (local {}) {})", "i64 ".repeat(900), branch.repeat(4_000));
    refused(&hostile(&joins, "unreachable"), Stage::Structure, "locals times branches");
    let joins = format!("(func (param {}) {})", "i64 ".repeat(900), branch.repeat(4_000));
    refused(&hostile(&joins, "unreachable"), Stage::Structure, "locals times branches");

    let locals = format!("(func (local {}))", "i64 ".repeat(5_000));
    refused(&hostile(&locals, "unreachable"), Stage::Structure, "locals");

    let long = format!("(func {})", "(drop (i32.const 1))".repeat(60_000));
    refused(&hostile(&long, "unreachable"), Stage::Structure, "bytes in a function");

    let straight = format!("(func {})", "(drop (i32.const 1))".repeat(25_000)).repeat(8);
    refused(&hostile(&straight, "unreachable"), Stage::Structure, "bytes of code");

    let many = "(func)".repeat(12_000);
    refused(&hostile(&many, "unreachable"), Stage::Structure, "functions");
}

#[test]
fn more_memory_at_the_start_than_a_rule_may_have_is_refused() {
    let core = "(component (core module (memory 300)))";
    refused(&wat(core), Stage::Structure, "bytes of memory at the start");
}

#[test]
fn more_tables_elements_or_modules_than_a_rule_needs_are_refused() {
    refused(&wat("(component (core module (table 1000000 funcref)))"), Stage::Structure, "table elements");
    let modules = format!("(component {})", "(core module)".repeat(20));
    refused(&wat(&modules), Stage::Structure, "core modules");
    let nested = format!("(component {} {})", "(component ".repeat(10), ")".repeat(10));
    refused(&wat(&nested), Stage::Structure, "within each other");
}

#[test]
fn features_that_differ_between_machines_are_not_valid() {
    let shared = "(component (core module (memory 1 2 shared)))";
    refused(&wat(shared), Stage::Validation, "threads");
    let relaxed = "(component (core module (func (param v128 v128) (result v128)
        (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))))";
    refused(&wat(relaxed), Stage::Validation, "relaxed SIMD");
    refused(&wat("(component (core module (memory i64 1)))"), Stage::Validation, "memory64");
}

#[test]
fn invalid_code_is_refused_with_its_place() {
    let refusal = refused(
        &wat("(component (core module (func (result i32) (i64.const 1))))"),
        Stage::Validation,
        "type mismatch",
    );
    assert!(refusal.place.starts_with("byte "));
}

#[test]
fn every_function_that_an_interface_lacks_is_named() {
    let half = wat(r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $part (export "describe" (func $f)))
            (export "davy:rules/driver@0.1.0" (instance $part)))"#);
    let refusal = refused(&half, Stage::World, "missing 2");
    for name in ["davy:rules/driver@0.1.0#decode", "davy:rules/driver@0.1.0#encode"] {
        assert!(refusal.reason.contains(name), "expected {name} in {refusal}");
    }
    let none = refused(&wat("(component)"), Stage::World, "no export at all");
    for world in ["alarm", "billing", "notification", "driver"] {
        assert!(none.reason.contains(&format!("davy:rules/{world}@0.1.0")), "{none}");
    }
}

#[test]
fn a_component_of_two_worlds_is_of_none() {
    let both = wat(r#"(component
            (instance $i)
            (export "davy:rules/alarm@0.1.0" (instance $i))
            (export "davy:rules/billing@0.1.0" (instance $i)))"#);
    refused(&both, Stage::World, "alone, got also davy:rules/billing@0.1.0");
}

#[test]
fn functions_of_other_types_than_the_contracts_are_refused() {
    let wrong = wat(r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $part (export "describe" (func $f)) (export "evaluate" (func $f)))
            (export "davy:rules/billing@0.1.0" (instance $part)))"#);
    let refusal = engine().admit_any(&wrong).expect_err("expected a refusal");
    assert_eq!(refusal.stage, Stage::World, "{refusal}");
    assert!(refusal.reason.contains("its exports are not those of davy:rules/billing-policy@0.1.0"), "{refusal}");
}
