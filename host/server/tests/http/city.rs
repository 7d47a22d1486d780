//! Two gas companies with a leak each, a regulator, and a browser to look at them with.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use davy_domain::floor::Floor;
use davy_domain::interlock::{Input, Interlock, Limits, World};
use davy_domain::release::bounds::Bounds;
use davy_domain::release::{Actor, Release, Stage};
use davy_domain::senml::{Part, encode};
use davy_domain::{DeviceId, IdSource, PremisesId, Quantity, Reading, ReleaseId, Role, ScopeKind, Span, Timestamp};
use davy_rules::{Admission, Engine, EngineConfig};
use davy_server::accounts::Accounts;
use davy_server::backend::imports::ImportDesk;
use davy_server::backend::{Relay, Room, RuleDesk, Service};
use davy_server::clock::{Clock, SharedClock, SharedRandom, SystemClock, SystemRandom};
use davy_server::config::Settings;
use davy_server::http::passwords::Passwords;
use davy_server::http::{App, Parts, router};
use davy_server::ingest::{Ingest, IngestConfig, IngestParts};
use davy_server::keys::KeyRing;
use davy_server::live::LiveBus;
use davy_server::operate::SharedOperate;
use davy_server::provision::{Manifest, Tools, provision};
use davy_server::rules::jobs::Jobs;
use davy_server::shares::Shares;
use davy_store::{Batch, JournalRow, NewRelease, NewRule, RowKind, Store, StoreOptions};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The two companies' keys.
pub(crate) const COMPANIES: [&str; 2] = ["a", "b"];

/// The real clock, and what a test puts it forward by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead(Arc<AtomicI64>);

impl Ahead {
    /// Puts the clock forward.
    pub(crate) fn by(&self, span: Span) {
        self.0.fetch_add(span.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Span::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn instant(&self) -> std::time::Instant {
        SystemClock.instant()
    }
}

/// A city with a running server.
pub(crate) struct City {
    pub(crate) ahead: Ahead,
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) operate: SharedOperate,
    pub(crate) service: Arc<Service>,
    /// Where devices speak to.
    pub(crate) coap: SocketAddr,
    pub(crate) stopping: CancellationToken,
    /// Ids by the words of the manifest: `a-home`, `a-D1`, …
    pub(crate) premises: HashMap<String, PremisesId>,
    pub(crate) devices: HashMap<String, DeviceId>,
    /// Company `a`.
    pub(crate) company: davy_domain::TenantId,
    /// A version of a rule of company `a` that has been checked and no more.
    pub(crate) rule: ReleaseId,
    folder: tempfile::TempDir,
}

/// Roles of the person who does nearly everything in a company.
const OPERATOR: [&str; 4] = ["administrator", "safety-officer", "dispatcher", "rule-engineer"];
/// Where all homes are.
const COMMUNITY: &str = "样板小区";

/// Somebody with one role. Their password is hashed once for all of them.
fn person(name: &str, role: Role, scope: &Value, of: &str) -> Value {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let passwords = Passwords::new(8_192, 1, 1, Arc::new(SystemRandom)).unwrap();
        passwords.hash_blocking(PASSWORD).unwrap()
    });
    let mut person =
        json!({"email": format!("{name}@{of}.example"), "name": name, "roles": [role], "password_hash": *HASH});
    person.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
    person
}

