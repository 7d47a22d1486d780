//! Why a component was refused, where, and what to do, in the reader's language: from the codes and values of the API.
//!
//! Exhaustive over the domain's codes: a new one does not compile until both languages can say it.

use crate::tell::fill;
use crate::translations::Locale;
use crate::words;
use davy_api::RuleChecks;
use davy_domain::DeviceKind;
use davy_domain::refusal::{Advice, Counted, Place, Reason};
use leptos_i18n::td_string;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Why, in the reader's language; the server's own words for a code of a newer server, or where none was stored.
pub fn reason(locale: Locale, checks: &RuleChecks) -> Option<String> {
    let said = |code: &Option<String>| {
        let code = Reason::from_name(code.as_deref()?)?;
        Some(said(locale, reason_words(locale, code), &checks.params))
    };
    match (said(&checks.code), said(&checks.also)) {
        (Some(reason), Some(also)) => Some([reason, also].join(td_string!(locale, refusal.and_also))),
        (Some(reason), None) => Some(reason),
        (None, _) => checks.reason.clone(),
    }
}

/// Where, likewise.
pub fn place(locale: Locale, checks: &RuleChecks) -> Option<String> {
    let code = checks.place_code.as_deref().and_then(Place::from_name);
    code.map(|code| said(locale, place_words(locale, code), &checks.params)).or_else(|| checks.place.clone())
}

/// What to do, likewise.
pub fn advice(locale: Locale, checks: &RuleChecks) -> Option<String> {
    let code = checks.remedy_code.as_deref().and_then(Advice::from_name);
    code.map(|code| said(locale, advice_words(locale, code), &checks.params)).or_else(|| checks.remedy.clone())
}

/// A sentence with its values, those that are words themselves in the reader's language too.
fn said(locale: Locale, template: &str, params: &BTreeMap<String, String>) -> String {
    let values: Vec<(&str, String)> =
        params.iter().map(|(name, value)| (name.as_str(), value_words(locale, name, value))).collect();
    let values: Vec<(&str, &dyn Display)> = values.iter().map(|(name, value)| (*name, value as &dyn Display)).collect();
    fill(template, &values)
}

fn value_words(locale: Locale, name: &str, value: &str) -> String {
    let word = match name {
        "what" => Counted::from_name(value).map(|what| counted_words(locale, what).to_owned()),
        "kind" => {
            let kind = DeviceKind::ALL.iter().copied().find(|kind| kind.name() == value);
            kind.map(|kind| words::device_kind(locale, kind).to_owned())
        }
        "fault" => Some(words::rules::fault(locale, value)),
        "is" | "wanted" => world_words(locale, value).map(ToOwned::to_owned),
        "tier" if value == "standard" => Some(td_string!(locale, refusal.tier_standard).to_owned()),
        "tier" if value == "large" => Some(td_string!(locale, refusal.tier_large).to_owned()),
        _ => None,
    };
    word.unwrap_or_else(|| value.to_owned())
}

fn world_words(locale: Locale, world: &str) -> Option<&'static str> {
    Some(match world {
        "alarm-policy" => td_string!(locale, refusal.world_alarm),
        "billing-policy" => td_string!(locale, refusal.world_billing),
        "notification-policy" => td_string!(locale, refusal.world_notification),
        "device-driver" => td_string!(locale, refusal.world_driver),
        _ => return None,
    })
}

