//! How fast the store is on this machine: `cargo run --release -p davy-store --example store_speed -- [URL …]`.
//!
//! Without a URL it measures SQLite in a temporary folder of the current one. A PostgreSQL URL must name an empty database.
//! Every commit waits for the disk. The last line of the first table is the road not taken: one row of a table per uplink.

use davy_domain::senml::{Part, encode};
use davy_domain::{DeviceId, DeviceKind, InterlockId, Quantity, Reading, Span, TenantId, Timestamp};
use davy_store::{
    Batch, CompactOptions, Device, JournalRow, NewDevice, Provision, RowKind, Store, StoreOptions, Tenant,
};
use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const DEVICES: u64 = 1_000;
const MILLION: u64 = 1_000_000;
const START: i64 = 1_700_000_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        let folder = tempfile::tempdir_in(".")?;
        return measure(&format!("sqlite://{}/speed.db", folder.path().display())).await;
    }
    for url in urls {
        measure(&url).await?;
    }
    Ok(())
}

async fn measure(url: &str) -> Result<(), Box<dyn Error>> {
    let store = Store::connect(url, &StoreOptions::default()).await?;
    store.migrate().await?;
    provision(&store).await?;
    println!("\n{}", store.kind().name());
    let mut fleet = Fleet::default();
    for size in [1, 10, 100, 1_000] {
        let batches: Vec<Batch> = (0..200).map(|_| fleet.batch(size)).collect();
        let mut times = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            let commit = Instant::now();
            store.commit(&batches[times.len() % batches.len()]).await?;
            times.push(commit.elapsed());
        }
        let rate = (times.len() * size) as f64 / begun.elapsed().as_secs_f64();
        times.sort();
        let [p50, p99, max] =
            [0.5, 0.99, 1.0].map(|share| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3);
        println!(
            "batch {size:5}: {rate:10.0} rows/s durable; a commit takes {p50:.2} ms, p99 {p99:.2}, longest {max:.2}"
        );
    }
    println!("batch  1000: {:10.0} rows/s durable, one table row per uplink", plain_rows(url, &mut fleet).await?);

    // Start over, so that what follows is one million uplinks of a plausible fleet and nothing else.
    store
        .compact(Timestamp::from_millis(i64::MAX), &CompactOptions { slice: 100_000, ..CompactOptions::default() })
        .await?;
    let before = store.stored_size().await?;
    let begun = Instant::now();
    let mut fleet = Fleet { first: 1_000_000, ..Fleet::default() };
    let mut rows = 0;
    while rows < MILLION {
        store.commit(&fleet.batch(1_000)).await?;
        rows += 1_000;
    }
    let size = store.stored_size().await?;
    println!(
        "1 M uplinks appended in {:.2} s (payloads made meanwhile), {:.1} bytes each in the journal",
        begun.elapsed().as_secs_f64(),
        size.journal_bytes as f64 / size.journal_rows as f64
    );

    let begun = Instant::now();
    let mut recovery = store.recover().await?;
    let memories = recovery.memories().await?;
    println!(
        "recovery of {} devices from 1 M uncompacted uplinks: {:.2} s",
        memories.len(),
        begun.elapsed().as_secs_f64()
    );
    drop(recovery);

    let begun = Instant::now();
    let slices = CompactOptions::default();
    let report = store.compact(Timestamp::from_millis(i64::MAX), &slices).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let size = store.stored_size().await?;
    println!(
        "compaction: {} uplinks in {seconds:.2} s ({:.0} uplinks/s), {:.3} bytes a reading, {} chunks",
        report.uplinks,
        report.uplinks as f64 / seconds,
        (size.chunk_bytes - before.chunk_bytes) as f64 / (size.chunk_readings - before.chunk_readings) as f64,
        size.chunks - before.chunks
    );
    let begun = Instant::now();
    let device = DeviceId::from_raw(1_000_001);
    let tenant = store.tenant(TenantId::from_raw(2));
    let series = tenant
        .series(device, Quantity::Gas, Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX))
        .await?;
    println!("a series of {} readings out of chunks: {:.1} ms", series.len(), begun.elapsed().as_secs_f64() * 1e3);
    store.close().await;
    Ok(())
}

