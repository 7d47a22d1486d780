//! Checkpoints, and the sealed keys that sign them.

use super::{enter_in, hash};
use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::sealed::{SealedSecret, put_secret_in};
use davy_domain::Timestamp;
use davy_domain::ledger::{Act, Actor, Chain, Checkpoint, PublicKey, Signed};

/// A key that signs checkpoints, by its public part. The secret one is sealed like other secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerKey {
    /// Its public part.
    pub public_key: PublicKey,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct CheckpointRow {
    tenant_id: i64,
    seq: i64,
    at: i64,
    hash: Vec<u8>,
    public_key: Vec<u8>,
    signature: Vec<u8>,
}

fn public_key(bytes: Vec<u8>) -> Result<PublicKey, StoreError> {
    hash(bytes).map(|bytes| PublicKey::from_bytes(*bytes.as_bytes()))
}

fn checkpoint(row: CheckpointRow) -> Result<Signed, StoreError> {
    let got = row.signature.len();
    let signature = row.signature.try_into();
    Ok(Signed {
        checkpoint: Checkpoint {
            chain: Chain::from_raw(row.tenant_id),
            seq: row.seq.unsigned_abs(),
            hash: hash(row.hash)?,
            at: Timestamp::from_millis(row.at),
        },
        key: public_key(row.public_key)?,
        signature: signature
            .map_err(|_| StoreError::corrupt("signature of a checkpoint", format!("expected 64 bytes, got {got}")))?,
    })
}

impl Store {
    /// The keys that have signed checkpoints, the newest first.
    pub async fn ledger_keys(&self) -> Result<Vec<LedgerKey>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            (Vec<u8>, i64),
            "SELECT public_key, created_at FROM ledger_keys ORDER BY created_at DESC, public_key"
        )?;
        let key = |(key, at)| Ok(LedgerKey { public_key: public_key(key)?, created_at: Timestamp::from_millis(at) });
        rows.into_iter().map(key).collect()
    }

    /// Stores a new key with its sealed secret, and enters that it was made.
    pub async fn put_ledger_key(&self, key: LedgerKey, secret: &SealedSecret) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO ledger_keys (public_key, created_at) VALUES ($1, $2)",
            &key.public_key.as_bytes()[..],
            key.created_at.as_millis(),
        )?;
        put_secret_in(&mut tx, secret).await?;
        let made = Act::CheckpointKeyMade { key: key.public_key };
        enter_in(&mut tx, Chain::Platform, key.created_at, Actor::Platform, &made).await?;
        tx.commit().await
    }

    /// Stores a checkpoint; one of the same entry and key changes nothing.
    pub async fn put_checkpoint(&self, signed: &Signed) -> Result<(), StoreError> {
        let Signed { checkpoint, key, signature } = signed;
        execute!(
            self.writer(),
            "INSERT INTO ledger_checkpoints (tenant_id, seq, at, hash, public_key, signature) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (tenant_id, seq, public_key) DO NOTHING",
            checkpoint.chain.raw(),
            crate::codes::stored_u64("place in the ledger", checkpoint.seq)?,
            checkpoint.at.as_millis(),
            &checkpoint.hash.as_bytes()[..],
            &key.as_bytes()[..],
            &signature[..],
        )?;
        Ok(())
    }

    /// A chain's checkpoints, the newest first, at most `limit`.
    pub async fn checkpoints(&self, chain: Chain, limit: u32) -> Result<Vec<Signed>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            CheckpointRow,
            "SELECT tenant_id, seq, at, hash, public_key, signature FROM ledger_checkpoints WHERE tenant_id = $1 \
             ORDER BY seq DESC, at DESC LIMIT $2",
            chain.raw(),
            i64::from(limit),
        )?;
        rows.into_iter().map(checkpoint).collect()
    }

    /// The first checkpoint at an entry or after it.
    pub async fn checkpoint_from(&self, chain: Chain, seq: u64) -> Result<Option<Signed>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            CheckpointRow,
            "SELECT tenant_id, seq, at, hash, public_key, signature FROM ledger_checkpoints WHERE tenant_id = $1 AND seq >= $2 \
             ORDER BY seq, at LIMIT 1",
            chain.raw(),
            crate::codes::stored_u64("place in the ledger", seq)?,
        )?;
        row.map(checkpoint).transpose()
    }

    /// The chains that have entries or checkpoints, and those of the companies that are there. The chain of a company that the platform's
    /// ledger says was deleted is not missed; its checkpoints stay.
    pub async fn ledger_chains(&self) -> Result<Vec<Chain>, StoreError> {
        // From one chain's first entry to the next one's, instead of over every entry there is.
        let rows = fetch_all!(
            self.reader(),
            (i64,),
            "WITH RECURSIVE chain (id) AS (SELECT MIN(tenant_id) FROM ledger UNION ALL \
             SELECT (SELECT MIN(l.tenant_id) FROM ledger l WHERE l.tenant_id > c.id) FROM chain c WHERE c.id IS NOT NULL) \
             SELECT id FROM chain WHERE id IS NOT NULL UNION SELECT id FROM tenants \
             UNION SELECT c.tenant_id FROM ledger_checkpoints c \
             WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.tenant_id = 0 AND l.object = c.tenant_id AND l.kind = 85) ORDER BY 1"
        )?;
        Ok(rows.into_iter().map(|(raw,)| Chain::from_raw(raw)).collect())
    }
}
