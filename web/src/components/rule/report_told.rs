//! What the back-test of a notification policy found: who would have been told, over what, and when.

use super::report::{Verdict, condition, items, number};
use super::table::{Column, NoRows, Table};
use crate::components::icon::LevelIcon;
use crate::components::when::When;
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::{self, Level};
use davy_domain::Timestamp;
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde_json::Value;

/// The whole report.
#[component]
pub fn ToldReport(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The report.
    report: Value,
) -> impl IntoView {
    view! {
        <Verdict locale missed=number(&report, "blocking") />
        <section class="card" aria-labelledby="figures-title">
            <h2 id="figures-title">{td_string!(locale, back_test.figures)}</h2>
            <Figures locale report=report.clone() />
        </section>
        <Groups locale report=report.clone() />
        <Rows locale offset report />
    }
    .into_any()
}

#[component]
fn Figures(locale: Locale, report: Value) -> impl IntoView {
    let in_sum = |counts: &Value, name: &str| {
        let ms = number(counts, name);
        (ms > 0).then(|| tell!(locale, back_test.in_sum, time = words::rules::span(locale, ms)))
    };
    let figure = |id: &'static str, name: &'static str, value: u64, note: Option<String>, level: Level| {
        let class = if value == 0 { "figure zero".to_owned() } else { format!("figure figure-{}", level.class()) };
        view! {
            <div class=class data-testid=format!("figure-{id}")>
                <dt>{name}</dt>
                <dd><span>{format::count(value)}</span> {note.map(|note| view! { <small>{note}</small> })}</dd>
            </div>
        }
    };
    let (first, messages) = (report["first"].clone(), report["messages"].clone());
    let scope = tell!(
        locale,
        told.scope,
        alarms = format::count(number(&report, "alarms")),
        changed = format::count(number(&report, "alarms-changed")),
        active = format::count(number(&report["active"], "messages")),
        candidate = format::count(number(&report["candidate"], "messages"))
    );
    view! {
        <dl class="figures report-figures">
            {figure("nobody", td_string!(locale, told.nobody), number(&report["candidate"], "nobody"), None, Level::Leak)}
            {figure("later", td_string!(locale, told.first_later), number(&first, "later"), in_sum(&first, "later-ms"), Level::Alarm)}
            {figure("earlier", td_string!(locale, told.first_earlier), number(&first, "earlier"), in_sum(&first, "earlier-ms"), Level::Normal)}
            {figure("lost", td_string!(locale, told.messages_lost), number(&messages, "lost"), None, Level::Alarm)}
            {figure("added", td_string!(locale, told.messages_added), number(&messages, "added"), None, Level::Normal)}
        </dl>
        <p class="muted small report-scope">{scope}</p>
    }
    .into_any()
}

#[component]
fn Groups(locale: Locale, report: Value) -> impl IntoView {
    let groups = items(&report, "groups");
    if groups.is_empty() {
        return ().into_any();
    }
    let rows = groups
        .iter()
        .map(|group| {
            let lost = number(group, "lost");
            let lost_class = if lost > 0 { "cell-number over" } else { "cell-number" };
            view! {
                <tr>
                    <th scope="row">{words::rules::role(locale, number(group, "role"))}</th>
                    <td>{words::rules::channel(locale, number(group, "channel"))}</td>
                    <td class="cell-number">{format::count(number(group, "active"))}</td>
                    <td class="cell-number">{format::count(number(group, "candidate"))}</td>
                    <td class="cell-number">{format::count(number(group, "added"))}</td>
                    <td class=lost_class>{format::count(lost)}</td>
                    <td class="cell-number">{format::count(number(group, "earlier"))}</td>
                    <td class="cell-number">{format::count(number(group, "later"))}</td>
                </tr>
            }
            .into_any()
        })
        .collect();
    let columns = vec![
        Column::Words(td_string!(locale, told.role)),
        Column::Words(td_string!(locale, told.channel)),
        Column::Figures(td_string!(locale, back_test.in_force)),
        Column::Figures(td_string!(locale, back_test.candidate)),
        Column::Figures(td_string!(locale, told.messages_added)),
        Column::Figures(td_string!(locale, told.messages_lost)),
        Column::Figures(td_string!(locale, back_test.earlier)),
        Column::Figures(td_string!(locale, back_test.later)),
    ];
    view! { <Table locale id="groups-title" title=td_string!(locale, told.by_group) columns rows /> }.into_any()
}

