//! The second step: the code of a generator, after the password or before what the company demands it for.

use crate::components::icon::Brand;
use crate::components::notice::FlashBar;
use crate::flash::Flash;
use crate::translations::use_i18n;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The page.
#[component]
pub fn CodePage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(None, query.get_str("error")));
    let next = query.get("next").unwrap_or_else(|| "/".to_owned());
    view! {
        <Title text=td_string!(locale, second_factor.title) />
        <div class="sign-in">
            <section class="card">
                <Brand />
                <h1>{td_string!(locale, second_factor.title)}</h1>
                <p class="muted">{td_string!(locale, second_factor.lead)}</p>
                <FlashBar locale flash />
                <form method="post" action="/sign-in/code" class="stack" data-testid="second-factor">
                    <input type="hidden" name="next" value=next />
                    <label for="code">{td_string!(locale, second_factor.code)}</label>
                    <input id="code" name="code" autocomplete="one-time-code" required=true maxlength="40" autofocus=true />
                    <button type="submit" class="button primary">{td_string!(locale, second_factor.submit)}</button>
                </form>
                <p class="muted small">
                    {td_string!(locale, second_factor.help)} " "
                    <a href="/account" rel="external">{td_string!(locale, second_factor.set_up)}</a>
                </p>
            </section>
        </div>
    }
    .into_any()
}
