//! The pages: rendered on the server, woken up in the browser.
//!
//! One Leptos app. The server renders every page whole (`SsrMode::Async`), so that each of them, and above all closing
//! a valve, works before or without the WebAssembly; the browser then hydrates the same components and keeps them live
//! through server-sent events. Pages read through [`data`] only and never hold a rule of the domain: what they show is
//! what the API says.

// A page is one nested type; the default of 128 is a little short for it.
#![recursion_limit = "256"]

pub mod app;
pub mod components;
pub mod data;
pub mod flash;
pub mod format;
pub mod live;
pub mod pages;
pub mod session;
#[cfg(feature = "ssr")]
pub mod ssr;
pub(crate) mod tell;
pub mod words;

// The replacement of the deprecated macro is a build script whose crate brings ICU's data tools and an HTTP client.
#[allow(missing_docs, clippy::pedantic, unreachable_pub, unused_qualifications, deprecated)]
mod translations {
    // Generated from `locales/*.json`; a key that is missing in one language does not compile into the other.
    leptos_i18n::load_locales!();
    pub use i18n::*;
}

pub use app::{App, shell};
pub use session::{PageContext, Session, SignedInContext};
pub use translations::Locale;

/// The cookie that remembers the language: `zh-CN` or `en`.
pub const LANGUAGE_COOKIE: &str = "davy_lang";

/// Wakes the rendered page up; the browser's entry crate calls it once.
#[cfg(feature = "hydrate")]
pub fn hydrate() {
    leptos::mount::hydrate_body(App);
}
