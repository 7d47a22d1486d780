//! Who is signed in: server-side sessions behind a cookie that scripts cannot read.
//!
//! The browser holds the only copy of the token; the store holds its hash. A CSRF token is masked anew each time it is
//! handed out, so that a compressed page gives nothing away about it.

use crate::clock::{SharedClock, SharedRandom};
use crate::http::problem;
use crate::keys::{from_hex, to_hex};
use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::extract::cookie::CookieJar;
use davy_api::{Problem, Viewer};
use davy_domain::proof::{Proof, SecondFactorPolicy};
use davy_domain::{SessionId, Span, Timestamp, UserId};
use davy_store::{OpenSession, Session, Store, StoreError, User};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

const TOKEN_BYTES: usize = 32;
/// How exactly the last use of a session is noted.
pub(super) const SEEN_RESOLUTION: Span = Span::from_minutes(1);
/// How long the second factor may take to come.
const WAITS_FOR_FACTOR: Span = Span::from_minutes(10);
/// How long a browser keeps the cookie by which it is known.
const DEVICE_LASTS: Span = Span::from_days(180);
/// Characters that are kept of what a browser calls itself.
const LONGEST_AGENT: usize = 200;

/// The sessions of everybody.
pub struct Sessions {
    store: Store,
    clock: SharedClock,
    random: SharedRandom,
    lifetimes: Lifetimes,
    secure: bool,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// At the longest.
    pub whole: Span,
    /// Unused.
    pub idle: Span,
    /// The proof of a second factor in them.
    pub fresh: Span,
}

/// What somebody has shown when a session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The password, and there is no more to show.
    Password,
    /// The password, and a second factor is still to come.
    PasswordOfTwo,
    /// As much as two factors are.
    SecondFactor,
}

/// A signed-in person on one request.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who, and what they may see.
    pub viewer: Viewer,
    /// Their language, a BCP 47 tag.
    pub locale: String,
    /// The session.
    pub session: Session,
}

/// Who a user is to the rest of the platform.
pub fn viewer(user: &User) -> Viewer {
    Viewer {
        user: user.id,
        scope: user.scope,
        roles: user.roles,
        only: None,
        name: user.name.clone(),
        session: None,
        proof: Proof::default(),
    }
}

impl Sessions {
    /// Sessions whose cookie goes over HTTPS only when `secure`.
    pub fn new(store: Store, clock: SharedClock, random: SharedRandom, lifetimes: Lifetimes, secure: bool) -> Self {
        Self { store, clock, random, lifetimes, secure }
    }

