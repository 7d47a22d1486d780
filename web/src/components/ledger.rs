//! Entries of the ledger, each with its place, its hash and what vouches for it.

use crate::components::rule::Fold;
use crate::components::when::When;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::ledger as words;
use davy_api::LedgerItem;
use davy_domain::ledger::Act;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// A list of entries in the order that it is given in.
#[component]
pub fn Entries(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The entries.
    items: Vec<LedgerItem>,
) -> impl IntoView {
    let items = items.into_iter().map(|item| view! { <Line locale offset item /> }).collect_view();
    view! { <ol class="entries">{items}</ol> }.into_any()
}

/// Where an act's subject can be looked at.
fn subject(act: &Act) -> Option<(String, String)> {
    match act {
        Act::AlarmMoved { alarm, .. } | Act::AlarmJudged { alarm, .. } => {
            Some((format!("/alarms/{alarm}/why"), alarm.to_string()))
        }
        Act::CommandGiven { command, device, .. } | Act::CommandEnded { command, device, .. } => {
            Some((format!("/devices/{device}"), command.to_string()))
        }
        Act::RuleActed { release, .. } => Some((format!("/rules/{release}"), release.to_string())),
        _ => None,
    }
}

#[component]
fn Line(locale: Locale, offset: i32, item: LedgerItem) -> impl IntoView {
    let act = serde_json::from_value::<Act>(item.act.clone()).ok();
    let short = act.as_ref().map(|act| words::short(locale, act)).unwrap_or_default();
    let about = act.as_ref().and_then(subject);
    let who = words::actor(locale, item.actor, item.name.as_deref());
    let who = match item.actor.and_then(davy_domain::ledger::Actor::by) {
        Some(by) => view! { <a href=format!("/ledger?by={by}")>{who}</a> }.into_any(),
        None => view! { <span>{who}</span> }.into_any(),
    };
    let covered = match &item.covered_by {
        Some(by) => tell!(locale, ledger.signed, number = by.seq),
        None => td_string!(locale, ledger.unsigned).to_owned(),
    };
    view! {
        <li class="ledger-entry" data-testid="ledger-entry" data-kind=item.kind.clone()>
            <p class="ledger-line">
                <strong>{words::kind(locale, &item.kind)}</strong>
                <span>{short}</span>
                {about.map(|(href, text)| view! { <a href=href>{text}</a> })}
            </p>
            <p class="ledger-line muted small">
                <When locale at=item.at offset />
                {who}
                {(!item.company.is_empty()).then(|| view! { <span>{item.company.clone()}</span> })}
                <span>{tell!(locale, ledger.entry, number = item.seq)}</span>
                <span>{covered}</span>
            </p>
            <details class="fold">
                <summary>{td_string!(locale, ledger.hash)} " " <code>{item.hash.to_string()[..12].to_owned()}</code></summary>
                <dl class="facts">
                    <div><dt>{td_string!(locale, ledger.hash)}</dt><dd><code>{item.hash.to_string()}</code></dd></div>
                    <div><dt>{td_string!(locale, ledger.previous)}</dt><dd><code>{item.previous.to_string()}</code></dd></div>
                </dl>
                <Fold title=td_string!(locale, ledger.whole) value=item.act />
            </details>
        </li>
    }
    .into_any()
}
