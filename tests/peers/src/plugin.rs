//! Extism: a plugin of WebAssembly, JSON in and out.

use crate::Side;
use crate::packs::{Decided, Pack, read, text};
use anyhow::{Context, Result, ensure};
use davy_rules::package::{BUILD_ENV, TARGET};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the plugin, with the compiler's settings that Davy's rule is built with.
pub(crate) fn build(folder: &Path, target: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--target", TARGET, "--target-dir"]).arg(target);
    let status =
        cargo.current_dir(folder).envs(BUILD_ENV.iter().copied()).status().context("cargo cannot be started")?;
    ensure!(status.success(), "the plugin does not compile");
    Ok(target.join(TARGET).join("release/two_levels_plugin.wasm"))
}

fn compiled(plugin: &Path) -> Result<CompiledPlugin> {
    CompiledPlugin::new(PluginBuilder::new(Manifest::new([Wasm::file(plugin)])).with_wasi(false))
}

/// A plugin that lasts.
pub(crate) struct Reused(Plugin);

impl Reused {
    pub(crate) fn new(plugin: &Path) -> Result<Self> {
        Ok(Self(Plugin::new_from_compiled(&compiled(plugin)?)?))
    }
}

impl Side for Reused {
    fn decide(&mut self, state: &mut Vec<u8>, pack: &Pack) -> Result<Decided> {
        read(self.0.call("evaluate", text(state, pack)?)?, state)
    }
}

/// An instance for each call of what was compiled once.
pub(crate) struct Fresh(CompiledPlugin);

impl Fresh {
    pub(crate) fn new(plugin: &Path) -> Result<Self> {
        compiled(plugin).map(Self)
    }
}

impl Side for Fresh {
    fn decide(&mut self, state: &mut Vec<u8>, pack: &Pack) -> Result<Decided> {
        let mut plugin = Plugin::new_from_compiled(&self.0)?;
        read(plugin.call("evaluate", text(state, pack)?)?, state)
    }
}
