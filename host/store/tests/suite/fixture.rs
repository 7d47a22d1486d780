//! A database of its own for each test, a small city in it, and makers of the rows that tests commit.

use davy_domain::alarm::{Alarm, AlarmEffect, AlarmEvent, AlarmState, Origin};
use davy_domain::command::{Action, Cause, Command, CommandState};
use davy_domain::interlock::{AlarmChange, CommandChange, Effects, Notice, NoticeKind};
use davy_domain::ledger::{Chain, Entry};
use davy_domain::senml::{Part, encode};
use davy_domain::*;
use davy_store::*;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const GREEN: TenantId = TenantId::from_raw(1);
pub(crate) const BLUE: TenantId = TenantId::from_raw(2);
/// A detector of `GREEN`, its valve, and a meter that sleeps.
pub(crate) const DETECTOR: DeviceId = DeviceId::from_raw(101);
pub(crate) const VALVE: DeviceId = DeviceId::from_raw(102);
pub(crate) const METER: DeviceId = DeviceId::from_raw(103);
/// A detector of `BLUE`.
pub(crate) const OTHER: DeviceId = DeviceId::from_raw(201);
/// A gateway of `BLUE` with two children.
pub(crate) const GATEWAY: DeviceId = DeviceId::from_raw(202);
pub(crate) const CHILD: DeviceId = DeviceId::from_raw(203);
/// A well monitor of `GREEN` in another district, without premises.
pub(crate) const WELL: DeviceId = DeviceId::from_raw(104);
pub(crate) const HOME: PremisesId = PremisesId::from_raw(11);
pub(crate) const CITY: DivisionCode = DivisionCode(3301);
pub(crate) const WEST: DivisionCode = DivisionCode(330_106);
pub(crate) const EAST: DivisionCode = DivisionCode(330_102);
pub(crate) const INTERLOCK: InterlockId = InterlockId::from_raw(1001);

pub(crate) struct Fixture {
    pub(crate) store: Store,
    /// The PostgreSQL schema to drop.
    pub(crate) schema: String,
    folder: Option<tempfile::TempDir>,
}

pub(crate) async fn sqlite() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/davy.db", folder.path().display());
    let store = Store::connect(&url, &StoreOptions::default()).await.unwrap();
    prepared(store, String::new(), Some(folder)).await
}

pub(crate) async fn postgres(test: &str) -> Option<Fixture> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Ok(url) = std::env::var("DAVY_TEST_POSTGRES_URL") else {
        let required = std::env::var_os("DAVY_TEST_REQUIRE_POSTGRES").is_some();
        assert!(!required, "DAVY_TEST_REQUIRE_POSTGRES asks for PostgreSQL: set DAVY_TEST_POSTGRES_URL too");
        eprintln!("SKIPPED on PostgreSQL: {test} (DAVY_TEST_POSTGRES_URL is not set)");
        return None;
    };
    let schema = format!("davy_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(&url).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    let options = StoreOptions { connections: 4, ..StoreOptions::default() };
    let store = Store::connect(&within(&url, &schema), &options).await.unwrap();
    Some(prepared(store, schema, None).await)
}

pub(crate) fn within(url: &str, schema: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-csearch_path%3D{schema}")
}

impl Fixture {
    /// The URL of its PostgreSQL schema.
    pub(crate) fn url(&self) -> String {
        within(&std::env::var("DAVY_TEST_POSTGRES_URL").unwrap(), &self.schema)
    }

    /// Opens its PostgreSQL schema anew.
    pub(crate) async fn reconnect(&mut self, options: &StoreOptions) {
        self.store.close().await;
        self.store = Store::connect(&self.url(), options).await.unwrap();
    }

