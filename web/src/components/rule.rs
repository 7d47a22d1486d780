//! Parts of the pages about rules. Each takes its data as props; none loads anything, and every change is a plain form.

pub mod acts;
pub mod back_tests;
pub mod bounds;
pub mod change;
pub mod checks;
pub mod differences;
pub mod health;
pub mod history;
pub mod quarantine;
pub mod report;
pub mod report_billed;
pub mod report_told;
pub mod settings;
pub mod stage;
pub mod table;

use leptos::prelude::*;
use serde_json::Value;

/// JSON for people, folded away.
#[component]
pub fn Fold(
    /// What is inside.
    #[prop(into)]
    title: String,
    /// The value.
    value: Value,
) -> impl IntoView {
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    view! {
        <details class="fold">
            <summary>{title}</summary>
            <pre class="json" tabindex="0">{text}</pre>
        </details>
    }
    .into_any()
}
