//! Alarm policies that are weaker than the statutory floor, each in one way; beside them one that is not.

use super::module::Rule;
use super::{Hostile, refused};
use davy_rules::Stage::Conformance;

/// What they share: the highest gas and carbon monoxide of an event, a counter in the state, and an answer's parts.
const PARTS: &str = r"
    (global $gas (mut f64) (f64.const -1000))
    (global $last (mut f64) (f64.const -1000))
    (global $co (mut f64) (f64.const -1000))
    (global $count (mut i32) (i32.const 0))
    (func $read (param $arguments i32)
        (local $at i32) (local $end i32)
        (if (i32.eq (i32.load offset=12 (local.get $arguments)) (i32.const 4))
            (then (global.set $count (i32.load (i32.load offset=8 (local.get $arguments))))))
        (local.set $at (i32.load offset=80 (local.get $arguments)))
        (local.set $end (i32.add (local.get $at) (i32.mul (i32.load offset=84 (local.get $arguments)) (i32.const 24))))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (if (i32.eq (i32.load16_u offset=16 (local.get $at)) (i32.const 1)) (then
                (global.set $last (f64.load offset=8 (local.get $at)))
                (global.set $gas (f64.max (global.get $gas) (f64.load offset=8 (local.get $at))))))
            (if (i32.eq (i32.load16_u offset=16 (local.get $at)) (i32.const 2)) (then
                (global.set $co (f64.max (global.get $co) (f64.load offset=8 (local.get $at))))))
            (local.set $at (i32.add (local.get $at) (i32.const 24)))
            (br $next))))
    (func $keep
        (i32.store (i32.const 16384) (global.get $count))
        (i32.store (i32.const 4104) (i32.const 16384)) (i32.store (i32.const 4108) (i32.const 4)))
    (func $raise (param $condition i32)
        (i32.store16 (i32.const 8192) (local.get $condition)) (i32.store16 (i32.const 8194) (i32.const 4))
        (i32.store (i32.const 4112) (i32.const 8192)) (i32.store (i32.const 4116) (i32.const 1)))
    (func $close (i32.store8 (i32.const 4128) (i32.const 1)) (i32.store16 (i32.const 4130) (i32.const 2)))
    (func $clear (param $condition i32)
        (i32.store16 (i32.const 8256) (local.get $condition))
        (i32.store (i32.const 4120) (i32.const 8256)) (i32.store (i32.const 4124) (i32.const 1)))
    (func $rest (param $arguments i32) (param $unless f64)
        (i32.store8 (i32.const 4152) (i32.const 1))
        (i64.store (i32.const 4160) (i64.add (i64.load offset=16 (local.get $arguments)) (i64.const 3600000)))
        (f64.store (i32.const 8320) (local.get $unless)) (i32.store16 (i32.const 8328) (i32.const 1))
        (i32.store (i32.const 4168) (i32.const 8320)) (i32.store (i32.const 4172) (i32.const 1)))
    (func $more (global.set $count (i32.add (global.get $count) (i32.const 1))))
    (func $gas-over (param f64) (result i32) (f64.ge (global.get $gas) (local.get 0)))
    (func $gas-below (param f64) (result i32)
        (i32.and (f64.lt (global.get $last) (local.get 0)) (f64.gt (global.get $last) (f64.const -1000))))
";

/// A rule with this body between reading its event and keeping its counter.
fn rule(body: &str) -> Vec<u8> {
    Rule::evaluating(format!("(call $read (local.get $arguments)) {body} (call $keep)")).with(PARTS).component()
}

/// As strict as the floor: alarms and closes at its level, and never clears.
pub fn strict() -> Vec<u8> {
    rule("(if (call $gas-over (f64.const 25)) (then (call $raise (i32.const 2)) (call $close)))")
}