fn reason_words(locale: Locale, code: Reason) -> &'static str {
    match code {
        Reason::TooLarge => td_string!(locale, refusal.too_large),
        Reason::Empty => td_string!(locale, refusal.empty),
        Reason::CoreModule => td_string!(locale, refusal.core_module),
        Reason::MachineCode => td_string!(locale, refusal.machine_code),
        Reason::WasmText => td_string!(locale, refusal.wasm_text),
        Reason::NotWasm => td_string!(locale, refusal.not_wasm),
        Reason::Malformed => td_string!(locale, refusal.malformed),
        Reason::TooMany => td_string!(locale, refusal.too_many),
        Reason::NotValid => td_string!(locale, refusal.not_valid),
        Reason::Unreadable => td_string!(locale, refusal.unreadable),
        Reason::Definitions => td_string!(locale, refusal.definitions),
        Reason::Imports => td_string!(locale, refusal.imports),
        Reason::NoKnownExport => td_string!(locale, refusal.no_known_export),
        Reason::MoreExports => td_string!(locale, refusal.more_exports),
        Reason::FunctionsMissing => td_string!(locale, refusal.functions_missing),
        Reason::Unlinkable => td_string!(locale, refusal.unlinkable),
        Reason::OtherExports => td_string!(locale, refusal.other_exports),
        Reason::OtherWorld => td_string!(locale, refusal.other_world),
        Reason::NotCompiled => td_string!(locale, refusal.not_compiled),
        Reason::NoThread => td_string!(locale, refusal.no_thread),
        Reason::CompilerGaveUp => td_string!(locale, refusal.compiler_gave_up),
        Reason::NoSandbox => td_string!(locale, refusal.no_sandbox),
        Reason::DescribeFailed => td_string!(locale, refusal.describe_failed),
        Reason::Name => td_string!(locale, refusal.name),
        Reason::Version => td_string!(locale, refusal.version),
        Reason::TextTooLong => td_string!(locale, refusal.text_too_long),
        Reason::ControlCharacters => td_string!(locale, refusal.control_characters),
        Reason::TooManyTexts => td_string!(locale, refusal.too_many_texts),
        Reason::TextCodes => td_string!(locale, refusal.text_codes),
        Reason::Models => td_string!(locale, refusal.models),
        Reason::DeviceKinds => td_string!(locale, refusal.device_kinds),
        Reason::Actions => td_string!(locale, refusal.actions),
        Reason::Tags => td_string!(locale, refusal.tags),
        Reason::Quantity => td_string!(locale, refusal.quantity),
        Reason::Period => td_string!(locale, refusal.period),
        Reason::Resolution => td_string!(locale, refusal.resolution),
        Reason::Schema => td_string!(locale, refusal.schema),
        Reason::CaseDiffers => td_string!(locale, refusal.case_differs),
        Reason::CaseUnusable => td_string!(locale, refusal.case_unusable),
        Reason::CasesTooMuch => td_string!(locale, refusal.cases_too_much),
        Reason::CasesUnreadable => td_string!(locale, refusal.cases_unreadable),
        Reason::Defaults => td_string!(locale, refusal.defaults),
        Reason::FloorTable => td_string!(locale, refusal.floor_table),
        Reason::WeakerFaults => td_string!(locale, refusal.weaker_faults),
        Reason::WeakerClears => td_string!(locale, refusal.weaker_clears),
        Reason::WeakerSleeps => td_string!(locale, refusal.weaker_sleeps),
        Reason::WeakerSilent => td_string!(locale, refusal.weaker_silent),
        Reason::WeakerStaysOpen => td_string!(locale, refusal.weaker_stays_open),
        Reason::WeakerLate => td_string!(locale, refusal.weaker_late),
        Reason::SettingUnfit => td_string!(locale, refusal.setting_unfit),
        Reason::SettingContradiction => td_string!(locale, refusal.setting_contradiction),
        Reason::SettingsFail => td_string!(locale, refusal.settings_fail),
        Reason::TooSlow => td_string!(locale, refusal.too_slow),
        Reason::TooMuchMemory => td_string!(locale, refusal.too_much_memory),
        Reason::TooMuchProcessor => td_string!(locale, refusal.too_much_processor),
        Reason::ProcessEnded => td_string!(locale, refusal.process_ended),
        Reason::CheckFailed => td_string!(locale, refusal.check_failed),
    }
}

