//! One platform to measure: provisioned afresh, on a database of its own.

use super::pause;
use crate::bins;
use crate::demo::metrics;
use crate::process::{self, Running};
use crate::workspace::{Profile, Workspace};
use anyhow::{Context, Result, bail};
use davy_city::{City, Districts, Plan};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Which engine.
pub(super) enum Database {
    /// A file of the site's own.
    Sqlite,
    /// A new database on the server of this URL.
    Postgres(String),
}

impl Database {
    /// As it is called in the figures.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }
}

/// A provisioned platform and where it listens.
pub(super) struct Site {
    workspace: Workspace,
    server: Option<Running>,
    url: String,
    http: SocketAddr,
    coap: SocketAddr,
    committers: usize,
    households: usize,
    folder: TempDir,
}

/// Whether rules that say what they wait for are left alone until then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// As in production.
    Honoured,
    /// A call for every uplink.
    Ignored,
}

/// Other uplinks a second while leaks are measured in a quiet system.
pub(super) const QUIET: u64 = 50;
/// Other uplinks a second while leaks are measured under load.
pub(super) const BUSY: u64 = 10_000;
/// Uplinks a second that fill a journal: what every machine of this class takes.
const FILL_RATE: u64 = 25_000;
/// Uplinks a second of company A while the leaks of company B, its neighbour, are measured.
pub(super) const BESIDE: u64 = 500;
/// Uplinks a second of the one device that floods.
const FLOOD: u64 = 20_000;
/// Leaks in one measurement, each at a premises of its own.
const LEAKS: u64 = 200;

/// Households of each company: enough devices that no single one's order of messages is what is measured.
pub(super) const HOUSEHOLDS: usize = 1_000;
/// Households of each company where each device's history should be long: some thousand uplinks, as in half a year.
pub(super) const FEW_HOUSEHOLDS: usize = 50;

const PLAN: Plan = Plan {
    seed: 1,
    households: HOUSEHOLDS,
    wells: 0,
    gateways: 0,
    children: 0,
    residents: 0,
    report_interval_s: 3_600,
    ccm_every: 0,
};

impl Site {
    /// Provisions the city, with the example rule for both companies.
    pub(super) fn new(workspace: &Workspace, database: &Database, name: &str, households: usize) -> Result<Self> {
        Self::with(workspace, database, name, households, &workspace.rules().join("household-leak.wasm"))
    }

    /// The same with another rule for the first company.
    pub(super) fn with(
        workspace: &Workspace,
        database: &Database,
        name: &str,
        households: usize,
        first: &Path,
    ) -> Result<Self> {
        let parent = super::bench_folder(workspace)?;
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(parent).context("no temporary folder")?;
        let url = match database {
            Database::Sqlite => format!("sqlite:{}", folder.path().join("davy.db").display()),
            Database::Postgres(server) => create_database(server, name)?,
        };
        let committers = if matches!(database, Database::Sqlite) { 1 } else { 2 };
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let coap = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let site = Self { workspace: workspace.clone(), server: None, url, http, coap, committers, households, folder };
        site.provision(households, first)?;
        Ok(site)
    }

    fn provision(&self, households: usize, first: &Path) -> Result<()> {
        let map = self.workspace.root.join("web/assets/map/tianjin.geojson");
        let map = std::fs::read_to_string(&map).with_context(|| format!("cannot read {}", map.display()))?;
        let city =
            City::plan(&Plan { households, ..PLAN }, &Districts::read(&map)?, |_| "only for this bench".to_owned())?;
        let mut manifest = city.manifest();
        for tenant in manifest["tenants"].as_array_mut().into_iter().flatten() {
            tenant["rule"] = json!({"component": self.workspace.rules().join("household-leak.wasm")});
        }
        manifest["tenants"][0]["rule"] = json!({"component": first});
        let file = self.path("city.json");
        std::fs::write(&file, serde_json::to_vec(&manifest)?).context("cannot write the manifest")?;
        process::output(self.davy()?.arg("keygen"))?;
        process::output(self.davy()?.arg("provision").arg(file).arg("--credentials").arg(self.path("fleet.json")))?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn davy(&self) -> Result<Command> {
        let mut command = Command::new(bins::program(&self.workspace, Profile::Release, "davy")?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DAVY_") {
                command.env_remove(name);
            }
        }
        command.env("DAVY_DATABASE_URL", &self.url).env("DAVY_KEYS_FILE", self.path("davy.key"));
        command.env("DAVY_HTTP_LISTEN", self.http.to_string()).env("DAVY_COAP_LISTEN", self.coap.to_string());
        // One client asks as fast as it can.
        command.env("DAVY_HTTP_RATE", "0").env("DAVY_HTTP_COMPANY_RATE", "0");
        command.env("DAVY_SIGN_IN_ATTEMPTS", "1000000").env("DAVY_SIGN_IN_ADDRESS_ATTEMPTS", "1000000");
        command.env("DAVY_HTTP_SECURE_COOKIES", "false").env("DAVY_LOG_FILTER", "warn");
        Ok(command)
    }

