//! Header and footer: where one is, who one is, which language.

use crate::components::icon::Brand;
use crate::data::query::percent_encode;
use crate::session::{Session, page_context};
use crate::translations::{Locale, use_i18n};
use crate::words;
use davy_domain::ScopeKind;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_router::hooks::use_location;

/// The frame around every page.
#[component]
pub fn Frame(
    /// The page.
    children: Children,
) -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let session = page_context().session;
    let start = session.as_ref().map_or("/", |it| words::start_of(&it.person));
    let assets = page_context().assets;
    // A file and no page: the router must not look for it.
    let licences = (!assets.is_empty()).then(|| {
        view! {
            <footer class="bottom">
                <a href=format!("{assets}/licences.html") rel="external">{td_string!(locale, app.licences)}</a>
            </footer>
        }
    });
    view! {
        <a class="skip" href="#content">{td_string!(locale, app.skip)}</a>
        <header class="top">
            <a class="brand" href=start>
                <Brand />
                <span class="brand-name">{td_string!(locale, app.name)}</span>
                <span class="brand-tagline">{td_string!(locale, app.tagline)}</span>
            </a>
            {session.map(|session| view! { <Navigation locale session=session.clone() /><Account locale session /> })}
            <Languages locale />
        </header>
        <main id="content" tabindex="-1">
            {children()}
        </main>
        {licences}
    }
    .into_any()
}

#[component]
fn Navigation(locale: Locale, session: Session) -> impl IntoView {
    // The name above leads a resident home; else there is their household.
    let all = if session.person.scope == ScopeKind::Premises {
        &[("household:see", "/household", td_string!(locale, nav.household))][..]
    } else {
        &[
            ("alarms:see", "/", td_string!(locale, nav.overview)),
            ("devices:see", "/devices", td_string!(locale, nav.devices)),
            ("rules:see", "/rules", td_string!(locale, nav.rules)),
            ("approvals:see", "/approvals", td_string!(locale, nav.approvals)),
            ("ledger:see", "/ledger", td_string!(locale, nav.ledger)),
            ("people:see", "/people", td_string!(locale, nav.people)),
            ("tokens:use", "/tokens", td_string!(locale, nav.tokens)),
            ("usage:see", "/usage", td_string!(locale, nav.usage)),
            ("tenants:see", "/tenants", td_string!(locale, nav.tenants)),
        ]
    };
    let items = all.iter().filter(|(code, ..)| session.person.can(code)).map(|&(_, href, label)| (href, label));
    let path = use_location().pathname;
    let links = items
        .map(|(href, label)| {
            let here = move || {
                let path = path.get();
                (path == href
                    || (href != "/" && path.starts_with(href) && path.as_bytes().get(href.len()) == Some(&b'/')))
                .then_some("page")
            };
            view! { <li><a href=href aria-current=here>{label}</a></li> }
        })
        .collect_view();
    view! {
        <nav class="nav" aria-label=td_string!(locale, nav.main)>
            <ul>{links}</ul>
        </nav>
    }
    .into_any()
}

#[component]
fn Account(locale: Locale, session: Session) -> impl IntoView {
    let person = session.person;
    let of = person.community_name.or(person.tenant_name).or(person.division_name);
    view! {
        <div class="account">
            <p class="account-who">
                <span class="account-name">{person.name}</span>
                <span class="account-role">
                    {words::roles(locale, person.roles)} {of.map(|of| format!(" · {of}"))}
                </span>
            </p>
            <a class="quiet" href="/account" data-testid="account">{td_string!(locale, nav.account)}</a>
            <form method="post" action="/sign-out">
                <input type="hidden" name="csrf" value=session.csrf />
                <button type="submit" class="quiet" data-testid="sign-out">{td_string!(locale, nav.sign_out)}</button>
            </form>
        </div>
    }
    .into_any()
}

/// Both languages under their own names; the server sets the cookie and comes back to this page.
#[component]
fn Languages(locale: Locale) -> impl IntoView {
    let location = use_location();
    let next = move || {
        // What has just happened is not told a second time.
        let mut next = location.pathname.get();
        let kept: Vec<_> =
            location.query.get().into_iter().filter(|(name, _)| name != "done" && name != "error").collect();
        for (i, (name, value)) in kept.iter().enumerate() {
            next.push(if i == 0 { '?' } else { '&' });
            percent_encode(name, &mut next);
            next.push('=');
            percent_encode(value, &mut next);
        }
        next
    };
    let csrf = page_context().session.map(|it| it.csrf).unwrap_or_default();
    let button = |code: &'static str, name: &'static str, own: Locale| {
        view! {
            <button
                type="submit"
                class="quiet"
                name="language"
                value=code
                lang=code
                aria-pressed=(locale == own).to_string()
                data-testid=format!("language-{code}")
            >
                {name}
            </button>
        }
    };
    view! {
        <form method="post" action="/language" class="languages" role="group" aria-label=td_string!(locale, nav.language)>
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name="next" value=next />
            {button("zh-CN", "中文", Locale::zh_CN)}
            {button("en", "EN", Locale::en)}
        </form>
    }
    .into_any()
}
