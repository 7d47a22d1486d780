//! Runs other programs: their output is shown as it comes, kept in a log file, and they never outlive this one.
//!
//! Every child leads a process group of its own, so that ending it ends what it started. Must never leave a child behind, neither on
//! failure nor on Ctrl-C.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How many of the last lines are kept for the summary of a failure.
const TAIL: usize = 60;
/// How long a child may take to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(20);

/// Makes Ctrl-C, SIGTERM and SIGHUP end the running child first, and then this program in order.
pub(crate) fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("cannot install the handler of Ctrl-C")
}

/// Whether somebody pressed Ctrl-C or asked us to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// What a finished child said.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    lines: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    tail: VecDeque<String>,
    counted: Counted,
}

/// Tests that a runner reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed or ran out of time.
    pub(crate) failed: u64,
}

impl Transcript {
    fn take(&self, line: &str) {
        let plain = without_colour(line);
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = tests_in(&plain) {
            kept.counted.passed += more.passed;
            kept.counted.failed += more.failed;
        }
        if kept.tail.len() == TAIL {
            kept.tail.pop_front();
        }
        kept.tail.push_back(plain);
    }

    /// The tests that it reported.
    pub(crate) fn counted(&self) -> Counted {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).counted
    }

    /// Its last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).tail.iter().cloned().collect()
    }
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Reads the closing line of libtest (`test result: ok. 5 passed; 0 failed; …`) or nextest (`Summary [ 1.2s] 5 tests run: 5 passed, …`).
fn tests_in(line: &str) -> Option<Counted> {
    let line = line.trim();
    let figures = if let Some(rest) = line.strip_prefix("test result: ") {
        rest.split_once(". ")?.1
    } else if line.starts_with("Summary [") {
        line.split_once("run: ")?.1
    } else {
        return None;
    };
    let mut counted = Counted::default();
    for figure in figures.split([',', ';']) {
        let mut words = figure.split_whitespace();
        let (Some(number), Some(what)) = (words.next().and_then(|n| n.parse::<u64>().ok()), words.next()) else {
            continue;
        };
        match what {
            "passed" => counted.passed += number,
            "failed" | "timed" | "exec" => counted.failed += number,
            _ => {}
        }
    }
    Some(counted)
}

fn pump(from: impl Read + Send + 'static, to: Arc<Transcript>, log: Arc<Mutex<File>>, quiet: bool) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            to.take(&text);
            // A full disk or a closed terminal must not stop the child.
            let _ = writeln!(log.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
            if !quiet {
                let _ = writeln!(std::io::stdout().lock(), "{text}");
            }
            line.clear();
        }
    })
}

