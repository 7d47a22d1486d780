//! The running server: what starts in which order, and what stops in which order so that nothing is lost.
//!
//! Start: settings, keys, database, ingest (which rebuilds its state), HTTP. Stop: no new requests, event streams end,
//! requests under way finish, shards and committer drain, the database closes.

use crate::accounts::{Accounts, Channel, FileChannel, send_letters};
use crate::backend::imports::{ImportDesk, drop_untaken};
use crate::backend::{Relay, Room, RuleDesk, Service};
use crate::clock::{SharedClock, SharedRandom};
use crate::config::Settings;
use crate::http::tls::Tls;
use crate::http::{App, Parts, router};
use crate::ingest::{Ingest, IngestConfig, IngestParts};
use crate::keys::rotate::NEWEST_KEY;
use crate::keys::{KeyRing, KeySource};
use crate::ledger::Notary;
use crate::live::LiveBus;
use crate::operate::SharedOperate;
use crate::rules::jobs::Jobs;
use crate::rules::telling::Telling;
use crate::shares::Shares;
use anyhow::Context;
use axum::Router;
use davy_domain::{Span, Timestamp};
use davy_rules::{Admission, CompileCache, Engine, EngineConfig};
use davy_store::{Store, StoreOptions};
use metrics_exporter_prometheus::PrometheusHandle;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Ids of alarms and commands tell 62 shards apart.
const MOST_SHARDS: usize = 62;
/// How long requests under way may take once the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How often expired sessions are removed.
const SWEEP_SESSIONS: Duration = Duration::from_mins(10);
/// How often it is looked whether somebody has provisioned or rotated keys.
pub const LOOK_FOR_NEW: Duration = Duration::from_secs(15);
/// Which fact of the database tells when somebody last provisioned.
pub const PROVISIONED: &str = "provisioned_at";

/// What only `main` has.
pub struct World {
    /// The clock.
    pub clock: SharedClock,
    /// The same clock for the pages.
    pub now: fn() -> Timestamp,
    /// The random source.
    pub random: SharedRandom,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
}

/// Opens the database of the settings; for SQLite the folder is created when it is missing.
///
/// # Errors
/// When it cannot be opened, with what to mend.
pub async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    let url = &settings.database_url.0;
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path).split('?').next().unwrap_or_default();
        if let Some(folder) = std::path::Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the folder {} of `database.url`", folder.display()))?;
        }
    }
    let options = StoreOptions { connections: settings.database_connections.max(2), ..StoreOptions::default() };
    Store::connect(url, &options).await.context("setting `database.url`")
}

/// Shards for `ingest.shards`: 0 is one per core.
fn shards(settings: &Settings) -> usize {
    match settings.ingest_shards {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        shards => shards,
    }
    .min(MOST_SHARDS)
}

/// The cache of compiled rules; without its folder rules are compiled at each start.
fn compiled_rules(settings: &Settings, keys: &KeyRing) -> Option<CompileCache> {
    let folder = settings.rules_cache_folder.0.as_ref()?;
    CompileCache::open(folder, *keys.compiled_rules())
        .inspect_err(|error| tracing::warn!(folder = %folder.display(), %error, "compiled rules cannot be kept; see `rules.cache-folder`"))
        .ok()
}

/// The subcommand by which this program starts itself to admit a rule.
pub const ADMIT_RULE: &str = "admit-rule";

/// Serves until `stop`, then stops in order.
///
/// # Errors
/// When something cannot start, or could not be made durable when stopping.
pub async fn serve(settings: Settings, world: World, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let source = KeySource::of(&settings);
    let keys = tokio::task::spawn_blocking(|| KeyRing::read(source)).await.context("keys")??;
    let store = open_store(&settings).await?;
    store.migrate().await?;
    let accounts = crate::http::accounts(
        &settings,
        store.clone(),
        keys.clone(),
        Arc::clone(&world.clock),
        Arc::clone(&world.random),
    )?;
    carry_out_deletions(&store, world.clock.now()).await?;
    let engine = Engine::new(&EngineConfig::default())?;
    let live = LiveBus::new(settings.live_queue);
    let notary = notary(&store, &keys, &world).await;
    let config = IngestConfig {
        listen: settings.coap_listen,
        shards: shards(&settings),
        device_rate: settings.ingest_device_rate,
        compact_every: settings.ingest_compact_every.duration(),
        compact_after: settings.ingest_compact_after.span(),
        wake_conditions: settings.rules_wake_conditions,
    };
    let per_second = settings.http_company_rate;
    let shares = Arc::new(Shares::new(per_second, settings.http_company_burst, world.clock.now()));
    let parts = IngestParts {
        store: store.clone(),
        engine,
        compiled: compiled_rules(&settings, &keys),
        admission: Admission::by_this_program(&[ADMIT_RULE]),
        keys: keys.clone(),
        live: live.clone(),
        shares: Arc::clone(&shares),
        clock: Arc::clone(&world.clock),
        random: Arc::clone(&world.random),
    };
    let ingest = Ingest::start(config, parts).await.context("ingest")?;
    let operate: SharedOperate = Arc::clone(&ingest) as SharedOperate;
    let stopped = {
        let follow = CancellationToken::new();
        let _ends = follow.clone().drop_guard();
        tokio::spawn(follow_keys(store.clone(), keys.clone(), follow));
        let stored = (&store, keys, shares);
        stop_with(run(settings, world, stored, &ingest, (live, accounts), notary, stop).await, &operate).await
    };
    store.close().await;
    stopped
}

