//! What admission said: that it passed, or at which step it was refused, why, where, and what to do.

use crate::components::icon::{LevelIcon, VerdictIcon};
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::{Level, refusals, rules as words};
use davy_api::RuleChecks;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The checks' result, or that they still run.
#[component]
pub fn Checks(
    /// The language.
    locale: Locale,
    /// What admission said; absent until then.
    checks: Option<RuleChecks>,
    /// The stages that have begun, while they still run.
    checking: Vec<String>,
) -> impl IntoView {
    let Some(checks) = checks else {
        return view! {
            <p class="checks-waiting" role="status" data-testid="checks" data-state="waiting">
                <span class="spinner scripted" aria-hidden="true"></span>
                <span>{td_string!(locale, rule.checks_waiting)}</span>
                // Following it by itself takes scripts; a link does not.
                <a class="unscripted" href="" rel="external">{td_string!(locale, rule.refresh)}</a>
            </p>
            <ul class="checks-stages muted small" data-testid="checking">{listed(locale, &checking)}</ul>
        }
        .into_any();
    };
    let stages = listed(locale, &checks.stages);
    if checks.passed {
        let seconds = format::number_with(checks.took_ms as f64 / 1_000.0, 1);
        return view! {
            <div data-testid="checks" data-state="passed">
                <p class="checks-verdict">
                    <VerdictIcon level=Level::Normal />
                    <span>{tell!(locale, rule.checks_passed, seconds = seconds)}</span>
                </p>
                <ul class="checks-stages muted small">{stages}</ul>
            </div>
        }
        .into_any();
    }
    let facts = [
        (td_string!(locale, rule.refused_at), checks.stage.as_deref().map(|stage| words::check(locale, stage))),
        (td_string!(locale, rule.reason), refusals::reason(locale, &checks)),
        (td_string!(locale, rule.place), refusals::place(locale, &checks)),
        (td_string!(locale, rule.remedy), refusals::advice(locale, &checks)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.filter(|it| !it.is_empty())?)))
    .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
    .collect_view();
    view! {
        <div class="checks-refused" data-testid="checks" data-state="refused">
            <LevelIcon level=Level::Alarm />
            <dl class="facts">{facts}</dl>
        </div>
        <ul class="checks-stages muted small">{stages}</ul>
    }
    .into_any()
}

/// Stages of the checks, in the order in which they are passed.
fn listed(locale: Locale, stages: &[String]) -> impl IntoView + use<> {
    stages.iter().map(|stage| view! { <li>{words::check(locale, stage)}</li> }).collect_view()
}
