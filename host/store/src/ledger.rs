//! The ledger's chains: entries are appended in the transaction that does what they tell of.
//!
//! Two writers cannot go on with the same entry: the key (chain, place) lets one of them through, and the other begins again from the
//! head that it finds. A transaction that is refused takes its entries with it, so no place stays empty. The group commit keeps the
//! heads that it last saw and asks the database for one only when somebody else has written; nothing is locked meanwhile.
//!
//! Never here: an entry that is changed or removed, or one that is written apart from its cause.

mod batch;
mod began;
mod checkpoints;
mod read;
mod verify;

pub(crate) use batch::Entered;
pub use checkpoints::LedgerKey;
pub use read::{LedgerFilter, LedgerPlace};
pub use verify::{LedgerTrust, Trust};

use crate::codes::stored_u64;
use crate::connection::{OnConnection, Store, Tx, execute, fetch_optional};
use crate::error::StoreError;
use davy_domain::ledger::{Act, Actor, Chain, Entry, Hash, Head};
use davy_domain::{Timestamp, UserId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How often an appending begins again when others are faster.
pub(crate) const TRIES: usize = 64;

/// The heads that the group commit last saw. They may be old; the database says so when they are used.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<Chain, Head>>);

impl Heads {
    fn get(&self, chain: Chain) -> Option<Head> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&chain).copied()
    }

    /// What has been committed; an older one changes nothing.
    pub(crate) fn advance(&self, head: Head) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = heads.entry(head.chain).or_insert(head);
        if known.seq < head.seq {
            *known = head;
        }
    }

    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

const HEAD: &str = "SELECT seq, hash FROM ledger WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1";

#[derive(sqlx::FromRow)]
struct HeadRow {
    seq: i64,
    hash: Vec<u8>,
}

pub(crate) fn hash(bytes: Vec<u8>) -> Result<Hash, StoreError> {
    let got = bytes.len();
    let bytes = bytes.try_into();
    bytes
        .map(Hash::from_bytes)
        .map_err(|_| StoreError::corrupt("hash of the ledger", format!("expected 32 bytes, got {got}")))
}

fn head(chain: Chain, row: Option<HeadRow>) -> Result<Head, StoreError> {
    Ok(match row {
        None => Head::start(chain),
        Some(row) => Head { chain, seq: row.seq.unsigned_abs(), hash: hash(row.hash)? },
    })
}

/// The head as the transaction sees it.
pub(crate) async fn head_on(on: OnConnection<'_>, chain: Chain) -> Result<Head, StoreError> {
    head(chain, fetch_optional!(on, HeadRow, HEAD, chain.raw())?)
}

/// Appends an act within the transaction that does it. Others who append to the chain wait until the transaction ends: it must
/// not wait for anything but the database.
pub(crate) async fn enter_in(
    tx: &mut Tx,
    chain: Chain,
    at: Timestamp,
    actor: Actor,
    act: &Act,
) -> Result<Head, StoreError> {
    for _ in 0..TRIES {
        let mut head = head_on(tx.on(), chain).await?;
        let entry = head.append(at, actor, act);
        if insert(tx, &entry, actor, act).await? {
            return Ok(head);
        }
    }
    Err(StoreError::LedgerTaken)
}

impl Store {
    /// Where a chain ends.
    pub async fn ledger_head(&self, chain: Chain) -> Result<Head, StoreError> {
        head(chain, fetch_optional!(self.reader(), HeadRow, HEAD, chain.raw())?)
    }

    /// The head that the group commit goes on with.
    pub(crate) async fn head_to_follow(&self, chain: Chain) -> Result<Head, StoreError> {
        match self.heads.get(chain) {
            Some(known) => Ok(known),
            None => head(chain, fetch_optional!(self.committing(), HeadRow, HEAD, chain.raw())?),
        }
    }

    /// Appends one act by itself, for what leaves no other trace in the database.
    ///
    /// # Errors
    /// [`StoreError::LedgerTaken`] when others are always faster.
    pub async fn enter(&self, chain: Chain, at: Timestamp, actor: Actor, act: &Act) -> Result<Head, StoreError> {
        let mut tx = self.begin().await?;
        let head = enter_in(&mut tx, chain, at, actor, act).await?;
        tx.commit().await?;
        self.heads.advance(head);
        Ok(head)
    }

    /// The same for what a person did, in the chain of their company or the platform's.
    pub(crate) async fn enter_of(&self, tx: &mut Tx, by: UserId, at: Timestamp, act: &Act) -> Result<Head, StoreError> {
        let tenant = fetch_optional!(tx.on(), (Option<i64>,), "SELECT tenant_id FROM users WHERE id = $1", by.raw())?;
        let chain = Chain::from_raw(tenant.and_then(|(tenant,)| tenant).unwrap_or(0));
        enter_in(tx, chain, at, Actor::Person { by }, act).await
    }
}

/// Whether the entry's place was free. PostgreSQL waits for whoever is just taking it; SQLite has one writer.
async fn insert(tx: &mut Tx, entry: &Entry, actor: Actor, act: &Act) -> Result<bool, StoreError> {
    let touched = execute!(
        tx.on(),
        "INSERT INTO ledger (tenant_id, seq, at, kind, by_user, object, device_id, body, previous, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (tenant_id, seq) DO NOTHING",
        entry.chain.raw(),
        stored_u64("place in the ledger", entry.seq)?,
        entry.at.as_millis(),
        i64::from(act.code()),
        actor.by().map(UserId::raw),
        act.object(),
        act.device().map(davy_domain::DeviceId::raw),
        &entry.body[..],
        &entry.previous.as_bytes()[..],
        &entry.hash.as_bytes()[..],
    )?;
    Ok(touched == 1)
}
