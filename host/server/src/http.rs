//! HTTP: the REST API under `/api/v1`, form routes that work without scripts, live events, map tiles, health and metrics,
//! with the web app mounted beside them.
//!
//! One small file per capability. No handler decides who may see what: the extractors of [`guard`] say who may call it,
//! and [`crate::backend`] reads through the caller's scope.

mod access_forms;
mod account;
mod account_forms;
mod alarms;
mod approvals;
mod close;
mod companies;
mod decisions;
mod desk;
mod device_imports;
mod device_keys;
mod devices;
mod envelope;
mod events;
mod extract;
mod flash;
mod forms;
pub mod guard;
mod health;
mod households;
mod import_forms;
mod labels;
mod ledger;
mod listen;
mod me;
pub mod openapi;
mod overview;
pub mod passwords;
mod people;
mod personal;
mod premises;
pub mod problem;
mod quarantine;
pub mod rate;
mod reset;
mod rule_forms;
mod rules;
pub mod sessions;
mod sign_in;
mod streams;
mod tiles;
pub mod tls;
mod tokens;
mod usage;

use crate::accounts::{AccountParts, Accounts, Lasting};
use crate::backend::{Relay, Service};
use crate::clock::{SharedClock, SharedRandom};
use crate::config::Settings;
use crate::keys::KeyRing;
use crate::operate::SharedOperate;
use axum::Router;
use davy_store::Store;
use desk::Desk;
pub(crate) use health::metrics_router;
pub use listen::serve;
use metrics_exporter_prometheus::PrometheusHandle;
use passwords::{PasswordError, Passwords};
use rate::RateLimit;
use sessions::Sessions;
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
    /// People's own accounts.
    pub accounts: Arc<Accounts>,
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
    /// People's own accounts.
    pub accounts: Arc<Accounts>,
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
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`PasswordError`] when there is no randomness.
    pub fn new(parts: Parts) -> Result<Self, PasswordError> {
        let settings = parts.settings;
        let mut prefix = [0_u8; 6];
        parts.random.fill(&mut prefix).map_err(PasswordError::Random)?;
        Ok(Self {
            sessions: Sessions::new(
                parts.store.clone(),
                Arc::clone(&parts.clock),
                parts.random,
                sessions::Lifetimes {
                    whole: settings.session_lifetime.span(),
                    idle: settings.session_idle.span(),
                    fresh: settings.sign_in_second_factor_fresh.span(),
                },
                settings.http_secure_cookies,
            ),
            desk: Desk::new(&settings),
            accounts: parts.accounts,
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

/// People's accounts by the settings. Takes tens of milliseconds: one password is hashed.
///
/// # Errors
/// [`PasswordError`] when the hash parameters cannot be used or there is no randomness.
pub fn accounts(
    settings: &Settings,
    store: Store,
    keys: KeyRing,
    clock: SharedClock,
    random: SharedRandom,
) -> Result<Arc<Accounts>, PasswordError> {
    let (memory, passes) = (settings.password_memory_kib, settings.password_passes);
    let passwords = Passwords::new(memory, passes, settings.password_at_once, Arc::clone(&random))?;
    let lasting = Lasting { idle: settings.session_idle.span(), reset: settings.password_reset_lifetime.span() };
    let public_url = settings.http_public_url.0.clone();
    Ok(Arc::new(Accounts::new(AccountParts { store, clock, random, keys, passwords, lasting, public_url })))
}

/// The documented routes: their router and, by the same listing, their OpenAPI document.
pub(crate) fn documented() -> OpenApiRouter<Arc<App>> {
    openapi::described()
        .routes(routes!(sign_in::open, sign_in::current, sign_in::close))
        .routes(routes!(sign_in::second_factor))
        .routes(routes!(reset::ask))
        .routes(routes!(reset::redeem))
        .routes(routes!(account::account))
        .routes(routes!(account::change_password))
        .routes(routes!(account::end_other_sessions))
        .routes(routes!(account::end_session))
        .routes(routes!(account::offer_generator, account::confirm_generator, account::remove_generator))
        .routes(routes!(me::me))
        .routes(routes!(personal::own))
        .routes(routes!(personal::export))
        .routes(routes!(personal::acts))
        .routes(routes!(personal::contacts, personal::show))
        .routes(routes!(overview::overview))
        .routes(routes!(alarms::list))
        .routes(routes!(alarms::acknowledge))
        .routes(routes!(alarms::reset))
        .routes(routes!(decisions::list))
        .routes(routes!(decisions::component))
        .routes(routes!(ledger::of_alarm))
        .routes(routes!(ledger::list))
        .routes(routes!(ledger::checkpoints))
        .routes(routes!(ledger::export))
        .routes(routes!(devices::list))
        .routes(routes!(devices::one))
        .routes(routes!(devices::series))
        .routes(routes!(close::device))
        .routes(routes!(premises::one))
        .routes(routes!(close::premises))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::read))
        .routes(routes!(rules::list, rules::upload))
        .routes(routes!(rules::one))
        .routes(routes!(rules::component, rules::delete_component))
        .routes(routes!(rules::bounds, rules::set_bounds))
        .routes(routes!(rules::settings))
        .routes(routes!(rules::act))
        .routes(routes!(rules::start_back_test))
        .routes(routes!(rules::back_test))
        .routes(routes!(rules::cancel_back_test))
        .routes(routes!(rules::finding))
        .routes(routes!(rules::signers, rules::accept_signer))
        .routes(routes!(rules::refuse_signer))
        .routes(routes!(device_imports::list, device_imports::start))
        .routes(routes!(device_keys::state))
        .routes(routes!(device_keys::revoke))
        .routes(routes!(device_keys::replace))
        .routes(routes!(device_imports::one))
        .routes(routes!(device_imports::report))
        .routes(routes!(device_imports::credentials))
        .routes(routes!(labels::print))
        .routes(routes!(labels::follow))
        .routes(routes!(people::list, people::add))
        .routes(routes!(people::roles))
        .routes(routes!(people::demand))
        .routes(routes!(people::end))
        .routes(routes!(companies::list))
        .routes(routes!(companies::standing))
        .routes(routes!(companies::deletion))
        .routes(routes!(usage::usage))
        .routes(routes!(tokens::list, tokens::make))
        .routes(routes!(tokens::revoke))
        .routes(routes!(households::current))
        .routes(routes!(households::invite))
        .routes(routes!(households::withdraw))
        .routes(routes!(households::hand_over))
        .routes(routes!(households::admit))
        .routes(routes!(households::end))
        .routes(routes!(households::join))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::one))
        .routes(routes!(approvals::close_many))
        .routes(routes!(approvals::decide))
        .routes(routes!(approvals::limit))
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
        .merge(account_forms::routes())
        .merge(rule_forms::routes())
        .merge(import_forms::routes())
        .merge(labels::routes())
        .merge(access_forms::routes())
        .merge(companies::forms())
        .merge(personal::forms())
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