    /// Starts the server and returns how long it took until it was ready.
    fn start(&mut self, wake: Wake) -> Result<Duration> {
        let mut command = self.davy()?;
        // What is measured must not depend on when compaction comes by.
        command.arg("serve").env("DAVY_INGEST_COMPACT_EVERY", "24 h");
        command.env("DAVY_RULES_WAKE_CONDITIONS", (wake == Wake::Honoured).to_string());
        if self.households < HOUSEHOLDS {
            // So few devices send more each than any device may.
            command.env("DAVY_INGEST_DEVICE_RATE", "0");
        }
        let begun = Instant::now();
        let mut server = Running::start(&mut command, &self.path("davy.log"), true)?;
        while !metrics::is_ready(self.http) {
            if let Some(status) = server.poll()? {
                bail!("the server ended with {status}: {}", server.transcript().tail().join("\n"));
            }
            if begun.elapsed() > Duration::from_mins(10) {
                bail!("the server was not ready after {} s", begun.elapsed().as_secs());
            }
            pause(Duration::from_millis(2))?;
        }
        let took = begun.elapsed();
        self.server = Some(server);
        Ok(took)
    }

    /// Runs a load and returns its report.
    fn load(&self, name: &str, arguments: &[String]) -> Result<Value> {
        self.load_of("fleet.json", name, arguments)
    }

    /// The same with another list of devices.
    fn load_of(&self, devices: &str, name: &str, arguments: &[String]) -> Result<Value> {
        let mut command = self.load_command(devices, name)?;
        command.args(arguments);
        process::run(&mut command, &self.workspace.log(&format!("bench-{name}")), false, Duration::from_mins(20))?;
        self.report(name)
    }

    fn load_command(&self, devices: &str, name: &str) -> Result<Command> {
        self.fleet_command("load", devices, name)
    }

    fn fleet_command(&self, what: &str, devices: &str, name: &str) -> Result<Command> {
        let mut command = Command::new(bins::program(&self.workspace, Profile::Release, "davy-fleet")?);
        command.arg(what).arg("--credentials").arg(self.path(devices));
        command.arg("--server").arg(self.coap.to_string());
        command.arg("--report").arg(self.path(&format!("{name}.json")));
        Ok(command)
    }

    fn report(&self, name: &str) -> Result<Value> {
        let report = self.path(&format!("{name}.json"));
        let text = std::fs::read_to_string(&report).context("the load left no report")?;
        serde_json::from_str(&text).context("the load's report is not JSON")
    }

    fn full_load(&self, name: &str, seconds: u64) -> Result<Value> {
        let arguments = ["--rate", "max", "--window", "2048", "--warm-up", "2", "--seconds", &seconds.to_string()];
        self.load(name, &arguments.map(str::to_owned))
    }

    fn paced_load(&self, name: &str, rate: u64, leaks: u64, seconds: u64) -> Result<Value> {
        let (rate, leaks, seconds) = (rate.to_string(), leaks.to_string(), seconds.to_string());
        let arguments = ["--rate", &rate, "--probe-leaks", &leaks, "--window", "2048", "--seconds", &seconds];
        self.load(name, &arguments.map(str::to_owned))
    }

    /// The same load against the loop that does only what physics asks: full, and at the rates at which leaks are measured.
    pub(super) fn ceiling(&self, seconds: u64) -> Result<Value> {
        let mut command = Command::new(bins::program(&self.workspace, Profile::Release, "davy-bench")?);
        command.args(["ceiling", "--listen", &self.coap.to_string(), "--database", &self.url]);
        command.args(["--committers", &self.committers.to_string()]).arg("--credentials").arg(self.path("fleet.json"));
        let mut ceiling = Running::start_with_input(&mut command, &self.path("ceiling.log"))?;
        let begun = Instant::now();
        while !ceiling.transcript().tail().iter().any(|line| line.starts_with("ready")) {
            if ceiling.poll()?.is_some() || begun.elapsed() > Duration::from_secs(30) {
                bail!("the ceiling does not run: {}", ceiling.transcript().tail().join("\n"));
            }
            pause(Duration::from_millis(10))?;
        }
        let report = (|| {
            let mut report = self.full_load("ceiling", seconds)?;
            report["quiet"] = self.paced_load("ceiling-quiet", QUIET, 0, seconds)?["latency_ms"].take();
            report["busy"] = self.paced_load("ceiling-busy", BUSY, 0, seconds)?["latency_ms"].take();
            Ok(report)
        })();
        ceiling.end(Signal::SIGINT);
        report
    }

