//! The company's people, and the tokens of their machines. Whoever changes roles changes those of others: nobody their own.

use super::{Service, stored};
use crate::http::problem::invalid;
use crate::roles::{Deed, codes};
use davy_api::{
    CommunityItem, MadeToken, NewPerson, NewToken, People, PersonItem, Problem, RolesChange, TokenItem, Tokens, Viewer,
};
use davy_domain::{PersonScope, Role, Roles, ScopeKind, Span, TenantId, TokenId, UserId};
use davy_store::{ApiToken, Provision, StoreError, TenantStore, User};

/// Tokens of one person that are good at once.
const MOST_TOKENS: usize = 50;

/// Refuses what only a person may do, and no machine in their name.
pub(super) fn in_person(viewer: &Viewer) -> Result<(), Problem> {
    if viewer.only.is_none() { Ok(()) } else { Err(Problem::forbidden("do this with a token: sign in as a person")) }
}

pub(super) fn refused(reason: &str, words: &str) -> Problem {
    Problem::new("refused", 409, "Refused", words).with_reason(reason)
}

/// A name and an address that can be.
pub(super) fn check_person(name: &str, email: &str) -> Result<(), Problem> {
    if !(1..=100).contains(&name.trim().chars().count()) || name.chars().any(char::is_control) {
        return Err(invalid("name", "expected 1 to 100 characters, and no line breaks"));
    }
    let email = email.trim();
    if !email.contains('@') || email.len() > 254 || email.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid("email", "expected an e-mail address of at most 254 bytes"));
    }
    Ok(())
}

/// Somebody else has the address already.
pub(super) fn entered(error: StoreError) -> Problem {
    match error {
        StoreError::Duplicate { .. } => refused("address-taken", "Somebody has this e-mail address already."),
        error => stored(error),
    }
}

impl Service {
    pub(super) fn person_item(&self, user: &User) -> PersonItem {
        let landscape = self.landscape();
        PersonItem {
            id: user.id,
            name: user.name.clone(),
            email: user.email.clone(),
            scope: user.scope.kind(),
            roles: user.roles,
            community_name: user.scope.community().map(|community| landscape.community_name(community).to_string()),
        }
    }

    pub(super) async fn communities_of(&self, rows: &TenantStore) -> Result<Vec<CommunityItem>, Problem> {
        let communities = rows.communities().await.map_err(stored)?;
        Ok(communities.into_iter().map(|it| CommunityItem { id: it.id, name: it.name }).collect())
    }

    pub(super) async fn people_of(&self, viewer: &Viewer) -> Result<People, Problem> {
        let rows = self.rows(viewer, Deed::SeePeople)?;
        let people = rows.people().await.map_err(stored)?;
        // Who changes nothing needs nobody's whole address.
        let whole = Deed::ChangePeople.allowed_to(viewer);
        let item =
            |user: &User| PersonItem { email: super::personal::shown(user, whole).email, ..self.person_item(user) };
        Ok(People {
            items: people.iter().map(item).collect(),
            communities: self.communities_of(&rows).await?,
            second_factor: rows.second_factor_policy().await.map_err(stored)?,
        })
    }

    /// Enters somebody who works for the company or looks after one of its communities.
    ///
    /// # Errors
    /// A [`Problem`] naming the field.
    pub async fn add_person(
        &self,
        viewer: &Viewer,
        new: NewPerson,
        password_hash: String,
    ) -> Result<PersonItem, Problem> {
        let rows = self.rows(viewer, Deed::ChangePeople)?;
        check_person(&new.name, &new.email)?;
        let roles: Roles = new.roles.iter().copied().collect();
        let tenant = rows.id();
        let scope = match (new.community, roles.fit(ScopeKind::Tenant), roles.fit(ScopeKind::Community)) {
            (None, true, _) => PersonScope::Tenant { tenant },
            (Some(community), _, true) => {
                let own = rows.communities().await.map_err(stored)?;
                if !own.iter().any(|it| it.id == community) {
                    return Err(Problem::not_found("community"));
                }
                PersonScope::Community { tenant, community }
            }
            _ => {
                let words = "expected roles of the company, or `property-manager` with a `community`";
                return Err(invalid("roles", words));
            }
        };
        let user = User {
            id: UserId::from_raw(self.rules.next_id(self.now())),
            email: new.email.trim().to_lowercase(),
            name: new.name.trim().to_owned(),
            phone: None,
            password_hash,
            locale: "zh-CN".to_owned(),
            scope,
            roles,
            ended_at: None,
        };
        let users = vec![user.clone()];
        self.store.provision(&Provision { users, ..Provision::default() }).await.map_err(entered)?;
        tracing::info!(user.id = %viewer.user, person = %user.id, roles = %roles, "a person was entered");
        Ok(self.person_item(&user))
    }

