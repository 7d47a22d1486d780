//! The resident's page.
use leptos::prelude::*;

/// The page.
#[component]
pub fn HomePage() -> impl IntoView {
    view! { <h1>"home"</h1> }
}
