//! One's own account: password, second factor, open sessions. Plain forms, the same with and without scripts.

use crate::components::notice::{FlashBar, Loading, ProblemCard};
use crate::components::when::When;
use crate::data;
use crate::flash::Flash;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use crate::words;
use davy_api::{Account, GeneratorOffer, SessionItem};
use davy_domain::proof::SecondFactorPolicy;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn AccountPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let account = Resource::new(|| (), |()| data::account());
    view! {
        <Title text=td_string!(locale, account.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, account.title)}</h1>
                <p class="muted">{td_string!(locale, account.lead)}</p>
            </div>
        </div>
        <FlashBar locale flash />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match account.await {
                    Ok(account) => {
                        let csrf = csrf.get_value();
                        view! {
                            <div class="sheet">
                                <div class="sheet-main">
                                    <SecondFactor locale offset csrf=csrf.clone() account=account.clone() />
                                    <Sessions locale offset csrf=csrf.clone() sessions=account.sessions.clone() />
                                </div>
                                <div class="sheet-side">
                                    <Names locale account />
                                    <Password locale csrf />
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

#[component]
fn Names(locale: Locale, account: Account) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="names-title">
            <h2 id="names-title">{td_string!(locale, account.names)}</h2>
            <p data-testid="account-email">{account.email}</p>
            {account.phone.map(|phone| view! { <p class="muted">{phone}</p> })}
            <p><a href="/account/personal-data" data-testid="own-data">{td_string!(locale, personal.own_title)}</a></p>
        </section>
    }
    .into_any()
}

#[component]
fn Password(locale: Locale, csrf: String) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="password-title">
            <h2 id="password-title">{td_string!(locale, account.change_password)}</h2>
            <p class="muted small">{td_string!(locale, account.password_rules)}</p>
            <form method="post" action="/account/password" class="stacked" data-testid="change-password">
                <input type="hidden" name="csrf" value=csrf />
                <label>
                    <span>{td_string!(locale, account.current_password)}</span>
                    <input type="password" name="current" autocomplete="current-password" required=true maxlength="200" />
                </label>
                <label>
                    <span>{td_string!(locale, account.new_password)}</span>
                    <input
                        type="password"
                        name="new"
                        autocomplete="new-password"
                        required=true
                        minlength="8"
                        maxlength="200"
                    />
                </label>
                <button type="submit" class="button">{td_string!(locale, account.change_password)}</button>
            </form>
        </section>
    }
    .into_any()
}

#[component]
fn SecondFactor(locale: Locale, offset: i32, csrf: String, account: Account) -> impl IntoView {
    let demanded = match account.policy {
        SecondFactorPolicy::Optional => None,
        SecondFactorPolicy::Rules => Some(td_string!(locale, account.demanded_rules)),
        SecondFactorPolicy::Commands => Some(td_string!(locale, account.demanded_commands)),
    };
    let body = match (account.generator_since, account.generator_offer) {
        (Some(since), _) => {
            let left = account.recovery_codes;
            view! {
                <p data-testid="generator-on">
                    {td_string!(locale, account.generator_on)} " " <When locale at=since offset />
                </p>
                <p class="muted">{tell!(locale, account.recovery_left, count = left)}</p>
                {(!account.proven)
                    .then(|| {
                        view! {
                            <p>
                                <a class="button" href="/sign-in/code?next=/account" rel="external">
                                    {td_string!(locale, account.prove)}
                                </a>
                            </p>
                        }
                    })}
                <WithPassword
                    locale
                    csrf
                    action="/account/generator/remove"
                    label=td_string!(locale, account.remove_generator)
                    testid="remove-generator"
                />
            }
            .into_any()
        }
        (None, Some(offer)) => view! { <Offer locale csrf offer /> }.into_any(),
        (None, None) => view! {
            <p>{td_string!(locale, account.generator_off)}</p>
            <WithPassword
                locale
                csrf
                action="/account/generator/offer"
                label=td_string!(locale, account.set_up_generator)
                testid="offer-generator"
            />
        }
        .into_any(),
    };
    view! {
        <section class="card" aria-labelledby="factor-title">
            <h2 id="factor-title">{td_string!(locale, second_factor.title)}</h2>
            {demanded.map(|demanded| view! { <p data-testid="factor-demanded">{demanded}</p> })}
            {body}
        </section>
    }
    .into_any()
}

