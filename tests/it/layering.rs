//! Who may import whom, over `cargo metadata`: the layering is a property of the build, not a convention.
//!
//! Must only look at what a crate is built with; what its tests use is free.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate of ours may import of ours. A crate that is not named here is refused, so that a new one gets its place.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("davy-api", &["davy-domain"]),
    ("davy-bench", &["davy-domain", "davy-rules", "davy-rules-sdk", "davy-store", "davy-tests", "household-leak"]),
    ("davy-city", &[]),
    ("davy-cli", &["davy-api", "davy-domain", "davy-rules", "davy-rules-sdk", "davy-store"]),
    ("davy-coap", &[]),
    ("davy-domain", &[]),
    ("davy-rules", &["davy-domain", "davy-rules-sdk"]),
    ("davy-rules-sdk", &["davy-rules-sdk-macros"]),
    ("davy-rules-sdk-macros", &[]),
    ("davy-server", &["davy-api", "davy-coap", "davy-domain", "davy-rules", "davy-store", "davy-web"]),
    ("davy-sim", &["davy-coap", "davy-domain"]),
    ("davy-store", &["davy-domain"]),
    ("davy-tests", &["davy-api", "davy-city", "davy-coap", "davy-domain", "davy-rules", "davy-sim", "davy-store"]),
    ("davy-web", &["davy-api", "davy-domain"]),
    ("xtask", &["davy-city"]),
];

/// The rules themselves know only the contract.
const RULE_MAY_IMPORT: &[&str] = &["davy-rules-sdk"];

/// What the pure core must not reach, not even through somebody else: whatever does I/O, keeps time or rolls dice.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "chrono",
    "futures-executor",
    "hyper",
    "log",
    "mio",
    "rand",
    "rusqlite",
    "socket2",
    "sqlx",
    "sqlx-core",
    "time",
    "tokio",
    "tracing",
    "wasmtime",
];
// `getrandom` is missing here on purpose: the cipher crates name it, and nothing of ours calls it.
const PURE: &[&str] = &["davy-coap", "davy-domain"];

struct Package {
    name: String,
    /// Whether it is a rule of `example-rules/`.
    rule: bool,
    ours: bool,
    normal: Vec<String>,
}

/// The packages by id, with the ids of what they are built with.
fn packages(metadata: &Value) -> BTreeMap<String, Package> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let members: BTreeSet<String> = metadata["workspace_members"].as_array().into_iter().flatten().map(text).collect();
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let id = text(&package["id"]);
        let rule = text(&package["manifest_path"]).contains("/example-rules/");
        let ours = members.contains(&id);
        packages.insert(id, Package { name: text(&package["name"]), rule, ours, normal: Vec::new() });
    }
    for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
        let normal = node["deps"].as_array().into_iter().flatten().filter(|dep| {
            // An ordinary dependency has the kind `null`; `dev` and `build` are not part of what is shipped.
            dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        });
        let normal = normal.map(|dep| text(&dep["pkg"])).collect();
        if let Some(package) = packages.get_mut(&text(&node["id"])) {
            package.normal = normal;
        }
    }
    packages
}

/// Every import that the layering forbids, as a sentence.
fn violations(metadata: &Value) -> Vec<String> {
    let packages = packages(metadata);
    let mut found = Vec::new();
    for package in packages.values().filter(|package| package.ours) {
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == package.name).map(|(_, allowed)| *allowed);
        let Some(allowed) = (if package.rule { Some(RULE_MAY_IMPORT) } else { allowed }) else {
            found.push(format!("{} has no place in the layering: give it one in tests/it/layering.rs", package.name));
            continue;
        };
        for id in &package.normal {
            if let Some(import) = packages.get(id).filter(|p| p.ours && !allowed.contains(&p.name.as_str())) {
                found.push(format!("{} must not import {}", package.name, import.name));
            }
        }
        if PURE.contains(&package.name.as_str()) {
            found.extend(impure_ways(package, &packages));
        }
    }
    found
}

