//! Why an alarm came about: each stored decision with what was known, which rule was asked, what it answered, and what the
//! statutory floor found. It shows what is stored and concludes nothing of its own.

use crate::components::alarms::Found;
use crate::components::icon::LevelIcon;
use crate::components::ledger::Entries;
use crate::components::notice::{Empty, Loading, ProblemCard};
use crate::components::rule::Fold;
use crate::components::told::Messages;
use crate::components::when::When;
use crate::data::{self, Loaded};
use crate::format;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use crate::words::{self, Level};
use davy_api::{AlarmDecisions, AskedRule, DecisionItem, FloorFinding, Problem};
use davy_domain::{AlarmId, Condition, Quantity, ValveState};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use serde_json::Value;

async fn load(alarm: Option<AlarmId>) -> Loaded<AlarmDecisions> {
    match alarm {
        Some(alarm) => data::decisions(alarm).await,
        None => Err(Problem::not_found("alarm")),
    }
}

/// The page.
#[component]
pub fn WhyPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let offset = page_context().utc_offset_minutes;
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|it| it.get_str("alarm").and_then(|text| text.parse().ok())));
    let decisions = Resource::new(move || id.get(), load);
    view! {
        <Title text=td_string!(locale, why.title) />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match decisions.await {
                    Ok(decisions) => view! { <Sheet locale offset decisions /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Sheet(locale: Locale, offset: i32, decisions: AlarmDecisions) -> impl IntoView {
    let device = decisions.items.first().map(|item| item.device);
    let rerun = tell!(locale, why.rerun, alarm = decisions.alarm);
    let none = decisions.items.is_empty();
    let alarm = decisions.alarm;
    let messages = decisions.messages;
    let found = decisions.found;
    let items = decisions
        .items
        .into_iter()
        .enumerate()
        .map(|(at, item)| view! { <Decision locale offset number=at + 1 item /> })
        .collect_view();
    view! {
        {device
            .map(|device| {
                view! {
                    <p class="crumb">
                        <a href=format!("/devices/{device}")>{td_string!(locale, why.to_device)}</a>
                    </p>
                }
            })}
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, why.title)}</h1>
                <p class="muted">{td_string!(locale, why.lead)}</p>
            </div>
        </div>
        {found
            .map(|found| {
                view! {
                    <section class="card">
                        <Found locale offset found />
                    </section>
                }
            })}
        {none
            .then(|| {
                view! {
                    <section class="card">
                        <Empty title=td_string!(locale, why.empty) hint=td_string!(locale, why.empty_hint) />
                    </section>
                }
            })}
        <ol class="decisions">{items}</ol>
        <Messages locale offset messages />
        {(!none).then(|| view! { <p class="muted small">{rerun}</p> })}
        <Entered locale offset alarm />
    }
    .into_any()
}

/// Where the ledger has the alarm. Nothing for whoever may not see the ledger.
#[component]
fn Entered(locale: Locale, offset: i32, alarm: AlarmId) -> impl IntoView {
    let ledger = Resource::new(move || alarm, data::alarm_ledger);
    view! {
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                let Ok(ledger) = ledger.await else { return ().into_any() };
                let body = if ledger.items.is_empty() {
                    view! { <p class="muted">{td_string!(locale, ledger.why_empty)}</p> }.into_any()
                } else {
                    view! { <Entries locale offset items=ledger.items /> }.into_any()
                };
                view! {
                    <section class="card" aria-labelledby="ledger-title" data-testid="alarm-ledger">
                        <h2 id="ledger-title">{td_string!(locale, ledger.why_title)}</h2>
                        <p class="muted small">{td_string!(locale, ledger.why_lead)}</p>
                        {body}
                    </section>
                }
                    .into_any()
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Decision(locale: Locale, offset: i32, number: usize, item: DecisionItem) -> impl IntoView {
    let event = item.event;
    let asked = match item.asked {
        Some(asked) => view! { <Asked locale asked /> }.into_any(),
        None => view! { <p class="muted">{td_string!(locale, why.not_asked)}</p> }.into_any(),
    };
    view! {
        <li class="card decision" data-testid="decision">
            <div class="decision-head">
                <h2>{tell!(locale, why.decision, number = number)}</h2>
                <When locale at=item.at offset />
            </div>
            <div class="decision-parts">
                <section>
                    <h3>{td_string!(locale, why.known)}</h3>
                    <Known locale event=event.clone() />
                    <Fold title=td_string!(locale, why.whole_event) value=event />
                </section>
                <section>
                    <h3>{td_string!(locale, why.floor)}</h3>
                    <Floor locale floor=item.floor />
                </section>
                <section>
                    <h3>{td_string!(locale, why.asked)}</h3>
                    {asked}
                </section>
            </div>
        </li>
    }
    .into_any()
}

/// A stored float is its exact bits and the decimal: `4024000000000000:10`.
fn decimal(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.rsplit(':').next()?.parse().ok(),
        other => other.as_f64(),
    }
}

fn trigger(locale: Locale, trigger: &Value) -> String {
    let word = trigger.as_str().or_else(|| trigger.as_object()?.keys().next().map(String::as_str)).unwrap_or_default();
    match word {
        "readings" => td_string!(locale, why.by_readings).to_owned(),
        "timer" => td_string!(locale, why.by_timer).to_owned(),
        "valve-moved" => td_string!(locale, why.by_valve).to_owned(),
        other => other.to_owned(),
    }
}

fn conditions(locale: Locale, list: &Value) -> String {
    let known = |value: &Value| serde_json::from_value::<Condition>(value.clone()).ok();
    let names =
        list.as_array().into_iter().flatten().filter_map(|each| known(each).or_else(|| known(&each["condition"])));
    names.map(|it| words::condition(locale, it)).collect::<Vec<_>>().join(", ")
}

#[component]
fn Known(locale: Locale, event: Value) -> impl IntoView {
    let valve = serde_json::from_value::<ValveState>(event["valve"].clone()).ok();
    let readings = event["readings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reading| {
            let quantity = serde_json::from_value::<Quantity>(reading["quantity"].clone()).ok()?;
            let value = format::reading(locale, quantity, decimal(&reading["value"])?);
            Some(view! { <div><dt>{words::quantity(locale, quantity)}</dt><dd>{value}</dd></div> })
        })
        .collect_view();
    view! {
        <dl class="facts">
            <div><dt>{td_string!(locale, why.trigger)}</dt><dd>{trigger(locale, &event["trigger"])}</dd></div>
            {valve
                .map(|valve| {
                    view! { <div><dt>{td_string!(locale, valve.label)}</dt><dd>{words::valve(locale, valve)}</dd></div> }
                })}
            {readings}
        </dl>
    }
    .into_any()
}

#[component]
fn Floor(locale: Locale, floor: Vec<FloorFinding>) -> impl IntoView {
    if floor.is_empty() {
        return view! { <p class="muted">{td_string!(locale, why.floor_none)}</p> }.into_any();
    }
    let rows = floor
        .into_iter()
        .map(|found| {
            let said = tell!(
                locale,
                why.floor_found,
                condition = words::condition(locale, found.condition),
                value = format::reading(locale, found.quantity, found.value)
            );
            view! {
                <li>
                    <LevelIcon level=Level::of(found.condition, found.priority) />
                    <span>
                        {said} " " {found.close.then(|| td_string!(locale, why.floor_closes))}
                        <code class="small muted floor-rule">{found.rule}</code>
                    </span>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="found">{rows}</ul> }.into_any()
}

#[component]
fn Asked(locale: Locale, asked: AskedRule) -> impl IntoView {
    let answer = asked.result.get("decided").cloned();
    let state = |text: &str| {
        if text.is_empty() { td_string!(locale, why.nothing).to_owned() } else { text.to_owned() }
    };
    let after = answer.as_ref().and_then(|it| it["state"].as_str()).map(state);
    let said = match &answer {
        None => view! {
            <p class="row-note">{td_string!(locale, why.failed)}</p>
        }
        .into_any(),
        Some(answer) => {
            let (raises, clears) = (conditions(locale, &answer["raise"]), conditions(locale, &answer["clear"]));
            let closes = answer["close-valve"].as_bool().unwrap_or(false);
            let quiet = raises.is_empty() && clears.is_empty() && !closes;
            let fact = |name: &'static str, value: String| {
                (!value.is_empty()).then(|| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
            };
            view! {
                <dl class="facts">
                    {fact(td_string!(locale, why.raises), raises)}
                    {fact(td_string!(locale, why.clears), clears)}
                    {closes.then(|| view! { <div class="fact-line">{td_string!(locale, why.closes)}</div> })}
                    {quiet.then(|| view! { <div class="fact-line muted">{td_string!(locale, why.quiet)}</div> })}
                </dl>
            }
            .into_any()
        }
    };
    let settings = tell!(locale, why.settings, number = asked.settings_version);
    view! {
        {said}
        <p class="muted small">{tell!(locale, why.cost, fuel = format::count(asked.fuel))}</p>
        <p class="small"><code class="digest">{asked.digest}</code></p>
        <Fold title=settings value=asked.settings />
        <Memory title=td_string!(locale, why.state_before) text=state(&asked.state_before) />
        {after.map(|text| view! { <Memory title=td_string!(locale, why.state_after) text /> })}
        <Fold title=td_string!(locale, why.whole_result) value=asked.result />
    }
    .into_any()
}

#[component]
fn Memory(title: &'static str, text: String) -> impl IntoView {
    view! {
        <details class="fold">
            <summary>{title}</summary>
            <pre class="json" tabindex="0">{text}</pre>
        </details>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stored_decision_reads_as_words() {
        assert_eq!(decimal(&json!("4024000000000000:10")), Some(10.0));
        assert_eq!(decimal(&json!(2.5)), Some(2.5));
        assert_eq!(trigger(Locale::en, &json!({"timer": 1})), "A timer");
        assert_eq!(trigger(Locale::en, &json!("readings")), "New readings");
        let raised = json!([{"condition": "gas-high", "priority": "urgent"}]);
        assert_eq!(conditions(Locale::en, &raised), "Gas leak (high level)");
        assert_eq!(conditions(Locale::en, &json!(["gas-low"])), "Gas leak (low level)");
    }
}
