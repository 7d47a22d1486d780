//! Chains where they are stored, with the rows that their entries tell of.

use super::{Chain, Known, Signed, Verified, is_genuine, progress};
use anyhow::{Context, Result, bail};
use davy_store::{LedgerTrust, Store, StoreOptions, Trust};
use std::path::Path;

pub(super) fn verify(url: &str, chain: Option<Chain>, known: &Known) -> Result<Vec<Verified>> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path).split('?').next().unwrap_or_default();
        // Opening would make an empty one.
        if !Path::new(path).is_file() {
            bail!("there is no database {path}");
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let store = Store::connect(url, &StoreOptions { connections: 2, ..StoreOptions::default() }).await?;
        let verified = chains(&store, chain, known).await;
        store.close().await;
        verified
    })
}

async fn chains(store: &Store, chain: Option<Chain>, known: &Known) -> Result<Vec<Verified>> {
    let there = store.ledger_chains().await.context("the database has no ledger of this version")?;
    let names = store.tenants().await?;
    let wanted = match chain {
        Some(chain) if !there.contains(&chain) => bail!("the database has no chain {chain}"),
        Some(chain) => vec![chain],
        None => there,
    };
    let judge = |signed: &Signed| match (is_genuine(signed), known.trusts(signed)) {
        (true, true) => Trust::Genuine,
        (true, false) => Trust::Unknown,
        (false, _) => Trust::Forged,
    };
    let trust = LedgerTrust { judge: &judge, kept: &known.kept, progress: &progress };
    let mut verified = Vec::with_capacity(wanted.len());
    for chain in wanted {
        let report = store.verify_ledger(chain, &trust).await?;
        let company = names.iter().find(|tenant| Chain::Tenant(tenant.id) == chain);
        let company = company.map(|tenant| tenant.name.clone()).unwrap_or_default();
        verified.push(Verified { company, report, line: None });
    }
    Ok(verified)
}
