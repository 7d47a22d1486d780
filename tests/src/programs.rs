//! Where the built programs and files are.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of the programs: as `cargo xtask test` says, else beside the running test.
fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("DAVY_TEST_PROGRAMS") {
        return Ok(folder.into());
    }
    let test = std::env::current_exe().context("this test has no path")?;
    // target/debug/deps/test-… → target/debug
    let folder = test.parent().and_then(Path::parent).context("this test is in no target folder")?;
    Ok(folder.to_owned())
}

/// A built program.
///
/// # Errors
/// When it has not been built, with the command that builds it.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = folder()?.join(name);
    if !path.is_file() {
        bail!("{} is not built: run `cargo build --workspace` first, or `cargo xtask test`", path.display());
    }
    Ok(path)
}

/// The folder of the packaged rules: as `cargo xtask test` says, else beside the programs.
///
/// # Errors
/// When the running test is in no target folder.
pub fn rules() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("DAVY_TEST_RULES") {
        return Ok(folder.into());
    }
    Ok(folder()?.parent().context("the programs are in no target folder")?.join("rules"))
}

/// The example rule as a component, if it has been packaged.
pub fn household_leak() -> Option<PathBuf> {
    Some(rules().ok()?.join("household-leak.wasm")).filter(|path| path.is_file())
}

/// Where the browser's files are.
pub fn site() -> Option<PathBuf> {
    let folder = match std::env::var_os("DAVY_TEST_SITE") {
        Some(folder) => folder.into(),
        None => folder().ok()?.parent()?.join("site"),
    };
    Some(folder).filter(|path: &PathBuf| path.is_dir())
}