    /// The cookie's name; the prefix makes browsers insist on HTTPS, on this host and on the whole path.
    pub const fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-davy" } else { "davy" }
    }

    /// The name of the cookie by which a browser is known.
    pub const fn device_cookie_name(&self) -> &'static str {
        if self.secure { "__Host-davy-device" } else { "davy-device" }
    }

    fn token_hash(headers: &HeaderMap, name: &str) -> Option<[u8; 32]> {
        let jar = CookieJar::from_headers(headers);
        let token = from_hex(jar.get(name)?.value()).filter(|token| token.len() == TOKEN_BYTES)?;
        Some(Sha256::digest(token).into())
    }

    /// The hash of the token by which the browser may be known.
    pub fn device(&self, headers: &HeaderMap) -> Option<[u8; 32]> {
        Self::token_hash(headers, self.device_cookie_name())
    }

    /// The signed-in person of a request, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn find(&self, headers: &HeaderMap) -> Result<Option<SignedIn>, StoreError> {
        Ok(self.find_any(headers).await?.filter(|found| !found.session.waits_for_factor))
    }

    /// The same, also when the second factor is still to come.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn find_any(&self, headers: &HeaderMap) -> Result<Option<SignedIn>, StoreError> {
        let Some(hash) = Self::token_hash(headers, self.cookie_name()) else { return Ok(None) };
        let now = self.clock.now();
        let Some(found) = self.store.session(&hash, now, now - self.lifetimes.idle).await? else { return Ok(None) };
        self.store.touch_session(&found.session, now, SEEN_RESOLUTION).await?;
        Ok(Some(self.signed_in(found, now)))
    }

    /// Who a session's token shows now; nobody when it has ended, or its second factor is still to come.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn viewer(&self, token_hash: &[u8; 32]) -> Result<Option<Viewer>, StoreError> {
        let now = self.clock.now();
        let found = self.store.session(token_hash, now, now - self.lifetimes.idle).await?;
        Ok(found.filter(|found| !found.session.waits_for_factor).map(|found| self.signed_in(found, now).viewer))
    }

    fn signed_in(&self, found: OpenSession, now: Timestamp) -> SignedIn {
        let OpenSession { session, user, policy } = found;
        let fresh = session.second_factor_at.is_some_and(|at| now.since(at) < self.lifetimes.fresh);
        let mut viewer = viewer(&user);
        // What a company demands, it demands of its staff.
        let policy = if viewer.is_resident() { SecondFactorPolicy::Optional } else { policy };
        viewer.proof = Proof { policy, fresh };
        viewer.session = Some(session.id);
        SignedIn { viewer, locale: user.locale, session }
    }

    /// Why nobody was found: the company is suspended, or nobody is signed in.
    pub async fn refusal(&self, headers: &HeaderMap) -> Problem {
        match Self::token_hash(headers, self.cookie_name()) {
            Some(hash) => self.refusal_of(&hash).await,
            None => Problem::signed_out(),
        }
    }

    /// The same for the hash of a session's or a machine's token.
    pub async fn refusal_of(&self, hash: &[u8; 32]) -> Problem {
        match self.store.is_locked_out(hash, self.clock.now()).await {
            Ok(true) => problem::suspended(),
            Ok(false) => Problem::signed_out(),
            Err(error) => crate::backend::stored(error),
        }
    }

    /// Opens a session for a user who has just proven `proven`, ends the one of the request if any (so that a planted cookie is
    /// worth nothing), and gives the new cookie.
    ///
    /// # Errors
    /// A [`Problem`] when there is no randomness or the database does not answer.
    pub async fn open(
        &self,
        user: &User,
        proven: Shown,
        from: IpAddr,
        headers: &HeaderMap,
    ) -> Result<(SignedIn, HeaderValue), Problem> {
        if let Some(tenant) = user.scope.tenant()
            && self.store.is_suspended(tenant).await.map_err(crate::backend::stored)?
        {
            return Err(problem::suspended());
        }
        let now = self.clock.now();
        let token: [u8; TOKEN_BYTES] = self.draw()?;
        let waits_for_factor = proven == Shown::PasswordOfTwo;
        let lasts = if waits_for_factor { WAITS_FOR_FACTOR.min(self.lifetimes.whole) } else { self.lifetimes.whole };
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let session = Session {
            id: SessionId::from_raw(i64::from_be_bytes(self.draw()?) & i64::MAX),
            token_hash: Sha256::digest(token).into(),
            user: user.id,
            csrf_secret: self.draw()?,
            created_at: now,
            expires_at: now + lasts,
            last_seen_at: now,
            second_factor_at: (proven == Shown::SecondFactor).then_some(now),
            waits_for_factor,
            agent: agent.chars().take(LONGEST_AGENT).collect(),
            address: from.to_string(),
        };
        if let Some(old) = self.find_any(headers).await.map_err(crate::backend::stored)? {
            self.store.close_session(old.session.id, now).await.map_err(crate::backend::stored)?;
        }
        self.store.open_session(&session).await.map_err(crate::backend::stored)?;
        let cookie = self.cookie(self.cookie_name(), to_hex(&token), lasts);
        Ok((self.read_back(&session).await?, cookie))
    }

    /// Notes that a second factor was proven in a session, which gets another token: what was known of it before is worth nothing.
    ///
    /// # Errors
    /// A [`Problem`] when there is no randomness, the database does not answer, or the session has ended meanwhile.
    pub async fn proven(&self, session: &Session) -> Result<(SignedIn, HeaderValue), Problem> {
        let now = self.clock.now();
        let expires_at = if session.waits_for_factor { now + self.lifetimes.whole } else { session.expires_at };
        let changed = Session {
            second_factor_at: Some(now),
            waits_for_factor: false,
            expires_at,
            last_seen_at: now,
            ..session.clone()
        };
        self.rotate(session, changed).await
    }

    /// Gives a session another token and leaves the rest as it is: after a change of the password.
    ///
    /// # Errors
    /// As [`Self::proven`].
    pub async fn renew(&self, session: &Session) -> Result<(SignedIn, HeaderValue), Problem> {
        self.rotate(session, session.clone()).await
    }

    async fn rotate(&self, old: &Session, changed: Session) -> Result<(SignedIn, HeaderValue), Problem> {
        let token: [u8; TOKEN_BYTES] = self.draw()?;
        let new = Session { token_hash: Sha256::digest(token).into(), csrf_secret: self.draw()?, ..changed };
        if !self.store.rotate_session(&old.token_hash, &new).await.map_err(crate::backend::stored)? {
            return Err(Problem::signed_out());
        }
        let left = new.expires_at.since(self.clock.now());
        let cookie = self.cookie(self.cookie_name(), to_hex(&token), left);
        Ok((self.read_back(&new).await?, cookie))
    }

    async fn read_back(&self, session: &Session) -> Result<SignedIn, Problem> {
        let now = self.clock.now();
        let found = self.store.session(&session.token_hash, now, now - self.lifetimes.idle).await;
        let found = found.map_err(crate::backend::stored)?.ok_or_else(Problem::signed_out)?;
        Ok(self.signed_in(found, now))
    }

    /// Remembers that a person has signed in in this browser, and gives it the cookie that says so.
    ///
    /// # Errors
    /// A [`Problem`] when there is no randomness or the database does not answer.
    pub async fn remember(&self, user: UserId, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
        let token: [u8; TOKEN_BYTES] = self.draw()?;
        let old = self.device(headers);
        let new: [u8; 32] = Sha256::digest(token).into();
        let kept = self.store.remember_device(old.as_ref(), &new, user, self.clock.now()).await;
        kept.map_err(crate::backend::stored)?;
        Ok(self.cookie(self.device_cookie_name(), to_hex(&token), DEVICE_LASTS))
    }

    fn draw<const N: usize>(&self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|error| {
            tracing::error!(%error, "no randomness for a session");
            problem::internal()
        })?;
        Ok(bytes)
    }

    /// Ends a session and gives the cookie that removes the browser's.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn close(&self, session: &Session) -> Result<HeaderValue, StoreError> {
        self.store.close_session(session.id, self.clock.now()).await?;
        Ok(self.cookie(self.cookie_name(), String::new(), Span::ZERO))
    }

    fn cookie(&self, name: &str, value: String, age: Span) -> HeaderValue {
        let seconds = age.as_millis() / 1_000;
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        // Hexadecimal digits and fixed attributes are always a valid header.
        HeaderValue::from_str(&cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Fresh randomness for a token or a code.
    ///
    /// # Errors
    /// A [`Problem`] when there is none.
    pub fn secret(&self) -> Result<[u8; 32], Problem> {
        let mut secret = [0_u8; 32];
        self.random.fill(&mut secret).map_err(|error| {
            tracing::error!(%error, "no randomness for a token");
            problem::internal()
        })?;
        Ok(secret)
    }

    /// A CSRF token of the session: a fresh mask and the masked secret.
    ///
    /// # Errors
    /// A [`Problem`] when there is no randomness.
    pub fn csrf_token(&self, session: &Session) -> Result<String, Problem> {
        let mut token = [0_u8; 64];
        self.random.fill(&mut token[..32]).map_err(|error| {
            tracing::error!(%error, "no randomness for a CSRF token");
            problem::internal()
        })?;
        for at in 0..32 {
            token[32 + at] = token[at] ^ session.csrf_secret[at];
        }
        Ok(to_hex(&token))
    }
}

/// Whether `token` was handed out for `session`. Takes the same time whatever is wrong.
///
/// # Errors
/// A [`Problem`] that says where the token belongs.
pub fn check_csrf(session: &Session, token: Option<&str>) -> Result<(), Problem> {
    let place = "as the header `x-csrf-token` or the form field `csrf`; GET /api/v1/session gives one";
    let Some(token) = token else {
        return Err(problem::csrf(&format!("Expected a CSRF token {place}, got none.")));
    };
    let bytes = from_hex(token).filter(|bytes| bytes.len() == 64);
    let difference = bytes.map(|bytes| {
        (0..32).fold(0_u8, |difference, at| difference | (bytes[at] ^ bytes[32 + at] ^ session.csrf_secret[at]))
    });
    if difference == Some(0) {
        Ok(())
    } else {
        Err(problem::csrf(&format!("The CSRF token is not one of this session: pass a current one {place}.")))
    }
}
