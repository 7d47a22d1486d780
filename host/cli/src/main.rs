//! `davyctl`: the command line of rule authors and administrators.
//!
//! It runs the same engine as the server, so what it accepts the server accepts. It must never do by itself what needs a
//! person's sign-in: it has no way around the API. A database it only reads, for whoever may open it anyway, to verify its ledger.

mod client;
mod colour;
mod exit;
mod explain;
mod labels;
mod ledger;
mod login;
mod remote;
mod replay;
mod rule;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use davy_rules::admission::run_child;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXIT_CODES: &str = "Exit codes:
  0  done; the answer is yes
  1  done; the answer is no: refused (by the server too), altered, a fixture failed, a decision differs, a
     ledger is not as it was written
  2  the command line is wrong
  3  could not be done: a file cannot be read, a crate does not compile";

/// Build, check and test gas-safety rules, and explain the decisions they made.
#[derive(Parser)]
#[command(name = "davyctl", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write, build, check and test rules
    #[command(subcommand, arg_required_else_help = true)]
    Rule(rule::Command),
    /// Make a stored decision again and say whether it comes out the same
    Explain(explain::Arguments),
    /// Make the decisions of a bundle again, without a server, and say whether they come out the same
    ///
    /// A bundle (`davy-bundle/1`) is written by `davyctl explain ALARM --server URL --export FILE`. It holds the components,
    /// whose digests are verified first.
    Replay(replay::Arguments),
    /// Verify what was done, take it along, and keep what was signed for it
    #[command(subcommand, arg_required_else_help = true)]
    Ledger(ledger::Command),
    /// Write sheets of labels for devices, to print and cut
    Labels(labels::Arguments),
    /// Sign in at a server, for the commands that need one
    Login(login::Arguments),
    /// Sign out, and forget the session
    Logout,
    /// Print the completions of a shell, such as `davyctl completions bash`
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual (roff), such as `davyctl man | man -l -`, or write a page for each command
    Man {
        /// Where the pages go, such as `/usr/local/share/man/man1`
        #[arg(long, value_name = "FOLDER")]
        output: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before anything else: it handles hostile bytes.
    if let Command::Rule(rule::Command::Admit { limits }) = arguments.command {
        return run_child(limits);
    }
    let done = match arguments.command {
        Command::Rule(command) => rule::run(command),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Ledger(command) => ledger::run(command),
        Command::Labels(arguments) => labels::run(&arguments),
        Command::Login(arguments) => login::login(&arguments),
        Command::Logout => login::logout(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "davyctl", &mut std::io::stdout());
            Ok(exit::Answer::Yes)
        }
        Command::Man { output } => manual(Arguments::command(), output.as_deref()),
    };
    match done {
        Ok(answer) => answer.into(),
        Err(error) => {
            eprintln!("davyctl: {error:#}");
            let Some(refused) = error.downcast_ref::<client::Refused>() else {
                return ExitCode::from(exit::COULD_NOT);
            };
            // Whatever the command was: every one calls this option by this name.
            if std::env::args_os().any(|argument| argument == "--json")
                && let Ok(problem) = serde_json::to_string_pretty(&refused.problem)
            {
                println!("{problem}");
            }
            exit::Answer::No.into()
        }
    }
}

/// The manual: a page for the whole and for each command, as files, or one after the other.
fn manual(mut command: clap::Command, output: Option<&Path>) -> anyhow::Result<exit::Answer> {
    command.build();
    if let Some(folder) = output {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        clap_mangen::generate_to(command, folder).with_context(|| format!("cannot write to {}", folder.display()))?;
        return Ok(exit::Answer::Yes);
    }
    let mut out = Vec::new();
    pages(&command, &mut out)?;
    std::io::Write::write_all(&mut std::io::stdout(), &out)?;
    Ok(exit::Answer::Yes)
}

fn pages(command: &clap::Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(out)?;
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| pages(sub, out))
}
