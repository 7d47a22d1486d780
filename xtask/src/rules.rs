//! Packages the rule crates of `example-rules/` as components, by the very program that a rule author uses.

use crate::workspace::{Profile, Workspace};
use crate::{bins, process};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Builds every crate of `example-rules/` into `target/rules/<crate>.wasm`, has each examined as the server would (its own fixtures and
/// the statutory suite among it), and returns the paths.
///
/// `davyctl` must have been built in `profile`.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<Vec<PathBuf>> {
    let _alone = workspace.alone("rules")?;
    let davyctl = bins::program(workspace, profile, "davyctl")?;
    let folder = workspace.rules();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut built = Vec::new();
    for name in crates(workspace)? {
        let component = folder.join(format!("{name}.wasm"));
        let mut command = Command::new(&davyctl);
        command.current_dir(&workspace.root).args(["rule", "build", "--path"]).arg(format!("example-rules/{name}"));
        command.arg("--output").arg(&component);
        process::run(&mut command, &workspace.log(&format!("rule-{name}")), false, bins::BUILD_LIMIT)?;
        let mut command = Command::new(&davyctl);
        command.current_dir(&workspace.root).args(["rule", "check"]).arg(&component);
        process::run(&mut command, &workspace.log(&format!("rule-{name}-check")), false, bins::BUILD_LIMIT)?;
        built.push(component);
    }
    Ok(built)
}

/// The names of the rule crates, sorted.
fn crates(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("example-rules");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
