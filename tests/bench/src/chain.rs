//! What the ledger costs: an act by itself, its share of the group commit, and the verification of a long chain.
//!
//! The share is measured against a database whose ledger swallows what is written to it: everything else is the same.

use anyhow::{Context, Result};
use davy_domain::alarm::{Alarm, AlarmEffect, AlarmEvent, AlarmState, Origin};
use davy_domain::command::{Action, Cause, Command, CommandState};
use davy_domain::interlock::{AlarmChange, CommandChange, Effects};
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::senml::{Part, encode};
use davy_domain::{
    AlarmId, CommandId, Condition, DeviceId, DeviceKind, InterlockId, Priority, Quantity, Reading, SessionId, Span,
    TenantId, Timestamp,
};
use davy_store::{
    Batch, Device, JournalRow, LedgerTrust, NewDevice, Provision, RowKind, Store, StoreOptions, Tenant, Trust,
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use std::path::Path;
use std::time::{Duration, Instant};

const TENANT: TenantId = TenantId::from_raw(1);
const DEVICES: i64 = 2_000;
const START: i64 = 1_700_000_000_000;
/// Uplinks in a commit, as many as gather under a good load.
const UPLINKS: i64 = 500;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

/// A database with the ledger, and one beside it that keeps none.
async fn databases(folder: &Path, postgres: Option<&str>) -> Result<(Store, Store)> {
    let columns = "0 AS tenant_id, 0 AS seq, 0 AS at, 0 AS kind, 0 AS by_user, 0 AS object, 0 AS device_id";
    let mut stores = Vec::with_capacity(2);
    for name in ["with", "without"] {
        let url = match postgres {
            None => format!("sqlite:{}", folder.join(format!("{name}.db")).display()),
            Some(url) => {
                let schema = format!("davy_bench_{name}");
                let mut on = PgConnection::connect(url).await?;
                on.execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))).await?;
                on.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await?;
                let separator = if url.contains('?') { '&' } else { '?' };
                format!("{url}{separator}options=-csearch_path%3D{schema}")
            }
        };
        let store = Store::connect(&url, &StoreOptions::default()).await?;
        store.migrate().await?;
        store.provision(&city()).await?;
        if name == "without" {
            let empty = if postgres.is_some() { "''::BYTEA" } else { "x''" };
            let zero = if postgres.is_some() { "0::BIGINT AS " } else { "0 AS " };
            let columns = columns.replace("0 AS ", zero);
            let view = format!(
                "CREATE VIEW ledger AS SELECT {columns}, {empty} AS body, {empty} AS previous, {empty} AS hash WHERE 1 = 0"
            );
            let mut script = vec!["DROP TABLE ledger".to_owned(), view];
            if postgres.is_some() {
                script.push(
                    "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'".to_owned(),
                );
                script.push(
                    "CREATE TRIGGER swallow INSTEAD OF INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION swallow()"
                        .to_owned(),
                );
                let mut on = PgConnection::connect(&url).await?;
                for sql in script {
                    on.execute(sqlx::AssertSqlSafe(sql)).await?;
                }
            } else {
                script.push("CREATE TRIGGER swallow INSTEAD OF INSERT ON ledger BEGIN SELECT 1; END".to_owned());
                let mut on = SqliteConnection::connect(&url).await?;
                for sql in script {
                    on.execute(sqlx::AssertSqlSafe(sql)).await?;
                }
            }
        }
        stores.push(store);
    }
    let without = stores.pop().context("two databases")?;
    Ok((stores.pop().context("two databases")?, without))
}

fn city() -> Provision {
    let device = |number: i64| Device {
        id: DeviceId::from_raw(number),
        tenant: TENANT,
        interlock: InterlockId::from_raw(number),
        premises: None,
        division: None,
        parent: None,
        serial: format!("SN-{number}"),
        kind: DeviceKind::Detector,
        model: "bench".to_owned(),
        installed_at: None,
        report_interval: Some(Span::from_minutes(15)),
        sleepy: false,
        lon: 120.0,
        lat: 30.0,
        links: Vec::new(),
    };
    let devices = (1..=DEVICES).map(|number| NewDevice { device: device(number), credentials: None });
    Provision {
        tenants: vec![Tenant { id: TENANT, name: "Bench Gas".to_owned(), context_id: vec![1], jurisdiction: None }],
        devices: devices.collect(),
        at: at(0),
        ..Provision::default()
    }
}

/// Leaks that begin in one commit and end in the next one that is about the same device.
#[derive(Default)]
struct Leaks {
    next: i64,
    open: std::collections::HashMap<i64, Alarm>,
}

