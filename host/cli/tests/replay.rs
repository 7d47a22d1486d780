//! `davyctl replay` as an auditor uses it: the real binary, a file, and no server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_domain::policy::PolicyEvent;
use davy_domain::{DeviceId, DeviceKind, Quantity, Reading, Timestamp};
use davy_rules::bundle::{Bundle, BundledDecision};
use davy_rules::explain::DecisionRecord;
use davy_rules::{Engine, EngineConfig, package};
use std::path::Path;
use std::process::Command;

/// A few decisions of the household's rule.
fn bundle() -> Bundle {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rules");
    let component = package::build_crate(&root.join("example-rules/household-leak"), Some(&target)).unwrap().component;
    let engine = Engine::new(&EngineConfig { pool_size: 4, ..EngineConfig::default() }).unwrap();
    let rule = engine.load(&engine.admit(&component).unwrap());
    let settings = rule.encode_settings("{}").unwrap();
    let mut bundle = Bundle::new("a leak");
    let mut state = Vec::new();
    for (number, gas) in (1..).zip([0.4, 12.5, 61.7, 0.1]) {
        let now = Timestamp::from_millis(1_800_000_000_000 + number * 15_000);
        let event =
            PolicyEvent::measured(DeviceKind::Detector, now, vec![Reading::new(Quantity::Gas, gas, now).unwrap()]);
        let evaluation = rule.evaluate(&settings, &state, &event);
        let record = DecisionRecord::new(rule.digest(), 2, &settings, &state, &event, &evaluation);
        let record = Some(record.with_component(&component));
        let device = DeviceId::from_raw(7);
        bundle.add(BundledDecision { number, device, at_ms: now.as_millis(), floor: Vec::new(), record });
        state = evaluation.result.unwrap().state;
    }
    bundle
}

#[test]
fn a_bundle_is_equal_different_or_refused_and_the_exit_code_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.json");
    let replay = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_davyctl")).arg("replay").arg(&file).args(more).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    };
    let whole = bundle();
    let text = whole.to_json().unwrap();

    let (code, said) = replay(&text, &[]);
    assert_eq!(code, 0, "{said}");
    for words in ["4 decision(s) about a leak", "household-leak", "fuel", "equal: made again, 4 decision(s)"] {
        assert!(said.contains(words), "expected {words:?} in\n{said}");
    }
    let (code, said) = replay(&text, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &json["equal"], &json["engine"]), (0, &true.into(), &"native".into()), "{said}");
    assert_eq!(json["decisions"][2]["number"], 3);
    let (code, said) = replay(&text, &["--json", "--interpreter"]);
    let again: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &again["engine"]), (0, &"interpreter".into()), "{said}");
    assert_eq!(again["decisions"], json["decisions"], "the same fuel in both engines");

    let mut dearer = whole.clone();
    dearer.decisions[1].record.as_mut().unwrap().fuel += 7;
    let (code, said) = replay(&dearer.to_json().unwrap(), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 of 4") && said.contains("recorded") && said.contains("fuel"), "{said}");

    let mut altered = whole;
    altered.components[0].component.0[100] ^= 1;
    let altered = altered.to_json().unwrap();
    let (code, said) = replay(&altered, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("REFUSED") && said.contains("expected a component with the digest sha256:"), "{said}");
    let (code, said) = replay(&altered, &["--json"]);
    assert_eq!(code, 1, "{said}");
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(json["equal"] == false && json["refused"].as_str().unwrap().contains("altered"), "{said}");

    for unusable in ["not JSON", "{}", &text.replace("davy-bundle/1", "davy-bundle/9")] {
        let (code, said) = replay(unusable, &[]);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("davy-bundle/1"), "{said}");
    }
}