    /// Another user of its PostgreSQL schema.
    pub(crate) async fn beside(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}

/// A connection that knows nothing of the store.
enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Fixture {
    async fn beneath(&self) -> Raw {
        match &self.folder {
            Some(folder) => {
                let url = format!("sqlite://{}/davy.db", folder.path().display());
                Raw::Sqlite(SqliteConnection::connect(&url).await.unwrap())
            }
            None => Raw::Postgres(self.beside().await),
        }
    }

    /// The same database, as another process opens it.
    pub(crate) async fn again(&self) -> Store {
        let url = match &self.folder {
            Some(folder) => format!("sqlite://{}/davy.db", folder.path().display()),
            None => self.url(),
        };
        Store::connect(&url, &StoreOptions { connections: 4, ..StoreOptions::default() }).await.unwrap()
    }

    /// Runs a statement of somebody who has the database in their hands.
    pub(crate) async fn raw(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match self.beneath().await {
            Raw::Sqlite(mut on) => on.execute(sql).await.map(drop),
            Raw::Postgres(mut on) => on.execute(sql).await.map(drop),
        }
    }

    /// The number that a statement of somebody who has the database in their hands finds.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match self.beneath().await {
            Raw::Sqlite(mut on) => sqlx::query_scalar(sql).fetch_one(&mut on).await.unwrap(),
            Raw::Postgres(mut on) => sqlx::query_scalar(sql).fetch_one(&mut on).await.unwrap(),
        }
    }

    /// The tables that name a company.
    pub(crate) async fn companies_tables(&self) -> Vec<String> {
        match self.beneath().await {
            Raw::Sqlite(mut on) => sqlx::query_scalar(
                "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'tenant_id'",
            )
            .fetch_all(&mut on)
            .await
            .unwrap(),
            Raw::Postgres(mut on) => sqlx::query_scalar(
                "SELECT table_name::TEXT FROM information_schema.columns WHERE table_schema = current_schema() AND column_name = 'tenant_id'",
            )
            .fetch_all(&mut on)
            .await
            .unwrap(),
        }
    }

    /// A database beside it, of the same engine, with tables and nothing in them.
    pub(crate) async fn empty_beside(&self) -> Self {
        let (store, schema, folder) = match self.store.kind() {
            EngineKind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}/davy.db", folder.path().display());
                (Store::connect(&url, &StoreOptions::default()).await.unwrap(), String::new(), Some(folder))
            }
            EngineKind::Postgres => {
                let schema = format!("{}_beside", self.schema);
                self.raw(&format!("CREATE SCHEMA {schema}")).await.unwrap();
                let url = within(&std::env::var("DAVY_TEST_POSTGRES_URL").unwrap(), &schema);
                let options = StoreOptions { connections: 4, ..StoreOptions::default() };
                (Store::connect(&url, &options).await.unwrap(), schema, None)
            }
        };
        store.migrate().await.unwrap();
        Self { store, schema, folder }
    }

    /// Everything that the database's files hold, on SQLite.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let folder = self.folder.as_ref()?;
        let mut bytes = Vec::new();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        Some(bytes)
    }

    /// Takes away what the database does for the ledger by itself.
    pub(crate) async fn disarm(&self) {
        let all = match self.store.kind() {
            EngineKind::Sqlite => vec![
                "DROP TRIGGER ledger_no_update",
                "DROP TRIGGER ledger_no_delete",
                "DROP TRIGGER ledger_no_replace",
                "DROP TRIGGER ledger_checkpoints_no_update",
                "DROP TRIGGER ledger_checkpoints_no_delete",
            ],
            EngineKind::Postgres => {
                vec!["ALTER TABLE ledger DISABLE TRIGGER USER", "ALTER TABLE ledger_checkpoints DISABLE TRIGGER USER"]
            }
        };
        for sql in all {
            self.raw(sql).await.unwrap();
        }
    }

    /// Puts other entries in a chain's place, filed as they should be.
    pub(crate) async fn rewrite(&self, chain: Chain, entries: &[Entry]) {
        let mut on = self.beneath().await;
        let clear = "DELETE FROM ledger WHERE tenant_id = $1";
        let put = "INSERT INTO ledger (tenant_id, seq, at, kind, by_user, object, device_id, body, previous, hash) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        macro_rules! put {
            ($on:expr) => {{
                sqlx::query(clear).bind(chain.raw()).execute(&mut *$on).await.unwrap();
                for entry in entries {
                    let (actor, act) = entry.read().unwrap();
                    sqlx::query(put)
                        .bind(entry.chain.raw())
                        .bind(entry.seq as i64)
                        .bind(entry.at.as_millis())
                        .bind(i64::from(act.code()))
                        .bind(actor.by().map(UserId::raw))
                        .bind(act.object())
                        .bind(act.device().map(DeviceId::raw))
                        .bind(entry.body.clone())
                        .bind(entry.previous.as_bytes().to_vec())
                        .bind(entry.hash.as_bytes().to_vec())
                        .execute(&mut *$on)
                        .await
                        .unwrap();
                }
            }};
        }
        match &mut on {
            Raw::Sqlite(on) => put!(on),
            Raw::Postgres(on) => put!(on),
        }
    }
}