    /// Durable acknowledged uplinks a second.
    pub(super) fn uplinks(&mut self, seconds: u64, wake: Wake) -> Result<Value> {
        self.start(wake)?;
        let mut report = self.full_load("uplinks", seconds)?;
        let scraped = metrics::scrape(self.http)?;
        let (calls, uplinks) = (scraped.counter("davy_rule_calls_total"), scraped.counter("davy_uplinks_total"));
        report["rule_calls_per_uplink"] = json!(calls.zip(uplinks).map(|(calls, uplinks)| calls / uplinks.max(1.0)));
        Ok(report)
    }

    /// From the datagram with the reading to the close on the wire, beside so many other uplinks a second.
    pub(super) fn leaks(&mut self, rate: u64, seconds: u64) -> Result<Value> {
        self.start(Wake::Ignored)?;
        let report = self.paced_load(&format!("leaks-{rate}"), rate, LEAKS, seconds)?;
        Ok(
            json!({"rate": report["acked_per_s"], "close": report["probe"]["leak_to_close_ms"], "leaks": report["probe"]["leaks_injected"]}),
        )
    }

    /// The leaks of the second company while the first one's devices send and its rule is called for each of their uplinks; with a flood
    /// one more device of the first sends as fast as it can beside them.
    pub(super) fn neighbour(&mut self, seconds: u64, flood: bool) -> Result<Value> {
        let text = std::fs::read(self.path("fleet.json")).context("no credentials")?;
        let devices: Vec<Value> = serde_json::from_slice(&text).context("the credentials are no JSON list")?;
        let first = devices[0]["tenant"].clone();
        let (a, b): (Vec<Value>, Vec<Value>) = devices.into_iter().partition(|device| device["tenant"] == first);
        let (wild, a) = a.split_at(1);
        for (name, list) in [("a.json", a), ("b.json", &b[..]), ("wild.json", wild)] {
            std::fs::write(self.path(name), serde_json::to_vec(list)?)
                .with_context(|| format!("cannot write {name}"))?;
        }
        self.start(Wake::Ignored)?;
        let mut beside = self.load_command("a.json", "beside")?;
        beside.args(["--window", "2048", "--seconds", "3600", "--rate", &BESIDE.to_string()]);
        let mut beside = Running::start(&mut beside, &self.workspace.log("bench-beside"), true)?;
        let wild = if flood {
            let mut wild = self.fleet_command("flood", "wild.json", "wild")?;
            wild.args(["--rate", &FLOOD.to_string(), "--seconds", "3600"]);
            Some(Running::start(&mut wild, &self.workspace.log("bench-flood"), true)?)
        } else {
            None
        };
        let (rate, leaks, seconds) = (QUIET.to_string(), LEAKS.to_string(), seconds.to_string());
        let arguments = ["--rate", &rate, "--probe-leaks", &leaks, "--window", "2048", "--seconds", &seconds];
        let report = self.load_of("b.json", "neighbour", &arguments.map(str::to_owned))?;
        beside.end(Signal::SIGINT);
        if let Some(mut wild) = wild {
            wild.end(Signal::SIGINT);
        }
        let (faults, calls, flooded) = {
            let scraped = metrics::scrape(self.http)?;
            let counter = |name| scraped.counter(name);
            (
                counter("davy_rule_faults_total"),
                counter("davy_rule_calls_total"),
                counter("davy_datagrams_flooded_total"),
            )
        };
        Ok(json!({
            "close": report["probe"]["leak_to_close_ms"], "leaks": report["probe"]["leaks_injected"],
            "closed": report["probe"]["leaks_closed"], "beside_per_s": self.report("beside")?["acked_per_s"],
            "rule_faults": faults.unwrap_or(0.0), "rule_calls": calls, "kept_out": flooded,
        }))
    }

