//! The command of `keys.command`: started without a shell, ended with all that it has started when it takes too long.
//!
//! Must never show or keep what it prints, on either stream.

use super::{CommandFault, KeyError};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The most that a command may print: hundreds of keys.
const MOST: u64 = 64 * 1024;
/// How often it is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the command prints on standard output.
pub(super) fn output(words: &[String], within: Duration, without: &[String]) -> Result<Zeroizing<String>, KeyError> {
    let program = words.first().cloned().unwrap_or_default();
    let fault = |fault| KeyError::Command { program: program.clone(), fault };
    let until = Instant::now() + within;
    let mut command = Command::new(&program);
    // A group of its own: what it starts ends with it.
    command.args(words.iter().skip(1)).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    for variable in without {
        command.env_remove(variable);
    }
    let mut child = command.spawn().map_err(|error| fault(CommandFault::Start(error.kind())))?;
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let (done, read) = sync_channel(1);
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            // Room for all that is read, so that no copy of it is left behind when it grows.
            let mut bytes = Zeroizing::new(Vec::with_capacity(MOST as usize + 1));
            let ended = stdout.take(MOST + 1).read_to_end(&mut bytes);
            // Nobody waits any longer only when it took too long.
            let _ = done.send(ended.map(|_| bytes));
        });
    }
    let bytes = match read.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(Ok(bytes)) if bytes.len() as u64 <= MOST => Ok(bytes),
        Err(RecvTimeoutError::Timeout) => Err(fault(CommandFault::TooSlow(within))),
        Ok(_) | Err(RecvTimeoutError::Disconnected) => Err(fault(CommandFault::Output { most: MOST })),
    };
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if bytes.is_ok() && Instant::now() < until => std::thread::sleep(LOOK_EVERY),
            Ok(None) | Err(_) => break None,
        }
    };
    let Some(status) = ended else {
        // It may have ended just now; then there is nobody to end.
        let _ = group.map(|group| killpg(group, Signal::SIGKILL));
        let _ = child.wait();
        return Err(bytes.err().unwrap_or_else(|| fault(CommandFault::TooSlow(within))));
    };
    // One that was cut off because it printed too much has not failed by itself.
    let bytes = bytes?;
    if !status.success() {
        return Err(fault(CommandFault::Status(status)));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| fault(CommandFault::Output { most: MOST }))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str], within: Duration) -> Result<Zeroizing<String>, KeyError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        output(&words, within, &["DAVY_KEYS_TEXT".to_owned()])
    }

    #[test]
    fn what_a_command_prints_comes_whole_and_without_a_shell() {
        let text = run(&["/bin/echo", "a;b", "$HOME"], Duration::from_secs(20)).unwrap();
        assert_eq!(text.as_str(), "a;b $HOME\n");
    }

    #[test]
    fn a_command_that_fails_or_is_not_there_is_named_and_what_it_printed_is_not() {
        let error = run(&["/bin/sh", "-c", "echo very-secret; echo also-secret >&2; exit 3"], Duration::from_secs(20));
        let text = error.unwrap_err().to_string();
        assert!(text.contains("`/bin/sh` ended with exit status: 3") && !text.contains("secret"), "{text}");
        let text = run(&["/no/such/program"], Duration::from_secs(20)).unwrap_err().to_string();
        assert!(text.contains("`/no/such/program` cannot be started"), "{text}");
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("child");
        let script = format!("sleep 600 & echo $! > {}; wait", mark.display());
        let text = run(&["/bin/sh", "-c", &script], Duration::from_secs(1)).unwrap_err().to_string();
        assert!(text.contains("took longer than 1000 ms and was ended"), "{text}");
        let child = std::fs::read_to_string(mark).unwrap();
        // Ended, or waiting to be reaped by whoever adopts it: no longer asleep.
        let gone = |()| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        assert!((0..400).any(|_| gone(()) || {
            std::thread::sleep(LOOK_EVERY);
            false
        }));
    }

    #[test]
    fn a_command_that_prints_without_end_is_refused() {
        let error = run(&["/usr/bin/yes"], Duration::from_secs(20)).unwrap_err();
        assert!(matches!(error, KeyError::Command { fault: CommandFault::Output { .. }, .. }), "{error}");
    }
}
