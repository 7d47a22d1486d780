//! Makes the JavaScript rule of `example-rules/` a component, and the ones that only tests use, as their authors would: npm gives the
//! tool that makes a component of a script, `davyctl` packs its cases and examines it.
//!
//! Apart from the other rules, because it needs Node and some 50 packages of npm, which nothing else here does.

use crate::bins::{self, BUILD_LIMIT};
use crate::process;
use crate::workspace::{Profile, Workspace};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rule's folder.
const RULE: &str = "example-rules/household-leak-js";
/// The cases that it must pass: the same files as the Rust one's.
const FIXTURES: &str = "example-rules/household-leak/fixtures";
/// The Node that npm has installed with the tool: Debian 12's own is older than what the tool runs on.
const NODE: &str = "node_modules/.bin/node";

/// Why it cannot be built here, in words; nothing when it can.
pub(crate) fn missing() -> Option<String> {
    let absent: Vec<_> = ["node", "npm"].into_iter().filter(|program| !process::on_path(program)).collect();
    (!absent.is_empty()).then(|| format!("{} not installed (Debian: apt-get install nodejs npm)", absent.join(" and ")))
}

/// Builds the rule into `target/rules/household-leak-js.wasm`, has it examined in the large tier, and returns its path.
///
/// `davyctl` must have been built in `profile`.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    let _alone = workspace.alone("javascript")?;
    let davyctl = bins::program(workspace, profile, "davyctl")?;
    install(workspace)?;
    let bare = componentize(workspace, Path::new(RULE).join("src/rule.js"), "household-leak-js")?;
    let rule = workspace.rules().join("household-leak-js.wasm");
    let mut command = Command::new(&davyctl);
    command.current_dir(&workspace.root).args(["rule", "build", "--component"]).arg(&bare);
    command.args(["--fixtures", FIXTURES, "--output"]).arg(&rule);
    process::run(&mut command, &workspace.log("rule-household-leak-js"), false, BUILD_LIMIT)?;
    let mut command = Command::new(&davyctl);
    command.current_dir(&workspace.root).args(["rule", "check", "--tier", "large"]).arg(&rule);
    process::run(&mut command, &workspace.log("rule-household-leak-js-check"), false, BUILD_LIMIT)?;
    Ok(rule)
}

/// Builds what only tests use, into `target/rules/javascript`.
pub(crate) fn build_for_tests(workspace: &Workspace) -> Result<PathBuf> {
    let _alone = workspace.alone("javascript")?;
    install(workspace)?;
    componentize(workspace, PathBuf::from("tests/javascript/dice.js"), "dice")
}

/// Installs exactly what the lock file names, unless that is there.
fn install(workspace: &Workspace) -> Result<()> {
    if let Some(missing) = missing() {
        anyhow::bail!("the JavaScript rule cannot be built: {missing}");
    }
    let folder = workspace.root.join(RULE);
    let lock = fs::read(folder.join("package-lock.json")).context("cannot read the rule's package-lock.json")?;
    let installed = folder.join("node_modules/.installed-lock.json");
    if fs::read(&installed).is_ok_and(|it| it == lock) {
        return Ok(());
    }
    println!("  npm ci in {RULE} (some 50 packages, once)");
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["ci", "--no-audit", "--no-fund"]);
    process::run(&mut npm, &workspace.log("npm-ci"), false, BUILD_LIMIT)?;
    fs::write(&installed, lock).with_context(|| format!("cannot write {}", installed.display()))
}

/// A component of a script, without cases.
fn componentize(workspace: &Workspace, source: PathBuf, name: &str) -> Result<PathBuf> {
    let bare = workspace.rules().join("javascript").join(format!("{name}.wasm"));
    let own = workspace.root.join(RULE).join(NODE);
    let mut node = Command::new(if own.is_file() { own } else { "node".into() });
    node.current_dir(&workspace.root).arg(Path::new(RULE).join("build.mjs"));
    node.arg("--source").arg(source).arg("--output").arg(&bare);
    process::run(&mut node, &workspace.log(&format!("componentize-{name}")), false, BUILD_LIMIT)?;
    ensure!(bare.is_file(), "expected the component {}, and there is none", bare.display());
    Ok(bare)
}
