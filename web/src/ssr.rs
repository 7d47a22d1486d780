//! Mounting the pages into an axum server.
//!
//! ```text
//! let site = davy_web::ssr::Site::open(Path::new("target/site"))?;
//! let pages = davy_web::ssr::Pages::new(backend, site, now);
//! let app = api_router.merge(davy_web::ssr::routes(pages)).layer(your_session_middleware);
//! ```
//!
//! What the server owes the pages:
//! - a middleware outside of these routes that puts [`SignedInContext`] (or `Option<SignedInContext>`) into the
//!   request's extensions; without one the visitor is signed out and sent to `/sign-in?next=…`;
//! - the form targets, each answering 303: `POST /sign-in` (`email`, `password`, `next`), `/sign-out` (`csrf`),
//!   `/sign-in/code` (`code`, `next`), `/sign-in/forgot` (`login`), `/sign-in/reset` (`token`, `password`), those of one's own account below
//!   `/account/`,
//!   `/language` (`language` = `zh-CN` or `en`, `next`; sets the cookie [`crate::LANGUAGE_COOKIE`], no sign-in needed),
//!   `/actions/close` (`csrf`, `device` or `premises`, `next`), `/actions/acknowledge` and `/actions/reset` (`csrf`,
//!   `alarm`, `next`). `next` is a path of this site: refuse anything that does not start with exactly one `/`;
//! - the outcome as a query parameter of that redirect: see [`crate::flash`] for the words;
//! - `GET /api/v1/events` as server-sent events, with `event: ping` at least every 20 s so that the browser notices a
//!   dead connection, and `GET /tiles/{z}/{x}/{y}.mvt`.
//!
//! The pages set their own `Content-Security-Policy` (it carries a fresh nonce) and `Cache-Control: no-store`: the
//! server must not overwrite them. Never mounted together with the feature `hydrate`.

mod gate;
mod headers;
mod site;

pub use site::{Site, SiteError};

use crate::session::{PageContext, Session, SignedInContext};
use crate::{App, shell};
use axum::Router;
use axum::http::request::Parts;
use davy_api::{Backend, Problem, Viewer};
use davy_domain::Timestamp;
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, generate_route_list};
use std::sync::Arc;

/// Everything that the pages need from the server.
#[derive(Clone)]
pub struct Pages {
    /// The platform's operations.
    pub backend: Arc<dyn Backend>,
    /// The built browser part.
    pub site: Site,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// Time zone of the pages, minutes east of UTC; 480 (China) unless set.
    pub utc_offset_minutes: i32,
    /// URL of a MapLibre style to draw below the sites; its origin is then allowed by the CSP. Built-in map unless set.
    pub map_style: Option<String>,
    /// How long after a change the map asks for what it touches, milliseconds; longer than the backend keeps a tile.
    pub map_settle_ms: u32,
}

impl Pages {
    /// With China's time and the built-in map.
    pub fn new(backend: Arc<dyn Backend>, site: Site, now: fn() -> Timestamp) -> Self {
        Self { backend, site, now, utc_offset_minutes: 480, map_style: None, map_settle_ms: 1_300 }
    }
}

/// Every page, the static files below `/static/`, and the 404 page as the fallback (so the server sets none of its own).
///
/// Call it once, before the first request: listing the routes renders the app with its resources held back, process-wide, and a
/// page that is being rendered meanwhile would wait for ever.
pub fn routes(pages: Pages) -> Router {
    let options = LeptosOptions::builder().output_name("davy").build();
    let listing = generate_route_list(App);
    let context = {
        let pages = pages.clone();
        move || provide_request(&pages)
    };
    let document = {
        let assets = pages.site.assets_path();
        move || shell(assets.clone())
    };
    let not_found = leptos_axum::render_app_async_with_context(context.clone(), document.clone());
    let files = pages.site.files();
    Router::new()
        .leptos_routes_with_context(&options, listing, context, document)
        .fallback(not_found)
        .layer(axum::middleware::from_fn(gate::send_to_the_right_page))
        .nest("/static", files)
        .with_state(options)
}

/// The backend together with the viewer of the request that is being rendered.
pub(crate) struct Seat {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) viewer: Viewer,
}

/// The seat of the request, for [`crate::data`].
pub(crate) fn seat() -> Result<Seat, Problem> {
    let backend = use_context::<Arc<dyn Backend>>()
        .ok_or_else(|| Problem::unavailable("The page was rendered outside of the server's routes."))?;
    let viewer = use_context::<Viewer>().ok_or_else(Problem::signed_out)?;
    Ok(Seat { backend, viewer })
}

fn provide_request(pages: &Pages) {
    let signed_in = use_context::<Parts>().and_then(|parts| signed_in(&parts.extensions));
    provide_context(Arc::clone(&pages.backend));
    provide_context(PageContext {
        session: signed_in.as_ref().map(|it| Session { person: it.person.clone(), csrf: it.csrf.clone() }),
        now: (pages.now)(),
        utc_offset_minutes: pages.utc_offset_minutes,
        map_style: pages.map_style.clone(),
        map_settle_ms: pages.map_settle_ms,
        assets: pages.site.assets_path(),
    });
    if let Some(signed_in) = signed_in {
        provide_context(signed_in.viewer);
    }
    headers::set(pages.map_style.as_deref());
}

fn signed_in(extensions: &axum::http::Extensions) -> Option<SignedInContext> {
    extensions
        .get::<SignedInContext>()
        .cloned()
        .or_else(|| extensions.get::<Option<SignedInContext>>().cloned().flatten())
}
