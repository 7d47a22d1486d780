//! Components that do harm when they are called: at once, which the trials find, or only once they are at work, which no trial can.

use super::module::{Rule, at, list, put};
use super::{End, Fault, Hostile, refused};
use davy_rules::Stage::Conformance;

/// A time of the trials' calls, and one of the calls at work in the tests.
const NOW: i64 = 1_800_000_000_000;
const LOOPS: &str = "(loop $again (br $again))";
const HOGS: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
const GROWN: &str = "(drop (memory.grow (i32.const 200)))";
const DEEPER: &str = "(func $deeper (param i64 i64 i64) (result i64)
    (call $deeper (i64.const 1) (local.get 0) (local.get 1)) (local.get 2) (i64.add))";
const RECURSES: &str = "(drop (call $deeper (i64.const 1) (i64.const 2) (i64.const 3)))";

pub(super) fn all() -> Vec<Hostile> {
    let mut all = at_once();
    all.extend(later());
    all.extend(smugglers());
    all
}

fn at_once() -> Vec<Hostile> {
    let rule = |evaluate: &str| Rule::evaluating(evaluate).component();
    let says = |parts: &[String]| Rule::evaluating(parts.concat()).component();
    let realloc = |code: &str| Rule { realloc: code.into(), ..Rule::default() }.component();
    let fills =
        format!("{GROWN} (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 13000000)) (br $again))");
    let post = format!(r#"(func (export "cabi_post_davy:rules/alarm@0.1.0#evaluate") (param i32) {LOOPS})"#);
    let raise = |condition: i64, priority: i64| {
        put("i32.store16", 4096, condition)
            + &put("i32.store16", 4098, priority)
            + &put("i32.store16", 4100, 0)
            + &list(at::RAISES, 8192, 1)
    };
    let twice = put("i32.store16", 4096, 1)
        + &put("i32.store16", 4098, 1)
        + &put("i32.store16", 4102, 1)
        + &put("i32.store16", 4104, 1);
    let wake = |not_before: i64, bits: i64| {
        put("i32.store8", at::WAKE, 1)
            + &put("i64.store", at::NOT_BEFORE, not_before)
            + &put("i64.store", 4096, bits)
            + &put("i32.store16", 4104, 1)
            + &list(at::UNLESS, 8192, 1)
    };
    // A list's items at the trials' own time: what is nonsense then is nonsense at any time.
    let timer = |at_ms: i64| put("i32.store", 4096, 1) + &put("i64.store", 4104, at_ms) + &list(at::TIMERS, 8192, 1);
    let no_number = f64::NAN.to_bits() as i64;
    vec![
        refused("evaluate-traps", rule("unreachable"), Conformance, "unreachable"),
        refused("evaluate-divides-by-zero", rule("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), Conformance, "divide by zero"),
        refused("evaluate-reads-outside", rule("(drop (i32.load (i32.const 0x7ffffff0)))"), Conformance, "out of bounds"),
        refused("evaluate-loops", rule(LOOPS), Conformance, "fuel"),
        refused("evaluate-hogs", rule(HOGS), Conformance, "memory"),
        refused("evaluate-fills", rule(&fills), Conformance, "the rule"),
        refused("evaluate-recurses", Rule::evaluating(RECURSES).with(DEEPER).component(), Conformance, "stack"),
        refused(
            "evaluate-grows-a-table",
            Rule::evaluating("(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 5000)) (i32.const -1)))) unreachable")
                .with("(table $t 1 funcref)")
                .component(),
            Conformance,
            "table",
        ),
        refused("allocator-loops", realloc(LOOPS), Conformance, "fuel"),
        refused("allocator-traps", realloc("unreachable"), Conformance, "unreachable"),
        refused("allocator-lies", realloc("(return (i32.const 0x7fffff00))"), Conformance, "the rule"),
        refused("allocator-misaligns", realloc("(return (i32.const 65537))"), Conformance, "the rule"),
        refused("after-the-answer-loops", Rule::default().with(post).component(), Conformance, "fuel"),
        refused("giant-state", says(&[GROWN.into(), list(at::STATE, 0, 13_000_000)]), Conformance, "handed over"),
        refused("state-over-its-limit", says(&[list(at::STATE, 0, 4_097)]), Conformance, "4096"),
        refused("state-outside-of-memory", says(&[list(at::STATE, 0x7fff_0000, 64)]), Conformance, "out of bounds"),
        refused("giant-list", says(&[GROWN.into(), list(at::CLEARS, 0, 2_000_000)]), Conformance, "the rule"),
        refused("endless-list", says(&[list(at::CLEARS, 8192, 0x7fff_ffff)]), Conformance, "out of bounds"),
        refused("a-million-timers", says(&[GROWN.into(), list(at::TIMERS, 0, 700_000)]), Conformance, "the rule"),
        refused("seventeen-timers", says(&[list(at::TIMERS, 8192, 17)]), Conformance, "at most 16"),
        refused("timer-in-the-past", says(&[timer(0)]), Conformance, "timers: at-ms"),
        refused("timer-at-the-end-of-time", says(&[timer(i64::MAX)]), Conformance, "timers: at-ms"),
        refused("unknown-condition", says(&[raise(99, 1)]), Conformance, "known condition codes"),
        refused("condition-of-the-platform", says(&[raise(10, 1)]), Conformance, "that a rule may raise"),
        refused("unknown-priority", says(&[raise(1, 9)]), Conformance, "priority"),
        refused("raises-twice", says(&[twice, list(at::RAISES, 8192, 2)]), Conformance, "once"),
        refused("closes-for-no-reason", says(&[put("i32.store8", at::CLOSE, 1)]), Conformance, "close-reason"),
        refused("wakes-for-no-number", says(&[wake(NOW, no_number)]), Conformance, "the rule"),
        refused("sleeps-for-ever", says(&[wake(i64::MAX, 0)]), Conformance, "not-before-ms"),
        refused("wrong-discriminant", says(&[put("i32.store8", at::WAKE, 7)]), Conformance, "discriminant"),
        refused(
            "note-that-is-no-utf-8",
            says(&[put("i32.store16", 4096, 0x28c3), list(8192, 8192, 2), list(at::NOTES, 12288, 1)]),
            Conformance,
            "utf-8",
        ),
    ]
}

/// What behaves in every trial.
fn later() -> Vec<Hostile> {
    let contained = |name, harm: &str, items: &str, fault| Hostile {
        name,
        bytes: Rule::at_work(harm).with(items).component(),
        end: End::Contained(fault),
    };
    let fills =
        format!("{GROWN} (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 13000000)) (br $again))");
    let giant = format!("{GROWN} {}", list(at::STATE, 0, 13_000_000));
    let unknown = put("i32.store16", 4096, 99) + &put("i32.store16", 4098, 1) + &list(at::RAISES, 8192, 1);
    let post = format!(
        r#"(func (export "cabi_post_davy:rules/alarm@0.1.0#evaluate") (param i32) (if (global.get $bad) (then {LOOPS})))
        (global $bad (mut i32) (i32.const 0))"#
    );
    vec![
        contained("traps-at-work", "unreachable", "", Fault::Trap),
        contained("loops-at-work", LOOPS, "", Fault::OutOfFuel),
        contained("hogs-at-work", HOGS, "", Fault::Limit),
        contained("fills-at-work", &fills, "", Fault::Time),
        contained("recurses-at-work", RECURSES, DEEPER, Fault::Trap),
        contained("talks-much-at-work", &giant, "", Fault::Limit),
        contained("talks-nonsense-at-work", &unknown, "", Fault::Nonsense),
        contained("loops-after-the-answer-at-work", "(global.set $bad (i32.const 1))", &post, Fault::OutOfFuel),
    ]
}

/// What tries to know of another call, or to be different on another machine. State goes out as eight bytes.
fn smugglers() -> Vec<Hostile> {
    let repeats = |name, evaluate: &str, items: &str| Hostile {
        name,
        bytes: Rule::evaluating(format!("{evaluate} {}", list(at::STATE, 16_384, 8))).with(items).component(),
        end: End::Repeats,
    };
    vec![
        repeats(
            "counts-in-a-global",
            "(global.set $calls (i64.add (global.get $calls) (i64.const 1))) (i64.store (i32.const 16384) (global.get $calls))",
            "(global $calls (mut i64) (i64.const 0))",
        ),
        repeats(
            "counts-in-its-memory",
            "(i64.store (i32.const 16384) (i64.add (i64.load (i32.const 16384)) (i64.const 1)))",
            "",
        ),
        repeats(
            "counts-in-its-memorys-size",
            "(drop (memory.grow (i32.const 1))) (i64.store (i32.const 16384) (i64.extend_i32_u (memory.size)))",
            "",
        ),
        repeats(
            "counts-in-a-tables-size",
            "(drop (table.grow $t (ref.null func) (i32.const 1))) (i64.store (i32.const 16384) (i64.extend_i32_u (table.size $t)))",
            "(table $t 1 funcref)",
        ),
        repeats(
            "reads-memory-that-it-never-wrote",
            "(drop (memory.grow (i32.const 100))) (i64.store (i32.const 16384) (i64.load (i32.const 6000000)))
             (i64.store (i32.const 6000000) (i64.const 0x5ec2e7))",
            "",
        ),
        repeats(
            "reads-the-bits-of-no-number",
            "(f64.store (i32.const 16384) (f64.div (f64.const 0) (f64.const 0)))
             (f64.store (i32.const 16384) (f64.sqrt (f64.neg (f64.add (f64.load (i32.const 16384)) (f64.const nan:0x4000000000001)))))",
            "",
        ),
    ]
}
