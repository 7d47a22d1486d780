//! Dangerous acts: chosen first, approved by another person in time, carried out once and in stages.
//!
//! The order of decisions is the domain's (`davy_domain::approval`). What is carried out is what was chosen. A close that a leak orders
//! never comes here.

use super::people::{in_person, refused, still_may};
use super::{Service, stored};
use crate::backend::orders::valves_of;
use crate::http::problem::invalid;
use crate::roles::Deed;
use davy_api::{CloseMany, ClosingLimit, Decision, Problem, RequestItem, Requests, Viewer};
use davy_domain::approval::{self, Act, Request, Stage};
use davy_domain::command::Cause;
use davy_domain::{PremisesId, RequestId, UserId};
use davy_store::{ScopedStore, StoreError, StoredRequest, TenantStore};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The act of closing many premises.
const CLOSE_MANY: &str = "close-many";
/// Premises of one request.
const MOST_PREMISES: usize = 20_000;
/// Premises that are closed together: after each stage it is noted how far it is.
const STAGE: usize = 20;
/// Addresses that are shown of a request.
const SHOWN: usize = 20;
/// Requests on the page.
const LISTED: u32 = 50;
/// Requests of a company that may wait at once.
const MOST_WAITING: usize = 50;
/// The most that a company can let one person close alone.
const MOST_ALONE: u32 = 1_000;
/// Rows of one read.
const PAGE: u32 = 1_000;

/// What a request to close is about.
#[derive(Debug, Serialize, Deserialize)]
struct Chosen {
    premises: Vec<PremisesId>,
    addresses: Vec<String>,
}

/// How far closing has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Outcome {
    /// Premises that were gone through, in the order of the choice.
    gone_through: usize,
    /// Of so many the valves were ordered to close, or are closed.
    ordered: u32,
    /// At so many that did not work.
    failed: u32,
}

impl Service {
    pub(super) async fn requests_of(&self, viewer: &Viewer) -> Result<Requests, Problem> {
        let rows = self.rows(viewer, Deed::SeeRequests)?;
        let items = rows.requests(LISTED).await.map_err(stored)?;
        Ok(Requests {
            items: items.iter().map(|request| self.request_item(viewer, request)).collect(),
            close_alone: rows.close_alone().await.map_err(stored)?,
            communities: self.communities_of(&rows).await?,
        })
    }

    /// One request.
    ///
    /// # Errors
    /// A [`Problem`].
    pub async fn request(&self, viewer: &Viewer, id: RequestId) -> Result<RequestItem, Problem> {
        let rows = self.rows_for(viewer, Deed::SeeRequests, id).await?;
        let request = rows.request(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("request"))?;
        Ok(self.request_item(viewer, &request))
    }

    fn request_item(&self, viewer: &Viewer, it: &StoredRequest) -> RequestItem {
        let now = self.now();
        let chosen = serde_json::from_str::<Chosen>(&it.subject).ok();
        let outcome: Outcome = serde_json::from_str(&it.outcome).unwrap_or_default();
        let expired = it.request.stage == Stage::Waiting && !it.request.is_open(now);
        let mut may = Vec::new();
        if viewer.only.is_none() && Deed::CloseMany.allowed_to(viewer) {
            for (act, name) in [(Act::Approve, "approve"), (Act::Withdraw, "withdraw"), (Act::Decline, "decline")] {
                let own = it.request.asked_by == viewer.user;
                if approval::step(&it.request, act, viewer.user, now).is_ok() && !(own && act == Act::Decline) {
                    may.push(name.to_owned());
                }
            }
        }
        RequestItem {
            id: it.request.id,
            act: it.act.clone(),
            stage: if expired { "expired" } else { it.request.stage.name() }.to_owned(),
            second: it.request.second,
            asked_by: it.asked_by_name.clone(),
            asked_at: it.request.asked_at,
            expires_at: it.request.expires_at,
            decided_by: it.decided_by_name.clone(),
            premises: chosen.as_ref().map_or(0, |chosen| chosen.premises.len() as u32),
            addresses: chosen.map(|chosen| chosen.addresses).unwrap_or_default(),
            ordered: outcome.ordered,
            failed: outcome.failed,
            may,
        }
    }

