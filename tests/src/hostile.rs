//! Rules that mean harm and pass every check: they behave until the time shows that they are at work.
//!
//! Must never be found in a list of rules that somebody could choose from: tests and the bench make them when they need them.

use crate::programs;
use anyhow::{Context, Result};
use davy_rules::package;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Ends in a trap.
pub const TRAPS: &str = "unreachable";
/// Never ends.
pub const LOOPS: &str = "(loop $again (br $again)) unreachable";
/// Takes all the memory that it is given.
pub const HOGS: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
/// Returns a list of raises that is longer than the memory.
pub const TALKS_NONSENSE: &str = "(i32.store (i32.const 4112) (i32.const 8192)) \
    (i32.store (i32.const 4116) (i32.const 0x7fffffff)) (return (i32.const 4096))";

/// After every time that an examination uses, before every time at which a rule is at work: 2026-01-01T00:00:01Z, in ms.
pub const AT_WORK_MS: i64 = 1_767_225_601_000;

/// A component of the contract over a hand-written core module. It passes every check: with an empty state, and before
/// [`AT_WORK_MS`], it decides nothing and remembers one byte. With that byte, from its second call at work on, it runs `harm`. The first
/// page holds its description.
///
/// # Errors
/// When `harm` is no code, or the contract's files are not there.
pub fn component(harm: &str) -> Result<Vec<u8>> {
    let wat = format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func $text (param $at i32) (param $text i32) (param $length i32)
                (i32.store offset=256 (local.get $at) (local.get $text))
                (i32.store offset=260 (local.get $at) (local.get $length)))
            (func (export "davy:rules/alarm@0.1.0#describe") (result i32)
                (call $text (i32.const 0) (i32.const 512) (i32.const 7))
                (call $text (i32.const 8) (i32.const 520) (i32.const 5))
                (call $text (i32.const 16) (i32.const 512) (i32.const 0))
                (call $text (i32.const 24) (i32.const 512) (i32.const 0))
                (call $text (i32.const 32) (i32.const 1024) (i32.const 33))
                (call $text (i32.const 40) (i32.const 512) (i32.const 0))
                (i32.const 256))
            (func (export "davy:rules/alarm@0.1.0#evaluate") (param $arguments i32) (result i32)
                (if (i32.load offset=12 (local.get $arguments)) (then
                    (if (i64.gt_s (i64.load offset=16 (local.get $arguments)) (i64.const {AT_WORK_MS})) (then {harm}))))
                (i32.store (i32.const 4104) (i32.const 512))
                (i32.store (i32.const 4108) (i32.const 1))
                (i32.const 4096))
            (data (i32.const 512) "hostile\001.0.0")
            (data (i32.const 1024) "{{\"type\":\"object\",\"properties\":{{}}}}")
        )"#
    );
    componentize(&wat, "alarm.wit", "alarm-policy")
}

/// A notification policy with this name. It passes every check; asked about an alarm after [`AT_WORK_MS`] it runs `harm`.
///
/// # Errors
/// When `harm` is no code, or the contract's files are not there.
pub fn notification(name: &str, harm: &str) -> Result<Vec<u8>> {
    policy("notification", name, harm)
}

/// A billing policy with this name. It passes every check; asked about an account after [`AT_WORK_MS`] it runs `harm`.
///
/// # Errors
/// When `harm` is no code, or the contract's files are not there.
pub fn billing(name: &str, harm: &str) -> Result<Vec<u8>> {
    policy("billing", name, harm)
}

/// A policy over a hand-written core module, whose event begins with the time.
fn policy(interface: &str, name: &str, harm: &str) -> Result<Vec<u8>> {
    let length = name.len() as u32;
    // (address, value): the description's strings and lists, where the contract's layout has them.
    let words =
        [(256, 512), (260, length), (264, 576), (268, 5), (272, 512), (280, 512), (288, 1024), (292, 33), (296, 512)];
    let data = words.map(|(at, value)| {
        let [a, b, c, d] = u32::to_le_bytes(value);
        format!("(data (i32.const {at}) \"\\{a:02x}\\{b:02x}\\{c:02x}\\{d:02x}\")")
    });
    let data = data.join("\n");
    let wat = format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "davy:rules/{interface}@0.1.0#describe") (result i32) (i32.const 256))
            (func (export "davy:rules/{interface}@0.1.0#evaluate") (param $arguments i32) (result i32)
                (if (i64.gt_s (i64.load offset=16 (local.get $arguments)) (i64.const {AT_WORK_MS})) (then {harm}))
                (i32.const 4096))
            (data (i32.const 512) "{name}")
            (data (i32.const 576) "1.0.0")
            (data (i32.const 1024) "{{\22type\22:\22object\22,\22properties\22:{{}}}}")
            {data}
        )"#
    );
    componentize(&wat, &format!("{interface}.wit"), &format!("{interface}-policy"))
}

/// A driver of the contract with this name, for this model, over a hand-written core module. It passes every check: an empty message holds
/// nothing. With any other one it runs `harm`, and with every order too.
///
/// # Errors
/// When `harm` is no code, or the contract's files are not there.
pub fn driver(name: &str, model: &str, harm: &str) -> Result<Vec<u8>> {
    let (name_length, model_length) = (name.len() as u32, model.len() as u32);
    // (address, value): the description's strings and lists, where the contract's layout has them.
    let words = [
        (256, 512),
        (260, name_length),
        (264, 576),
        (268, 5),
        (272, 512),
        (280, 512),
        (288, 1024),
        (292, 33),
        (296, 512),
        (304, 512),
        (312, 512),
        (320, 600),
        (324, 1),
        (328, 1 << 4),
        (336, 1 << 1),
        (344, 640),
        (348, 1),
        (600, 608),
        (604, model_length),
        (640, 3),
        (664, 512),
        (672, 512),
    ];
    let data = words.map(|(at, value)| {
        let [a, b, c, d] = u32::to_le_bytes(value);
        format!("(data (i32.const {at}) \"\\{a:02x}\\{b:02x}\\{c:02x}\\{d:02x}\")")
    });
    let data = data.join("\n");
    let wat = format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "davy:rules/driver@0.1.0#describe") (result i32) (i32.const 256))
            (func (export "davy:rules/driver@0.1.0#decode")
                (param i32 i32 i64 i32 i32 i32) (param $length i32) (param i32 i32) (result i32)
                (if (local.get $length) (then {harm}))
                (i32.const 4096))
            (func (export "davy:rules/driver@0.1.0#encode")
                (param i32 i32 i32 i32 i32 i64 i64 i64 i32 i32) (result i32) {harm} (i32.const 4096))
            (data (i32.const 512) "{name}")
            (data (i32.const 576) "0.9.0")
            (data (i32.const 608) "{model}")
            (data (i32.const 1024) "{{\"type\":\"object\",\"properties\":{{}}}}")
            {data}
        )"#
    );
    componentize(&wat, "driver.wit", "device-driver")
}

fn componentize(wat: &str, file: &str, world: &str) -> Result<Vec<u8>> {
    let mut core = wat::parse_str(wat).context("not WebAssembly text")?;
    let mut resolve = Resolve::default();
    let mut text = String::new();
    for file in ["package.wit", "types.wit", file] {
        let path = programs::root().join("wit").join(file);
        text += &std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.push('\n');
    }
    let package = resolve.push_str("rules.wit", &text)?;
    let world = resolve.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false)?;
    package::componentize(&core).context("the core module does not become a component")
}
