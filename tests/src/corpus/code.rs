//! Code that is made to burn the compiler or the validator, and features that the engine does not have.

use super::module::{Rule, wat};
use super::{Hostile, refused};
use davy_rules::Stage::{Structure, Validation};

pub(super) fn all() -> Vec<Hostile> {
    let rule = |items: String| Rule::default().with(items).component();
    let nested = |what: &str, depth| format!("(func {} {})", format!("({what} ").repeat(depth), ")".repeat(depth));
    let branch = "(if (i32.eqz (i32.const 1)) (then (local.set 0 (local.get 1))))";
    let straight = "(drop (i32.const 1))";
    let mut all = vec![
        refused("nested-blocks", rule(nested("block", 5_000)), Structure, "nested blocks"),
        refused("nested-loops", rule(nested("loop", 30)), Structure, "nested loops"),
        refused("many-locals", rule(format!("(func (local {}))", "i64 ".repeat(5_000))), Structure, "locals"),
        refused(
            "locals-and-branches",
            rule(format!("(func (local {}) {})", "i64 ".repeat(900), branch.repeat(4_000))),
            Structure,
            "locals times branches",
        ),
        refused(
            "parameters-and-branches",
            rule(format!("(func (param {}) {})", "i64 ".repeat(900), branch.repeat(4_000))),
            Structure,
            "locals times branches",
        ),
        refused(
            "large-branch-table",
            rule(format!(
                "(func (param i32) (local {}) (block (br_table {} (local.get 0))))",
                "i64 ".repeat(60),
                "0 ".repeat(100_000)
            )),
            Structure,
            "locals times branches",
        ),
        refused(
            "large-function",
            rule(format!("(func {})", straight.repeat(60_000))),
            Structure,
            "bytes in a function",
        ),
        refused("much-code", rule(format!("(func {})", straight.repeat(25_000)).repeat(8)), Structure, "bytes of code"),
        refused("many-functions", rule("(func)".repeat(12_000)), Structure, "functions"),
        refused(
            "many-types",
            wat(&format!("(component (core module {}))", "(type (func))".repeat(20_000))),
            Structure,
            "core types",
        ),
        refused(
            "many-globals",
            rule("(global i32 (i32.const 0))".repeat(12_000)),
            Structure,
            "imports, exports, types and aliases",
        ),
        refused("many-modules", wat(&format!("(component {})", "(core module)".repeat(20))), Structure, "core modules"),
        refused(
            "components-in-components",
            wat(&format!("(component {} {})", "(component ".repeat(10), ")".repeat(10))),
            Structure,
            "within each other",
        ),
        refused("large-memory", wat("(component (core module (memory 300)))"), Structure, "bytes of memory"),
        refused("two-memories", wat("(component (core module (memory 1) (memory 1)))"), Structure, "memories"),
        refused("large-table", wat("(component (core module (table 1000000 funcref)))"), Structure, "table elements"),
        refused(
            "many-tables",
            wat(&format!("(component (core module {}))", "(table 1 funcref)".repeat(9))),
            Structure,
            "tables",
        ),
        refused("gc-types", wat("(component (core module (type (struct (field i32)))))"), Structure, "malformed"),
    ];
    let invalid = [
        ("shared-memory", "(component (core module (memory 1 2 shared)))", "threads"),
        (
            "atomics",
            "(component (core module (memory 1) (func (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))))",
            "threads",
        ),
        ("memory64", "(component (core module (memory i64 1)))", "memory64"),
        (
            "relaxed-simd",
            "(component (core module (func (param v128 v128) (result v128)
                (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))))",
            "relaxed SIMD",
        ),
        ("exceptions", "(component (core module (tag)))", "exceptions"),
        ("tail-calls", "(component (core module (func $f (return_call $f))))", "tail calls"),
        ("type-mismatch", "(component (core module (func (result i32) (i64.const 1))))", "type mismatch"),
        ("start-with-parameters", "(component (core module (func $f (param i32)) (start $f)))", "start function"),
        ("data-without-memory", "(component (core module (data (i32.const 0) \"x\")))", "memory"),
        (
            "duplicate-export",
            "(component (core module (func (export \"a\")) (func (export \"a\"))))",
            "duplicate export",
        ),
    ];
    all.extend(invalid.map(|(name, text, words)| refused(name, wat(text), Validation, words)));
    all
}
