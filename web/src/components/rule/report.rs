//! What a back-test found. It draws what is there: a report of an older or newer server with parts missing is still shown.

use super::differences::{by, chart_of, device_at};
use super::report_billed::BilledReport;
use super::report_told::ToldReport;
use super::table::{Column, NoRows, Table};
use crate::components::icon::{LevelIcon, VerdictIcon};
use crate::components::when::When;
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::{self, Level};
use davy_domain::{Condition, DeviceId, DeviceKind, Timestamp};
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde_json::Value;

/// The whole report.
#[component]
pub fn Report(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The report.
    report: Value,
) -> impl IntoView {
    match report["world"].as_str() {
        Some("notification-policy") => return view! { <ToldReport locale offset report /> }.into_any(),
        Some("billing-policy") => return view! { <BilledReport locale report /> }.into_any(),
        _ => {}
    }
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

pub(super) fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// What stands against putting it in force comes first.
#[component]
pub(super) fn Verdict(
    /// The language.
    locale: Locale,
    /// Confirmed leaks that it misses.
    missed: u64,
) -> impl IntoView {
    if missed == 0 {
        return view! {
            <section class="card verdict-line" data-testid="verdict" data-missed="0">
                <VerdictIcon level=Level::Normal />
                <p>{td_string!(locale, back_test.none_missed)}</p>
            </section>
        }
        .into_any();
    }
    view! {
        <section class="card verdict-line verdict-missed" role="alert" data-testid="verdict" data-missed=missed.to_string()>
            <LevelIcon level=Level::Leak />
            <div>
                <h2>{tell!(locale, back_test.missed_title, count = format::count(missed))}</h2>
                <p>{td_string!(locale, back_test.missed)}</p>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Figures(locale: Locale, report: Value) -> impl IntoView {
    let sum = &report["difference"];
    let count = |name: &str| format::count(number(sum, name));
    let in_sum = |name: &str| {
        let ms = number(sum, name);
        (ms > 0).then(|| tell!(locale, back_test.in_sum, time = words::rules::span(locale, ms)))
    };
    let figure = |id: &'static str, name: &'static str, value: String, note: Option<String>, level: Level| {
        let zero = value == "0";
        let class = if zero { "figure zero".to_owned() } else { format!("figure figure-{}", level.class()) };
        view! {
            <div class=class data-testid=format!("figure-{id}")>
                <dt>{name}</dt>
                <dd><span>{value}</span> {note.map(|note| view! { <small>{note}</small> })}</dd>
            </div>
        }
    };
    let pair = |more: &str, fewer: &str| format!("{} / {}", count(more), count(fewer));
    let scope = tell!(
        locale,
        back_test.scope,
        interlocks = format::count(number(&report, "interlocks")),
        readings = format::count(number(&report, "readings")),
        changed = format::count(number(&report, "interlocks-changed"))
    );
    view! {
        <dl class="figures report-figures">
            {figure("added", td_string!(locale, back_test.added), count("added"), None, Level::Normal)}
            {figure("lost", td_string!(locale, back_test.lost), count("lost"), None, Level::Alarm)}
            {figure("earlier", td_string!(locale, back_test.earlier), count("earlier"), in_sum("earlier-ms"), Level::Normal)}
            {figure("later", td_string!(locale, back_test.later), count("later"), in_sum("later-ms"), Level::Alarm)}
            {figure("closes", td_string!(locale, back_test.closes), pair("closes-added", "closes-lost"), None, Level::Normal)}
            {figure(
                "closes-later",
                td_string!(locale, back_test.closes_later),
                count("closes-later"),
                in_sum("closes-later-ms"),
                Level::Alarm,
            )}
            {figure(
                "notices",
                td_string!(locale, back_test.notices),
                pair("notices-added", "notices-lost"),
                None,
                Level::Normal,
            )}
        </dl>
        <p class="muted small report-scope">{scope}</p>
    }
    .into_any()
}

pub(super) fn condition(locale: Locale, value: &Value) -> String {
    let known = serde_json::from_value::<Condition>(value.clone()).ok();
    known.map_or_else(|| value.as_str().unwrap_or_default().to_owned(), |it| words::condition(locale, it).to_owned())
}

fn device_kind(locale: Locale, value: &Value) -> String {
    let known = serde_json::from_value::<DeviceKind>(value.clone()).ok();
    known.map_or_else(|| value.as_str().unwrap_or_default().to_owned(), |it| words::device_kind(locale, it).to_owned())
}

#[component]
fn Groups(locale: Locale, report: Value) -> impl IntoView {
    let groups = items(&report, "groups");
    if groups.is_empty() {
        return ().into_any();
    }
    let timed = |group: &Value, count: &str, ms: &str| {
        let (count, ms) = (number(group, count), number(group, ms));
        if count == 0 {
            return "0".to_owned();
        }
        format!("{} · {}", format::count(count), words::rules::span(locale, ms / count))
    };
    let more_fewer = |group: &Value, more: &str, fewer: &str| {
        format!("{} / {}", format::count(number(group, more)), format::count(number(group, fewer)))
    };
    let rows = groups
        .iter()
        .map(|group| {
            let lost = number(group, "lost");
            let lost_class = if lost > 0 { "cell-number over" } else { "cell-number" };
            view! {
                <tr>
                    <th scope="row">{condition(locale, &group["condition"])}</th>
                    <td>{device_kind(locale, &group["device-kind"])}</td>
                    <td class="cell-number">{format::count(number(group, "active"))}</td>
                    <td class="cell-number">{format::count(number(group, "candidate"))}</td>
                    <td class="cell-number">{format::count(number(group, "added"))}</td>
                    <td class=lost_class>{format::count(lost)}</td>
                    <td class="cell-number">{timed(group, "earlier", "earlier-ms")}</td>
                    <td class="cell-number">{timed(group, "later", "later-ms")}</td>
                    <td class="cell-number">{more_fewer(group, "closes-added", "closes-lost")}</td>
                    <td class="cell-number">{timed(group, "closes-later", "closes-later-ms")}</td>
                    <td class="cell-number">{more_fewer(group, "notices-added", "notices-lost")}</td>
                </tr>
            }
            .into_any()
        })
        .collect();
    let columns = vec![
        Column::Words(td_string!(locale, rule.condition)),
        Column::Words(td_string!(locale, back_test.kind)),
        Column::Figures(td_string!(locale, back_test.in_force)),
        Column::Figures(td_string!(locale, back_test.candidate)),
        Column::Figures(td_string!(locale, rule.added)),
        Column::Figures(td_string!(locale, rule.lost)),
        Column::Figures(td_string!(locale, back_test.earlier)),
        Column::Figures(td_string!(locale, back_test.later)),
        Column::Figures(td_string!(locale, back_test.closes)),
        Column::Figures(td_string!(locale, back_test.closes_later)),
        Column::Figures(td_string!(locale, back_test.notices)),
    ];
    view! { <Table locale id="groups-title" title=td_string!(locale, back_test.by_group) columns rows /> }.into_any()
}

/// How grave a kind of difference is, and its word.
fn kind(locale: Locale, kind: &str) -> (Level, String) {
    match kind {
        "alarm-lost" => (Level::Alarm, td_string!(locale, back_test.alarm_lost).to_owned()),
        "close-lost" => (Level::Alarm, td_string!(locale, back_test.close_lost).to_owned()),
        "alarm-later" => (Level::Event, td_string!(locale, back_test.alarm_later).to_owned()),
        "close-later" => (Level::Event, td_string!(locale, back_test.close_later).to_owned()),
        "close-added" => (Level::Event, td_string!(locale, back_test.close_added).to_owned()),
        "alarm-added" => (Level::Normal, td_string!(locale, back_test.alarm_added).to_owned()),
        "leak-missed" => (Level::Alarm, td_string!(locale, back_test.leak_missed).to_owned()),
        "notice-lost" => (Level::Normal, td_string!(locale, back_test.notice_lost).to_owned()),
        "notice-added" => (Level::Normal, td_string!(locale, back_test.notice_added).to_owned()),
        "alarm-earlier" => (Level::Normal, td_string!(locale, back_test.alarm_earlier).to_owned()),
        other => (Level::Normal, other.to_owned()),
    }
}

fn raised(value: &Value) -> Option<Timestamp> {
    value["raised-at"].as_i64().map(Timestamp::from_millis)
}

/// What people call the device of a row: by its serial, where the report has it.
pub(super) fn called(row: &Value) -> String {
    let serial = row["serial"].as_str().filter(|serial| !serial.is_empty());
    serial.or_else(|| row["device"].as_str()).unwrap_or_default().to_owned()
}

#[component]
fn Rows(locale: Locale, offset: i32, report: Value) -> impl IntoView {
    let rows = items(&report, "rows");
    if rows.is_empty() {
        return view! { <NoRows says=td_string!(locale, back_test.same) /> }.into_any();
    }
    let left_out = number(&report, "rows-left-out");
    let rows = rows.iter().map(|row| view! { <Row locale offset row=row.clone() /> }.into_any()).collect();
    let columns = vec![
        Column::Words(td_string!(locale, back_test.what)),
        Column::Words(td_string!(locale, rule.condition)),
        Column::Words(td_string!(locale, rule.device)),
        Column::Words(td_string!(locale, rule.in_force_at)),
        Column::Words(td_string!(locale, rule.version_at)),
        Column::Words(td_string!(locale, rule.difference)),
    ];
    view! { <Table locale id="rows-title" title=td_string!(locale, back_test.rows) explain=Some(td_string!(locale, back_test.rows_explain)) columns rows left_out /> }.into_any()
}

#[component]
fn Row(locale: Locale, offset: i32, row: Value) -> impl IntoView {
    let blocking = row["blocking"].as_bool().unwrap_or(false);
    let (level, what) = kind(locale, row["kind"].as_str().unwrap_or_default());
    let (active, candidate) = (raised(&row["active"]), raised(&row["candidate"]));
    let device = row["device"].as_str().and_then(|text| text.parse::<DeviceId>().ok());
    let name = called(&row);
    let device = match device {
        Some(device) => {
            let measured_by = row["measured-by"].as_str().and_then(|text| text.parse().ok());
            let about = serde_json::from_value(row["condition"].clone()).ok();
            let (chart, quantity) = chart_of(device, measured_by, about);
            let href = device_at(chart, quantity, active, candidate);
            view! { <a href=href data-testid="report-device">{name}</a> }.into_any()
        }
        None => view! { <span>{name}</span> }.into_any(),
    };
    let moment = |at: Option<Timestamp>| match at {
        Some(at) => view! { <When locale at offset /> }.into_any(),
        None => view! { <span class="muted">"—"</span> }.into_any(),
    };
    let difference = match (active, candidate) {
        (Some(_), Some(_)) => by(locale, row["by-ms"].as_i64().unwrap_or_default()),
        _ => row["notice"][1].as_u64().map(format::count).unwrap_or_default(),
    };
    let icon = if blocking { Level::Leak } else { level };
    view! {
        <tr class=if blocking { "row-blocking" } else { "" } data-testid="report-row" data-blocking=blocking.to_string()>
            <th scope="row">
                <span class="marked">
                    <LevelIcon level=icon />
                    {what}
                </span>
                {blocking.then(|| view! { <span class="small row-note">{td_string!(locale, back_test.confirmed)}</span> })}
            </th>
            <td>{condition(locale, &row["condition"])}</td>
            <td>{device} " " <span class="muted small">{device_kind(locale, &row["device-kind"])}</span></td>
            <td>{moment(active)}</td>
            <td>{moment(candidate)}</td>
            <td>{difference}</td>
        </tr>
    }
    .into_any()
}
