//! Builds the browser's files: `web::build(&workspace)` fills [`Workspace::site`], or says that nothing has changed.
//!
//! Three steps, each shown as it runs: cargo builds `web/client` for wasm32 (optimised for size: what is tested is what is shipped),
//! `web/bundle` binds it, adds `web/assets`, names the version by its content and compresses every file. Both crates are workspaces
//! of their own, with their own target folders, so that their features and their profile never meet the server's. Needs no Node and,
//! once cargo has the crates, no network. Must never be needed for a build of the server.

use crate::workspace::Workspace;
use crate::{bins, process, supply};
use anyhow::{Context, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

const TARGET: &str = "wasm32-unknown-unknown";
/// Everything that ends up in the browser, or decides how it gets there.
const INPUTS: [&str; 11] = [
    "web/Cargo.toml",
    "web/src",
    "web/locales",
    "web/assets",
    "web/client",
    "web/bundle",
    "host/api/src",
    "host/domain/src",
    "xtask/src/web.rs",
    "xtask/src/supply",
    "Cargo.lock",
];

/// Builds them into [`Workspace::site`], unless they are there already and their inputs have not changed.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let site = workspace.site();
    let _alone = workspace.alone("site")?;
    let inputs = fingerprint(&workspace.root)?;
    let note = site.join("inputs");
    if fs::read_to_string(&note).is_ok_and(|it| it == inputs) && site.join("current").is_file() {
        println!("web: nothing has changed, {} is current", site.display());
        return Ok(());
    }
    fs::create_dir_all(&site).with_context(|| format!("cannot create {}", site.display()))?;

    println!("web: building the browser's part (some minutes when it is the first time)");
    let client = workspace.target.join("web-client");
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--target", TARGET, "--manifest-path", "web/client/Cargo.toml"]);
    command.arg("--target-dir").arg(&client);
    process::run(&mut command, &workspace.log("web-client"), false, bins::BUILD_LIMIT)?;

    let mut command = workspace.cargo();
    command.args(["run", "--manifest-path", "web/bundle/Cargo.toml"]);
    command.arg("--target-dir").arg(workspace.target.join("web-bundle")).arg("--");
    command.arg(client.join(TARGET).join("release").join("davy_web_client.wasm"));
    command.arg(&site).arg(workspace.root.join("web").join("assets")).arg(supply::licences(workspace)?);
    process::run(&mut command, &workspace.log("web-bundle"), false, bins::BUILD_LIMIT)?;

    fs::write(&note, inputs).with_context(|| format!("cannot write {}", note.display()))
}

/// A hash over the names and contents of all inputs.
fn fingerprint(root: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for input in INPUTS {
        for file in files(&root.join(input))? {
            file.strip_prefix(root).unwrap_or(&file).hash(&mut hasher);
            fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?.hash(&mut hasher);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// The file itself, or every file below the folder but for target folders, sorted.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?;
        if entry.file_name() != "target" {
            found.extend(files(&entry.path())?);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_added_file_changes_the_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        for input in INPUTS {
            let path = folder.path().join(input);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "one").unwrap();
        }
        let before = fingerprint(folder.path()).unwrap();
        assert_eq!(fingerprint(folder.path()).unwrap(), before);
        fs::write(folder.path().join("web/Cargo.toml"), "two").unwrap();
        let changed = fingerprint(folder.path()).unwrap();
        assert_ne!(changed, before);
        fs::remove_file(folder.path().join("web/src")).unwrap();
        fs::create_dir_all(folder.path().join("web/src")).unwrap();
        assert_ne!(fingerprint(folder.path()).unwrap(), changed);
    }
}
