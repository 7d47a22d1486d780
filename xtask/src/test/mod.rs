//! `cargo xtask test`: the parts in order, each with its time, and a summary that says what to mend.

pub(crate) mod machine;
mod parts;
pub(crate) mod postgres;
mod python;

use crate::process::{Counted, Failed, interrupted};
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use clap::Args;
use parts::Part;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Options of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Go on after a failed part (those that need it are left out)
    #[arg(long)]
    keep_going: bool,
    /// Only this part and what it needs; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Not this part; may be given several times
    #[arg(long, value_name = "PART")]
    skip: Vec<Part>,
    /// Print the parts and end
    #[arg(long)]
    list: bool,
}

enum Outcome {
    Passed(Counted),
    Failed(String),
    LeftOut(&'static str),
}

struct Line {
    part: Part,
    outcome: Outcome,
    took: Duration,
}

/// Runs what was asked for.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        for part in Part::ALL {
            println!("{:<12} {}", part.name(), part.title());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&arguments.only, &arguments.skip);
    if chosen.is_empty() {
        bail!("no part is left to run: see `cargo xtask test --list`");
    }
    let begun = Instant::now();
    let mut bench = parts::Bench::new(workspace.clone());
    let mut lines: Vec<Line> = Vec::new();
    for (at, part) in chosen.iter().copied().enumerate() {
        if interrupted() {
            break;
        }
        let missing = part.needs().iter().find_map(|need| {
            lines.iter().find(|l| l.part == *need && !matches!(l.outcome, Outcome::Passed(_))).map(|l| l.part.name())
        });
        println!("\n── {} of {} ── {} ── {}", at + 1, chosen.len(), part.name(), part.title());
        let started = Instant::now();
        let outcome = match missing {
            Some(need) => Outcome::LeftOut(need),
            None => match bench.run(part) {
                Ok(counted) => Outcome::Passed(counted),
                Err(error) => Outcome::Failed(format!("{error:#}{}", tail_of(&error))),
            },
        };
        let took = started.elapsed();
        match &outcome {
            Outcome::Passed(_) => println!("── {} passed in {}", part.name(), time(took)),
            Outcome::Failed(_) => println!("── {} FAILED after {}", part.name(), time(took)),
            Outcome::LeftOut(need) => println!("── {} left out: it needs `{need}`", part.name()),
        }
        let failed = matches!(outcome, Outcome::Failed(_));
        lines.push(Line { part, outcome, took });
        if failed && !arguments.keep_going {
            break;
        }
    }
    drop(bench);
    Ok(summarise(&lines, chosen.len(), begun.elapsed()))
}

/// The parts in their order: all, or those asked for with everything that they need.
fn choose(only: &[Part], skip: &[Part]) -> Vec<Part> {
    let mut wanted: Vec<Part> = if only.is_empty() { Part::ALL.to_vec() } else { only.to_vec() };
    let mut at = 0;
    while let Some(part) = wanted.get(at).copied() {
        for need in part.needs() {
            if !wanted.contains(need) {
                wanted.push(*need);
            }
        }
        at += 1;
    }
    Part::ALL.iter().copied().filter(|p| wanted.contains(p) && !skip.contains(p)).collect()
}

fn tail_of(error: &anyhow::Error) -> String {
    error.downcast_ref::<Failed>().map_or_else(String::new, |failed| {
        let tail = failed.transcript.tail();
        format!("\n\nits last lines:\n  {}", tail.join("\n  "))
    })
}

fn summarise(lines: &[Line], chosen: usize, took: Duration) -> ExitCode {
    println!("\n── summary");
    let mut total = Counted::default();
    let mut bad = 0;
    for line in lines {
        let (mark, note) = match &line.outcome {
            Outcome::Passed(counted) => {
                total.passed += counted.passed;
                let tests = if counted.passed == 0 { String::new() } else { format!("{} tests", counted.passed) };
                ("ok", tests)
            }
            Outcome::Failed(_) => {
                bad += 1;
                ("FAILED", String::new())
            }
            Outcome::LeftOut(need) => ("left out", format!("needs {need}")),
        };
        println!("{mark:<8} {:<12} {:>9}  {note}", line.part.name(), time(line.took));
    }
    if lines.len() < chosen {
        println!("{} more not run", chosen - lines.len());
    }
    println!("{:<8} {:<12} {:>9}", "", "all", time(took));
    for line in lines {
        if let Outcome::Failed(why) = &line.outcome {
            println!("\n{} failed: {why}", line.part.name());
        }
    }
    if interrupted() {
        println!("\ninterrupted");
        return ExitCode::from(130);
    }
    println!("\n{} passed, {bad} failed", total.passed);
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn time(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_brings_what_it_needs_in_the_right_order() {
        let chosen = choose(&[Part::Browser], &[]);
        assert_eq!(chosen.last(), Some(&Part::Browser));
        for need in Part::Browser.needs() {
            assert!(chosen.contains(need));
        }
        assert!(!chosen.contains(&Part::Clippy));
    }

    #[test]
    fn every_part_comes_after_what_it_needs() {
        for (at, part) in Part::ALL.iter().enumerate() {
            for need in part.needs() {
                assert!(Part::ALL[..at].contains(need), "{} needs {}", part.name(), need.name());
            }
        }
    }

    #[test]
    fn a_skipped_part_is_not_run() {
        assert!(!choose(&[], &[Part::Kill]).contains(&Part::Kill));
    }
}
