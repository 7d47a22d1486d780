//! Components for the tests: the example rule as it is built for users, and hostile ones made of hand-written core modules.

use davy_domain::policy::PolicyEvent;
use davy_domain::{DeviceKind, Quantity, Reading, Timestamp};
use davy_rules::{AlarmRule, Engine, EngineConfig, package};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of an example rule.
pub(crate) fn example_folder(name: &str) -> PathBuf {
    root().join("example-rules").join(name)
}

/// An example rule, built as `davyctl rule build` does.
pub(crate) fn example(name: &str) -> Vec<u8> {
    // A folder of its own: the one of the running tests may be locked by whoever started them.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rules");
    package::build_crate(&example_folder(name), Some(&target)).unwrap().component
}

/// The first of the example rules.
pub(crate) fn household_leak() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| example("household-leak"))
}

pub(crate) fn engine() -> Engine {
    Engine::new(&EngineConfig { pool_size: 8, ..EngineConfig::default() }).unwrap()
}

/// The example rule, loaded.
pub(crate) fn good_rule(engine: &Engine) -> AlarmRule {
    engine.load(&engine.admit(household_leak()).unwrap())
}

/// New readings of a detector, all at one time.
pub(crate) fn readings(now_ms: i64, values: &[(Quantity, f64)]) -> PolicyEvent {
    let now = Timestamp::from_millis(now_ms);
    let readings = values.iter().map(|(quantity, value)| Reading::new(*quantity, *value, now).unwrap());
    PolicyEvent::measured(DeviceKind::Detector, now, readings.collect())
}

/// A component of the contract over a hand-written core module.
///
/// `items` stands among the module's fields, `evaluate` is the body of the function of that name: it finds the address of its
/// arguments in `$arguments` and leaves the address of its result. The memory's first page holds the description; results are
/// written from 4096 on.
pub(crate) fn hostile(items: &str, evaluate: &str) -> Vec<u8> {
    hostile_with("0.1.0", SCHEMA, "", items, evaluate)
}

pub(crate) const SCHEMA: &str = r#"{"type":"object","properties":{}}"#;

/// As [`hostile`], with the version of the contract, the settings schema and the body of `describe` to choose.
pub(crate) fn hostile_with(version: &str, schema: &str, describe: &str, items: &str, evaluate: &str) -> Vec<u8> {
    let mut schema_text = String::new();
    for byte in schema.bytes() {
        write!(schema_text, "\\{byte:02x}").unwrap();
    }
    let wat = format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            ;; Arguments are laid into the second page, one after the other.
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            {items}
            (func $describe (export "davy:rules/alarm@{version}#describe") (result i32)
                {describe}
                (call $field (i32.const 0) (i32.const 512) (i32.const 7))
                (call $field (i32.const 8) (i32.const 520) (i32.const 5))
                (call $field (i32.const 16) (i32.const 512) (i32.const 0))
                (call $field (i32.const 24) (i32.const 512) (i32.const 0))
                (call $field (i32.const 32) (i32.const 1024) (i32.const {schema_len}))
                (call $field (i32.const 40) (i32.const 512) (i32.const 0))
                (i32.const 256))
            (func $field (param $at i32) (param $text i32) (param $length i32)
                (i32.store offset=256 (local.get $at) (local.get $text))
                (i32.store offset=260 (local.get $at) (local.get $length)))
            (func $evaluate (export "davy:rules/alarm@{version}#evaluate") (param $arguments i32) (result i32)
                {evaluate})
            (data (i32.const 512) "hostile\001.0.0")
            (data (i32.const 1024) "{schema_text}")
        )"#,
        schema_len = schema.len(),
    );
    let mut core = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    embed(&mut core, version, "alarm.wit", "alarm-policy");
    package::componentize(&core).unwrap()
}

/// Puts the description of a world's interfaces into a core module.
pub(crate) fn embed(core: &mut Vec<u8>, version: &str, file: &str, world: &str) {
    let mut resolve = Resolve::default();
    let texts =
        ["package.wit", "types.wit", file].map(|file| std::fs::read_to_string(root().join("wit").join(file)).unwrap());
    let text = format!("{}\n{}\n{}", texts[0], texts[1], texts[2])
        .replace("davy:rules@0.1.0", &format!("davy:rules@{version}"));
    let package = resolve.push_str("rules.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(core, &resolve, world, StringEncoding::UTF8, false).unwrap();
}

/// Code that writes an outcome: where each part of the contract's layout lies, as 32-bit stores from 4096 on.
pub(crate) struct OutcomeCode(String);

impl OutcomeCode {
    /// An empty outcome.
    pub(crate) fn new() -> Self {
        Self(String::new())
    }

    fn store(mut self, width: &str, offset: u32, value: i64) -> Self {
        writeln!(self.0, "({width} (i32.const {}) ({}.const {value}))", 4096 + offset, &width[..3]).unwrap();
        self
    }

    fn list(self, offset: u32, address: i64, length: i64) -> Self {
        self.store("i32.store", offset, address).store("i32.store", offset + 4, length)
    }

    pub(crate) fn state(self, address: i64, length: i64) -> Self {
        self.list(8, address, length)
    }

    /// Raises, written from 8192 on.
    pub(crate) fn raises(mut self, raises: &[(u16, u16, u16)]) -> Self {
        for (index, (condition, priority, text)) in raises.iter().enumerate() {
            let at = 4096 + 6 * index as u32;
            self = self.store("i32.store16", at, i64::from(*condition));
            self = self.store("i32.store16", at + 2, i64::from(*priority));
            self = self.store("i32.store16", at + 4, i64::from(*text));
        }
        self.list(16, 8192, raises.len() as i64)
    }

    /// Clears, written from 12288 on.
    pub(crate) fn clears(mut self, clears: &[u16]) -> Self {
        for (index, condition) in clears.iter().enumerate() {
            self = self.store("i32.store16", 8192 + 2 * index as u32, i64::from(*condition));
        }
        self.list(24, 12288, clears.len() as i64)
    }

    pub(crate) fn clears_of_length(self, length: i64) -> Self {
        self.list(24, 12288, length)
    }

    pub(crate) fn close(self, flag: u8, reason: u16) -> Self {
        self.store("i32.store8", 32, i64::from(flag)).store("i32.store16", 34, i64::from(reason))
    }

    /// One timer, written from 16384 on.
    pub(crate) fn timer(self, id: u32, at_ms: i64) -> Self {
        self.store("i32.store", 12288, i64::from(id)).store("i64.store", 12296, at_ms).list(36, 16384, 1)
    }

    /// One note, at an address.
    pub(crate) fn note(self, address: i64, length: i64) -> Self {
        self.list(16384, address, length).list(44, 20480, 1)
    }

    /// A wake condition with one threshold, written from 24576 on.
    pub(crate) fn wake(self, tag: u8, not_before_ms: i64, quantity: u16, value: f64) -> Self {
        self.store("i32.store8", 56, i64::from(tag))
            .store("i64.store", 64, not_before_ms)
            .store("i64.store", 20480, value.to_bits() as i64)
            .store("i32.store16", 20488, i64::from(quantity))
            .list(72, 24576, 1)
    }

    /// The function's body.
    pub(crate) fn done(self) -> String {
        self.0 + "(i32.const 4096)"
    }
}
