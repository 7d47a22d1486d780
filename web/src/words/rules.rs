//! The words of a rule's life: stages, acts, faults, shares and lengths of time.

use super::Level;
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use davy_domain::release::{Act, Breach, Stage};
use leptos_i18n::td_string;

/// The steps that a version goes through, in order.
pub const STEPS: [Stage; 6] =
    [Stage::Uploaded, Stage::Checked, Stage::BackTested, Stage::Shadow, Stage::Cohort, Stage::Active];

/// How far a version has come.
pub fn stage(locale: Locale, stage: Stage) -> &'static str {
    match stage {
        Stage::Uploaded => td_string!(locale, stage.uploaded),
        Stage::Checked => td_string!(locale, stage.checked),
        Stage::BackTested => td_string!(locale, stage.back_tested),
        Stage::Shadow => td_string!(locale, stage.shadow),
        Stage::Cohort => td_string!(locale, stage.cohort),
        Stage::Active => td_string!(locale, stage.active),
        Stage::Retired => td_string!(locale, stage.retired),
        Stage::Refused => td_string!(locale, stage.refused),
    }
}

/// A stage is calm, unless the checks refused it.
pub const fn stage_level(stage: Stage) -> Level {
    match stage {
        Stage::Refused => Level::Alarm,
        Stage::Cohort | Stage::Shadow => Level::Event,
        Stage::Uploaded | Stage::Checked | Stage::BackTested | Stage::Active | Stage::Retired => Level::Normal,
    }
}

/// What was done, with its particulars.
pub fn act(locale: Locale, act: &Act) -> String {
    match act {
        Act::Upload => td_string!(locale, act.uploaded).to_owned(),
        Act::Check { passed: true } => td_string!(locale, act.check_passed).to_owned(),
        Act::Check { passed: false } => td_string!(locale, act.check_refused).to_owned(),
        Act::BackTest { missed: 0, decisive: true, .. } => td_string!(locale, act.back_tested).to_owned(),
        Act::BackTest { missed: 0, .. } => td_string!(locale, act.back_tested_part).to_owned(),
        Act::BackTest { missed, .. } => tell!(locale, act.back_tested_missed, count = missed),
        Act::StartShadow => td_string!(locale, act.shadow_started).to_owned(),
        Act::StartCohort { permille } => tell!(locale, act.cohort_started, share = share(*permille)),
        Act::Propose => td_string!(locale, act.proposed).to_owned(),
        Act::Approve => td_string!(locale, act.approved).to_owned(),
        Act::Decline => td_string!(locale, act.declined).to_owned(),
        Act::Supersede => td_string!(locale, act.superseded).to_owned(),
        Act::Withdraw => td_string!(locale, act.withdrawn).to_owned(),
        Act::RollBack => td_string!(locale, act.rolled_back).to_owned(),
        Act::Restore => td_string!(locale, act.restored).to_owned(),
        Act::BreakOff { breach: Some(breach), .. } => {
            tell!(locale, act.broken_off, reason = self::breach(locale, breach))
        }
        Act::BreakOff { reason, breach: None } => tell!(locale, act.broken_off, reason = reason),
    }
}

/// Which bound a version left, with its figures.
fn breach(locale: Locale, breach: &Breach) -> String {
    let count = |of: &u64| format::count(*of);
    match breach {
        Breach::Faults { most, got, of } => {
            tell!(locale, act.bound_faults, most = most, got = count(got), of = count(of))
        }
        Breach::RecentFaults { most, got, of } => {
            tell!(locale, act.bound_recent_faults, most = most, got = count(got), of = count(of))
        }
        Breach::Fuel { most, budget, got } => {
            tell!(locale, act.bound_fuel, most = most, budget = count(budget), got = count(got))
        }
        Breach::Alarms { most, in_force, got } => {
            tell!(locale, act.bound_alarms, most = most, in_force = count(in_force), got = count(got))
        }
        Breach::LostAlarms { most, in_force, got } => {
            tell!(locale, act.bound_lost_alarms, most = most, in_force = count(in_force), got = count(got))
        }
    }
}

/// A stage of the checks; an unknown word of a newer server is shown as it is.
pub fn check(locale: Locale, stage: &str) -> String {
    match stage {
        "size" => td_string!(locale, check.size),
        "structure" => td_string!(locale, check.structure),
        "validation" => td_string!(locale, check.validation),
        "world" => td_string!(locale, check.world),
        "compile" => td_string!(locale, check.compile),
        "describe" => td_string!(locale, check.describe),
        "schema" => td_string!(locale, check.schema),
        "cases" => td_string!(locale, check.cases),
        "conformance" => td_string!(locale, check.conformance),
        "settings" => td_string!(locale, check.settings),
        other => other,
    }
    .to_owned()
}

/// How a call failed; an unknown word of a newer server is shown as it is.
pub fn fault(locale: Locale, fault: &str) -> String {
    match fault {
        "trap" => td_string!(locale, fault.trap).to_owned(),
        "out-of-fuel" => td_string!(locale, fault.out_of_fuel).to_owned(),
        "deadline" => td_string!(locale, fault.deadline).to_owned(),
        "suspended" => td_string!(locale, fault.suspended).to_owned(),
        "limit" => td_string!(locale, fault.limit).to_owned(),
        "nonsense" => td_string!(locale, fault.nonsense).to_owned(),
        "reported" => td_string!(locale, fault.reported).to_owned(),
        other => other.to_owned(),
    }
}

