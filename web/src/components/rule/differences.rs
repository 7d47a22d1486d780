//! What a version would have done otherwise than what is in force, on live data.

use crate::components::when::When;
use crate::data::query::quantity_name;
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words;
use davy_api::{RuleCompared, RuleDifference};
use davy_domain::{Condition, DeviceId, Quantity, Timestamp};
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The page of a device with the chart of one quantity, at the moments of two versions, with a mark for each.
pub fn device_at(
    device: DeviceId,
    quantity: Option<Quantity>,
    active: Option<Timestamp>,
    version: Option<Timestamp>,
) -> String {
    let mark =
        |name: &str, at: Option<Timestamp>| at.map(|at| format!("&{name}={}", at.as_millis())).unwrap_or_default();
    match active.or(version) {
        Some(at) => {
            let (active, version) = (mark("active", active), mark("version", version));
            let quantity = quantity.map(|it| format!("&q={}", quantity_name(it))).unwrap_or_default();
            format!("/devices/{device}?at={}{active}{version}{quantity}", at.as_millis())
        }
        None => format!("/devices/{device}"),
    }
}

/// Whose chart shows why, and which: a close is explained by the reading that it is for.
pub fn chart_of(
    device: DeviceId,
    measured_by: Option<DeviceId>,
    condition: Option<Condition>,
) -> (DeviceId, Option<Quantity>) {
    match (measured_by, condition) {
        (Some(measured_by), condition) => (measured_by, condition.and_then(Condition::quantity)),
        (None, Some(condition)) => (device, condition.quantity()),
        // Nobody's reading: the valve itself.
        (None, None) => (device, Some(Quantity::Valve)),
    }
}

/// The difference of two moments in words: earlier, later, added or lost.
pub fn difference(locale: Locale, active: Option<Timestamp>, version: Option<Timestamp>) -> String {
    match (active, version) {
        (Some(active), Some(version)) => by(locale, version.since(active).as_millis()),
        (None, Some(_)) => td_string!(locale, rule.added).to_owned(),
        (Some(_) | None, None) => td_string!(locale, rule.lost).to_owned(),
    }
}

/// By how much later; negative is earlier. Milliseconds.
pub fn by(locale: Locale, later_ms: i64) -> String {
    let time = words::rules::span(locale, later_ms.unsigned_abs());
    if later_ms < 0 { tell!(locale, rule.earlier, time = time) } else { tell!(locale, rule.later, time = time) }
}

/// The differences, newest first, with their counts.
#[component]
pub fn Differences(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The counts.
    compared: RuleCompared,
    /// The differences.
    differences: Vec<RuleDifference>,
) -> impl IntoView {
    let counts = tell!(
        locale,
        rule.compared,
        same = format::count(compared.same),
        earlier = format::count(compared.earlier),
        later = format::count(compared.later),
        added = format::count(compared.added),
        lost = format::count(compared.lost)
    );
    let others = tell!(
        locale,
        rule.compared_others,
        closes_same = format::count(compared.closes_same),
        closes_added = format::count(compared.closes_added),
        closes_lost = format::count(compared.closes_lost),
        notices_same = format::count(compared.notices_same),
        notices_added = format::count(compared.notices_added),
        notices_lost = format::count(compared.notices_lost)
    );
    let counts = view! {
        <p class="muted small" data-testid="compared">{counts}</p>
        <p class="muted small">{others}</p>
    };
    if differences.is_empty() {
        return view! {
            <p class="muted" data-testid="no-differences">{td_string!(locale, rule.differences_none)}</p>
            {counts}
        }
        .into_any();
    }
    let moment = |at: Option<Timestamp>| match at {
        Some(at) => view! { <When locale at offset /> }.into_any(),
        None => view! { <span class="muted">{td_string!(locale, rule.not_raised)}</span> }.into_any(),
    };
    let rows = differences
        .into_iter()
        .map(|it| {
            let lost = it.version_at.is_none();
            let (chart, quantity) = chart_of(it.device, it.measured_by, it.condition);
            let kind = match it.kind.as_str() {
                "close" => Some(td_string!(locale, rule.close).to_owned()),
                "first-told" => Some(td_string!(locale, told.first).to_owned()),
                "message" => Some(words::rules::addressee(locale, it.role.as_deref(), it.channel.as_deref())),
                _ => None,
            };
            let condition = it.condition.map(|condition| words::condition(locale, condition).to_owned());
            let what = [kind, condition].into_iter().flatten().collect::<Vec<_>>().join(" · ");
            let href = match it.alarm {
                Some(alarm) => format!("/alarms/{alarm}/why"),
                None => device_at(chart, quantity, it.active_at, it.version_at),
            };
            let serial = if it.serial.is_empty() { it.device.to_string() } else { it.serial };
            view! {
                <tr data-testid="difference">
                    <th scope="row"><a href=href>{serial}</a></th>
                    <td>{what}</td>
                    <td>{moment(it.active_at)}</td>
                    <td>{moment(it.version_at)}</td>
                    <td class=if lost { "over" } else { "" }>{difference(locale, it.active_at, it.version_at)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        {counts}
        <div class="scroll" tabindex="0" role="region" aria-label=td_string!(locale, rule.differences)>
            <table class="plain">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, rule.device)}</th>
                        <th scope="col">{td_string!(locale, rule.condition)}</th>
                        <th scope="col">{td_string!(locale, rule.in_force_at)}</th>
                        <th scope="col">{td_string!(locale, rule.version_at)}</th>
                        <th scope="col">{td_string!(locale, rule.difference)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_says_which_way_and_its_link_carries_both_moments() {
        let at = |s: i64| Some(Timestamp::from_millis(s * 1_000));
        assert_eq!(difference(Locale::en, at(100), at(70)), "30 s earlier");
        assert_eq!(difference(Locale::en, at(100), at(190)), "1 min 30 s later");
        assert_eq!(difference(Locale::en, at(100), None), "Lost");
        assert_eq!(difference(Locale::zh_CN, None, at(1)), "多报");
        let device = DeviceId::from_raw(33);
        let gas = Some(Quantity::Gas);
        assert_eq!(device_at(device, gas, at(1), at(2)), "/devices/dev_11?at=1000&active=1000&version=2000&q=gas");
        assert_eq!(device_at(device, None, None, at(2)), "/devices/dev_11?at=2000&version=2000");
    }

    #[test]
    fn the_chart_is_that_of_the_reading_which_brought_it_about() {
        let (valve, detector) = (DeviceId::from_raw(1), DeviceId::from_raw(2));
        let co = Some(Condition::CoHigh);
        assert_eq!(chart_of(detector, None, co), (detector, Some(Quantity::Co)));
        assert_eq!(chart_of(valve, Some(detector), co), (detector, Some(Quantity::Co)));
        assert_eq!(chart_of(valve, None, None), (valve, Some(Quantity::Valve)));
    }
}
