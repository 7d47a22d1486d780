//! A point in time: how long ago, and exactly when.

use crate::format;
use crate::live::clock;
use crate::translations::Locale;
use davy_domain::Timestamp;
use leptos::prelude::*;

/// The exact time, and how long ago in the reader's words.
#[component]
pub fn When(
    /// The language.
    locale: Locale,
    /// The time.
    at: Timestamp,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// Only how long ago; the exact time is the tooltip.
    #[prop(optional)]
    short: bool,
) -> impl IntoView {
    let clock = clock();
    let exact = move || format::date_time(locale, at, clock.now(), offset);
    let ago = move || format::ago(locale, at, clock.now());
    view! {
        <time datetime=format::iso(at) title=exact class="when">
            {(!short).then_some(view! { <span class="when-exact">{exact}</span> })}
            <span class="when-ago">{ago}</span>
        </time>
    }
    .into_any()
}
