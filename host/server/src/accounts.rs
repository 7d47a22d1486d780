//! People's own accounts: passwords, second factors, open sessions, ways back in.
//!
//! Nothing here knows about HTTP, cookies or pages, and nothing decides what a person may do elsewhere. Secrets are compared as
//! hashes, sealed at rest, and in no log.

mod generator;
mod letters;
mod password_rules;
mod reset;

pub use letters::{Channel, ChannelError, FileChannel, LetterText, send_letters};
pub use password_rules::refuse_weak;

use crate::clock::{SharedClock, SharedRandom};
use crate::http::passwords::{Checked, Passwords};
use crate::keys::{KeyRing, Purpose};
use davy_api::{Account, GeneratorOffer, Problem, SessionItem, Viewer};
use davy_domain::ledger::{Act, Actor, Chain, Refusal};
use davy_domain::proof::SecondFactorPolicy;
use davy_domain::{SessionId, Span, UserId};
use davy_store::{Generator, SealedSecret, Store, User};
use generator::{Given, Offered};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// How long a generator that was offered waits for its first code.
const OFFER_LASTS: Span = Span::from_minutes(15);

/// What accounts are kept with.
pub struct Accounts {
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) random: SharedRandom,
    pub(crate) keys: KeyRing,
    pub(crate) passwords: Passwords,
    pub(crate) lasting: Lasting,
    /// The platform's own address, as people reach it: `https://gas.example`.
    pub(crate) public_url: Option<String>,
}

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// A session that nobody uses.
    pub idle: Span,
    /// A way back in.
    pub reset: Span,
}

/// What [`Accounts`] is made from.
pub struct AccountParts {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: SharedClock,
    /// The random source.
    pub random: SharedRandom,
    /// What secrets are sealed with.
    pub keys: KeyRing,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// How long things last.
    pub lasting: Lasting,
    /// The platform's own address.
    pub public_url: Option<String>,
}

/// What a code proved to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// The generator's, of a step that nobody had used.
    Generator,
    /// A recovery code, now used up.
    Recovery,
    /// Nothing.
    Nothing,
}

impl Accounts {
    /// Puts the parts together.
    pub fn new(parts: AccountParts) -> Self {
        let AccountParts { store, clock, random, keys, passwords, lasting, public_url } = parts;
        Self { store, clock, random, keys, passwords, lasting, public_url }
    }

    /// How many password hashes have been computed.
    pub fn hashes(&self) -> u64 {
        self.passwords.computed()
    }

    /// The account of who asks.
    ///
    /// # Errors
    /// A [`Problem`] when the database does not answer.
    pub async fn account(&self, viewer: &Viewer) -> Result<Account, Problem> {
        let (user, now) = (self.user(viewer.user).await?, self.clock.now());
        let sessions = self.store.sessions_of(user.id, now, now - self.lasting.idle).await.map_err(stored)?;
        let generator = self.generator(user.id).await.map_err(stored)?;
        let offered = match &generator {
            Some(waiting) if waiting.confirmed_at.is_none() && now.since(waiting.created_at) < OFFER_LASTS => {
                Some(self.offered(user.id, &waiting.secret)?.shown(&user.email)?)
            }
            _ => None,
        };
        Ok(Account {
            email: user.email,
            phone: user.phone.as_deref().map(davy_domain::personal::masked_phone),
            policy: viewer.proof.policy,
            proven: viewer.proof.fresh,
            sessions: sessions
                .into_iter()
                .map(|session| SessionItem {
                    id: session.id,
                    current: viewer.session == Some(session.id),
                    agent: session.agent,
                    address: session.address,
                    opened_at: session.created_at,
                    last_seen_at: session.last_seen_at,
                    second_factor: session.second_factor_at.is_some(),
                })
                .collect(),
            generator_since: generator.and_then(|generator| generator.confirmed_at),
            generator_offer: offered,
            recovery_codes: self.store.recovery_codes_left(user.id).await.map_err(stored)?,
        })
    }

    /// Offers a generator to who has just proven the password.
    ///
    /// # Errors
    /// A [`Problem`] when the password is wrong, or a generator counts already.
    pub async fn offer_generator(&self, viewer: &Viewer, password: String) -> Result<GeneratorOffer, Problem> {
        let user = self.user(viewer.user).await?;
        self.must_be_right(&user, password).await?;
        // Who has a factor proves it before adding another: a stolen session must not become a second owner.
        self.must_be_proven(viewer).await?;
        let offered = Offered::new(&*self.random).map_err(|error| no_randomness(&error))?;
        let sealed = self.seal(Purpose::TOTP, &user, user.id.raw(), &offered.written())?;
        if !self.store.offer_generator(user.id, &sealed, self.clock.now()).await.map_err(stored)? {
            return Err(Problem::new("refused", 409, "Refused", "A generator counts already; remove it first.")
                .with_reason("generator-there"));
        }
        offered.shown(&user.email)
    }