    /// Chooses premises to close, and asks for it. Nothing is closed yet.
    ///
    /// # Errors
    /// A [`Problem`]; a premises out of scope is not found.
    pub async fn ask_to_close(&self, viewer: &Viewer, asked: &CloseMany) -> Result<RequestItem, Problem> {
        let rows = self.rows(viewer, Deed::CloseMany)?;
        in_person(viewer)?;
        let chosen = self.choose(&rows, asked).await?;
        let waiting = rows.requests(LISTED).await.map_err(stored)?;
        if waiting.iter().filter(|it| it.request.is_open(self.now())).count() >= MOST_WAITING {
            return Err(refused("full", "As many requests wait as there may be: decide about one first."));
        }
        let second = chosen.premises.len() > rows.close_alone().await.map_err(stored)? as usize;
        let now = self.now();
        let request = Request::asked(RequestId::from_raw(self.rules.next_id(now)), second, viewer.user, now);
        let subject = serde_json::to_string(&chosen).map_err(|error| broken(&error))?;
        rows.ask(&request, CLOSE_MANY, &subject).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, request.id = %request.id, premises = chosen.premises.len(), "a close of many was asked for");
        self.request(viewer, request.id).await
    }

    async fn choose(&self, rows: &TenantStore, asked: &CloseMany) -> Result<Chosen, Problem> {
        let mut chosen = Chosen { premises: Vec::new(), addresses: Vec::new() };
        match asked.community {
            Some(community) => {
                if !rows.communities().await.map_err(stored)?.iter().any(|it| it.id == community) {
                    return Err(Problem::not_found("community"));
                }
                let building = asked.building.as_deref().map(str::trim).unwrap_or_default();
                let scope = self.store.community(community);
                let mut after = None;
                loop {
                    let page = scope.premises(after, PAGE).await.map_err(stored)?;
                    let Some(last) = page.last() else { break };
                    after = Some(last.id);
                    for premises in page.into_iter().filter(|it| it.building.starts_with(building)) {
                        chosen.add(premises.id, premises.address);
                    }
                }
            }
            None => {
                for id in &asked.premises {
                    let found = rows.premises_by_id(*id).await.map_err(stored)?;
                    let found = found.ok_or_else(|| Problem::not_found("premises"))?;
                    if !chosen.premises.contains(id) {
                        chosen.add(*id, found.address);
                    }
                    if chosen.premises.len() > 1_000 {
                        return Err(invalid(
                            "premises",
                            "expected at most 1000 in a list; choose a community for more",
                        ));
                    }
                }
            }
        }
        if !(1..=MOST_PREMISES).contains(&chosen.premises.len()) {
            let words = format!("expected 1 to {MOST_PREMISES} premises, the choice has {}", chosen.premises.len());
            return Err(invalid("premises", words));
        }
        Ok(chosen)
    }

    /// Decides about a request. An approved one is carried out in the background, once.
    ///
    /// # Errors
    /// A [`Problem`] with the domain's reason; also when who asked may no longer ask for it.
    pub async fn decide(
        self: &Arc<Self>,
        viewer: &Viewer,
        id: RequestId,
        decision: &Decision,
    ) -> Result<RequestItem, Problem> {
        let rows = self.rows_for(viewer, Deed::CloseMany, id).await?;
        in_person(viewer)?;
        let act = Act::from_name(&decision.act)
            .ok_or_else(|| invalid("act", format!("expected approve, decline or withdraw, got `{}`", decision.act)))?;
        let found = rows.request(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("request"))?;
        let after = approval::step(&found.request, act, viewer.user, self.now())
            .map_err(|error| refused(error.code(), &error.to_string()))?;
        if after.stage == Stage::Approved {
            let asked = self.store.user(found.request.asked_by).await.map_err(stored)?;
            if !asked.is_some_and(|asked| still_may(&asked, rows.id(), Deed::CloseMany)) {
                return Err(refused("asker", "Who asked for it may no longer: decline it, and ask for it yourself."));
            }
        }
        if !rows.decide(&found.request, &after).await.map_err(stored)? {
            return Err(refused("changed", "Somebody else has decided about it meanwhile: look at it again."));
        }
        tracing::info!(user.id = %viewer.user, request.id = %id, act = decision.act, "a request was decided about");
        if after.stage == Stage::Approved {
            self.carry_out(StoredRequest { request: after, ..found });
        }
        self.request(viewer, id).await
    }

    /// Goes on with what was approved before a restart.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn resume_requests(self: &Arc<Self>) -> Result<(), StoreError> {
        for request in self.store.unfinished_requests().await? {
            self.carry_out(request);
        }
        Ok(())
    }

    fn carry_out(self: &Arc<Self>, request: StoredRequest) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let id = request.request.id;
            if let Err(error) = this.close_chosen(request).await {
                tracing::error!(%error, request.id = %id, "an approved close stopped on the way; the next start goes on with it");
            }
        });
    }

    async fn close_chosen(&self, request: StoredRequest) -> Result<(), StoreError> {
        let rows = self.store.tenant(request.tenant);
        let by = request.request.decided_by.unwrap_or(request.request.asked_by);
        let Ok(chosen) = serde_json::from_str::<Chosen>(&request.subject) else {
            return Err(StoreError::Corrupt {
                what: "subject of a request".into(),
                why: "it names no premises".into(),
            });
        };
        let mut outcome: Outcome = serde_json::from_str(&request.outcome).unwrap_or_default();
        for stage in chosen.premises[outcome.gone_through.min(chosen.premises.len())..].chunks(STAGE) {
            let closed = join_all(stage.iter().map(|premises| self.close_all(&rows, *premises, by))).await;
            outcome.gone_through += stage.len();
            outcome.ordered += closed.iter().filter(|closed| **closed).count() as u32;
            outcome.failed += closed.iter().filter(|closed| !**closed).count() as u32;
            let noted = serde_json::to_string(&outcome).unwrap_or_default();
            let whole = outcome.gone_through == chosen.premises.len();
            rows.carried_out(request.request.id, &noted, whole).await?;
        }
        Ok(())
    }

    /// Orders every valve of a premises to close. A close that is under way is not ordered again.
    async fn close_all(&self, scope: &ScopedStore, premises: PremisesId, by: UserId) -> bool {
        let valves = match valves_of(scope, premises).await {
            Ok(valves) => valves,
            Err(problem) => {
                tracing::error!(premises.id = %premises, problem = problem.detail, "the valves of a premises could not be read");
                return false;
            }
        };
        let asked =
            valves.iter().map(|(interlock, valve)| self.operate.close(*interlock, *valve, Cause::Operator { by }));
        let mut whole = !valves.is_empty();
        for answer in join_all(asked).await {
            if let Err(error) = answer {
                tracing::error!(premises.id = %premises, %error, "a valve of many could not be ordered to close");
                whole = false;
            }
        }
        whole
    }

    /// Sets how many premises one person may close alone.
    ///
    /// # Errors
    /// A [`Problem`].
    pub async fn set_closing_limit(&self, viewer: &Viewer, limit: ClosingLimit) -> Result<(), Problem> {
        let rows = self.rows(viewer, Deed::LimitClosing)?;
        in_person(viewer)?;
        if limit.premises > MOST_ALONE {
            return Err(invalid("premises", format!("expected 0 to {MOST_ALONE}, got {}", limit.premises)));
        }
        rows.set_close_alone(limit.premises, self.now(), viewer.user).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, premises = limit.premises, "the limit of closing alone was set");
        Ok(())
    }
}

impl Chosen {
    fn add(&mut self, premises: PremisesId, address: String) {
        if self.addresses.len() < SHOWN {
            self.addresses.push(address);
        }
        self.premises.push(premises);
    }
}

fn broken(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "a choice of premises is no JSON");
    crate::http::problem::internal()
}
