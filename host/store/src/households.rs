//! Who lives at a premises, who is invited, and the end of a household; and the people of a company.
//!
//! A person is never deleted, because what they did stays; their access ends, and their address is free for somebody else.

use crate::connection::{Store, Tx, execute, fetch_all, fetch_optional};
use crate::error::StoreError;
use crate::ledger::enter_in;
use crate::people::{User, UserRow, user_columns};
use crate::provision::insert_users;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::{InvitationId, PremisesId, Roles, TenantId, Timestamp, UserId};

/// A way into a household. The code itself is known to who was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The company that supplies the premises.
    pub tenant: TenantId,
    /// Where to.
    pub premises: PremisesId,
    /// Who invited.
    pub invited_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct InvitationRow {
    id: i64,
    tenant_id: i64,
    premises_id: i64,
    invited_by: i64,
    created_at: i64,
    expires_at: i64,
}

impl From<InvitationRow> for Invitation {
    fn from(row: InvitationRow) -> Self {
        Self {
            id: InvitationId::from_raw(row.id),
            tenant: TenantId::from_raw(row.tenant_id),
            premises: PremisesId::from_raw(row.premises_id),
            invited_by: UserId::from_raw(row.invited_by),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
        }
    }
}

async fn insert(tx: &mut Tx, new: &Invitation, code_hash: &[u8; 32]) -> Result<(), StoreError> {
    execute!(
        tx.on(),
        "INSERT INTO invitations (id, tenant_id, premises_id, code_hash, invited_by, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new.id.raw(),
        new.tenant.raw(),
        new.premises.raw(),
        &code_hash[..],
        new.invited_by.raw(),
        new.created_at.as_millis(),
        new.expires_at.as_millis(),
    )?;
    Ok(())
}

/// Ends somebody's access: sessions, tokens, and the address they signed in with.
async fn end(tx: &mut Tx, tenant: TenantId, user: i64, now: Timestamp) -> Result<(), StoreError> {
    execute!(tx.on(), "DELETE FROM sessions WHERE user_id = $1", user)?;
    execute!(
        tx.on(),
        "UPDATE api_tokens SET revoked_at = $2 WHERE user_id = $1 AND tenant_id = $3 AND revoked_at IS NULL",
        user,
        now.as_millis(),
        tenant.raw(),
    )?;
    execute!(
        tx.on(),
        "UPDATE users SET ended_at = $2, email = $3 WHERE id = $1 AND tenant_id = $4",
        user,
        now.as_millis(),
        format!("ended-{user}"),
        tenant.raw(),
    )?;
    Ok(())
}