impl Leaks {
    fn change(&mut self, with_command: bool) -> (TenantId, InterlockId, Effects) {
        self.next += 1;
        let (number, now) = (self.next, at(self.next));
        let device = number % DEVICES + 1;
        let mut effects = Effects::default();
        if let Some(alarm) = self.open.remove(&device) {
            let before = alarm.state;
            let alarm = Alarm { state: AlarmState::Normal, changed_at: now, ..alarm };
            let event = AlarmEvent::Clear { origin: Origin::Floor };
            effects.alarms.push(AlarmChange { before, alarm, event, effect: AlarmEffect::End });
        } else {
            let (id, device_id) = (AlarmId::from_raw(number), DeviceId::from_raw(device));
            let alarm = Alarm::raised(id, device_id, Condition::GasHigh, Priority::Urgent, Origin::Floor, now);
            let event = AlarmEvent::Raise { priority: Priority::Urgent, origin: Origin::Floor };
            self.open.insert(device, alarm.clone());
            effects.alarms.push(AlarmChange {
                before: AlarmState::Normal,
                alarm,
                event,
                effect: AlarmEffect::Annunciate,
            });
            if with_command {
                let command = Command {
                    id: CommandId::from_raw(number),
                    device: device_id,
                    action: Action::Close,
                    cause: Cause::Leak { alarm: id },
                    state: CommandState::Queued,
                    counter: number.unsigned_abs(),
                    requested_at: now,
                    sent_at: None,
                    actuated_at: None,
                    changed_at: now,
                    deadline: now,
                };
                effects.commands.push(CommandChange { before: None, command, effect: None });
            }
        }
        (TENANT, InterlockId::from_raw(device), effects)
    }
}

fn uplinks(round: i64) -> Vec<JournalRow> {
    let row = |number: i64| {
        let now = at(round * UPLINKS + number);
        let reading = |quantity, value| Reading::new(quantity, value, now).ok();
        let readings =
            [reading(Quantity::Gas, 0.4), reading(Quantity::Temperature, 21.5), reading(Quantity::Battery, 93.0)];
        JournalRow {
            tenant: TENANT,
            device: DeviceId::from_raw((round * UPLINKS + number) % DEVICES + 1),
            sequence: Some((round * UPLINKS + number).unsigned_abs()),
            received_at: now,
            payload: encode(&[Part { child: None, readings: readings.into_iter().flatten().collect() }]),
            format: 112,
            rule_state: None,
            kind: RowKind::Uplink,
        }
    };
    (0..UPLINKS).map(row).collect()
}

/// Of a thousand uplinks so many change an alarm; commits of both databases in turn, and the ledger's share of the time.
async fn share(with: &Store, without: &Store, permille: i64, rounds: i64, leaks: &mut Leaks) -> Result<Value> {
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        let effects = (0..UPLINKS * permille / 1_000).map(|_| leaks.change(true)).collect();
        let batch = Batch { uplinks: uplinks(round), effects };
        for (store, took) in [with, without].into_iter().zip(&mut took) {
            let begun = Instant::now();
            store.commit(&batch).await?;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [with, without] = took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        took[took.len() / 2]
    });
    Ok(json!({
        "alarm_changes_in_a_thousand": permille,
        "commit_ms": with,
        "commit_ms_without": without,
        "share_percent": (1.0 - without / with) * 100.0,
    }))
}

/// Measures on SQLite in `folder`, or on an empty PostgreSQL database.
///
/// # Errors
/// When a database fails, or the chain is not as it was written.
pub fn measure(folder: &Path, postgres: Option<&str>, entries: u64) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let (with, without) = databases(folder, postgres).await?;
        let mut leaks = Leaks::default();
        let mut shares = Vec::new();
        // The first one warms up what both share; an even number of turns leaves no leak of one open that the other has ended.
        for (permille, rounds) in [(0, 200), (2, 200), (10, 200), (100, 100), (1_000, 20)] {
            shares.push(share(&with, &without, permille, rounds, &mut leaks).await?);
        }
        let (begun, mut alone) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(3) {
            let act = Act::SignedIn { session: SessionId::from_raw(alone) };
            with.enter(Chain::Tenant(TENANT), at(alone), Actor::Platform, &act).await?;
            alone += 1;
        }
        let alone = alone as f64 / begun.elapsed().as_secs_f64();
        let (begun, first) = (Instant::now(), with.ledger_head(Chain::Tenant(TENANT)).await?.seq);
        let mut last = first;
        while last < entries {
            let effects = (0..2_000).map(|_| leaks.change(false)).collect();
            with.commit(&Batch { uplinks: Vec::new(), effects }).await?;
            last = with.ledger_head(Chain::Tenant(TENANT)).await?.seq;
        }
        let together = (last - first) as f64 / begun.elapsed().as_secs_f64();
        let trust = LedgerTrust { judge: &|_| Trust::Unknown, kept: &[], progress: &|_| {} };
        let begun = Instant::now();
        let report = with.verify_ledger(Chain::Tenant(TENANT), &trust).await?;
        let verified = begun.elapsed().as_secs_f64();
        anyhow::ensure!(report.fault.is_none() && report.entries == last, "the chain is not whole: {report:?}");
        let begun = Instant::now();
        with.verify_ledger_after(davy_domain::ledger::Head::start(Chain::Tenant(TENANT))).await?;
        let hashes = begun.elapsed().as_secs_f64();
        with.close().await;
        without.close().await;
        Ok(json!({
            "shares": shares,
            "acts_a_second_alone": alone,
            "alarm_changes_a_second_together": together,
            "entries": last,
            "verified_with_rows_s": verified,
            "verified_hashes_s": hashes,
        }))
    })
}
