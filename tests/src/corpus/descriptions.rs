//! Components that do harm when they are asked what they are, or say what they must not.

use super::module::Rule;
use super::{Hostile, refused};
use davy_rules::Stage::{Describe, Schema};

const LOOPS: &str = "(loop $again (br $again))";
const HOGS: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";

pub(super) fn all() -> Vec<Hostile> {
    let items = |items: &str| Rule::default().with(items).component();
    let describing = |code: &str| Rule { describe: code.into(), ..Rule::default() }.component();
    let saying = |at: u32, address: &str, length: &str| {
        let items = format!(
            "(func $lie (i32.store offset=256 (i32.const {at}) (i32.const {address}))
                (i32.store offset=260 (i32.const {at}) (i32.const {length})))"
        );
        // The frame's own writes come first: the lie is told by a second answer.
        let describe = "(call $text (i32.const 0) (i32.const 512) (i32.const 7))
            (call $text (i32.const 8) (i32.const 1024) (i32.const 5))
            (call $text (i32.const 32) (i32.const 131072) (i32.const 33)) (call $lie) (return (i32.const 256))";
        Rule { describe: describe.into(), ..Rule::default().with(items) }.component()
    };
    let named = |name: &str| Rule { name: name.into(), ..Rule::default() }.component();
    let versioned = |version: &str| Rule { version: version.into(), ..Rule::default() }.component();
    let schema = |schema: String| Rule { schema, ..Rule::default() }.component();
    let deep = r#"{"type":"object","properties":{"x":"#.repeat(200) + r#"{"type":"boolean"}"# + &"}}".repeat(200);
    let many: Vec<String> = (0..3_000).map(|index| format!(r#""p{index}":{{"type":"boolean"}}"#)).collect();
    let long = format!(r#"{{"type":"object","properties":{{}},"description":"{}"}}"#, "x".repeat(70_000));
    vec![
        refused("start-loops", items(&format!("(func $s {LOOPS}) (start $s)")), Describe, "fuel"),
        refused("start-traps", items("(func $s unreachable) (start $s)"), Describe, "unreachable"),
        refused("start-hogs", items(&format!("(func $s {HOGS}) (start $s)")), Describe, "memory"),
        refused("describe-loops", describing(LOOPS), Describe, "fuel"),
        refused("describe-traps", describing("unreachable"), Describe, "unreachable"),
        refused("describe-hogs", describing(HOGS), Describe, "memory"),
        refused("describe-recurses", describing("(drop (call $describe))"), Describe, "stack"),
        refused(
            "describe-fills",
            describing(
                "(drop (memory.grow (i32.const 250))) (loop $again
                (memory.fill (i32.const 0) (i32.const 1) (i32.const 16000000)) (br $again))",
            ),
            Describe,
            "the rule",
        ),
        refused("name-out-of-memory", saying(0, "0x7fff0000", "64"), Describe, "out of bounds"),
        refused("name-as-long-as-memory", saying(0, "0", "200000"), Describe, "1 to 64"),
        refused("name-that-is-no-utf-8-either", named("\\c3\\28abc"), Describe, "utf-8"),
        refused("name-with-a-path", named("../../etc"), Describe, "1 to 64 lower-case letters"),
        refused("name-with-direction-marks", named("\\e2\\80\\aelive"), Describe, "1 to 64 lower-case letters"),
        refused("empty-name", named(""), Describe, "1 to 64 lower-case letters"),
        refused("version-that-is-none", versioned("latest"), Describe, "MAJOR.MINOR.PATCH"),
        refused("version-with-markup", versioned("1.0.0-<script>"), Describe, "MAJOR.MINOR.PATCH"),
        refused("texts-without-end", saying(40, "0", "0x7fffffff"), Describe, "out of bounds"),
        refused("schema-that-is-no-json", schema("[1, 2".into()), Schema, "JSON"),
        refused("deep-schema", schema(deep), Schema, "expected"),
        refused("long-schema", schema(long), Schema, "expected"),
        refused(
            "many-settings",
            schema(format!(r#"{{"type":"object","properties":{{{}}}}}"#, many.join(","))),
            Schema,
            "expected",
        ),
        refused(
            "schema-that-refers-to-itself",
            schema(r##"{"type":"object","properties":{"x":{"$ref":"#"}}}"##.into()),
            Schema,
            "expected",
        ),
        refused(
            "schema-with-bounds-the-wrong-way",
            schema(
                r#"{"type":"object","properties":{"x":{"type":"number","minimum":5,"maximum":1,"default":3}}}"#.into(),
            ),
            Schema,
            "expected",
        ),
    ]
}
