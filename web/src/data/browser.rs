//! Fetching in the browser. Answers that are not 2xx become the [`Problem`] they carry.

use davy_api::Problem;
use gloo_net::http::{Request, Response};
use leptos::prelude::*;
use serde::de::DeserializeOwned;

thread_local! {
    static CSRF: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// Remembers the page's CSRF token for [`post`]; [`crate::App`] says it once.
pub(crate) fn remember_csrf(token: String) {
    CSRF.with_borrow_mut(|kept| *kept = token);
}

pub(crate) async fn get<T: DeserializeOwned>(route: String) -> Result<T, Problem> {
    read(Request::get(&route).send().await).await
}

pub(crate) async fn post<T: DeserializeOwned>(route: String) -> Result<T, Problem> {
    let token = CSRF.with_borrow(Clone::clone);
    read(Request::post(&route).header("x-csrf-token", &token).send().await).await
}

async fn read<T: DeserializeOwned>(sent: Result<Response, gloo_net::Error>) -> Result<T, Problem> {
    let response = sent.map_err(|error| Problem::new("offline", 0, "No connection", error.to_string()))?;
    if response.status() == 401 {
        // The session has ended: only a full load can sign in again.
        let _ = window().location().assign("/sign-in?error=signed-out");
    }
    let lacks_factor = response.status() == 403;
    let text = response.text().await.map_err(|error| Problem::new("offline", 0, "No connection", error.to_string()))?;
    if response.ok() {
        // An operation without an answer replies 204.
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| {
            Problem::new("unreadable", response.status(), "Unreadable answer", format!("{}: {error}", response.url()))
        })
    } else {
        let problem: Problem = serde_json::from_str(&text).unwrap_or_else(|_| {
            Problem::new("unavailable", response.status(), "Not available right now", response.status_text())
        });
        if lacks_factor && problem.kind.ends_with("/second-factor") {
            let location = window().location();
            let here = location.pathname().unwrap_or_else(|_| "/".to_owned());
            let mut to = "/sign-in/code?error=second-factor&next=".to_owned();
            crate::data::query::percent_encode(&here, &mut to);
            // The code is given on a page of its own; a person then does anew what was refused.
            let _ = location.assign(&to);
        }
        Err(problem)
    }
}
