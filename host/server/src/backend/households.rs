//! Who lives at a premises: inviting, joining, and handing over when moving out. What happened there stays with the premises.

use super::people::{check_person, entered, in_person, refused};
use super::{Service, stored};
use crate::roles::{Deed, require};
use davy_api::{Household, InvitationItem, Invited, Joining, Problem, Viewer};
use davy_domain::{InvitationId, PersonScope, PremisesId, Role, Roles, Span, TenantId, UserId};
use davy_store::{Invitation, User};

/// How long an invitation to a household is good.
const INVITED_FOR: Span = Span::from_days(7);
/// How long who comes next has.
const NEXT_WITHIN: Span = Span::from_days(60);
/// Invitations of a premises that are good at once.
const MOST_INVITATIONS: usize = 10;
/// People of one household.
const MOST_MEMBERS: usize = 20;

/// A fresh code, and what is stored of it.
pub struct Code {
    /// What the invited person enters.
    pub text: String,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

fn item(invitation: &Invitation) -> InvitationItem {
    InvitationItem { id: invitation.id, created_at: invitation.created_at, expires_at: invitation.expires_at }
}

impl Service {
    /// The viewer's own premises.
    fn own_premises(viewer: &Viewer, deed: Deed) -> Result<(TenantId, PremisesId), Problem> {
        require(viewer, deed)?;
        match viewer.scope {
            PersonScope::Premises { tenant, premises } => Ok((tenant, premises)),
            PersonScope::Platform
            | PersonScope::Jurisdiction { .. }
            | PersonScope::Tenant { .. }
            | PersonScope::Community { .. } => Err(Problem::forbidden(deed.words())),
        }
    }

    pub(super) async fn household_of(&self, viewer: &Viewer) -> Result<Household, Problem> {
        let (_, premises) = Self::own_premises(viewer, Deed::SeeHousehold)?;
        let members = self.store.household(premises).await.map_err(stored)?;
        let invitations = self.store.invitations(premises, self.now()).await.map_err(stored)?;
        Ok(Household {
            premises,
            members: members.iter().map(|user| self.person_item(user)).collect(),
            invitations: invitations.iter().map(item).collect(),
        })
    }

    fn invitation(&self, viewer: &Viewer, (tenant, premises): (TenantId, PremisesId), good_for: Span) -> Invitation {
        let now = self.now();
        Invitation {
            id: InvitationId::from_raw(self.rules.next_id(now)),
            tenant,
            premises,
            invited_by: viewer.user,
            created_at: now,
            expires_at: now + good_for,
        }
    }

    async fn invite_to(
        &self,
        viewer: &Viewer,
        place: (TenantId, PremisesId),
        good_for: Span,
        code: Code,
    ) -> Result<Invited, Problem> {
        in_person(viewer)?;
        let there = self.store.invitations(place.1, self.now()).await.map_err(stored)?;
        if there.len() >= MOST_INVITATIONS {
            return Err(refused("full", "There are as many invitations as there may be: take one back first."));
        }
        let invitation = self.invitation(viewer, place, good_for);
        self.store.invite(&invitation, &code.hash).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, premises.id = %place.1, "somebody was invited to a household");
        Ok(Invited { invitation: item(&invitation), code: code.text })
    }

    /// Invites somebody to the viewer's own household.
    ///
    /// # Errors
    /// A [`Problem`].
    pub async fn invite(&self, viewer: &Viewer, code: Code) -> Result<Invited, Problem> {
        let place = Self::own_premises(viewer, Deed::ChangeHousehold)?;
        self.invite_to(viewer, place, INVITED_FOR, code).await
    }

    /// As the company, invites the first of a household.
    ///
    /// # Errors
    /// A [`Problem`].
    pub async fn admit(&self, viewer: &Viewer, premises: PremisesId, code: Code) -> Result<Invited, Problem> {
        let rows = self.rows_for(viewer, Deed::AdmitResidents, premises).await?;
        self.invite_to(viewer, (rows.id(), premises), NEXT_WITHIN, code).await
    }

