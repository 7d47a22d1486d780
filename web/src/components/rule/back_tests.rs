//! Back-tests of a version: the form that starts one, and how far each is.

use crate::components::icon::LevelIcon;
use crate::components::when::When;
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::Level;
use crate::words::rules as words;
use davy_api::BackTestItem;
use davy_domain::{ReleaseId, Span, Timestamp};
use leptos::prelude::*;
use leptos_i18n::td_string;

/// History that is offered unless somebody wants another length.
const OFFERED: Span = davy_domain::release::HISTORY;

/// Whether it may still change.
pub fn is_open(test: &BackTestItem) -> bool {
    matches!(test.state.as_str(), "waiting" | "running")
}

/// The form that starts one.
#[component]
pub fn StartBackTest(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The page's time.
    now: Timestamp,
    /// The version.
    rule: ReleaseId,
    /// The session's CSRF token.
    csrf: String,
) -> impl IntoView {
    view! {
        <form method="post" action="/actions/rules/back-test" class="in-line" data-testid="back-test-form">
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name="rule" value=rule.to_string() />
            <input type="hidden" name="offset" value=offset.to_string() />
            <label>
                <span>{td_string!(locale, back_test.from)}</span>
                <input type="date" name="from" value=format::day(now - OFFERED, offset) max=format::day(now, offset) required />
            </label>
            <label>
                <span>{td_string!(locale, back_test.to)}</span>
                <input type="date" name="to" value=format::day(now, offset) max=format::day(now, offset) required />
            </label>
            <label>
                <span>{td_string!(locale, back_test.percent)}</span>
                <input type="number" name="percent" min="0.1" max="100" step="0.1" value="100" required inputmode="decimal" />
            </label>
            <button type="submit" class="button primary" data-testid="start-back-test">
                {td_string!(locale, back_test.start)}
            </button>
        </form>
    }
    .into_any()
}

/// The back-tests, newest first.
#[component]
pub fn BackTests(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The back-tests.
    tests: Vec<BackTestItem>,
    /// The session's CSRF token.
    csrf: String,
) -> impl IntoView {
    if tests.is_empty() {
        return view! { <p class="muted">{td_string!(locale, back_test.none)}</p> }.into_any();
    }
    let rows = tests
        .into_iter()
        .map(|test| {
            let open = is_open(&test);
            let level = if test.state == "failed" { Level::Alarm } else { Level::Normal };
            let next = format!("/rules/{}", test.rule);
            let action = if open {
                Some(view! { <Cancel locale test=test.id.to_string() next csrf=csrf.clone() /> }.into_any())
            } else if test.state == "done" {
                let report = format!("/rules/{}/back-tests/{}", test.rule, test.id);
                Some(
                    view! {
                        <a class="button small" href=report data-testid="back-test-report">
                            {td_string!(locale, back_test.report)}
                        </a>
                    }
                    .into_any(),
                )
            } else {
                None
            };
            view! {
                <li class="entry" data-testid="back-test" data-state=test.state.clone()>
                    <LevelIcon level />
                    <div class="entry-body">
                        <p class="entry-title">{words::back_test(locale, &test.state)}</p>
                        <p class="entry-facts">
                            <span>{stretch(locale, offset, &test)}</span>
                            {(!test.decisive).then(|| view! { <span class="muted">{td_string!(locale, back_test.part)}</span> })}
                            <When locale at=test.finished_at.unwrap_or(test.created_at) offset short=true />
                        </p>
                        {open.then(|| view! { <Progress locale done=test.done total=test.total /> })}
                        {test.reason.map(|reason| view! { <p class="small">{reason}</p> })}
                    </div>
                    {action}
                </li>
            }
        })
        .collect_view();
    view! { <ol class="entries">{rows}</ol> }.into_any()
}

/// The history that it covers, in words.
pub fn stretch(locale: Locale, offset: i32, test: &BackTestItem) -> String {
    tell!(
        locale,
        back_test.span,
        from = format::date(locale, test.from, offset),
        to = format::date(locale, test.to, offset),
        share = words::share(test.permille)
    )
}

/// How far it is.
#[component]
pub fn Progress(
    /// The language.
    locale: Locale,
    /// Uplinks that were folded.
    done: u64,
    /// Uplinks in all; 0 until they are counted.
    total: u64,
) -> impl IntoView {
    let said = tell!(locale, back_test.progress, done = format::count(done), total = format::count(total));
    let value = (total > 0).then(|| done.min(total).to_string());
    view! {
        <div class="progress">
            <progress max=total.max(1).to_string() value=value aria-label=said.clone()></progress>
            {(total > 0).then(|| view! { <span class="muted small">{said}</span> })}
        </div>
    }
    .into_any()
}

/// The button that stops one.
#[component]
pub fn Cancel(
    /// The language.
    locale: Locale,
    /// Its id.
    test: String,
    /// The page to come back to.
    next: String,
    /// The session's CSRF token.
    csrf: String,
) -> impl IntoView {
    view! {
        <form method="post" action="/actions/rules/back-test/cancel" class="action">
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name="test" value=test />
            <input type="hidden" name="next" value=next />
            <button type="submit" class="button small" data-testid="cancel-back-test">
                {td_string!(locale, back_test.cancel)}
            </button>
        </form>
    }
    .into_any()
}
