//! Around signing in: whose sessions are open where, known browsers, ways back in, and the letters that carry a secret.
//!
//! Every secret is here as its hash, or sealed by who writes it: nothing in these rows lets anybody in.

use crate::connection::{Store, Tx, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::people::{Session, SessionRow, User, UserRow, user_columns};
use crate::scope::TenantStore;
use crate::sealed::{SealedSecret, SecretRow, put_secret_in};
use davy_domain::ledger::{Act, Actor};
use davy_domain::proof::SecondFactorPolicy;
use davy_domain::{SessionId, Timestamp, UserId};

/// Browsers that one person is known in at most: the ones used last.
const MOST_DEVICES: i64 = 30;

/// A letter to a person that carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number.
    pub id: i64,
    /// To whom.
    pub user: UserId,
    /// `email` or `sms`.
    pub channel: String,
    /// What it says, as its writer sealed it: the owner of the secret is the letter.
    pub text: SealedSecret,
    /// After this it is of no use to anybody.
    pub expires_at: Timestamp,
    /// How often sending it has failed.
    pub attempts: u32,
}

#[derive(sqlx::FromRow)]
struct LetterRow {
    id: i64,
    user_id: i64,
    channel: String,
    expires_at: i64,
    attempts: i64,
    #[sqlx(flatten)]
    text: SecretRow,
}

