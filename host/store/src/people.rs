//! People who can sign in, and their sessions.

use crate::connection::{Store, execute, fetch_optional};
use crate::error::StoreError;
use crate::places::DivisionCode;
use davy_domain::{PremisesId, SessionId, Span, TenantId, Timestamp, UserId};

/// What a person is to the platform, with exactly the scope that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Supervises a division and everything below, across tenants.
    Regulator {
        /// The top of what they see.
        division: DivisionCode,
    },
    /// Works for a gas company.
    Operator {
        /// The company.
        tenant: TenantId,
    },
    /// Lives at, or runs, a place where gas is used.
    Resident {
        /// The company that supplies it.
        tenant: TenantId,
        /// The place.
        premises: PremisesId,
    },
}

impl Role {
    /// The stable name, as stored and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regulator { .. } => "regulator",
            Self::Operator { .. } => "operator",
            Self::Resident { .. } => "resident",
        }
    }
}

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, the name they sign in with; kept in lower case, unique.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their telephone number.
    pub phone: Option<String>,
    /// The argon2id hash in PHC form.
    pub password_hash: String,
    /// Their language: a BCP 47 tag such as `zh-CN`.
    pub locale: String,
    /// What they may see and do.
    pub role: Role,
}

/// A signed-in session. The token itself is known to the browser alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// SHA-256 of the token in the cookie.
    pub token_hash: [u8; 32],
    /// Whose it is.
    pub user: UserId,
    /// What the session's CSRF tokens are made from.
    pub csrf_secret: [u8; 32],
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// When it was last used, to within the caller's resolution.
    pub last_seen_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct UserRow {
    user_id: i64,
    email: String,
    name: String,
    phone: Option<String>,
    password_hash: String,
    locale: String,
    role: String,
    tenant_id: Option<i64>,
    division_code: Option<i64>,
    premises_id: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: i64,
    token_hash: Vec<u8>,
    csrf_secret: Vec<u8>,
    created_at: i64,
    expires_at: i64,
    last_seen_at: i64,
    #[sqlx(flatten)]
    user: UserRow,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let tenant = row.tenant_id.map(TenantId::from_raw);
        let role = match (row.role.as_str(), tenant, row.division_code, row.premises_id) {
            ("regulator", None, Some(division), None) => Role::Regulator { division: DivisionCode(division) },
            ("operator", Some(tenant), None, None) => Role::Operator { tenant },
            ("resident", Some(tenant), None, Some(premises)) => {
                Role::Resident { tenant, premises: PremisesId::from_raw(premises) }
            }
            (role, ..) => {
                return Err(StoreError::corrupt(
                    format!("user {}", row.user_id),
                    format!("expected a role with exactly its scope, got `{role}`"),
                ));
            }
        };
        Ok(Self {
            id: UserId::from_raw(row.user_id),
            email: row.email,
            name: row.name,
            phone: row.phone,
            password_hash: row.password_hash,
            locale: row.locale,
            role,
        })
    }
}

fn fixed<const N: usize>(what: &str, bytes: Vec<u8>) -> Result<[u8; N], StoreError> {
    let got = bytes.len();
    bytes.try_into().map_err(|_| StoreError::corrupt(what, format!("expected {N} bytes, got {got}")))
}

impl Store {
    /// The person who signs in with this address, in whatever case it is written.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            UserRow,
            "SELECT id AS user_id, email, name, phone, password_hash, locale, role, tenant_id, division_code, premises_id \
             FROM users WHERE email = $1",
            email.trim().to_lowercase(),
        )?;
        row.map(User::try_from).transpose()
    }

    /// A person by id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            UserRow,
            "SELECT id AS user_id, email, name, phone, password_hash, locale, role, tenant_id, division_code, premises_id \
             FROM users WHERE id = $1",
            id.raw(),
        )?;
        row.map(User::try_from).transpose()
    }

    /// Notes the language that a person chose (a BCP 47 tag).
    pub async fn set_locale(&self, user: UserId, locale: &str) -> Result<(), StoreError> {
        execute!(self.writer(), "UPDATE users SET locale = $2 WHERE id = $1", user.raw(), locale)?;
        Ok(())
    }

    /// Replaces a person's password hash (PHC form).
    pub async fn set_password_hash(&self, user: UserId, password_hash: &str) -> Result<(), StoreError> {
        execute!(self.writer(), "UPDATE users SET password_hash = $2 WHERE id = $1", user.raw(), password_hash)?;
        Ok(())
    }

    /// Opens a session.
    pub async fn open_session(&self, session: &Session) -> Result<(), StoreError> {
        execute!(
            self.writer(),
            "INSERT INTO sessions (id, token_hash, user_id, csrf_secret, created_at, expires_at, last_seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            session.id.raw(),
            &session.token_hash[..],
            session.user.raw(),
            &session.csrf_secret[..],
            session.created_at.as_millis(),
            session.expires_at.as_millis(),
            session.last_seen_at.as_millis(),
        )?;
        Ok(())
    }

    /// The session of a token's hash with its user, unless it has expired at `now`.
    pub async fn session(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<(Session, User)>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            SessionRow,
            "SELECT s.id, s.token_hash, s.csrf_secret, s.created_at, s.expires_at, s.last_seen_at, u.id AS user_id, u.email, \
             u.name, u.phone, u.password_hash, u.locale, u.role, u.tenant_id, u.division_code, u.premises_id \
             FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1 AND s.expires_at > $2",
            &token_hash[..],
            now.as_millis(),
        )?;
        let Some(row) = row else { return Ok(None) };
        let user = User::try_from(row.user)?;
        let session = Session {
            id: SessionId::from_raw(row.id),
            token_hash: fixed("session token hash", row.token_hash)?,
            user: user.id,
            csrf_secret: fixed("session csrf secret", row.csrf_secret)?,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            last_seen_at: Timestamp::from_millis(row.last_seen_at),
        };
        Ok(Some((session, user)))
    }

    /// Notes that a session was used, unless that was noted less than `resolution` ago: most requests write nothing.
    pub async fn touch_session(&self, session: &Session, now: Timestamp, resolution: Span) -> Result<(), StoreError> {
        if now.since(session.last_seen_at) >= resolution {
            execute!(
                self.writer(),
                "UPDATE sessions SET last_seen_at = $2 WHERE id = $1",
                session.id.raw(),
                now.as_millis()
            )?;
        }
        Ok(())
    }

    /// Ends a session.
    pub async fn close_session(&self, id: SessionId) -> Result<(), StoreError> {
        execute!(self.writer(), "DELETE FROM sessions WHERE id = $1", id.raw())?;
        Ok(())
    }

    /// Removes the sessions that have expired at `now`, and says how many.
    pub async fn remove_expired_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        execute!(self.writer(), "DELETE FROM sessions WHERE expires_at <= $1", now.as_millis())
    }
}