/// A form that asks for the password again.
#[component]
fn WithPassword(
    locale: Locale,
    csrf: String,
    action: &'static str,
    label: &'static str,
    testid: &'static str,
) -> impl IntoView {
    view! {
        <form method="post" action=action class="stacked" data-testid=testid>
            <input type="hidden" name="csrf" value=csrf />
            <label>
                <span>{td_string!(locale, account.current_password)}</span>
                <input type="password" name="password" autocomplete="current-password" required=true maxlength="200" />
            </label>
            <button type="submit" class="button">{label}</button>
        </form>
    }
    .into_any()
}

#[component]
fn Offer(locale: Locale, csrf: String, offer: GeneratorOffer) -> impl IntoView {
    let codes = offer.recovery_codes.into_iter().map(|code| view! { <li><code>{code}</code></li> }).collect_view();
    view! {
        <ol class="stacked" data-testid="generator-offer">
            <li>
                <p>{td_string!(locale, account.scan)}</p>
                <div class="qr" role="img" aria-label=td_string!(locale, account.scan) inner_html=offer.qr_svg></div>
                <p class="small">
                    {td_string!(locale, account.or_type)} " " <code data-testid="generator-secret">{offer.secret}</code>
                </p>
            </li>
            <li>
                <p>{td_string!(locale, account.write_down)}</p>
                <ul class="codes" data-testid="recovery-codes">{codes}</ul>
            </li>
            <li>
                <form method="post" action="/account/generator/confirm" class="stacked" data-testid="confirm-generator">
                    <input type="hidden" name="csrf" value=csrf />
                    <label>
                        <span>{td_string!(locale, account.first_code)}</span>
                        <input name="code" autocomplete="one-time-code" inputmode="numeric" required=true maxlength="20" />
                    </label>
                    <button type="submit" class="button primary">{td_string!(locale, account.confirm_generator)}</button>
                </form>
            </li>
        </ol>
    }
    .into_any()
}

#[component]
fn Sessions(locale: Locale, offset: i32, csrf: String, sessions: Vec<SessionItem>) -> impl IntoView {
    let others = sessions.iter().any(|session| !session.current);
    let end_others = csrf.clone();
    let rows = sessions
        .into_iter()
        .map(|session| {
            let csrf = csrf.clone();
            let agent = words::agent(&session.agent)
                .unwrap_or_else(|| td_string!(locale, account.unknown_agent).to_owned());
            view! {
                <li class="entry" data-testid="session" data-current=session.current.to_string()>
                    <div class="session">
                        <p title=session.agent.clone()>{agent}</p>
                        <p class="entry-facts muted">
                            <span>{session.address.clone()}</span> " "
                            <span>{td_string!(locale, account.last_seen)} " " <When locale at=session.last_seen_at offset /></span>
                        </p>
                    </div>
                    {if session.current {
                        view! { <p class="small">{td_string!(locale, account.this_session)}</p> }.into_any()
                    } else {
                        view! {
                            <form method="post" action="/account/sessions/end">
                                <input type="hidden" name="csrf" value=csrf />
                                <input type="hidden" name="session" value=session.id.to_string() />
                                <button type="submit" class="button quiet" data-testid="end-session">
                                    {td_string!(locale, account.end_session)}
                                </button>
                            </form>
                        }
                            .into_any()
                    }}
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="card" aria-labelledby="sessions-title">
            <h2 id="sessions-title">{td_string!(locale, account.sessions)}</h2>
            <ul class="entries">{rows}</ul>
            {others
                .then(|| {
                    view! {
                        <form method="post" action="/account/sessions/end-others">
                            <input type="hidden" name="csrf" value=end_others />
                            <button type="submit" class="button" data-testid="end-other-sessions">
                                {td_string!(locale, account.end_others)}
                            </button>
                        </form>
                    }
                })}
        </section>
    }
    .into_any()
}
