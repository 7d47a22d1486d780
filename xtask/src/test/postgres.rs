//! A throw-away PostgreSQL from Debian's binaries: a port of its own, a folder of its own, gone when dropped.
//!
//! Must never touch a cluster that is already on the machine.

use crate::process::{self, Running};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a commit is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing survives a power cut: for tests, which end processes and never the machine.
    None,
    /// As in production: for the bench.
    Full,
}

/// The newest version's folder of programs, if PostgreSQL is installed.
pub(crate) fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let folder = path.join("bin");
            (folder.join("initdb").is_file() && folder.join("postgres").is_file()).then_some((version, folder))
        })
        .max()
        .map(|(_, folder)| folder)
}

/// A running server.
pub(crate) struct Postgres {
    server: Running,
    port: u16,
    folder: Option<TempDir>,
}

impl Postgres {
    /// Makes a cluster and starts it. Its role `davy` is no superuser, as in production, and may create databases.
    pub(crate) fn start(durability: Durability) -> Result<Self> {
        let programs = binaries().context("PostgreSQL is not installed: apt-get install postgresql")?;
        sweep();
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir()
            .context("cannot make a temporary folder for PostgreSQL")?;
        let owner = owner()?;
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))
                .context("cannot give the folder to postgres")?;
        }
        let data = folder.path().join("data");
        let mut initdb = command(owner, &programs.join("initdb"));
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
        initdb.arg(&data).current_dir(folder.path());
        process::output(&mut initdb)?;
        let port = free_port()?;
        let mut server = command(owner, &programs.join("postgres"));
        server.arg("-D").arg(&data).current_dir(folder.path());
        let sockets = folder.path().display().to_string();
        let mut settings = vec![
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={sockets}"),
            "max_connections=200".to_owned(),
            "shared_buffers=128MB".to_owned(),
            "log_min_messages=fatal".to_owned(),
        ];
        if durability == Durability::None {
            settings.extend(["fsync=off", "full_page_writes=off", "synchronous_commit=off"].map(str::to_owned));
        }
        for setting in &settings {
            server.args(["-c", setting]);
        }
        let log = std::env::temp_dir().join(format!("{PREFIX}{}.log", std::process::id()));
        let server = Running::start(&mut server, &log, true)?;
        // Its folder is enough to find it by; the log would stay behind.
        let _ = std::fs::remove_file(&log);
        let mut postgres = Self { server, port, folder: Some(folder) };
        postgres.wait_until_ready()?;
        for sql in ["CREATE ROLE davy LOGIN CREATEDB CREATEROLE", "CREATE DATABASE davy OWNER davy"] {
            let mut psql = Command::new(programs.join("psql"));
            psql.args(["--no-psqlrc", "--quiet", "-h", "127.0.0.1", "-U", "postgres", "-p"]).arg(port.to_string());
            process::output(psql.args(["-c", sql, "postgres"]))?;
        }
        println!("  PostgreSQL ({}) listens on 127.0.0.1:{port}, throw-away", programs.display());
        Ok(postgres)
    }

    /// Where it is, for the role that owns the database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://davy@127.0.0.1:{}/davy", self.port)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.server.poll()? {
                bail!("PostgreSQL ended at once with {status}: {}", self.server.transcript().tail().join(" / "));
            }
            // The first bytes of the protocol are not worth a dependency: psql is there, and it knows.
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() && self.answers() {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_mins(1) {
                bail!("PostgreSQL does not answer: {}", self.server.transcript().tail().join(" / "));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        let Some(programs) = binaries() else { return false };
        let mut ready = Command::new(programs.join("pg_isready"));
        process::output(ready.args(["-q", "-h", "127.0.0.1", "-p"]).arg(self.port.to_string())).is_ok()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients.
        self.server.end(Signal::SIGINT);
        // Only now: a server whose folder goes first complains and keeps its port for a while.
        drop(self.folder.take());
    }
}

const PREFIX: &str = "davy-postgres-";

/// Removes what a killed run left behind.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix(PREFIX).and_then(|rest| rest.split(['-', '.']).next()) else { continue };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// PostgreSQL refuses to run as root: its own user then.
fn owner() -> Result<Option<(u32, u32)>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let user = nix::unistd::User::from_name("postgres")
        .context("cannot look up the user postgres")?
        .context("there is no user `postgres`, as Debian's package makes it, and PostgreSQL does not run as root")?;
    Ok(Some((user.uid.as_raw(), user.gid.as_raw())))
}

/// A command as that user which ends when we do, however we end.
fn command(owner: Option<(u32, u32)>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((uid, gid)) = owner {
        command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(program);
    command
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    Ok(listener.local_addr().context("cannot read the free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throw_away_server_answers_and_leaves_nothing_behind() {
        let postgres = Postgres::start(Durability::None).unwrap();
        let folder = postgres.folder.as_ref().unwrap().path().to_owned();
        let pid = postgres.server.id();
        assert!(folder.join("data").is_dir() && postgres.answers());
        drop(postgres);
        assert!(!folder.exists(), "{} is still there", folder.display());
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
    }
}
