//! Builds the programs and the tests.

use crate::process;
use crate::workspace::{Profile, Workspace};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::time::Duration;

/// Longer than any build on two cores from nothing.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_mins(40);

/// Builds libraries, programs and tests of the whole workspace, once, in the dev profile.
///
/// One selection for everything: asking cargo for single packages would unify other features and build the dependencies again.
pub(crate) fn build_workspace(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--workspace", "--lib", "--bins", "--tests", "--locked"]);
    process::run(&mut cargo, &workspace.log("build"), false, BUILD_LIMIT)?;
    Ok(())
}

/// Builds the named packages' programs in release.
pub(crate) fn build_release(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--locked", "--bins"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    process::run(&mut cargo, &workspace.log("build-release"), false, BUILD_LIMIT)?;
    Ok(())
}

/// The path of a built program.
pub(crate) fn program(workspace: &Workspace, profile: Profile, name: &str) -> Result<PathBuf> {
    let path = workspace.programs(profile).join(name);
    if !path.is_file() {
        bail!(
            "expected the program {} there: build it with `cargo build --profile {}`",
            path.display(),
            profile.name()
        );
    }
    Ok(path)
}
