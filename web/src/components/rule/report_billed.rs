//! What the back-test of a billing policy found: what it would have charged, in all and for each meter.

use super::report::{called, items, number};
use super::table::{Column, NoRows, Table};
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use davy_domain::{DeviceId, Quantity};
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde_json::Value;

/// The whole report.
#[component]
pub fn BilledReport(
    /// The language.
    locale: Locale,
    /// The report.
    report: Value,
) -> impl IntoView {
    view! {
        <section class="card" data-testid="assumed">
            <p>{td_string!(locale, billed.assumed)}</p>
        </section>
        <section class="card" aria-labelledby="figures-title">
            <h2 id="figures-title">{td_string!(locale, back_test.figures)}</h2>
            <Sides locale report=report.clone() />
        </section>
        <Groups locale report=report.clone() />
        <Rows locale report />
    }
    .into_any()
}

/// Fen as yuan: `-12.05`.
pub fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", format::count(fen / 100), fen % 100)
}

fn fen(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_default()
}

/// The sum of the counts of an object.
fn sum(value: &Value) -> u64 {
    value.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

#[component]
fn Sides(locale: Locale, report: Value) -> impl IntoView {
    let scope = tell!(
        locale,
        billed.scope,
        accounts = format::count(number(&report, "accounts")),
        volume = format::count(number(&report, "litres") / 1_000),
        without = format::count(number(&report, "without-index")),
        breaks = format::count(number(&report, "index-breaks"))
    );
    let (active, candidate) = (report["active"].clone(), report["candidate"].clone());
    let compared = !active.is_null();
    let row = |name: &'static str, of: &dyn Fn(&Value) -> String| {
        let active = compared.then(|| view! { <td class="cell-number">{of(&active)}</td> });
        view! {
            <tr>
                <th scope="row">{name}</th>
                {active}
                <td class="cell-number">{of(&candidate)}</td>
            </tr>
        }
    };
    let rows = view! {
        {row(td_string!(locale, billed.charged), &|side| yuan(fen(side, "fen")))}
        {row(td_string!(locale, billed.lines), &|side| format::count(number(side, "lines")))}
        {row(td_string!(locale, billed.notices), &|side| format::count(sum(&side["notices"])))}
        {row(td_string!(locale, billed.shut_offs), &|side| format::count(number(side, "shut-offs")))}
        {row(td_string!(locale, billed.faults), &|side| format::count(sum(&side["calls"]["faults"])))}
    };
    let total = compared.then(|| {
        let difference = yuan(fen(&report, "difference-fen"));
        view! { <p data-testid="difference-fen">{tell!(locale, billed.difference, sum = difference)}</p> }
    });
    view! {
        {total}
        <div class="scroll" tabindex="0" role="region" aria-labelledby="figures-title">
            <table class="plain">
                <thead>
                    <tr>
                        <td></td>
                        {compared.then(|| view! { <th scope="col" class="cell-number">{td_string!(locale, billed.before)}</th> })}
                        <th scope="col" class="cell-number">{td_string!(locale, back_test.candidate)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {(!compared).then(|| view! { <p class="muted small">{td_string!(locale, billed.alone)}</p> })}
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
    let span = |group: &Value| match (group["above-fen"].as_i64(), group["up-to-fen"].as_i64()) {
        (Some(0), Some(0)) => td_string!(locale, billed.unchanged).to_owned(),
        (Some(above), Some(up_to)) => tell!(locale, billed.between, from = yuan(above), to = yuan(up_to)),
        (Some(above), None) => tell!(locale, billed.over, sum = yuan(above)),
        (None, up_to) => tell!(locale, billed.under, sum = yuan(up_to.unwrap_or_default())),
    };
    let rows = groups
        .iter()
        .map(|group| {
            view! {
                <tr>
                    <th scope="row">{span(group)}</th>
                    <td class="cell-number">{format::count(number(group, "accounts"))}</td>
                    <td class="cell-number">{yuan(fen(group, "fen"))}</td>
                </tr>
            }
            .into_any()
        })
        .collect();
    let columns = vec![
        Column::Words(td_string!(locale, billed.size)),
        Column::Figures(td_string!(locale, billed.accounts)),
        Column::Figures(td_string!(locale, billed.sum)),
    ];
    view! { <Table locale id="groups-title" title=td_string!(locale, billed.by_size) columns rows /> }.into_any()
}

#[component]
fn Rows(locale: Locale, report: Value) -> impl IntoView {
    let rows = items(&report, "rows");
    let compared = !report["active"].is_null();
    if rows.is_empty() {
        let words = if compared { td_string!(locale, billed.same) } else { td_string!(locale, billed.nothing) };
        return view! { <NoRows says=words /> }.into_any();
    }
    let left_out = number(&report, "rows-left-out");
    let rows = rows
        .iter()
        .map(|row| {
            let device = row["device"].as_str().unwrap_or_default().to_owned();
            let name = called(row);
            let href = match device.parse::<DeviceId>() {
                Ok(id) => super::differences::device_at(id, Some(Quantity::Volume), None, None),
                Err(_) => String::new(),
            };
            let before = compared.then(|| view! { <td class="cell-number">{yuan(fen(row, "active-fen"))}</td> });
            let more = compared.then(|| view! { <td class="cell-number">{yuan(fen(row, "difference-fen"))}</td> });
            view! {
                <tr data-testid="report-row">
                    <th scope="row"><a href=href>{name}</a></th>
                    <td class="cell-number">{format::number_with(number(row, "litres") as f64 / 1_000.0, 3)}</td>
                    {before}
                    <td class="cell-number">{yuan(fen(row, "candidate-fen"))}</td>
                    {more}
                </tr>
            }
            .into_any()
        })
        .collect();
    let mut columns = vec![
        Column::Words(td_string!(locale, billed.meter)),
        Column::Figures(td_string!(locale, billed.volume)),
        Column::Figures(td_string!(locale, back_test.candidate)),
    ];
    if compared {
        columns.insert(2, Column::Figures(td_string!(locale, billed.before)));
        columns.push(Column::Figures(td_string!(locale, billed.more)));
    }
    view! { <Table locale id="rows-title" title=td_string!(locale, billed.rows) columns rows left_out /> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fen_are_shown_as_yuan_to_the_fen() {
        assert_eq!([yuan(0), yuan(5), yuan(-1_205), yuan(12_345_678)], ["0.00", "0.05", "-12.05", "123,456.78"]);
    }
}