fn place_words(locale: Locale, code: Place) -> &'static str {
    match code {
        Place::WholeFile => td_string!(locale, refusal_place.whole_file),
        Place::Interfaces => td_string!(locale, refusal_place.interfaces),
        Place::Code => td_string!(locale, refusal_place.code),
        Place::Description => td_string!(locale, refusal_place.description),
        Place::Schema => td_string!(locale, refusal_place.schema),
        Place::Cases => td_string!(locale, refusal_place.cases),
        Place::Decisions => td_string!(locale, refusal_place.decisions),
        Place::Settings => td_string!(locale, refusal_place.settings),
        Place::Byte => td_string!(locale, refusal_place.byte),
        Place::Section => td_string!(locale, refusal_place.section),
        Place::Function => td_string!(locale, refusal_place.function),
        Place::Imports => td_string!(locale, refusal_place.imports),
        Place::Exports => td_string!(locale, refusal_place.exports),
        Place::Field => td_string!(locale, refusal_place.field),
        Place::SchemaPath => td_string!(locale, refusal_place.schema_path),
        Place::Case => td_string!(locale, refusal_place.case),
        Place::Curve => td_string!(locale, refusal_place.curve),
        Place::Setting => td_string!(locale, refusal_place.setting),
        Place::SettingValue => td_string!(locale, refusal_place.setting_value),
        Place::SettingValues => td_string!(locale, refusal_place.setting_values),
    }
}

fn advice_words(locale: Locale, code: Advice) -> &'static str {
    match code {
        Advice::Rebuild => td_string!(locale, refusal_advice.rebuild),
        Advice::NoWasi => td_string!(locale, refusal_advice.no_wasi),
        Advice::NoImports => td_string!(locale, refusal_advice.no_imports),
        Advice::Split => td_string!(locale, refusal_advice.split),
        Advice::Shrink => td_string!(locale, refusal_advice.shrink),
        Advice::FewerParts => td_string!(locale, refusal_advice.fewer_parts),
        Advice::LessMemory => td_string!(locale, refusal_advice.less_memory),
        Advice::Strip => td_string!(locale, refusal_advice.strip),
        Advice::MakeComponent => td_string!(locale, refusal_advice.make_component),
        Advice::AllowedFeatures => td_string!(locale, refusal_advice.allowed_features),
        Advice::SmallerOrLargeTier => td_string!(locale, refusal_advice.smaller_or_large_tier),
        Advice::NoData => td_string!(locale, refusal_advice.no_data),
        Advice::Simplify => td_string!(locale, refusal_advice.simplify),
        Advice::DescribeAlone => td_string!(locale, refusal_advice.describe_alone),
        Advice::MendAttribute => td_string!(locale, refusal_advice.mend_attribute),
        Advice::MendDriverAttribute => td_string!(locale, refusal_advice.mend_driver_attribute),
        Advice::MendSettingAttribute => td_string!(locale, refusal_advice.mend_setting_attribute),
        Advice::MendCase => td_string!(locale, refusal_advice.mend_case),
        Advice::PackCases => td_string!(locale, refusal_advice.pack_cases),
        Advice::EveryDefault => td_string!(locale, refusal_advice.every_default),
        Advice::MendTable => td_string!(locale, refusal_advice.mend_table),
        Advice::DecideEverywhere => td_string!(locale, refusal_advice.decide_everywhere),
        Advice::ClearBelow => td_string!(locale, refusal_advice.clear_below),
        Advice::WakeAtLevel => td_string!(locale, refusal_advice.wake_at_level),
        Advice::RaiseAtLevel => td_string!(locale, refusal_advice.raise_at_level),
        Advice::CloseWithAlarm => td_string!(locale, refusal_advice.close_with_alarm),
        Advice::TimerForTime => td_string!(locale, refusal_advice.timer_for_time),
        Advice::FitSchema => td_string!(locale, refusal_advice.fit_schema),
        Advice::StricterSetting => td_string!(locale, refusal_advice.stricter_setting),
        Advice::StricterSettings => td_string!(locale, refusal_advice.stricter_settings),
        Advice::RightPlace => td_string!(locale, refusal_advice.right_place),
        Advice::SmallerSimpler => td_string!(locale, refusal_advice.smaller_simpler),
        Advice::UploadAgain => td_string!(locale, refusal_advice.upload_again),
    }
}

