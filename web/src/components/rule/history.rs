//! Everything that was done with a version: who, what, when.

use crate::components::when::When;
use crate::translations::Locale;
use crate::words::rules as words;
use davy_api::RuleAct;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The acts, the newest first.
#[component]
pub fn Acted(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The acts, first to last.
    acts: Vec<RuleAct>,
) -> impl IntoView {
    let rows = acts
        .into_iter()
        .rev()
        .map(|act| {
            view! {
                <li class="entry" data-testid="act" data-act=act.act.name()>
                    <div class="entry-body">
                        <p class="entry-title">{words::act(locale, &act.act)}</p>
                        <p class="entry-facts">
                            <span>{act.by.unwrap_or_else(|| td_string!(locale, act.by_platform).to_owned())}</span>
                            <When locale at=act.at offset />
                        </p>
                    </div>
                </li>
            }
        })
        .collect_view();
    view! { <ol class="entries">{rows}</ol> }.into_any()
}
