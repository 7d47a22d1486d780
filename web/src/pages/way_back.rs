//! The way back in for who has forgotten the password: asking for a letter, and setting a new password by it.

use crate::components::icon::Brand;
use crate::components::notice::FlashBar;
use crate::flash::Flash;
use crate::translations::use_i18n;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// Where a letter is asked for.
#[component]
pub fn ForgotPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    view! {
        <Title text=td_string!(locale, way_back.title) />
        <div class="sign-in">
            <section class="card">
                <Brand />
                <h1>{td_string!(locale, way_back.title)}</h1>
                <p class="muted">{td_string!(locale, way_back.lead)}</p>
                <FlashBar locale flash />
                <form method="post" action="/sign-in/forgot" class="stack" data-testid="forgot">
                    <label for="login">{td_string!(locale, sign_in.email)}</label>
                    <input id="login" name="login" autocomplete="username" required=true maxlength="254" />
                    <button type="submit" class="button primary">{td_string!(locale, way_back.submit)}</button>
                </form>
                <p class="small">
                    <a href="/sign-in">{td_string!(locale, sign_in.title)}</a>
                </p>
            </section>
        </div>
    }
    .into_any()
}

/// Where the letter leads to.
#[component]
pub fn ResetPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(None, query.get_str("error")));
    let token = query.get("token").unwrap_or_default();
    view! {
        <Title text=td_string!(locale, way_back.new_title) />
        <div class="sign-in">
            <section class="card">
                <Brand />
                <h1>{td_string!(locale, way_back.new_title)}</h1>
                <p class="muted">{td_string!(locale, account.password_rules)}</p>
                <FlashBar locale flash />
                <form method="post" action="/sign-in/reset" class="stack" data-testid="reset">
                    <input type="hidden" name="token" value=token />
                    <label for="password">{td_string!(locale, account.new_password)}</label>
                    <input
                        id="password"
                        type="password"
                        name="password"
                        autocomplete="new-password"
                        required=true
                        minlength="8"
                        maxlength="200"
                    />
                    <button type="submit" class="button primary">{td_string!(locale, account.change_password)}</button>
                </form>
                <p class="small">
                    <a href="/sign-in/forgot">{td_string!(locale, way_back.again)}</a>
                </p>
            </section>
        </div>
    }
    .into_any()
}
