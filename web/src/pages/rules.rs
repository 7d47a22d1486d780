//! The company's rules: which version is in force, every version with its stage, and the form that uploads another.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::components::rule::bounds::Bounds;
use crate::components::rule::quarantine::SetAside;
use crate::components::rule::stage::StageBadge;
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use crate::words::rules as words;
use davy_api::RuleVersion;
use davy_domain::release::Stage;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn RulesPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let versions = Resource::new(|| (), |()| data::rules());
    let quarantine = Resource::new(|| (), |()| data::quarantine());
    let bounds = Resource::new(|| (), |()| data::rule_bounds());
    view! {
        <Title text=td_string!(locale, rules.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, rules.title)}</h1>
                <p class="muted">{td_string!(locale, rules.lead)}</p>
            </div>
            <a class="button" href="/rules/signers" data-testid="signers">{td_string!(locale, signers.link)}</a>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                // Without it the page says everything else all the same.
                let set_aside = quarantine.await.unwrap_or_default();
                let bounds = bounds.await.unwrap_or_default();
                match versions.await {
                    Ok(versions) => {
                        view! {
                            <div class="sheet">
                                <div class="sheet-main">
                                    <InForce locale offset versions=versions.items.clone() />
                                    <SetAside locale offset csrf=csrf.get_value() quarantine=set_aside />
                                    <Versions locale offset versions=versions.items />
                                </div>
                                <div class="sheet-side">
                                    <Upload locale csrf=csrf.get_value() />
                                    <Bounds locale csrf=csrf.get_value() bounds />
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

fn name_of(locale: Locale, version: &RuleVersion) -> String {
    // Until its checks have passed, nobody has asked the component for its name.
    if version.version.is_empty() { td_string!(locale, rules.unchecked).to_owned() } else { version.name.clone() }
}

#[component]
fn InForce(locale: Locale, offset: i32, versions: Vec<RuleVersion>) -> impl IntoView {
    let active: Vec<_> = versions.into_iter().filter(|it| it.stage == Stage::Active).collect();
    let body = if active.is_empty() {
        view! { <p class="muted" data-testid="none-in-force">{td_string!(locale, rules.none_in_force)}</p> }.into_any()
    } else {
        active
            .into_iter()
            .map(|version| {
                view! {
                    <div class="in-force" data-testid="in-force" data-rule=version.id.to_string()>
                        <p class="in-force-name">
                            <a href=format!("/rules/{}", version.id)>{name_of(locale, &version)} " " {version.version.clone()}</a>
                        </p>
                        <p class="entry-facts">
                            <span class="muted">
                                {tell!(locale, rules.settings_number, number = version.settings_version)}
                            </span>
                            {version
                                .activated_at
                                .map(|at| {
                                    view! {
                                        <span class="muted">
                                            {td_string!(locale, rules.since)} " " <When locale at offset />
                                        </span>
                                    }
                                })}
                        </p>
                    </div>
                }
            })
            .collect_view()
            .into_any()
    };
    view! {
        <section class="card" aria-labelledby="in-force-title">
            <h2 id="in-force-title">{td_string!(locale, rules.in_force)}</h2>
            {body}
        </section>
    }
    .into_any()
}

#[component]
fn Versions(locale: Locale, offset: i32, versions: Vec<RuleVersion>) -> impl IntoView {
    if versions.is_empty() {
        return view! {
            <section class="card" data-testid="no-rules">
                <Empty title=td_string!(locale, rules.empty) hint=td_string!(locale, rules.empty_hint) />
            </section>
        }
        .into_any();
    }
    let rows = versions
        .into_iter()
        .map(|version| {
            let share = if version.stage.is_live() && version.stage != Stage::Shadow {
                words::share(version.permille)
            } else {
                td_string!(locale, rules.nobody).to_owned()
            };
            view! {
                <tr data-testid="rule-row" data-rule=version.id.to_string() data-stage=version.stage.name()>
                    <th scope="row">
                        <a href=format!("/rules/{}", version.id)>{name_of(locale, &version)} " " {version.version.clone()}</a>
                        <span class="muted">
                            {tell!(locale, rules.settings_number, number = version.settings_version)}
                        </span>
                    </th>
                    <td><StageBadge locale stage=version.stage /></td>
                    <td class="cell-number cell-wide">{share}</td>
                    <td class="cell-seen"><When locale at=version.changed_at offset short=true /></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card flush" aria-labelledby="versions-title">
            <h2 id="versions-title" class="flush-title">{td_string!(locale, rules.versions)}</h2>
            <table class="devices">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, rules.name)}</th>
                        <th scope="col">{td_string!(locale, rules.stage)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, rules.share)}</th>
                        <th scope="col">{td_string!(locale, rules.changed)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

#[component]
fn Upload(locale: Locale, csrf: String) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="upload-title">
            <h2 id="upload-title">{td_string!(locale, rules.upload)}</h2>
            <p class="muted small">{td_string!(locale, rules.upload_explain)}</p>
            <form
                method="post"
                action="/actions/rules/upload"
                enctype="multipart/form-data"
                class="stacked"
                data-testid="upload"
            >
                <input type="hidden" name="csrf" value=csrf />
                <label>
                    <span>{td_string!(locale, rules.file)}</span>
                    <input type="file" name="component" accept=".wasm,application/wasm" required />
                </label>
                <label>
                    <span>{td_string!(locale, rules.tier)}</span>
                    <select name="tier">
                        <option value="standard">{td_string!(locale, rules.tier_standard)}</option>
                        <option value="large">{td_string!(locale, rules.tier_large)}</option>
                    </select>
                </label>
                <details class="fold">
                    <summary>{td_string!(locale, rules.signature)}</summary>
                    <label>
                        <span>{td_string!(locale, rules.signer)}</span>
                        <input type="text" name="signer" pattern="[0-9a-fA-F]{64}" autocomplete="off" spellcheck="false" />
                    </label>
                    <label>
                        <span>{td_string!(locale, rules.signature_value)}</span>
                        <input type="text" name="signature" pattern="[0-9a-fA-F]{128}" autocomplete="off" spellcheck="false" />
                    </label>
                </details>
                <button type="submit" class="button primary">{td_string!(locale, rules.upload_submit)}</button>
            </form>
        </section>
    }
    .into_any()
}
