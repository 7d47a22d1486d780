//! Second factors: the generator of one-time passwords, and recovery codes.
//!
//! What must happen once happens in one statement here: a code's step and a recovery code are each taken by whoever
//! comes first, also when two come at the same time.

use crate::connection::{Store, execute, fetch_optional};
use crate::error::StoreError;
use crate::sealed::{SealedSecret, SecretRow, put_secret_in};
use davy_domain::ledger::Act;
use davy_domain::{Timestamp, UserId};

/// A person's generator of one-time passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generator {
    /// Its secret, as its maker sealed it; with the recovery codes until it is confirmed.
    pub secret: SealedSecret,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it counts; none until a code has shown that it works.
    pub confirmed_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct GeneratorRow {
    created_at: i64,
    confirmed_at: Option<i64>,
    #[sqlx(flatten)]
    secret: SecretRow,
}

impl Store {
    /// A person's generator, confirmed or not; `purpose` is what its secret is sealed for.
    pub async fn generator(&self, purpose: &str, user: UserId) -> Result<Option<Generator>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            GeneratorRow,
            "SELECT t.created_at, t.confirmed_at, s.purpose, s.owner_id, s.tenant_id, s.ciphertext, s.nonce, s.kek_id \
             FROM totp_secrets t JOIN sealed_secrets s ON s.owner_id = t.user_id AND s.purpose = $2 WHERE t.user_id = $1",
            user.raw(),
            purpose,
        )?;
        Ok(row.map(|row| Generator {
            secret: row.secret.into(),
            created_at: Timestamp::from_millis(row.created_at),
            confirmed_at: row.confirmed_at.map(Timestamp::from_millis),
        }))
    }

    /// Whether a person has a second factor that counts.
    pub async fn has_second_factor(&self, user: UserId) -> Result<bool, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            (i64,),
            "SELECT COUNT(*) FROM totp_secrets WHERE user_id = $1 AND confirmed_at IS NOT NULL",
            user.raw(),
        )?;
        Ok(row.is_some_and(|(count,)| count > 0))
    }

    /// Enters a generator that is to be confirmed, in place of an earlier one that never was. Says whether it was entered: a
    /// confirmed one must be removed first.
    pub async fn offer_generator(
        &self,
        user: UserId,
        secret: &SealedSecret,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let changed = execute!(
            tx.on(),
            "INSERT INTO totp_secrets (user_id, created_at, last_step) VALUES ($1, $2, 0) \
             ON CONFLICT (user_id) DO UPDATE SET created_at = excluded.created_at, last_step = 0 \
             WHERE totp_secrets.confirmed_at IS NULL",
            user.raw(),
            now.as_millis(),
        )?;
        if changed == 1 {
            put_secret_in(&mut tx, secret).await?;
        }
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Makes a generator count from now on, with its secret sealed anew and the recovery codes by their hashes; `step` is that of
    /// the code that has shown that it works. Says whether the one offered as `offered` was still waiting for it.
    pub async fn confirm_generator(
        &self,
        user: UserId,
        offered: &SealedSecret,
        kept: &SealedSecret,
        recovery: &[[u8; 32]],
        step: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let changed = execute!(
            tx.on(),
            "UPDATE totp_secrets SET confirmed_at = $4, last_step = $5 WHERE user_id = $1 AND confirmed_at IS NULL \
             AND EXISTS (SELECT 1 FROM sealed_secrets s WHERE s.purpose = $2 AND s.owner_id = totp_secrets.user_id AND s.nonce = $3)",
            user.raw(),
            &offered.purpose,
            &offered.nonce,
            now.as_millis(),
            step as i64,
        )?;
        if changed == 1 {
            put_secret_in(&mut tx, kept).await?;
            self.enter_of(&mut tx, user, now, &Act::SecondFactorSet { of: user }).await?;
            execute!(tx.on(), "DELETE FROM recovery_codes WHERE user_id = $1", user.raw())?;
            for hash in recovery {
                execute!(
                    tx.on(),
                    "INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)",
                    user.raw(),
                    &hash[..]
                )?;
            }
        }
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Takes the code of a step of time, and says whether nobody has taken it or a later one before.
    pub async fn take_step(&self, user: UserId, step: u64) -> Result<bool, StoreError> {
        let taken = execute!(
            self.writer(),
            "UPDATE totp_secrets SET last_step = $2 WHERE user_id = $1 AND last_step < $3 AND confirmed_at IS NOT NULL",
            user.raw(),
            step as i64,
            step as i64,
        )?;
        Ok(taken == 1)
    }

    /// Takes a recovery code by its hash, and says whether there was one.
    pub async fn take_recovery_code(&self, user: UserId, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let taken = execute!(
            self.writer(),
            "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2",
            user.raw(),
            &hash[..]
        )?;
        Ok(taken == 1)
    }

    /// How many recovery codes a person has left.
    pub async fn recovery_codes_left(&self, user: UserId) -> Result<u32, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            (i64,),
            "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1",
            user.raw()
        )?;
        Ok(row.map_or(0, |(count,)| count as u32))
    }

    /// Removes a person's generator and recovery codes.
    pub async fn remove_generator(&self, purpose: &str, user: UserId, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let removed = execute!(tx.on(), "DELETE FROM totp_secrets WHERE user_id = $1", user.raw())?;
        let secret = "DELETE FROM sealed_secrets WHERE purpose = $1 AND owner_id = $2";
        execute!(tx.on(), secret, purpose, user.raw())?;
        execute!(tx.on(), "DELETE FROM recovery_codes WHERE user_id = $1", user.raw())?;
        if removed == 1 {
            self.enter_of(&mut tx, user, at, &Act::SecondFactorRemoved { of: user }).await?;
        }
        tx.commit().await
    }
}
