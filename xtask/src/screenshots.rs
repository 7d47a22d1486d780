//! `cargo xtask screenshots`: pictures of the pages with a living city, so that those in the README are never older than the pages.
//!
//! The pages are opened by the browser tests (`tests/e2e/pictures.rs`), which also judge them. Must never draw or retouch anything.

use crate::test::machine;
use crate::workspace::{Profile, Workspace};
use crate::{bins, process, rules, web};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

/// Options of `cargo xtask screenshots`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Run what was built before
    #[arg(long)]
    no_build: bool,
}

/// The README's pictures: which of all, and what they are called there.
const OF_README: [(&str, &str); 2] =
    [("overview-1440x900-zh-light.png", "overview.png"), ("home-390x844-zh-light.png", "home.png")];
const LIMIT: Duration = Duration::from_mins(15);

/// Builds, takes the pictures, and puts the README's in their place.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.no_build {
        machine::prepare(workspace)?;
        bins::build_workspace(workspace)?;
        rules::build(workspace, Profile::Dev)?;
        web::build(workspace)?;
    }
    let folder = workspace.target.join("screenshots");
    let mut cargo = workspace.cargo();
    // The whole workspace is selected for the features' sake; the name picks the one test.
    cargo.args(["test", "--workspace", "--locked", "--test", "e2e", "--"]);
    cargo.args(["--ignored", "--exact", "pictures::every_page_is_whole_in_every_size_language_and_light"]);
    cargo.env("DAVY_TEST_PICTURES", &folder);
    cargo.env("DAVY_TEST_PROGRAMS", workspace.programs(Profile::Dev));
    cargo.env("DAVY_TEST_RULES", workspace.rules()).env("DAVY_TEST_SITE", workspace.site());
    let said = process::run(&mut cargo, &workspace.log("screenshots"), false, LIMIT)?;
    ensure!(said.counted().passed == 1, "the test that takes the pictures was not found");
    for (from, to) in OF_README {
        let to = workspace.root.join("docs/images").join(to);
        std::fs::copy(folder.join(from), &to).with_context(|| format!("cannot write {}", to.display()))?;
        println!("  {}", to.display());
    }
    println!("  all of them: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}
