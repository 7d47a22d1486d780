//! Every program says what it is for and what each of its commands does, and refuses what it does not know with exit code 2.

use davy_tests::programs;
use std::process::{Command, Output};

const PROGRAMS: &[&str] = &["davy", "davyctl", "davy-fleet", "davy-bench", "xtask"];

fn run(program: &str, words: &[String]) -> Output {
    let mut command = Command::new(programs::program(program).unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DAVY_") {
            command.env_remove(name);
        }
    }
    command.args(words).output().expect("it runs")
}

/// The commands of a help page with what it says of each.
fn commands(help: &str) -> Vec<(String, String)> {
    let lines = help.lines().skip_while(|line| line.trim() != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.trim().is_empty());
    // Deeper lines go on with the text of the line above.
    let heads = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    heads
        .map(|line| {
            let (name, about) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
            (name.to_owned(), about.trim().to_owned())
        })
        .filter(|(name, _)| name != "help")
        .collect()
}

/// The commands of a program.
pub(crate) fn commands_of(program: &str) -> Vec<String> {
    let help = run(program, &["--help".to_owned()]);
    commands(&String::from_utf8_lossy(&help.stdout)).into_iter().map(|(name, _)| name).collect()
}

/// Reads the page of a command and of all below it. Returns how many there were.
fn explore(program: &str, path: &mut Vec<String>, faults: &mut Vec<String>) -> usize {
    let place = format!("{program} {}", path.join(" "));
    let asked = run(program, &[path.as_slice(), &["--help".to_owned()]].concat());
    let help = String::from_utf8_lossy(&asked.stdout).into_owned();
    if asked.status.code() != Some(0) {
        faults.push(format!("`{place} --help` ends with {}", asked.status));
    }
    let (about, _) = help.split_once("Usage:").unwrap_or_default();
    if about.trim().len() < 10 {
        faults.push(format!("`{place} --help` does not say what it is for: `{}`", about.trim()));
    }
    let wrong = run(program, &[path.as_slice(), &["--no-such-flag".to_owned()]].concat());
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    if wrong.status.code() != Some(2) || !said.contains("--no-such-flag") || !wrong.stdout.is_empty() {
        faults.push(format!("`{place} --no-such-flag` ends with {} and says: {said}", wrong.status));
    }
    let mut count = 1;
    for (name, about) in commands(&help) {
        if about.len() < 10 {
            faults.push(format!("`{place} --help` does not say what `{name}` does: `{about}`"));
        }
        path.push(name);
        count += explore(program, path, faults);
        path.pop();
    }
    count
}

#[test]
fn every_command_of_every_program_explains_itself_and_refuses_unknown_flags() {
    let mut faults = Vec::new();
    let mut count = 0;
    for program in PROGRAMS {
        count += explore(program, &mut Vec::new(), &mut faults);
        let version = run(program, &["--version".to_owned()]);
        if version.status.code() != Some(0)
            || !String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION"))
        {
            faults.push(format!("`{program} --version` ends with {} and does not say the version", version.status));
        }
    }
    assert!(count > 25, "only {count} pages of help were found: the search is wrong");
    assert!(faults.is_empty(), "\n  {}", faults.join("\n  "));
}

#[test]
fn a_page_of_help_is_read_with_its_commands() {
    let help = "About.\n\nUsage: x <COMMAND>\n\nCommands:\n  serve    Serve until it ends,\n           in order\n  run\n  help     Print this\n\nOptions:\n  -h\n";
    assert_eq!(
        commands(help),
        [("serve".to_owned(), "Serve until it ends,".to_owned()), ("run".to_owned(), String::new())]
    );
}