pub(crate) async fn drop_schema(schema: String) {
    let url = std::env::var("DAVY_TEST_POSTGRES_URL").unwrap();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
}

pub(crate) async fn prepared(store: Store, schema: String, folder: Option<tempfile::TempDir>) -> Fixture {
    store.migrate().await.unwrap();
    store.provision(&city()).await.unwrap();
    Fixture { store, schema, folder }
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

pub(crate) fn device(id: DeviceId, tenant: TenantId, kind: DeviceKind) -> NewDevice {
    let device = Device {
        id,
        tenant,
        interlock: INTERLOCK,
        premises: None,
        division: None,
        parent: None,
        serial: format!("SN-{}", id.raw()),
        kind,
        model: "model".to_owned(),
        installed_at: Some(at(-1)),
        report_interval: Some(Span::from_minutes(15)),
        sleepy: false,
        lon: 120.1 + (id.raw() % 1_000) as f64 / 1_000.0,
        lat: 30.2,
        links: Vec::new(),
    };
    let credentials = DeviceCredentials {
        kid: (id.raw() as u16).to_be_bytes().to_vec(),
        algorithm: 1,
        key_ciphertext: vec![7; 40],
        key_nonce: vec![9; 12],
        key_kek_id: "kek-1".to_owned(),
    };
    NewDevice { device, credentials: Some(credentials) }
}

fn city() -> Provision {
    let division = |code: DivisionCode, parent, level, name: &str| Division {
        code,
        parent,
        level,
        name_zh: format!("{name}区"),
        name_en: name.to_owned(),
    };
    let premises = |id, tenant, division| Premises {
        id,
        tenant,
        division: Some(division),
        address: format!("Lake Road {} \"East\\West\" 湖", id.raw()),
        community: "Willow Court".to_owned(),
        building: "3-201".to_owned(),
        lon: 120.15,
        lat: 30.25,
    };
    let mut detector = device(DETECTOR, GREEN, DeviceKind::Detector);
    detector.device.premises = Some(HOME);
    detector.device.links = vec![VALVE];
    let mut valve = device(VALVE, GREEN, DeviceKind::Valve);
    valve.device.premises = Some(HOME);
    let mut meter = device(METER, GREEN, DeviceKind::Meter);
    meter.device.premises = Some(HOME);
    meter.device.sleepy = true;
    let mut well = device(WELL, GREEN, DeviceKind::WellMonitor);
    well.device.division = Some(EAST);
    well.device.interlock = InterlockId::from_raw(1002);
    let mut other = device(OTHER, BLUE, DeviceKind::Detector);
    other.device.premises = Some(PremisesId::from_raw(21));
    other.device.interlock = InterlockId::from_raw(2001);
    let mut gateway = device(GATEWAY, BLUE, DeviceKind::Gateway);
    gateway.device.division = Some(WEST);
    gateway.device.interlock = InterlockId::from_raw(2002);
    let mut child = device(CHILD, BLUE, DeviceKind::Detector);
    child.device.parent = Some(GATEWAY);
    child.device.premises = Some(PremisesId::from_raw(21));
    child.device.interlock = InterlockId::from_raw(2002);
    child.credentials = None;
    Provision {
        divisions: vec![
            division(CITY, None, 2, "City"),
            division(WEST, Some(CITY), 3, "West"),
            division(EAST, Some(CITY), 3, "East"),
        ],
        tenants: vec![
            Tenant { id: GREEN, name: "Green Gas".to_owned(), context_id: vec![1], jurisdiction: Some(CITY) },
            Tenant { id: BLUE, name: "Blue Gas".to_owned(), context_id: vec![2; 8], jurisdiction: Some(CITY) },
        ],
        premises: vec![premises(HOME, GREEN, WEST), premises(PremisesId::from_raw(21), BLUE, WEST)],
        devices: vec![detector, valve, meter, well, other, gateway, child],
        users: Vec::new(),
        at: at(0),
        by: None,
    }
}

pub(crate) fn reading(quantity: Quantity, value: f64, ms: i64) -> Reading {
    Reading::new(quantity, value, at(ms)).unwrap()
}

pub(crate) fn own(readings: Vec<Reading>) -> Vec<Part> {
    vec![Part { child: None, readings }]
}

pub(crate) fn uplink(tenant: TenantId, device: DeviceId, sequence: u64, ms: i64, parts: &[Part]) -> JournalRow {
    JournalRow {
        tenant,
        device,
        sequence: Some(sequence),
        received_at: at(ms),
        payload: encode(parts),
        format: 112,
        rule_state: None,
        kind: RowKind::Uplink,
    }
}

pub(crate) fn gas(device: DeviceId, sequence: u64, ms: i64, value: f64) -> JournalRow {
    let tenant = if device.raw() < 200 { GREEN } else { BLUE };
    uplink(tenant, device, sequence, ms, &own(vec![reading(Quantity::Gas, value, ms)]))
}

pub(crate) fn rows(uplinks: Vec<JournalRow>) -> Batch {
    Batch { uplinks, effects: Vec::new() }
}

pub(crate) fn alarm(id: i64, device: DeviceId, condition: Condition) -> Alarm {
    Alarm::raised(AlarmId::from_raw(id), device, condition, Priority::Urgent, Origin::Floor, at(id))
}

pub(crate) fn raised(alarm: &Alarm) -> AlarmChange {
    AlarmChange {
        before: AlarmState::Normal,
        alarm: alarm.clone(),
        event: AlarmEvent::Raise { priority: alarm.priority, origin: alarm.origin },
        effect: AlarmEffect::Annunciate,
    }
}

pub(crate) fn ended(alarm: &Alarm) -> AlarmChange {
    let over = Alarm { state: AlarmState::Normal, ..alarm.clone() };
    AlarmChange {
        before: alarm.state,
        alarm: over,
        event: AlarmEvent::Clear { origin: Origin::Floor },
        effect: AlarmEffect::End,
    }
}

pub(crate) fn command(id: i64, device: DeviceId, action: Action, state: CommandState, counter: u64) -> Command {
    Command {
        id: CommandId::from_raw(id),
        device,
        action,
        cause: Cause::Leak { alarm: AlarmId::from_raw(1) },
        state,
        counter,
        requested_at: at(id),
        sent_at: None,
        actuated_at: None,
        changed_at: at(id),
        deadline: at(id + 30_000),
    }
}

pub(crate) fn given(command: &Command) -> CommandChange {
    CommandChange { before: None, command: command.clone(), effect: None }
}

pub(crate) fn notice(id: i64, alarm: &Alarm) -> Notice {
    Notice {
        id: NoticeId::from_raw(id),
        kind: NoticeKind::AlarmRaised,
        at: at(id),
        device: alarm.device,
        alarm: Some(alarm.id),
        command: None,
        condition: Some(alarm.condition),
        priority: alarm.priority,
    }
}

pub(crate) fn effects(effects: Effects) -> Batch {
    Batch { uplinks: Vec::new(), effects: vec![(GREEN, INTERLOCK, effects)] }
}
