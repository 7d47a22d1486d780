//! Made-up versions of a rule, one in each stage, with everything that a page can show of them.

use davy_api::{
    AlarmDecisions, AlarmFound, AlarmItem, AskedRule, BackTestItem, DecisionItem, FloorFinding, RuleAct, RuleChecks,
    RuleCompared, RuleDetail, RuleDifference, RuleHealth, RuleInForce, RuleSignerItem, RuleSigners, RuleSpread,
    RuleVersion, RuleVersions,
};
use davy_domain::release::{Act, Stage};
use davy_domain::{BackTestId, Condition, DeviceId, Quantity, ReleaseId, Span, Timestamp, UserId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The signed-in operator's id; the second is a colleague's.
const PEOPLE: [UserId; 2] = [UserId::from_raw(2), UserId::from_raw(22)];
const NAMES: [&str; 2] = ["周敏", "林涛"];
const DIGEST: &str = "sha256:6f1c2d0b7a94e8853b1f0d5c2e9a7746b3d2c1f0a9e8d7c6b5a4938271605f4e";

/// Stage, version of the settings, share, who proposed, what a back-test missed.
type Row = (Stage, u32, u16, Option<usize>, Option<u32>);

/// What goes with each raw id from 101 on.
const VERSIONS: [Row; 9] = [
    (Stage::Uploaded, 9, 0, None, None),
    (Stage::Cohort, 8, 100, Some(1), Some(0)),
    (Stage::Shadow, 7, 0, None, Some(0)),
    (Stage::Active, 6, 1_000, None, Some(0)),
    (Stage::Checked, 5, 0, None, Some(2)),
    (Stage::BackTested, 4, 0, None, Some(0)),
    (Stage::Cohort, 3, 50, Some(0), Some(0)),
    (Stage::Refused, 2, 0, None, None),
    (Stage::Retired, 1, 0, None, Some(0)),
];

fn at(index: usize) -> ReleaseId {
    ReleaseId::from_raw(101 + index as i64)
}

fn version(index: usize, now: Timestamp) -> RuleVersion {
    let (stage, settings_version, permille, proposed, missed) = VERSIONS[index];
    let unknown = matches!(stage, Stage::Uploaded | Stage::Refused);
    let changed_at = now - Span::from_minutes(3 + 400 * index as i64);
    RuleVersion {
        id: at(index),
        name: if unknown { "unchecked" } else { "household-leak" }.to_owned(),
        version: if unknown { "" } else { "1.0.0" }.to_owned(),
        digest: DIGEST.to_owned(),
        world: "alarm-policy".to_owned(),
        tier: "standard".to_owned(),
        settings_version,
        stage,
        permille,
        proposed_by: proposed.map(|who| PEOPLE[who]),
        missed,
        created_at: changed_at - Span::from_hours(30),
        changed_at,
        activated_at: (stage == Stage::Active).then_some(changed_at),
    }
}

/// The list.
pub(crate) fn versions(now: Timestamp) -> RuleVersions {
    RuleVersions { items: (0..VERSIONS.len()).map(|index| version(index, now)).collect() }
}

fn schema() -> Value {
    let number = |zh: &str, en: &str, range: (f64, f64), unit: &str, default: f64| {
        json!({"type": "number", "minimum": range.0, "maximum": range.1, "default": default, "x-unit": unit,
            "x-label-zh": zh, "x-label-en": en})
    };
    json!({"type": "object", "properties": {
        "gas_low_level": number("燃气低限", "Gas, low level", (5.0, 25.0), "%LEL", 10.0),
        "gas_high_level": number("燃气高限", "Gas, high level", (5.0, 50.0), "%LEL", 20.0),
        "gas_low_persistence_s": {"type": "integer", "minimum": 0, "maximum": 30, "default": 10, "x-unit": "s",
            "x-label-zh": "低限持续时间", "x-label-en": "Low level, persistence"},
        "close_at_low": {"type": "boolean", "default": true, "x-label-zh": "低限即关阀", "x-label-en": "Close at the low level"},
        "mode": {"type": "string", "enum": ["calm", "keen"], "default": "calm", "x-label-zh": "灵敏度", "x-label-en": "Keenness"},
        "night": {"type": "object", "x-label-zh": "夜间", "x-label-en": "At night", "properties": {
            "flow": number("微小流量", "Small flow", (0.01, 1.0), "m³/h", 0.05),
            "hours": {"type": "array", "items": {"type": "integer"}, "default": [1, 2, 3, 4], "x-label-zh": "时段", "x-label-en": "Hours"},
        }},
    }})
}

fn acts(index: usize, now: Timestamp) -> Vec<RuleAct> {
    let (stage, _, permille, proposed, missed) = VERSIONS[index];
    let steps: [(Stage, Option<usize>, Act); 7] = [
        (Stage::Uploaded, Some(0), Act::Upload),
        (Stage::Checked, None, Act::Check { passed: true }),
        (
            Stage::BackTested,
            None,
            Act::BackTest { missed: missed.unwrap_or(0), from: now - Span::from_days(90), decisive: true },
        ),
        (Stage::Shadow, Some(0), Act::StartShadow),
        (Stage::Cohort, Some(0), Act::StartCohort { permille: permille.clamp(1, 100) }),
        (Stage::Cohort, Some(proposed.unwrap_or(0)), Act::Propose),
        (Stage::Active, Some(1), Act::Approve),
    ];
    let until = match (stage, proposed) {
        (Stage::Uploaded | Stage::Refused, _) => 1,
        (Stage::Checked | Stage::BackTested, _) => 3,
        (Stage::Shadow, _) => 4,
        (Stage::Cohort, None) => 5,
        (Stage::Cohort, Some(_)) => 6,
        (Stage::Active | Stage::Retired, _) => 7,
    };
    let begun = version(index, now).created_at;
    let mut done: Vec<RuleAct> = steps
        .into_iter()
        .take(until)
        .enumerate()
        .map(|(step, (after, who, act))| RuleAct {
            at: begun + Span::from_hours(4 * step as i64),
            by: who.map(|who| NAMES[who].to_owned()),
            act,
            stage: after,
        })
        .collect();
    let last = version(index, now).changed_at;
    match stage {
        Stage::Refused => {
            done.push(RuleAct { at: last, by: None, act: Act::Check { passed: false }, stage });
        }
        Stage::Retired => {
            done.push(RuleAct { at: last, by: Some(NAMES[0].to_owned()), act: Act::RollBack, stage });
        }
        _ => {}
    }
    done
}

/// Keys whose signatures are accepted.
pub fn signers() -> RuleSigners {
    let signer = |name: &str, public_key: &str, at: i64| RuleSignerItem {
        name: name.to_owned(),
        public_key: public_key.to_owned(),
        added_at: Some(Timestamp::from_millis(at)),
    };
    RuleSigners {
        items: vec![
            signer("规则组", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", 1_790_000_000_000),
            signer("海河软件", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", 1_793_000_000_000),
        ],
    }
}

fn checks(stage: Stage) -> Option<RuleChecks> {
    let stages = ["size", "structure", "validation", "world", "compile", "describe", "schema", "cases", "conformance"];
    let stages = |most: usize| stages.iter().take(most).map(|it| (*it).to_owned()).collect();
    match stage {
        Stage::Uploaded => None,
        Stage::Refused => Some(RuleChecks {
            passed: false,
            stage: Some("world".to_owned()),
            reason: Some("expected no imports, got 1: wasi:clocks/wall-clock@0.2.3#now".to_owned()),
            place: Some("its imports".to_owned()),
            remedy: Some("A rule has no clock, randomness, files, network or output".to_owned()),
            code: Some("imports".to_owned()),
            place_code: Some("imports".to_owned()),
            remedy_code: Some("no-wasi".to_owned()),
            params: [("count", "1"), ("names", "wasi:clocks/wall-clock@0.2.3#now")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            took_ms: 84,
            stages: stages(3),
            ..RuleChecks::default()
        }),
        _ => Some(RuleChecks { passed: true, took_ms: 1_312, stages: stages(9), ..RuleChecks::default() }),
    }
}

fn may(index: usize) -> Vec<String> {
    let (stage, _, _, proposed, missed) = VERSIONS[index];
    let may: &[&str] = match (stage, proposed) {
        (Stage::Uploaded, _) => &["withdraw"],
        (Stage::Checked, _) if missed == Some(2) => &["back-test", "withdraw"],
        (Stage::Checked | Stage::BackTested, _) => &["back-test", "start-shadow", "withdraw"],
        (Stage::Shadow, _) => &["back-test", "start-cohort", "withdraw"],
        (Stage::Cohort, Some(1)) => &["back-test", "start-cohort", "propose", "approve", "decline", "withdraw"],
        (Stage::Cohort, _) => &["back-test", "start-cohort", "propose", "decline", "withdraw"],
        (Stage::Active, _) => &["roll-back"],
        (Stage::Retired | Stage::Refused, _) => &[],
    };
    may.iter().map(|it| (*it).to_owned()).collect()
}

fn health(stage: Stage, now: Timestamp) -> Option<RuleHealth> {
    let failed = stage == Stage::Shadow;
    stage.is_live().then(|| RuleHealth {
        recent_calls: 512,
        recent_faults: 0,
        since: now - Span::from_hours(20),
        calls: 48_211,
        faults: if failed { BTreeMap::from([("out-of-fuel".to_owned(), 3)]) } else { BTreeMap::new() },
        fuel: RuleSpread { p50: 18_240, p99: 41_902, max: 57_115 },
        fuel_budget: 10_000_000,
        nanos: RuleSpread { p50: 21_400, p99: 63_000, max: 412_800 },
        alarms: 17,
        last_fault: failed.then(|| {
            json!({"at": (now - Span::from_hours(2)).as_millis(), "fault": "it used up its fuel of 10000000 units",
                "event": {"trigger": "readings", "device-kind": "detector", "readings": [{"quantity": "gas", "value": 7.5}]}})
        }),
        compared: RuleCompared { same: 12, earlier: 3, later: 1, added: 2, lost: 1, ..RuleCompared::default() },
    })
}

fn differences(stage: Stage, now: Timestamp) -> Vec<RuleDifference> {
    if !matches!(stage, Stage::Shadow | Stage::Cohort) {
        return Vec::new();
    }
    let moment = |minutes: i64, seconds: i64| Some(now - Span::from_minutes(minutes) + Span::from_secs(seconds));
    let rows = [
        (Condition::GasLow, moment(50, 0), moment(50, -38)),
        (Condition::GasHigh, moment(340, 0), None),
        (Condition::GasRising, None, moment(610, 0)),
        (Condition::CoLow, moment(700, 0), moment(700, 95)),
    ];
    rows.into_iter()
        .enumerate()
        .map(|(row, (condition, active_at, version_at))| RuleDifference {
            device: DeviceId::from_raw(7_000_020 * 8 + 8 * row as i64),
            serial: format!("TJ{:08}", 40_120 + row),
            kind: "alarm".into(),
            condition: Some(condition),
            measured_by: None,
            active_at,
            version_at,
            alarm: None,
            role: None,
            channel: None,
        })
        .collect()
}

/// One version.
pub(crate) fn detail(id: ReleaseId, now: Timestamp) -> Option<RuleDetail> {
    let index = (0..VERSIONS.len()).find(|index| at(*index) == id)?;
    let version = version(index, now);
    let stage = version.stage;
    let known = !matches!(stage, Stage::Uploaded | Stage::Refused);
    let tests: &[(i64, &str)] = match stage {
        Stage::Uploaded | Stage::Refused => &[],
        Stage::Shadow => &[(1, "running"), (2, "done"), (3, "failed")],
        _ => &[(2, "done"), (4, "cancelled")],
    };
    let tests = tests.iter().map(|(test, state)| item(BackTestId::from_raw(id.raw() * 10 + test), id, state, now));
    Some(RuleDetail {
        component_deleted_at: None,
        in_force: (stage != Stage::Active).then(|| RuleInForce {
            version: self::version(VERSIONS.iter().position(|it| it.0 == Stage::Active).unwrap_or(0), now),
            settings: json!({}),
        }),
        about: if known {
            json!({"name": "household-leak", "summary": {
                "zh": "家庭燃气泄漏:两级报警、上升趋势预警、一氧化碳、传感器寿命。",
                "en": "Household gas leak: two levels, rising-trend pre-alarm, carbon monoxide, sensor end of life.",
            }})
        } else {
            Value::Null
        },
        settings_schema: if known { schema() } else { Value::Null },
        settings: json!({"gas_low_level": 9.0, "close_at_low": true}),
        checks: checks(stage),
        checking: Vec::new(),
        may: may(index),
        acts: acts(index, now),
        health: health(stage, now),
        differences: differences(stage, now),
        back_tests: tests.collect(),
        version,
    })
}

fn item(id: BackTestId, rule: ReleaseId, state: &str, now: Timestamp) -> BackTestItem {
    let open = state == "running";
    BackTestItem {
        id,
        rule,
        against: Some(at(3)),
        state: state.to_owned(),
        from: now - Span::from_days(90),
        to: now,
        permille: 1_000,
        decisive: true,
        created_at: now - Span::from_minutes(40),
        finished_at: (!open).then(|| now - Span::from_minutes(31)),
        done: if open { 1_204_311 } else { 0 },
        total: if open { 4_182_090 } else { 0 },
        reason: (state == "failed").then(|| "the stored history could not be read: the disk is full".to_owned()),
        report: None,
    }
}

/// One back-test with its report; that of the version which missed something misses two leaks.
pub(crate) fn back_test(id: BackTestId, now: Timestamp) -> Option<BackTestItem> {
    let rule = ReleaseId::from_raw(id.raw() / 10);
    let index = (0..VERSIONS.len()).find(|index| at(*index) == rule)?;
    let test = detail(rule, now)?.back_tests.into_iter().find(|test| test.id == id)?;
    let missed = u64::from(VERSIONS[index].4.unwrap_or(0));
    let report = (test.state == "done").then(|| match VERSIONS[index].0 {
        // One of each contract is shown.
        Stage::BackTested => told(now),
        Stage::Retired => billed(),
        _ => report(missed, now),
    });
    Some(BackTestItem { report, ..test })
}

/// Of a notification policy.
fn told(now: Timestamp) -> Value {
    let (raised, alarm) = (now - Span::from_hours(30), davy_domain::AlarmId::from_raw(8_000_001));
    let message = |stands: &str, role: u16, channel: u16| json!({"stands": stands, "role": role, "rank": 0, "channel": channel, "active-at": null, "candidate-at": null});
    json!({
        "world": "notification-policy", "alarms": 41, "alarms-changed": 12, "blocking": 1, "cut-off": 0,
        "active": {"messages": 410, "nobody": 0}, "candidate": {"messages": 126, "nobody": 1},
        "first": {"same": 38, "later": 2, "later-ms": 240_000, "earlier": 0, "added": 0, "lost": 1},
        "messages": {"same": 120, "added": 6, "lost": 290, "earlier": 0, "later": 2},
        "groups": [{"role": 5, "channel": 3, "active": 41, "candidate": 12, "added": 0, "lost": 29, "earlier": 0, "later": 2}],
        "rows": [{"kind": "nobody-reached", "blocking": true, "alarm": alarm.to_string(), "condition": "gas-low", "confirmed": true,
            "raised-at": raised.as_millis(), "active-at": raised.as_millis(), "candidate-at": null,
            "messages": [message("lost", 5, 3), message("lost", 1, 2)], "messages-left-out": 3}],
        "rows-left-out": 0,
    })
}

/// Of a billing policy.
fn billed() -> Value {
    let side = |fen: i64| json!({"fen": fen, "lines": 812, "notices": {"reminder": 31}, "shut-offs": 0, "calls": {"faults": {}}});
    let row = |n: i64, fen: i64| {
        let device = DeviceId::from_raw((7_000_040 + n) * 8).to_string();
        json!({"device": device, "litres": 41_250, "active-fen": 12_375, "candidate-fen": 12_375 + fen, "difference-fen": fen})
    };
    json!({
        "world": "billing-policy", "accounts": 412, "without-index": 3, "index-breaks": 1, "litres": 17_004_500,
        "active": side(5_101_350), "candidate": side(5_120_355), "difference-fen": 19_005,
        "groups": [{"above-fen": 0, "up-to-fen": 0, "accounts": 380, "fen": 0}, {"above-fen": 100, "up-to-fen": 1_000, "accounts": 32, "fen": 19_005}],
        "rows": [row(1, 825), row(2, -40)], "rows-left-out": 0, "blocking": 0,
    })
}

fn report(missed: u64, now: Timestamp) -> Value {
    let present = |minutes: i64, seconds: i64| {
        let raised = now - Span::from_minutes(minutes) + Span::from_secs(seconds);
        json!({"raised-at": raised.as_millis(), "cleared-at": (raised + Span::from_minutes(12)).as_millis()})
    };
    let row = |n: i64, kind: &str, condition: Value, active: Value, candidate: Value, by_ms: i64| {
        let device = DeviceId::from_raw((7_000_040 + n) * 8).to_string();
        json!({"kind": kind, "blocking": false, "device": device, "device-kind": "detector", "condition": condition,
            "active": active, "candidate": candidate, "by-ms": by_ms})
    };
    let mut rows = Vec::new();
    for n in 0..missed.cast_signed() {
        let mut lost = row(n, "alarm-lost", json!("gas-high"), present(9_000 + 700 * n, 0), Value::Null, 0);
        lost["blocking"] = json!(true);
        rows.push(lost);
    }
    rows.extend([
        row(3, "close-lost", Value::Null, present(800, 0), Value::Null, 0),
        row(4, "close-later", json!("gas-low"), present(2_000, 0), present(2_000, 75), 75_000),
        row(4, "alarm-later", json!("gas-low"), present(2_000, 0), present(2_000, 75), 75_000),
        row(5, "alarm-added", json!("gas-rising"), Value::Null, present(5_000, 0), 0),
        row(6, "alarm-earlier", json!("gas-low"), present(7_000, 0), present(7_000, -38), -38_000),
    ]);
    let group = |condition: &str, kind: &str, counts: [u64; 8]| {
        let [active, candidate, added, lost, earlier, earlier_ms, later, later_ms] = counts;
        json!({"condition": condition, "device-kind": kind, "active": active, "candidate": candidate, "added": added,
            "lost": lost, "earlier": earlier, "earlier-ms": earlier_ms, "later": later, "later-ms": later_ms})
    };
    json!({
        "interlocks": 412, "interlocks-changed": 9 + missed, "arrivals": 4_182_090, "readings": 12_404_118,
        "difference": {"added": 4, "lost": missed, "earlier": 11, "earlier-ms": 402_000, "later": 2, "later-ms": 151_000,
            "closes-added": 1, "closes-lost": missed, "closes-later": 1, "closes-later-ms": 75_000, "notices-added": 3, "notices-lost": 0},
        "groups": [
            group("gas-low", "detector", [41, 43, 3, 1, 9, 360_000, 2, 151_000]),
            group("gas-high", "detector", [12, 11, 0, missed.min(1), 2, 42_000, 0, 0]),
            group("gas-rising", "well-monitor", [6, 7, 1, 0, 0, 0, 0, 0]),
        ],
        "rows": rows, "rows-left-out": 7, "blocking": missed,
    })
}

/// Two decisions about an alarm: the rule's, and the floor's.
pub(crate) fn decisions(alarm: &AlarmItem) -> AlarmDecisions {
    let decision = |number: i64, at: Timestamp, gas: &str, floor: Vec<FloorFinding>, asked: Option<AskedRule>| {
        DecisionItem {
            number,
            device: alarm.device,
            at,
            floor,
            event: json!({"trigger": "readings", "now-ms": at.as_millis(), "device-kind": "detector", "valve": "open", "active": [],
            "installed-at-ms": null, "readings": [{"quantity": "gas", "value": gas, "at-ms": at.as_millis()}], "extensions": []}),
            asked,
            alarms: vec![alarm.id],
            commands: Vec::new(),
        }
    };
    let asked = |result: Value| AskedRule {
        digest: DIGEST.to_owned(),
        tier: "standard".to_owned(),
        settings_version: 6,
        settings: json!({"gas_low_level": 10.0, "gas_high_level": 20.0, "close_at_low": true}),
        state_before: "a3636761730063636f00".to_owned(),
        result,
        fuel: 18_240,
    };
    let first = alarm.raised_at;
    let found = FloorFinding {
        rule: "cn-household-gas".to_owned(),
        condition: Condition::GasHigh,
        priority: alarm.priority,
        close: true,
        quantity: Quantity::Gas,
        value: 31.4,
        at: first + Span::from_secs(15),
    };
    let decided = json!({"decided": {"state": "a36367617301", "raise": [{"condition": "gas-low", "priority": "high"}], "clear": [],
        "close-valve": true, "timers": [], "wake": null}});
    let failed = json!({"failed": {"out-of-fuel": {"limit": 10_000_000}}});
    AlarmDecisions {
        found: Some(AlarmFound {
            finding: "leak".to_owned(),
            by: Some(NAMES[1].to_owned()),
            at: first + Span::from_minutes(40),
        }),
        notifications: Vec::new(),
        messages: vec![davy_api::MessageItem {
            at: first,
            about: "raised".into(),
            by: "policy".into(),
            role: "control-room".into(),
            rank: 0,
            channel: "voice".into(),
            text: Some(("请立即前往处理".into(), "Please go there at once".into())),
            break_quiet: true,
            attempt: 1,
            state: "waiting".into(),
        }],
        alarm: alarm.id,
        items: vec![
            decision(1, first, "402a666666666666:13.2", Vec::new(), Some(asked(decided))),
            decision(2, first + Span::from_secs(15), "403f666666666666:31.4", vec![found.clone()], Some(asked(failed))),
            decision(3, first + Span::from_secs(30), "403f666666666666:31.4", vec![found], None),
        ],
    }
}

/// The usual bounds of trials, one of them drawn tighter.
pub fn bounds() -> davy_api::RuleBounds {
    use davy_domain::release::bounds::Bound;
    let item = |bound: Bound| davy_api::RuleBound {
        name: bound.name().to_owned(),
        value: if bound == Bound::Fuel { 60 } else { bound.usual() },
        own: bound == Bound::Fuel,
        default: bound.usual(),
        least: bound.least(),
        most: bound.most(),
    };
    davy_api::RuleBounds { items: Bound::ALL.into_iter().map(item).collect(), may_set: true }
}
