//! Signing for the ledger: from time to time every chain is verified since the last checkpoint and its end is signed.
//!
//! The key is made at the first start and sealed like every other one. A chain that is not right is never signed for: the log says what
//! is wrong, a metric counts it, and the last checkpoint stays the last until somebody has looked.

use crate::clock::{Random, SharedClock};
use crate::keys::{KeyError, KeyRing, Purpose};
use davy_domain::ledger::{Chain, Checkpoint, Fault, Head, PublicKey, Signed};
use davy_store::{LedgerKey, Store, StoreError};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use metrics::counter;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Why there is nobody to sign.
#[derive(Debug, thiserror::Error)]
pub enum NotaryError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot be sealed or opened.
    #[error("the key that signs checkpoints: {0}")]
    Key(#[from] KeyError),
    /// What was opened is no key.
    #[error("the stored key {key} that signs checkpoints does not belong to its public part; the database was altered")]
    Altered {
        /// The public part.
        key: PublicKey,
    },
    /// A chain is not as it was written.
    #[error("the chain {chain} of the ledger is not as it was written: {fault}")]
    Fault {
        /// Which.
        chain: Chain,
        /// What is wrong.
        fault: Fault,
    },
}

/// Who signs.
pub struct Notary {
    store: Store,
    clock: SharedClock,
    key: SigningKey,
}

/// Which sealed secret belongs to a public key: its first bytes.
fn owner(key: PublicKey) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&key.as_bytes()[..8]);
    i64::from_be_bytes(first)
}

impl Notary {
    /// Opens the key; makes one when there is none.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub async fn open(
        store: Store,
        keys: &KeyRing,
        clock: SharedClock,
        random: &dyn Random,
    ) -> Result<Self, NotaryError> {
        if let Some(LedgerKey { public_key: public, .. }) = store.ledger_keys().await?.into_iter().next() {
            let altered = || NotaryError::Altered { key: public };
            let sealed = store.secret(Purpose::LEDGER.name(), owner(public)).await?.ok_or_else(altered)?;
            let secret = keys.unseal_for(Purpose::LEDGER, &sealed)?;
            let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(secret.as_slice().try_into().map_err(|_| altered())?);
            let key = SigningKey::from_bytes(&bytes);
            if key.verifying_key().as_bytes() != public.as_bytes() {
                return Err(altered());
            }
            return Ok(Self { store, clock, key });
        }
        let mut secret = Zeroizing::new([0_u8; 32]);
        random.fill(&mut *secret).map_err(KeyError::Random)?;
        let key = SigningKey::from_bytes(&secret);
        let public_key = PublicKey::from_bytes(key.verifying_key().to_bytes());
        let sealed = keys.seal_for(Purpose::LEDGER, (None, owner(public_key)), &*secret, random)?;
        store.put_ledger_key(LedgerKey { public_key, created_at: clock.now() }, &sealed).await?;
        tracing::info!(%public_key, "made the key that signs the ledger's checkpoints");
        Ok(Self { store, clock, key })
    }

    /// The public part of the key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.key.verifying_key().to_bytes())
    }

    /// Signs for the end of a chain, when something has been appended since the last time.
    ///
    /// # Errors
    /// [`NotaryError::Fault`] when the chain does not go on from the last checkpoint as it should; nothing is signed then.
    pub async fn sign(&self, chain: Chain) -> Result<Option<Signed>, NotaryError> {
        let own = self.store.checkpoints(chain, 100).await?.into_iter().find(|signed| signed.key == self.public_key());
        let genuine = own.filter(is_genuine).map(|signed| signed.checkpoint);
        let from = genuine.map_or_else(|| Head::start(chain), |last| Head { chain, seq: last.seq, hash: last.hash });
        let report = self.store.verify_ledger_after(from).await?;
        if let Some(fault) = report.fault {
            return Err(NotaryError::Fault { chain, fault });
        }
        if report.head.seq == from.seq {
            // Nothing new; but what was signed must still be there.
            let now = self.store.ledger_head(chain).await?;
            if now.seq < from.seq || now.seq == from.seq && now.hash != from.hash {
                let fault = Fault::Truncated { last: now.seq, seq: from.seq };
                return Err(NotaryError::Fault { chain, fault });
            }
            return Ok(None);
        }
        let checkpoint = Checkpoint::of(report.head, self.clock.now());
        let signature = self.key.sign(&checkpoint.message()).to_bytes();
        let signed = Signed { checkpoint, key: self.public_key(), signature };
        self.store.put_checkpoint(&signed).await?;
        counter!("davy_ledger_checkpoints_total").increment(1);
        Ok(Some(signed))
    }

    /// Signs for every chain; one that is not right keeps none of the others back.
    ///
    /// # Errors
    /// [`StoreError`] when the chains cannot be listed.
    pub async fn sign_all(&self) -> Result<(), StoreError> {
        for chain in self.store.ledger_chains().await? {
            match self.sign(chain).await {
                Ok(_) => {}
                Err(error @ NotaryError::Fault { .. }) => {
                    counter!("davy_ledger_faults_total").increment(1);
                    tracing::error!(%error, "a chain is not signed for; `davyctl ledger verify` says more");
                }
                Err(error) => tracing::warn!(%error, %chain, "a chain could not be signed for; trying again later"),
            }
        }
        Ok(())
    }

    /// Signs every so often until the server stops, and once then.
    pub async fn run(self, every: Duration, stopping: CancellationToken) {
        if every.is_zero() {
            return;
        }
        loop {
            let ends = tokio::select! {
                () = tokio::time::sleep(every) => false,
                () = stopping.cancelled() => true,
            };
            if let Err(error) = self.sign_all().await {
                tracing::warn!(%error, "the ledger could not be signed for; trying again later");
            }
            if ends {
                return;
            }
        }
    }
}

/// Whether the signature is the key's.
pub fn is_genuine(signed: &Signed) -> bool {
    VerifyingKey::from_bytes(signed.key.as_bytes()).is_ok_and(|key| {
        key.verify_strict(&signed.checkpoint.message(), &Signature::from_bytes(&signed.signature)).is_ok()
    })
}