pub(crate) fn manifest() -> Value {
    let mut tenants = Vec::new();
    let mut premises = Vec::new();
    let mut devices = Vec::new();
    let mut users = vec![
        json!({"email": "regulator@city.example", "name": "监管员", "roles": ["regulator"], "division": 330_000, "password": PASSWORD}),
        json!({"email": "elsewhere@city.example", "name": "外地监管员", "roles": ["regulator"], "division": 440_000, "password": PASSWORD}),
        person("platform", Role::PlatformAdministrator, &json!({}), "city"),
        person("deputy", Role::PlatformAdministrator, &json!({}), "city"),
    ];
    for (at, key) in COMPANIES.into_iter().enumerate() {
        let east = at as f64 * 0.1;
        tenants.push(json!({"key": key, "name": format!("示例燃气{key}"), "jurisdiction": 330_000}));
        for home in ["home", "flat"] {
            premises.push(json!({
                "key": format!("{key}-{home}"), "tenant": key, "division": 330_106, "address": format!("样板街{key}{home}"),
                "community": COMMUNITY,
                "lon": 120.1 + east, "lat": if home == "home" { 30.2 } else { 30.21 },
            }));
            let place = format!("{key}-{home}");
            let serial = |kind: &str| if home == "home" { format!("{kind}1") } else { format!("{kind}2") };
            devices.push(json!({"serial": serial("V"), "tenant": key, "kind": "valve", "model": "QF", "premises": place, "report_interval_s": 3600}));
            devices.push(
                json!({"serial": serial("D"), "tenant": key, "kind": "detector", "model": "TC", "premises": place,
                "links": [serial("V")], "report_interval_s": 3600}),
            );
            users.push(
                json!({"email": format!("{home}@{key}.example"), "name": "住户", "roles": ["resident"], "tenant": key,
                "premises": place, "password": PASSWORD}),
            );
        }
        devices.push(json!({"serial": "W1", "tenant": key, "kind": "well-monitor", "model": "JS", "lon": 120.3 + east, "lat": 30.4, "division": 330_106}));
        users.push(json!({"email": format!("operator@{key}.example"), "name": "值班员", "roles": OPERATOR, "tenant": key, "password": PASSWORD}));
        for role in Role::ALL.iter().filter(|role| role.scope() == ScopeKind::Tenant) {
            users.push(person(role.name(), *role, &json!({"tenant": key}), key));
        }
        users.push(person("manager", Role::PropertyManager, &json!({"tenant": key, "community": COMMUNITY}), key));
    }
    json!({
        "divisions": [
            {"code": 330_000, "parent": null, "level": 1, "name_zh": "浙江省", "name_en": "Zhejiang"},
            {"code": 330_106, "parent": 330_000, "level": 3, "name_zh": "西湖区", "name_en": "Xihu"},
            {"code": 440_000, "parent": null, "level": 1, "name_zh": "广东省", "name_en": "Guangdong"},
        ],
        "tenants": tenants, "premises": premises, "devices": devices, "users": users,
    })
}

/// On SQLite.
pub(crate) async fn city() -> City {
    city_with(|_| {}).await
}

pub(crate) async fn city_with(change: impl FnOnce(&mut Settings)) -> City {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("davy.db").display());
    city_in(folder, &url, &manifest(), change).await
}

/// With one more premises of company `a`, and devices after those that are always there.
pub(crate) async fn city_and(premises: Value, devices: Vec<Value>) -> City {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("davy.db").display());
    let mut manifest = manifest();
    manifest["premises"].as_array_mut().unwrap().push(premises);
    manifest["devices"].as_array_mut().unwrap().extend(devices);
    city_in(folder, &url, &manifest, |_| {}).await
}

