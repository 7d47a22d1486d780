//! A throw-away Python environment with aiocoap: the CoAP and OSCORE implementation that nobody here wrote.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Pinned, so that a new release cannot break the build of an old commit.
const AIOCOAP: &str = "aiocoap[oscore,linkheader]==0.4.17";
/// What reads printed labels back: Chrome's renderer of PDF, one of SVG, and a decoder of QR codes.
const READERS: [&str; 4] = ["pypdfium2==5.15.2", "resvg_py==0.5.0", "zxing-cpp==3.1.1", "pillow==13.0.0"];

/// The environment; its folder is removed when this is dropped.
pub(crate) struct Venv {
    folder: TempDir,
}

impl Venv {
    /// Makes it and installs aiocoap from PyPI.
    pub(crate) fn with_aiocoap(workspace: &Workspace) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("davy-interop-").tempdir().context("cannot make a temporary folder")?;
        let venv = Self { folder };
        let limit = Duration::from_mins(5);
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(venv.folder.path());
        process::run(&mut create, &workspace.log("venv"), true, limit)?;
        println!("  installing {AIOCOAP} into {}", venv.folder.path().display());
        let mut pip = Command::new(venv.interpreter());
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", AIOCOAP]).args(READERS);
        process::run(&mut pip, &workspace.log("pip"), false, limit)
            .context("aiocoap comes from PyPI: is the network reachable?")?;
        Ok(venv)
    }

    /// Its Python.
    pub(crate) fn interpreter(&self) -> PathBuf {
        self.folder.path().join("bin").join("python")
    }
}
