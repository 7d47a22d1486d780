//! `davy keys …`: the key-encryption keys, what needs them, and their rotation while servers run.
//!
//! Must never print a key: only ids, which are hashes.

use anyhow::Context;
use clap::Subcommand;
use davy_server::clock::SystemRandom;
use davy_server::config::Settings;
use davy_server::keys::rotate::{KeyUse, Progress, add, drop_key, reseal, uses};
use davy_server::keys::{KeyRing, KeySource};
use davy_server::serve::{LOOK_FOR_NEW, open_store};
use davy_store::Store;
use std::fmt::Write as _;
use std::time::Duration;

#[derive(Subcommand)]
pub enum KeyAct {
    /// List the key-encryption keys and how many rows need each; ends with 1 when a row needs a key that is not there.
    Status,
    /// Put a new key before the others of the key file: it seals from now on, and the others still open.
    Add,
    /// Seal every row anew under the newest key, in small batches, while servers run.
    Reseal {
        /// Rows to a transaction.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        batch: u32,
        /// Do not wait until running servers have read the keys anew, and look again at what they sealed meanwhile.
        #[arg(long)]
        once: bool,
    },
    /// Take an old key out of the key file, once no row needs it.
    Drop {
        /// Its id, as `davy keys status` lists it.
        id: String,
    },
}

/// Does it; what it returns is printed.
pub async fn act(settings: &Settings, act: KeyAct) -> anyhow::Result<String> {
    let source = KeySource::of(settings);
    if let KeyAct::Add = act {
        let id = add(&source, &SystemRandom)?;
        return Ok(format!(
            "key {id} seals from now on; now run `davy keys reseal`, and keep a copy of the key file\n"
        ));
    }
    let keys = KeyRing::read(source.clone())?;
    let store = open_store(settings).await?;
    store.migrate().await?;
    let said = with_store(&store, &keys, &source, act).await;
    store.close().await;
    said
}

async fn with_store(store: &Store, keys: &KeyRing, source: &KeySource, act: KeyAct) -> anyhow::Result<String> {
    match act {
        KeyAct::Status | KeyAct::Add => status(&uses(store, keys).await?),
        KeyAct::Drop { id } => {
            drop_key(store, source, &id).await?;
            Ok(format!("key {id} is no longer in the key file\n"))
        }
        KeyAct::Reseal { batch, once } => {
            let mut done = reseal(store, keys, &SystemRandom, batch, tell).await?;
            if !once {
                eprintln!("waiting until running servers have read the keys anew");
                tokio::time::sleep(LOOK_FOR_NEW + Duration::from_secs(15)).await;
                done += reseal(store, keys, &SystemRandom, batch, tell).await?;
            }
            let listed = status(&uses(store, keys).await?)?;
            Ok(format!("{done} row(s) sealed anew under key {}\n{listed}", keys.newest()))
        }
    }
}

fn tell(progress: Progress) {
    eprintln!("sealed anew: {} of {}", progress.done, progress.of);
}

fn status(uses: &[KeyUse]) -> anyhow::Result<String> {
    let mut text = String::new();
    for key in uses {
        let role = match key {
            KeyUse { seals: true, .. } => "seals",
            KeyUse { is_here: false, .. } => "MISSING",
            key if key.can_go() => "not needed: `davy keys drop` may take it away",
            KeyUse { .. } => "opens",
        };
        writeln!(text, "{}  {:>9} row(s)  {role}", key.id, key.rows).context("a line")?;
    }
    anyhow::ensure!(
        uses.iter().all(|key| key.is_here),
        "{text}a key that rows need is missing: add it as a further line behind the others"
    );
    Ok(text)
}
