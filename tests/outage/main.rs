//! The database is taken away under a running server: leaks are closed all the same, and nothing is acknowledged that is not stored.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use davy_city::Plan;
use davy_coap::{Code, Request};
use davy_domain::wire::decode_pending;
use davy_domain::{Action, CommandId};
use davy_store::{RowKind, Store, StoreOptions};
use davy_tests::credentials::Credential;
use davy_tests::database::Engine;
use davy_tests::device::Device;
use davy_tests::platform::Platform;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use std::time::{Duration, Instant};

/// SenML-CBOR (RFC 8428).
const SENML_CBOR: u16 = 112;

/// Another user of the database who will not let go.
enum Holder {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Holder {
    async fn take(url: &str) -> Self {
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            // The server holds the lock for a moment at each commit.
            connection.execute("PRAGMA busy_timeout = 10000").await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            Self::Sqlite(connection)
        } else {
            let mut connection = PgConnection::connect(url).await.unwrap();
            connection.execute("BEGIN; LOCK TABLE journal IN ACCESS EXCLUSIVE MODE").await.unwrap();
            Self::Postgres(connection)
        }
    }

    async fn let_go(self) {
        match self {
            Self::Sqlite(mut connection) => connection.execute("ROLLBACK").await.map(drop).unwrap(),
            Self::Postgres(mut connection) => connection.execute("ROLLBACK").await.map(drop).unwrap(),
        }
    }
}

/// The uplinks in the journal, counted one by one.
async fn uplinks(url: &str) -> usize {
    let store = Store::connect(url, &StoreOptions::default()).await.unwrap();
    let mut recovery = store.recover().await.unwrap();
    let (mut count, mut after) = (0, None);
    loop {
        let page = recovery.journal(after).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        count += page.iter().filter(|(_, row)| row.kind == RowKind::Uplink).count();
    }
    drop(recovery);
    store.close().await;
    count
}

