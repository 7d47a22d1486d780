//! What a component takes from outside (nothing) and what it offers (an alarm policy of a known version).

use super::{Refusal, Stage};
use std::panic::catch_unwind;
use wit_component::DecodedWasm;
use wit_parser::{Resolve, TypeDefKind, WorldId, WorldItem, WorldKey};

/// The world that this host runs.
pub(super) const ALARM_WORLD: &str = "davy:rules/alarm-policy@0.1.0";
/// What a component of it exports.
const ALARM_INTERFACE: &str = "davy:rules/alarm@0.1.0";
/// The same without its version.
const ALARM_NAME: &str = "davy:rules/alarm";

pub(super) const REBUILD: &str = "Rebuild the rule against this platform's SDK with `davyctl rule build`";

pub(super) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    let refuse = |reason: String| Refusal::new(Stage::World, reason, REBUILD);
    // The decoder's input is untrusted, and a panic in it must be a refusal like any other.
    let decoded = catch_unwind(|| wit_component::decode(bytes))
        .map_err(|_| refuse("its interfaces cannot be read".into()))?
        .map_err(|error| refuse(format!("its interfaces cannot be read: {error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(refuse("expected a component, got a package of interface definitions".into()));
    };
    let offenders = imports(&resolve, world);
    if !offenders.is_empty() {
        return Err(refuse_imports(&offenders));
    }
    exports(&resolve, world)
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
        "A rule has no clock, randomness, files, network or output. Build for wasm32-unknown-unknown (not wasip1 or wasip2), as `davyctl rule build` does, and remove what uses them"
    } else {
        "A rule may use nothing but the arguments of `evaluate`: remove what uses these imports"
    };
    Refusal::new(
        Stage::World,
        format!("expected no imports, got {}: {}", offenders.len(), offenders.join(", ")),
        remedy,
    )
}

fn exports(resolve: &Resolve, world: WorldId) -> Result<(), Refusal> {
    let names: Vec<String> =
        resolve.worlds[world].exports.keys().map(|key: &WorldKey| resolve.name_world_key(key)).collect();
    let ours = names.iter().any(|name| name == ALARM_INTERFACE);
    let others: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != ALARM_INTERFACE).collect();
    if ours && others.is_empty() {
        return Ok(());
    }
    let version = others.iter().find_map(|name| name.strip_prefix(ALARM_NAME)?.strip_prefix('@'));
    let reason = match (ours, version) {
        (false, Some(version)) => format!("expected {ALARM_INTERFACE}, got version {version} of it"),
        (false, None) if names.is_empty() => format!("expected it to export {ALARM_INTERFACE}, got no export at all"),
        (false, None) => format!("expected it to export {ALARM_INTERFACE}, got {}", names.join(", ")),
        (true, _) => format!("expected {ALARM_INTERFACE} alone, got also {}", others.join(", ")),
    };
    Err(Refusal::new(Stage::World, reason, REBUILD))
}
