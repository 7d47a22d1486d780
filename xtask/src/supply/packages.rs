//! The packages that are shipped: what the programs and the browser's part depend on, and the scripts that are vendored.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Where the programs run.
const SERVER: &str = "x86_64-unknown-linux-gnu";
/// Where the browser's part runs.
const BROWSER: &str = "wasm32-unknown-unknown";
/// The programs that are shipped.
const PROGRAMS: [&str; 3] = ["davy-server", "davy-cli", "davy-sim"];

/// A package that is shipped, or that runs while what is shipped is built.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its package URL, such as `pkg:cargo/serde@1.0.0`.
    pub(crate) url: String,
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) licence: String,
    /// Where its sources are kept.
    pub(crate) repository: Option<String>,
    /// SHA-256 of what the registry gave, in hexadecimal; none for ours and for what is vendored.
    pub(crate) checksum: Option<String>,
    /// Whether it only runs at build time, as macros do.
    pub(crate) at_build: bool,
    /// Whether it is ours.
    pub(crate) own: bool,
    /// Where its licence's text lies.
    pub(crate) folder: PathBuf,
    /// What it depends on, as package URLs.
    pub(crate) depends: BTreeSet<String>,
}

/// Everything that is shipped, by package URL.
pub(crate) fn shipped(workspace: &Workspace) -> Result<BTreeMap<String, Package>> {
    let mut all = BTreeMap::new();
    let browser = workspace.root.join("web").join("client");
    collect(workspace, &workspace.root, SERVER, &PROGRAMS, &mut all)?;
    collect(workspace, &browser, BROWSER, &["davy-web-client"], &mut all)?;
    for (name, version, licence) in [("maplibre-gl", "6.17.0", "BSD-3-Clause"), ("uplot", "1.6.32", "MIT")] {
        let folder = workspace.root.join("web/assets/vendor").join(name.split('-').next().unwrap_or(name));
        let url = format!("pkg:npm/{name}@{version}");
        let package = Package {
            url: url.clone(),
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.to_owned(),
            repository: None,
            checksum: None,
            at_build: false,
            own: false,
            folder,
            depends: BTreeSet::new(),
        };
        all.insert(url, package);
    }
    Ok(all)
}

fn collect(
    workspace: &Workspace,
    folder: &Path,
    platform: &str,
    roots: &[&str],
    all: &mut BTreeMap<String, Package>,
) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.current_dir(folder).args(["metadata", "--format-version", "1", "--locked", "--filter-platform", platform]);
    let metadata: Value = serde_json::from_str(&process::output(&mut cargo)?).context("cargo metadata is not JSON")?;
    let checksums = checksums(&std::fs::read_to_string(folder.join("Cargo.lock")).context("no Cargo.lock")?);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: HashMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: HashMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), node)).collect();
    let mut waiting: Vec<(String, bool)> = packages
        .values()
        .filter(|package| roots.contains(&text(&package["name"]).as_str()))
        .map(|package| (text(&package["id"]), false))
        .collect();
    if waiting.len() != roots.len() {
        bail!("expected the packages {roots:?} in {}, found {} of them", folder.display(), waiting.len());
    }
    while let Some((id, at_build)) = waiting.pop() {
        let Some(package) = packages.get(&id) else { bail!("cargo metadata has no package {id}") };
        let is_macro = list(&package["targets"])
            .iter()
            .any(|target| list(&target["kind"]).iter().any(|kind| kind == "proc-macro"));
        let at_build = at_build || is_macro;
        let url = url_of(package);
        let known = all.get(&url).is_some_and(|known| at_build || !known.at_build);
        let next: Vec<String> = list(&nodes.get(&id).map(|node| node["deps"].clone()).unwrap_or_default())
            .iter()
            .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()))
            .map(|dep| text(&dep["pkg"]))
            .collect();
        let depends: BTreeSet<String> = next.iter().filter_map(|id| packages.get(id)).map(url_of).collect();
        if known {
            // The browser's part may need more of it than the server does.
            if let Some(known) = all.get_mut(&url) {
                known.depends.extend(depends);
            }
        } else {
            all.insert(url, described(package, at_build, depends, &checksums)?);
            waiting.extend(next.into_iter().map(|id| (id, at_build)));
        }
    }
    Ok(())
}

fn described(
    package: &Value,
    at_build: bool,
    depends: BTreeSet<String>,
    checksums: &HashMap<(String, String), String>,
) -> Result<Package> {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    let folder = manifest.parent().with_context(|| format!("{name} has no folder"))?.to_owned();
    let licence = package["license"].as_str().with_context(|| format!("{name} {version} names no licence"))?;
    Ok(Package {
        url: url_of(package),
        // An old way to write OR.
        licence: licence.replace('/', " OR ").replace("  OR  ", " OR "),
        repository: package["repository"].as_str().map(str::to_owned),
        checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
        at_build,
        own: package["source"].is_null(),
        folder,
        depends,
        name,
        version,
    })
}

fn url_of(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Name and version to checksum, of a Cargo.lock.
fn checksums(lock: &str) -> HashMap<(String, String), String> {
    lock.split("[[package]]")
        .filter_map(|entry| {
            let field = |name: &str| {
                let line = entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
                Some(line.trim_matches('"').to_owned())
            };
            Some(((field("name")?, field("version")?), field("checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry\"\nchecksum = \"ab\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let found = checksums(lock);
        assert_eq!(found.get(&("a".to_owned(), "1.0.0".to_owned())).map(String::as_str), Some("ab"));
        assert_eq!(found.len(), 1);
    }
}