impl Store {
    /// The person of an e-mail address in whatever case, or of a telephone number that is one person's alone.
    ///
    /// A number is compared without spaces and hyphens, with and without China's code.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        let login = login.trim();
        if login.contains('@') {
            return self.user_by_email(login).await;
        }
        let digits: String = login.chars().filter(char::is_ascii_digit).collect();
        let bare = digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86")).unwrap_or(&digits);
        let rows = fetch_all!(
            self.reader(),
            UserRow,
            user_columns!(
                "SELECT ",
                " FROM users u WHERE REPLACE(REPLACE(u.phone, ' ', ''), '-', '') IN ($1, $2, $3, $4) AND u.ended_at IS NULL LIMIT 2"
            ),
            bare,
            format!("+86{bare}"),
            format!("86{bare}"),
            format!("0086{bare}"),
        )?;
        let mut rows = rows.into_iter();
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(Some(row.try_into()?)),
            _ => Ok(None),
        }
    }

    /// The open sessions of a person, the one used last first.
    pub async fn sessions_of(
        &self,
        user: UserId,
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            SessionRow,
            "SELECT id, user_id AS session_user, token_hash, csrf_secret, created_at, expires_at, last_seen_at, \
             second_factor_at, waits_for_factor, agent, address FROM sessions \
             WHERE user_id = $1 AND expires_at > $2 AND last_seen_at > $3 AND waits_for_factor = 0 \
             ORDER BY last_seen_at DESC, id",
            user.raw(),
            now.as_millis(),
            idle_since.as_millis(),
        )?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// Gives a session another token and secret, and notes what has been proven in it: what was stolen before is worth nothing
    /// after. Says whether the session was still there.
    pub async fn rotate_session(&self, old_hash: &[u8; 32], new: &Session) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let before = fetch_optional!(
            tx.on(),
            (i64,),
            "SELECT waits_for_factor FROM sessions WHERE id = $1 AND token_hash = $2",
            new.id.raw(),
            &old_hash[..],
        )?;
        let changed = execute!(
            tx.on(),
            "UPDATE sessions SET token_hash = $3, csrf_secret = $4, expires_at = $5, last_seen_at = $6, \
             second_factor_at = $7, waits_for_factor = $8 WHERE id = $1 AND token_hash = $2",
            new.id.raw(),
            &old_hash[..],
            &new.token_hash[..],
            &new.csrf_secret[..],
            new.expires_at.as_millis(),
            new.last_seen_at.as_millis(),
            new.second_factor_at.map(Timestamp::as_millis),
            i64::from(new.waits_for_factor),
        )?;
        if changed == 1 && before == Some((1,)) && !new.waits_for_factor {
            self.enter_of(&mut tx, new.user, new.last_seen_at, &Act::SignedIn { session: new.id }).await?;
        }
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Ends one session of a person by another one of theirs; says whether it was theirs and open.
    pub async fn close_session_of(&self, user: UserId, id: SessionId, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let closed = execute!(tx.on(), "DELETE FROM sessions WHERE id = $1 AND user_id = $2", id.raw(), user.raw())?;
        if closed == 1 {
            self.enter_of(&mut tx, user, at, &Act::SessionRevoked { session: id, of: user }).await?;
        }
        tx.commit().await?;
        Ok(closed == 1)
    }

    /// Ends all sessions of a person but one, and says how many.
    pub async fn close_other_sessions(&self, user: UserId, kept: SessionId, at: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let closed = self.revoke_others(&mut tx, user, Some(kept), at).await?;
        tx.commit().await?;
        Ok(closed)
    }

    /// Ends a person's sessions, but for the one that is kept, each with its entry.
    async fn revoke_others(
        &self,
        tx: &mut Tx,
        user: UserId,
        kept: Option<SessionId>,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let closed = fetch_all!(
            tx.on(),
            (i64,),
            "DELETE FROM sessions WHERE user_id = $1 AND id <> $2 RETURNING id",
            user.raw(),
            // No session has a negative number.
            kept.map_or(-1, SessionId::raw),
        )?;
        for (id,) in &closed {
            let act = Act::SessionRevoked { session: SessionId::from_raw(*id), of: user };
            self.enter_of(tx, user, at, &act).await?;
        }
        Ok(closed.len() as u64)
    }

    /// Whether the person who signs in with this name has done so in this browser before.
    pub async fn knows_device(&self, token_hash: &[u8; 32], user: UserId) -> Result<bool, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            (i64,),
            "SELECT used_at FROM known_devices WHERE token_hash = $1 AND user_id = $2",
            &token_hash[..],
            user.raw(),
        )?;
        Ok(row.is_some())
    }

    /// Notes that a person has signed in in a browser, which gets another token: an older one, perhaps somebody else's, no
    /// longer counts for anybody.
    pub async fn remember_device(
        &self,
        old_hash: Option<&[u8; 32]>,
        new_hash: &[u8; 32],
        user: UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if let Some(old) = old_hash {
            execute!(
                tx.on(),
                "UPDATE known_devices SET token_hash = $2 WHERE token_hash = $1",
                &old[..],
                &new_hash[..]
            )?;
        }
        execute!(
            tx.on(),
            "INSERT INTO known_devices (token_hash, user_id, used_at) VALUES ($1, $2, $3) \
             ON CONFLICT (token_hash, user_id) DO UPDATE SET used_at = excluded.used_at",
            &new_hash[..],
            user.raw(),
            now.as_millis(),
        )?;
        // A program that keeps no cookies is a new browser each time.
        execute!(
            tx.on(),
            "DELETE FROM known_devices WHERE user_id = $1 AND token_hash NOT IN \
             (SELECT token_hash FROM known_devices WHERE user_id = $2 ORDER BY used_at DESC, token_hash LIMIT $3)",
            user.raw(),
            user.raw(),
            MOST_DEVICES,
        )?;
        tx.commit().await
    }

    /// Puts a way back in and the letter that brings it into the mail, together.
    pub async fn send_reset(
        &self,
        token_hash: &[u8; 32],
        expires_at: Timestamp,
        letter: &Letter,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO reset_tokens (token_hash, user_id, expires_at) VALUES ($1, $2, $3)",
            &token_hash[..],
            letter.user.raw(),
            expires_at.as_millis(),
        )?;
        execute!(
            tx.on(),
            "INSERT INTO credential_letters (id, user_id, channel, expires_at, attempts, next_attempt_at) \
             VALUES ($1, $2, $3, $4, 0, $5)",
            letter.id,
            letter.user.raw(),
            &letter.channel,
            letter.expires_at.as_millis(),
            now.as_millis(),
        )?;
        put_secret_in(&mut tx, &letter.text).await?;
        tx.commit().await
    }

    /// Whose way back in this is, unless it has expired at `now`. It stays good.
    pub async fn reset_token(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<User>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            UserRow,
            user_columns!(
                "SELECT ",
                " FROM reset_tokens r JOIN users u ON u.id = r.user_id \
                 WHERE r.token_hash = $1 AND r.expires_at > $2 AND u.ended_at IS NULL"
            ),
            &token_hash[..],
            now.as_millis(),
        )?;
        row.map(User::try_from).transpose()
    }

    /// Uses a way back in: the new password, no session, no known browser and no other way back in is left of before. Says whether
    /// the token was still good: of two who come at once, one is too late.
    pub async fn redeem_reset(
        &self,
        token_hash: &[u8; 32],
        user: UserId,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let used = execute!(
            tx.on(),
            "DELETE FROM reset_tokens WHERE token_hash = $1 AND user_id = $2 AND expires_at > $3",
            &token_hash[..],
            user.raw(),
            now.as_millis(),
        )?;
        if used == 1 {
            execute!(tx.on(), "UPDATE users SET password_hash = $2 WHERE id = $1", user.raw(), password_hash)?;
            execute!(tx.on(), "DELETE FROM reset_tokens WHERE user_id = $1", user.raw())?;
            self.enter_of(&mut tx, user, now, &Act::PasswordChanged { of: user, by_letter: true }).await?;
            self.revoke_others(&mut tx, user, None, now).await?;
            execute!(tx.on(), "DELETE FROM known_devices WHERE user_id = $1", user.raw())?;
        }
        tx.commit().await?;
        Ok(used == 1)
    }

    /// Changes a password, and ends every session but the one it was changed in and every way back in.
    pub async fn change_password(
        &self,
        user: UserId,
        password_hash: &str,
        kept: SessionId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(tx.on(), "UPDATE users SET password_hash = $2 WHERE id = $1", user.raw(), password_hash)?;
        execute!(tx.on(), "DELETE FROM reset_tokens WHERE user_id = $1", user.raw())?;
        self.enter_of(&mut tx, user, at, &Act::PasswordChanged { of: user, by_letter: false }).await?;
        self.revoke_others(&mut tx, user, Some(kept), at).await?;
        tx.commit().await
    }

    /// Letters that wait, are due at `now` and still of use, the oldest first, at most `limit`.
    pub async fn due_letters(&self, purpose: &str, now: Timestamp, limit: u32) -> Result<Vec<Letter>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            LetterRow,
            "SELECT l.id, l.user_id, l.channel, l.expires_at, l.attempts, s.purpose, s.owner_id, s.tenant_id, s.ciphertext, \
             s.nonce, s.kek_id FROM credential_letters l JOIN sealed_secrets s ON s.owner_id = l.id AND s.purpose = $4 \
             WHERE l.sent_at IS NULL AND l.next_attempt_at <= $1 AND l.expires_at > $2 \
             ORDER BY l.next_attempt_at, l.id LIMIT $3",
            now.as_millis(),
            now.as_millis(),
            i64::from(limit),
            purpose,
        )?;
        let letters = rows.into_iter().map(|row| Letter {
            id: row.id,
            user: UserId::from_raw(row.user_id),
            channel: row.channel,
            text: row.text.into(),
            expires_at: Timestamp::from_millis(row.expires_at),
            attempts: row.attempts as u32,
        });
        Ok(letters.collect())
    }

    /// Notes that a letter was sent, and forgets what it said.
    pub async fn letter_sent(&self, letter: &Letter, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sent = "UPDATE credential_letters SET sent_at = $2 WHERE id = $1 AND sent_at IS NULL";
        execute!(tx.on(), sent, letter.id, at.as_millis())?;
        let forgotten = "DELETE FROM sealed_secrets WHERE purpose = $1 AND owner_id = $2";
        execute!(tx.on(), forgotten, &letter.text.purpose, letter.id)?;
        tx.commit().await
    }

    /// Notes that sending a letter failed, and when to try again.
    pub async fn letter_failed(&self, id: i64, next_attempt_at: Timestamp) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "UPDATE credential_letters SET attempts = attempts + 1, next_attempt_at = $2 WHERE id = $1 AND sent_at IS NULL",
            id,
            next_attempt_at.as_millis(),
        )?;
        Ok(())
    }

    /// Removes what has expired at `now`: letters with what they say (sealed for `purpose`), ways back in, and browsers not used since
    /// `devices_since`.
    pub async fn remove_expired_credentials(
        &self,
        purpose: &str,
        now: Timestamp,
        devices_since: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "DELETE FROM sealed_secrets WHERE purpose = $1 AND owner_id IN \
             (SELECT id FROM credential_letters WHERE expires_at <= $2)",
            purpose,
            now.as_millis()
        )?;
        execute!(tx.on(), "DELETE FROM credential_letters WHERE expires_at <= $1", now.as_millis())?;
        execute!(tx.on(), "DELETE FROM reset_tokens WHERE expires_at <= $1", now.as_millis())?;
        execute!(tx.on(), "DELETE FROM known_devices WHERE used_at <= $1", devices_since.as_millis())?;
        tx.commit().await
    }
}

impl TenantStore {
    /// What the company's staff may not do without a second factor.
    pub async fn second_factor_policy(&self) -> Result<SecondFactorPolicy, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String,),
            "SELECT second_factor FROM tenants WHERE id = $1",
            self.id().raw()
        )?;
        Ok(row.and_then(|(name,)| SecondFactorPolicy::named(&name)).unwrap_or_default())
    }

    /// Sets what the company's staff may not do without a second factor. Holds from their next request on.
    pub async fn set_second_factor_policy(
        &self,
        policy: SecondFactorPolicy,
        actor: Actor,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(tx.on(), "UPDATE tenants SET second_factor = $2 WHERE id = $1", self.id().raw(), policy.name())?;
        let act = Act::SecondFactorDemanded { policy: policy.name().to_owned() };
        self.enter(&mut tx, at, actor, &act).await?;
        tx.commit().await
    }
}
