//! Signing in: one plain form, the same with and without scripts.

use crate::components::icon::{Brand, LevelIcon};
use crate::components::notice::FlashBar;
use crate::flash::Flash;
use crate::translations::use_i18n;
use crate::words::Level;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn SignInPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let next = query.get("next").unwrap_or_else(|| "/".to_owned());
    view! {
        <Title text=td_string!(locale, sign_in.title) />
        <div class="sign-in">
            <section class="card">
                <Brand />
                <h1>{td_string!(locale, sign_in.title)}</h1>
                <p class="muted">{td_string!(locale, sign_in.lead)}</p>
                <FlashBar locale flash />
                <form method="post" action="/sign-in" class="stack" data-testid="sign-in">
                    <input type="hidden" name="next" value=next />
                    <label for="email">{td_string!(locale, sign_in.email)}</label>
                    <input id="email" type="text" name="email" autocomplete="username" required=true maxlength="254" />
                    <label for="password">{td_string!(locale, sign_in.password)}</label>
                    <input
                        id="password"
                        type="password"
                        name="password"
                        autocomplete="current-password"
                        required=true
                        maxlength="200"
                    />
                    <button type="submit" class="button primary">{td_string!(locale, sign_in.submit)}</button>
                </form>
                <p class="small">
                    <a href="/sign-in/forgot" data-testid="forgot-password">{td_string!(locale, sign_in.forgot)}</a>
                </p>
                <p class="muted small">{td_string!(locale, sign_in.help)}</p>
                <p class="small"><a href="/join">{td_string!(locale, join.link)}</a></p>
            </section>
            <aside class="emergency">
                <LevelIcon level=Level::Alarm />
                <div>
                    <h2>{td_string!(locale, sign_in.emergency_title)}</h2>
                    <p>{td_string!(locale, sign_in.emergency)}</p>
                </div>
            </aside>
        </div>
    }
    .into_any()
}
