//! Components that want something from outside, or offer something else than one world.

use super::module::{Rule, wat};
use super::{Hostile, refused};
use davy_rules::Stage::{Structure, World};

pub(super) fn all() -> Vec<Hostile> {
    let imports = |count: u32| {
        let each = (0..count).map(|index| format!("(import \"want-{index}\" (func))")).collect::<Vec<_>>().join(" ");
        wat(&format!("(component {each})"))
    };
    let half = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $part (export "describe" (func $f)))
        (export "davy:rules/alarm@0.1.0" (instance $part)))"#;
    let other_types = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $part (export "describe" (func $f)) (export "evaluate" (func $f)))
        (export "davy:rules/alarm@0.1.0" (instance $part)))"#;
    let two = r#"(component (instance $i)
        (export "davy:rules/alarm@0.1.0" (instance $i)) (export "davy:rules/billing@0.1.0" (instance $i)))"#;
    let clock = r#"(component
        (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64))))))"#;
    let random = r#"(component
        (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64))))))"#;
    let resource = r#"(component (import "files" (instance (export "file" (type (sub resource))))))"#;
    vec![
        refused("ten-thousand-imports", imports(10_001), Structure, "imports, exports, types and aliases"),
        refused("thousands-of-imports", imports(4_000), World, "got 4000: want-0, want-1,"),
        refused("wants-a-clock", wat(clock), World, "wasi:clocks/wall-clock@0.2.0#now"),
        refused("wants-randomness", wat(random), World, "get-random-u64"),
        refused("wants-a-resource", wat(resource), World, "files#file"),
        refused("offers-nothing", wat("(component)"), World, "no export at all"),
        refused("another-version", Rule { contract: "0.9.0", ..Rule::default() }.component(), World, "version 0.9.0"),
        refused("two-worlds", wat(two), World, "alone, got also"),
        refused("half-an-interface", wat(half), World, "missing 1: davy:rules/alarm@0.1.0#evaluate"),
        refused("other-types", wat(other_types), World, "not those of davy:rules/alarm-policy@0.1.0"),
    ]
}
