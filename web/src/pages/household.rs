//! Who lives with one: the household, invitations to it, moving out; and the page on which somebody who was invited joins.

use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::translations::{Locale, use_i18n};
use davy_api::Household;
use davy_domain::UserId;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page of a household.
#[component]
pub fn HouseholdPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let own = page.session.as_ref().map(|it| it.person.id);
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let household = Resource::new(|| (), |()| data::household());
    view! {
        <Title text=td_string!(locale, household.title) />
        <div class="page-head">
            <h1>{td_string!(locale, household.title)}</h1>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match household.await {
                    Ok(household) => view! { <Board locale offset household own csrf=csrf.get_value() /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Board(locale: Locale, offset: i32, household: Household, own: Option<UserId>, csrf: String) -> impl IntoView {
    let holds = household.members.first().map(|holder| holder.id) == own;
    let members = household
        .members
        .into_iter()
        .map(|member| view! { <li data-testid="member">{member.name} " " <span class="muted">{member.email}</span></li> })
        .collect_view();
    let invitations = if household.invitations.is_empty() {
        view! { <Empty title=td_string!(locale, household.no_invitations) /> }.into_any()
    } else {
        let rows = household.invitations.into_iter().map(|invitation| {
            view! {
                <li data-testid="invitation">
                    {td_string!(locale, household.good_until)} " " <When locale at=invitation.expires_at offset short=true />
                    <form method="post" action="/actions/household/withdraw">
                        <input type="hidden" name="csrf" value=csrf.clone() />
                        <input type="hidden" name="invitation" value=invitation.id.to_string() />
                        <button type="submit" class="button small quiet">{td_string!(locale, household.withdraw)}</button>
                    </form>
                </li>
            }
        });
        view! { <ul>{rows.collect_view()}</ul> }.into_any()
    };
    let leave = holds.then(|| {
        view! {
            <section class="card" aria-labelledby="leave-title">
                <h2 id="leave-title">{td_string!(locale, household.hand_over)}</h2>
                <p>{td_string!(locale, household.hand_over_explain)}</p>
                <form method="post" action="/actions/household/hand-over" class="stacked" data-testid="hand-over">
                    <input type="hidden" name="csrf" value=csrf.clone() />
                    <label class="tick">
                        <input type="checkbox" name="sure" value="yes" required />
                        <span>{td_string!(locale, household.sure)}</span>
                    </label>
                    <button type="submit" class="button">{td_string!(locale, household.hand_over)}</button>
                </form>
            </section>
        }
    });
    view! {
        <section class="card" aria-labelledby="members-title">
            <h2 id="members-title">{td_string!(locale, household.members)}</h2>
            <ul>{members}</ul>
        </section>
        <section class="card" aria-labelledby="invite-title">
            <h2 id="invite-title">{td_string!(locale, household.invitations)}</h2>
            {invitations}
            <form method="post" action="/actions/household/invite">
                <input type="hidden" name="csrf" value=csrf.clone() />
                <button type="submit" class="button primary" data-testid="invite">{td_string!(locale, household.invite)}</button>
            </form>
        </section>
        {leave}
        <p><a href="/home">{td_string!(locale, nav.home)}</a></p>
    }
    .into_any()
}

/// The page on which somebody who was invited joins.
#[component]
pub fn JoinPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    view! {
        <Title text=td_string!(locale, join.title) />
        <FlashBar locale flash />
        <section class="card" aria-labelledby="join-title">
            <h1 id="join-title">{td_string!(locale, join.title)}</h1>
            <p class="muted">{td_string!(locale, join.lead)}</p>
            <form method="post" action="/join" class="stacked" data-testid="join">
                <label>
                    <span>{td_string!(locale, join.code)}</span>
                    <input type="text" name="code" required maxlength="60" autocomplete="off" spellcheck="false" />
                </label>
                <label>
                    <span>{td_string!(locale, people.name)}</span>
                    <input type="text" name="name" required maxlength="100" autocomplete="name" />
                </label>
                <label>
                    <span>{td_string!(locale, sign_in.email)}</span>
                    <input type="email" name="email" required maxlength="254" autocomplete="username" />
                </label>
                <label>
                    <span>{td_string!(locale, sign_in.password)}</span>
                    <input type="password" name="password" required minlength="8" maxlength="200" autocomplete="new-password" />
                </label>
                <button type="submit" class="button primary">{td_string!(locale, join.submit)}</button>
            </form>
        </section>
    }
    .into_any()
}
