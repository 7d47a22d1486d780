//! The real server with a small city, on free ports, in a folder of its own.

use crate::credentials::Credential;
use crate::database::{self, Engine};
use crate::programs;
use anyhow::{Context, Result, bail};
use davy_city::{City, Districts, Plan, SignIn};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any start of a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A provisioned platform, running or not.
pub struct Platform {
    /// Its database.
    pub url: String,
    /// Where the devices send to.
    pub coap: SocketAddr,
    /// Where the pages are.
    pub http: SocketAddr,
    /// Who can sign in.
    pub people: Vec<SignIn>,
    /// The devices' keys.
    pub devices: Vec<Credential>,
    settings: Vec<(String, String)>,
    server: Option<Child>,
    helpers: Vec<Child>,
    folder: TempDir,
}

/// Everybody's password: the city is thrown away.
pub const PASSWORD: &str = "correct horse battery staple";

impl Platform {
    /// Provisions a city, after `change` had its way with the manifest. None where PostgreSQL is wanted and there is none.
    ///
    /// # Errors
    /// When a program is missing or refuses.
    pub fn provision(engine: Engine, plan: &Plan, change: impl FnOnce(&mut Value)) -> Result<Option<Self>> {
        let folder = tempfile::Builder::new().prefix("davy-test-").tempdir().context("no temporary folder")?;
        let Some(url) = database::create(engine, folder.path())? else { return Ok(None) };
        let map = programs::root().join("web/assets/map/tianjin.geojson");
        let map = std::fs::read_to_string(&map).with_context(|| format!("cannot read {}", map.display()))?;
        let city = City::plan(plan, &Districts::read(&map)?, |_| PASSWORD.to_owned())?;
        let mut manifest = city.manifest();
        change(&mut manifest);
        let mut platform = Self {
            url,
            coap: free_udp()?,
            http: free_tcp()?,
            people: city.sign_ins,
            devices: Vec::new(),
            settings: Vec::new(),
            server: None,
            helpers: Vec::new(),
            folder,
        };
        let file = platform.path("city.json");
        std::fs::write(&file, serde_json::to_vec(&manifest)?).context("cannot write the manifest")?;
        platform.davy(&["keygen"])?;
        let credentials = platform.credentials();
        platform.davy(&["provision", &text(&file), "--credentials", &text(&credentials)])?;
        platform.devices = Credential::read(&credentials)?;
        Ok(Some(platform))
    }

    /// The same with the example rule for every company, on SQLite.
    ///
    /// # Errors
    /// As [`Platform::provision`]; also when the example rule is not packaged.
    pub fn with_example_rule(plan: &Plan) -> Result<Self> {
        Self::with_example_rule_and(plan, |_| {})
    }

    /// The same, after `change` had its way with the manifest.
    ///
    /// # Errors
    /// As [`Platform::with_example_rule`].
    pub fn with_example_rule_and(plan: &Plan, change: impl FnOnce(&mut Value)) -> Result<Self> {
        let rule = programs::household_leak().context("the example rule is not packaged: `cargo xtask rules build`")?;
        let platform = Self::provision(Engine::Sqlite, plan, |manifest| {
            for tenant in manifest["tenants"].as_array_mut().into_iter().flatten() {
                tenant["rule"] = json!({"component": rule});
            }
            change(manifest);
        })?;
        platform.context("SQLite is always there")
    }

    /// A file in the platform's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file with the devices' keys.
    pub fn credentials(&self) -> PathBuf {
        self.path("fleet.json")
    }

    /// A setting for the next start, by its environment variable.
    #[must_use]
    pub fn set(mut self, variable: &str, value: impl ToString) -> Self {
        self.settings.push((variable.to_owned(), value.to_string()));
        self
    }

    fn davy(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command()?;
        let output = command.args(arguments).output().context("cannot start davy")?;
        if !output.status.success() {
            bail!("davy {arguments:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(programs::program("davy")?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DAVY_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path());
        command.env("DAVY_DATABASE_URL", &self.url).env("DAVY_KEYS_FILE", self.path("davy.key"));
        command.env("DAVY_HTTP_LISTEN", self.http.to_string()).env("DAVY_COAP_LISTEN", self.coap.to_string());
        command.env("DAVY_HTTP_SECURE_COOKIES", "false").env("DAVY_HTTP_RATE", "0");
        command.env("DAVY_SITE_FOLDER", programs::site().unwrap_or_else(|| self.path("no-site")));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; with its log.
    pub fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.path("davy.log")).context("no log")?;
        let mut command = self.command()?;
        let server = command.arg("serve").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.server = Some(server.context("cannot start davy")?);
        let begun = Instant::now();
        while get(self.http, "/readyz").is_err() {
            let ended = self.server.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = ended {
                bail!("the server ended with {status}:\n{}", self.log());
            }
            if begun.elapsed() > PATIENCE {
                bail!("the server is not ready after {} s:\n{}", PATIENCE.as_secs(), self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("davy.log")).unwrap_or_default()
    }

    /// Memory that the server has touched and keeps, KiB.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn resident_kib(&self) -> Result<u64> {
        let server = self.server.as_ref().context("the server does not run")?;
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.id())).context("the server has ended")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory is told")?;
        line.trim().trim_end_matches(" kB").parse().context("the resident memory is no number")
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        server.kill().context("cannot kill the server")?;
        server.wait().context("cannot wait for the server")?;
        Ok(())
    }

