//! What a version costs and how it fails, beside its budget.

use super::Fold;
use crate::components::icon::LevelIcon;
use crate::components::when::When;
use crate::format;
use crate::translations::Locale;
use crate::words::Level;
use crate::words::rules as words;
use davy_api::{RuleHealth, RuleSpread};
use davy_domain::Timestamp;
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde_json::Value;

/// The counters of a version.
#[component]
pub fn Health(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The counters; absent when it never ran.
    health: Option<RuleHealth>,
) -> impl IntoView {
    let Some(health) = health.filter(|it| it.calls > 0) else {
        return view! { <p class="muted" data-testid="health-none">{td_string!(locale, rule.health_none)}</p> }
            .into_any();
    };
    let faults: Vec<_> = health.faults.iter().filter(|(_, count)| **count > 0).collect();
    let faults = if faults.is_empty() {
        view! { <span class="muted">{td_string!(locale, rule.no_faults)}</span> }.into_any()
    } else {
        faults
            .into_iter()
            .map(|(kind, &count)| {
                view! {
                    <span class="badge badge-alarm">
                        <LevelIcon level=Level::Alarm />
                        <span>{words::fault(locale, kind)} " " {format::count(count)}</span>
                    </span>
                }
            })
            .collect_view()
            .into_any()
    };
    let row = |name: &'static str, spread: RuleSpread, budget: Option<u64>, shown: fn(u64) -> String| {
        let over = budget.is_some_and(|budget| spread.max > budget);
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td class="cell-number">{shown(spread.p50)}</td>
                <td class="cell-number">{shown(spread.p99)}</td>
                <td class=if over { "cell-number over" } else { "cell-number" }>{shown(spread.max)}</td>
                <td class="cell-number">
                    {budget.map_or_else(|| td_string!(locale, rule.no_budget).to_owned(), format::count)}
                </td>
            </tr>
        }
    };
    view! {
        <dl class="facts" data-testid="health">
            <div><dt>{td_string!(locale, rule.calls)}</dt><dd>{format::count(health.calls)}</dd></div>
            <div><dt>{td_string!(locale, rule.faults)}</dt><dd class="badges">{faults}</dd></div>
            <div><dt>{td_string!(locale, rule.alarms)}</dt><dd>{format::count(health.alarms)}</dd></div>
            <div>
                <dt>{td_string!(locale, rule.counted_since)}</dt>
                <dd><When locale at=health.since offset /></dd>
            </div>
        </dl>
        <div class="scroll" tabindex="0" role="region" aria-label=td_string!(locale, rule.health)>
            <table class="plain">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, rule.measure)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, rule.half)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, rule.most)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, rule.worst)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, rule.budget)}</th>
                    </tr>
                </thead>
                <tbody>
                    {row(td_string!(locale, rule.fuel), health.fuel, Some(health.fuel_budget), format::count)}
                    {row(td_string!(locale, rule.time), health.nanos, None, micros)}
                </tbody>
            </table>
        </div>
        {health.last_fault.map(|fault| view! { <LastFault locale offset fault /> })}
    }
    .into_any()
}

fn micros(nanos: u64) -> String {
    format::number_with(nanos as f64 / 1_000.0, 1)
}

#[component]
fn LastFault(locale: Locale, offset: i32, fault: Value) -> impl IntoView {
    let at = fault["at"].as_i64().map(Timestamp::from_millis);
    let said = fault["fault"].as_str().unwrap_or_default().to_owned();
    view! {
        <div class="last-fault">
            <p>
                <strong>{td_string!(locale, rule.last_fault)}</strong>
                " "
                {at.map(|at| view! { <When locale at offset /> })}
            </p>
            <p>{said}</p>
            <Fold title=td_string!(locale, rule.event) value=fault["event"].clone() />
        </div>
    }
    .into_any()
}