/// A bound of trials; an unknown word of a newer server is shown as it is.
pub fn bound(locale: Locale, bound: &str) -> String {
    match bound {
        "faults-percent" => td_string!(locale, rules.bound_faults),
        "recent-faults-percent" => td_string!(locale, rules.bound_recent_faults),
        "faults-from-calls" => td_string!(locale, rules.bound_faults_from),
        "fuel-percent" => td_string!(locale, rules.bound_fuel),
        "fuel-from-calls" => td_string!(locale, rules.bound_fuel_from),
        "alarms-times" => td_string!(locale, rules.bound_alarms),
        "alarms-from" => td_string!(locale, rules.bound_alarms_from),
        "lost-alarms-percent" => td_string!(locale, rules.bound_lost),
        "lost-alarms-from" => td_string!(locale, rules.bound_lost_from),
        other => other,
    }
    .to_owned()
}

/// How far a back-test is; an unknown word of a newer server is shown as it is.
pub fn back_test(locale: Locale, state: &str) -> String {
    match state {
        "waiting" => td_string!(locale, back_test.waiting).to_owned(),
        "running" => td_string!(locale, back_test.running).to_owned(),
        "done" => td_string!(locale, back_test.done).to_owned(),
        "cancelled" => td_string!(locale, back_test.cancelled).to_owned(),
        "failed" => td_string!(locale, back_test.failed).to_owned(),
        other => other.to_owned(),
    }
}

/// `10 %`, from thousandths.
pub fn share(permille: u16) -> String {
    if permille.is_multiple_of(10) {
        format!("{} %", permille / 10)
    } else {
        format!("{}.{} %", permille / 10, permille % 10)
    }
}

/// A length of time in its two largest units, at least a tenth of a second.
pub fn span(locale: Locale, ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        ..60 if ms.is_multiple_of(1_000) => tell!(locale, span.seconds, count = seconds),
        ..60 => tell!(locale, span.seconds, count = format::number_with(ms as f64 / 1_000.0, 1)),
        60..3_600 => tell!(locale, span.minutes, minutes = seconds / 60, seconds = seconds % 60),
        3_600.. => tell!(locale, span.hours, hours = format::count(seconds / 3_600), minutes = seconds / 60 % 60),
    }
}

/// Who somebody is to a notification policy, by the code of the contract.
pub fn role(locale: Locale, code: u64) -> String {
    let known = match code {
        1 => td_string!(locale, told.role_owner),
        2 => td_string!(locale, told.role_safety_officer),
        3 => td_string!(locale, told.role_technician),
        4 => td_string!(locale, told.role_property_manager),
        5 => td_string!(locale, told.role_control_room),
        6 => td_string!(locale, told.role_duty_manager),
        7 => td_string!(locale, told.role_regulator),
        other => return other.to_string(),
    };
    known.to_owned()
}

/// Over what somebody is told, by the code of the contract.
pub fn channel(locale: Locale, code: u64) -> String {
    let known = match code {
        1 => td_string!(locale, told.channel_push),
        2 => td_string!(locale, told.channel_sms),
        3 => td_string!(locale, told.channel_voice),
        4 => td_string!(locale, told.channel_wechat),
        5 => td_string!(locale, told.channel_sounder),
        6 => td_string!(locale, told.channel_email),
        other => return other.to_string(),
    };
    known.to_owned()
}

/// Roles and channels by the names of the API, in the order of their codes from 1.
const ROLES: &[&str] =
    &["owner", "safety-officer", "technician", "property-manager", "control-room", "duty-manager", "regulator"];
const CHANNELS: &[&str] = &["push", "sms", "voice", "wechat", "sounder", "email"];

/// Whom a message is for and over what, by the names of the API.
pub fn addressee(locale: Locale, to: Option<&str>, over: Option<&str>) -> String {
    let named = |name: &str, names: &[&str], words: fn(Locale, u64) -> String| {
        let code = names.iter().position(|known| *known == name).map(|at| at as u64 + 1);
        code.map_or_else(|| name.to_owned(), |code| words(locale, code))
    };
    let to = to.map(|name| named(name, ROLES, role));
    let over = over.map(|name| named(name, CHANNELS, channel));
    to.into_iter().chain(over).collect::<Vec<_>>().join(" · ")
}

/// How a message stands to what is in force.
pub fn stands(locale: Locale, word: &str) -> String {
    let known = match word {
        "lost" => td_string!(locale, told.messages_lost),
        "added" => td_string!(locale, told.messages_added),
        "earlier" => td_string!(locale, back_test.earlier),
        "later" => td_string!(locale, back_test.later),
        other => return other.to_owned(),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_a_word_of_its_own() {
        for locale in [Locale::zh_CN, Locale::en] {
            let words: std::collections::BTreeSet<_> = Stage::ALL.iter().map(|&it| stage(locale, it)).collect();
            assert_eq!(words.len(), Stage::ALL.len());
        }
    }

    #[test]
    fn why_a_version_was_taken_back_is_told_in_the_readers_language_where_the_figures_are_stored() {
        let reason = "faults: expected at most 2 of 100 calls, got 1201 of 10000".to_owned();
        let breach = Some(Breach::Faults { most: 2, got: 1_201, of: 10_000 });
        let told = act(Locale::zh_CN, &Act::BreakOff { reason: reason.clone(), breach });
        assert!(told.contains("1,201") && !told.contains("expected"), "{told}");
        assert!(act(Locale::zh_CN, &Act::BreakOff { reason, breach: None }).contains("got 1201"));
    }

    #[test]
    fn shares_and_lengths_are_written_as_people_say_them() {
        assert_eq!([1, 100, 125, 1_000].map(share), ["0.1 %", "10 %", "12.5 %", "100 %"]);
        assert_eq!(span(Locale::en, 7_000), "7 s");
        assert_eq!(span(Locale::en, 1_500), "1.5 s");
        assert_eq!(span(Locale::en, 75_000), "1 min 15 s");
        assert_eq!(span(Locale::zh_CN, 7_260_000), "2 小时 1 分");
    }
}