    /// SIGTERM, and the end in order.
    ///
    /// # Errors
    /// When it does not end in order.
    pub fn stop(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        kill(Pid::from_raw(server.id() as i32), Signal::SIGTERM).context("cannot ask the server to end")?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = server.try_wait().context("cannot wait for the server")? {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                server.kill().and_then(|()| server.wait()).context("cannot end the server")?;
                bail!("the server did not end within {} s:\n{}", PATIENCE.as_secs(), self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if !status.success() {
            bail!("the server ended with {status}:\n{}", self.log());
        }
        Ok(())
    }

    /// Starts `davy-fleet` with this platform's devices; it is ended with the platform. Its standard input takes interventions.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn fleet(&mut self, what: &str, arguments: &[&str]) -> Result<&mut Child> {
        self.fleet_of(&self.credentials(), what, arguments)
    }

    /// The same with the devices of another list of credentials, such as [`Platform::credentials_of`] writes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn fleet_of(&mut self, credentials: &Path, what: &str, arguments: &[&str]) -> Result<&mut Child> {
        let log = File::options().create(true).append(true).open(self.path("fleet.log")).context("no log")?;
        let mut command = Command::new(programs::program("davy-fleet")?);
        command.arg(what).arg("--credentials").arg(credentials).arg("--server").arg(self.coap.to_string());
        command.args(arguments).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        self.helpers.push(command.spawn().context("cannot start davy-fleet")?);
        self.helpers.last_mut().context("just pushed")
    }

    /// Writes the credentials of the devices whose serial is `wanted` into a list of their own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn credentials_of(&self, name: &str, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
        let text = std::fs::read(self.credentials()).context("no credentials")?;
        let mut list: Vec<Value> = serde_json::from_slice(&text).context("the credentials are no JSON list")?;
        list.retain(|device| device["serial"].as_str().is_some_and(&wanted));
        let path = self.path(name);
        std::fs::write(&path, serde_json::to_vec(&list)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// The helper that was started last.
    ///
    /// # Errors
    /// When there is none.
    pub fn last_helper(&mut self) -> Result<&mut Child> {
        self.helpers.last_mut().context("no helper runs")
    }

    /// Waits until the helper that was started last has ended, and ends it when it does not.
    ///
    /// # Errors
    /// When there is none, or it had to be ended.
    pub fn ended_helper(&mut self, patience: Duration) -> Result<()> {
        let mut helper = self.helpers.pop().context("no helper runs")?;
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if helper.try_wait().context("cannot wait for a helper")?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        helper.kill().and_then(|()| helper.wait()).context("cannot end a helper")?;
        bail!("the helper had to be killed after {} s", patience.as_secs())
    }

    /// Asks a URL path and returns the body.
    ///
    /// # Errors
    /// When the server does not answer 200.
    pub fn get(&self, path: &str) -> Result<String> {
        get(self.http, path)
    }

    /// A counter of the server's metrics, summed over its labels.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub fn counter(&self, name: &str) -> Result<f64> {
        let metrics = self.get("/metrics")?;
        let samples = metrics.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let value = if rest.starts_with('{') { rest.rsplit_once("} ")?.1 } else { rest.strip_prefix(' ')? };
            value.trim().parse::<f64>().ok()
        });
        Ok(samples.sum())
    }

    /// A device by its serial.
    ///
    /// # Errors
    /// When there is none.
    pub fn device(&self, serial: &str) -> Result<&Credential> {
        self.devices
            .iter()
            .find(|device| device.serial == serial)
            .with_context(|| format!("there is no device {serial}"))
    }

    /// The person of a role, of the first company where there are several.
    ///
    /// # Errors
    /// When there is none.
    pub fn person(&self, role: &str) -> Result<&SignIn> {
        self.people.iter().find(|person| person.role == role).with_context(|| format!("there is no {role}"))
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        for mut helper in self.helpers.drain(..).chain(self.server.take()) {
            // It may have ended by itself.
            let _ = helper.kill();
            let _ = helper.wait();
        }
        if std::thread::panicking() {
            eprintln!("── the server's log ──\n{}", self.log());
            let fleet = std::fs::read_to_string(self.path("fleet.log")).unwrap_or_default();
            eprintln!(
                "── the fleet's log, its end ──\n{}",
                fleet.lines().rev().take(20).collect::<Vec<_>>().join("\n")
            );
        }
    }
}

/// Sends a line to a fleet's standard input.
///
/// # Errors
/// When it has ended.
pub fn intervene(fleet: &mut Child, line: &str) -> Result<()> {
    let input = fleet.stdin.as_mut().context("the fleet has no standard input")?;
    writeln!(input, "{line}").and_then(|()| input.flush()).context("the fleet has ended")
}

fn get(server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(2)).context("no connection")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).context("no answer")?;
    if status.split(' ').nth(1) != Some("200") {
        bail!("{path}: {}", status.trim());
    }
    let mut rest = String::new();
    reader.read_to_string(&mut rest).context("the answer is no text")?;
    Ok(rest.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn free_tcp() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).context("no free port")
}

fn free_udp() -> Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).context("no free port")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