/// How a pure crate reaches something impure, the shortest way for each.
fn impure_ways(start: &Package, packages: &BTreeMap<String, Package>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut frontier: Vec<(&Package, String)> = vec![(start, start.name.clone())];
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (package, way) in frontier {
            for id in &package.normal {
                let Some(import) = packages.get(id) else { continue };
                if !seen.insert(id.as_str()) {
                    continue;
                }
                let way = format!("{way} → {}", import.name);
                if IMPURE.contains(&import.name.as_str()) {
                    found.push(format!("{} must stay pure: {way}", start.name));
                } else {
                    next.push((import, way));
                }
            }
        }
        frontier = next;
    }
    found
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn every_crate_imports_only_what_its_layer_may() {
    let found = violations(&metadata());
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}

/// A package: `(name, folder, ours, [(import, kind)])`.
type Sketch<'a> = (&'a str, &'a str, bool, &'a [(&'a str, Option<&'a str>)]);

/// A small workspace in cargo's words.
fn workspace(packages: &[Sketch<'_>]) -> Value {
    let list: Vec<Value> = packages
        .iter()
        .map(|(name, folder, ..)| {
            serde_json::json!({"id": name, "name": name, "manifest_path": format!("/w/{folder}/Cargo.toml")})
        })
        .collect();
    let nodes: Vec<Value> = packages
        .iter()
        .map(|(name, _, _, imports)| {
            let deps: Vec<Value> = imports
                .iter()
                .map(|(import, kind)| serde_json::json!({"pkg": import, "dep_kinds": [{"kind": kind, "target": null}]}))
                .collect();
            serde_json::json!({"id": name, "deps": deps})
        })
        .collect();
    let members: Vec<&str> = packages.iter().filter(|(_, _, ours, _)| *ours).map(|(name, ..)| *name).collect();
    serde_json::json!({"workspace_members": members, "packages": list, "resolve": {"nodes": nodes}})
}

#[test]
fn a_domain_that_reaches_tokio_through_another_crate_is_refused_with_the_way() {
    let bad = workspace(&[
        ("davy-domain", "host/domain", true, &[("handy", None)]),
        ("handy", "registry/handy", false, &[("tokio", None)]),
        ("tokio", "registry/tokio", false, &[]),
    ]);
    assert_eq!(violations(&bad), ["davy-domain must stay pure: davy-domain → handy → tokio"]);
}

#[test]
fn an_import_up_the_layers_is_refused() {
    let bad = workspace(&[
        ("davy-store", "host/store", true, &[("davy-server", None), ("davy-domain", None)]),
        ("davy-server", "host/server", true, &[]),
        ("davy-domain", "host/domain", true, &[]),
    ]);
    assert_eq!(violations(&bad), ["davy-store must not import davy-server"]);
}

#[test]
fn a_rule_that_imports_the_host_is_refused() {
    let bad = workspace(&[
        ("my-rule", "example-rules/my-rule", true, &[("davy-domain", None)]),
        ("davy-domain", "host/domain", true, &[]),
    ]);
    assert_eq!(violations(&bad), ["my-rule must not import davy-domain"]);
}

#[test]
fn a_crate_without_a_place_is_refused() {
    let bad = workspace(&[("davy-extra", "host/extra", true, &[])]);
    assert_eq!(violations(&bad).len(), 1);
    assert!(violations(&bad)[0].starts_with("davy-extra has no place in the layering"));
}

#[test]
fn what_only_tests_use_is_free() {
    let good = workspace(&[
        ("davy-coap", "host/coap", true, &[("tokio", Some("dev")), ("davy-sim", Some("dev"))]),
        ("tokio", "registry/tokio", false, &[]),
        ("davy-sim", "host/sim", true, &[]),
    ]);
    assert_eq!(violations(&good), [""; 0]);
}
