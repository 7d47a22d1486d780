//! Which machine the figures come from: a figure without its machine means nothing.

use crate::process;
use crate::workspace::Workspace;
use anyhow::Result;
use serde_json::{Value, json};
use std::process::Command;

/// What is known of this machine.
pub(super) fn facts(workspace: &Workspace) -> Result<Value> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']));
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).map(str::trim);
    let system = read("/etc/os-release");
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).map(|name| name.trim_matches('"').to_owned());
    Ok(json!({
        "cpu": cpu,
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "memory": memory,
        "system": system,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_before": read("/proc/loadavg").trim(),
        "compiler": process::output(Command::new("rustc").arg("--version").current_dir(&workspace.root))?.trim(),
    }))
}
