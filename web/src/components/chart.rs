//! The chart of a series: drawn as SVG by the server, replaced in the browser by uPlot, which is loaded only then.

use crate::components::notice::Empty;
use crate::components::plot::{Mark, MarkKind, Plot};
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words;
use davy_api::Series;
use davy_domain::Timestamp;
use leptos::html::Div;
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde::Serialize;

mod shim {
    #![allow(unsafe_code, reason = "wasm-bindgen's imports are foreign functions; they are called in the browser only")]
    use wasm_bindgen::prelude::*;

    #[wasm_bindgen(raw_module = "./chart.js")]
    extern "C" {
        /// Loads uPlot and draws into the element; `spec` is the JSON of [`super::Spec`].
        #[wasm_bindgen(js_name = drawChart)]
        pub(super) fn draw_chart(element: &web_sys::HtmlElement, spec: &str);
        /// Takes the chart away with its listeners.
        #[wasm_bindgen(js_name = removeChart)]
        pub(super) fn remove_chart(element: &web_sys::HtmlElement);
    }
}

/// What `chart.js` draws.
#[derive(Serialize)]
struct Spec {
    /// Seconds.
    times: Vec<f64>,
    values: Vec<f64>,
    from: f64,
    to: f64,
    label: &'static str,
    unit: &'static str,
    locale: &'static str,
    offset_minutes: i32,
    steps: bool,
    marks: Vec<SpecMark>,
}

#[derive(Serialize)]
struct SpecMark {
    at: f64,
    kind: &'static str,
    label: String,
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1_000.0
}

/// A series with its marks, in words, as a picture and as a table.
#[component]
pub fn Chart(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The samples.
    series: Series,
    /// Alarms and commands.
    marks: Vec<Mark>,
    /// Left edge.
    from: Timestamp,
    /// Right edge.
    to: Timestamp,
) -> impl IntoView {
    let (Some(first), Some(last)) = (series.samples.first().cloned(), series.samples.last().cloned()) else {
        return view! { <Empty title=td_string!(locale, chart.empty) /> }.into_any();
    };
    let (low, high) = series
        .samples
        .iter()
        .fold((first.value, first.value), |(low, high), it| (low.min(it.value), high.max(it.value)));
    let say = |value| format::reading(locale, series.quantity, value);
    let label = tell!(
        locale,
        chart.summary,
        quantity = words::quantity(locale, series.quantity),
        low = say(low),
        high = say(high),
        last = say(last.value)
    );
    let shown = |it: &&Mark| it.at >= from && it.at < to;
    let compared = marks.iter().filter(shown).any(|it| matches!(it.kind, MarkKind::Active | MarkKind::Version));
    let marked = marks.iter().filter(shown).any(|it| matches!(it.kind, MarkKind::Alarm | MarkKind::Command));
    let place = NodeRef::<Div>::new();
    let spec = Spec {
        times: series.samples.iter().map(|it| seconds(it.at)).collect(),
        values: series.samples.iter().map(|it| it.value).collect(),
        from: seconds(from),
        to: seconds(to),
        label: words::quantity(locale, series.quantity),
        unit: format::unit(series.quantity),
        locale: match locale {
            Locale::zh_CN => "zh-CN",
            Locale::en => "en",
        },
        offset_minutes: offset,
        steps: format::unit(series.quantity).is_empty(),
        marks: marks
            .iter()
            .filter(|it| it.at >= from && it.at < to)
            .map(|it| SpecMark { at: seconds(it.at), kind: it.kind.class(), label: it.label.clone() })
            .collect(),
    };
    Effect::new(move || {
        if let (Some(element), Ok(spec)) = (place.get(), serde_json::to_string(&spec)) {
            shim::draw_chart(&element, &spec);
        }
    });
    on_cleanup(move || {
        if let Some(element) = place.try_get_untracked().flatten() {
            shim::remove_chart(&element);
        }
    });
    let thinned = series.thinned.then(|| view! { <p class="muted">{td_string!(locale, chart.thinned)}</p> });
    let figures = [
        (td_string!(locale, chart.lowest), low),
        (td_string!(locale, chart.highest), high),
        (td_string!(locale, chart.latest), last.value),
    ]
    .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{say(value)}</dd></div> })
    .collect_view();
    let every = series.samples.len().div_ceil(48).max(1);
    let rows = series
        .samples
        .iter()
        .rev()
        .step_by(every)
        .map(|it| {
            view! {
                <tr>
                    <td>{format::date_time(locale, it.at, to, offset)}</td>
                    <td>{say(it.value)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <figure class="chart" data-testid="chart">
            <div class="chart-place" node_ref=place>
                <Plot locale offset series marks from to label />
            </div>
            <figcaption>
                <dl class="chart-figures">{figures}</dl>
                {marked.then(|| view! { <MarkLegend locale /> })}
                {compared.then(|| view! { <VersionLegend locale /> })}
                {thinned}
                <details>
                    <summary>{td_string!(locale, chart.table)}</summary>
                    <table class="chart-table">
                        <thead>
                            <tr>
                                <th scope="col">{td_string!(locale, chart.time)}</th>
                                <th scope="col">{td_string!(locale, chart.value)}</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </details>
            </figcaption>
        </figure>
    }
    .into_any()
}

/// Two versions of a rule and when each would have raised the alarm.
#[component]
fn VersionLegend(locale: Locale) -> impl IntoView {
    view! {
        <p class="chart-legend" data-testid="version-legend">
            <svg class="icon plot-mark-active" viewBox="0 0 20 20" aria-hidden="true">
                <path d="M10 4l7 12H3z" />
            </svg>
            {td_string!(locale, chart.active_mark)}
            <svg class="icon plot-mark-version" viewBox="0 0 20 20" aria-hidden="true">
                <circle cx="10" cy="10" r="7" />
            </svg>
            {td_string!(locale, chart.version_mark)}
        </p>
    }
    .into_any()
}

#[component]
fn MarkLegend(locale: Locale) -> impl IntoView {
    view! {
        <p class="chart-legend">
            <svg class="icon plot-mark-alarm" viewBox="0 0 20 20" aria-hidden="true">
                <path d="M10 4l7 12H3z" />
            </svg>
            {td_string!(locale, chart.alarm_mark)}
            <svg class="icon plot-mark-command" viewBox="0 0 20 20" aria-hidden="true">
                <rect x="4" y="4" width="12" height="12" />
            </svg>
            {td_string!(locale, chart.command_mark)}
        </p>
    }
    .into_any()
}
