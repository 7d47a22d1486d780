//! The figures as a page for people: BENCHMARKS.md.

use serde_json::Value;
use std::fmt::Write as _;

const GOOD: &str = "leak_to_close_beside_good";
const ENDLESS: &str = "leak_to_close_beside_endless";
const FLOOD: &str = "leak_to_close_beside_flood";

/// The whole page.
pub(super) fn markdown(figures: &Value) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench --write`. Uplinks and closes stand beside their ceiling from the same run: a minimal loop that\n\
         receives, decrypts, appends, commits and acknowledges, and does nothing else (`tests/bench/src/lean`). Generator, platform and\n\
         database share the machine's cores. Absolute figures move from machine to machine and from run to run; the ratios hold better.\n\
         Beside leak → close stands a durable, acknowledged uplink of that loop at the same rate: a close does not wait for its commit, so it may be sooner.\n\n",
    );
    let machine = &figures["machine"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let _ = writeln!(
        page,
        "Machine: {} cores of {}, {}, {}, kernel {}, {}. Commit {}. Load before the run: {}.\n",
        machine["cores"],
        text(&machine["cpu"]),
        text(&machine["memory"]),
        text(&machine["system"]),
        text(&machine["kernel"]),
        text(&machine["compiler"]),
        text(&figures["commit"]),
        text(&machine["load_before"]),
    );
    page.push_str("| what | database | measured | ceiling | ratio | aim |\n| --- | --- | ---: | ---: | ---: | --- |\n");
    for name in ["sqlite", "postgresql"] {
        let of = &figures[name];
        if of.is_null() {
            continue;
        }
        let per_second = |value: &Value| number(&value["acked_per_s"], 0);
        for (key, aim) in [("uplinks", "≥ 0.45, > 40,000/s"), ("resting", "–")] {
            let _ = writeln!(
                page,
                "| durable acknowledged uplinks/s, 4 readings, OSCORE, {} rule calls each | {name} | {} | {} | {} | {aim} |",
                number(&of[key]["rule_calls_per_uplink"], 2),
                per_second(&of[key]),
                per_second(&of["ceiling"]),
                ratio(&of[key]["acked_per_s"], &of["ceiling"]["acked_per_s"]),
            );
        }
        for (title, key, ceiling) in [
            ("leak → close on the wire, idle", "leak_to_close_idle", "quiet"),
            ("leak → close on the wire, beside other uplinks", "leak_to_close_loaded", "busy"),
        ] {
            let leak = &of[key];
            let top = &of["ceiling"][ceiling];
            let _ = writeln!(
                page,
                "| {title} ({}/s, {} leaks) | {name} | p50 {} ms, p99 {} ms | p50 {} ms, p99 {} ms | {} | p99 < 5 ms |",
                number(&leak["rate"], 0),
                number(&leak["close"]["count"], 0),
                number(&leak["close"]["p50"], 2),
                number(&leak["close"]["p99"], 2),
                number(&top["p50"], 2),
                number(&top["p99"], 2),
                ratio(&leak["close"]["p99"], &top["p99"]),
            );
        }
        for (title, key, aim) in [
            ("A's rule is the example", GOOD, "–"),
            ("one device of A floods with 20,000/s", FLOOD, "≤ 1.2"),
            ("A's rule never ends", ENDLESS, "≤ 1.2"),
        ] {
            let leak = &of[key];
            let _ = writeln!(
                page,
                "| leak → close on the wire at company B beside company A ({}/s stored, {}; {} leaks, {} calls failed or not made) | {name} | \
                 p50 {} ms, p99 {} ms | – | {} | {} |",
                number(&leak["beside_per_s"], 0),
                title,
                number(&leak["close"]["count"], 0),
                number(&leak["rule_faults"], 0),
                number(&leak["close"]["p50"], 2),
                number(&leak["close"]["p99"], 2),
                if key == GOOD {
                    "–".to_owned()
                } else {
                    ratio(&leak["close"]["p99"], &of[GOOD]["close"]["p99"]) + " of the example's"
                },
                aim,
            );
        }
        let _ = writeln!(
            page,
            "| bytes per stored reading after compaction ({} readings) | {name} | {} | – | – | < 2 |",
            number(&of["stored"]["readings"], 0),
            number(&of["stored"]["bytes_per_reading"], 2),
        );
        let _ = writeln!(
            page,
            "| restart after kill -9 with {} uncompacted uplinks | {name} | {} s | – | – | – |",
            number(&of["restart"]["uplinks"], 0),
            number(&of["restart"]["seconds"], 2),
        );
        let import = &of["import"];
        if !import.is_null() {
            let _ = writeln!(
                page,
                "| a CSV file of {} devices, from sending it until they are entered | {name} | {} s | – | – | < 5 s |",
                number(&import["devices"], 0),
                number(&import["seconds"], 2),
            );
        }
        ledger(&mut page, name, &of["ledger"]);
        requests(&mut page, name, &of["requests"]);
    }
    rules(&mut page, figures);
    page
}

/// What the ledger costs; nothing when it was not measured.
fn ledger(page: &mut String, name: &str, ledger: &Value) {
    if ledger.is_null() {
        return;
    }
    let _ = writeln!(
        page,
        "| ledger: acts/s by themselves; alarm changes/s, each entered | {name} | {}; {} | – | – | – |",
        number(&ledger["acts_a_second_alone"], 0),
        number(&ledger["alarm_changes_a_second_together"], 0),
    );
    for share in ledger["shares"].as_array().into_iter().flatten() {
        let _ = writeln!(
            page,
            "| a commit of 500 uplinks, of which {} ‰ change an alarm, beside one whose ledger keeps nothing | {name} | {} ms | {} ms | the ledger has {} % | < 5 % |",
            number(&share["alarm_changes_in_a_thousand"], 0),
            number(&share["commit_ms"], 2),
            number(&share["commit_ms_without"], 2),
            number(&share["share_percent"], 1),
        );
    }
    let _ = writeln!(
        page,
        "| verification of {} entries; with the rows that they tell of | {name} | {} s; {} s | – | – | < 5 s |",
        number(&ledger["entries"], 0),
        number(&ledger["verified_hashes_s"], 2),
        number(&ledger["verified_with_rows_s"], 2),
    );
}

/// What authorisation costs; nothing when it was not measured.
fn requests(page: &mut String, name: &str, requests: &Value) {
    if requests.is_null() {
        return;
    }
    let _ = writeln!(
        page,
        "| a request of a signed-in person beside one that asks nobody, median | {name} | {} µs | {} µs | {} | – |",
        number(&requests["authorised_us"], 0),
        number(&requests["public_us"], 0),
        ratio(&requests["authorised_us"], &requests["public_us"]),
    );
    let _ = writeln!(
        page,
        "| sign-ins/s, argon2id of 19 MiB and 2 passes | {name} | {} | – | – | – |",
        number(&requests["sign_ins_per_s"], 1),
    );
}

/// What rules cost.
fn rules(page: &mut String, figures: &Value) {
    page.push_str(
        "\n## Rules\n\nA call is one of *household-leak* with four readings at rest, as most are; the best of interleaved rounds. A thousand tenants' components \
         differ in a number only,\nbut each has a digest and machine code of its own. A back-test folds a history of quiet households under a policy against itself; its \
         ceiling is the native fold alone.\n\n| what | measured | beside | ratio | aim |\n| --- | ---: | ---: | ---: | --- |\n",
    );
    let call = &figures["rule_call"];
    let _ = writeln!(
        page,
        "| call in a fresh instance ({} fuel) | {} ns | a bare wasmtime call {} ns; native {} ns | {} | ≤ 1.3 |",
        number(&call["fuel"], 0),
        number(&call["alarm_rule_ns"], 0),
        number(&call["raw_wasmtime_ns"], 0),
        number(&call["native_ns"], 0),
        ratio(&call["alarm_rule_ns"], &call["raw_wasmtime_ns"]),
    );
    let tenants = &figures["tenants"];
    let loaded = &tenants["loaded"];
    let count = number(&loaded["tenants"], 0);
    let _ = writeln!(
        page,
        "| the same in turn over {count} tenants' components | {} ns | the same component each time {} ns | {} | – |",
        number(&loaded["round_robin_ns"], 0),
        number(&loaded["same_ns"], 0),
        ratio(&loaded["round_robin_ns"], &loaded["same_ns"]),
    );
    let _ = writeln!(
        page,
        "| loading {count} components from the cache | {} ms | compiling them {} s | – | – |",
        number(&loaded["load_ms"], 0),
        number(&tenants["compile_s"], 1),
    );
    let _ = writeln!(
        page,
        "| resident memory of {count} tenants' rules | {} MiB | – | – | – |",
        number(&loaded["resident_mib"], 0)
    );
    let admission = &figures["admission"];
    let _ = writeln!(
        page,
        "| admission of a component of {} bytes: {} cases, {} runs of the statutory suite | {} ms | slowest {} ms | – | – |",
        number(&admission["component_bytes"], 0),
        number(&admission["cases"], 0),
        number(&admission["curves"], 0),
        number(&admission["median_ms"], 0),
        number(&admission["slowest_ms"], 0),
    );
    for (rule, test) in figures["back_test"].as_object().into_iter().flatten() {
        let per_second = |how: &str| &test[how]["readings_per_second"];
        let _ = writeln!(
            page,
            "| back-test of *{rule}*, readings/s on {} threads | {} | native fold {}; one instance a call {} | {} | ≥ 1,000,000 |",
            number(&test["threads"], 0),
            number(per_second("batched"), 0),
            number(per_second("ceiling"), 0),
            number(per_second("one_by_one"), 0),
            ratio(per_second("batched"), per_second("ceiling")),
        );
    }
}

/// How much of the second the first is.
fn ratio(own: &Value, top: &Value) -> String {
    let share = own.as_f64().zip(top.as_f64()).filter(|(_, top)| *top > 0.0).map(|(own, top)| own / top);
    number(&share.into(), 2)
}

/// A number with so many decimals and its thousands apart; a dash for what was not measured.
fn number(value: &Value, decimals: usize) -> String {
    let Some(value) = value.as_f64() else { return "–".to_owned() };
    let text = format!("{value:.decimals$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn thousands_stand_apart_and_what_was_not_measured_is_a_dash() {
        assert_eq!(number(&json!(1_234_567.5), 0), "1,234,568");
        assert_eq!(number(&json!(0.456), 2), "0.46");
        assert_eq!(number(&json!(null), 2), "–");
    }

    #[test]
    fn a_database_that_was_left_out_has_no_rows() {
        let page = markdown(
            &json!({"machine": {}, "sqlite": {"uplinks": {"acked_per_s": 50.0}, "ceiling": {"acked_per_s": 100.0}}}),
        );
        assert!(page.contains("| sqlite | 50 | 100 | 0.50 |") && !page.contains("| postgresql |"));
    }
}