fn counted_words(locale: Locale, code: Counted) -> &'static str {
    match code {
        Counted::Nesting => td_string!(locale, refusal_counted.nesting),
        Counted::Modules => td_string!(locale, refusal_counted.modules),
        Counted::Types => td_string!(locale, refusal_counted.types),
        Counted::CustomSections => td_string!(locale, refusal_counted.custom_sections),
        Counted::CustomBytes => td_string!(locale, refusal_counted.custom_bytes),
        Counted::Instances => td_string!(locale, refusal_counted.instances),
        Counted::Functions => td_string!(locale, refusal_counted.functions),
        Counted::MemoryBytes => td_string!(locale, refusal_counted.memory_bytes),
        Counted::Memories => td_string!(locale, refusal_counted.memories),
        Counted::TableElements => td_string!(locale, refusal_counted.table_elements),
        Counted::Tables => td_string!(locale, refusal_counted.tables),
        Counted::Items => td_string!(locale, refusal_counted.items),
        Counted::BodyBytes => td_string!(locale, refusal_counted.body_bytes),
        Counted::CodeBytes => td_string!(locale, refusal_counted.code_bytes),
        Counted::Locals => td_string!(locale, refusal_counted.locals),
        Counted::BlockDepth => td_string!(locale, refusal_counted.block_depth),
        Counted::LoopDepth => td_string!(locale, refusal_counted.loop_depth),
        Counted::Joins => td_string!(locale, refusal_counted.joins),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it found by panicking")]

    use super::*;
    use std::collections::BTreeSet;

    /// The names that a template has room for.
    fn named(template: &str) -> BTreeSet<&str> {
        template.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect()
    }

    /// Each code with its values and its words, by language.
    fn all(locale: Locale) -> Vec<(&'static str, &'static [&'static str], &'static str)> {
        let reasons = Reason::ALL.iter().map(|&it| (it.name(), it.params(), reason_words(locale, it)));
        let places = Place::ALL.iter().map(|&it| (it.name(), it.params(), place_words(locale, it)));
        let advice = Advice::ALL.iter().map(|&it| (it.name(), it.params(), advice_words(locale, it)));
        let counted = Counted::ALL.iter().map(|&it| (it.name(), &[][..], counted_words(locale, it)));
        reasons.chain(places).chain(advice).chain(counted).collect()
    }

    #[test]
    fn every_code_has_words_of_its_own_in_both_languages_with_all_of_its_values() {
        for locale in [Locale::zh_CN, Locale::en] {
            for (code, params, words) in all(locale) {
                assert!(!words.trim().is_empty(), "{code}");
                assert_eq!(named(words), params.iter().copied().collect(), "{code}: {words}");
            }
            let kinds = [
                Reason::ALL.iter().map(|&it| reason_words(locale, it)).collect::<BTreeSet<_>>().len(),
                Place::ALL.iter().map(|&it| place_words(locale, it)).collect::<BTreeSet<_>>().len(),
                Advice::ALL.iter().map(|&it| advice_words(locale, it)).collect::<BTreeSet<_>>().len(),
            ];
            assert_eq!(kinds, [Reason::ALL.len(), Place::ALL.len(), Advice::ALL.len()], "two codes say the same");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_readers_language_and_an_unknown_one_in_the_servers_words() {
        let checks: RuleChecks = serde_json::from_value(serde_json::json!({
            "passed": false, "took_ms": 1, "stage": "structure",
            "reason": "expected at most 100 functions, got 101", "code": "too-many",
            "place": "the section at byte 12", "place_code": "section",
            "remedy": "of a newer server", "remedy_code": "of-a-newer-server",
            "params": { "most": "100", "got": "101", "what": "functions", "byte": "12" },
        }))
        .unwrap();
        assert_eq!(reason(Locale::zh_CN, &checks).unwrap(), "函数最多 100，实为 101");
        assert_eq!(reason(Locale::en, &checks).unwrap(), "expected at most 100 functions, got 101");
        assert_eq!(place(Locale::zh_CN, &checks).unwrap(), "从第 12 字节开始的段");
        assert_eq!(advice(Locale::zh_CN, &checks).unwrap(), "of a newer server");
    }
}
