//! HTTP: the REST API under `/api/v1`, form routes that work without scripts, live events, map tiles, health and metrics,
//! with the web app mounted beside them.
//!
//! One small file per capability. No handler decides who may see what: the extractors of [`guard`] say who may call it,
//! and [`crate::backend`] reads through the caller's scope.

mod alarms;
mod close;
mod decisions;
mod devices;
mod envelope;
mod events;
mod extract;
mod flash;
mod forms;
pub mod guard;
mod health;
mod listen;
mod me;
pub mod openapi;
mod overview;
pub mod passwords;
mod premises;
pub mod problem;
pub mod rate;
mod rule_forms;
mod rules;
pub mod sessions;
mod sign_in;
mod streams;
mod tiles;

use crate::backend::{Relay, Service};
use crate::clock::{SharedClock, SharedRandom};
use crate::config::Settings;
use crate::operate::SharedOperate;
use axum::Router;
use davy_store::Store;
pub(crate) use health::metrics_router;
pub use listen::serve;
use metrics_exporter_prometheus::PrometheusHandle;
use passwords::{PasswordError, Passwords};
use rate::RateLimit;
use sessions::Sessions;
use sign_in::Desk;
use std::net::IpAddr;
use std::sync::Arc;
use streams::Streams;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What handlers share.
pub struct App {
    /// The settings.
    pub settings: Settings,
    /// The platform's operations.
    pub service: Arc<Service>,
    /// Live events.
    pub relay: Relay,
    /// Who is signed in.
    pub sessions: Sessions,
    pub(crate) desk: Desk,
    pub(crate) store: Store,
    pub(crate) operate: SharedOperate,
    pub(crate) clock: SharedClock,
    pub(crate) rate: RateLimit<IpAddr>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) request_prefix: String,
    pub(crate) stopping: CancellationToken,
}

/// What [`App::new`] is made from.
pub struct Parts {
    /// The settings.
    pub settings: Settings,
    /// The platform's operations.
    pub service: Arc<Service>,
    /// Live events.
    pub relay: Relay,
    /// The database.
    pub store: Store,
    /// The running shards.
    pub operate: SharedOperate,
    /// The clock.
    pub clock: SharedClock,
    /// The random source.
    pub random: SharedRandom,
    /// What `/metrics` renders; none when another listener does.
    pub metrics: Option<PrometheusHandle>,
    /// Cancelled when the server stops: event streams then end.
    pub stopping: CancellationToken,
}

impl App {
    /// Puts the parts together. Takes tens of milliseconds: one password is hashed.
    ///
    /// # Errors
    /// [`PasswordError`] when the hash parameters cannot be used or there is no randomness.
    pub fn new(parts: Parts) -> Result<Self, PasswordError> {
        let settings = parts.settings;
        let (memory, passes) = (settings.password_memory_kib, settings.password_passes);
        let passwords = Passwords::new(memory, passes, settings.password_at_once, Arc::clone(&parts.random))?;
        let mut prefix = [0_u8; 6];
        parts.random.fill(&mut prefix).map_err(PasswordError::Random)?;
        Ok(Self {
            sessions: Sessions::new(
                parts.store.clone(),
                Arc::clone(&parts.clock),
                parts.random,
                settings.session_lifetime.span(),
                settings.http_secure_cookies,
            ),
            desk: Desk::new(&settings, passwords),
            rate: RateLimit::new(settings.http_burst, settings.http_rate, 1_000),
            streams: Arc::new(Streams::new(settings.http_event_streams, settings.http_event_streams_per_user)),
            service: parts.service,
            relay: parts.relay,
            store: parts.store,
            operate: parts.operate,
            clock: parts.clock,
            metrics: parts.metrics,
            request_prefix: crate::keys::to_hex(&prefix),
            stopping: parts.stopping,
            settings,
        })
    }
}

/// The documented routes: their router and, by the same listing, their OpenAPI document.
pub(crate) fn documented() -> OpenApiRouter<Arc<App>> {
    openapi::described()
        .routes(routes!(sign_in::open, sign_in::current, sign_in::close))
        .routes(routes!(me::me))
        .routes(routes!(overview::overview))
        .routes(routes!(alarms::list))
        .routes(routes!(alarms::acknowledge))
        .routes(routes!(alarms::reset))
        .routes(routes!(decisions::list))
        .routes(routes!(decisions::component))
        .routes(routes!(devices::list))
        .routes(routes!(devices::one))
        .routes(routes!(devices::series))
        .routes(routes!(close::device))
        .routes(routes!(premises::one))
        .routes(routes!(close::premises))
        .routes(routes!(rules::list, rules::upload))
        .routes(routes!(rules::one))
        .routes(routes!(rules::component))
        .routes(routes!(rules::settings))
        .routes(routes!(rules::act))
        .routes(routes!(rules::start_back_test))
        .routes(routes!(rules::back_test))
        .routes(routes!(rules::cancel_back_test))
        .routes(routes!(rules::finding))
        .routes(routes!(rules::signers, rules::accept_signer))
        .routes(routes!(rules::refuse_signer))
        .routes(routes!(events::events))
        .routes(routes!(tiles::tile))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
}

/// Everything that the server answers. `pages` is the web app with its own fallback; without it unknown paths are problems.
pub fn router(app: &Arc<App>, pages: Option<Router>) -> Router {
    let (api, document) = documented().split_for_parts();
    let api = api
        .merge(openapi::route(&document))
        .merge(health::metrics_route(app))
        .merge(forms::routes())
        .merge(rule_forms::routes())
        .route("/api/{*rest}", axum::routing::any(envelope::no_route))
        .method_not_allowed_fallback(envelope::method_not_allowed)
        .with_state(Arc::clone(app));
    let all = match pages {
        Some(pages) => {
            let sessions = axum::middleware::from_fn_with_state(Arc::clone(app), sign_in::for_pages);
            api.merge(pages.layer(sessions))
        }
        None => api.fallback(envelope::no_route),
    };
    envelope::wrap(all, app)
}
