//! What a home's detectors measure now: the concentration as a number, a word and a place on the scale, and what else is known.
//!
//! Where the alarm stands is the law's to say, and the law is data: the levels come with the premises. Without one nothing is
//! judged here; an active alarm is always shown as one.

use crate::components::icon::LevelIcon;
use crate::components::when::When;
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::Level;
use davy_api::{FloorLevel, LatestReading, PremisesDetail};
use davy_domain::Quantity;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The strictest levels of the floor for gas.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Levels {
    /// The alarm is raised from here on.
    alarm: f64,
    /// It may end below this.
    low: f64,
}

impl Levels {
    fn of(floor: &[FloorLevel]) -> Option<Self> {
        let gas = || floor.iter().filter(|level| level.quantity == Quantity::Gas);
        let alarm = gas().map(|level| level.at_or_above).min_by(f64::total_cmp)?;
        let low = gas().map(|level| level.clear_below).min_by(f64::total_cmp)?;
        Some(Self { alarm, low })
    }

    fn judge(self, value: f64) -> Level {
        if value >= self.alarm {
            Level::Leak
        } else if value >= self.low {
            Level::Event
        } else {
            Level::Normal
        }
    }
}

/// How the newest reading is shown: none when there is neither an alarm nor a level to judge by.
fn shown(value: f64, levels: Option<Levels>, alarmed: bool) -> Option<Level> {
    if alarmed { Some(Level::Leak) } else { levels.map(|levels| levels.judge(value)) }
}

/// What the detectors of a home measure now.
#[component]
pub fn Gas(
    /// The language.
    locale: Locale,
    /// The time zone, minutes east of UTC.
    offset: i32,
    /// The home.
    premises: PremisesDetail,
) -> impl IntoView {
    let newest = |quantity: Quantity| {
        premises
            .devices
            .iter()
            .flat_map(|it| it.latest.iter())
            .filter(|it| it.quantity == quantity)
            .max_by_key(|it| it.at)
            .cloned()
    };
    let levels = Levels::of(&premises.floor);
    let alarmed = premises.alarms.iter().any(|it| it.condition.concentration() == Some(Quantity::Gas));
    let gas = newest(Quantity::Gas).map(|it| view! { <GasScale locale offset reading=it levels alarmed /> });
    let others = [
        (td_string!(locale, home.co_now), newest(Quantity::Co)),
        (td_string!(locale, home.meter_now), newest(Quantity::Volume)),
        (td_string!(locale, quantity.flow), newest(Quantity::Flow)),
    ]
    .into_iter()
    .filter_map(|(name, reading)| {
        reading.map(|it| {
            view! {
                <div class="reading" data-testid="reading" data-quantity=it.quantity.senml_name()>
                    <dt>{name}</dt>
                    <dd>
                        <span class="reading-value">{format::number(it.quantity, it.value)}</span>
                        <span class="unit">{format::unit(it.quantity)}</span>
                    </dd>
                    <dd class="reading-age"><When locale at=it.at offset short=true /></dd>
                </div>
            }
        })
    })
    .collect_view();
    view! {
        <section class="card gas">
            {gas}
            <dl class="readings">{others}</dl>
        </section>
    }
    .into_any()
}

/// The concentration as a number, a word, and a place on the scale.
#[component]
fn GasScale(
    locale: Locale,
    offset: i32,
    reading: LatestReading,
    levels: Option<Levels>,
    alarmed: bool,
) -> impl IntoView {
    let level = shown(reading.value, levels, alarmed);
    let word = level.map(|level| {
        let word = match level {
            Level::Leak | Level::Alarm => td_string!(locale, home.level_alarm),
            Level::Event => td_string!(locale, home.level_rising),
            Level::Normal => td_string!(locale, home.level_normal),
        };
        view! { <span class="gas-word"><LevelIcon level />{word}</span> }
    });
    let scale = levels.map(|levels| {
        let share = |value: f64| (value / levels.alarm).clamp(0.0, 1.0) * 300.0;
        view! {
            <svg class="gas-scale" viewBox="0 0 300 18" preserveAspectRatio="none" aria-hidden="true">
                <rect class="scale-ground" x="0" y="6" width="300" height="6" rx="3" />
                <rect class="scale-value" x="0" y="6" width=share(reading.value).max(3.0) height="6" rx="3" />
                <line class="scale-mark" x1=share(levels.low) x2=share(levels.low) y1="1" y2="17" />
            </svg>
        }
    });
    let (alarm, low) = (levels.map(|it| it.alarm), levels.map(|it| it.low));
    let explained = alarm.zip(low).map(|(alarm, low)| tell!(locale, home.gas_scale, alarm = alarm, low = low) + " · ");
    view! {
        <div class=format!("gas-now gas-{}", level.unwrap_or(Level::Normal).class()) data-testid="gas-now">
            <h2 class="label">{td_string!(locale, home.gas_now)}</h2>
            <p class="gas-value">
                <span class="gas-number">{format::number(Quantity::Gas, reading.value)}</span>
                <span class="unit">{format::unit(Quantity::Gas)}</span>
                {word}
            </p>
            {scale}
            <p class="muted small">{explained} <When locale at=reading.at offset short=true /></p>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(quantity: Quantity, at_or_above: f64, clear_below: f64) -> FloorLevel {
        FloorLevel { quantity, rule: String::new(), at_or_above, clear_below, close: true }
    }

    #[test]
    fn the_scale_follows_the_strictest_level_of_the_floor() {
        let floor = [level(Quantity::Gas, 25.0, 5.0), level(Quantity::Gas, 10.0, 4.0), level(Quantity::Co, 3.0, 1.0)];
        let levels = Levels::of(&floor);
        assert_eq!(levels, Some(Levels { alarm: 10.0, low: 4.0 }));
        assert_eq!(
            [3.9, 4.0, 9.9, 10.0].map(|value| shown(value, levels, false)),
            [Some(Level::Normal), Some(Level::Event), Some(Level::Event), Some(Level::Leak),]
        );
    }

    #[test]
    fn an_alarm_is_shown_as_one_and_nothing_is_called_normal_without_a_level() {
        assert_eq!(shown(0.0, Some(Levels { alarm: 25.0, low: 5.0 }), true), Some(Level::Leak));
        assert_eq!(shown(0.0, None, true), Some(Level::Leak));
        assert_eq!(shown(0.0, Levels::of(&[level(Quantity::Co, 300.0, 30.0)]), false), None);
    }
}
