//! What a back-test found: what stands against putting the version in force first, then the sums, then each difference.

use crate::components::notice::{Loading, ProblemCard};
use crate::components::rule::back_tests::{Cancel, Progress, is_open, stretch};
use crate::components::rule::report::Report;
use crate::data::{self, Loaded};
use crate::live::poll;
use crate::session::{PageContext, page_context};
use crate::translations::{Locale, use_i18n};
use crate::words::rules as words;
use davy_api::{BackTestItem, Problem};
use davy_domain::BackTestId;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

/// While it runs, and after it has ended.
const SOON_MS: u64 = 1_000;
const LATER_MS: u64 = 60_000;

async fn load(test: Option<BackTestId>) -> Loaded<BackTestItem> {
    match test {
        Some(test) => data::back_test(test).await,
        None => Err(Problem::not_found("back-test")),
    }
}

/// The page.
#[component]
pub fn BackTestPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = StoredValue::new(page_context());
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|it| it.get_str("test").and_then(|text| text.parse().ok())));
    let first = Resource::new(move || id.get(), load);
    view! {
        <Title text=td_string!(locale, back_test.report_title) />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(test) => view! { <Sheet locale page=page.get_value() test /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Sheet(locale: Locale, page: PageContext, test: BackTestItem) -> impl IntoView {
    let offset = page.utc_offset_minutes;
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let (id, rule) = (test.id, test.rule);
    let covered = stretch(locale, offset, &test);
    let test = RwSignal::new(test);
    let against = move || {
        test.with(|it| {
            let world = it.report.as_ref().and_then(|report| report["world"].as_str());
            match (world, it.against.is_some()) {
                (Some("billing-policy"), true) => td_string!(locale, billed.against),
                (Some("billing-policy"), false) => td_string!(locale, billed.alone),
                (Some("notification-policy"), false) => td_string!(locale, told.against_default),
                (_, true) => td_string!(locale, back_test.against),
                (_, false) => td_string!(locale, back_test.against_floor),
            }
        })
    };
    poll(
        move || if test.with_untracked(is_open) { SOON_MS } else { LATER_MS },
        move || {
            // What has ended does not change any more.
            if !test.with_untracked(is_open) {
                return;
            }
            spawn_local(async move {
                if let Ok(new) = data::back_test(id).await {
                    let _ = test.try_set(new);
                }
            });
        },
    );
    let body = move || {
        let test = test.get();
        match test.report.clone() {
            Some(report) if test.state == "done" => view! { <Report locale offset report /> }.into_any(),
            _ => view! { <Unfinished locale test csrf=csrf.get_value() /> }.into_any(),
        }
    };
    view! {
        <p class="crumb">
            <a href=format!("/rules/{rule}")>{td_string!(locale, back_test.to_rule)}</a>
        </p>
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, back_test.report_title)}</h1>
                <p class="muted">{covered} " · " {against}</p>
            </div>
        </div>
        <div class="report" data-testid="back-test-page" data-state=move || test.with(|it| it.state.clone())>{body}</div>
    }
    .into_any()
}

#[component]
fn Unfinished(locale: Locale, test: BackTestItem, csrf: String) -> impl IntoView {
    let open = is_open(&test);
    let next = format!("/rules/{}/back-tests/{}", test.rule, test.id);
    view! {
        <section class="card">
            <p><strong>{words::back_test(locale, &test.state)}</strong></p>
            {test.reason.clone().map(|reason| view! { <p>{reason}</p> })}
            {open
                .then(|| {
                    view! {
                        <p class="muted">{td_string!(locale, back_test.not_yet)}</p>
                        <Progress locale done=test.done total=test.total />
                        <div class="actions">
                            <Cancel locale test=test.id.to_string() next csrf />
                            <a class="button small unscripted" href="" rel="external">{td_string!(locale, rule.refresh)}</a>
                        </div>
                    }
                })}
        </section>
    }
    .into_any()
}
