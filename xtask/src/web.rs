//! Builds the browser's files.
//!
//! Must never be needed for a build of the server.

use crate::workspace::{Profile, Workspace};
use anyhow::{Result, bail};

/// Builds them into [`Workspace::site`].
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<()> {
    bail!("no browser build yet for {} in {}", workspace.site().display(), profile.name())
}
