//! `davyctl` as a rule author uses it: the real binary, a new crate outside of this repository, the real compiler.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_domain::policy::PolicyEvent;
use davy_domain::{DeviceKind, Quantity, Reading, Timestamp};
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

/// Makes a rule of a world outside of this repository, and gives its folder.
fn new_rule(here: &Path, world: &str) -> PathBuf {
    let (name, sdk) = (format!("my-{world}"), root().join("rules-sdk"));
    said(&davyctl(here, &["rule", "new", &name, "--world", world, "--sdk", sdk.to_str().unwrap()]), 0);
    here.join(name)
}

#[test]
fn a_new_rule_builds_is_admitted_and_passes_its_fixture_in_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let crate_folder = new_rule(here, "alarm");
    said(&davyctl(&crate_folder, &["rule", "build"]), 0);

    let checked = said(&davyctl(&crate_folder, &["rule", "check", "my-alarm.wasm"]), 0);
    for words in [
        "1 of its own, all as they say",
        "not weaker than the statutory floor",
        "my-alarm 0.1.0",
        "davy:rules/alarm-policy@0.1.0",
        "sha256:",
        "imports  none",
        "%LEL",
        "报警浓度",
    ] {
        assert!(checked.contains(words), "expected {words:?} in\n{checked}");
    }
    let test = ["rule", "test", "my-alarm.wasm", "--fixtures", "fixtures"];
    let tested = said(&davyctl(&crate_folder, &test), 0);
    assert!(tested.contains("1 passed, 0 failed") && tested.contains("% of the budget"), "{tested}");

    let carried = said(&davyctl(&crate_folder, &["rule", "test", "my-alarm.wasm"]), 0);
    assert_eq!(carried, tested, "the component carries the same fixtures");

    let fixture = crate_folder.join("fixtures/first.json");
    let text = std::fs::read_to_string(&fixture).unwrap().replace("\"priority\": \"urgent\"", "\"priority\": \"low\"");
    std::fs::write(&fixture, text).unwrap();
    let failed = said(&davyctl(&crate_folder, &test), 1);
    let difference = "- condition gas-high, priority low\n        + condition gas-high, priority urgent";
    assert!(failed.contains("step 5 at 130 s: raises") && failed.contains(difference), "{failed}");
    let json = said(&davyctl(&crate_folder, &[&test[..], &["--json"]].concat()), 1);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let case = &value["fixtures"][0];
    assert_eq!((&case["passed"], &case["mismatches"][0]["part"]), (&false.into(), &"raises".into()));
    assert!(case["fuel"]["most"].as_u64().unwrap() > 0 && value["fuel-budget"] == 2_000_000, "{json}");

    let sdk = root().join("rules-sdk");
    let again = said(&davyctl(here, &["rule", "new", "my-alarm", "--sdk", sdk.to_str().unwrap()]), 3);
    assert!(again.contains("exists already"), "{again}");
}

#[test]
fn a_new_rule_of_every_other_world_passes_natively_and_in_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    for (world, full, words) in [
        ("billing", "davy:rules/billing-policy@0.1.0", "mfen/m3"),
        ("notification", "davy:rules/notification-policy@0.1.0", "重复间隔"),
        ("driver", "davy:rules/device-driver@0.1.0", "vol [0] m3, every 86400 s  (表底数 / Index)"),
    ] {
        let crate_folder = new_rule(folder.path(), world);
        let natively = Command::new(env!("CARGO"))
            .current_dir(&crate_folder)
            .env("CARGO_TARGET_DIR", target())
            .args(["test", "--quiet"])
            .output()
            .unwrap();
        said(&natively, 0);
        said(&davyctl(&crate_folder, &["rule", "build"]), 0);
        let component = format!("my-{world}.wasm");
        let checked = said(&davyctl(&crate_folder, &["rule", "check", &component]), 0);
        assert!(checked.contains(full) && checked.contains(words), "{checked}");
        let tested = said(&davyctl(&crate_folder, &["rule", "test", &component, "--fixtures", "fixtures"]), 0);
        assert!(tested.contains("1 passed, 0 failed"), "{tested}");
    }
}

