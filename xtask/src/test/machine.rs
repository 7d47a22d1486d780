//! Makes a fresh Debian machine ready: the wasm target through rustup, packages through apt-get when root.
//!
//! Must never install anything without saying so, and never what is already there.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(15);

/// A Debian package and how to tell that what it gives is there.
struct Package {
    name: &'static str,
    what_for: &'static str,
    present: fn() -> bool,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "build-essential",
        what_for: "C parts of SQLite and of the compressors",
        present: || process::on_path("cc"),
    },
    Package { name: "postgresql", what_for: "the second database", present: || super::postgres::binaries().is_some() },
    Package { name: "chromium", what_for: "browser tests", present: || process::on_path("chromium") },
    Package { name: "chromium-driver", what_for: "browser tests", present: || process::on_path("chromedriver") },
    Package { name: "fonts-noto-cjk", what_for: "Chinese text in the browser", present: chinese_fonts },
    Package { name: "nodejs", what_for: "the rule in JavaScript", present: || process::on_path("node") },
    Package { name: "npm", what_for: "the rule in JavaScript", present: || process::on_path("npm") },
    Package { name: "python3-venv", what_for: "interop with aiocoap", present: python_makes_environments },
];

fn chinese_fonts() -> bool {
    Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc").is_file()
}

fn python_makes_environments() -> bool {
    process::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok()
}

/// Makes sure of everything that the tests need.
pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
    components(workspace)?;
    wasm_target(workspace)?;
    packages(workspace, PACKAGES)
}

/// Makes sure of what a build of the demo needs.
pub(crate) fn prepare_builds(workspace: &Workspace) -> Result<()> {
    wasm_target(workspace)?;
    packages(workspace, &PACKAGES[..1])
}

/// What a minimal installation of the toolchain leaves out, and the command that shows whether it is there.
const COMPONENTS: &[(&str, &str)] = &[("rustfmt", "fmt"), ("clippy", "clippy")];

/// Makes sure of the formatter and the lints.
fn components(workspace: &Workspace) -> Result<()> {
    let there = |command: &str| {
        process::output(Command::new("cargo").args([command, "--version"]).current_dir(&workspace.root)).is_ok()
    };
    let missing: Vec<&str> =
        COMPONENTS.iter().filter(|(_, command)| !there(command)).map(|(component, _)| *component).collect();
    if missing.is_empty() {
        println!("  rustfmt and clippy: there");
        return Ok(());
    }
    if !process::on_path("rustup") {
        bail!("{} missing and so is rustup: install them with your system's tools", missing.join(" and "));
    }
    println!("  {}: installing through rustup", missing.join(" and "));
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add"]).args(&missing).current_dir(&workspace.root);
    process::run(&mut rustup, &workspace.log("rustup"), false, LIMIT)?;
    Ok(())
}

/// Makes sure that the compiler can build for the browser and for the sandbox.
fn wasm_target(workspace: &Workspace) -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(&workspace.root))?;
    let library = Path::new(sysroot.trim()).join("lib").join("rustlib").join(TARGET);
    if library.is_dir() {
        println!("  {TARGET}: there");
        return Ok(());
    }
    if !process::on_path("rustup") {
        bail!("the Rust target {TARGET} is missing and so is rustup: install it with your system's tools");
    }
    println!("  {TARGET}: installing it through rustup");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(&workspace.root);
    process::run(&mut rustup, &workspace.log("rustup"), false, LIMIT)?;
    Ok(())
}

fn packages(workspace: &Workspace, wanted: &[Package]) -> Result<()> {
    let missing: Vec<&Package> = wanted.iter().filter(|package| !(package.present)()).collect();
    if missing.is_empty() {
        println!("  Debian's packages: all there");
        return Ok(());
    }
    for package in &missing {
        println!("  {}: missing (for {})", package.name, package.what_for);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let may_install = nix::unistd::geteuid().is_root() && process::on_path("apt-get");
    println!("  {}", installing(&names, may_install)?);
    if names.contains(&"postgresql") {
        keep_port_5432_free()?;
    }
    let mut update = Command::new("apt-get");
    update.args(["update", "--quiet"]).env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut update, &workspace.log("apt-update"), true, LIMIT)?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&names);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut install, &workspace.log("apt-install"), true, LIMIT)?;
    match missing.iter().find(|package| !(package.present)()) {
        Some(package) => bail!(
            "{} was installed and what it gives is still missing: see {}",
            package.name,
            workspace.log("apt-install").display()
        ),
        None => Ok(()),
    }
}

/// What is about to be installed; without the right to it, what somebody must install by hand.
fn installing(names: &[&str], may_install: bool) -> Result<String> {
    let command = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if !may_install {
        bail!("install what is missing and run this again: sudo {command}");
    }
    Ok(format!("installing: {command}"))
}

/// Debian's package starts a database cluster of its own when it is installed; the tests bring theirs.
fn keep_port_5432_free() -> Result<()> {
    let folder = Path::new("/etc/postgresql-common");
    let file = folder.join("createcluster.conf");
    if file.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    std::fs::write(&file, "create_main_cluster = false\n").with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it found by panicking")]

    use super::*;

    #[test]
    fn without_the_right_to_install_it_is_said_what_to_install() {
        let names = ["postgresql", "chromium"];
        assert_eq!(
            installing(&names, false).unwrap_err().to_string(),
            "install what is missing and run this again: sudo apt-get install --no-install-recommends postgresql chromium"
        );
        assert_eq!(
            installing(&names, true).unwrap(),
            "installing: apt-get install --no-install-recommends postgresql chromium"
        );
    }
}