impl Store {
    /// Who lives at a premises, by id.
    pub async fn household(&self, premises: PremisesId) -> Result<Vec<User>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            UserRow,
            user_columns!("SELECT ", " FROM users u WHERE u.premises_id = $1 AND u.ended_at IS NULL ORDER BY u.id"),
            premises.raw(),
        )?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// Stores an invitation under its code's hash.
    pub async fn invite(&self, new: &Invitation, code_hash: &[u8; 32]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        insert(&mut tx, new, code_hash).await?;
        let act = Act::Invited { invitation: new.id, premises: new.premises };
        enter_in(&mut tx, Chain::Tenant(new.tenant), new.created_at, Actor::Person { by: new.invited_by }, &act)
            .await?;
        tx.commit().await
    }

    /// The invitations to a premises that are good at `now`, by id.
    pub async fn invitations(&self, premises: PremisesId, now: Timestamp) -> Result<Vec<Invitation>, StoreError> {
        let rows = fetch_all!(
            self.reader(),
            InvitationRow,
            "SELECT id, tenant_id, premises_id, invited_by, created_at, expires_at FROM invitations WHERE premises_id = $1 \
             AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2 ORDER BY id",
            premises.raw(),
            now.as_millis(),
        )?;
        Ok(rows.into_iter().map(Invitation::from).collect())
    }

    /// Takes an invitation back. Says whether it was one of the premises' that was still good.
    pub async fn withdraw_invitation(
        &self,
        premises: PremisesId,
        id: InvitationId,
        now: Timestamp,
        by: UserId,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = execute!(
            tx.on(),
            "UPDATE invitations SET withdrawn_at = $3 WHERE id = $1 AND premises_id = $2 AND accepted_at IS NULL \
             AND withdrawn_at IS NULL",
            id.raw(),
            premises.raw(),
            now.as_millis(),
        )?;
        if done > 0 {
            self.enter_of(&mut tx, by, now, &Act::InvitationWithdrawn { invitation: id }).await?;
        }
        tx.commit().await?;
        Ok(done > 0)
    }

    /// The invitation of a code's hash, if it is good at `now`.
    pub async fn invitation(&self, code_hash: &[u8; 32], now: Timestamp) -> Result<Option<Invitation>, StoreError> {
        let row = fetch_optional!(
            self.reader(),
            InvitationRow,
            "SELECT id, tenant_id, premises_id, invited_by, created_at, expires_at FROM invitations WHERE code_hash = $1 \
             AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2",
            &code_hash[..],
            now.as_millis(),
        )?;
        Ok(row.map(Invitation::from))
    }

    /// Enters who was invited, and uses the invitation up. Says whether it was still good; otherwise nothing is stored.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the e-mail address is taken.
    pub async fn accept_invitation(&self, id: InvitationId, user: &User, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        insert_users(&mut tx, std::slice::from_ref(user)).await?;
        let used = execute!(
            tx.on(),
            "UPDATE invitations SET accepted_at = $2, accepted_by = $3 WHERE id = $1 AND accepted_at IS NULL \
             AND withdrawn_at IS NULL AND expires_at > $2",
            id.raw(),
            now.as_millis(),
            user.id.raw(),
        )?;
        if used == 1 {
            let act = Act::HouseholdJoined { invitation: id, person: user.id };
            self.enter_of(&mut tx, user.id, now, &act).await?;
            tx.commit().await?;
        }
        Ok(used == 1)
    }

    /// Ends a household: everybody's access to the premises at once, every invitation, with one for who comes next.
    pub async fn hand_over(
        &self,
        premises: PremisesId,
        next: &Invitation,
        code_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let members = fetch_all!(
            tx.on(),
            (i64, i64),
            "SELECT id, tenant_id FROM users WHERE premises_id = $1 AND ended_at IS NULL",
            premises.raw()
        )?;
        for (member, tenant) in members {
            end(&mut tx, TenantId::from_raw(tenant), member, now).await?;
        }
        execute!(
            tx.on(),
            "UPDATE invitations SET withdrawn_at = $2 WHERE premises_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL",
            premises.raw(),
            now.as_millis(),
        )?;
        insert(&mut tx, next, code_hash).await?;
        let act = Act::HouseholdEnded { premises, next: next.id };
        enter_in(&mut tx, Chain::Tenant(next.tenant), now, Actor::Person { by: next.invited_by }, &act).await?;
        tx.commit().await
    }
}

impl TenantStore {
    /// The company's people and its property managers, by id; not who lives in its premises.
    pub async fn people(&self) -> Result<Vec<User>, StoreError> {
        let rows = fetch_all!(
            self.platform().reader(),
            UserRow,
            user_columns!(
                "SELECT ",
                " FROM users u WHERE u.tenant_id = $1 AND u.scope IN ('tenant', 'community') AND u.ended_at IS NULL ORDER BY u.id"
            ),
            self.id().raw(),
        )?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// One of [`TenantStore::people`].
    pub async fn person(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = fetch_optional!(
            self.platform().reader(),
            UserRow,
            user_columns!(
                "SELECT ",
                " FROM users u WHERE u.tenant_id = $1 AND u.id = $2 AND u.scope IN ('tenant', 'community') AND u.ended_at IS NULL"
            ),
            self.id().raw(),
            id.raw(),
        )?;
        row.map(User::try_from).transpose()
    }

    /// Gives one of the company's people other roles and ends their sessions: what they do next they do as what they are now.
    pub async fn set_roles(&self, id: UserId, roles: Roles, now: Timestamp, by: UserId) -> Result<(), StoreError> {
        let mut tx = self.platform().begin().await?;
        let changed = execute!(
            tx.on(),
            "UPDATE users SET roles = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL",
            self.id().raw(),
            id.raw(),
            roles.to_string(),
        )?;
        execute!(tx.on(), "DELETE FROM sessions WHERE user_id = $1", id.raw())?;
        if changed > 0 {
            let act = Act::RolesChanged { person: id, roles: roles.to_string() };
            self.enter(&mut tx, now, Actor::Person { by }, &act).await?;
        }
        tx.commit().await
    }

    /// Ends the access of one of the company's people.
    pub async fn end_access(&self, id: UserId, now: Timestamp, by: UserId) -> Result<(), StoreError> {
        let mut tx = self.platform().begin().await?;
        let own = fetch_optional!(
            tx.on(),
            (i64,),
            "SELECT id FROM users WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL",
            self.id().raw(),
            id.raw(),
        )?;
        if let Some((user,)) = own {
            end(&mut tx, self.id(), user, now).await?;
            self.enter(&mut tx, now, Actor::Person { by }, &Act::AccessEnded { person: id }).await?;
        }
        tx.commit().await
    }
}