    /// Makes the generator that was offered count, by its first code.
    ///
    /// # Errors
    /// A [`Problem`] when none was offered lately or the code is not its.
    pub async fn confirm_generator(&self, viewer: &Viewer, code: &str) -> Result<(), Problem> {
        let (user, now) = (self.user(viewer.user).await?, self.clock.now());
        let waiting = self
            .generator(user.id)
            .await
            .map_err(stored)?
            .filter(|generator| generator.confirmed_at.is_none() && now.since(generator.created_at) < OFFER_LASTS);
        let waiting = waiting.ok_or_else(|| {
            Problem::new("refused", 409, "Refused", "No generator waits for a code; begin anew.")
                .with_reason("nothing-offered")
        })?;
        let offered = self.offered(user.id, &waiting.secret)?;
        let step = match Given::read(code) {
            Given::Digits(digits) => offered.step(&digits, now),
            Given::Recovery(_) | Given::Neither => None,
        };
        let step = step.ok_or_else(wrong_code)?;
        let kept = self.seal(Purpose::TOTP, &user, user.id.raw(), &offered.without_codes().written())?;
        let recovery: Vec<[u8; 32]> = offered.codes().iter().map(|code| hash_of(user.id, code)).collect();
        let confirmed = self
            .store
            .confirm_generator(user.id, &waiting.secret, &kept, &recovery, step, now)
            .await
            .map_err(stored)?;
        if !confirmed {
            return Err(Problem::new(
                "refused",
                409,
                "Refused",
                "Another generator was offered meanwhile; begin anew.",
            )
            .with_reason("nothing-offered"));
        }
        tracing::info!(user.id = %user.id, "a generator of one-time passwords was set up");
        Ok(())
    }

    /// Removes the generator and the recovery codes of who has proven a second factor lately, and the password now.
    ///
    /// # Errors
    /// A [`Problem`] when either is missing.
    pub async fn remove_generator(&self, viewer: &Viewer, password: String) -> Result<(), Problem> {
        let user = self.user(viewer.user).await?;
        self.must_be_right(&user, password).await?;
        self.must_be_proven(viewer).await?;
        self.store.remove_generator(Purpose::TOTP.name(), user.id, self.clock.now()).await.map_err(stored)?;
        tracing::info!(user.id = %user.id, "a generator of one-time passwords was removed");
        Ok(())
    }

    /// What a code proves of a person. A right one is used up.
    ///
    /// # Errors
    /// A [`Problem`] when the database does not answer or the secret does not open.
    pub async fn prove(&self, user: UserId, code: &str) -> Result<Proven, Problem> {
        let proven = match Given::read(code) {
            Given::Digits(digits) => {
                let generator = self.generator(user).await.map_err(stored)?;
                let counts = generator.filter(|generator| generator.confirmed_at.is_some());
                let step = match counts {
                    Some(generator) => self.offered(user, &generator.secret)?.step(&digits, self.clock.now()),
                    None => None,
                };
                match step {
                    Some(step) if self.store.take_step(user, step).await.map_err(stored)? => Proven::Generator,
                    _ => Proven::Nothing,
                }
            }
            Given::Recovery(code) => {
                let taken = self.store.take_recovery_code(user, &hash_of(user, &code)).await.map_err(stored)?;
                if taken { Proven::Recovery } else { Proven::Nothing }
            }
            Given::Neither => Proven::Nothing,
        };
        let outcome = match proven {
            Proven::Generator => "generator",
            Proven::Recovery => "recovery",
            Proven::Nothing => "wrong",
        };
        metrics::counter!("davy_second_factors_total", "outcome" => outcome).increment(1);
        if proven == Proven::Nothing {
            let chain = Chain::from(self.user(user).await?.scope.tenant());
            let act = Act::SignInRefused { account: Some(user), why: Refusal::WrongSecondProof };
            self.store.enter(chain, self.clock.now(), Actor::Unknown, &act).await.map_err(stored)?;
        }
        Ok(proven)
    }

    /// Changes the password; every other session ends.
    ///
    /// # Errors
    /// A [`Problem`] when the present one is wrong or the new one does not do.
    pub async fn change_password(
        &self,
        viewer: &Viewer,
        session: SessionId,
        current: String,
        new: String,
    ) -> Result<(), Problem> {
        let user = self.user(viewer.user).await?;
        let new = Zeroizing::new(new);
        self.must_be_right(&user, current).await?;
        refuse_weak(&new, &user.email, &user.name)?;
        let hash = self.passwords.hash(new).await.map_err(|error| failed(&error))?;
        self.store.change_password(user.id, &hash, session, self.clock.now()).await.map_err(stored)?;
        tracing::info!(user.id = %user.id, "a password was changed");
        Ok(())
    }

