//! The parts of the test run, in order: what each is for, what it needs, and how it is run.

use super::postgres::{Durability, Postgres};
use super::{machine, python};
use crate::process::{self, Counted};
use crate::workspace::{Profile, Workspace};
use crate::{bins, javascript, rules, web};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::process::Command;
use std::time::Duration;

/// Longer than any one suite on two cores.
const SUITE_LIMIT: Duration = Duration::from_mins(25);
/// The version whose licence and source checks are used.
const DENY: &str = "0.20.2";
/// The test programs of `tests/` that need a whole machine, and therefore a part of their own.
const APART: [&str; 4] = ["interop", "javascript", "e2e", "kill"];

macro_rules! parts {
    ($($name:ident, $text:literal, $title:literal, [$($need:ident),*];)*) => {
        /// A part of the test run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub(crate) enum Part { $($name,)* }

        impl Part {
            /// All of them, in the order they run.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// Its name on the command line.
            pub(crate) const fn name(self) -> &'static str { match self { $(Self::$name => $text,)* } }
            /// What it is for.
            pub(crate) const fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }
            /// What must have passed before.
            pub(crate) const fn needs(self) -> &'static [Self] { match self { $(Self::$name => &[$(Self::$need,)*],)* } }
        }
    };
}

parts! {
    Machine, "machine", "the wasm target and Debian's packages", [];
    Format, "format", "cargo fmt --check", [];
    Licences, "licences", "cargo deny: licences, sources, banned crates", [];
    Clippy, "clippy", "lints of the workspace, warnings denied", [];
    Client, "client", "lints of the browser's crate, for wasm32", [Machine];
    Docs, "docs", "rustdoc of the workspace, warnings denied", [];
    Build, "build", "libraries, programs and tests, once", [Machine];
    Rules, "rules", "the example rules as components", [Build];
    Web, "web", "the browser's files", [Machine];
    Tests, "tests", "unit and integration tests on both databases", [Build, Rules];
    Doctests, "doctests", "the examples in the documentation", [Build];
    Interop, "interop", "aiocoap against the real server, and our client against aiocoap", [Build, Rules];
    JavaScript, "javascript", "a rule in JavaScript, in the large tier, beside the same one in Rust", [Build];
    Browser, "browser", "a real browser against the real server", [Build, Rules, Web];
    Kill, "kill", "kill -9 under load, and what was acknowledged is there", [Build, Rules];
}

/// What the parts share: started when first needed, removed when dropped.
pub(crate) struct Bench {
    workspace: Workspace,
    postgres: Option<Postgres>,
    nextest: bool,
}

impl Bench {
    /// Nothing started yet.
    pub(crate) fn new(workspace: Workspace) -> Self {
        Self { workspace, postgres: None, nextest: process::on_path("cargo-nextest") }
    }

    /// Runs one part.
    pub(crate) fn run(&mut self, part: Part) -> Result<Counted> {
        match part {
            Part::Machine => machine::prepare(&self.workspace).map(|()| Counted::default()),
            Part::Format => self.cargo("format", &["fmt", "--all", "--check"], &[]),
            Part::Licences => self.licences(),
            Part::Clippy => self.cargo(
                "clippy",
                &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
                &[],
            ),
            Part::Client => self.client(),
            Part::Docs => {
                let flags = [("RUSTDOCFLAGS", "-D warnings")];
                self.cargo("docs", &["doc", "--workspace", "--no-deps", "--locked"], &flags)
            }
            Part::Build => bins::build_workspace(&self.workspace).map(|()| Counted::default()),
            Part::Rules => rules::build(&self.workspace, Profile::Dev).map(|_| Counted::default()),
            Part::Web => web::build(&self.workspace).map(|()| Counted::default()),
            Part::Tests => self.tests(),
            Part::Doctests => self.cargo("doctests", &["test", "--workspace", "--doc", "--locked"], &[]),
            Part::Interop => self.interop(),
            Part::JavaScript => self.javascript(),
            Part::Browser => self.apart("e2e", None),
            Part::Kill => self.apart("kill", None),
        }
    }