    /// Compacts what the loads left behind and asks the database for its bytes.
    pub(super) fn stored(&mut self) -> Result<Value> {
        self.stop()?;
        let begun = Instant::now();
        let mut command = Command::new(bins::program(&self.workspace, Profile::Release, "davy-bench")?);
        process::output(command.args(["compact", "--database", &self.url]))?;
        let seconds = begun.elapsed().as_secs_f64();
        let stored = self.audit()?;
        let bytes = stored["bytes_in_chunks"].as_f64().zip(stored["readings_in_chunks"].as_f64());
        Ok(json!({
            "uplinks": stored["uplinks_in_chunks"], "readings": stored["readings_in_chunks"], "left_in_journal": stored["uplinks_in_journal"],
            "bytes_per_reading": bytes.filter(|(_, readings)| *readings > 0.0).map(|(bytes, readings)| bytes / readings),
            "seconds": seconds,
        }))
    }

    /// What authorisation adds to a request, and sign-ins a second.
    pub(super) fn requests(&mut self) -> Result<Value> {
        self.start(Wake::Honoured)?;
        let manifest: Value = serde_json::from_slice(&std::fs::read(self.path("city.json"))?)?;
        let user = &manifest["users"][0];
        let (Some(email), Some(password)) = (user["email"].as_str(), user["password"].as_str()) else {
            bail!("the city has nobody who could sign in");
        };
        let mut bench = Command::new(bins::program(&self.workspace, Profile::Release, "davy-bench")?);
        bench.args([
            "requests",
            "--server",
            &format!("http://{}", self.http),
            "--email",
            email,
            "--password",
            password,
        ]);
        let measured = process::output(&mut bench)?;
        self.stop()?;
        serde_json::from_str(&measured).context("`davy-bench requests` prints no JSON")
    }

    /// Fills the journal, kills the server and measures the way back.
    pub(super) fn restart(&mut self, uplinks: u64) -> Result<Value> {
        self.start(Wake::Honoured)?;
        let begun = Instant::now();
        let mut journal = 0;
        while journal < uplinks {
            let missing = (uplinks - journal).max(FILL_RATE);
            self.paced_load("fill", FILL_RATE, 0, missing.div_ceil(FILL_RATE))?;
            journal = self.audit()?["uplinks_in_journal"].as_u64().unwrap_or(0);
            if begun.elapsed() > Duration::from_mins(15) {
                bail!("only {journal} uplinks after {} s", begun.elapsed().as_secs());
            }
        }
        if let Some(mut server) = self.server.take() {
            server.end(Signal::SIGKILL);
        }
        let took = self.start(Wake::Honoured)?;
        Ok(json!({"uplinks": journal, "seconds": took.as_secs_f64()}))
    }

    /// Adds the devices of a file while the server runs.
    pub(super) fn import(&mut self) -> Result<Value> {
        self.start(Wake::Honoured)?;
        let people = std::fs::read(self.path("city.json")).context("cannot read the manifest")?;
        let people: Value = serde_json::from_slice(&people).context("the manifest is not JSON")?;
        let may = |person: &&Value| {
            person["roles"].as_array().is_some_and(|roles| roles.iter().any(|it| it == "administrator"))
        };
        let person = people["users"].as_array().into_iter().flatten().find(may).context("nobody may add devices")?;
        let [email, password] =
            [&person["email"], &person["password"]].map(|it| it.as_str().unwrap_or_default().to_owned());
        let mut command = Command::new(bins::program(&self.workspace, Profile::Release, "davy-bench")?);
        let printed = process::output(command.arg("import").arg(self.http.to_string()).args([email, password]))?;
        serde_json::from_str(&printed).context("`davy-bench import` prints no JSON")
    }

    fn audit(&self) -> Result<Value> {
        let mut command = Command::new(bins::program(&self.workspace, Profile::Release, "davy-bench")?);
        command.args(["audit", "--database", &self.url]);
        serde_json::from_str(&process::output(&mut command)?).context("the audit is not JSON")
    }

    fn stop(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        server.end(Signal::SIGTERM);
        Ok(())
    }
}

fn create_database(server: &str, name: &str) -> Result<String> {
    let programs = crate::test::postgres::binaries().context("PostgreSQL is not installed")?;
    let sql = format!("CREATE DATABASE {name}");
    process::output(Command::new(programs.join("psql")).args(["--no-psqlrc", "--quiet", "-c", &sql, server]))?;
    let (server, _) = server.rsplit_once('/').context("the URL names no database")?;
    Ok(format!("{server}/{name}"))
}
