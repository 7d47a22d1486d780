//! The Leptos web app