/// In an empty database.
pub(crate) async fn city_in(
    folder: tempfile::TempDir,
    url: &str,
    manifest: &Value,
    change: impl FnOnce(&mut Settings),
) -> City {
    let store = Store::connect(url, &StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let ahead = Ahead::default();
    let clock: SharedClock = Arc::new(ahead.clone());
    let random: SharedRandom = Arc::new(SystemRandom);
    let key = folder.path().join("davy.key");
    KeyRing::create(&key, &SystemRandom).unwrap();
    let keys = KeyRing::open(&key).unwrap();
    let engine = Engine::new(&EngineConfig { pool_size: 2, ..EngineConfig::default() }).unwrap();
    let mut settings = Settings::defaults().unwrap();
    settings.http_secure_cookies = false;
    settings.password_memory_kib = 8_192;
    settings.password_passes = 1;
    settings.http_rate = 0;
    change(&mut settings);
    let passwords = Passwords::new(8_192, 1, 2, Arc::clone(&random)).unwrap();
    let now = clock.now() - Span::from_secs(60);
    let admission = Admission::here();
    let tools = Tools {
        store: &store,
        engine: &engine,
        admission: &admission,
        keys: &keys,
        passwords: &passwords,
        random: &random,
        now,
    };
    let manifest = Manifest::read(&manifest.to_string()).unwrap();
    let done = provision(&manifest, folder.path(), &tools).await.unwrap();
    let mut devices = HashMap::new();
    let mut premises = HashMap::new();
    for (from, credential) in manifest.devices.iter().zip(&done.credentials) {
        devices.insert(format!("{}-{}", from.tenant, from.serial), credential.device.parse().unwrap());
        if let (Some(key), Some(id)) = (&from.premises, &credential.premises) {
            premises.insert(key.clone(), id.parse().unwrap());
        }
    }
    let leaked_at = clock.now() - Span::from_secs(2);
    for (lane, key) in COMPANIES.into_iter().enumerate() {
        leak(&store, &devices, key, IdSource::new(lane as u8, 0), leaked_at).await;
    }
    let rule = checked_rule(&store, devices["a-D1"], now).await;
    let accounts =
        davy_server::http::accounts(&settings, store.clone(), keys.clone(), Arc::clone(&clock), Arc::clone(&random))
            .unwrap();
    let live = LiveBus::new(1_024);
    let config = IngestConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        shards: 2,
        device_rate: 200,
        compact_every: std::time::Duration::from_hours(1),
        compact_after: Span::from_minutes(10),
        wake_conditions: true,
    };
    let shares = Arc::new(Shares::new(settings.http_company_rate, settings.http_company_burst, clock.now()));
    let parts = IngestParts {
        compiled: None,
        admission,
        store: store.clone(),
        engine,
        keys: keys.clone(),
        live: live.clone(),
        shares: Arc::clone(&shares),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    };
    let ingest = Ingest::start(config, parts).await.unwrap();
    let registry = ingest.registry();
    let coap = ingest.local_addr();
    let operate: SharedOperate = ingest;
    let tile_age = Span::from_millis(0);
    let stopping = CancellationToken::new();
    let jobs =
        Jobs::start(Arc::clone(&registry), Arc::clone(&clock), Bounds::default(), stopping.clone()).await.unwrap();
    let rules = RuleDesk::new(
        registry,
        jobs,
        store.highest_id().await.unwrap(),
        Room { components: 50, bytes: 8 << 20 },
        Bounds::default(),
    );
    let service =
        Service::new(store.clone(), Arc::clone(&operate), Arc::clone(&clock), tile_age, rules, Arc::clone(&accounts))
            .await
            .unwrap();
    let desk = ImportDesk::new(keys, Arc::clone(&random), &store, clock.now()).await.unwrap();
    let service = Arc::new(service.importing(desk).sharing(shares));
    let relay = Relay::new(live, 1_024);
    tokio::spawn(relay.clone().run(Arc::clone(&service), stopping.clone()));
    let pages = davy_web::ssr::Pages::new(
        Arc::clone(&service) as Arc<dyn davy_api::Backend>,
        davy_web::ssr::Site::bare(),
        || SystemClock.now(),
    );
    let app = Arc::new(
        App::new(Parts {
            settings,
            service: Arc::clone(&service),
            relay,
            store: store.clone(),
            accounts: Arc::clone(&accounts),
            operate: Arc::clone(&operate),
            clock,
            random,
            metrics: None,
            stopping: stopping.clone(),
        })
        .unwrap(),
    );
    let router = router(&app, Some(davy_web::ssr::routes(pages)));
    let found = store.recover().await.unwrap().devices(None).await.unwrap();
    let company = found.iter().find(|keyed| keyed.device.id == devices["a-D1"]).unwrap().device.tenant;
    City { ahead, router, store, accounts, operate, service, coap, stopping, premises, devices, company, rule, folder }
}

/// A version of the company that a device belongs to.
async fn checked_rule(store: &Store, device: DeviceId, now: Timestamp) -> ReleaseId {
    let keyed = store.recover().await.unwrap().devices(None).await.unwrap();
    let tenant = keyed.iter().find(|keyed| keyed.device.id == device).unwrap().device.tenant;
    let rows = store.tenant(tenant);
    let digest = [9; 32];
    let rule = NewRule {
        digest: &digest,
        name: "rule",
        component: b"\0asm",
        tier: "standard",
        signed: None,
        uploaded_at: now,
    };
    rows.put_rule(&rule).await.unwrap();
    let settings_version = rows.put_settings("{}", now).await.unwrap();
    let release = Release { stage: Stage::Checked, ..Release::uploaded(ReleaseId::from_raw(77), now) };
    let new = NewRelease {
        release: &release,
        digest: &digest,
        settings_version,
        world: "alarm-policy",
        actor: Actor::Platform,
        checks: "",
    };
    rows.create_release(&new).await.unwrap();
    release.id
}