/// The same rows into a plain table: one row each, no index but the number.
async fn plain_rows(url: &str, fleet: &mut Fleet) -> Result<f64, Box<dyn Error>> {
    let batches: Vec<Batch> = (0..50).map(|_| fleet.batch(1_000)).collect();
    let mut rows = 0_usize;
    let begun;
    if url.starts_with("sqlite") {
        let options = url.parse::<sqlx::sqlite::SqliteConnectOptions>()?;
        let options = options
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
        let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::query("CREATE TABLE plain (seq INTEGER PRIMARY KEY, tenant INTEGER, device INTEGER, sequence INTEGER, at INTEGER, payload BLOB)")
            .execute(&pool)
            .await?;
        begun = Instant::now();
        for batch in batches.iter().cycle().take_while(|_| begun.elapsed() < Duration::from_secs(3)) {
            let json: Vec<_> = batch
                .uplinks
                .iter()
                .map(|row| {
                    let mut payload = String::with_capacity(row.payload.len() * 2);
                    for byte in &row.payload {
                        let _ = write!(payload, "{byte:02x}");
                    }
                    let (tenant, device) = (row.tenant.raw(), row.device.raw());
                    format!(
                        "[{tenant},{device},{},{},\"{payload}\"]",
                        row.sequence.unwrap_or(0),
                        row.received_at.as_millis()
                    )
                })
                .collect();
            sqlx::query(
                "INSERT INTO plain (tenant, device, sequence, at, payload) SELECT value ->> 0, value ->> 1, value ->> 2, \
                 value ->> 3, unhex(value ->> 4) FROM json_each($1)",
            )
            .bind(format!("[{}]", json.join(",")))
            .execute(&pool)
            .await?;
            rows += batch.uplinks.len();
        }
        sqlx::query("DROP TABLE plain").execute(&pool).await?;
    } else {
        let pool = sqlx::PgPool::connect(url).await?;
        sqlx::query("CREATE TABLE plain (seq BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, tenant BIGINT, device BIGINT, sequence BIGINT, at BIGINT, payload BYTEA)")
            .execute(&pool)
            .await?;
        begun = Instant::now();
        for batch in batches.iter().cycle().take_while(|_| begun.elapsed() < Duration::from_secs(3)) {
            let ints = |value: fn(&JournalRow) -> i64| batch.uplinks.iter().map(value).collect::<Vec<i64>>();
            sqlx::query(
                "INSERT INTO plain (tenant, device, sequence, at, payload) \
                 SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[])",
            )
            .bind(ints(|row| row.tenant.raw()))
            .bind(ints(|row| row.device.raw()))
            .bind(ints(|row| row.sequence.unwrap_or(0) as i64))
            .bind(ints(|row| row.received_at.as_millis()))
            .bind(batch.uplinks.iter().map(|row| row.payload.clone()).collect::<Vec<_>>())
            .execute(&pool)
            .await?;
            rows += batch.uplinks.len();
        }
        sqlx::query("DROP TABLE plain").execute(&pool).await?;
    }
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

/// Detectors that report every minute: gas, temperature, battery, end of life.
struct Fleet {
    /// The number of the first device.
    first: i64,
    sent: u64,
    noise: u64,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { first: 1, sent: 0, noise: 0x9E37_79B9_7F4A_7C15 }
    }
}

impl Fleet {
    fn random(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        (self.noise >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn batch(&mut self, rows: usize) -> Batch {
        Batch { uplinks: (0..rows).map(|_| self.uplink()).collect(), effects: Vec::new() }
    }

    fn uplink(&mut self) -> JournalRow {
        let number = self.sent % DEVICES;
        let minute = (self.sent / DEVICES) as i64;
        self.sent += 1;
        let at = Timestamp::from_millis(START + minute * 60_000 + number as i64 * 60);
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let gas = tenth(self.random() * 0.6);
        let temperature = tenth(20.0 + (minute as f64 / 200.0).sin() * 4.0 + self.random() * 0.3);
        let battery = (95.0 - minute as f64 / 1_000.0).round();
        let readings = [
            (Quantity::Gas, gas),
            (Quantity::Temperature, temperature),
            (Quantity::Battery, battery),
            (Quantity::EndOfLife, 0.0),
        ]
        .map(|(quantity, value)| Reading { quantity, value, at })
        .to_vec();
        JournalRow {
            tenant: TenantId::from_raw(1 + (number % 2) as i64),
            device: DeviceId::from_raw(self.first + number as i64),
            sequence: Some(minute as u64),
            received_at: at + Span::from_millis(80 + (self.random() * 400.0) as i64),
            payload: encode(&[Part { child: None, readings }]),
            format: 112,
            rule_state: None,
            kind: RowKind::Uplink,
        }
    }
}

async fn provision(store: &Store) -> Result<(), Box<dyn Error>> {
    let tenants = [1_u8, 2].map(|n| Tenant {
        id: TenantId::from_raw(i64::from(n)),
        name: format!("Gas {n}"),
        context_id: vec![n],
        jurisdiction: None,
    });
    let devices = (0..DEVICES as i64 * 2)
        .map(|n| {
            let id = if n < DEVICES as i64 { 1 + n } else { 1_000_000 + n - DEVICES as i64 };
            let device = Device {
                id: DeviceId::from_raw(id),
                tenant: TenantId::from_raw(1 + n % 2),
                interlock: InterlockId::from_raw(id),
                premises: None,
                division: None,
                parent: None,
                serial: format!("SN{id}"),
                kind: DeviceKind::Detector,
                model: String::new(),
                installed_at: None,
                report_interval: None,
                sleepy: false,
                lon: 120.0,
                lat: 30.0,
                links: Vec::new(),
            };
            NewDevice { device, credentials: None }
        })
        .collect();
    store.provision(&Provision { tenants: tenants.to_vec(), devices, ..Provision::default() }).await?;
    Ok(())
}