pub(super) fn all() -> Vec<Hostile> {
    let weak = |name, body: &str, words| refused(name, rule(body), Conformance, words);
    vec![
        weak(
            "alarms-at-a-higher-level",
            "(if (call $gas-over (f64.const 30)) (then (call $raise (i32.const 2)) (call $close)))",
            "(silent)",
        ),
        weak(
            "takes-a-leak-for-a-small-one",
            "(if (call $gas-over (f64.const 10)) (then (call $raise (i32.const 1))))",
            "(silent)",
        ),
        weak(
            "waits-for-three-readings",
            "(if (call $gas-over (f64.const 25)) (then (call $more)
                (if (i32.ge_u (global.get $count) (i32.const 3)) (then (call $raise (i32.const 2)) (call $close)))))",
            "(silent)",
        ),
        weak(
            "grows-tired",
            "(call $more) (if (i32.and (call $gas-over (f64.const 25)) (i32.lt_u (global.get $count) (i32.const 300)))
                (then (call $raise (i32.const 2)) (call $close)))",
            "gas-after-months-of-quiet",
        ),
        weak(
            "alarms-once-in-its-life",
            "(if (call $gas-over (f64.const 25)) (then
                (if (i32.eqz (global.get $count)) (then (call $raise (i32.const 2)) (call $close)))
                (global.set $count (i32.const 1))))
             (if (call $gas-below (f64.const 5)) (then (if (global.get $count) (then
                (global.set $count (i32.const 2)) (call $clear (i32.const 2))))))",
            "(silent)",
        ),
        weak(
            "is-used-to-nuisance",
            "(if (call $gas-over (f64.const 20)) (then (call $more)))
             (if (i32.and (call $gas-over (f64.const 25)) (i32.lt_u (global.get $count) (i32.const 80)))
                (then (call $raise (i32.const 2)) (call $close)))
             (if (call $gas-below (f64.const 5)) (then (call $clear (i32.const 2))))",
            "gas-puffs-over-the-level",
        ),
        weak(
            "does-not-believe-a-stuck-sensor",
            "(if (i32.and (call $gas-over (f64.const 25)) (i32.eqz (call $gas-over (f64.const 100))))
                (then (call $raise (i32.const 2)) (call $close)))
             (if (call $gas-over (f64.const 100)) (then (call $clear (i32.const 2))))",
            "(clears)",
        ),
        weak(
            "clears-what-the-floor-holds",
            "(if (call $gas-over (f64.const 25)) (then (call $more)
                (if (i32.eq (i32.rem_u (global.get $count) (i32.const 2)) (i32.const 1))
                    (then (call $raise (i32.const 2)) (call $close)) (else (call $clear (i32.const 2))))))",
            "(clears)",
        ),
        weak(
            "believes-late-readings",
            "(if (call $gas-over (f64.const 25)) (then (call $raise (i32.const 2)) (call $close))
                (else (if (call $gas-below (f64.const 5)) (then (call $clear (i32.const 2))))))",
            "gas-out-of-order",
        ),
        weak(
            "sleeps-over-the-level",
            "(if (call $gas-over (f64.const 25)) (then (call $raise (i32.const 2)) (call $close))
                (else (call $rest (local.get $arguments) (f64.const 60))))",
            "(sleeps)",
        ),
        weak(
            "leaves-small-leaks-open",
            "(if (call $gas-over (f64.const 25)) (then (call $raise (i32.const 2))))
             (if (call $gas-over (f64.const 60)) (then (call $close)))",
            "(stays-open)",
        ),
        weak(
            "hears-carbon-monoxide-late",
            "(if (f64.ge (global.get $co) (f64.const 300)) (then (call $raise (i32.const 5)) (call $close)))",
            "(late)",
        ),
        weak(
            "fails-on-a-drifted-sensor",
            "(if (i32.and (f64.lt (global.get $last) (f64.const 0)) (f64.gt (global.get $last) (f64.const -1000))) (then unreachable))
             (if (call $gas-over (f64.const 25)) (then (call $raise (i32.const 2)) (call $close)))",
            "gas-below-zero",
        ),
        weak(
            "fails-when-a-valve-moves",
            "(if (i32.eq (i32.load16_u offset=72 (local.get $arguments)) (i32.const 3)) (then unreachable))
             (if (call $gas-over (f64.const 25)) (then (call $raise (i32.const 2)) (call $close)))",
            "unreachable",
        ),
    ]
}
