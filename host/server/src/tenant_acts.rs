//! `davy tenant …`: companies listed, locked out, let in again, taken along as a file and brought in from one.
//!
//! For whoever runs the server. A deletion takes two administrators and is asked for on the page; it is carried out when the server starts.

use anyhow::{Context, ensure};
use clap::Subcommand;
use davy_domain::TenantId;
use davy_domain::ledger::Actor;
use davy_server::archive;
use davy_server::clock::{Clock, SystemClock};
use davy_server::config::Settings;
use davy_server::serve::{PROVISIONED, open_store};
use davy_store::Store;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum TenantAct {
    /// List the companies, and how they stand.
    List,
    /// Lock a company's people and machines out at once; its devices stay protected.
    Suspend {
        /// Its id, as `davy tenant list` gives it.
        company: TenantId,
    },
    /// Let them in again.
    Resume {
        /// Its id.
        company: TenantId,
    },
    /// Write everything of a company into a file: every table, the ledger's chain with its checkpoints, a manifest with digests.
    Export {
        /// Its id.
        company: TenantId,
        /// The file (mode 0600; never over one that is there).
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Take devices' keys along as they are sealed: only a server with the same key-encryption key can use them.
        #[arg(long)]
        sealed: bool,
    },
    /// Enter a company from such a file: all of it or nothing. Running servers take it in with their next start.
    Import {
        /// The file.
        file: PathBuf,
        /// Only look whether the file is whole.
        #[arg(long)]
        check: bool,
    },
}

/// Does it; what it returns is printed.
pub async fn act(settings: &Settings, act: TenantAct) -> anyhow::Result<String> {
    if let TenantAct::Import { file, check: true } = &act {
        let (head, manifest, digest) = archive::examine(file)?;
        let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
        return Ok(format!("{} holds {} with {rows} row(s), SHA-256 {digest}\n", file.display(), head.company));
    }
    let store = open_store(settings).await?;
    store.migrate().await?;
    let said = with_store(&store, act).await;
    store.close().await;
    said
}

async fn with_store(store: &Store, act: TenantAct) -> anyhow::Result<String> {
    let now = SystemClock.now();
    match act {
        TenantAct::List => list(store).await,
        TenantAct::Suspend { company } => stand(store, company, true).await,
        TenantAct::Resume { company } => stand(store, company, false).await,
        TenantAct::Export { company, to, sealed } => {
            let (manifest, digest) = archive::export(store, company, &to, sealed, now, &tell).await?;
            let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
            Ok(format!("wrote {rows} row(s) of {company} to {}, SHA-256 {digest}\n", to.display()))
        }
        TenantAct::Import { file, .. } => {
            let restored = archive::import(store, &file, now, &tell).await?;
            store.set_meta(PROVISIONED, &now.as_millis().to_string()).await?;
            let rows: u64 = restored.tables.iter().map(|table| table.rows).sum();
            Ok(format!(
                "entered {} ({}) with {rows} row(s); its chain of the ledger ends at {}\nits people choose new passwords, and devices whose keys did not come along need new ones\n",
                restored.name, restored.tenant, restored.head.seq
            ))
        }
    }
}

async fn list(store: &Store) -> anyhow::Result<String> {
    let suspended = store.suspended().await?;
    let mut text = String::new();
    for tenant in store.tenants().await? {
        let stands = if suspended.contains_key(&tenant.id) { "suspended" } else { "active" };
        writeln!(text, "{}  {stands:<9}  {}", tenant.id, tenant.name).context("a line")?;
    }
    Ok(text)
}

async fn stand(store: &Store, company: TenantId, suspended: bool) -> anyhow::Result<String> {
    let known = store.tenants().await?.into_iter().any(|tenant| tenant.id == company);
    ensure!(known, "there is no company {company}: `davy tenant list` names them");
    let changed = store.set_suspended(company, suspended, SystemClock.now(), Actor::CommandLine).await?;
    let words = match (suspended, changed) {
        (true, true) => "is suspended: its people and machines are locked out, its devices stay protected",
        (true, false) => "was suspended already",
        (false, true) => "is let in again",
        (false, false) => "was not suspended",
    };
    Ok(format!("{company} {words}\n"))
}

fn tell(rows: u64) {
    if rows.is_multiple_of(50_000) {
        eprintln!("{rows} rows");
    }
}
