//! 404: nothing at this address.

use crate::components::notice::set_status;
use crate::translations::use_i18n;
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;

/// The page.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    set_status(404);
    view! {
        <Title text=td_string!(locale, not_found.title) />
        <section class="card message" data-testid="not-found">
            <p class="message-code">"404"</p>
            <h1>{td_string!(locale, not_found.title)}</h1>
            <p>{td_string!(locale, not_found.detail)}</p>
            <p class="actions">
                <a class="button" href="/" rel="external">{td_string!(locale, problem.back)}</a>
            </p>
        </section>
    }
    .into_any()
}
