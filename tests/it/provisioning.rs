//! The example of `docs/provisioning.md` is entered as it stands, and every field of a manifest is on the page.

use davy_tests::programs;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const PAGE: &str = include_str!("../../docs/provisioning.md");
const MANIFEST: &str = include_str!("../../host/server/src/provision/manifest.rs");

fn davy(folder: &Path, arguments: &[&str]) -> Output {
    let mut davy = Command::new(programs::program("davy").unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DAVY_") {
            davy.env_remove(name);
        }
    }
    let output = davy.current_dir(folder).args(arguments).output().expect("davy runs");
    assert!(output.status.success(), "davy {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_example_of_the_page_is_entered_as_it_stands() {
    let example = PAGE.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let mut manifest: Value = serde_json::from_str(example).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    match programs::household_leak() {
        Some(rule) => drop(std::fs::copy(rule, folder.path().join("household-leak.wasm")).expect("a copy")),
        // The rule is packaged by a step of its own; all else on the page is tried without it.
        None => drop(manifest["tenants"][0].as_object_mut().expect("a tenant").remove("rule")),
    }
    std::fs::write(folder.path().join("city.json"), manifest.to_string()).expect("written");
    davy(folder.path(), &["keygen"]);
    let entered = davy(folder.path(), &["provision", "city.json", "--credentials", "devices.json"]);
    assert_eq!(String::from_utf8_lossy(&entered.stdout), "entered 1 tenant(s), 1 premises, 3 device(s), 3 user(s)\n");
    let credentials = std::fs::read(folder.path().join("devices.json")).expect("the credentials");
    let credentials: Vec<Value> = serde_json::from_slice(&credentials).expect("a list");
    assert_eq!(
        credentials.iter().map(|each| each["serial"].as_str()).collect::<Vec<_>>(),
        [Some("V1"), Some("M1"), Some("D1")]
    );
}

#[test]
fn every_field_of_a_manifest_is_on_the_page() {
    let fields = MANIFEST.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
    let fields: Vec<&str> = fields.map(|(name, _)| name).filter(|name| !name.contains(['(', ' '])).collect();
    assert!(fields.len() > 40, "the search finds the fields: {fields:?}");
    let missing: Vec<_> = fields.into_iter().filter(|name| !PAGE.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}
