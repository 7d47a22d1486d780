//! `/api/v1/ledger`: what was done, the checkpoints that vouch for it, and whole chains to verify elsewhere.

use crate::http::App;
use crate::http::extract::Query;
use crate::http::guard::{May, On};
use crate::http::problem::{Refusal, Refusals};
use crate::roles::{ExportLedger, SeeLedger};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use davy_api::{AlarmLedger, Backend, LedgerCheckpoints, LedgerLine, LedgerPage, LedgerQuery};
use davy_domain::AlarmId;
use davy_domain::ledger::Chain;
use davy_store::{Store, StoreError};
use futures_util::stream;
use serde::Deserialize;
use std::sync::Arc;

/// Entries that are read at once.
const AT_ONCE: u32 = 2_000;

/// Entries, newest first: a company's own, for a regulator what was done about alarms and commands in the jurisdiction.
#[utoipa::path(get, path = "/api/v1/ledger", operation_id = "listLedger", tag = "ledger", security(("session" = [])),
    params(
        ("kind" = Option<String>, Query, description = "A topic (people, safety, alarms, commands, rules, provisioning, data) or a kind of act"),
        ("from" = Option<i64>, Query, description = "Not before, milliseconds since 1970"),
        ("to" = Option<i64>, Query, description = "Before"),
        ("by" = Option<String>, Query, description = "What this person did"),
        ("about" = Option<String>, Query, description = "The id of an alarm, a command, a device, a version of a rule, a back-test, a session or a person"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "At most so many, 1 to 200; 50 unless told"),
    ),
    responses((status = 200, body = LedgerPage), Refusals))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: May<SeeLedger>,
    Query(query): Query<LedgerQuery>,
) -> Result<Json<LedgerPage>, Refusal> {
    Ok(Json(app.service.ledger(&caller.viewer, query).await?))
}

/// The newest checkpoints of the chains that the caller may see, and the keys that sign them: for keeping where nobody at the platform
/// can reach.
#[utoipa::path(get, path = "/api/v1/ledger/checkpoints", operation_id = "listCheckpoints", tag = "ledger",
    security(("session" = [])),
    responses((status = 200, body = LedgerCheckpoints), Refusals))]
pub(super) async fn checkpoints(
    State(app): State<Arc<App>>,
    caller: May<SeeLedger>,
) -> Result<Json<LedgerCheckpoints>, Refusal> {
    Ok(Json(app.service.ledger_checkpoints(&caller.viewer).await?))
}

/// What the ledger has of an alarm and of its commands, first to last.
#[utoipa::path(get, path = "/api/v1/alarms/{alarm}/ledger", operation_id = "listLedgerOfAlarm", tag = "ledger",
    security(("session" = [])),
    params(("alarm" = String, Path, description = "The alarm")),
    responses((status = 200, body = AlarmLedger), Refusals))]
pub(super) async fn of_alarm(
    State(app): State<Arc<App>>,
    caller: On<SeeLedger, AlarmId>,
) -> Result<Json<AlarmLedger>, Refusal> {
    Ok(Json(app.service.alarm_ledger(&caller.viewer, caller.id).await?))
}

#[derive(Deserialize)]
pub(super) struct ExportQuery {
    after: Option<u64>,
    limit: Option<u64>,
}

/// A company's whole chain with its checkpoints, a line each (`davy-ledger/1`), for `davyctl ledger verify`.
#[utoipa::path(get, path = "/api/v1/ledger/export", operation_id = "exportLedger", tag = "ledger", security(("session" = [])),
    params(
        ("after" = Option<u64>, Query, description = "The entry after which the export begins; 0 unless told"),
        ("limit" = Option<u64>, Query, description = "Entries at most; all of them unless told"),
    ),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Refusals))]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    caller: May<ExportLedger>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Refusal> {
    let after = query.after.unwrap_or(0);
    let (chain, company, head) = app.service.begin_export(&caller.viewer, after).await?;
    let last = query.limit.map_or(head, |limit| head.min(after.saturating_add(limit)));
    let name = format!("attachment; filename=\"ledger-{chain}-{last}.jsonl\"");
    let run = Run { store: app.store.clone(), chain, company, after, last, more: last < head, next: Next::Head };
    let lines = stream::unfold(run, |mut run| async move { run.lines().await.map(|lines| (lines, run)) });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(lines)).into_response())
}

enum Next {
    Head,
    Entries,
    End,
    Nothing,
}

/// An export on its way.
struct Run {
    store: Store,
    chain: Chain,
    company: String,
    /// What has gone out.
    after: u64,
    last: u64,
    more: bool,
    next: Next,
}

impl Run {
    async fn lines(&mut self) -> Option<Result<String, StoreError>> {
        let lines = match self.next {
            Next::Nothing => return None,
            Next::Head => {
                self.next = Next::Entries;
                let (chain, company, after) = (self.chain, self.company.clone(), self.after);
                Ok(vec![LedgerLine::Head { chain, company, after }])
            }
            Next::Entries => self.entries().await,
            Next::End => self.end().await,
        };
        Some(lines.map(|lines| lines.iter().map(|line| line.write() + "\n").collect()).inspect_err(|error| {
            // A file without its last line is not whole.
            tracing::error!(%error, "an export of the ledger broke off");
            self.next = Next::Nothing;
        }))
    }

    async fn entries(&mut self) -> Result<Vec<LedgerLine>, StoreError> {
        let most = u32::try_from(self.last.saturating_sub(self.after)).unwrap_or(AT_ONCE).min(AT_ONCE);
        let entries = if most == 0 { Vec::new() } else { self.store.ledger_run(self.chain, self.after, most).await? };
        match entries.last() {
            None => self.next = Next::End,
            Some(last) => self.after = last.seq,
        }
        Ok(entries.into_iter().map(|entry| LedgerLine::Entry(Box::new(entry))).collect())
    }

    async fn end(&mut self) -> Result<Vec<LedgerLine>, StoreError> {
        self.next = Next::Nothing;
        let signed = self.store.checkpoints(self.chain, u32::MAX).await?;
        let mut lines: Vec<_> = signed
            .into_iter()
            .rev()
            // What was signed meanwhile is for entries that are not in here.
            .filter(|signed| signed.checkpoint.seq <= self.last)
            .map(|signed| LedgerLine::Checkpoint(Box::new(signed)))
            .collect();
        lines.push(LedgerLine::End { seq: self.last, more: self.more });
        Ok(lines)
    }
}
