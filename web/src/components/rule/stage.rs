//! How far a version has come: a badge, and the steps as a row.

use crate::components::badge::LevelBadge;
use crate::translations::Locale;
use crate::words::rules::{self as words, STEPS};
use davy_api::RuleDetail;
use davy_domain::release::Stage;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// A stage in a word.
#[component]
pub fn StageBadge(
    /// The language.
    locale: Locale,
    /// The stage.
    stage: Stage,
) -> impl IntoView {
    view! {
        <span data-testid="stage" data-stage=stage.name()>
            <LevelBadge level=words::stage_level(stage) text=words::stage(locale, stage) />
        </span>
    }
    .into_any()
}

/// Every step, those behind, the one where it is, and those ahead.
#[component]
pub fn Steps(
    /// The language.
    locale: Locale,
    /// The version.
    detail: RuleDetail,
) -> impl IntoView {
    let stage = detail.version.stage;
    let place = |stage: Stage| STEPS.iter().position(|step| *step == stage);
    // What has ended shows how far it came.
    let reached = place(stage).or_else(|| detail.acts.iter().filter_map(|act| place(act.stage)).max()).unwrap_or(0);
    let ended = place(stage).is_none();
    let steps = STEPS
        .iter()
        .enumerate()
        .map(|(at, step)| {
            let here = at == reached && !ended;
            // What was entered with the company began in force: only what was done is shown as done.
            let done = at == 0 || detail.acts.iter().any(|act| act.stage == *step);
            let (class, said) = match (done && at <= reached && !here, here) {
                (_, true) => ("step step-now", Some(td_string!(locale, stage.step_now))),
                (true, _) => ("step step-done", Some(td_string!(locale, stage.step_done))),
                _ => ("step", None),
            };
            view! {
                <li class=class aria-current=here.then_some("step")>
                    <span class="step-dot" aria-hidden="true"></span>
                    <span class="step-name">{name(locale, *step)}</span>
                    {said.map(|said| view! { <span class="visually-hidden">{said}</span> })}
                </li>
            }
        })
        .collect_view();
    view! {
        <ol class=if ended { "steps steps-ended" } else { "steps" } aria-label=td_string!(locale, stage.steps)>
            {steps}
        </ol>
    }
    .into_any()
}

/// As a step that may lie behind, the first one is not "being checked".
fn name(locale: Locale, step: Stage) -> &'static str {
    if step == Stage::Uploaded { td_string!(locale, act.uploaded) } else { words::stage(locale, step) }
}