/// A child in the background; it is ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    name: String,
    transcript: Arc<Transcript>,
    pumps: Vec<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts `command` in a process group of its own, its output going to `log` and, unless `quiet`, to the terminal.
    pub(crate) fn start(command: &mut Command, log: &Path, quiet: bool) -> Result<Self> {
        command.stdin(Stdio::null());
        Self::spawn(command, log, quiet)
    }

    /// As [`Running::start`] and quiet, with a standard input that stays open until this is dropped.
    pub(crate) fn start_with_input(command: &mut Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::piped());
        Self::spawn(command, log, true)
    }

    fn spawn(command: &mut Command, log: &Path, quiet: bool) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let file = Arc::new(Mutex::new(file));
        if std::io::stdout().is_terminal() && !quiet {
            command.env("CARGO_TERM_COLOR", "always");
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start `{name}`: is it installed?"))?;
        let transcript = Arc::new(Transcript::default());
        let mut pumps = Vec::new();
        if let Some(out) = child.stdout.take() {
            pumps.push(pump(out, Arc::clone(&transcript), Arc::clone(&file), quiet));
        }
        if let Some(err) = child.stderr.take() {
            pumps.push(pump(err, Arc::clone(&transcript), file, quiet));
        }
        Ok(Self { child, name, transcript, pumps, ended: None })
    }

    /// Its process id.
    #[cfg(test)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub(crate) fn transcript(&self) -> &Arc<Transcript> {
        &self.transcript
    }

    /// Whether it has ended, and how.
    pub(crate) fn poll(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().with_context(|| format!("cannot wait for `{}`", self.name))?;
        }
        Ok(self.ended)
    }

    /// Waits until it ends, at most `limit`; ends it on Ctrl-C and past the limit.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.poll()? {
                break status;
            }
            if interrupted() {
                self.end(Signal::SIGINT);
                bail!("interrupted while `{}` ran", self.name);
            }
            if begun.elapsed() > limit {
                self.end(Signal::SIGTERM);
                bail!("`{}` did not end within {} s and was ended", self.name, limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        self.drain();
        Ok(status)
    }

    /// Asks it to end by `signal`, insists after a grace period.
    pub(crate) fn end(&mut self, signal: Signal) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.poll() {
            return Some(status);
        }
        let group = Pid::from_raw(self.child.id() as i32);
        // The group may have ended on its own in the meantime: then there is nothing to do.
        let _ = killpg(group, signal);
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if matches!(self.poll(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = killpg(group, Signal::SIGKILL);
        self.ended = self.ended.or_else(|| self.child.wait().ok());
        self.drain();
        self.ended
    }

    /// Lets the pumps read what is left; one that a grandchild keeps open is left to itself.
    fn drain(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) && self.pumps.iter().any(|p| !p.is_finished()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.pumps.clear();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Signal::SIGTERM);
    }
}

/// Runs `command` to its end and returns what it said; fails with its last lines when it does.
pub(crate) fn run(command: &mut Command, log: &Path, quiet: bool, limit: Duration) -> Result<Arc<Transcript>> {
    let shown = shown(command);
    if !quiet {
        println!("  $ {shown}");
    }
    let mut running = Running::start(command, log, quiet)?;
    let status = running.wait(limit)?;
    let transcript = Arc::clone(running.transcript());
    if status.success() {
        return Ok(transcript);
    }
    Err(Failed { shown, status, transcript, log: log.to_owned() }.into())
}

/// A program that ended with an error.
#[derive(Debug)]
pub(crate) struct Failed {
    shown: String,
    status: ExitStatus,
    /// What it said.
    pub(crate) transcript: Arc<Transcript>,
    log: std::path::PathBuf,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ended with {}; its whole output is in {}", self.shown, self.status, self.log.display())
    }
}

impl std::error::Error for Failed {}

/// Runs `command` and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{shown}` is not UTF-8"))
}

/// Whether a program of that name is on the path.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        let argument = argument.to_string_lossy();
        if argument.contains([' ', '|', '(']) {
            text.push('\'');
            text.push_str(&argument);
            text.push('\'');
        } else {
            text.push_str(&argument);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_libtest_is_counted() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(tests_in(line), Some(Counted { passed: 5, failed: 2 }));
    }

    #[test]
    fn the_closing_line_of_nextest_is_counted_in_colour_too() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   1.204s] \u{1b}[1m12\u{1b}[0m tests run: \u{1b}[1m9\u{1b}[0m passed (1 slow), 2 failed, 1 timed out, 3 skipped";
        assert_eq!(tests_in(&without_colour(line)), Some(Counted { passed: 9, failed: 3 }));
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(tests_in("running 5 tests"), None);
    }

    #[test]
    fn a_child_past_its_limit_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $! > pid; wait"]).current_dir(folder.path());
        let begun = Instant::now();
        let error = run(&mut command, &folder.path().join("log"), true, Duration::from_millis(300)).unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
        assert!(begun.elapsed() < GRACE);
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z"), "the grandchild still runs: {state}");
    }

    #[test]
    fn a_failing_program_is_named_with_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo why; exit 3"]);
        let error = run(&mut command, &folder.path().join("log"), true, Duration::from_secs(10)).unwrap_err();
        let failed = error.downcast_ref::<Failed>().unwrap();
        assert_eq!(failed.transcript.tail(), ["why"]);
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