/// How grave what is said of an alarm is, and its word.
fn kind(locale: Locale, kind: &str) -> (Level, String) {
    match kind {
        "nobody-reached" => (Level::Leak, td_string!(locale, told.nobody_reached).to_owned()),
        "first-later" => (Level::Alarm, td_string!(locale, told.first_later).to_owned()),
        "fewer" => (Level::Event, td_string!(locale, told.fewer).to_owned()),
        "first-earlier" => (Level::Normal, td_string!(locale, told.first_earlier).to_owned()),
        "more" => (Level::Normal, td_string!(locale, told.more).to_owned()),
        other => (Level::Normal, other.to_owned()),
    }
}

#[component]
fn Rows(locale: Locale, offset: i32, report: Value) -> impl IntoView {
    let rows = items(&report, "rows");
    if rows.is_empty() {
        return view! { <NoRows says=td_string!(locale, told.same) /> }.into_any();
    }
    let left_out = number(&report, "rows-left-out");
    let rows = rows.iter().map(|row| view! { <Row locale offset row=row.clone() /> }.into_any()).collect();
    let columns = vec![
        Column::Words(td_string!(locale, back_test.what)),
        Column::Words(td_string!(locale, rule.condition)),
        Column::Words(td_string!(locale, told.raised_at)),
        Column::Words(td_string!(locale, told.first_in_force)),
        Column::Words(td_string!(locale, told.first_candidate)),
        Column::Words(td_string!(locale, told.messages)),
    ];
    view! { <Table locale id="rows-title" title=td_string!(locale, told.rows) explain=Some(td_string!(locale, told.rows_explain)) columns rows left_out /> }.into_any()
}

#[component]
fn Row(locale: Locale, offset: i32, row: Value) -> impl IntoView {
    let blocking = row["blocking"].as_bool().unwrap_or(false);
    let confirmed = row["confirmed"].as_bool().unwrap_or(false);
    let (level, what) = kind(locale, row["kind"].as_str().unwrap_or_default());
    let alarm = row["alarm"].as_str().unwrap_or_default().to_owned();
    let moment = |name: &str| match row[name].as_i64().map(Timestamp::from_millis) {
        Some(at) => view! { <When locale at offset /> }.into_any(),
        None => view! { <span class="muted">{td_string!(locale, told.nobody)}</span> }.into_any(),
    };
    let messages = items(&row, "messages")
        .iter()
        .map(|message| {
            let whom = format!(
                "{} {} · {}",
                words::rules::role(locale, number(message, "role")),
                number(message, "rank") + 1,
                words::rules::channel(locale, number(message, "channel"))
            );
            view! { <li>{words::rules::stands(locale, message["stands"].as_str().unwrap_or_default())} " " {whom}</li> }
        })
        .collect_view();
    let count = items(&row, "messages").len() as u64 + number(&row, "messages-left-out");
    view! {
        <tr class=if blocking { "row-blocking" } else { "" } data-testid="report-row" data-blocking=blocking.to_string()>
            <th scope="row">
                <span class="marked">
                    <LevelIcon level=if blocking { Level::Leak } else { level } />
                    <a href=format!("/alarms/{alarm}/why") data-testid="report-alarm">{what}</a>
                </span>
                {confirmed.then(|| view! { <span class="small row-note">{td_string!(locale, back_test.confirmed)}</span> })}
            </th>
            <td>{condition(locale, &row["condition"])}</td>
            <td>{moment("raised-at")}</td>
            <td>{moment("active-at")}</td>
            <td>{moment("candidate-at")}</td>
            <td>
                <details class="fold">
                    <summary>{format::count(count)}</summary>
                    <ul class="small">{messages}</ul>
                </details>
            </td>
        </tr>
    }
    .into_any()
}
