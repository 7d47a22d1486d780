//! Billing and notification policies that mean harm: each is contained with its own typed reason, in every way it is called.

use crate::components::{embed, engine};
use davy_domain::policy::PolicyFault;
use davy_rules::world::{Billing, Notification, World};
use davy_rules::{BillingRule, NotificationRule, Rule, SettingsError, package};
use davy_rules_sdk::contract::billing::{AccountContext, Event as AccountEvent, LocalDate};
use davy_rules_sdk::contract::notification::{AlarmContext, Event as AlarmEvent, Recipient};
use std::fmt::Write as _;

const NOW: i64 = 1_800_000_000_000;
const LOOPS: &str = "(loop $again (br $again)) unreachable";
const HOGS: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
const RECURSES: &str = "(call $evaluate (local.get $arguments))";
/// Results are written from here on; empty ones lie there already.
const RESULT: u32 = 4_096;

/// A policy over a hand-written core module: `evaluate` finds the address of its arguments in `$arguments` and leaves that of its result.
fn hostile<W: World>(interface: &str, world: &str, evaluate: &str) -> Rule<W> {
    let mut data = String::new();
    // Name, version, summary in two languages, schema, texts: where the contract's layout has them.
    for (at, value) in
        [(256, 512), (260, 7), (264, 520), (268, 5), (272, 512), (280, 512), (288, 1024), (292, 33), (296, 512)]
    {
        let [a, b, c, d] = u32::to_le_bytes(value);
        writeln!(data, "(data (i32.const {at}) \"\\{a:02x}\\{b:02x}\\{c:02x}\\{d:02x}\")").unwrap();
    }
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
            (func $evaluate (export "davy:rules/{interface}@0.1.0#evaluate") (param $arguments i32) (result i32)
                {evaluate})
            (data (i32.const 512) "hostile\001.0.0")
            (data (i32.const 1024) "{{\22type\22:\22object\22,\22properties\22:{{}}}}")
            {data}
        )"#
    );
    let mut core = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    embed(&mut core, "0.1.0", &format!("{interface}.wit"), world);
    let engine = engine();
    engine.load(&engine.admit_as(&package::componentize(&core).unwrap()).unwrap())
}

/// Leaves a result with this list of so many items at so many bytes behind its begin.
fn list(offset: u32, at: u32, length: u32) -> String {
    let (pointer, count) = (RESULT + offset, RESULT + offset + 4);
    format!(
        "(i32.store (i32.const {pointer}) (i32.const {at})) (i32.store (i32.const {count}) (i32.const {length})) \
         (i32.const {RESULT})"
    )
}

fn account(evaluate: &str) -> Result<usize, PolicyFault> {
    let context = AccountContext {
        now_ms: NOW,
        today: LocalDate { year: 2027, month: 1, day: 15 },
        class: 1,
        persons: 0,
        balance_fen: -5_000,
        arrears_fen: 5_000,
        days_overdue: 90,
        period_start_ms: NOW,
        period_litres: 0,
        tariff: Vec::new(),
        exemptions: 0,
        required: Vec::new(),
        notices: Vec::new(),
        supply: 0,
    };
    let (usage, extensions) = (Vec::new(), Vec::new());
    let event = AccountEvent { context, trigger: 2, timer_id: 0, usage, payment_fen: 0, notice_kind: 0, extensions };
    let rule: BillingRule = hostile::<Billing>("billing", "billing-policy", evaluate);
    let first = rule.decide(&[0xa0], &[], &event);
    assert_eq!(rule.decide(&[0xa0], &[], &event), first, "and the same again");
    tried(&rule, first.result.is_err());
    first.result.map(|outcome| outcome.charges.len() + outcome.notices.len())
}

fn alarm(evaluate: &str) -> Result<usize, PolicyFault> {
    let context = AlarmContext {
        now_ms: NOW,
        raised_at_ms: NOW,
        acknowledged_at_ms: None,
        condition: 2,
        priority: 4,
        holds: true,
        device_kind: 1,
        valve_state: 2,
        premises_class: 1,
        local_minute: 60,
        quiet_hours: true,
        recipients: vec![Recipient { role: 1, rank: 0, channels: 2, on_duty: true }],
    };
    let event = AlarmEvent { context, trigger: 1, timer_id: 0, send_id: 0, failure: 0, extensions: Vec::new() };
    let rule: NotificationRule = hostile::<Notification>("notification", "notification-policy", evaluate);
    let first = rule.decide(&[0xa0], &[], &event);
    assert_eq!(rule.decide(&[0xa0], &[], &event), first, "and the same again");
    tried(&rule, first.result.is_err());
    first.result.map(|outcome| outcome.sends.len())
}

/// Settings are tried on the same code before anybody saves them. Nonsense in the outcome of a trial harms nobody, and is not looked at.
fn tried<W: World>(rule: &Rule<W>, fails: bool) {
    match rule.encode_settings("{}") {
        Ok(_) => {}
        Err(SettingsError::Tried(_)) => assert!(fails),
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn contained(of: impl Fn(&str) -> Result<usize, PolicyFault>) {
    assert_eq!(of("(i32.const 4096)"), Ok(0), "an empty outcome is a decision");
    assert!(matches!(of("unreachable"), Err(PolicyFault::Trap { .. })));
    assert_eq!(of(LOOPS), Err(PolicyFault::OutOfFuel { limit: 2_000_000 }));
    assert!(matches!(of(HOGS), Err(PolicyFault::Limit { .. })));
    assert!(matches!(of(RECURSES), Err(PolicyFault::Trap { .. } | PolicyFault::OutOfFuel { .. })));
    // A result that lies outside of its memory, and one whose tag is none.
    for code in ["(i32.const 0x7ffffff8)", "(i32.store8 (i32.const 4096) (i32.const 7)) (i32.const 4096)"] {
        assert!(matches!(of(code), Err(PolicyFault::Nonsense { .. } | PolicyFault::Trap { .. })), "{code}");
    }
}

#[track_caller]
fn fault(found: Result<usize, PolicyFault>, words: &str) {
    let text = found.expect_err("expected a fault").to_string();
    assert!(text.contains(words), "expected {words:?} in {text:?}");
}

#[test]
fn a_billing_policy_that_means_harm_is_contained() {
    contained(account);
    let (state, charges) = (8, 16);
    fault(account(&list(state, 8_192, 4_097)), "4096");
    fault(account(&list(charges, 8_192, 0x0fff_ffff)), "a value that is not of the contract's type");
    fault(account(&list(charges, 0x7fff_0000, 8)), "a value that is not of the contract's type");
    fault(account(&list(charges, 8_192, 1)), "charges");
}

#[test]
fn a_notification_policy_that_means_harm_is_contained() {
    contained(alarm);
    let (state, sends) = (4, 12);
    fault(alarm(&list(state, 8_192, 4_097)), "4096");
    fault(alarm(&list(sends, 8_192, 0x0fff_ffff)), "a value that is not of the contract's type");
    fault(alarm(&list(sends, 0x7fff_0000, 8)), "a value that is not of the contract's type");
    fault(alarm(&list(sends, 8_192, 33)), "32");
    fault(alarm(&list(sends, 8_192, 1)), "sends");
}
