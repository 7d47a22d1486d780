//! Who is signed in: server-side sessions behind a cookie that scripts cannot read.
//!
//! The browser holds the only copy of the token; the store holds its hash. A CSRF token is masked anew each time it is
//! handed out, so that a compressed page gives nothing away about it.

use crate::clock::{SharedClock, SharedRandom};
use crate::http::problem;
use crate::keys::{from_hex, to_hex};
use axum::http::{HeaderMap, HeaderValue};
use axum_extra::extract::cookie::CookieJar;
use davy_api::{Problem, Role, Viewer};
use davy_domain::{SessionId, Span};
use davy_store::{Session, Store, StoreError, User};
use sha2::{Digest, Sha256};

const TOKEN_BYTES: usize = 32;
/// How exactly the last use of a session is noted.
const SEEN_RESOLUTION: Span = Span::from_minutes(1);

/// The sessions of everybody.
pub struct Sessions {
    store: Store,
    clock: SharedClock,
    random: SharedRandom,
    lifetime: Span,
    secure: bool,
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
    let (role, tenant, division, premises) = match user.role {
        davy_store::Role::Regulator { division } => (Role::Regulator, None, Some(division.0.to_string()), None),
        davy_store::Role::Operator { tenant } => (Role::Operator, Some(tenant), None, None),
        davy_store::Role::Resident { tenant, premises } => (Role::Resident, Some(tenant), None, Some(premises)),
    };
    Viewer { user: user.id, role, tenant, division, premises, name: user.name.clone() }
}

impl Sessions {
    /// Sessions of `lifetime`, whose cookie goes over HTTPS only when `secure`.
    pub fn new(store: Store, clock: SharedClock, random: SharedRandom, lifetime: Span, secure: bool) -> Self {
        Self { store, clock, random, lifetime, secure }
    }

    /// The cookie's name; the prefix makes browsers insist on HTTPS, on this host and on the whole path.
    pub const fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-davy" } else { "davy" }
    }

    fn token_hash(&self, headers: &HeaderMap) -> Option<[u8; 32]> {
        let jar = CookieJar::from_headers(headers);
        let token = from_hex(jar.get(self.cookie_name())?.value()).filter(|token| token.len() == TOKEN_BYTES)?;
        Some(Sha256::digest(token).into())
    }

    /// The signed-in person of a request, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn find(&self, headers: &HeaderMap) -> Result<Option<SignedIn>, StoreError> {
        let Some(hash) = self.token_hash(headers) else { return Ok(None) };
        let now = self.clock.now();
        let Some((session, user)) = self.store.session(&hash, now).await? else { return Ok(None) };
        self.store.touch_session(&session, now, SEEN_RESOLUTION).await?;
        Ok(Some(SignedIn { viewer: viewer(&user), locale: user.locale, session }))
    }

    /// Opens a session for a user whose password has just been proven, ends the one of the request if any (so that a
    /// planted cookie is worth nothing), and gives the new cookie.
    ///
    /// # Errors
    /// A [`Problem`] when there is no randomness or the database does not answer.
    pub async fn open(&self, user: &User, headers: &HeaderMap) -> Result<(SignedIn, HeaderValue), Problem> {
        let now = self.clock.now();
        let mut token = [0_u8; TOKEN_BYTES];
        let mut csrf_secret = [0_u8; 32];
        let mut id = [0_u8; 8];
        for buffer in [&mut token[..], &mut csrf_secret, &mut id] {
            self.random.fill(buffer).map_err(|error| {
                tracing::error!(%error, "no randomness for a session");
                problem::internal()
            })?;
        }
        let session = Session {
            id: SessionId::from_raw(i64::from_be_bytes(id) & i64::MAX),
            token_hash: Sha256::digest(token).into(),
            user: user.id,
            csrf_secret,
            created_at: now,
            expires_at: now + self.lifetime,
            last_seen_at: now,
        };
        if let Some(old) = self.find(headers).await.map_err(crate::backend::stored)? {
            self.store.close_session(old.session.id).await.map_err(crate::backend::stored)?;
        }
        self.store.open_session(&session).await.map_err(crate::backend::stored)?;
        let cookie = self.cookie(to_hex(&token), self.lifetime);
        Ok((SignedIn { viewer: viewer(user), locale: user.locale.clone(), session }, cookie))
    }

    /// Ends a session and gives the cookie that removes the browser's.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn close(&self, session: &Session) -> Result<HeaderValue, StoreError> {
        self.store.close_session(session.id).await?;
        Ok(self.cookie(String::new(), Span::ZERO))
    }

    fn cookie(&self, value: String, age: Span) -> HeaderValue {
        let (name, seconds) = (self.cookie_name(), age.as_millis() / 1_000);
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        // Hexadecimal digits and fixed attributes are always a valid header.
        HeaderValue::from_str(&cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
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
