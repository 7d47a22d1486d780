//! People who can sign in, and their sessions.

use crate::connection::{Store, execute, fetch_optional};
use crate::error::StoreError;
use davy_domain::ledger::Act;
use davy_domain::proof::SecondFactorPolicy;
use davy_domain::{
    CommunityId, PersonScope, PremisesId, Roles, ScopeKind, SessionId, Span, TenantId, Timestamp, UserId,
};

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
    /// Whose things they may meet.
    pub scope: PersonScope,
    /// What they do there.
    pub roles: Roles,
    /// When all their access ended, if it has.
    pub ended_at: Option<Timestamp>,
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
    /// When a second factor was last proven in it; none when none was.
    pub second_factor_at: Option<Timestamp>,
    /// Whether the second factor is still to come: it may do nothing else until then.
    pub waits_for_factor: bool,
    /// What the browser calls itself.
    pub agent: String,
    /// Where it was opened from.
    pub address: String,
}

/// A session with whose it is and what their company demands of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
    /// What their company demands of its staff.
    pub policy: SecondFactorPolicy,
}

#[derive(sqlx::FromRow)]
pub(crate) struct UserRow {
    user_id: i64,
    email: String,
    name: String,
    phone: Option<String>,
    password_hash: String,
    locale: String,
    scope: String,
    roles: String,
    tenant_id: Option<i64>,
    division_code: Option<i64>,
    community_id: Option<i64>,
    premises_id: Option<i64>,
    ended_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SessionRow {
    id: i64,
    session_user: i64,
    token_hash: Vec<u8>,
    csrf_secret: Vec<u8>,
    created_at: i64,
    expires_at: i64,
    last_seen_at: i64,
    second_factor_at: Option<i64>,
    waits_for_factor: i64,
    agent: String,
    address: String,
}

#[derive(sqlx::FromRow)]
struct OpenSessionRow {
    second_factor: Option<String>,
    #[sqlx(flatten)]
    session: SessionRow,
    #[sqlx(flatten)]
    user: UserRow,
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: SessionId::from_raw(row.id),
            token_hash: fixed("session token hash", row.token_hash)?,
            user: UserId::from_raw(row.session_user),
            csrf_secret: fixed("session csrf secret", row.csrf_secret)?,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            last_seen_at: Timestamp::from_millis(row.last_seen_at),
            second_factor_at: row.second_factor_at.map(Timestamp::from_millis),
            waits_for_factor: row.waits_for_factor != 0,
            agent: row.agent,
            address: row.address,
        })
    }
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let corrupt = |expected: String| StoreError::corrupt(format!("user {}", row.user_id), expected);
        let tenant = row.tenant_id.map(TenantId::from_raw);
        let scope = ScopeKind::ALL.into_iter().find(|kind| kind.name() == row.scope);
        let scope = match (scope, tenant, row.division_code, row.community_id, row.premises_id) {
            (Some(ScopeKind::Platform), ..) => PersonScope::Platform,
            (Some(ScopeKind::Jurisdiction), _, Some(division), ..) => PersonScope::Jurisdiction { division },
            (Some(ScopeKind::Tenant), Some(tenant), ..) => PersonScope::Tenant { tenant },
            (Some(ScopeKind::Community), Some(tenant), _, Some(community), _) => {
                PersonScope::Community { tenant, community: CommunityId::from_raw(community) }
            }
            (Some(ScopeKind::Premises), Some(tenant), .., Some(premises)) => {
                PersonScope::Premises { tenant, premises: PremisesId::from_raw(premises) }
            }
            _ => return Err(corrupt(format!("expected a scope with what belongs to it, got `{}`", row.scope))),
        };
        let roles: Roles = row.roles.parse().map_err(|error: davy_domain::RoleError| corrupt(error.to_string()))?;
        if !roles.fit(scope.kind()) {
            return Err(corrupt(format!("expected roles of the scope `{}`, got `{}`", row.scope, row.roles)));
        }
        Ok(Self {
            id: UserId::from_raw(row.user_id),
            email: row.email,
            name: row.name,
            phone: row.phone,
            password_hash: row.password_hash,
            locale: row.locale,
            scope,
            roles,
            ended_at: row.ended_at.map(Timestamp::from_millis),
        })
    }
}

