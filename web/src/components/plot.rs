//! A line over time as plain SVG: what a series looks like before, or without, the scripted chart.

use crate::format;
use crate::translations::Locale;
use core::fmt::Write;
use davy_api::{Sample, Series};
use davy_domain::{Quantity, Timestamp};
use leptos::prelude::*;

/// Something that happened, to be marked on the line.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: MarkKind,
    /// In words.
    pub label: String,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// An alarm was raised.
    Alarm,
    /// A command was given.
    Command,
    /// What is in force raised an alarm that is held against another version's.
    Active,
    /// The other version would have raised it.
    Version,
}

impl MarkKind {
    /// The class that the stylesheet and the chart know.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Command => "command",
            Self::Active => "active",
            Self::Version => "version",
        }
    }
}

/// The stretch of time and of values that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Left edge.
    pub from: Timestamp,
    /// Right edge.
    pub to: Timestamp,
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
}

impl Frame {
    /// Around the samples, with round value limits: gas always starts at zero and reaches the statutory scale.
    pub fn around(quantity: Quantity, samples: &[Sample], from: Timestamp, to: Timestamp) -> Self {
        let values = samples.iter().map(|it| it.value);
        let (mut low, mut high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        match quantity {
            Quantity::Gas => (low, high) = (low.min(0.0), high.max(5.0)),
            Quantity::Battery => (low, high) = (0.0, 100.0),
            Quantity::Flow | Quantity::Co => (low, high) = (low.min(0.0), high.max(0.1)),
            Quantity::Valve | Quantity::Tamper | Quantity::EndOfLife => (low, high) = (0.0, 1.0),
            Quantity::Volume | Quantity::Temperature | Quantity::Pressure | Quantity::Rssi => {}
        }
        let step = round_step((high - low) / 4.0);
        Self { from, to, low: (low / step).floor() * step, high: (high / step).ceil().max(low / step + 1.0) * step }
    }

    fn x(&self, at: Timestamp, width: f64) -> f64 {
        let span = self.to.since(self.from).as_millis().max(1) as f64;
        at.since(self.from).as_millis() as f64 / span * width
    }

    fn y(&self, value: f64, height: f64) -> f64 {
        (1.0 - (value - self.low) / (self.high - self.low)) * height
    }

    /// The values of the horizontal lines, lowest first.
    pub fn ticks(&self) -> Vec<f64> {
        let step = round_step((self.high - self.low) / 4.0);
        let steps = ((self.high - self.low) / step).round() as i32;
        (0..=steps).map(|i| self.low + f64::from(i) * step).collect()
    }
}

/// 1, 2 or 5 times a power of ten, not less than `wanted`.
fn round_step(wanted: f64) -> f64 {
    if wanted.is_nan() || wanted <= 0.0 {
        return 1.0;
    }
    let magnitude = 10_f64.powf(wanted.log10().floor());
    let of_ten = wanted / magnitude;
    let factor = if of_ten <= 1.0 {
        1.0
    } else if of_ten <= 2.0 {
        2.0
    } else if of_ten <= 5.0 {
        5.0
    } else {
        10.0
    };
    factor * magnitude
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 26.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 10.0;
/// At most so many points: two a pixel show every extreme.
const POINTS: usize = 600;

/// The line as SVG path data: with many samples, each bucket's lowest and highest.
fn path(samples: &[Sample], frame: &Frame, width: f64, height: f64) -> String {
    let mut out = String::new();
    let bucket = samples.len().div_ceil(POINTS / 2).max(1);
    for part in samples.chunks(bucket) {
        let pair = if part.len() < 3 {
            part.to_vec()
        } else {
            let by = |a: &&Sample, b: &&Sample| a.value.total_cmp(&b.value);
            let mut pair: Vec<Sample> =
                [part.iter().min_by(by), part.iter().max_by(by)].into_iter().flatten().cloned().collect();
            pair.sort_by_key(|it| it.at);
            pair
        };
        for sample in pair {
            let command = if out.is_empty() { 'M' } else { 'L' };
            // Writing to a String cannot fail.
            let _ = write!(out, "{command}{:.1} {:.1}", frame.x(sample.at, width), frame.y(sample.value, height));
        }
    }
    out
}

/// The series between `from` and `to`, with its marks.
#[component]
pub fn Plot(
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
    /// The picture in a sentence.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let frame = Frame::around(series.quantity, &series.samples, from, to);
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let rows = frame
        .ticks()
        .into_iter()
        .map(|value| {
            let y = TOP + frame.y(value, height);
            view! {
                <line class="plot-grid" x1=LEFT x2=WIDTH - RIGHT y1=y y2=y />
                <text class="plot-text" x=LEFT - 8.0 y=y + 4.0 text-anchor="end">{tick(series.quantity, value)}</text>
            }
        })
        .collect_view();
    let with_day = to.since(from).as_millis() > 86_400_000;
    let columns = (0..=4)
        .map(|i| {
            let at = Timestamp::from_millis(from.as_millis() + to.since(from).as_millis() / 4 * i);
            let anchor = match i {
                0 => "start",
                4 => "end",
                _ => "middle",
            };
            view! {
                <text class="plot-text" x=LEFT + frame.x(at, width) y=HEIGHT - 6.0 text-anchor=anchor>
                    {format::axis_time(locale, at, offset, with_day)}
                </text>
            }
        })
        .collect_view();
    let marks = marks
        .into_iter()
        .filter(|it| it.at >= from && it.at < to)
        .map(|mark| {
            let x = LEFT + frame.x(mark.at, width);
            view! {
                <g class=format!("plot-mark plot-mark-{}", mark.kind.class())>
                    <title>{mark.label}</title>
                    <line x1=x x2=x y1=TOP y2=TOP + height />
                    {match mark.kind {
                        MarkKind::Alarm | MarkKind::Active => view! { <path d=format!("M{x} {} l5 9h-10z", TOP - 8.0) /> }.into_any(),
                        MarkKind::Version => view! { <circle cx=x cy=TOP - 3.0 r="5" /> }.into_any(),
                        MarkKind::Command => {
                            view! { <rect x=x - 4.0 y=TOP + height - 4.0 width="8" height="8" /> }.into_any()
                        }
                    }}
                </g>
            }
        })
        .collect_view();
    view! {
        <svg class="plot" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=label>
            {rows}
            {columns}
            {marks}
            <path
                class="plot-line"
                transform=format!("translate({LEFT} {TOP})")
                d=path(&series.samples, &frame, width, height)
            />
        </svg>
    }
    .into_any()
}

fn tick(quantity: Quantity, value: f64) -> String {
    // A round step needs no more digits than its size says.
    if value.fract().abs() < 1e-9 { format::number_with(value, 0) } else { format::number(quantity, value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Vec<Sample> {
        let at = |i: usize| Timestamp::from_millis(i as i64 * 1_000);
        values.iter().enumerate().map(|(i, &value)| Sample { at: at(i), value }).collect()
    }

    #[test]
    fn the_scale_is_round_and_holds_every_value() {
        for values in [&[0.0, 3.2][..], &[12.7, 48.9], &[1_204.31, 1_204.36], &[7.0], &[]] {
            let samples = samples(values);
            let frame =
                Frame::around(Quantity::Volume, &samples, Timestamp::from_millis(0), Timestamp::from_millis(9_000));
            assert!(frame.high > frame.low);
            assert!(samples.iter().all(|it| it.value >= frame.low && it.value <= frame.high), "{frame:?}");
            assert!((2..=8).contains(&frame.ticks().len()), "{:?}", frame.ticks());
        }
    }

    #[test]
    fn thinning_keeps_a_spike_of_a_single_sample() {
        let mut values = vec![1.0; 50_000];
        values[31_007] = 40.0;
        let samples = samples(&values);
        let frame =
            Frame::around(Quantity::Gas, &samples, Timestamp::from_millis(0), Timestamp::from_millis(50_000_000));
        let drawn = path(&samples, &frame, 600.0, 100.0);
        assert!(drawn.matches(['M', 'L']).count() <= POINTS);
        let top = frame.y(40.0, 100.0);
        assert!(drawn.contains(&format!(" {top:.1}")), "the spike is missing");
    }
}
