//! Tokens of machines: only their hashes, with what each may do and until when.

use crate::connection::{Store, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::people::{User, UserRow, user_columns};
use davy_domain::ledger::Act;
use davy_domain::{Span, TenantId, Timestamp, TokenId, UserId};

/// A token. The token itself is known to its machine alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// The company of its maker, if of one.
    pub tenant: Option<TenantId>,
    /// Who made it: it never may do more than they.
    pub user: UserId,
    /// What it is for, in its maker's words.
    pub name: String,
    /// Codes of permissions.
    pub deeds: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// When it was last used, to within the caller's resolution.
    pub last_used_at: Option<Timestamp>,
    /// When somebody ended it.
    pub revoked_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: i64,
    token_tenant: Option<i64>,
    maker: i64,
    token_name: String,
    deeds: String,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct UsedRow {
    #[sqlx(flatten)]
    token: TokenRow,
    #[sqlx(flatten)]
    user: UserRow,
}

/// The columns of a [`TokenRow`]; tokens are `t`.
macro_rules! token_columns {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            "t.id, t.tenant_id AS token_tenant, t.user_id AS maker, t.name AS token_name, t.deeds, t.created_at, t.expires_at, \
             t.last_used_at, t.revoked_at",
            $tail
        )
    };
}

impl From<TokenRow> for ApiToken {
    fn from(row: TokenRow) -> Self {
        Self {
            id: TokenId::from_raw(row.id),
            tenant: row.token_tenant.map(TenantId::from_raw),
            user: UserId::from_raw(row.maker),
            name: row.token_name,
            deeds: row.deeds.split_ascii_whitespace().map(ToOwned::to_owned).collect(),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        }
    }
}

impl Store {
    /// Stores a token under its hash.
    pub async fn add_token(&self, token: &ApiToken, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO api_tokens (id, tenant_id, user_id, name, token_hash, deeds, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            token.id.raw(),
            token.tenant.map(TenantId::raw),
            token.user.raw(),
            &token.name,
            &token_hash[..],
            token.deeds.join(" "),
            token.created_at.as_millis(),
            token.expires_at.as_millis(),
        )?;
        let act = Act::TokenMade { token: token.id, deeds: token.deeds.join(" ") };
        self.enter_of(&mut tx, token.user, token.created_at, &act).await?;
        tx.commit().await
    }

    /// The token of a hash with its maker, unless it has ended at `now`, or its maker's access has.
    pub async fn token(&self, hash: &[u8; 32], now: Timestamp) -> Result<Option<(ApiToken, User)>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            UsedRow,
            user_columns!(
                "SELECT t.id, t.tenant_id AS token_tenant, t.user_id AS maker, t.name AS token_name, t.deeds, t.created_at, \
                 t.expires_at, t.last_used_at, t.revoked_at, ",
                " FROM api_tokens t JOIN users u ON u.id = t.user_id \
                 WHERE t.token_hash = $1 AND t.expires_at > $2 AND t.revoked_at IS NULL AND u.ended_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM tenants x WHERE x.id = u.tenant_id AND x.suspended_at IS NOT NULL)"
            ),
            &hash[..],
            now.as_millis(),
        )?;
        row.map(|row| Ok((ApiToken::from(row.token), User::try_from(row.user)?))).transpose()
    }

    /// Notes that a token was used, unless that was noted less than `resolution` ago.
    pub async fn touch_token(&self, token: &ApiToken, now: Timestamp, resolution: Span) -> Result<(), StoreError> {
        if token.last_used_at.is_none_or(|at| now.since(at) >= resolution) {
            execute!(
                self.writer(),
                "UPDATE api_tokens SET last_used_at = $2 WHERE id = $1",
                token.id.raw(),
                now.as_millis()
            )?;
        }
        Ok(())
    }

    /// The tokens of one person, or of everybody of a company, newest first; also those that have ended.
    pub async fn tokens(&self, of: UserId, company: Option<TenantId>) -> Result<Vec<ApiToken>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            TokenRow,
            token_columns!(
                "SELECT ",
                " FROM api_tokens t WHERE t.user_id = $1 OR ($2 <> 0 AND t.tenant_id = $2) ORDER BY t.id DESC LIMIT 500"
            ),
            of.raw(),
            company.map_or(0, TenantId::raw),
        )?;
        Ok(rows.into_iter().map(ApiToken::from).collect())
    }

    /// Ends a token for good.
    pub async fn revoke_token(&self, id: TokenId, now: Timestamp, by: UserId) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let ended = execute!(
            tx.on(),
            "UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
            id.raw(),
            now.as_millis()
        )?;
        if ended > 0 {
            self.enter_of(&mut tx, by, now, &Act::TokenEnded { token: id }).await?;
        }
        tx.commit().await
    }
}
