//! `cargo xtask …`: the few commands of the project.
//!
//! Must never decide anything about the product: it builds, starts, watches and reports.

mod bench;
mod bins;
mod demo;
mod javascript;
mod process;
mod rules;
mod screenshots;
mod supply;
mod test;
mod web;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's commands", version)]
struct Arguments {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Everything that decides whether a change is good: format, lints, licences, tests on both databases, interop, browser
    Test(test::Arguments),
    /// The whole platform with a city of devices, on this machine
    Demo(demo::Arguments),
    /// What the platform costs, each figure beside its ceiling
    Bench(bench::Arguments),
    /// The browser's files, into target/site
    Web,
    /// Pictures of the pages with a living city: those of the README into docs/images, all into target/screenshots
    Screenshots(screenshots::Arguments),
    /// What the product is made of, into target/sbom/davy.cdx.json (CycloneDX 1.6)
    Sbom,
    /// The rule components
    #[command(subcommand)]
    Rules(RulesCommands),
}

#[derive(Debug, Subcommand)]
enum RulesCommands {
    /// Builds every rule of example-rules/ into a component below target/rules; the one in JavaScript where Node is
    Build,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    let workspace = workspace::Workspace::find()?;
    match arguments.command {
        Commands::Test(arguments) => test::run(&workspace, &arguments),
        Commands::Demo(arguments) => demo::run(&workspace, &arguments),
        Commands::Bench(arguments) => bench::run(&workspace, &arguments),
        Commands::Web => {
            test::machine::prepare_builds(&workspace)?;
            web::build(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Commands::Screenshots(arguments) => screenshots::run(&workspace, &arguments),
        Commands::Sbom => {
            println!("{}", supply::sbom(&workspace)?.display());
            Ok(ExitCode::SUCCESS)
        }
        Commands::Rules(RulesCommands::Build) => {
            bins::build_workspace(&workspace)?;
            rules::build(&workspace, workspace::Profile::Dev)?;
            match javascript::missing() {
                Some(missing) => println!("household-leak-js is left out: {missing}"),
                None => drop(javascript::build(&workspace, workspace::Profile::Dev)?),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
