//! What a component takes from outside (nothing) and what it offers (one world of a known version).

use super::{Refusal, Stage};
use crate::world::WorldKind;
use davy_domain::refusal::{Advice, Place, Reason};
use std::panic::catch_unwind;
use wit_component::DecodedWasm;
use wit_parser::{Resolve, TypeDefKind, WorldId, WorldItem, WorldKey};

/// Imports that a refusal lists: more than any rule's author has written, fewer than make a text of megabytes.
const MAX_LISTED: usize = 500;

pub(super) const REBUILD: (Advice, &str) =
    (Advice::Rebuild, "Rebuild the rule against this platform's SDK with `davyctl rule build`");

pub(super) fn check(bytes: &[u8]) -> Result<WorldKind, Refusal> {
    let unreadable = |detail: &str| {
        let reason = format!("its interfaces cannot be read: {detail}");
        Refusal::new(Stage::World, (Reason::Unreadable, reason), REBUILD).with("detail", detail)
    };
    // The decoder's input is untrusted, and a panic in it must be a refusal like any other.
    let decoded = catch_unwind(|| wit_component::decode(bytes))
        .map_err(|_| unreadable("the decoder gave up on them"))?
        .map_err(|error| unreadable(&format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        let reason = "expected a component, got a package of interface definitions";
        return Err(Refusal::new(Stage::World, (Reason::Definitions, reason), REBUILD));
    };
    let offenders = imports(&resolve, world);
    let offers = exports(&resolve, world);
    if offenders.is_empty() {
        return offers;
    }
    // Everything that is wrong with its interfaces at once: whoever mends one should not find the next one tomorrow.
    let mut refusal = refuse_imports(&offenders);
    if let Err(exports) = offers {
        refusal.reason = format!("{}; and {}", refusal.reason, exports.reason);
        refusal.also = Some(exports.code);
        refusal.params.extend(exports.params);
    }
    Err(refusal)
}

/// Every function, resource or value that the component wants from outside, by its full name.
fn imports(resolve: &Resolve, world: WorldId) -> Vec<String> {
    let mut offenders = Vec::new();
    for (key, item) in &resolve.worlds[world].imports {
        let name = resolve.name_world_key(key);
        match item {
            WorldItem::Interface { id, .. } => {
                let interface = &resolve.interfaces[*id];
                offenders.extend(interface.functions.keys().map(|function| format!("{name}#{function}")));
                let resources =
                    interface.types.iter().filter(|(_, id)| matches!(resolve.types[**id].kind, TypeDefKind::Resource));
                offenders.extend(resources.map(|(resource, _)| format!("{name}#{resource}")));
            }
            // Types alone bring nothing in.
            WorldItem::Type { .. } => {}
            WorldItem::Function(_) => offenders.push(name),
        }
    }
    offenders
}

pub(super) fn refuse_imports(offenders: &[String]) -> Refusal {
    let wasi = offenders.iter().any(|name| name.starts_with("wasi:"));
    let remedy = if wasi {
        (
            Advice::NoWasi,
            "A rule has no clock, randomness, files, network or output. Build for wasm32-unknown-unknown (not wasip1 or wasip2), as `davyctl rule build` does, and remove what uses them",
        )
    } else {
        (Advice::NoImports, "A rule may use nothing but the arguments of `evaluate`: remove what uses these imports")
    };
    let listed = offenders.len().min(MAX_LISTED);
    let more = if listed == offenders.len() { "" } else { ", …" };
    let names = format!("{}{more}", offenders[..listed].join(", "));
    let reason = format!("expected no imports, got {}: {names}", offenders.len());
    Refusal::new(Stage::World, (Reason::Imports, reason), remedy)
        .with("count", offenders.len())
        .with("names", names)
        .at(Place::Imports, "its imports")
}

/// Its functions are there, with other types than the contract's.
pub(super) fn other_exports(kind: WorldKind, error: &wasmtime::Error) -> Refusal {
    let detail = format!("{error:#}");
    let reason = format!("its exports are not those of {kind}: {detail}");
    Refusal::new(Stage::World, (Reason::OtherExports, reason), REBUILD).with("expected", kind).with("detail", detail)
}

/// Which world's interface it exports, that and nothing else, with all of its functions.
fn exports(resolve: &Resolve, world: WorldId) -> Result<WorldKind, Refusal> {
    let exports = &resolve.worlds[world].exports;
    let names: Vec<String> = exports.keys().map(|key: &WorldKey| resolve.name_world_key(key)).collect();
    let refuse = |code, reason: String, expected: &str| {
        let refusal = Refusal::new(Stage::World, (code, reason), REBUILD);
        refusal.at(Place::Exports, "its exports").with("expected", expected)
    };
    let is_of = |kind: &&WorldKind| names.iter().any(|name| name == kind.interface());
    let Some(kind) = WorldKind::ALL.iter().find(is_of).copied() else {
        let (expected, offered) = (expected(&names), shown(&names));
        let reason = format!("expected it to export {expected}, got {offered}");
        return Err(refuse(Reason::NoKnownExport, reason, &expected).with("offered", offered));
    };
    let others: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != kind.interface()).collect();
    if !others.is_empty() {
        let (expected, offered) = (kind.interface(), others.join(", "));
        let reason = format!("expected {expected} alone, got also {offered}");
        return Err(refuse(Reason::MoreExports, reason, expected).with("offered", offered));
    }
    let found = exports.values().find_map(|item| match item {
        WorldItem::Interface { id, .. } => Some(&resolve.interfaces[*id].functions),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    });
    let lacks = |function: &&str| found.is_none_or(|functions| !functions.contains_key(*function));
    let missing: Vec<&str> = kind.functions().iter().copied().filter(lacks).collect();
    if missing.is_empty() {
        return Ok(kind);
    }
    let missing: Vec<_> = missing.iter().map(|function| format!("{}#{function}", kind.interface())).collect();
    let (expected, lacking, missing) = (kind.interface(), missing.len(), missing.join(", "));
    let reason = format!("expected every function of {expected}, missing {lacking}: {missing}");
    Err(refuse(Reason::FunctionsMissing, reason, expected).with("lacking", lacking).with("missing", missing))
}

/// The interfaces that it should have exported one of: the one that it exports in another version, or all.
fn expected(names: &[String]) -> String {
    let base = |name: &str| name.split('@').next().unwrap_or_default().to_owned();
    let meant = WorldKind::ALL.iter().find(|kind| names.iter().any(|name| base(name) == base(kind.interface())));
    if let Some(kind) = meant {
        return kind.interface().to_owned();
    }
    let all: Vec<_> = WorldKind::ALL.iter().map(|kind| kind.interface()).collect();
    format!("one of {}", all.join(", "))
}

/// What it exports instead, with a word about another version.
fn shown(names: &[String]) -> String {
    let other_version = names.iter().find_map(|name| {
        let (base, version) = name.split_once('@')?;
        let known = WorldKind::ALL.iter().any(|kind| kind.interface().split('@').next() == Some(base));
        known.then(|| format!("version {version} of it"))
    });
    match other_version {
        Some(version) => version,
        None if names.is_empty() => "no export at all".into(),
        None => names.join(", "),
    }
}
