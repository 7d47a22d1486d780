//! `davyctl` as a rule author uses it: the real binary, a new crate outside of this repository, the real compiler.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_domain::policy::{PolicyEvent, Trigger};
use davy_domain::{ConditionSet, DeviceKind, Quantity, Reading, Timestamp, ValveState};
use davy_rules::explain::DecisionRecord;
use davy_rules::{Engine, EngineConfig, package};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One target folder for every rule that these tests build: the SDK is then compiled once.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("rules")
}

fn davyctl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_davyctl"))
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target())
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "stdout:\n{text}\nstderr:\n{errors}");
    text + &errors
}

#[test]
fn a_new_rule_builds_is_admitted_and_passes_its_fixture_in_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sdk = root().join("rules-sdk");
    said(&davyctl(here, &["rule", "new", "my-rule", "--sdk", sdk.to_str().unwrap()]), 0);
    let crate_folder = here.join("my-rule");
    said(&davyctl(&crate_folder, &["rule", "build"]), 0);

    let checked = said(&davyctl(&crate_folder, &["rule", "check", "my-rule.wasm"]), 0);
    for words in ["my-rule 0.1.0", "davy:rules/alarm-policy@0.1.0", "sha256:", "imports  none", "%LEL", "报警浓度"]
    {
        assert!(checked.contains(words), "expected {words:?} in\n{checked}");
    }
    let tested = said(&davyctl(&crate_folder, &["rule", "test", "my-rule.wasm", "--fixtures", "fixtures"]), 0);
    assert!(tested.contains("1 passed, 0 failed"), "{tested}");

    let fixture = crate_folder.join("fixtures/leak.json");
    let text = std::fs::read_to_string(&fixture).unwrap().replace("\"priority\": \"urgent\"", "\"priority\": \"low\"");
    std::fs::write(&fixture, text).unwrap();
    let failed = said(&davyctl(&crate_folder, &["rule", "test", "my-rule.wasm", "--fixtures", "fixtures"]), 1);
    assert!(failed.contains("expected [ gas-high low ], got [ gas-high urgent ]"), "{failed}");

    let again = said(&davyctl(here, &["rule", "new", "my-rule", "--sdk", sdk.to_str().unwrap()]), 3);
    assert!(again.contains("exists already"), "{again}");
}

#[test]
fn a_refusal_says_stage_reason_place_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let text = said(&davyctl(folder.path(), &["rule", "check", "core.wasm"]), 1);
    for words in ["refused", "stage   structure", "got a core module", "place   byte 0", "davyctl rule build"] {
        assert!(text.contains(words), "expected {words:?} in\n{text}");
    }
    let json = said(&davyctl(folder.path(), &["rule", "check", "core.wasm", "--json"]), 1);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["refusal"]["stage"], "structure");
    said(&davyctl(folder.path(), &["rule", "check", "absent.wasm"]), 3);
    said(&davyctl(folder.path(), &["rule", "chekc"]), 2);
}

#[test]
fn a_stored_decision_is_explained_and_an_altered_one_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let component =
        package::build_crate(&root().join("example-rules/household-leak"), Some(&target())).unwrap().component;
    let engine = Engine::new(&EngineConfig { pool_size: 2, ..EngineConfig::default() }).unwrap();
    let rule = engine.load(&engine.admit(&component).unwrap());
    let settings = rule.encode_settings("{}").unwrap();
    let now = Timestamp::from_millis(1_800_000_000_000);
    let event = PolicyEvent {
        trigger: Trigger::Readings,
        now,
        device_kind: DeviceKind::Detector,
        valve: ValveState::Open,
        active: ConditionSet::EMPTY,
        installed_at: None,
        readings: vec![Reading::new(Quantity::Gas, 42.5, now).unwrap()],
        extensions: Vec::new(),
    };
    let evaluation = rule.evaluate(&settings, &[], &event);
    let record = DecisionRecord::new(rule.digest(), 4, &settings, &[], &event, &evaluation).with_component(&component);
    let text = serde_json::to_string(&record).unwrap();
    std::fs::write(folder.path().join("decision.json"), &text).unwrap();
    let explained = said(&davyctl(folder.path(), &["explain", "--file", "decision.json"]), 0);
    for words in
        ["household-leak 1.0.0", "gas 42.5 %LEL", "raised    gas-high (urgent)", "because of gas-high", "identical"]
    {
        assert!(explained.contains(words), "expected {words:?} in\n{explained}");
    }

    let altered = text.replace("\"close-valve\":true", "\"close-valve\":false");
    std::fs::write(folder.path().join("altered.json"), altered).unwrap();
    let explained = said(&davyctl(folder.path(), &["explain", "--file", "altered.json"]), 1);
    assert!(explained.contains("DIFFERENT") && explained.contains("close-valve"), "{explained}");
}
