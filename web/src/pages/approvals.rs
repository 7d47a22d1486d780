//! Dangerous acts: choosing premises to close together, approving what another person has asked for, and how far it has come.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use davy_api::{RequestItem, Requests};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn ApprovalsPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let can = |code: &str| page.session.as_ref().is_some_and(|it| it.person.can(code));
    let (asks, limits) = (can("valves:close-many"), can("valves:limit"));
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let requests = Resource::new(|| (), |()| data::requests());
    view! {
        <Title text=td_string!(locale, approvals.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, approvals.title)}</h1>
                <p class="muted">{td_string!(locale, approvals.lead)}</p>
            </div>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match requests.await {
                    Ok(requests) => {
                        let csrf = csrf.get_value();
                        view! { <Board locale offset requests asks limits csrf /> }.into_any()
                    }
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Board(locale: Locale, offset: i32, requests: Requests, asks: bool, limits: bool, csrf: String) -> impl IntoView {
    let list = if requests.items.is_empty() {
        view! { <section class="card"><Empty title=td_string!(locale, approvals.empty) /></section> }.into_any()
    } else {
        let cards = requests.items.into_iter().map(|item| view! { <Card locale offset item csrf=csrf.clone() /> });
        cards.collect_view().into_any()
    };
    let options = requests
        .communities
        .into_iter()
        .map(|it| view! { <option value=it.id.to_string()>{it.name}</option> })
        .collect_view();
    let ask = asks.then(|| {
        view! {
            <section class="card" aria-labelledby="ask-title">
                <h2 id="ask-title">{td_string!(locale, approvals.close_many)}</h2>
                <p class="muted small">
                    {tell!(locale, approvals.alone, premises = requests.close_alone.to_string())}
                </p>
                <form method="post" action="/actions/approvals/close-many" class="stacked" data-testid="close-many">
                    <input type="hidden" name="csrf" value=csrf.clone() />
                    <label>
                        <span>{td_string!(locale, approvals.community)}</span>
                        <select name="community" required>
                            {options}
                        </select>
                    </label>
                    <label>
                        <span>{td_string!(locale, approvals.building)}</span>
                        <input type="text" name="building" maxlength="80" autocomplete="off" />
                    </label>
                    <button type="submit" class="button primary">{td_string!(locale, approvals.ask)}</button>
                </form>
            </section>
        }
    });
    let limit = limits.then(|| {
        view! {
            <section class="card" aria-labelledby="limit-title">
                <h2 id="limit-title">{td_string!(locale, approvals.limit)}</h2>
                <form method="post" action="/actions/closing-limit" class="stacked" data-testid="closing-limit">
                    <input type="hidden" name="csrf" value=csrf.clone() />
                    <label>
                        <span>{td_string!(locale, approvals.limit_label)}</span>
                        <input type="number" name="premises" min="0" max="1000" value=requests.close_alone.to_string() required />
                    </label>
                    <button type="submit" class="button">{td_string!(locale, approvals.limit_save)}</button>
                </form>
            </section>
        }
    });
    view! {
        <div class="sheet">
            <div class="sheet-main">{list}</div>
            <div class="sheet-side">{ask} {limit}</div>
        </div>
    }
    .into_any()
}

fn stage(locale: Locale, stage: &str) -> String {
    match stage {
        "waiting" => td_string!(locale, approvals.waiting),
        "expired" => td_string!(locale, approvals.expired),
        "approved" => td_string!(locale, approvals.approved),
        "done" => td_string!(locale, approvals.done),
        "declined" => td_string!(locale, approvals.declined),
        "withdrawn" => td_string!(locale, approvals.withdrawn),
        other => other,
    }
    .to_owned()
}

#[component]
fn Card(locale: Locale, offset: i32, item: RequestItem, csrf: String) -> impl IntoView {
    let buttons = item.may.iter().map(|act| {
        let label = match act.as_str() {
            "approve" => td_string!(locale, approvals.approve),
            "decline" => td_string!(locale, approvals.decline),
            _ => td_string!(locale, approvals.withdraw),
        };
        view! {
            <form method="post" action="/actions/approvals/decide">
                <input type="hidden" name="csrf" value=csrf.clone() />
                <input type="hidden" name="request" value=item.id.to_string() />
                <input type="hidden" name="act" value=act.clone() />
                <button type="submit" class="button small" data-testid=format!("decide-{act}")>{label}</button>
            </form>
        }
    });
    let buttons = buttons.collect_view();
    let addresses = item.addresses.iter().map(|address| view! { <li>{address.clone()}</li> }).collect_view();
    let progress = matches!(item.stage.as_str(), "approved" | "done").then(|| {
        let (ordered, failed) = (item.ordered.to_string(), item.failed.to_string());
        view! { <p>{tell!(locale, approvals.progress, ordered = ordered, failed = failed)}</p> }
    });
    view! {
        <section class="card" data-testid="request" data-stage=item.stage.clone()>
            <h2>{tell!(locale, approvals.what, premises = item.premises.to_string())}</h2>
            <p>
                <strong>{stage(locale, &item.stage)}</strong> " · " {item.asked_by} " · "
                <When locale at=item.asked_at offset short=true />
                {item.decided_by.map(|name| format!(" · {name}"))}
            </p>
            {item.second.then(|| view! { <p class="muted small">{td_string!(locale, approvals.second)}</p> })}
            {progress}
            <details class="fold">
                <summary>{td_string!(locale, approvals.which)}</summary>
                <ul class="small">{addresses}</ul>
            </details>
            <div class="actions">{buttons}</div>
        </section>
    }
    .into_any()
}