    /// Ends one of the viewer's sessions.
    ///
    /// # Errors
    /// A [`Problem`] when it is not theirs.
    pub async fn end_session(&self, viewer: &Viewer, session: SessionId) -> Result<(), Problem> {
        if self.store.close_session_of(viewer.user, session, self.clock.now()).await.map_err(stored)? {
            Ok(())
        } else {
            Err(Problem::not_found("session"))
        }
    }

    /// Ends all of the viewer's sessions but the one that asks.
    ///
    /// # Errors
    /// A [`Problem`] when the database does not answer.
    pub async fn end_other_sessions(&self, viewer: &Viewer, kept: SessionId) -> Result<u64, Problem> {
        self.store.close_other_sessions(viewer.user, kept, self.clock.now()).await.map_err(stored)
    }

    /// Sets what the staff of the viewer's company may not do without a second factor.
    ///
    /// # Errors
    /// A [`Problem`] when the viewer may not, has proven too little, or would shut themself out.
    pub async fn demand(&self, viewer: &Viewer, policy: SecondFactorPolicy) -> Result<(), Problem> {
        crate::roles::require(viewer, crate::roles::Deed::DemandFactor)?;
        if viewer.only.is_some() {
            return Err(Problem::forbidden("do this with a token: sign in as a person"));
        }
        let tenant = viewer.tenant().ok_or_else(|| Problem::not_found("company"))?;
        // Who leads the way has gone it: nobody demands what they have not set up themself.
        if policy != SecondFactorPolicy::Optional && !viewer.proof.fresh {
            return Err(Problem::second_factor("demand a second factor of others"));
        }
        let actor = Actor::Person { by: viewer.user };
        let rows = self.store.tenant(tenant);
        rows.set_second_factor_policy(policy, actor, self.clock.now()).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, policy = policy.name(), "what needs a second factor was set");
        Ok(())
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<User, Problem> {
        self.store.user(id).await.map_err(stored)?.ok_or_else(Problem::signed_out)
    }

    /// Who has a second factor must have proven it lately; who has none has nothing to prove.
    pub(crate) async fn must_be_proven(&self, viewer: &Viewer) -> Result<(), Problem> {
        if viewer.proof.fresh || !self.store.has_second_factor(viewer.user).await.map_err(stored)? {
            return Ok(());
        }
        Err(Problem::second_factor("change your second factors"))
    }

    pub(crate) async fn must_be_right(&self, user: &User, password: String) -> Result<(), Problem> {
        let password = Zeroizing::new(password);
        if password.chars().count() > crate::http::passwords::LONGEST {
            return Err(wrong_password());
        }
        let checked = self.passwords.check(password, Some(user.password_hash.clone())).await;
        match checked.map_err(|error| failed(&error))? {
            Checked::Right { .. } => Ok(()),
            Checked::Wrong => Err(wrong_password()),
        }
    }

    async fn generator(&self, user: UserId) -> Result<Option<Generator>, davy_store::StoreError> {
        self.store.generator(Purpose::TOTP.name(), user).await
    }

    fn offered(&self, user: UserId, sealed: &SealedSecret) -> Result<Offered, Problem> {
        let plain = self.keys.unseal_for(Purpose::TOTP, sealed).map_err(|error| failed(&error))?;
        Offered::read(&plain).ok_or_else(|| {
            tracing::error!(user.id = %user, "a generator's secret is not what was sealed");
            crate::http::problem::internal()
        })
    }

    /// Seals what is for a person, in their company's name.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        user: &User,
        owner: i64,
        bytes: &[u8],
    ) -> Result<SealedSecret, Problem> {
        let sealed = self.keys.seal_for(purpose, (user.scope.tenant(), owner), bytes, &*self.random);
        sealed.map_err(|error| failed(&error))
    }

    pub(crate) fn draw<const N: usize>(&self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|error| no_randomness(&error))?;
        Ok(bytes)
    }
}

/// A recovery code's hash: they are too long to be guessed from it.
fn hash_of(user: UserId, code: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"davy recovery code\0")
        .chain_update(user.raw().to_be_bytes())
        .chain_update(code)
        .finalize()
        .into()
}

/// 422: a code is not the one.
pub(crate) fn wrong_code() -> Problem {
    Problem::new(
        "factor-code",
        422,
        "Wrong code",
        "The code is wrong, was used already, or is no longer valid: take the next one.",
    )
}

fn wrong_password() -> Problem {
    Problem::new("password", 422, "Wrong password", "The present password is another one.")
}

fn stored(error: davy_store::StoreError) -> Problem {
    crate::backend::stored(error)
}

fn no_randomness(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "no randomness for a secret");
    crate::http::problem::internal()
}

fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "an account could not be changed");
    crate::http::problem::internal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_recovery_code_has_another_hash_for_everybody() {
        assert_ne!(hash_of(UserId::from_raw(1), "A"), hash_of(UserId::from_raw(2), "A"));
    }
}
