//! The words of a rule's life: stages, acts, faults, shares and lengths of time.

use super::Level;
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use davy_domain::release::{Act, Stage};
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
        Act::BreakOff { reason } => tell!(locale, act.broken_off, reason = reason),
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
    fn shares_and_lengths_are_written_as_people_say_them() {
        assert_eq!([1, 100, 125, 1_000].map(share), ["0.1 %", "10 %", "12.5 %", "100 %"]);
        assert_eq!(span(Locale::en, 7_000), "7 s");
        assert_eq!(span(Locale::en, 1_500), "1.5 s");
        assert_eq!(span(Locale::en, 75_000), "1 min 15 s");
        assert_eq!(span(Locale::zh_CN, 7_260_000), "2 小时 1 分");
    }
}
