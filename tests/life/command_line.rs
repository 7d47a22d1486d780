//! The same life by `davyctl`, as an engineer types it.

use crate::company::Company;
use davy_tests::platform::PASSWORD;
use davy_tests::programs;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// `davyctl` of one person, with a home of their own.
struct Shell<'a>(&'a Path);

impl Shell<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(programs::program("davyctl").unwrap());
        command.args(arguments).env("XDG_CONFIG_HOME", self.0).env("DAVY_PASSWORD", PASSWORD).current_dir(self.0);
        command.output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).unwrap()
    }
}

#[test]
fn an_engineer_brings_a_version_into_force_from_the_command_line() {
    let company = Company::new();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [anna, ben] = [Shell(homes[0].path()), Shell(homes[1].path())];
    let early = anna.run(&["rule", "status"]);
    assert_eq!(early.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&early.stderr).contains("davyctl login"));
    let server = company.server();
    for (shell, name) in [(&anna, "anna"), (&ben, "ben")] {
        shell.done(&["login", "--server", &server, "--email", &format!("{name}@example.com")]);
    }
    company.detector(0).says(&[(12.0, 40), (12.0, 0)]);

    // The decisions about an alarm, with the session that is there.
    let alarm = company.engineer("anna").alarms().remove(0);
    let explained = anna.done(&["explain", &alarm]);
    assert!(explained.contains("bytes of state") && explained.contains("identical"), "{explained}");

    let rule = programs::household_leak().unwrap();
    let rule = rule.to_str().unwrap();
    std::fs::write(homes[0].path().join("settings.json"), r#"{"gas-low-level": 8.0}"#).unwrap();
    let key = anna.done(&["rule", "sign", "--new-key", "works.key"]);
    assert!(key.starts_with("public key "), "{key}");
    let published = anna.json(&["rule", "publish", rule, "--settings", "settings.json", "--key", "works.key"]);
    assert_eq!(published["version"]["stage"], "checked", "{published}");
    let id = published["version"]["id"].as_str().unwrap();

    let report = anna.done(&["rule", "back-test", id]);
    assert!(report.contains("no confirmed leak would have been missed"), "{report}");
    anna.done(&["rule", "shadow", id]);
    anna.done(&["rule", "cohort", id, "--permille", "50"]);
    let proposed = anna.done(&["rule", "activate", id]);
    assert!(proposed.contains("waits for a second person"), "{proposed}");
    let alone = anna.run(&["rule", "activate", id]);
    assert_eq!(alone.status.code(), Some(1), "the answer is no");
    assert!(String::from_utf8_lossy(&alone.stderr).contains("second person"));
    let alone = anna.run(&["rule", "activate", id, "--json"]);
    let problem: Value = serde_json::from_slice(&alone.stdout).unwrap();
    assert_eq!((alone.status.code(), &problem["reason"]), (Some(1), &serde_json::json!("second-person")));
    ben.done(&["rule", "activate", id]);
    assert_eq!(anna.json(&["rule", "status", id])["version"]["stage"], "active");
    let list = anna.done(&["rule", "status"]);
    assert!(list.contains(id) && list.contains("active"), "{list}");
    ben.done(&["rule", "roll-back", id]);
    assert_eq!(anna.json(&["rule", "status", id])["version"]["stage"], "retired");

    // It has decided: its component stays. One that has not goes.
    let decided = anna.run(&["rule", "delete", id]);
    assert_eq!(decided.status.code(), Some(1), "the answer is no");
    assert!(String::from_utf8_lossy(&decided.stderr).contains("has decided"), "{decided:?}");
    std::fs::write(homes[0].path().join("idle.wasm"), davy_tests::hostile::component("").unwrap()).unwrap();
    let idle = anna.json(&["rule", "publish", "idle.wasm"])["version"]["id"].as_str().unwrap().to_owned();
    anna.done(&["rule", "withdraw", &idle]);
    assert!(anna.done(&["rule", "delete", &idle]).contains("is deleted"));

    // What a device has measured becomes a fixture, and says nothing of whose it is.
    let device = company.device_id(0);
    std::fs::create_dir(homes[0].path().join("recorded")).unwrap();
    anna.done(&["rule", "record", &device, "--output", "recorded/first.json"]);
    let fixture = std::fs::read_to_string(homes[0].path().join("recorded/first.json")).unwrap();
    assert!(fixture.contains("\"gas\": 12.0") && !fixture.contains(&device) && !fixture.contains("LZD"), "{fixture}");
    anna.done(&["rule", "test", rule, "--fixtures", "recorded"]);
    let profile = anna.json(&["rule", "profile", rule, "--fixtures", "recorded"]);
    assert!(profile["cases"][0]["fuel"][2].as_u64().unwrap() > 0, "{profile}");

    let fixture: Value = serde_json::from_str(&fixture).unwrap();
    assert!(fixture["start-ms"].as_i64().unwrap() < 1_767_225_600_000 + 86_400_000, "no day that could be looked up");

    let refused = anna.run(&["rule", "publish", "settings.json"]);
    assert_eq!(refused.status.code(), Some(1), "the answer is no");
    anna.done(&["logout"]);
    assert_eq!(anna.run(&["rule", "status"]).status.code(), Some(3));
    assert!(anna.done(&["completions", "bash"]).contains("davyctl"));
    assert!(anna.done(&["man"]).contains("permille"), "the manual of every command");
    anna.done(&["man", "--output", "pages"]);
    assert!(homes[0].path().join("pages/davyctl-rule-publish.1").is_file());
    company.stop();
}
