//! Whether the page is live: shown always, so that nobody trusts a picture that has stopped moving.

use crate::format;
use crate::live::{Connection, clock};
use crate::tell::tell;
use crate::translations::Locale;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The state of the live connection.
#[component]
pub fn ConnectionBadge(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// How the connection is doing.
    connection: ReadSignal<Connection>,
) -> impl IntoView {
    let clock = clock();
    view! {
        <p
            class=move || format!("connection connection-{} scripted", connection.get().word())
            role="status"
            data-testid="live-connection"
            data-state=move || connection.get().word()
        >
            <span class="connection-dot" aria-hidden="true"></span>
            {move || match connection.get() {
                Connection::Connecting => td_string!(locale, live.connecting).to_owned(),
                Connection::Live => td_string!(locale, live.live).to_owned(),
                Connection::Lost { since } => {
                    let since = format::date_time(locale, since, clock.now(), offset);
                    format!("{} · {}", td_string!(locale, live.lost), tell!(locale, live.lost_since, time = since))
                }
            }}
        </p>
        <p class="connection unscripted">{td_string!(locale, live.off)}</p>
    }
    .into_any()
}
