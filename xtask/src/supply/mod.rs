//! What the product is made of: a bill of materials for machines, and the licences for people.
//!
//! Both are read from the lock files and from the sources that cargo has; nothing is written down twice.

mod licences;
mod packages;
mod sbom;

use crate::workspace::Workspace;
use anyhow::{Context, Result};
pub(crate) use packages::Package;
use std::path::PathBuf;

/// Writes `target/sbom/davy.cdx.json` (CycloneDX 1.6): everything in `davy`, `davyctl` and the browser's files.
pub(crate) fn sbom(workspace: &Workspace) -> Result<PathBuf> {
    let shipped = packages::shipped(workspace)?;
    let folder = workspace.target.join("sbom");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("davy.cdx.json");
    let text = serde_json::to_string_pretty(&sbom::bill(&shipped)).context("the bill of materials is no JSON")?;
    std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Writes the page with the licences of everything that is shipped, and says in which folder it is.
pub(crate) fn licences(workspace: &Workspace) -> Result<PathBuf> {
    let shipped = packages::shipped(workspace)?;
    let folder = workspace.target.join("xtask").join("licences");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("licences.html");
    std::fs::write(&path, licences::page(&shipped)?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(folder)
}
