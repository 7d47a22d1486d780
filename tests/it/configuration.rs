//! `docs/configuration.md` is what `davy config` prints. `DAVY_TEST_UPDATE=1` writes it anew.

use davy_tests::programs;
use std::process::Command;

const HEAD: &str = "# Configuration

Settings come from a TOML file (`davy --config FILE …`, or `DAVY_CONFIG`) and from the environment, which wins. A setting that is unknown or has a bad value
stops the start; every fault is reported at once, with what was expected, what came and where it came from.

This page is what `davy config` prints, and a test holds it to that. Each line in brackets names the environment variable; a line that is commented out
shows the default.

";

#[test]
fn the_page_of_settings_is_what_the_program_prints() {
    let mut davy = Command::new(programs::program("davy").unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DAVY_") {
            davy.env_remove(name);
        }
    }
    let output = davy.arg("config").output().expect("davy runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let expected = format!("{HEAD}```toml\n{}\n```\n", printed.trim());
    let path = programs::root().join("docs/configuration.md");
    if std::env::var_os("DAVY_TEST_UPDATE").is_some() {
        std::fs::write(&path, &expected).expect("the page can be written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == expected, "docs/configuration.md is out of date: run this test again with DAVY_TEST_UPDATE=1");
}

#[test]
fn every_dependency_has_its_line_in_the_architecture() {
    let page = std::fs::read_to_string(programs::root().join("ARCHITECTURE.md")).expect("the page");
    let manifest = std::fs::read_to_string(programs::root().join("Cargo.toml")).expect("the manifest");
    let section = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("dependencies");
    let missing: Vec<&str> = section
        .lines()
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.trim()))
        .filter(|name| !name.starts_with("davy-") && !page.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "without a line on why: {missing:?}");
}
