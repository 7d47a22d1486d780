//! A component of the contract over a hand-written core module, with every part to choose.

#![allow(clippy::expect_used, reason = "the corpus is code of ours: what cannot be made is a defect of a test")]

use crate::programs;
use davy_rules::package;
use std::fmt::Write as _;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// After every time that an examination uses, before every time at which a rule is at work: 2026-01-01T00:00:01Z, in ms.
pub use crate::hostile::AT_WORK_MS;

/// The parts of an alarm policy. The first page holds its description, the second one the arguments of a call; an answer is
/// written from 4096 on, its lists from 8192 on.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Version of the contract.
    pub contract: &'static str,
    /// What `describe` says its name is; as it stands in a string of WebAssembly text.
    pub name: String,
    /// What it says its version is; the same.
    pub version: String,
    /// What it says its settings are.
    pub schema: String,
    /// Code at the beginning of `describe`.
    pub describe: String,
    /// More fields of the module.
    pub items: String,
    /// The body of `evaluate`, which finds the address of its arguments in `$arguments`; without a value at its end it decides nothing.
    pub evaluate: String,
    /// Code at the beginning of `cabi_realloc`.
    pub realloc: String,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            contract: "0.1.0",
            name: "hostile".into(),
            version: "1.0.0".into(),
            schema: r#"{"type":"object","properties":{}}"#.into(),
            describe: String::new(),
            items: String::new(),
            evaluate: String::new(),
            realloc: String::new(),
        }
    }
}

impl Rule {
    /// One with this body of `evaluate`.
    pub fn evaluating(evaluate: impl Into<String>) -> Self {
        Self { evaluate: evaluate.into(), ..Self::default() }
    }

    /// One that does this once it is at work, and nothing before.
    pub fn at_work(harm: &str) -> Self {
        Self::evaluating(format!(
            "(if (i64.gt_s (i64.load offset=16 (local.get $arguments)) (i64.const {AT_WORK_MS})) (then {harm}))"
        ))
    }

    /// The same with more fields of the module.
    #[must_use]
    pub fn with(mut self, items: impl Into<String>) -> Self {
        self.items = items.into();
        self
    }

    /// The component.
    pub fn component(&self) -> Vec<u8> {
        let mut core = wat(&self.text());
        embed(&mut core, self.contract);
        package::componentize(&core).expect("the core module becomes a component")
    }

    fn text(&self) -> String {
        let mut schema = String::new();
        for byte in self.schema.bytes() {
            write!(schema, "\\{byte:02x}").expect("text grows");
        }
        let Self { contract, name, version, describe, items, evaluate, realloc, .. } = self;
        let (name_len, version_len) = (length(name), length(version));
        let schema_len = self.schema.len();
        let pages = 4 + schema_len / 65_536;
        format!(
            r#"(module
            (memory (export "memory") {pages})
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                {realloc}
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            {items}
            (func $text (param $at i32) (param $text i32) (param $length i32)
                (i32.store offset=256 (local.get $at) (local.get $text))
                (i32.store offset=260 (local.get $at) (local.get $length)))
            (func $describe (export "davy:rules/alarm@{contract}#describe") (result i32)
                {describe}
                (call $text (i32.const 0) (i32.const 512) (i32.const {name_len}))
                (call $text (i32.const 8) (i32.const 1024) (i32.const {version_len}))
                (call $text (i32.const 16) (i32.const 512) (i32.const 0))
                (call $text (i32.const 24) (i32.const 512) (i32.const 0))
                (call $text (i32.const 32) (i32.const 131072) (i32.const {schema_len}))
                (call $text (i32.const 40) (i32.const 512) (i32.const 0))
                (i32.const 256))
            (func $evaluate (export "davy:rules/alarm@{contract}#evaluate") (param $arguments i32) (result i32)
                {evaluate}
                (i32.const 4096))
            (data (i32.const 512) "{name}")
            (data (i32.const 1024) "{version}")
            (data (i32.const 131072) "{schema}")
        )"#
        )
    }
}

/// The bytes that a string of WebAssembly text stands for: an escape is one.
fn length(text: &str) -> usize {
    text.len() - 2 * text.matches('\\').count()
}

/// A module or component from its text.
pub(super) fn wat(text: &str) -> Vec<u8> {
    match wat::parse_str(text) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("{error}\n{}", text.chars().take(4_000).collect::<String>()),
    }
}

fn embed(core: &mut Vec<u8>, contract: &str) {
    let mut text = String::new();
    for file in ["package.wit", "types.wit", "alarm.wit"] {
        let path = programs::root().join("wit").join(file);
        text += &std::fs::read_to_string(path).expect("the contract is there");
        text.push('\n');
    }
    let text = text.replace("davy:rules@0.1.0", &format!("davy:rules@{contract}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("rules.wit", &text).expect("the contract is readable");
    let world = resolve.select_world(&[package], Some("alarm-policy")).expect("the world is there");
    embed_component_metadata(core, &resolve, world, StringEncoding::UTF8, false).expect("the core module takes it");
}

/// Code that writes a value into the answer, at an offset of the contract's layout.
pub(super) fn put(width: &str, offset: u32, value: i64) -> String {
    format!("({width} (i32.const {}) ({}.const {value}))", 4096 + offset, &width[..3])
}

/// Code that writes a list into the answer: where it lies, and how many items it has.
pub(super) fn list(offset: u32, address: i64, length: i64) -> String {
    put("i32.store", offset, address) + &put("i32.store", offset + 4, length)
}

/// Offsets of the answer's parts.
pub(super) mod at {
    pub(in crate::corpus) const STATE: u32 = 8;
    pub(in crate::corpus) const RAISES: u32 = 16;
    pub(in crate::corpus) const CLEARS: u32 = 24;
    pub(in crate::corpus) const CLOSE: u32 = 32;
    pub(in crate::corpus) const TIMERS: u32 = 36;
    pub(in crate::corpus) const NOTES: u32 = 44;
    pub(in crate::corpus) const WAKE: u32 = 56;
    pub(in crate::corpus) const NOT_BEFORE: u32 = 64;
    pub(in crate::corpus) const UNLESS: u32 = 72;
}

/// A rule that means no harm, in the same frame: what the others must differ from.
pub fn honest() -> Vec<u8> {
    Rule::default().component()
}