pub(crate) fn fixed<const N: usize>(what: &str, bytes: Vec<u8>) -> Result<[u8; N], StoreError> {
    let got = bytes.len();
    bytes.try_into().map_err(|_| StoreError::corrupt(what, format!("expected {N} bytes, got {got}")))
}

/// The columns of a [`UserRow`]; people are `u`.
macro_rules! user_columns {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            "u.id AS user_id, u.email, u.name, u.phone, u.password_hash, u.locale, u.scope, u.roles, u.tenant_id, u.division_code, \
             u.community_id, u.premises_id, u.ended_at",
            $tail
        )
    };
}

pub(crate) use user_columns;

impl Store {
    /// The person who signs in with this address, in whatever case it is written; nobody whose access has ended.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            UserRow,
            user_columns!("SELECT ", " FROM users u WHERE u.email = $1 AND u.ended_at IS NULL"),
            email.trim().to_lowercase(),
        )?;
        row.map(User::try_from).transpose()
    }

    /// A person by id, also one whose access has ended.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            UserRow,
            user_columns!("SELECT ", " FROM users u WHERE u.id = $1"),
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
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO sessions (id, token_hash, user_id, csrf_secret, created_at, expires_at, last_seen_at, \
             second_factor_at, waits_for_factor, agent, address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            session.id.raw(),
            &session.token_hash[..],
            session.user.raw(),
            &session.csrf_secret[..],
            session.created_at.as_millis(),
            session.expires_at.as_millis(),
            session.last_seen_at.as_millis(),
            session.second_factor_at.map(Timestamp::as_millis),
            i64::from(session.waits_for_factor),
            &session.agent,
            &session.address,
        )?;
        // Whose second factor is still to come has not signed in yet.
        if !session.waits_for_factor {
            let act = Act::SignedIn { session: session.id };
            self.enter_of(&mut tx, session.user, session.created_at, &act).await?;
        }
        tx.commit().await
    }

    /// The session of a token's hash with its user, unless it has expired at `now` or was last used before `idle_since`.
    pub async fn session(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<Option<OpenSession>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            OpenSessionRow,
            user_columns!(
                "SELECT s.id, s.user_id AS session_user, s.token_hash, s.csrf_secret, s.created_at, s.expires_at, s.last_seen_at, \
                 s.second_factor_at, s.waits_for_factor, s.agent, s.address, \
                 (SELECT t.second_factor FROM tenants t WHERE t.id = u.tenant_id) AS second_factor, ",
                " FROM sessions s JOIN users u ON u.id = s.user_id \
                 WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3 AND u.ended_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM tenants x WHERE x.id = u.tenant_id AND x.suspended_at IS NOT NULL)"
            ),
            &token_hash[..],
            now.as_millis(),
            idle_since.as_millis(),
        )?;
        let Some(row) = row else { return Ok(None) };
        let policy = match row.second_factor.as_deref() {
            None => SecondFactorPolicy::default(),
            Some(name) => SecondFactorPolicy::named(name).ok_or_else(|| {
                let expected = SecondFactorPolicy::ALL.map(SecondFactorPolicy::name).join(", ");
                StoreError::corrupt("a company's second factor", format!("expected one of {expected}, got `{name}`"))
            })?,
        };
        Ok(Some(OpenSession { session: row.session.try_into()?, user: row.user.try_into()?, policy }))
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

    /// Ends a session by its own person's will.
    pub async fn close_session(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let whose = fetch_optional!(
            tx.on(),
            (i64, i64),
            "DELETE FROM sessions WHERE id = $1 RETURNING user_id, waits_for_factor",
            id.raw()
        )?;
        if let Some((user, 0)) = whose {
            let act = Act::SignedOut { session: id };
            self.enter_of(&mut tx, UserId::from_raw(user), at, &act).await?;
        }
        tx.commit().await
    }

    /// Removes the sessions that have expired at `now` or were last used before `idle_since`, and says how many.
    pub async fn remove_expired_sessions(&self, now: Timestamp, idle_since: Timestamp) -> Result<u64, StoreError> {
        execute!(
            self.writer(),
            "DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2",
            now.as_millis(),
            idle_since.as_millis()
        )
    }
}
