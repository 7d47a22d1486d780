//! The company's people: who there is, what they do, and the forms that change it. All of it works without scripts.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::translations::{Locale, use_i18n};
use crate::words;
use davy_api::{CommunityItem, People, PersonItem};
use davy_domain::proof::SecondFactorPolicy;
use davy_domain::{Role, ScopeKind, UserId};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn PeoplePage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let session = page_context().session;
    let own = session.as_ref().map(|it| it.person.id);
    let changes = session.as_ref().is_some_and(|it| it.person.can("people:change"));
    let demands = session.as_ref().is_some_and(|it| it.person.can("people:demand-factor"));
    let csrf = StoredValue::new(session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let people = Resource::new(|| (), |()| data::people());
    view! {
        <Title text=td_string!(locale, people.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, people.title)}</h1>
                <p class="muted">{td_string!(locale, people.lead)}</p>
                <p><a href="/personal-data" data-testid="data-acts">{td_string!(locale, personal.acts_title)}</a></p>
            </div>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match people.await {
                    Ok(people) => {
                        view! {
                            <div class="sheet">
                                <div class="sheet-main">
                                    <Table locale people=people.clone() own changes csrf=csrf.get_value() />
                                </div>
                                <div class="sheet-side">
                                    {changes
                                        .then(|| {
                                            view! { <Add locale communities=people.communities csrf=csrf.get_value() /> }
                                        })}
                                    <Demand locale policy=people.second_factor demands csrf=csrf.get_value() />
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

/// A tick for each role of a scope.
#[component]
fn RoleChoice(locale: Locale, scopes: &'static [ScopeKind], chosen: davy_domain::Roles) -> impl IntoView {
    let choices = Role::ALL.iter().filter(|role| scopes.contains(&role.scope())).map(|role| {
        view! {
            <label class="tick">
                <input type="checkbox" name="roles" value=role.name() checked=chosen.has(*role) />
                <span>{words::role(locale, *role)}</span>
            </label>
        }
    });
    view! {
        <fieldset class="ticks">
            <legend>{td_string!(locale, people.roles)}</legend>
            {choices.collect_view()}
        </fieldset>
    }
    .into_any()
}

#[component]
fn Table(locale: Locale, people: People, own: Option<UserId>, changes: bool, csrf: String) -> impl IntoView {
    if people.items.is_empty() {
        return view! { <section class="card"><Empty title=td_string!(locale, people.empty) /></section> }.into_any();
    }
    let rows = people
        .items
        .into_iter()
        .map(|person| {
            let change = changes && own != Some(person.id);
            view! { <Row locale person change csrf=csrf.clone() /> }
        })
        .collect_view();
    view! {
        <section class="card flush">
            <table class="devices">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, people.name)}</th>
                        <th scope="col">{td_string!(locale, people.roles)}</th>
                        <th scope="col">{td_string!(locale, people.change)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

#[component]
fn Row(locale: Locale, person: PersonItem, change: bool, csrf: String) -> impl IntoView {
    let id = person.id.to_string();
    let scopes: &'static [ScopeKind] =
        if person.scope == ScopeKind::Community { &[ScopeKind::Community] } else { &[ScopeKind::Tenant] };
    let forms = change.then(|| {
        view! {
            <details class="fold">
                <summary>{td_string!(locale, people.change)}</summary>
                <form method="post" action="/actions/people/roles" class="stacked">
                    <input type="hidden" name="csrf" value=csrf.clone() />
                    <input type="hidden" name="person" value=id.clone() />
                    <RoleChoice locale scopes chosen=person.roles />
                    <button type="submit" class="button small">{td_string!(locale, people.save)}</button>
                </form>
                <form method="post" action="/actions/people/end">
                    <input type="hidden" name="csrf" value=csrf />
                    <input type="hidden" name="person" value=id.clone() />
                    <button type="submit" class="button small quiet">{td_string!(locale, people.end)}</button>
                </form>
            </details>
        }
    });
    view! {
        <tr data-testid="person" data-person=person.id.to_string()>
            <th scope="row">{person.name} <span class="muted">{person.email}</span></th>
            <td>{words::roles(locale, person.roles)} {person.community_name.map(|name| format!(" · {name}"))}</td>
            <td>{forms}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Add(locale: Locale, communities: Vec<CommunityItem>, csrf: String) -> impl IntoView {
    let options =
        communities.into_iter().map(|it| view! { <option value=it.id.to_string()>{it.name}</option> }).collect_view();
    view! {
        <section class="card" aria-labelledby="add-title">
            <h2 id="add-title">{td_string!(locale, people.add)}</h2>
            <form method="post" action="/actions/people/add" class="stacked" data-testid="add-person">
                <input type="hidden" name="csrf" value=csrf />
                <label>
                    <span>{td_string!(locale, people.name)}</span>
                    <input type="text" name="name" required maxlength="100" autocomplete="off" />
                </label>
                <label>
                    <span>{td_string!(locale, sign_in.email)}</span>
                    <input type="email" name="email" required maxlength="254" autocomplete="off" />
                </label>
                <label>
                    <span>{td_string!(locale, people.first_password)}</span>
                    <input type="password" name="password" required minlength="8" maxlength="200" autocomplete="new-password" />
                </label>
                <RoleChoice locale scopes=&[ScopeKind::Tenant, ScopeKind::Community] chosen=davy_domain::Roles::NONE />
                <label>
                    <span>{td_string!(locale, people.community)}</span>
                    <select name="community">
                        <option value="">{td_string!(locale, people.no_community)}</option>
                        {options}
                    </select>
                </label>
                <button type="submit" class="button primary">{td_string!(locale, people.add_submit)}</button>
            </form>
        </section>
    }
    .into_any()
}

/// What needs a second factor, and the form that sets it.
#[component]
fn Demand(locale: Locale, policy: SecondFactorPolicy, demands: bool, csrf: String) -> impl IntoView {
    let choices = SecondFactorPolicy::ALL.map(|each| {
        view! {
            <label class="tick">
                <input type="radio" name="policy" value=each.name() checked=each == policy />
                <span>{words::ledger::demanded(locale, each)}</span>
            </label>
        }
    });
    let body = if demands {
        view! {
            <form method="post" action="/actions/people/second-factor" class="stacked" data-testid="demand-factor">
                <input type="hidden" name="csrf" value=csrf />
                <fieldset class="ticks">
                    <legend>{td_string!(locale, people.factor_title)}</legend>
                    {choices.collect_view()}
                </fieldset>
                <button type="submit" class="button">{td_string!(locale, people.factor_submit)}</button>
            </form>
        }
        .into_any()
    } else {
        view! { <p>{words::ledger::demanded(locale, policy)}</p> }.into_any()
    };
    view! {
        <section class="card" aria-labelledby="factor-title">
            <h2 id="factor-title">{td_string!(locale, people.factor_title)}</h2>
            <p class="muted small">{td_string!(locale, people.factor_lead)}</p>
            {body}
        </section>
    }
    .into_any()
}
