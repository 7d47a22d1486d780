//! Labels of devices: which devices, how large, and a plain form that gives the sheets as a file.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::translations::{Locale, use_i18n};
use crate::words;
use davy_api::{DeviceImportItem, DevicePage as Devices, DeviceQuery};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// Devices to choose from by a tick.
const SHOWN: u32 = 50;

/// The page.
#[component]
pub fn LabelsPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let csrf = StoredValue::new(page_context().session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let text = query.get("q").filter(|text: &String| !text.trim().is_empty());
    let chosen = StoredValue::new((query.get("serial").unwrap_or_default(), query.get("import").unwrap_or_default()));
    let searched = StoredValue::new(text.clone().unwrap_or_default());
    let devices = Resource::new(
        || (),
        move |()| {
            let query = DeviceQuery { kind: None, q: text.clone(), after: None, limit: Some(SHOWN) };
            async move { Ok((data::devices(query).await?, data::device_imports().await?)) }
        },
    );
    view! {
        <Title text=td_string!(locale, labels.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, labels.title)}</h1>
                <p class="muted">{td_string!(locale, labels.lead)}</p>
            </div>
        </div>
        <FlashBar locale flash />
        <form class="filter" method="get" action="/devices/labels" role="search">
            <label>
                <span>{td_string!(locale, labels.search)}</span>
                <input type="search" name="q" value=searched.get_value() maxlength="80" />
            </label>
            <button type="submit" class="button">{td_string!(locale, devices.apply)}</button>
        </form>
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match devices.await {
                    Ok((devices, imports)) => {
                        let (serial, import) = chosen.get_value();
                        view! {
                            <Order locale csrf=csrf.get_value() serial import devices imports=imports.items />
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
fn Order(
    locale: Locale,
    csrf: String,
    serial: String,
    import: String,
    devices: Devices,
    imports: Vec<DeviceImportItem>,
) -> impl IntoView {
    let imports = imports
        .into_iter()
        .filter(|it| it.state == "entered")
        .map(|it| {
            let id = it.id.to_string();
            let selected = id == import;
            view! { <option value=id selected=selected>{it.name} " (" {it.devices} ")"</option> }
        })
        .collect_view();
    let sizes = [
        ("small", td_string!(locale, labels.small)),
        ("medium", td_string!(locale, labels.medium)),
        ("large", td_string!(locale, labels.large)),
    ]
    .map(|(size, name)| view! { <option value=size selected=size == "medium">{name}</option> })
    .collect_view();
    let ticks = if devices.items.is_empty() {
        view! { <Empty title=td_string!(locale, devices.empty) hint=td_string!(locale, labels.empty_hint) /> }
            .into_any()
    } else {
        devices
            .items
            .into_iter()
            .map(|it| {
                let ticked = it.serial == serial;
                view! {
                    <label class="tick">
                        <input type="checkbox" name="serial" value=it.serial.clone() checked=ticked />
                        <span>{it.serial} " · " {words::device_kind(locale, it.kind)} " · " {it.model}</span>
                    </label>
                }
            })
            .collect_view()
            .into_any()
    };
    view! {
        <form method="post" action="/actions/devices/labels" data-testid="labels">
            <input type="hidden" name="csrf" value=csrf />
            <div class="sheet">
                <section class="card stacked sheet-main" aria-labelledby="which-title">
                    <h2 id="which-title">{td_string!(locale, labels.which)}</h2>
                    {ticks}
                </section>
                <div class="sheet-side">
                    <section class="card stacked" aria-labelledby="sheet-title">
                        <h2 id="sheet-title">{td_string!(locale, labels.sheet)}</h2>
                        <label>
                            <span>{td_string!(locale, labels.import)}</span>
                            <select name="import">
                                <option value="">{td_string!(locale, labels.no_import)}</option>
                                {imports}
                            </select>
                        </label>
                        <label>
                            <span>{td_string!(locale, labels.serials)}</span>
                            <textarea name="serials" rows="5" spellcheck="false" autocomplete="off"></textarea>
                        </label>
                        <label>
                            <span>{td_string!(locale, labels.size)}</span>
                            <select name="size">{sizes}</select>
                        </label>
                        <label>
                            <span>{td_string!(locale, labels.format)}</span>
                            <select name="format">
                                <option value="pdf" selected>{td_string!(locale, labels.pdf)}</option>
                                <option value="svg">{td_string!(locale, labels.svg)}</option>
                            </select>
                        </label>
                        <label>
                            <span>{td_string!(locale, labels.page)}</span>
                            <input type="number" name="page" min="1" max="5000" value="1" />
                        </label>
                        <button type="submit" class="button primary">{td_string!(locale, labels.print)}</button>
                        <p class="muted small">{td_string!(locale, labels.explain)}</p>
                    </section>
                </div>
            </div>
        </form>
    }
    .into_any()
}