    /// Gives somebody other roles; their sessions end.
    ///
    /// # Errors
    /// A [`Problem`]; also for one's own roles, and for taking the last administrator's.
    pub async fn change_roles(&self, viewer: &Viewer, id: UserId, change: &RolesChange) -> Result<PersonItem, Problem> {
        let rows = self.rows_for(viewer, Deed::ChangePeople, id).await?;
        let person = self.other_person(viewer, &rows, id).await?;
        let roles: Roles = change.roles.iter().copied().collect();
        if !roles.fit(person.scope.kind()) {
            let words = format!("expected at least one role, all of them of a {}", person.scope.kind().name());
            return Err(invalid("roles", words));
        }
        rows.set_roles(id, roles, self.now(), viewer.user).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, person = %id, roles = %roles, "a person's roles were changed");
        Ok(self.person_item(&User { roles, ..person }))
    }

    /// Ends somebody's access: sessions, tokens, everything.
    ///
    /// # Errors
    /// A [`Problem`]; also for one's own.
    pub async fn end_access(&self, viewer: &Viewer, id: UserId) -> Result<(), Problem> {
        let rows = self.rows_for(viewer, Deed::ChangePeople, id).await?;
        self.other_person(viewer, &rows, id).await?;
        rows.end_access(id, self.now(), viewer.user).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, person = %id, "a person's access was ended");
        Ok(())
    }

    /// Since nobody changes their own roles, who changes others stays an administrator: there always is one.
    async fn other_person(&self, viewer: &Viewer, rows: &TenantStore, id: UserId) -> Result<User, Problem> {
        if id == viewer.user {
            return Err(refused("own-roles", "Nobody changes their own access: another administrator does."));
        }
        rows.person(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("person"))
    }

    /// The company whose tokens the viewer may end, beside their own.
    pub(super) fn company_of_tokens(viewer: &Viewer) -> Option<TenantId> {
        match viewer.scope {
            PersonScope::Tenant { tenant } if Deed::ChangePeople.allowed_to(viewer) => Some(tenant),
            _ => None,
        }
    }

    pub(super) async fn tokens_of(&self, viewer: &Viewer) -> Result<Tokens, Problem> {
        crate::roles::require(viewer, Deed::UseTokens)?;
        let tokens = self.store.tokens(viewer.user, Self::company_of_tokens(viewer)).await.map_err(stored)?;
        Ok(Tokens { items: tokens.iter().map(|token| self.token_item(token)).collect(), may: codes(viewer) })
    }

    fn token_item(&self, token: &ApiToken) -> TokenItem {
        TokenItem {
            id: token.id,
            by: token.user,
            name: token.name.clone(),
            deeds: token.deeds.clone(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            good: token.revoked_at.is_none() && token.expires_at > self.now(),
        }
    }

    /// Makes a token out of a fresh secret, of which only the hash is stored.
    ///
    /// # Errors
    /// A [`Problem`]; also for a permission that its maker does not have.
    pub async fn make_token(
        &self,
        viewer: &Viewer,
        new: NewToken,
        secret: String,
        hash: [u8; 32],
    ) -> Result<MadeToken, Problem> {
        crate::roles::require(viewer, Deed::UseTokens)?;
        in_person(viewer)?;
        if !(1..=100).contains(&new.name.trim().chars().count()) {
            return Err(invalid("name", "expected 1 to 100 characters"));
        }
        if !(1..=366).contains(&new.days) {
            return Err(invalid("days", format!("expected 1 to 366, got {}", new.days)));
        }
        let own = codes(viewer);
        if new.deeds.is_empty() {
            return Err(invalid("deeds", "expected at least one permission"));
        }
        if let Some(other) = new.deeds.iter().find(|code| !own.contains(code)) {
            let shown: String = other.chars().take(40).collect();
            return Err(invalid("deeds", format!("expected permissions of your own, got `{shown}`")));
        }
        // A machine has no second factor: it is given only what its maker may do at this moment.
        for deed in new.deeds.iter().filter_map(|code| Deed::from_code(code)) {
            crate::step_up::require(viewer, deed)?;
        }
        let now = self.now();
        let there = self.store.tokens(viewer.user, None).await.map_err(stored)?;
        if there.iter().filter(|token| self.token_item(token).good).count() >= MOST_TOKENS {
            return Err(refused("full", "You have as many tokens as one person may: end one first."));
        }
        let mut deeds = new.deeds;
        deeds.sort_unstable();
        deeds.dedup();
        let token = ApiToken {
            id: TokenId::from_raw(self.rules.next_id(now)),
            tenant: viewer.tenant(),
            user: viewer.user,
            name: new.name.trim().to_owned(),
            deeds,
            created_at: now,
            expires_at: now + Span::from_days(i64::from(new.days)),
            last_used_at: None,
            revoked_at: None,
        };
        self.store.add_token(&token, &hash).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, token.id = %token.id, "a token was made");
        Ok(MadeToken { token: self.token_item(&token), secret })
    }

    /// Ends a token: one's own, or as an administrator any of the company.
    ///
    /// # Errors
    /// A [`Problem`] when there is none that the viewer may end.
    pub async fn revoke_token(&self, viewer: &Viewer, id: TokenId) -> Result<(), Problem> {
        self.authorise(viewer, Deed::UseTokens, id).await?;
        self.store.revoke_token(id, self.now(), viewer.user).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, token.id = %id, "a token was ended");
        Ok(())
    }
}

/// Whether these roles may ask for the act of a request: looked at again when it is decided.
pub(super) fn still_may(user: &User, tenant: TenantId, deed: Deed) -> bool {
    user.ended_at.is_none()
        && user.scope == PersonScope::Tenant { tenant }
        && user.roles.iter().any(|role: Role| deed.allowed(role))
}