/// Waits until a counter of the server is above `more_than`.
fn wait_for(platform: &Platform, counter: &str, more_than: f64, patience: Duration) {
    let begun = Instant::now();
    while platform.counter(counter).unwrap() <= more_than {
        assert!(begun.elapsed() < patience, "{counter} did not pass {more_than} within {} s", patience.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn leaks_are_closed_without_a_database(engine: Engine) {
    let plan = Plan { households: 10, wells: 0, gateways: 0, ..Plan::small(5) };
    let Some(platform) = Platform::provision(engine, &plan, |_| {}).unwrap() else { return };
    let mut platform = platform.set("DAVY_INGEST_COMPACT_EVERY", "24 h");
    platform.start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = platform.path("load.json");

    // The first leak comes 12 seconds after the start: the detectors and valves have reported and listen by then.
    let arguments = ["--rate", "200", "--warm-up", "12", "--seconds", "14", "--window", "4096", "--probe-leaks", "3"];
    let report_at = report.display().to_string();
    let arguments: Vec<&str> = arguments.into_iter().chain(["--report", report_at.as_str()]).collect();
    platform.fleet("load", &arguments).unwrap();
    let begun = Instant::now();
    wait_for(&platform, "davy_journal_rows_total", 200.0, Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(10).saturating_sub(begun.elapsed()));

    let url = platform.url.clone();
    let holder = runtime.block_on(Holder::take(&url));
    std::thread::sleep(Duration::from_millis(500));
    let stored = platform.counter("davy_journal_rows_total").unwrap();
    wait_for(&platform, "davy_uplinks_shed_total", 100.0, Duration::from_secs(20));
    assert!(platform.counter("davy_database_away").unwrap() > 0.0, "the server says that the database is away");
    assert!(platform.get("/healthz").is_ok(), "the process itself is well");
    platform.ended_helper(Duration::from_mins(2)).unwrap();
    let while_away = platform.counter("davy_journal_rows_total").unwrap();
    assert_eq!(stored.to_bits(), while_away.to_bits(), "nothing could be stored in the meantime");

    let report: Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    let probe = &report["probe"];
    assert_eq!(probe["leaks_injected"], 3, "{report}");
    assert_eq!(probe["leak_to_close_ms"]["count"], 3, "every leak had its close on the wire: {report}");
    assert!(report["turned_away"].as_u64().unwrap() > 100, "quiet uplinks were sent back to their devices: {report}");

    runtime.block_on(holder.let_go());
    let begun = Instant::now();
    while platform.counter("davy_database_away").unwrap() > 0.0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the server did not find its database again");
        std::thread::sleep(Duration::from_millis(100));
    }
    platform.stop().unwrap();
    let acknowledged = report["acked"].as_u64().unwrap() as usize;
    let there = runtime.block_on(uplinks(&url));
    assert!(there >= acknowledged, "{acknowledged} were acknowledged, {there} are stored");
    let (alarms, closes) = runtime.block_on(decided(&url));
    assert!(alarms >= 3 && closes >= 3, "what was decided meanwhile is stored: {alarms} alarms, {closes} closes");
}

/// Leak alarms and closes in the database.
async fn decided(url: &str) -> (i64, i64) {
    let alarms = "SELECT COUNT(*) FROM alarms WHERE condition IN (1, 2, 4, 5)";
    let closes = "SELECT COUNT(*) FROM commands WHERE action = 1";
    if url.starts_with("sqlite:") {
        let mut on = SqliteConnection::connect(url).await.unwrap();
        let alarms: i64 = sqlx::query_scalar(alarms).fetch_one(&mut on).await.unwrap();
        (alarms, sqlx::query_scalar(closes).fetch_one(&mut on).await.unwrap())
    } else {
        let mut on = PgConnection::connect(url).await.unwrap();
        let alarms: i64 = sqlx::query_scalar(alarms).fetch_one(&mut on).await.unwrap();
        (alarms, sqlx::query_scalar(closes).fetch_one(&mut on).await.unwrap())
    }
}

/// The serial of the detector that leaks first: the probe takes the premises in the order of the credentials.
fn first_to_leak(platform: &Platform) -> String {
    let detector = platform.devices.iter().find(|device| device.kind == "detector").expect("a detector");
    detector.serial.clone()
}

#[test]
fn what_the_database_refuses_of_one_household_holds_up_no_other() {
    let plan = Plan { households: 10, wells: 0, gateways: 0, ..Plan::small(5) };
    let platform = Platform::provision(Engine::Sqlite, &plan, |_| {}).unwrap().unwrap();
    let mut platform = platform.set("DAVY_INGEST_COMPACT_EVERY", "24 h");
    let (url, serial) = (platform.url.clone(), first_to_leak(&platform));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut on = SqliteConnection::connect(&url).await.unwrap();
        let refuse = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON alarms WHEN NEW.device_id = (SELECT id FROM devices WHERE serial = '{serial}') \
             BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        );
        // The serial is one of the test's own.
        sqlx::query(sqlx::AssertSqlSafe(refuse)).execute(&mut on).await.unwrap();
    });
    platform.start().unwrap();
    let report = platform.path("load.json");
    let report_at = report.display().to_string();
    let arguments = ["--rate", "200", "--warm-up", "6", "--seconds", "14", "--window", "4096", "--probe-leaks", "3"];
    let arguments: Vec<&str> = arguments.into_iter().chain(["--report", report_at.as_str()]).collect();
    platform.fleet("load", &arguments).unwrap();
    platform.ended_helper(Duration::from_mins(2)).unwrap();

    let report: Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(report["probe"]["leak_to_close_ms"]["count"], 3, "every leak had its close on the wire: {report}");
    assert_eq!(report["lost"], 0, "{report}");
    assert!(platform.counter("davy_decisions_refused_total").unwrap() >= 1.0);
    assert!(platform.counter("davy_database_away").unwrap().abs() < 0.5, "the database is well");
    platform.stop().unwrap();
    let acknowledged = report["acked"].as_u64().unwrap() as usize;
    let there = runtime.block_on(uplinks(&url));
    assert!(acknowledged > 1_000 && there >= acknowledged, "{acknowledged} were acknowledged, {there} are stored");
    let leaking: i64 = runtime.block_on(async {
        let mut on = SqliteConnection::connect(&url).await.unwrap();
        let sql = "SELECT COUNT(DISTINCT device_id) FROM alarms WHERE condition IN (1, 2, 4, 5)";
        sqlx::query_scalar(sql).fetch_one(&mut on).await.unwrap()
    });
    assert_eq!(leaking, 2, "the other two leaks are stored, the refused one is not");
}

/// `[{0: "gas", 2: 60.0}]`
const LEAK: &[u8] = b"\x81\xa2\x00\x63gas\x02\xf9\x53\x80";

/// The close that the valve is sent, by its id and counter.
fn close_of(valve: &mut Device) -> (CommandId, u64) {
    let notification = valve.responses(1).unwrap().remove(0);
    let commands = decode_pending(&notification.payload).unwrap();
    assert!(matches!(commands.as_slice(), [only] if only.action == Action::Close), "{commands:?}");
    (commands[0].id, commands[0].counter)
}

/// A valve that listens for commands.
fn listening(platform: &Platform, serial: &str, sequence: u64) -> Device {
    let mut valve = Device::new(platform.coap, platform.device(serial).unwrap(), sequence).unwrap();
    valve.ask(Request::observe("c")).unwrap();
    assert!(valve.responses(1).unwrap()[0].payload.is_empty(), "nothing is pending yet");
    valve
}

/// A running platform with one home, and its detector. None where PostgreSQL is wanted and there is none.
fn one_home(engine: Engine) -> Option<(Platform, Credential)> {
    let plan = Plan { households: 1, wells: 0, gateways: 0, ..Plan::small(5) };
    let mut platform = Platform::provision(engine, &plan, |_| {}).unwrap()?;
    platform.start().unwrap();
    let detector = platform.devices.iter().find(|device| device.kind == "detector").unwrap().clone();
    Some((platform, detector))
}

