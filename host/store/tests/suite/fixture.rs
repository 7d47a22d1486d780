//! A database of its own for each test, a small city in it, and makers of the rows that tests commit.

use davy_domain::alarm::{Alarm, AlarmEffect, AlarmEvent, AlarmState, Origin};
use davy_domain::command::{Action, Cause, Command, CommandState};
use davy_domain::interlock::{AlarmChange, CommandChange, Effects, Notice, NoticeKind};
use davy_domain::senml::{Part, encode};
use davy_domain::*;
use davy_store::*;
use sqlx::{Connection, Executor, PgConnection};
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
    _folder: Option<tempfile::TempDir>,
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

fn within(url: &str, schema: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-csearch_path%3D{schema}")
}

impl Fixture {
    /// The URL of its PostgreSQL schema.
    fn url(&self) -> String {
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

pub(crate) async fn drop_schema(schema: String) {
    let url = std::env::var("DAVY_TEST_POSTGRES_URL").unwrap();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
}

async fn prepared(store: Store, schema: String, folder: Option<tempfile::TempDir>) -> Fixture {
    store.migrate().await.unwrap();
    store.provision(&city()).await.unwrap();
    Fixture { store, schema, _folder: folder }
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
