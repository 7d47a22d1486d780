//! Who was told of an alarm, or will be. It shows what is stored: roles, never names.

use crate::components::when::When;
use crate::translations::Locale;
use crate::words::rules as words;
use davy_api::MessageItem;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The messages about one alarm, first to last.
#[component]
pub fn Messages(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The messages.
    messages: Vec<MessageItem>,
) -> impl IntoView {
    if messages.is_empty() {
        return view! {
            <section class="card" aria-labelledby="told-title">
                <h2 id="told-title">{td_string!(locale, told.who)}</h2>
                <p class="muted" data-testid="told-nobody">{td_string!(locale, told.who_nobody)}</p>
            </section>
        }
        .into_any();
    }
    let rows = messages
        .into_iter()
        .map(|it| {
            let to = words::addressee(locale, Some(&it.role), Some(&it.channel));
            let text = it.text.map(|(zh, en)| if locale == Locale::en { en } else { zh });
            view! {
                <tr data-testid="told">
                    <td><When locale at=it.at offset /></td>
                    <th scope="row">{to}</th>
                    <td>{about(locale, &it.about)} {text.map(|text| view! { <p class="small">{text}</p> })}</td>
                    <td>{by(locale, &it.by)}</td>
                    <td>{state(locale, &it.state)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card" aria-labelledby="told-title">
            <h2 id="told-title">{td_string!(locale, told.who)}</h2>
            <div class="scroll" tabindex="0" role="region" aria-labelledby="told-title">
                <table class="plain">
                    <thead>
                        <tr>
                            <th scope="col">{td_string!(locale, told.at)}</th>
                            <th scope="col">{td_string!(locale, told.whom)}</th>
                            <th scope="col">{td_string!(locale, told.about)}</th>
                            <th scope="col">{td_string!(locale, told.by)}</th>
                            <th scope="col">{td_string!(locale, told.state)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn about(locale: Locale, word: &str) -> String {
    let known = match word {
        "raised" => td_string!(locale, told.about_raised),
        "escalated" => td_string!(locale, told.about_escalated),
        "acknowledged" => td_string!(locale, told.about_acknowledged),
        "gone" => td_string!(locale, told.about_gone),
        "closed" => td_string!(locale, told.about_closed),
        "again" => td_string!(locale, told.about_again),
        "valve-closed" => td_string!(locale, told.about_valve_closed),
        other => return other.to_owned(),
    };
    known.to_owned()
}

fn by(locale: Locale, word: &str) -> String {
    let known = match word {
        "policy" => td_string!(locale, told.by_policy),
        "default-list" => td_string!(locale, told.by_default),
        "duty" => td_string!(locale, told.by_duty),
        other => return other.to_owned(),
    };
    known.to_owned()
}

fn state(locale: Locale, word: &str) -> String {
    let known = match word {
        "waiting" => td_string!(locale, told.state_waiting),
        "sent" => td_string!(locale, told.state_sent),
        "failed" => td_string!(locale, told.state_failed),
        other => return other.to_owned(),
    };
    known.to_owned()
}