/// Deletes the companies whose time has come. At the start and never later: no shard knows their devices yet.
async fn carry_out_deletions(store: &Store, now: Timestamp) -> anyhow::Result<()> {
    for deletion in store.deletions().await? {
        let Some(erased) = store.erase_company(deletion.request.id, now).await.context("deleting a company")? else {
            tracing::debug!(request.id = %deletion.request.id, "this deletion is not due");
            continue;
        };
        let rows: u64 = erased.tables.iter().map(|table| table.rows).sum();
        tracing::warn!(tenant.id = %erased.tenant, rows, "a company was deleted; the proof is in the platform's ledger");
    }
    Ok(())
}

/// Who signs the ledger's checkpoints. Without one the server serves all the same: gas does not wait for a signature.
async fn notary(store: &Store, keys: &KeyRing, world: &World) -> Option<Notary> {
    Notary::open(store.clone(), keys, Arc::clone(&world.clock), &*world.random)
        .await
        .inspect_err(|error| tracing::error!(%error, "the ledger's checkpoints are not signed"))
        .ok()
}

/// Whatever became of HTTP, what was acknowledged is made durable.
async fn stop_with(served: anyhow::Result<()>, operate: &SharedOperate) -> anyhow::Result<()> {
    tracing::info!("draining the shards");
    let drained = operate.shutdown().await;
    tracing::info!("stopped");
    served?;
    drained.context("stopping ingest")
}

