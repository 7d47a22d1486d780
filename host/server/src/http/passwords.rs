//! Passwords: argon2id, off the async threads, a bounded number at once, and the same work whether or not the user exists.

use crate::clock::SharedRandom;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Shortest password, characters.
pub const SHORTEST: usize = 8;
/// Longest password, characters: bounds the work of hashing.
pub const LONGEST: usize = 200;

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The hash parameters or a stored hash cannot be used.
    #[error("argon2 refused: {0}; check `password.memory-kib` and `password.passes`")]
    Hash(String),
    /// No randomness for a salt.
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[source] std::io::Error),
    /// The worker is gone: the server is shutting down.
    #[error("the password worker has stopped")]
    Stopped,
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    hasher: Argon2<'static>,
    random: SharedRandom,
    at_once: Arc<Semaphore>,
    /// A hash of nothing anybody knows: what an unknown user's password is checked against.
    nobody: Arc<str>,
    computed: Arc<AtomicU64>,
}

/// What came of checking a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Not the password, or no such user.
    Wrong,
    /// The password.
    Right {
        /// A new hash to store, when the stored one was made with other parameters than are set now.
        rehashed: Option<String>,
    },
}

impl Passwords {
    /// With `memory_kib` of memory and `passes` for each hash, `at_once` of them at the same time.
    ///
    /// # Errors
    /// [`PasswordError`] when the parameters cannot be used.
    pub fn new(memory_kib: u32, passes: u32, at_once: usize, random: SharedRandom) -> Result<Self, PasswordError> {
        let params =
            Params::new(memory_kib, passes, 1, None).map_err(|error| PasswordError::Hash(error.to_string()))?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut unknown = Zeroizing::new([0_u8; 32]);
        random.fill(&mut *unknown).map_err(PasswordError::Random)?;
        let nobody = hash(&hasher, &*random, &*unknown)?.into();
        Ok(Self { hasher, random, at_once: Arc::new(Semaphore::new(at_once)), nobody, computed: Arc::default() })
    }

    /// The PHC text of a password's hash. Takes tens of milliseconds of a core: not for async threads.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn hash_blocking(&self, password: &str) -> Result<String, PasswordError> {
        self.count();
        hash(&self.hasher, &*self.random, password.as_bytes())
    }

    /// The PHC text of a password's hash, made beside the async threads and with no more others at once than are set.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, PasswordError> {
        let permit = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| PasswordError::Stopped)?;
        let this = self.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            this.hash_blocking(&password)
        });
        hashed.await.map_err(|_| PasswordError::Stopped)?
    }

    /// How many hashes have been computed, for whomever: what signing in costs does not tell who exists.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.computed.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("davy_password_hashes_total").increment(1);
    }

    /// Checks a password against a stored hash, or, for an unknown user, against nobody's: both take the same work.
    ///
    /// # Errors
    /// [`PasswordError`] when the stored hash cannot be read.
    pub async fn check(&self, password: Zeroizing<String>, stored: Option<String>) -> Result<Checked, PasswordError> {
        let permit = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| PasswordError::Stopped)?;
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let known = stored.is_some();
            let text = stored.as_deref().unwrap_or(&this.nobody);
            let parsed = PasswordHash::new(text).map_err(|error| PasswordError::Hash(error.to_string()))?;
            this.count();
            let right = this.hasher.verify_password(password.as_bytes(), &parsed).is_ok();
            if !(known && right) {
                return Ok(Checked::Wrong);
            }
            let set = this.hasher.params();
            let current = Params::try_from(&parsed)
                .is_ok_and(|used| (used.m_cost(), used.t_cost()) == (set.m_cost(), set.t_cost()));
            let rehashed = if current { None } else { Some(this.hash_blocking(&password)?) };
            Ok(Checked::Right { rehashed })
        })
        .await
        .map_err(|_| PasswordError::Stopped)?
    }
}

fn hash(hasher: &Argon2<'_>, random: &dyn crate::clock::Random, password: &[u8]) -> Result<String, PasswordError> {
    let mut salt = [0_u8; 16];
    random.fill(&mut salt).map_err(PasswordError::Random)?;
    let hash = PasswordHasher::hash_password_with_salt(hasher, password, &salt);
    hash.map(|hash: PasswordHash| hash.to_string()).map_err(|error| PasswordError::Hash(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRandom;

    fn passwords(passes: u32) -> Passwords {
        Passwords::new(8_192, passes, 1, Arc::new(SystemRandom)).unwrap()
    }

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right_and_nobody_has_one() {
        let passwords = passwords(1);
        let stored = passwords.hash_blocking("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"), "{stored}");
        let right = passwords.check(secret("correct horse"), Some(stored.clone())).await.unwrap();
        assert_eq!(right, Checked::Right { rehashed: None });
        assert_eq!(passwords.check(secret("Correct horse"), Some(stored)).await.unwrap(), Checked::Wrong);
        assert_eq!(passwords.check(secret("correct horse"), None).await.unwrap(), Checked::Wrong);
    }

    #[tokio::test]
    async fn a_hash_with_old_parameters_is_made_anew_at_sign_in() {
        let stored = passwords(1).hash_blocking("correct horse").unwrap();
        let stronger = passwords(2);
        let Checked::Right { rehashed: Some(new) } =
            stronger.check(secret("correct horse"), Some(stored)).await.unwrap()
        else {
            panic!("the old hash was kept")
        };
        assert!(new.contains("t=2"), "{new}");
        assert_eq!(
            stronger.check(secret("correct horse"), Some(new)).await.unwrap(),
            Checked::Right { rehashed: None }
        );
    }
}