    /// Takes an invitation to the viewer's household back.
    ///
    /// # Errors
    /// A [`Problem`] when there is none.
    pub async fn withdraw_invitation(&self, viewer: &Viewer, id: InvitationId) -> Result<(), Problem> {
        self.authorise(viewer, Deed::ChangeHousehold, id).await?;
        let (_, premises) = Self::own_premises(viewer, Deed::ChangeHousehold)?;
        let done = self.store.withdraw_invitation(premises, id, self.now(), viewer.user).await.map_err(stored)?;
        if done { Ok(()) } else { Err(Problem::not_found("invitation")) }
    }

    /// Whether a code is good, before a password is hashed for it.
    ///
    /// # Errors
    /// A [`Problem`], the same for a wrong, used and expired code.
    pub async fn check_code(&self, joining: &Joining, hash: &[u8; 32]) -> Result<(), Problem> {
        check_person(&joining.name, &joining.email)?;
        let found = self.store.invitation(hash, self.now()).await.map_err(stored)?.ok_or_else(no_such_code)?;
        if self.store.household(found.premises).await.map_err(stored)?.len() >= MOST_MEMBERS {
            return Err(refused("full", "As many people live there as there may be."));
        }
        Ok(())
    }

    /// Lets somebody who was invited join the household.
    ///
    /// # Errors
    /// A [`Problem`], also when the code has just been used, or the e-mail address is somebody's.
    pub async fn join(&self, joining: Joining, hash: &[u8; 32], password_hash: String) -> Result<(), Problem> {
        let now = self.now();
        let found = self.store.invitation(hash, now).await.map_err(stored)?.ok_or_else(no_such_code)?;
        let user = User {
            id: UserId::from_raw(self.rules.next_id(now)),
            email: joining.email.trim().to_lowercase(),
            name: joining.name.trim().to_owned(),
            phone: None,
            password_hash,
            locale: "zh-CN".to_owned(),
            scope: PersonScope::Premises { tenant: found.tenant, premises: found.premises },
            roles: Roles::one(Role::Resident),
            ended_at: None,
        };
        let joined = self.store.accept_invitation(found.id, &user, now).await.map_err(entered)?;
        if !joined {
            return Err(no_such_code());
        }
        tracing::info!(user.id = %user.id, premises.id = %found.premises, "somebody joined a household");
        Ok(())
    }

    /// The viewer moves out: everybody's access to the premises ends now. Gives the code for who comes next.
    ///
    /// # Errors
    /// A [`Problem`]; also for a member who does not hold the household.
    pub async fn hand_over(&self, viewer: &Viewer, code: Code) -> Result<Invited, Problem> {
        let place = Self::own_premises(viewer, Deed::ChangeHousehold)?;
        in_person(viewer)?;
        let members = self.store.household(place.1).await.map_err(stored)?;
        if members.first().is_none_or(|holder| holder.id != viewer.user) {
            return Err(refused(
                "not-yours",
                "Only who holds the household can hand it over: the first of its members.",
            ));
        }
        self.end_household(viewer, place, code).await
    }

    /// As the company, ends a household whose people have moved out.
    ///
    /// # Errors
    /// A [`Problem`].
    pub async fn clear_household(&self, viewer: &Viewer, premises: PremisesId, code: Code) -> Result<Invited, Problem> {
        let rows = self.rows_for(viewer, Deed::EndHouseholds, premises).await?;
        in_person(viewer)?;
        self.end_household(viewer, (rows.id(), premises), code).await
    }

    async fn end_household(
        &self,
        viewer: &Viewer,
        place: (TenantId, PremisesId),
        code: Code,
    ) -> Result<Invited, Problem> {
        let next = self.invitation(viewer, place, NEXT_WITHIN);
        self.store.hand_over(place.1, &next, &code.hash, self.now()).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, premises.id = %place.1, "a household was handed over");
        Ok(Invited { invitation: item(&next), code: code.text })
    }
}

fn no_such_code() -> Problem {
    Problem::new(
        "code",
        404,
        "No such invitation",
        "The code is wrong, has been used or has expired: ask for a new one.",
    )
}
