//! Small states: icon and word together.

use crate::components::icon::{LevelIcon, ValveIcon};
use crate::translations::Locale;
use crate::words::{self, Level};
use davy_domain::ValveState;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// A level with a word of its own.
#[component]
pub fn LevelBadge(
    /// How serious.
    level: Level,
    /// What it says.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    view! {
        <span class=format!("badge badge-{}", level.class())>
            <LevelIcon level />
            <span>{text}</span>
        </span>
    }
    .into_any()
}

/// The level of a valve's state: only doubt is wrong.
pub const fn valve_level(valve: ValveState) -> Level {
    match valve {
        ValveState::Unverified => Level::Alarm,
        ValveState::Unknown | ValveState::Closing => Level::Event,
        ValveState::Open | ValveState::Closed => Level::Normal,
    }
}

/// A valve's proven position.
#[component]
pub fn ValveBadge(
    /// The language.
    locale: Locale,
    /// Its proven position.
    valve: ValveState,
) -> impl IntoView {
    view! {
        <span
            class=format!("badge valve-badge badge-{} valve-{}", valve_level(valve).class(), valve.name())
            data-testid="valve-state"
            data-state=valve.name()
        >
            <ValveIcon valve />
            <span>{words::valve(locale, valve)}</span>
        </span>
    }
    .into_any()
}

/// Whether a device reports on time.
#[component]
pub fn OnlineBadge(
    /// The language.
    locale: Locale,
    /// Whether it reported within its interval.
    online: bool,
) -> impl IntoView {
    let (level, text) = if online {
        (Level::Normal, td_string!(locale, state.online))
    } else {
        (Level::Event, td_string!(locale, state.offline))
    };
    view! { <LevelBadge level text /> }.into_any()
}
