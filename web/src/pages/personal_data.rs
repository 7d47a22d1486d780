//! Personal data: what is held of oneself and who has met it; and for a company, who met whose.

use crate::components::notice::{Empty, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::session::page_context;
use crate::translations::{Locale, use_i18n};
use crate::words;
use davy_api::{DataAct, OwnData};
use davy_domain::personal::{Category, Met};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;

/// What is held of oneself.
#[component]
pub fn OwnDataPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let offset = page_context().utc_offset_minutes;
    let own = Resource::new(|| (), |()| data::own_data());
    view! {
        <Title text=td_string!(locale, personal.own_title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, personal.own_title)}</h1>
                <p class="muted">{td_string!(locale, personal.own_lead)}</p>
            </div>
        </div>
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match own.await {
                    Ok(own) => view! { <Own locale offset own /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Own(locale: Locale, offset: i32, own: OwnData) -> impl IntoView {
    let categories = own.categories.iter().map(|it| view! { <li>{category(locale, *it)}</li> }).collect_view();
    view! {
        <section class="card" aria-labelledby="held-title" data-testid="own-data">
            <h2 id="held-title">{td_string!(locale, personal.held)}</h2>
            <p><strong>{own.name}</strong> " " {own.email}</p>
            {own.phone.map(|phone| view! { <p>{td_string!(locale, personal.phone)} ": " {phone}</p> })}
            {own.address.map(|address| view! { <p>{td_string!(locale, personal.address)} ": " {address}</p> })}
            <ul>{categories}</ul>
            <p class="muted small">{td_string!(locale, personal.why)}</p>
            <p>
                <a class="button" href="/api/v1/account/personal-data/export" rel="external" download="">
                    {td_string!(locale, personal.export)}
                </a>
            </p>
            <p class="muted small">{td_string!(locale, personal.export_explain)}</p>
        </section>
        <section class="card" aria-labelledby="looks-title">
            <h2 id="looks-title">{td_string!(locale, personal.looks)}</h2>
            <Acts locale offset acts=own.acts empty=td_string!(locale, personal.no_looks) of=false />
        </section>
    }
    .into_any()
}

/// Who of the company met whose data.
#[component]
pub fn DataActsPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let offset = page_context().utc_offset_minutes;
    let acts = Resource::new(|| (), |()| data::data_acts());
    view! {
        <Title text=td_string!(locale, personal.acts_title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, personal.acts_title)}</h1>
                <p class="muted">{td_string!(locale, personal.acts_lead)}</p>
            </div>
        </div>
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match acts.await {
                    Ok(acts) => view! {
                        <section class="card">
                            <Acts locale offset acts=acts.items empty=td_string!(locale, personal.acts_empty) of=true />
                        </section>
                    }
                    .into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

/// A list of acts; `of` tells whose data each was about.
#[component]
fn Acts(locale: Locale, offset: i32, acts: Vec<DataAct>, empty: &'static str, of: bool) -> impl IntoView {
    if acts.is_empty() {
        return view! { <Empty title=empty /> }.into_any();
    }
    let rows = acts.into_iter().map(|act| {
        let what = match act.what {
            Met::Seen => td_string!(locale, personal.seen),
            Met::Exported => td_string!(locale, personal.exported),
        };
        let whose = of.then(|| {
            view! { <span>{td_string!(locale, personal.of)} ": " {act.person_name} " " <code>{act.person.to_string()}</code></span> " " }
        });
        let page = act.device.map(|device| {
            view! { <a href=format!("/devices/{device}")>{td_string!(locale, personal.device)}</a> }
        });
        view! {
            <li class="entry" data-testid="data-act" data-what=act.what.name()>
                <p>
                    <strong>{act.by_name}</strong> " (" {words::roles(locale, act.by_roles)} ") " {what}
                </p>
                <p class="entry-facts muted">
                    <When locale at=act.at offset /> " " {whose} {page}
                </p>
            </li>
        }
    });
    view! { <ul class="entries">{rows.collect_view()}</ul> }.into_any()
}

fn category(locale: Locale, category: Category) -> &'static str {
    match category {
        Category::Name => td_string!(locale, personal.c_name),
        Category::Contact => td_string!(locale, personal.c_contact),
        Category::Place => td_string!(locale, personal.c_place),
        Category::SignIn => td_string!(locale, personal.c_sign_in),
        Category::Readings => td_string!(locale, personal.c_readings),
        Category::Messages => td_string!(locale, personal.c_messages),
        Category::Part => td_string!(locale, personal.c_part),
    }
}
