//! Messages that no driver could read, and the form that has them read again. Nothing is shown when none waits.

use crate::components::when::When;
use crate::translations::Locale;
use davy_api::Quarantine;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// What waits, by model, with the newest reason of the oldest message.
#[component]
pub fn SetAside(
    /// The reader's language.
    locale: Locale,
    /// The reader's clock, minutes ahead of UTC.
    offset: i32,
    /// The session's CSRF token.
    csrf: String,
    /// What waits.
    quarantine: Quarantine,
) -> impl IntoView {
    if quarantine.models.is_empty() {
        return ().into_any();
    }
    let rows = quarantine
        .models
        .into_iter()
        .map(|waiting| {
            let oldest = quarantine.oldest.iter().find(|message| message.model == waiting.model);
            let reason = oldest.map(|message| format!("{}: {}", message.serial, message.reason));
            view! {
                <tr data-testid="set-aside" data-model=waiting.model.clone()>
                    <th scope="row">
                        {waiting.model.clone()}
                        <span class="muted">{reason}</span>
                    </th>
                    <td class="cell-number">{waiting.waiting}</td>
                    <td class="cell-seen"><When locale at=waiting.oldest offset short=true /></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card flush" aria-labelledby="set-aside-title">
            <h2 id="set-aside-title" class="flush-title">{td_string!(locale, rules.set_aside)}</h2>
            <p class="muted flush-title">{td_string!(locale, rules.set_aside_hint)}</p>
            <table class="devices">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, rules.model)}</th>
                        <th scope="col" class="cell-number">{td_string!(locale, rules.waiting)}</th>
                        <th scope="col" class="cell-seen">{td_string!(locale, rules.oldest)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <form method="post" action="/actions/rules/read-again" class="flush-title">
                <input type="hidden" name="csrf" value=csrf />
                <input type="hidden" name="next" value="/rules" />
                <button type="submit" class="button" disabled=quarantine.reading data-testid="read-again">
                    {if quarantine.reading {
                        td_string!(locale, rules.reading_again).to_owned()
                    } else {
                        td_string!(locale, rules.read_again).to_owned()
                    }}
                </button>
            </form>
        </section>
    }
    .into_any()
}
