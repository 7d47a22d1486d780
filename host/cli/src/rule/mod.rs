//! `davyctl rule …`.

mod build;
mod check;
mod new;
mod profile;
mod test;

use crate::exit::Answer;
use crate::remote;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use davy_rules::{Admission, Engine, EngineConfig, ProcessLimits, Tier};
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a new rule's crate, ready to build and test
    New {
        /// The rule's name: lower-case letters, digits and `-`
        name: String,
        /// What kind of rule
        #[arg(long, value_enum, default_value = "alarm")]
        world: new::World,
        #[command(flatten)]
        sdk: new::Sdk,
        /// Where to make the crate [default: a folder with the rule's name]
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
    /// Compile a rule's crate and make a component of it, with its fixtures as the cases that it must pass
    ///
    /// With `--component` nothing is compiled: what another language's tools made gets its fixtures.
    Build {
        /// The crate's folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        path: PathBuf,
        /// A component, or a core module with the description of its interfaces in it, that other tools have made
        #[arg(long, value_name = "FILE", conflicts_with = "path", requires = "output")]
        component: Option<PathBuf>,
        /// The folder of fixtures (`*.json`) that go into it [default: `fixtures` of the crate; none with `--component`]
        #[arg(long, value_name = "DIR")]
        fixtures: Option<PathBuf>,
        /// The component to write [default: the crate's name with .wasm, here]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a component as the server would before it lets it in
    ///
    /// Prints what the rule is and which settings it takes, or at which stage it is refused, why, where, and what to do.
    Check {
        /// The component
        file: PathBuf,
        /// Which caps it is held to: `large` for a rule that brings an interpreter with it, such as JavaScript's
        #[arg(long, default_value = "standard", value_name = "TIER")]
        tier: Tier,
        /// The settings that it is to run with (JSON): they must fit it, and must not make it weaker than the law
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Run fixture files against a component in the real sandbox
    Test {
        /// The component
        file: PathBuf,
        /// The folder of fixtures (`*.json`) [default: those that the component carries]
        #[arg(long, value_name = "DIR")]
        fixtures: Option<PathBuf>,
        /// Which caps it is held to
        #[arg(long, default_value = "standard", value_name = "TIER")]
        tier: Tier,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Print what each decision of the fixtures costs, in fuel and in time
    Profile {
        /// The component
        file: PathBuf,
        /// The folder of fixtures (`*.json`) [default: those that the component carries]
        #[arg(long, value_name = "DIR")]
        fixtures: Option<PathBuf>,
        /// Which caps it is held to
        #[arg(long, default_value = "standard", value_name = "TIER")]
        tier: Tier,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Sign a component, or make a key to sign with
    Sign(remote::SignArguments),
    /// Write what a device has really measured as a fixture, without anything that tells whose it is
    Record(remote::RecordArguments),
    /// Make the decisions of a bundle again, without a server; the same as `davyctl replay`
    #[command(hide = true)]
    Replay(crate::replay::Arguments),
    #[command(flatten)]
    Remote(remote::Command),
    /// What this program starts itself with to admit a rule within limits; for nobody else
    #[command(hide = true)]
    Admit {
        /// Memory in MiB, processor time and time in seconds
        limits: ProcessLimits,
    },
}

pub(crate) fn run(command: Command) -> Result<Answer> {
    match command {
        Command::New { name, world, sdk, path } => new::run(&name, world, &sdk, path.as_deref()),
        Command::Build { path, component, fixtures, output } => {
            build::run(&path, component.as_deref(), fixtures.as_deref(), output.as_deref())
        }
        Command::Check { file, tier, settings, json } => check::run(&file, tier, settings.as_deref(), json),
        Command::Test { file, fixtures, tier, json } => test::run(&file, fixtures.as_deref(), tier, json),
        Command::Profile { file, fixtures, tier, json } => profile::run(&file, fixtures.as_deref(), tier, json),
        Command::Sign(arguments) => remote::sign(&arguments),
        Command::Record(arguments) => remote::record(&arguments),
        Command::Replay(arguments) => crate::replay::run(&arguments),
        Command::Remote(command) => remote::run(command),
        Command::Admit { limits } => bail!("`rule admit {limits}` is entered before anything else is done"),
    }
}

/// An engine for one rule at a time, with the published limits.
pub(crate) fn engine() -> Result<Engine> {
    Ok(Engine::new(&EngineConfig { pool_size: 4, ..EngineConfig::default() })?)
}

/// Examines components in a child of this program.
pub(crate) fn admission() -> Admission {
    Admission::by_this_program(&["rule", "admit"])
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
