//! Icons: inline SVG in the text's colour, each with its own outline, so that a state never speaks by colour alone.

use crate::words::Level;
use davy_domain::ValveState;
use leptos::prelude::*;

/// The shape of a level: a dot, a ring, a triangle, a diamond.
#[component]
pub fn LevelIcon(
    /// How serious.
    level: Level,
) -> impl IntoView {
    let shape = match level {
        Level::Normal => view! { <circle cx="10" cy="10" r="4" fill="currentColor" /> }.into_any(),
        Level::Event => view! {
            <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="2.2" />
            <path d="M10 9v5M10 6v.2" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" />
        }
        .into_any(),
        Level::Alarm => view! {
            <path d="M10 1.8 19 17.6H1Z" fill="currentColor" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" />
            <path class="cut" d="M10 7v5.2M10 15v.2" stroke-width="2.2" stroke-linecap="round" />
        }
        .into_any(),
        Level::Leak => view! {
            <path d="M10 .9 19.1 10 10 19.1.9 10Z" fill="currentColor" stroke="currentColor" stroke-width="1" stroke-linejoin="round" />
            <path class="cut" d="M10 5.2v5.6M10 14.2v.2" stroke-width="2.4" stroke-linecap="round" />
        }
        .into_any(),
    };
    view! {
        <svg class=format!("icon level-{}", level.class()) viewBox="0 0 20 20" aria-hidden="true">
            {shape}
        </svg>
    }
    .into_any()
}

/// The same, large, where it heads a verdict: what is normal gets a tick instead of the dot.
#[component]
pub fn VerdictIcon(
    /// How serious.
    level: Level,
) -> impl IntoView {
    if level != Level::Normal {
        return view! { <LevelIcon level /> }.into_any();
    }
    view! {
        <svg class="icon level-normal" viewBox="0 0 20 20" aria-hidden="true">
            <circle cx="10" cy="10" r="8.5" fill="none" stroke="currentColor" stroke-width="1.6" />
            <path d="M6 10.3l2.8 2.8L14.2 7.6" fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round" />
        </svg>
    }
    .into_any()
}

/// A valve's pictogram: through, moving, shut, or doubtful.
#[component]
pub fn ValveIcon(
    /// Its proven position.
    valve: ValveState,
) -> impl IntoView {
    let body = match valve {
        ValveState::Open => view! {
            <path d="M2 6l7 4-7 4zM18 6l-7 4 7 4z" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" />
        }
        .into_any(),
        ValveState::Closed => view! {
            <path d="M2 5.5l8 4.5-8 4.5zM18 5.5l-8 4.5 8 4.5z" fill="currentColor" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" />
        }
        .into_any(),
        ValveState::Closing => view! {
            <path d="M2 6l8 4-8 4z" fill="currentColor" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" />
            <path d="M18 6l-8 4 8 4z" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" stroke-dasharray="2.4 2" />
        }
        .into_any(),
        ValveState::Unknown | ValveState::Unverified => view! {
            <circle cx="10" cy="10" r="8" fill="none" stroke="currentColor" stroke-width="1.8" />
            <path d="M7.6 8.2c0-3.2 4.9-3.2 4.9-.2 0 1.9-2.4 1.9-2.4 3.7M10.1 14.4v.2" fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" />
        }
        .into_any(),
    };
    view! {
        <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
            {body}
        </svg>
    }
    .into_any()
}

/// The mark of the lamp: a flame in a mesh.
#[component]
pub fn Brand() -> impl IntoView {
    view! {
        <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
            <path d="M11 3h10M16 3v3M9 29h14M11 6h10l1.6 20H9.4z" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />
            <path d="M16 11c3 3.4 3.8 5.4 3.8 7.4a3.8 3.8 0 0 1-7.6 0c0-2 .8-4 3.8-7.4z" fill="currentColor" />
        </svg>
    }
    .into_any()
}