    fn cargo(&self, log: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Counted> {
        let mut cargo = self.workspace.cargo();
        cargo.args(arguments).envs(environment.iter().copied());
        let limit = if arguments[0] == "test" { SUITE_LIMIT } else { bins::BUILD_LIMIT };
        Ok(process::run(&mut cargo, &self.workspace.log(log), false, limit)?.counted())
    }

    /// The browser's crate is outside of the workspace, so that its features are not mixed with the server's.
    fn client(&self) -> Result<Counted> {
        let mut cargo = self.workspace.cargo();
        cargo.args([
            "clippy",
            "--manifest-path",
            "web/client/Cargo.toml",
            "--target",
            "wasm32-unknown-unknown",
            "--locked",
        ]);
        cargo.arg("--target-dir").arg(self.workspace.target.join("client"));
        cargo.args(["--", "-D", "warnings"]);
        process::run(&mut cargo, &self.workspace.log("client"), false, bins::BUILD_LIMIT)?;
        let mut format = self.workspace.cargo();
        format.args(["fmt", "--check", "--manifest-path", "web/client/Cargo.toml"]);
        process::run(&mut format, &self.workspace.log("client-format"), false, bins::BUILD_LIMIT)?;
        Ok(Counted::default())
    }

    /// Builds cargo-deny from crates.io where it is not installed: in debug, which takes a third of the time and is fast enough.
    fn licences(&self) -> Result<Counted> {
        let own = self.workspace.target.join("tools");
        let installed = if process::on_path("cargo-deny") {
            "cargo-deny".into()
        } else {
            let program = own.join("bin").join("cargo-deny");
            if !program.is_file() {
                println!("  cargo-deny is not installed: building {DENY} into {}", own.display());
                let mut cargo = self.workspace.cargo();
                cargo.args(["install", "cargo-deny", "--debug", "--locked", "--version", DENY, "--root"]).arg(&own);
                cargo.arg("--target-dir").arg(own.join("build"));
                process::run(&mut cargo, &self.workspace.log("cargo-deny-install"), false, bins::BUILD_LIMIT)?;
                // Its build is larger than the whole project's and is not needed again.
                std::fs::remove_dir_all(own.join("build")).context("cannot remove the build of cargo-deny")?;
            }
            program
        };
        let mut deny = Command::new(installed);
        deny.current_dir(&self.workspace.root).args(["--locked", "check", "bans", "licenses", "sources"]);
        process::run(&mut deny, &self.workspace.log("licences"), false, SUITE_LIMIT)?;
        Ok(Counted::default())
    }

    /// What every test that starts a program needs to know.
    fn equip(&mut self, command: &mut Command) -> Result<()> {
        if self.postgres.is_none() {
            self.postgres = Some(Postgres::start(Durability::None)?);
        }
        if let Some(postgres) = &self.postgres {
            command.env("DAVY_TEST_POSTGRES_URL", postgres.url());
            // A test that cannot find it must say so, and not pass for having tested nothing.
            command.env("DAVY_TEST_REQUIRE_POSTGRES", "1");
        }
        command.env("DAVY_TEST_PROGRAMS", self.workspace.programs(Profile::Dev));
        command.env("DAVY_TEST_RULES", self.workspace.rules());
        command.env("DAVY_TEST_SITE", self.workspace.site());
        Ok(())
    }

    fn tests(&mut self) -> Result<Counted> {
        let mut cargo = self.workspace.cargo();
        if self.nextest {
            cargo.args(["nextest", "run", "--workspace", "--lib", "--bins", "--tests", "--locked"]);
        } else {
            println!("  cargo-nextest is not installed: `cargo test` does the same with less to read");
            cargo.args(["test", "--workspace", "--lib", "--bins", "--tests", "--locked", "--no-fail-fast"]);
        }
        self.equip(&mut cargo)?;
        Ok(process::run(&mut cargo, &self.workspace.log("tests"), false, SUITE_LIMIT)?.counted())
    }

    /// Runs one of the test programs that are ignored unless asked for, one test at a time.
    fn apart(&mut self, program: &str, python: Option<&python::Venv>) -> Result<Counted> {
        debug_assert!(APART.contains(&program));
        let mut cargo = self.workspace.cargo();
        // The whole workspace is selected for the features' sake; the name picks the one program.
        if self.nextest {
            cargo.args(["nextest", "run", "--workspace", "--locked", "--run-ignored", "all", "--test", program]);
        } else {
            cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--test", program, "--"]);
            cargo.args(["--include-ignored", "--test-threads", "1"]);
        }
        self.equip(&mut cargo)?;
        if let Some(python) = python {
            cargo.env("DAVY_TEST_PYTHON", python.interpreter());
        }
        Ok(process::run(&mut cargo, &self.workspace.log(program), false, SUITE_LIMIT)?.counted())
    }

    fn javascript(&mut self) -> Result<Counted> {
        javascript::build(&self.workspace, Profile::Dev)?;
        javascript::build_for_tests(&self.workspace)?;
        self.apart("javascript", None)
    }

    fn interop(&mut self) -> Result<Counted> {
        let venv = python::Venv::with_aiocoap(&self.workspace)?;
        self.apart("interop", Some(&venv))
    }
}