#[test]
fn a_new_rule_may_take_its_sdk_from_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let new = |name: &str, more: &[&str]| davyctl(folder.path(), &[&["rule", "new", name][..], more].concat());
    let manifest = |name: &str| std::fs::read_to_string(folder.path().join(name).join("Cargo.toml")).unwrap();
    said(&new("public", &["--sdk-version", "0.1"]), 0);
    assert!(manifest("public").contains("davy-rules-sdk = { version = \"0.1\" }"));
    said(&new("own", &["--sdk-version", "0.1", "--registry", "gas"]), 0);
    let dependency = "davy-rules-sdk = { version = \"0.1\", registry = \"gas\", features = [\"testing\"] }";
    assert!(manifest("own").contains(dependency), "{}", manifest("own"));
    said(&new("none", &[]), 2);
    said(&new("both", &["--sdk", ".", "--sdk-version", "0.1"]), 2);
}

#[test]
fn the_sdks_archive_for_a_registry_holds_the_contract() {
    let packed = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["package", "--package", "davy-rules-sdk", "--list", "--allow-dirty"])
        .output()
        .unwrap();
    let files = said(&packed, 0);
    for file in ["package.wit", "types.wit", "alarm.wit", "billing.wit", "notification.wit", "driver.wit"] {
        assert!(files.lines().any(|line| line == format!("wit/{file}")), "expected wit/{file} in\n{files}");
    }
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

/// What tools of other languages give: a component, or a core module with the description of its interfaces.
#[test]
fn what_other_tools_have_made_gets_its_cases_and_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let crate_folder = new_rule(here, "alarm");
    let built = package::build_crate(&crate_folder, Some(&target())).unwrap().component;
    let core = target().join(package::TARGET).join("release/my_alarm.wasm");
    let bare = package::componentize(&std::fs::read(core).unwrap()).unwrap();
    std::fs::write(here.join("bare.wasm"), &bare).unwrap();
    let fixtures = crate_folder.join("fixtures");
    let pack = |file: &str, output: &str| {
        let arguments = ["rule", "build", "--component", file, "--fixtures", fixtures.to_str().unwrap(), "--output"];
        davyctl(here, &[&arguments[..], &[output]].concat())
    };
    said(&pack("bare.wasm", "packed.wasm"), 0);
    assert_eq!(std::fs::read(here.join("packed.wasm")).unwrap(), built, "the same as from the crate");
    let checked = said(&davyctl(here, &["rule", "check", "packed.wasm"]), 0);
    assert!(checked.contains("1 of its own, all as they say"), "{checked}");

    let core = target().join(package::TARGET).join("release/my_alarm.wasm");
    said(&pack(core.to_str().unwrap(), "from-core.wasm"), 0);
    assert_eq!(std::fs::read(here.join("from-core.wasm")).unwrap(), built, "a core module too");

    let again = said(&pack("packed.wasm", "twice.wasm"), 3);
    assert!(again.contains("carries 1 case(s) already"), "{again}");
    std::fs::write(here.join("script.js"), "export const alarm = {};").unwrap();
    let neither = said(&pack("script.js", "neither.wasm"), 3);
    assert!(neither.contains("wit/"), "{neither}");
    said(&davyctl(here, &["rule", "build", "--component", "bare.wasm"]), 2);
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
    let event = PolicyEvent::measured(DeviceKind::Detector, now, vec![Reading::new(Quantity::Gas, 42.5, now).unwrap()]);
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

#[test]
fn a_component_that_is_refused_has_no_profile_and_the_answer_is_no() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.wasm"), b"not a component").unwrap();
    let told = said(&davyctl(folder.path(), &["rule", "profile", "bad.wasm"]), 1);
    for words in ["bad.wasm: refused", "stage   structure", "to do "] {
        assert!(told.contains(words), "expected {words:?} in\n{told}");
    }
    let told = said(&davyctl(folder.path(), &["rule", "profile", "bad.wasm", "--json"]), 1);
    assert!(told.contains("\"admitted\": false"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colour where programs read: {told:?}");
}
