//! The one way to a company's rows: somebody's scope finds a thing, then the permission table says what they may do with it.
//!
//! In this order, so that a thing out of scope does not exist for anybody, whatever their roles. Nothing else here gives out a store.

use super::{Service, stored};
use crate::roles::{Deed, require};
use davy_api::{Problem, Viewer};
use davy_domain::{
    AlarmId, BackTestId, DeviceId, InvitationId, PersonScope, PremisesId, ReleaseId, RequestId, TokenId, UserId,
};
use davy_store::{ScopedStore, TenantStore};

/// A thing that somebody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A device.
    Device(DeviceId),
    /// A premises.
    Premises(PremisesId),
    /// An alarm.
    Alarm(AlarmId),
    /// A version of a rule.
    Rule(ReleaseId),
    /// A back-test.
    BackTest(BackTestId),
    /// One of the company's people.
    Person(UserId),
    /// A machine's token.
    Token(TokenId),
    /// An invitation to a household.
    Invitation(InvitationId),
    /// A request for approval.
    Request(RequestId),
}

macro_rules! named {
    ($($variant:ident, $id:ty, $word:literal;)*) => {
        $(impl From<$id> for Object {
            fn from(id: $id) -> Self { Self::$variant(id) }
        })*

        impl Object {
            /// What is said not to be there.
            const fn word(self) -> &'static str {
                match self { $(Self::$variant(_) => $word,)* }
            }
        }
    };
}

named! {
    Device, DeviceId, "device";
    Premises, PremisesId, "premises";
    Alarm, AlarmId, "alarm";
    Rule, ReleaseId, "version of a rule";
    BackTest, BackTestId, "back-test";
    Person, UserId, "person";
    Token, TokenId, "token";
    Invitation, InvitationId, "invitation";
    Request, RequestId, "request";
}

impl Service {
    /// What the viewer may read of the store for a list; `deed` is required.
    pub(super) fn enter(&self, viewer: &Viewer, deed: Deed) -> Result<ScopedStore, Problem> {
        require(viewer, deed)?;
        self.store.scoped(viewer.scope).ok_or_else(|| Problem::forbidden(deed.words()))
    }

    /// The same for a thing, which must be in the viewer's scope.
    pub(super) async fn enter_for(
        &self,
        viewer: &Viewer,
        deed: Deed,
        object: impl Into<Object>,
    ) -> Result<ScopedStore, Problem> {
        self.authorise(viewer, deed, object).await?;
        self.store.scoped(viewer.scope).ok_or_else(|| Problem::forbidden(deed.words()))
    }

    /// The rows of the viewer's company for a list; `deed` is required.
    pub(super) fn rows(&self, viewer: &Viewer, deed: Deed) -> Result<TenantStore, Problem> {
        require(viewer, deed)?;
        match viewer.scope {
            PersonScope::Tenant { tenant } => Ok(self.store.tenant(tenant)),
            PersonScope::Platform
            | PersonScope::Jurisdiction { .. }
            | PersonScope::Community { .. }
            | PersonScope::Premises { .. } => Err(Problem::forbidden(deed.words())),
        }
    }

    /// The same for a thing, which must be in the viewer's scope.
    pub(super) async fn rows_for(
        &self,
        viewer: &Viewer,
        deed: Deed,
        object: impl Into<Object>,
    ) -> Result<TenantStore, Problem> {
        self.authorise(viewer, deed, object).await?;
        self.rows(viewer, deed)
    }

    /// Whether the viewer may do this to that: what the extractors of ids ask before a handler begins.
    ///
    /// # Errors
    /// [`Problem::not_found`] for a thing outside of the viewer's scope, whatever their roles; then [`Problem::forbidden`].
    pub async fn authorise(&self, viewer: &Viewer, deed: Deed, object: impl Into<Object>) -> Result<(), Problem> {
        let object = object.into();
        if !self.meets(viewer, object).await? {
            return Err(Problem::not_found(object.word()));
        }
        require(viewer, deed)
    }

    /// Whether a thing is in the viewer's scope.
    async fn meets(&self, viewer: &Viewer, object: Object) -> Result<bool, Problem> {
        let company = match viewer.scope {
            PersonScope::Tenant { tenant } => Some(self.store.tenant(tenant)),
            PersonScope::Platform
            | PersonScope::Jurisdiction { .. }
            | PersonScope::Community { .. }
            | PersonScope::Premises { .. } => None,
        };
        let scope = self.store.scoped(viewer.scope);
        Ok(match (object, &scope, &company) {
            (Object::Device(id), Some(scope), _) => scope.has_device(id).await.map_err(stored)?,
            (Object::Premises(id), Some(scope), _) => scope.has_premises(id).await.map_err(stored)?,
            (Object::Alarm(id), Some(scope), _) => scope.alarm(id).await.map_err(stored)?.is_some(),
            (Object::Rule(id), _, Some(rows)) => rows.release(id).await.map_err(stored)?.is_some(),
            (Object::BackTest(id), _, Some(rows)) => rows.back_test(id).await.map_err(stored)?.is_some(),
            (Object::Person(id), _, Some(rows)) => rows.person(id).await.map_err(stored)?.is_some(),
            (Object::Request(id), _, Some(rows)) => rows.request(id).await.map_err(stored)?.is_some(),
            (Object::Token(id), ..) => {
                let company = Self::company_of_tokens(viewer);
                let tokens = self.store.tokens(viewer.user, company).await.map_err(stored)?;
                tokens.iter().any(|token| token.id == id)
            }
            (Object::Invitation(id), ..) => match viewer.scope.premises() {
                Some(premises) => {
                    let good = self.store.invitations(premises, self.now()).await.map_err(stored)?;
                    good.iter().any(|invitation| invitation.id == id)
                }
                None => false,
            },
            _ => false,
        })
    }
}
