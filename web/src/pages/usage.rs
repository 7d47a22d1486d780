//! What a company uses of what all companies share, and where its shares end.

use crate::components::notice::{Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::format;
use crate::session::page_context;
use crate::translations::{Locale, use_i18n};
use davy_api::{Flow, Stock, Usage};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;

/// The page.
#[component]
pub fn UsagePage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let offset = page_context().utc_offset_minutes;
    let usage = Resource::new(|| (), |()| data::usage());
    view! {
        <Title text=td_string!(locale, usage.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, usage.title)}</h1>
                <p class="muted">{td_string!(locale, usage.promise)}</p>
            </div>
        </div>
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match usage.await {
                    Ok(usage) => view! { <Shares locale offset usage /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Shares(locale: Locale, offset: i32, usage: Usage) -> impl IntoView {
    let room = td_string!(locale, usage.room_of_the_moment);
    let flow = |id: &'static str, name, flow: &Flow| {
        let limit = flow.per_second.map_or_else(
            || room.to_owned(),
            |most| format!("{} {}", format::count(u64::from(most)), td_string!(locale, usage.per_second)),
        );
        let turned_away = flow.turned_away;
        view! {
            <tr data-testid=id>
                <th scope="row">{name}</th>
                <td class="cell-number" data-label=td_string!(locale, usage.taken)>{format::count(flow.taken)}</td>
                <td class="cell-number" data-label=td_string!(locale, usage.turned_away)>{format::count(turned_away)}</td>
                <td data-label=td_string!(locale, usage.share)>{limit}</td>
            </tr>
        }
    };
    let stock = |id: &'static str, name, stock: &Stock| {
        view! {
            <tr data-testid=id>
                <th scope="row">{name}</th>
                <td class="cell-number" data-label=td_string!(locale, usage.used)>{format::count(stock.used)}</td>
                <td class="cell-number" data-label=td_string!(locale, usage.most)>{format::count(stock.most)}</td>
            </tr>
        }
    };
    view! {
        <p class="hint">{td_string!(locale, usage.since)} " " <When locale at=usage.since offset /></p>
        <section class="card flush">
            <h2 class="flush-title">{td_string!(locale, usage.flows)}</h2>
            <table class="devices labelled">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, usage.what)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, usage.taken)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, usage.turned_away)}</th>
                        <th scope="col">{td_string!(locale, usage.share)}</th>
                    </tr>
                </thead>
                <tbody>
                    {flow("requests", td_string!(locale, usage.requests), &usage.requests)}
                    {flow("uplinks", td_string!(locale, usage.uplinks), &usage.uplinks)}
                </tbody>
            </table>
        </section>
        <section class="card flush">
            <h2 class="flush-title">{td_string!(locale, usage.stocks)}</h2>
            <table class="devices labelled">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, usage.what)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, usage.used)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, usage.most)}</th>
                    </tr>
                </thead>
                <tbody>
                    {stock("components", td_string!(locale, usage.components), &usage.components)}
                    {stock("component-bytes", td_string!(locale, usage.component_bytes), &usage.component_bytes)}
                    {stock("unchecked", td_string!(locale, usage.unchecked), &usage.unchecked_versions)}
                    {stock("back-tests", td_string!(locale, usage.back_tests), &usage.back_tests)}
                </tbody>
            </table>
        </section>
    }
    .into_any()
}
