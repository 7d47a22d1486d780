//! The companies of the platform, in figures, and what becomes of them: what its administrator may see and do.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::format;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use davy_api::{DeletedTenant, TenantDeletion, TenantItem, Tenants};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn TenantsPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let tenants = Resource::new(|| (), |()| data::tenants());
    view! {
        <Title text=td_string!(locale, tenants.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, tenants.title)}</h1>
                <p class="muted">{td_string!(locale, tenants.lead)}</p>
            </div>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match tenants.await {
                    Ok(tenants) => view! { <Board locale offset tenants csrf=csrf.get_value() /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Board(locale: Locale, offset: i32, tenants: Tenants, csrf: String) -> impl IntoView {
    let deleted = (!tenants.deleted.is_empty()).then(|| {
        let rows = tenants.deleted.into_iter().map(|tenant| view! { <Deleted locale offset tenant /> }).collect_view();
        view! {
            <section class="card" aria-labelledby="deleted-title">
                <h2 id="deleted-title">{td_string!(locale, tenants.deleted)}</h2>
                {rows}
            </section>
        }
    });
    if tenants.items.is_empty() {
        let empty = view! { <section class="card"><Empty title=td_string!(locale, tenants.empty) /></section> };
        return view! { {empty} {deleted} }.into_any();
    }
    let rows = tenants.items.into_iter().map(|tenant| view! { <Row locale offset tenant csrf=csrf.clone() /> });
    view! {
        <section class="card flush">
            <table class="devices labelled">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, tenants.name)}</th>
                        <th scope="col">{td_string!(locale, tenants.jurisdiction)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, tenants.premises)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, tenants.devices)}</th>
                        <th scope="col">{td_string!(locale, tenants.state)}</th>
                        <th scope="col">{td_string!(locale, tenants.acts)}</th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </section>
        {deleted}
    }
    .into_any()
}

/// A button that sends one act.
#[component]
fn Act(action: &'static str, tenant: String, act: String, csrf: String, label: &'static str) -> impl IntoView {
    view! {
        <form method="post" action=action>
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name="tenant" value=tenant />
            <input type="hidden" name="act" value=act.clone() />
            <button type="submit" class="button small quiet" data-testid=format!("tenant-{act}")>{label}</button>
        </form>
    }
}

#[component]
fn Row(locale: Locale, offset: i32, tenant: TenantItem, csrf: String) -> impl IntoView {
    const STANDING: &str = "/actions/tenants/standing";
    const DELETION: &str = "/actions/tenants/deletion";
    let id = tenant.id.to_string();
    let button = |action: &'static str, act: &str, label: &'static str| {
        view! { <Act action tenant=id.clone() act=act.to_owned() csrf=csrf.clone() label /> }.into_any()
    };
    let mut acts = Vec::new();
    match (&tenant.deletion, tenant.suspended_at) {
        (None, None) => acts.push(button(STANDING, "suspend", td_string!(locale, tenants.suspend))),
        (None, Some(_)) => {
            acts.push(button(STANDING, "resume", td_string!(locale, tenants.resume)));
            acts.push(button(DELETION, "ask", td_string!(locale, tenants.ask)));
        }
        (Some(deletion), _) => {
            for act in &deletion.may {
                let label = match act.as_str() {
                    "approve" => td_string!(locale, tenants.approve),
                    "decline" => td_string!(locale, tenants.decline),
                    _ => td_string!(locale, tenants.withdraw),
                };
                acts.push(button(DELETION, act, label));
            }
        }
    }
    let stands = match tenant.suspended_at {
        Some(at) => {
            view! { {td_string!(locale, tenants.suspended)} " " <When locale at offset short=true /> }.into_any()
        }
        None => td_string!(locale, tenants.active).into_any(),
    };
    view! {
        <tr data-testid="tenant" data-suspended=tenant.suspended_at.is_some().to_string()>
            <th scope="row">{tenant.name}</th>
            <td data-label=td_string!(locale, tenants.jurisdiction)>{tenant.jurisdiction}</td>
            <td class="cell-number" data-label=td_string!(locale, tenants.premises)>{format::count(tenant.premises)}</td>
            <td class="cell-number" data-label=td_string!(locale, tenants.devices)>{format::count(tenant.devices)}</td>
            <td data-label=td_string!(locale, tenants.state)>{stands} {tenant.deletion.map(|deletion| view! { <Stands locale offset deletion /> })}</td>
            <td>{acts}</td>
        </tr>
    }
    .into_any()
}

/// How a deletion stands.
#[component]
fn Stands(locale: Locale, offset: i32, deletion: TenantDeletion) -> impl IntoView {
    match deletion.due_at {
        Some(at) => view! {
            <p class="small" data-testid="deletion">{td_string!(locale, tenants.due)} " " <When locale at offset /></p>
        }
        .into_any(),
        None => view! {
            <p class="small" data-testid="deletion">{tell!(locale, tenants.waiting, who = deletion.asked_by)}</p>
        }
        .into_any(),
    }
}

#[component]
fn Deleted(locale: Locale, offset: i32, tenant: DeletedTenant) -> impl IntoView {
    view! {
        <details data-testid="deleted-tenant">
            <summary>{tenant.name} " " <When locale at=tenant.at offset short=true /></summary>
            <h3>{td_string!(locale, tenants.proof)}</h3>
            <pre class="proof">{tenant.proof}</pre>
        </details>
    }
    .into_any()
}
