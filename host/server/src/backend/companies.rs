//! The life of companies: their people locked out and let in again, and a deletion that two administrators and a waiting time stand before.
//!
//! Never here: a company's own data. Devices are not touched: whatever is decided here, a leak closes its valves.

use super::people::{in_person, refused};
use super::{Service, stored};
use crate::http::problem::invalid;
use crate::roles::{Deed, require};
use davy_api::{DeletedTenant, Problem, TenantDeletion, TenantItem, Tenants, Viewer};
use davy_domain::approval::{self, Act, Request, Stage};
use davy_domain::ledger::Actor;
use davy_domain::{RequestId, Span, TenantId, Timestamp};
use davy_store::{Deletion, Tenant};

impl Service {
    /// After an approval, so much time passes before a company is deleted.
    #[must_use]
    pub fn deleting_after(mut self, wait: Span) -> Self {
        self.deletion_wait = wait;
        self
    }

    /// The companies in figures, how they stand, and those that are gone. Nobody's name, address or reading of theirs is among them.
    pub(super) async fn tenants_of(&self, viewer: &Viewer) -> Result<Tenants, Problem> {
        require(viewer, Deed::SeeTenants)?;
        let landscape = self.landscape();
        let suspended = self.store.suspended().await.map_err(stored)?;
        let deletions = self.store.deletions().await.map_err(stored)?;
        let mut items = Vec::new();
        for tenant in self.store.tenants().await.map_err(stored)? {
            let totals = self.store.tenant(tenant.id).totals().await.map_err(stored)?;
            let division = tenant.jurisdiction.and_then(|code| landscape.division(code));
            let deletion = match standing(&deletions, tenant.id, self.now()) {
                Some(deletion) => Some(self.deletion_item(viewer, deletion).await?),
                None => None,
            };
            items.push(TenantItem {
                id: tenant.id,
                name: tenant.name,
                jurisdiction: division.map(|division| division.name_zh.clone()),
                premises: totals.premises,
                devices: totals.devices,
                suspended_at: suspended.get(&tenant.id).copied(),
                deletion,
            });
        }
        let gone = deletions.into_iter().filter(|deletion| deletion.request.stage == Stage::Done);
        let deleted = gone.map(|it| DeletedTenant {
            id: it.tenant,
            name: it.name,
            at: it.done_at.unwrap_or(it.request.asked_at),
            proof: it.proof,
        });
        Ok(Tenants { items, deleted: deleted.collect() })
    }

    async fn deletion_item(&self, viewer: &Viewer, deletion: &Deletion) -> Result<TenantDeletion, Problem> {
        let asked = self.store.user(deletion.request.asked_by).await.map_err(stored)?;
        let (now, person) = (self.now(), viewer.only.is_none() && Deed::DeleteTenants.allowed_to(viewer));
        let mut may = Vec::new();
        for (act, name) in [(Act::Approve, "approve"), (Act::Decline, "decline"), (Act::Withdraw, "withdraw")] {
            let own = deletion.request.asked_by == viewer.user;
            if person && next(&deletion.request, act, viewer, now).is_ok() && !(own && act == Act::Decline) {
                may.push(name.to_owned());
            }
        }
        Ok(TenantDeletion {
            stage: deletion.request.stage.name().to_owned(),
            asked_by: asked.map(|asked| asked.name).unwrap_or_default(),
            asked_at: deletion.request.asked_at,
            expires_at: deletion.request.expires_at,
            due_at: deletion.due_at,
            may,
        })
    }

    async fn company(&self, id: TenantId) -> Result<Tenant, Problem> {
        let all = self.store.tenants().await.map_err(stored)?;
        all.into_iter().find(|tenant| tenant.id == id).ok_or_else(|| Problem::not_found("company"))
    }

