//! Adding devices: from a file or one by its fields, what came of each file, and the keys that are handed over once.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use crate::words;
use davy_api::DeviceImportItem;
use davy_domain::DeviceKind;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn AddDevicesPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let imports = Resource::new(|| (), |()| data::device_imports());
    view! {
        <Title text=td_string!(locale, imports.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, imports.title)}</h1>
                <p class="muted">{td_string!(locale, imports.lead)}</p>
            </div>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match imports.await {
                    Ok(imports) => {
                        view! {
                            <div class="sheet">
                                <div class="sheet-main">
                                    <Imports locale offset csrf=csrf.get_value() imports=imports.items />
                                </div>
                                <div class="sheet-side">
                                    <FromFile locale csrf=csrf.get_value() />
                                    <OneDevice locale csrf=csrf.get_value() />
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

fn state_of(locale: Locale, state: &str) -> &'static str {
    match state {
        "checking" => td_string!(locale, imports.checking),
        "entering" => td_string!(locale, imports.entering),
        "entered" => td_string!(locale, imports.entered),
        "refused" => td_string!(locale, imports.refused),
        _ => td_string!(locale, imports.broken_off),
    }
}

#[component]
fn Imports(locale: Locale, offset: i32, csrf: String, imports: Vec<DeviceImportItem>) -> impl IntoView {
    if imports.is_empty() {
        return view! {
            <section class="card" data-testid="no-imports">
                <Empty title=td_string!(locale, imports.empty) hint=td_string!(locale, imports.empty_hint) />
            </section>
        }
        .into_any();
    }
    let under_way = imports.iter().any(DeviceImportItem::is_under_way);
    let rows =
        imports.into_iter().map(|import| view! { <Import locale offset csrf=csrf.clone() import /> }).collect_view();
    view! {
        <section class="card" aria-labelledby="imports-title">
            <h2 id="imports-title">{td_string!(locale, imports.list)}</h2>
            {under_way
                .then(|| view! { <p role="status"><a href="/devices/add">{td_string!(locale, imports.reload)}</a></p> })}
            {rows}
        </section>
    }
    .into_any()
}

#[component]
fn Import(locale: Locale, offset: i32, csrf: String, import: DeviceImportItem) -> impl IntoView {
    let id = import.id.to_string();
    let keys = match (import.state.as_str(), import.has_credentials) {
        ("entered", true) => view! {
            <form method="post" action="/actions/devices/credentials">
                <input type="hidden" name="csrf" value=csrf />
                <input type="hidden" name="import" value=id.clone() />
                <p class="muted small">{td_string!(locale, imports.take_explain)}</p>
                <button type="submit" class="button" data-testid="take-keys">{td_string!(locale, imports.take)}</button>
            </form>
        }
        .into_any(),
        ("entered", false) => view! { <p class="muted small">{td_string!(locale, imports.taken)}</p> }.into_any(),
        _ => ().into_any(),
    };
    let labels = (import.state == "entered").then(|| {
        view! { <p><a href=format!("/devices/labels?import={id}")>{td_string!(locale, labels.title)}</a></p> }
    });
    let faults = (import.fault_count > 0).then(|| {
        let rows = import
            .faults
            .iter()
            .map(|it| {
                view! {
                    <tr>
                        <td class="cell-number">{it.line}</td>
                        <td>{it.column.clone()}</td>
                        <td>{it.fault.clone()}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <details class="fold">
                <summary>{td_string!(locale, imports.fault)}</summary>
                <table class="devices">
                    <thead>
                        <tr>
                            <th scope="col" class="cell-number">{td_string!(locale, imports.line)}</th>
                            <th scope="col">{td_string!(locale, imports.column)}</th>
                            <th scope="col">{td_string!(locale, imports.fault)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
                <p>
                    <a href=format!("/api/v1/device-imports/{id}/report") rel="external" download="">
                        {tell!(locale, imports.report, number = import.fault_count)}
                    </a>
                </p>
            </details>
        }
    });
    view! {
        <article class="entry" data-testid="import" data-state=import.state.clone()>
            <h3>{import.name.clone()}</h3>
            <p class="entry-facts">
                <strong>{state_of(locale, &import.state)}</strong>
                <span class="muted">{td_string!(locale, imports.lines)} " " {import.lines}</span>
                <span class="muted"><When locale at=import.changed_at offset /></span>
            </p>
            {keys}
            {labels}
            {faults}
        </article>
    }
    .into_any()
}

#[component]
fn FromFile(locale: Locale, csrf: String) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="file-title">
            <h2 id="file-title">{td_string!(locale, imports.file_title)}</h2>
            <p class="muted small">{td_string!(locale, imports.file_explain)}</p>
            <form
                method="post"
                action="/actions/devices/import"
                enctype="multipart/form-data"
                class="stacked"
                data-testid="import-file"
            >
                <input type="hidden" name="csrf" value=csrf />
                <label>
                    <span>{td_string!(locale, imports.file)}</span>
                    <input type="file" name="file" accept=".csv,text/csv" required />
                </label>
                <button type="submit" class="button primary">{td_string!(locale, imports.submit_file)}</button>
            </form>
        </section>
    }
    .into_any()
}

#[component]
fn OneDevice(locale: Locale, csrf: String) -> impl IntoView {
    let kinds = DeviceKind::ALL
        .iter()
        .map(|&kind| view! { <option value=kind.name()>{words::device_kind(locale, kind)}</option> })
        .collect_view();
    let field = |name: &'static str, label: &'static str, required: bool| {
        view! {
            <label>
                <span>{label}</span>
                <input type="text" name=name required=required maxlength="200" autocomplete="off" spellcheck="false" />
            </label>
        }
    };
    view! {
        <section class="card" aria-labelledby="one-title">
            <h2 id="one-title">{td_string!(locale, imports.one_title)}</h2>
            <form method="post" action="/actions/devices/add" class="stacked" data-testid="import-one">
                <input type="hidden" name="csrf" value=csrf />
                {field("serial", td_string!(locale, imports.serial), true)}
                <label>
                    <span>{td_string!(locale, imports.kind)}</span>
                    <select name="kind">{kinds}</select>
                </label>
                {field("model", td_string!(locale, imports.model), true)}
                {field("premises", td_string!(locale, imports.premises), false)}
                {field("address", td_string!(locale, imports.address), false)}
                {field("lon", td_string!(locale, imports.lon), false)}
                {field("lat", td_string!(locale, imports.lat), false)}
                {field("links", td_string!(locale, imports.links), false)}
                {field("parent", td_string!(locale, imports.parent), false)}
                {field("report_interval_s", td_string!(locale, imports.interval), false)}
                <label class="tick">
                    <input type="checkbox" name="sleepy" value="true" />
                    <span>{td_string!(locale, imports.sleepy)}</span>
                </label>
                <button type="submit" class="button primary">{td_string!(locale, imports.submit_one)}</button>
            </form>
        </section>
    }
    .into_any()
}
