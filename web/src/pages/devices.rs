//! The list of devices: filtered and paged by plain links and one plain form.

use crate::components::badge::{LevelBadge, OnlineBadge, ValveBadge};
use crate::components::notice::{Empty, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::data::query;
use crate::format;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use crate::words::{self, Level};
use davy_api::{DevicePage as Devices, DeviceQuery, DeviceSummary};
use davy_domain::DeviceKind;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

const PAGE: u32 = 25;

fn asked(params: &ParamsMap) -> DeviceQuery {
    let kind = params.get_str("kind").and_then(|word| DeviceKind::ALL.iter().copied().find(|it| it.name() == word));
    let text = |name| params.get(name).filter(|text: &String| !text.trim().is_empty());
    DeviceQuery { kind, q: text("q"), after: text("after"), limit: Some(PAGE) }
}

/// The page.
#[component]
pub fn DevicesPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let may_add = page.session.is_some_and(|it| it.person.can("devices:add"));
    let params = use_query_map();
    let query = Memo::new(move |_| asked(&params.get()));
    let devices = Resource::new(move || query.get(), data::devices);
    view! {
        <Title text=td_string!(locale, devices.title) />
        <div class="page-head">
            <h1>{td_string!(locale, devices.title)}</h1>
            {may_add
                .then(|| {
                    view! {
                        <div class="choices">
                            <a class="button" href="/devices/add">{td_string!(locale, imports.title)}</a>
                            <a class="button quiet" href="/devices/labels">{td_string!(locale, labels.title)}</a>
                        </div>
                    }
                })}
        </div>
        {move || view! { <Filter locale query=query.get() /> }}
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match devices.await {
                    Ok(devices) => view! { <Table locale offset query=query.get_untracked() devices /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Filter(locale: Locale, query: DeviceQuery) -> impl IntoView {
    let filtered = query.kind.is_some() || query.q.is_some();
    let kinds = DeviceKind::ALL
        .iter()
        .map(|&kind| {
            view! {
                <option value=kind.name() selected=query.kind == Some(kind)>
                    {words::device_kind(locale, kind)}
                </option>
            }
        })
        .collect_view();
    view! {
        <form class="filter" method="get" action="/devices" role="search">
            <label>
                <span>{td_string!(locale, devices.search_label)}</span>
                <input type="search" name="q" value=query.q placeholder=td_string!(locale, devices.search) maxlength="80" />
            </label>
            <label>
                <span>{td_string!(locale, devices.kind_label)}</span>
                <select name="kind">
                    <option value="">{td_string!(locale, kind.all)}</option>
                    {kinds}
                </select>
            </label>
            <button type="submit" class="button">{td_string!(locale, devices.apply)}</button>
            {filtered.then(|| view! { <a class="button quiet" href="/devices">{td_string!(locale, devices.clear)}</a> })}
        </form>
    }
    .into_any()
}

#[component]
fn Table(locale: Locale, offset: i32, query: DeviceQuery, devices: Devices) -> impl IntoView {
    let filtered = query.kind.is_some() || query.q.is_some();
    if devices.items.is_empty() {
        let hint =
            if filtered { td_string!(locale, devices.empty_filter) } else { td_string!(locale, devices.empty_none) };
        return view! { <section class="card"><Empty title=td_string!(locale, devices.empty) hint /></section> }
            .into_any();
    }
    let link = |after: Option<String>| {
        format!("/devices{}", query::devices(&DeviceQuery { after, limit: None, ..query.clone() }))
    };
    let next = devices.next.map(|next| {
        view! { <a class="button" rel="next" href=link(Some(next))>{td_string!(locale, devices.next)}</a> }
    });
    let first = query.after.is_some().then(|| {
        view! { <a class="button quiet" rel="first" href=link(None)>{td_string!(locale, devices.first)}</a> }
    });
    view! {
        <section class="card flush">
            <p class="table-note muted">{tell!(locale, devices.total, count = format::count(devices.total))}</p>
            <table class="devices">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, devices.serial)}</th>
                        <th scope="col">{td_string!(locale, devices.address)}</th>
                        <th scope="col">{td_string!(locale, devices.status)}</th>
                        <th scope="col">{td_string!(locale, valve.label)}</th>
                        <th scope="col">{td_string!(locale, devices.last_seen)}</th>
                    </tr>
                </thead>
                <tbody>
                    {devices.items.into_iter().map(|device| view! { <Row locale offset device /> }).collect_view()}
                </tbody>
            </table>
        </section>
        <nav class="pages">{first} {next}</nav>
    }
    .into_any()
}

#[component]
fn Row(locale: Locale, offset: i32, device: DeviceSummary) -> impl IntoView {
    view! {
        <tr data-testid="device-row" data-device=device.id.to_string()>
            <th scope="row">
                <a href=format!("/devices/{}", device.id)>{device.serial}</a>
                <span class="muted">{words::device_kind(locale, device.kind)} " · " {device.model}</span>
            </th>
            <td class="cell-address">{device.address}</td>
            <td><ConditionBadge locale worst=device.worst /></td>
            <td>{device.valve.map(|valve| view! { <ValveBadge locale valve /> })}</td>
            <td class="cell-seen">
                {match device.last_seen {
                    Some(at) => view! { <When locale at offset short=true /> }.into_any(),
                    None => view! { <span class="muted">{td_string!(locale, state.never)}</span> }.into_any(),
                }}
                {(!device.online).then(|| view! { <OnlineBadge locale online=false /> })}
            </td>
        </tr>
    }
    .into_any()
}

/// A device's worst condition, or that there is none.
#[component]
pub(crate) fn ConditionBadge(locale: Locale, worst: Option<davy_domain::Condition>) -> impl IntoView {
    let level = Level::of_condition(worst);
    let text = worst.map_or_else(|| td_string!(locale, devices.normal), |it| words::condition(locale, it));
    view! { <LevelBadge level text /> }.into_any()
}