async fn run(
    settings: Settings,
    world: World,
    (store, keys, shares): (&Store, KeyRing, Arc<Shares>),
    ingest: &Arc<Ingest>,
    (live, accounts): (LiveBus, Arc<Accounts>),
    notary: Option<Notary>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let stopping = CancellationToken::new();
    // Ends the background tasks also when this function ends early.
    let _ends = stopping.clone().drop_guard();
    let (coap, registry) = (ingest.local_addr(), ingest.registry());
    let operate = &(Arc::clone(ingest) as SharedOperate);
    let (clock, tile_age) = (Arc::clone(&world.clock), settings.map_tile_age.span());
    let bounds = settings.rules_bounds.0.clone();
    let room = Room { components: settings.rules_most_components, bytes: settings.rules_most_component_bytes };
    Telling::start(Arc::clone(&registry), Arc::clone(operate), Arc::clone(&clock), stopping.clone());
    let jobs = Jobs::start(Arc::clone(&registry), Arc::clone(&clock), bounds.clone(), stopping.clone()).await?;
    let rules = RuleDesk::new(registry, jobs, store.highest_id().await?, room, bounds);
    let service =
        Service::new(store.clone(), Arc::clone(operate), Arc::clone(&clock), tile_age, rules, Arc::clone(&accounts))
            .await?;
    let desk = ImportDesk::new(keys, Arc::clone(&world.random), store, clock.now()).await?;
    let service = service.importing(desk).sharing(shares);
    let service = Arc::new(service.deleting_after(settings.tenants_deletion_wait.span()));
    service.resume_requests().await?;
    let relay = Relay::new(live, settings.live_queue);
    let own_listener = settings.metrics_listen.0;
    let head_within = settings.http_head_timeout.duration();
    let app = Arc::new(App::new(Parts {
        settings: settings.clone(),
        service: Arc::clone(&service),
        relay: relay.clone(),
        store: store.clone(),
        accounts: Arc::clone(&accounts),
        operate: Arc::clone(operate),
        clock: Arc::clone(&clock),
        random: world.random,
        metrics: own_listener.is_none().then(|| world.metrics.clone()),
        stopping: stopping.clone(),
    })?);
    let routes = router(&app, Some(pages(&settings, &service, world.now)));
    let listener = TcpListener::bind(settings.http_listen)
        .await
        .with_context(|| format!("cannot listen for HTTP on {}: choose another `http.listen`", settings.http_listen))?;
    let http = listener.local_addr()?;
    let mut tasks = tokio::task::JoinSet::new();
    let failed = operate.failed();
    tasks.spawn(relay.run(Arc::clone(&service), stopping.clone()));
    tasks.spawn(sweep_sessions(store.clone(), clock, settings.session_idle.span(), stopping.clone()));
    tasks.spawn(send_letters(accounts, letters_channel(&settings), stopping.clone()));
    tasks.spawn(look_for_new(store.clone(), service, stopping.clone()));
    if let Some(notary) = notary {
        tasks.spawn(notary.run(settings.ledger_checkpoint_every.duration(), stopping.clone()));
    }
    if let Some(address) = own_listener {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen for metrics on {address}: choose another `metrics.listen`"))?;
        let routes: Router = crate::http::metrics_router(world.metrics);
        tasks.spawn(crate::http::serve(listener, None, routes, head_within, stopping.clone()));
    }
    let tls = Tls::open(settings.http_tls_certificate.0.as_deref(), settings.http_tls_key.0.as_deref())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    if let Some(tls) = &tls {
        tasks.spawn(Arc::clone(tls).watch(stopping.clone()));
    }
    let mut server = tokio::spawn(crate::http::serve(listener, tls.clone(), routes, head_within, stopping.clone()));
    tracing::info!(%http, %coap, "ready");
    // For whoever started the process and gave it port 0.
    println!("davy ready http={scheme}://{http} coap=coap://{coap}");
    tokio::select! {
        () = stop => {}
        () = failed.cancelled() => anyhow::bail!("ingest has failed (see the log above): start the server again; nothing acknowledged is lost"),
        ended = &mut server => {
            ended.context("HTTP")?;
            anyhow::bail!("HTTP ended by itself");
        }
    }
    tracing::info!("stopping: no new requests");
    stopping.cancel();
    if let Ok(ended) = tokio::time::timeout(DRAIN, &mut server).await {
        ended.context("HTTP")?;
    } else {
        tracing::warn!("some requests were still under way after {} s and were cut off", DRAIN.as_secs());
        server.abort();
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

fn pages(settings: &Settings, service: &Arc<Service>, now: fn() -> Timestamp) -> Router {
    let site = davy_web::ssr::Site::open(&settings.site_folder).unwrap_or_else(|error| {
        tracing::warn!(%error, "pages are served without scripts and styles; forms still work");
        davy_web::ssr::Site::bare()
    });
    let mut pages = davy_web::ssr::Pages::new(Arc::clone(service) as Arc<dyn davy_api::Backend>, site, now);
    pages.map_style.clone_from(&settings.map_style_url.0);
    // A tile that was made just before the change is not kept any longer by then.
    pages.map_settle_ms = u32::try_from(settings.map_tile_age.millis().saturating_add(300)).unwrap_or(u32::MAX);
    davy_web::ssr::routes(pages)
}

fn letters_channel(settings: &Settings) -> Option<Arc<dyn Channel>> {
    let file = settings.letters_file.0.as_ref()?;
    Some(Arc::new(FileChannel::new(file)))
}

async fn sweep_sessions(store: Store, clock: SharedClock, idle: Span, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_SESSIONS) => {}
            () = stopping.cancelled() => return,
        }
        if let Err(error) = drop_untaken(&store, clock.now()).await {
            tracing::warn!(%error, "keys that nobody has taken could not be removed; trying again later");
        }
        match store.remove_expired_sessions(clock.now(), clock.now() - idle).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "expired sessions removed"),
            Err(error) => tracing::warn!(%error, "expired sessions could not be removed; trying again later"),
        }
    }
}

/// Takes in the devices, and loads the landscape anew, when somebody has provisioned beside this server.
async fn look_for_new(store: Store, service: Arc<Service>, stopping: CancellationToken) {
    let mut known = store.meta(PROVISIONED).await.ok().flatten();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_FOR_NEW) => {}
            () = stopping.cancelled() => return,
        }
        let Ok(newest) = store.meta(PROVISIONED).await else { continue };
        if newest == known {
            continue;
        }
        match service.learn(None).await {
            Ok(devices) => {
                tracing::info!(
                    devices,
                    "devices were provisioned beside this server and can speak; new companies wait for its next start"
                );
                known = newest;
            }
            Err(error) => tracing::warn!(%error, "what was provisioned could not be taken in; trying again"),
        }
    }
}

/// Reads the keys anew when they have been rotated, so that the old ones can go while the server runs.
async fn follow_keys(store: Store, keys: KeyRing, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_FOR_NEW) => {}
            () = stopping.cancelled() => return,
        }
        let Ok(Some(newest)) = store.meta(NEWEST_KEY).await else { continue };
        if newest == keys.newest() {
            continue;
        }
        let ring = keys.clone();
        match tokio::task::spawn_blocking(move || ring.refresh()).await {
            Ok(Ok(())) if keys.newest() == newest => {
                tracing::info!(key = newest, "the keys were rotated and read anew");
            }
            Ok(Ok(())) => {
                tracing::warn!(
                    key = newest,
                    seals = keys.newest(),
                    "the keys were rotated elsewhere, and here another one seals: give this server the same keys"
                );
            }
            Ok(Err(error)) => tracing::error!(%error, "the keys were rotated and cannot be read anew; trying again"),
            Err(error) => tracing::error!(%error, "the keys were rotated and reading them broke off; trying again"),
        }
    }
}