/// A reading of 60 %LEL in the first home of a company, folded by the real fold and committed as ingest would.
async fn leak(store: &Store, devices: &HashMap<String, DeviceId>, key: &str, mut ids: IdSource, now: Timestamp) {
    let keyed = store.recover().await.unwrap().devices(None).await.unwrap();
    let (detector, valve) = (devices[&format!("{key}-D1")], devices[&format!("{key}-V1")]);
    let row = |id: DeviceId| keyed.iter().map(|keyed| &keyed.device).find(|device| device.id == id).unwrap();
    let (tenant, interlock) = (row(detector).tenant, row(detector).interlock);
    let config = |id: DeviceId| {
        let device = row(id);
        davy_domain::device::DeviceConfig {
            id,
            serial: device.serial.clone(),
            kind: device.kind,
            premises: device.premises,
            installed_at: device.installed_at,
            report_interval: device.report_interval,
            sleepy: device.sleepy,
            links: device.links.clone(),
            parent: None,
        }
    };
    let limits = Limits::default();
    let floor = Floor::china_default().for_jurisdiction("CN").unwrap();
    let world = World { floor: &floor, policy: None, limits: &limits };
    let mut fold = Interlock::new(interlock, tenant, vec![config(valve), config(detector)], now, &limits).unwrap();
    let mut batch = Batch::default();
    let reports =
        [(valve, Quantity::Valve, 0.0), (detector, Quantity::Gas, 60.0), (detector, Quantity::Temperature, 21.5)];
    for (at, (device, quantity, value)) in reports.into_iter().enumerate() {
        let reading = Reading::new(quantity, value, now).unwrap();
        let parts = [Part { child: None, readings: vec![reading] }];
        let input = Input::Uplink { device, sequence: Some(at as u64), parts: &parts };
        batch.uplinks.push(JournalRow {
            tenant,
            device,
            sequence: Some(at as u64),
            received_at: now,
            payload: encode(&parts),
            format: 112,
            rule_state: None,
            kind: RowKind::Uplink,
        });
        let effects = fold.step(input, now, &world, &mut ids);
        assert_eq!(effects.rejected, None);
        batch.effects.push((tenant, interlock, effects));
    }
    store.commit(&batch).await.unwrap();
}

impl City {
    /// A browser that nobody has signed in with.
    pub(crate) fn browser(&self) -> Browser {
        Browser { router: self.router.clone(), cookies: HashMap::new(), csrf: None }
    }

    /// A browser after signing in.
    pub(crate) async fn signed_in(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.post("/api/v1/session", &json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        browser.csrf = Some(answer.json()["csrf"].as_str().unwrap().to_owned());
        browser
    }

    pub(crate) async fn operator(&self, company: &str) -> Browser {
        self.signed_in(&format!("operator@{company}.example")).await
    }

    pub(crate) async fn resident(&self, company: &str) -> Browser {
        self.signed_in(&format!("home@{company}.example")).await
    }

    pub(crate) async fn regulator(&self) -> Browser {
        self.signed_in("regulator@city.example").await
    }

    /// Runs statements of somebody who has the database's file in their hands.
    pub(crate) async fn beneath(&self, statements: &[&'static str]) {
        let url = format!("sqlite://{}", self.folder.path().join("davy.db").display());
        let mut on = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        for sql in statements {
            sqlx::query(*sql).execute(&mut on).await.unwrap();
        }
    }

    /// Stops ingest; what is still in the folder can be looked at.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.stopping.cancel();
        self.operate.shutdown().await.unwrap();
        self.store.close().await;
        self.folder
    }
}

/// Keeps cookies and the CSRF token, as a page does.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    pub(crate) cookies: HashMap<String, String>,
    pub(crate) csrf: Option<String>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The problem's kind, after checking that it is one.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.text());
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert!(!json["detail"].as_str().unwrap().is_empty());
        json["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
    }

    pub(crate) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }
}

impl Browser {
    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder().method(method).uri(path);
        let request = if cookies.is_empty() { request } else { request.header(header::COOKIE, cookies.join("; ")) };
        match &self.csrf {
            Some(token) => request.header("x-csrf-token", token),
            None => request,
        }
    }

    pub(crate) async fn raw(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = self.raw(request).await;
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        let request = self.request(Method::DELETE, path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    pub(crate) async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut plain = self.clone();
        plain.csrf = None;
        let request =
            plain.request(Method::POST, path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }
}
