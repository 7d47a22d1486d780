//! Who looks at the page, and what the page needs to know about its surroundings.
//!
//! The session itself is in a cookie that scripts cannot read; the browser only learns the person and the CSRF token.

use davy_api::{Person, Viewer};
use davy_domain::Timestamp;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// What the server's middleware puts into the request's extensions (bare, or as `Option`) for a signed-in person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedInContext {
    /// What the person may see.
    pub viewer: Viewer,
    /// The person, for the page's header.
    pub person: Person,
    /// To be sent back with every change.
    pub csrf: String,
}

/// The signed-in person as the browser knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who.
    pub person: Person,
    /// Goes into the field `csrf` of every form and the header `x-csrf-token` of every change.
    pub csrf: String,
}

/// The page's surroundings: decided by the server, the same in the browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageContext {
    /// Who is signed in.
    pub session: Option<Session>,
    /// The server's clock when it rendered the page.
    pub now: Timestamp,
    /// The time zone of the pages, minutes east of UTC.
    pub utc_offset_minutes: i32,
    /// A MapLibre style to draw below the sites instead of the built-in one.
    pub map_style: Option<String>,
    /// How long after a change the map asks for what it touches, milliseconds: longer than the server keeps a tile.
    pub map_settle_ms: u32,
    /// Path of the versioned static files, without a slash at the end.
    pub assets: String,
}

impl Default for PageContext {
    fn default() -> Self {
        Self {
            session: None,
            now: Timestamp::default(),
            utc_offset_minutes: 480,
            map_style: None,
            map_settle_ms: 1_300,
            assets: String::new(),
        }
    }
}

/// The page's surroundings, anywhere below [`crate::App`].
pub fn page_context() -> PageContext {
    use_context::<PageContext>().unwrap_or_default()
}