fn a_close_survives_the_kill_of_what_ordered_it(engine: Engine) {
    let Some((mut platform, detector)) = one_home(engine) else { return };
    let url = platform.url.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();

    let mut valve = listening(&platform, &detector.links[0], 0);
    let holder = runtime.block_on(Holder::take(&url));
    let mut leaking = Device::new(platform.coap, &detector, 0).unwrap();
    leaking.ask(Request::post("u", SENML_CBOR, LEAK.to_vec())).unwrap();
    let (first, counter) = close_of(&mut valve);
    platform.kill().unwrap();
    runtime.block_on(holder.let_go());
    assert_eq!(runtime.block_on(decided(&url)), (0, 0), "the close went out before anything of it was stored");

    // The detector was never answered and reports again; what it said first was lost with the server.
    platform.start().unwrap();
    let mut valve = listening(&platform, &detector.links[0], 1 << 16);
    let mut leaking = Device::new(platform.coap, &detector, 1 << 16).unwrap();
    leaking.ask(Request::post("u", SENML_CBOR, LEAK.to_vec())).unwrap();
    let (second, above) = close_of(&mut valve);
    assert_ne!(first, second, "an id is never given twice");
    assert!(above > counter, "a valve that has obeyed {counter} obeys {above} again");
    assert_eq!(leaking.responses(1).unwrap()[0].code, Code::CHANGED);
    platform.stop().unwrap();
    assert_eq!(runtime.block_on(decided(&url)), (1, 1), "one alarm and one close are stored");
}

/// Lets the database refuse every new alarm for what it says, or take it again.
async fn refuse_alarms(url: &str, refuse: bool) {
    if url.starts_with("sqlite:") {
        let sql = if refuse {
            "CREATE TRIGGER refuse BEFORE INSERT ON alarms BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        } else {
            "DROP TRIGGER refuse"
        };
        let mut on = SqliteConnection::connect(url).await.unwrap();
        on.execute("PRAGMA busy_timeout = 10000").await.unwrap();
        on.execute(sql).await.unwrap();
    } else {
        let sql = if refuse {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON alarms FOR EACH ROW EXECUTE FUNCTION refuse()"
        } else {
            "DROP TRIGGER refuse ON alarms"
        };
        PgConnection::connect(url).await.unwrap().execute(sql).await.unwrap();
    }
}

fn a_refused_leak_is_stored_with_its_next_reading(engine: Engine) {
    let Some((mut platform, detector)) = one_home(engine) else { return };
    let url = platform.url.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut valve = listening(&platform, &detector.links[0], 0);
    let mut leaking = Device::new(platform.coap, &detector, 0).unwrap();
    let mut report = || {
        leaking.ask(Request::post("u", SENML_CBOR, LEAK.to_vec())).unwrap();
        leaking.responses(1).unwrap().remove(0).code
    };

    runtime.block_on(refuse_alarms(&url, true));
    let mut orders = Vec::new();
    for time in 1..=3 {
        assert_eq!(report(), Code::SERVICE_UNAVAILABLE, "the {time}. time: what is not stored is not acknowledged");
        orders.push(close_of(&mut valve));
        assert!(platform.counter("davy_decisions_refused_total").unwrap() >= f64::from(time));
    }
    assert!(orders.windows(2).all(|pair| pair[1].1 > pair[0].1), "each reading orders the close anew: {orders:?}");
    assert_eq!(runtime.block_on(decided(&url)), (0, 0), "nothing of it is stored");

    runtime.block_on(refuse_alarms(&url, false));
    assert_eq!(report(), Code::CHANGED, "the leak's next reading is stored");
    let (close, _) = close_of(&mut valve);
    assert_eq!(report(), Code::CHANGED, "and the one after it finds its alarm there");
    platform.stop().unwrap();
    assert_eq!(runtime.block_on(decided(&url)), (1, 1), "with one alarm and one close");
    let stored = davy_tests::database::numbers(&url, "SELECT id FROM commands WHERE action = 1").unwrap();
    assert_eq!(stored, [[close.raw()]], "the close that the valve was sent last");
}

#[test]
fn a_leak_that_sqlite_refused_is_stored_with_its_next_reading() {
    a_refused_leak_is_stored_with_its_next_reading(Engine::Sqlite);
}

#[test]
fn a_leak_that_postgresql_refused_is_stored_with_its_next_reading() {
    a_refused_leak_is_stored_with_its_next_reading(Engine::Postgres);
}

#[test]
fn a_close_that_went_ahead_of_its_commit_survives_the_kill_on_sqlite() {
    a_close_survives_the_kill_of_what_ordered_it(Engine::Sqlite);
}

#[test]
fn a_close_that_went_ahead_of_its_commit_survives_the_kill_on_postgresql() {
    a_close_survives_the_kill_of_what_ordered_it(Engine::Postgres);
}

#[test]
fn leaks_are_closed_while_sqlite_does_not_take_commits() {
    leaks_are_closed_without_a_database(Engine::Sqlite);
}

#[test]
fn leaks_are_closed_while_postgresql_does_not_take_commits() {
    leaks_are_closed_without_a_database(Engine::Postgres);
}
