//! Loading, empty, problem, and the message after a change.

use crate::components::icon::LevelIcon;
use crate::flash::Flash;
use crate::translations::Locale;
use crate::words::Level;
use davy_api::Problem;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The message after a change; polite to screen readers, closable.
#[component]
pub fn FlashBar(
    /// The language.
    locale: Locale,
    /// What to say, if anything.
    flash: RwSignal<Option<Flash>>,
) -> impl IntoView {
    Effect::new(forget_flash);
    view! {
        <div class="flash-place" role="status" aria-live="polite">
            {move || {
                flash
                    .get()
                    .map(|said| {
                        let level = if said.is_error() { Level::Alarm } else { Level::Event };
                        view! {
                            <div class=format!("flash flash-{}", level.class()) data-testid="flash" data-error=said.is_error().to_string()>
                                <LevelIcon level />
                                <p>{said.text(locale)}</p>
                                <button type="button" class="quiet scripted" on:click=move |_| flash.set(None)>
                                    {td_string!(locale, flash.dismiss)}
                                </button>
                            </div>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}

/// Takes the message out of the address, so that loading the page again does not tell it again.
fn forget_flash() {
    let location = window().location();
    let (Ok(path), Ok(search)) = (location.pathname(), location.search()) else { return };
    let kept: Vec<&str> = search
        .trim_start_matches('?')
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("done=") && !pair.starts_with("error="))
        .collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    if query != search
        && let Ok(history) = window().history()
    {
        // Where the browser refuses, the message is told twice: no harm.
        let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&format!("{path}{query}")));
    }
}

/// A card in place of what could not be loaded.
#[component]
pub fn ProblemCard(
    /// The language.
    locale: Locale,
    /// What the API said.
    problem: Problem,
) -> impl IntoView {
    set_status(problem.status);
    let (title, detail) = match problem.status {
        404 => (td_string!(locale, problem.not_found), td_string!(locale, problem.not_found_detail)),
        401 | 403 => (td_string!(locale, problem.forbidden), td_string!(locale, problem.forbidden_detail)),
        _ => (td_string!(locale, problem.unavailable), td_string!(locale, problem.unavailable_detail)),
    };
    view! {
        <section class="card message" data-testid="problem" data-kind=problem.kind>
            <LevelIcon level=Level::Event />
            <h1>{title}</h1>
            <p>{detail}</p>
            <p class="actions">
                // An empty reference is the page itself: loading it again is the retry that always works.
                <a class="button" href="" rel="external">{td_string!(locale, problem.retry)}</a>
                <a class="button quiet" href="/" rel="external">{td_string!(locale, problem.back)}</a>
            </p>
        </section>
    }
    .into_any()
}

/// In place of a list with nothing in it.
#[component]
pub fn Empty(
    /// What there is none of.
    #[prop(into)]
    title: String,
    /// What to expect or to do.
    #[prop(optional, into)]
    hint: String,
) -> impl IntoView {
    view! {
        <div class="empty">
            <p class="empty-title">{title}</p>
            {(!hint.is_empty()).then_some(view! { <p class="muted">{hint}</p> })}
        </div>
    }
    .into_any()
}

/// While the browser fetches a page; the server never shows it.
#[component]
pub fn Loading(
    /// The language.
    locale: Locale,
) -> impl IntoView {
    view! {
        <div class="loading" role="status">
            <span class="spinner" aria-hidden="true"></span>
            <span>{td_string!(locale, state.loading)}</span>
        </div>
    }
    .into_any()
}

/// The page's HTTP status, on the server.
pub(crate) fn set_status(status: u16) {
    #[cfg(feature = "ssr")]
    if let (Some(response), Ok(status)) =
        (use_context::<leptos_axum::ResponseOptions>(), axum::http::StatusCode::from_u16(status))
    {
        response.set_status(status);
    }
    #[cfg(not(feature = "ssr"))]
    let _ = status;
}
