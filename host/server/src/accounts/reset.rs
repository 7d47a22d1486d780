//! The way back in for who has forgotten the password: a letter with a token that is good once.
//!
//! Whether anybody has the name that was asked with is nobody's to learn: the answer comes before it is looked up.

use super::{Accounts, LetterText, failed, refuse_weak, stored};
use crate::keys::{Purpose, from_hex, to_hex};
use davy_api::Problem;
use davy_store::{Letter, User};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const TOKEN_BYTES: usize = 32;

impl Accounts {
    /// Sends a way back in to who signs in with this name, if anybody does.
    ///
    /// # Errors
    /// A [`Problem`] when the database does not answer.
    pub async fn send_reset(&self, login: &str) -> Result<(), Problem> {
        let Some(user) = self.store.user_by_login(login).await.map_err(stored)? else {
            metrics::counter!("davy_password_resets_total", "outcome" => "nobody").increment(1);
            return Ok(());
        };
        let now = self.clock.now();
        let token = Zeroizing::new(self.draw::<TOKEN_BYTES>()?);
        let expires_at = now + self.lasting.reset;
        let text = LetterText {
            channel: "email".to_owned(),
            to: user.email.clone(),
            kind: "password-reset".to_owned(),
            locale: user.locale.clone(),
            secret: to_hex(&*token),
            link: self.public_url.as_ref().map(|url| format!("{url}/sign-in/reset?token={}", to_hex(&*token))),
            expires_at: expires_at.as_millis(),
        };
        let bytes = Zeroizing::new(serde_json::to_vec(&text).map_err(|error| failed(&error))?);
        let id = i64::from_be_bytes(self.draw()?) & i64::MAX;
        let letter = Letter {
            id,
            user: user.id,
            channel: text.channel.clone(),
            text: self.seal(Purpose::LETTER, &user, id, &bytes)?,
            expires_at,
            attempts: 0,
        };
        self.store.send_reset(&Sha256::digest(*token).into(), expires_at, &letter, now).await.map_err(stored)?;
        metrics::counter!("davy_password_resets_total", "outcome" => "sent").increment(1);
        tracing::info!(user.id = %user.id, "a way back in was sent");
        Ok(())
    }

    /// Sets a new password by a token. Every session of before has then ended; the person signs in anew.
    ///
    /// # Errors
    /// A [`Problem`] when the token is not good any more, or the password does not do: the token then stays good.
    pub async fn redeem_reset(&self, token: &str, password: String) -> Result<User, Problem> {
        let password = Zeroizing::new(password);
        let now = self.clock.now();
        let token = from_hex(token.trim()).filter(|token| token.len() == TOKEN_BYTES).ok_or_else(expired)?;
        let hash: [u8; 32] = Sha256::digest(Zeroizing::new(token).as_slice()).into();
        let user = self.store.reset_token(&hash, now).await.map_err(stored)?.ok_or_else(expired)?;
        refuse_weak(&password, &user.email, &user.name)?;
        let password_hash = self.passwords.hash(password).await.map_err(|error| failed(&error))?;
        if !self.store.redeem_reset(&hash, user.id, &password_hash, now).await.map_err(stored)? {
            return Err(expired());
        }
        metrics::counter!("davy_password_resets_total", "outcome" => "redeemed").increment(1);
        tracing::info!(user.id = %user.id, "a password was set by a way back in; all sessions have ended");
        Ok(user)
    }
}

fn expired() -> Problem {
    let detail = "This way back in has expired or was used already: ask for another one.";
    Problem::new("reset-expired", 403, "Expired", detail)
}
