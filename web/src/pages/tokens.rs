//! Tokens of machines: what there is, and the form that makes one. Its secret is told on a page of its own, once.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::translations::{Locale, use_i18n};
use davy_api::{TokenItem, Tokens};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn TokensPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let tokens = Resource::new(|| (), |()| data::tokens());
    view! {
        <Title text=td_string!(locale, tokens.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, tokens.title)}</h1>
                <p class="muted">{td_string!(locale, tokens.lead)}</p>
            </div>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match tokens.await {
                    Ok(tokens) => view! { <Board locale offset tokens csrf=csrf.get_value() /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Board(locale: Locale, offset: i32, tokens: Tokens, csrf: String) -> impl IntoView {
    let list = if tokens.items.is_empty() {
        view! { <section class="card"><Empty title=td_string!(locale, tokens.empty) /></section> }.into_any()
    } else {
        let rows = tokens.items.into_iter().map(|token| view! { <Row locale offset token csrf=csrf.clone() /> });
        view! {
            <section class="card flush">
                <table class="devices">
                    <thead>
                        <tr>
                            <th scope="col">{td_string!(locale, tokens.name)}</th>
                            <th scope="col">{td_string!(locale, tokens.may)}</th>
                            <th scope="col">{td_string!(locale, tokens.used)}</th>
                            <th scope="col">{td_string!(locale, tokens.until)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </section>
        }
        .into_any()
    };
    let ticks = tokens.may.into_iter().map(|code| {
        view! {
            <label class="tick">
                <input type="checkbox" name="deeds" value=code.clone() />
                <code>{code}</code>
            </label>
        }
    });
    view! {
        <div class="sheet">
            <div class="sheet-main">{list}</div>
            <div class="sheet-side">
                <section class="card" aria-labelledby="make-title">
                    <h2 id="make-title">{td_string!(locale, tokens.make)}</h2>
                    <form method="post" action="/actions/tokens/make" class="stacked" data-testid="make-token">
                        <input type="hidden" name="csrf" value=csrf />
                        <label>
                            <span>{td_string!(locale, tokens.name)}</span>
                            <input type="text" name="name" required maxlength="100" autocomplete="off" />
                        </label>
                        <fieldset class="ticks">
                            <legend>{td_string!(locale, tokens.may)}</legend>
                            {ticks.collect_view()}
                        </fieldset>
                        <label>
                            <span>{td_string!(locale, tokens.days)}</span>
                            <input type="number" name="days" min="1" max="366" value="90" required />
                        </label>
                        <button type="submit" class="button primary">{td_string!(locale, tokens.make)}</button>
                    </form>
                </section>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Row(locale: Locale, offset: i32, token: TokenItem, csrf: String) -> impl IntoView {
    let end = if token.good {
        view! {
            <form method="post" action="/actions/tokens/revoke">
                <input type="hidden" name="csrf" value=csrf />
                <input type="hidden" name="token" value=token.id.to_string() />
                <button type="submit" class="button small quiet">{td_string!(locale, tokens.end)}</button>
            </form>
        }
        .into_any()
    } else {
        view! { <span class="muted">{td_string!(locale, tokens.ended)}</span> }.into_any()
    };
    view! {
        <tr data-testid="token" data-good=token.good.to_string()>
            <th scope="row">{token.name}</th>
            <td><code>{token.deeds.join(" ")}</code></td>
            <td>
                {match token.last_used_at {
                    Some(at) => view! { <When locale at offset short=true /> }.into_any(),
                    None => view! { <span class="muted">{td_string!(locale, state.never)}</span> }.into_any(),
                }}
            </td>
            <td><When locale at=token.expires_at offset short=true /> {end}</td>
        </tr>
    }
    .into_any()
}
