//! Where things are: the root, the target folder, what was built.

use crate::process;
use anyhow::{Context, Result, ensure};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The checkout that this command was started in.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

/// Which profile the programs are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build: for the tests.
    Dev,
    /// Quick to run: for the demo and the bench.
    Release,
}

impl Profile {
    /// The folder below the target folder.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    /// The value of cargo's `--profile`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

impl Workspace {
    /// Finds it. `CARGO_MANIFEST_DIR` is read at run time: with a target folder shared by several checkouts, the path that was
    /// compiled in may be another one's.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .context("CARGO_MANIFEST_DIR is not set: start this as `cargo xtask …`")?;
        let root = Path::new(&manifest).parent().context("xtask's folder has no parent")?.to_owned();
        let metadata = process::output(
            cargo().args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(&root),
        )?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
        Ok(Self { target: PathBuf::from(target), root })
    }

    /// A `cargo` command in the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    /// Where the programs of a profile are.
    pub(crate) fn programs(&self, profile: Profile) -> PathBuf {
        self.target.join(profile.folder())
    }

    /// Where a run's logs go.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.target.join("xtask").join("logs").join(format!("{name}.log"))
    }

    /// Where the packaged rule components go.
    pub(crate) fn rules(&self) -> PathBuf {
        self.target.join("rules")
    }

    /// Waits until no other `cargo xtask` with this target folder does `what`; none begins until the guard is dropped. The system
    /// lets go of it when this program ends, however it ends.
    pub(crate) fn alone(&self, what: &str) -> Result<File> {
        let path = self.target.join("xtask").join(format!("{what}.lock"));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut waiting = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !waiting {
                println!("{what}: another `cargo xtask` is at it (it holds {}): waiting for it to end", path.display());
                waiting = true;
            }
            ensure!(!process::interrupted(), "interrupted while another `cargo xtask` held {}", path.display());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where the browser's files go.
    pub(crate) fn site(&self) -> PathBuf {
        self.target.join("site")
    }
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo told this program about itself must not reach the builds that it starts: they would be built again for nothing.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn two_that_would_fill_one_folder_do_it_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace { root: folder.path().to_owned(), target: folder.path().join("target") };
        let first = workspace.alone("site").unwrap();
        let other = workspace.alone("rules").unwrap();
        let (tell, told) = mpsc::channel();
        let second = std::thread::spawn(move || {
            let guard = workspace.alone("site").unwrap();
            tell.send(()).unwrap();
            drop(guard);
        });
        assert!(told.recv_timeout(Duration::from_millis(500)).is_err(), "the second one did not wait for the first");
        drop(first);
        told.recv_timeout(Duration::from_secs(20)).expect("the second one goes on when the first has ended");
        second.join().unwrap();
        drop(other);
    }
}