    /// Locks a company's people and machines out, or lets them in again. Its devices stay protected, and the regulator goes on.
    ///
    /// # Errors
    /// A [`Problem`]; also when a deletion stands and the company is to be let in.
    pub async fn set_standing(&self, viewer: &Viewer, id: TenantId, suspended: bool) -> Result<(), Problem> {
        require(viewer, Deed::SuspendTenants)?;
        in_person(viewer)?;
        self.company(id).await?;
        let deletions = self.store.deletions().await.map_err(stored)?;
        if !suspended && standing(&deletions, id, self.now()).is_some() {
            return Err(refused("deletion-stands", "The company is to be deleted: take that back first."));
        }
        let by = Actor::Person { by: viewer.user };
        if self.store.set_suspended(id, suspended, self.now(), by).await.map_err(stored)? {
            tracing::info!(user.id = %viewer.user, tenant.id = %id, suspended, "how a company stands was changed");
        }
        Ok(())
    }

    /// Asks for a company's deletion, or decides about what was asked for.
    ///
    /// # Errors
    /// A [`Problem`]: the company must be suspended, a second administrator must approve, in time.
    pub async fn act_on_deletion(&self, viewer: &Viewer, id: TenantId, act: &str) -> Result<(), Problem> {
        require(viewer, Deed::DeleteTenants)?;
        in_person(viewer)?;
        let company = self.company(id).await?;
        let (now, deletions) = (self.now(), self.store.deletions().await.map_err(stored)?);
        let stands = standing(&deletions, id, now);
        if act == "ask" {
            if stands.is_some() {
                return Err(refused("deletion-stands", "It has been asked for already."));
            }
            if !self.store.is_suspended(id).await.map_err(stored)? {
                return Err(refused(
                    "not-suspended",
                    "Suspend the company first: its people must know before it goes.",
                ));
            }
            let request = Request::asked(RequestId::from_raw(self.rules.next_id(now)), true, viewer.user, now);
            let (due_at, done_at, proof) = (None, None, String::new());
            let asked = Deletion { request, tenant: id, name: company.name, due_at, done_at, proof };
            self.store.ask_deletion(&asked).await.map_err(stored)?;
            tracing::warn!(user.id = %viewer.user, tenant.id = %id, "a company's deletion was asked for");
            return Ok(());
        }
        let act = Act::from_name(act)
            .ok_or_else(|| invalid("act", format!("expected ask, approve, decline or withdraw, got `{act}`")))?;
        let stands =
            stands.ok_or_else(|| refused("no-deletion", "Nobody has asked for this company's deletion in time."))?;
        let after =
            next(&stands.request, act, viewer, now).map_err(|error| refused(error.code(), &error.to_string()))?;
        let due_at = (after.stage == Stage::Approved).then(|| now + self.deletion_wait);
        if !self.store.decide_deletion(stands, &after, due_at).await.map_err(stored)? {
            return Err(refused("changed", "Somebody else has decided about it meanwhile: look at it again."));
        }
        tracing::warn!(user.id = %viewer.user, tenant.id = %id, stage = after.stage.name(), "a company's deletion was decided about");
        Ok(())
    }
}

/// What is asked for and can be decided, or approved and waits for its time.
fn standing(deletions: &[Deletion], tenant: TenantId, now: Timestamp) -> Option<&Deletion> {
    let stands =
        |it: &&Deletion| it.tenant == tenant && (it.request.is_open(now) || it.request.stage == Stage::Approved);
    deletions.iter().find(stands)
}

/// The order of decisions is the domain's. Beyond it, an approved deletion can be taken back by any administrator until it is carried out:
/// that keeps what there is.
fn next(request: &Request, act: Act, viewer: &Viewer, now: Timestamp) -> Result<Request, approval::Refused> {
    if request.stage == Stage::Approved && act == Act::Withdraw {
        return Ok(Request {
            stage: Stage::Withdrawn,
            decided_by: Some(viewer.user),
            decided_at: Some(now),
            ..*request
        });
    }
    approval::step(request, act, viewer.user, now)
}
