//! Keys whose signatures on rules the company accepts, and with that whether a signature is needed at all.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::translations::{Locale, use_i18n};
use davy_api::{RuleSignerItem, RuleSigners};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn SignersPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let changes = page.session.as_ref().is_some_and(|it| it.person.can("rule-signers:change"));
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let signers = Resource::new(|| (), |()| data::rule_signers());
    view! {
        <Title text=td_string!(locale, signers.title) />
        <p class="crumb">
            <a href="/rules">{td_string!(locale, rule.back)}</a>
        </p>
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, signers.title)}</h1>
                <p class="muted">{td_string!(locale, signers.lead)}</p>
            </div>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match signers.await {
                    Ok(signers) => {
                        view! {
                            <div class="sheet">
                                <div class="sheet-main">
                                    <Keys locale offset signers changes csrf=csrf.get_value() />
                                </div>
                                <div class="sheet-side">
                                    {if changes {
                                        view! { <Accept locale csrf=csrf.get_value() /> }.into_any()
                                    } else {
                                        view! { <p class="muted small">{td_string!(locale, signers.only)}</p> }.into_any()
                                    }}
                                </div>
                            </div>
                        }
                            .into_any()
                    }
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Keys(locale: Locale, offset: i32, signers: RuleSigners, changes: bool, csrf: String) -> impl IntoView {
    let required = !signers.items.is_empty();
    let last = signers.items.len() == 1;
    let says = if required { td_string!(locale, signers.required) } else { td_string!(locale, signers.not_required) };
    let list = if required {
        let rows = signers.items.into_iter().map(|signer| {
            let csrf = changes.then(|| csrf.clone());
            view! { <Key locale offset signer csrf /> }
        });
        view! {
            <table class="devices">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, signers.name)}</th>
                        <th scope="col">{td_string!(locale, signers.key)}</th>
                        <th scope="col">{td_string!(locale, signers.since)}</th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        }
        .into_any()
    } else {
        view! { <Empty title=td_string!(locale, signers.empty) /> }.into_any()
    };
    view! {
        <p data-testid="signatures" data-required=required.to_string()>{says}</p>
        <section class="card flush">{list}</section>
        <p class="muted small">{td_string!(locale, signers.kept)}</p>
        {(changes && last).then(|| view! { <p class="muted small">{td_string!(locale, signers.last)}</p> })}
    }
    .into_any()
}

/// One key; with the session's token for whoever may end it.
#[component]
fn Key(locale: Locale, offset: i32, signer: RuleSignerItem, csrf: Option<String>) -> impl IntoView {
    let key = signer.public_key.clone();
    let end = csrf.map(|csrf| {
        view! {
            <form method="post" action="/actions/rules/signers/refuse">
                <input type="hidden" name="csrf" value=csrf />
                <input type="hidden" name="key" value=key />
                <button type="submit" class="button small quiet">{td_string!(locale, signers.refuse)}</button>
            </form>
        }
    });
    view! {
        <tr data-testid="signer">
            <th scope="row">{signer.name}</th>
            <td><code class="digest">{signer.public_key}</code></td>
            <td>{signer.added_at.map(|at| view! { <When locale at offset short=true /> })} {end}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Accept(locale: Locale, csrf: String) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="accept-title">
            <h2 id="accept-title">{td_string!(locale, signers.add)}</h2>
            <p class="muted small">{td_string!(locale, signers.make_hint)}</p>
            <form method="post" action="/actions/rules/signers/accept" class="stacked" data-testid="accept-signer">
                <input type="hidden" name="csrf" value=csrf />
                <label>
                    <span>{td_string!(locale, signers.name)}</span>
                    <input
                        type="text"
                        name="name"
                        required
                        maxlength="100"
                        autocomplete="off"
                        placeholder=td_string!(locale, signers.name_hint)
                    />
                </label>
                <label>
                    <span>{td_string!(locale, signers.key_label)}</span>
                    <input
                        type="text"
                        name="key"
                        required
                        pattern="[0-9a-fA-F]{64}"
                        autocomplete="off"
                        spellcheck="false"
                    />
                </label>
                <button type="submit" class="button primary">{td_string!(locale, signers.submit)}</button>
            </form>
        </section>
    }
    .into_any()
}
