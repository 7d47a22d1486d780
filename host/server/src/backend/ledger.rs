//! The ledger for those who may read it: a company its own chain, a regulator what was done to devices in the jurisdiction.

use super::devices::{bad, limit};
use super::{Service, stored};
use crate::roles::{Deed, require};
use davy_api::{
    AlarmLedger, CheckpointItem, LedgerCheckpoints, LedgerItem, LedgerPage, LedgerQuery, Problem, Viewer, ledger_kinds,
};
use davy_domain::ledger::{Act, Actor, Chain, Entry, Signed};
use davy_domain::{
    AlarmId, BackTestId, CommandId, DeviceId, PersonScope, ReleaseId, ScopeKind, SessionId, TenantId, Timestamp, UserId,
};
use davy_store::{DivisionCode, LedgerFilter, LedgerPlace};
use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

/// What a regulator may see: what was done about alarms, and commands.
const SAFETY: (u16, u16) = (16, 31);
/// Checkpoints of a chain in a list.
const CHECKPOINTS: u32 = 100;

impl Service {
    pub(super) async fn ledger_page(&self, viewer: &Viewer, query: LedgerQuery) -> Result<LedgerPage, Problem> {
        require(viewer, Deed::SeeLedger)?;
        let limit = limit(query.limit)?;
        let filter = filter(&query)?;
        let before = query.after.as_deref().map(place).transpose()?;
        let mut entries = match viewer.scope {
            PersonScope::Tenant { tenant } => {
                self.store.tenant(tenant).ledger(&filter, before, limit + 1).await.map_err(stored)?
            }
            PersonScope::Jurisdiction { division } => {
                let (first, last) = filter.kinds.unwrap_or(SAFETY);
                let kinds = (first.max(SAFETY.0), last.min(SAFETY.1));
                let filter = LedgerFilter { kinds: Some(kinds), ..filter };
                let companies: Vec<TenantId> = self.companies_of(viewer)?.into_iter().collect();
                self.store
                    .regulator(DivisionCode(division))
                    .ledger(&companies, &filter, before, limit + 1)
                    .await
                    .map_err(stored)?
            }
            _ => return Err(Problem::forbidden(Deed::SeeLedger.words())),
        };
        let more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        let next = entries.last().filter(|_| more).map(|last| {
            let LedgerPlace { at, chain, seq } = LedgerPlace::of(last);
            format!("{}.{chain}.{seq}", at.as_millis())
        });
        let items = self.ledger_items(viewer, &entries).await?;
        Ok(LedgerPage { items, next, may_export: Deed::ExportLedger.allowed_to(viewer) })
    }

    /// The companies that have devices within what the viewer sees.
    fn companies_of(&self, viewer: &Viewer) -> Result<BTreeSet<TenantId>, Problem> {
        let (reach, landscape) = (self.reach(viewer)?, self.landscape());
        Ok(landscape.cards().filter(|card| reach.covers(&card.place)).map(|card| card.place.tenant).collect())
    }

    /// What the ledger has of an alarm and of the commands that its decisions changed; one out of the viewer's scope is not found.
    pub(super) async fn ledger_of_alarm(&self, viewer: &Viewer, id: AlarmId) -> Result<AlarmLedger, Problem> {
        let scope = self.enter_for(viewer, Deed::SeeLedger, id).await?;
        let alarm = scope.alarm(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("alarm"))?;
        let decisions = scope.decisions_of_alarm(id).await.map_err(stored)?;
        let commands: BTreeSet<CommandId> =
            decisions.iter().flat_map(|stored| &stored.decision.commands).copied().collect();
        let rows = self.store.tenant(alarm.tenant);
        let mut entries = rows.ledger_of_object(id.raw()).await.map_err(stored)?;
        for command in &commands {
            entries.extend(rows.ledger_of_object(command.raw()).await.map_err(stored)?);
        }
        entries.sort_by_key(|entry| entry.seq);
        let items = self.ledger_items(viewer, &entries).await?;
        Ok(AlarmLedger { alarm: id, commands: commands.into_iter().collect(), items })
    }

    /// Checkpoints to keep.
    pub(super) async fn checkpoints_for(&self, viewer: &Viewer) -> Result<LedgerCheckpoints, Problem> {
        require(viewer, Deed::SeeLedger)?;
        let chains: Vec<Chain> = match viewer.scope {
            PersonScope::Tenant { tenant } => vec![Chain::Tenant(tenant)],
            _ => self.companies_of(viewer)?.into_iter().map(Chain::Tenant).collect(),
        };
        let keys = self.store.ledger_keys().await.map_err(stored)?.iter().map(|key| key.public_key).collect();
        let mut items = Vec::new();
        for chain in chains {
            let found = self.store.checkpoints(chain, CHECKPOINTS).await.map_err(stored)?;
            items.extend(found.iter().map(CheckpointItem::from));
        }
        Ok(LedgerCheckpoints { keys, items })
    }

    /// The chain that the viewer may take along, and whose it is; enters that they do.
    pub(crate) async fn begin_export(&self, viewer: &Viewer, after: u64) -> Result<(Chain, String, u64), Problem> {
        require(viewer, Deed::ExportLedger)?;
        let tenant = viewer.tenant().ok_or_else(|| Problem::forbidden(Deed::ExportLedger.words()))?;
        let chain = Chain::Tenant(tenant);
        let last = self.store.ledger_head(chain).await.map_err(stored)?.seq;
        let act = Act::Exported { what: "ledger".to_owned(), from: Some(after + 1), to: Some(last) };
        let actor = Actor::Person { by: viewer.user };
        self.store.enter(chain, self.now(), actor, &act).await.map_err(stored)?;
        Ok((chain, self.landscape().tenant_name(tenant).to_string(), last))
    }

    async fn ledger_items(&self, viewer: &Viewer, entries: &[Entry]) -> Result<Vec<LedgerItem>, Problem> {
        let mut names: BTreeMap<UserId, Option<String>> = BTreeMap::new();
        let mut covers: BTreeMap<Chain, Vec<Signed>> = BTreeMap::new();
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            let read = entry.read().ok();
            let by = read.as_ref().and_then(|(actor, _)| actor.by());
            // A company knows its people; to a regulator they are numbers.
            if let Some(by) = by.filter(|_| viewer.scope.kind() == ScopeKind::Tenant)
                && let Slot::Vacant(slot) = names.entry(by)
            {
                let user = self.store.user(by).await.map_err(stored)?;
                slot.insert(user.map(|user| user.name));
            }
            let known = covers.entry(entry.chain).or_default();
            if !known.iter().any(|signed| signed.checkpoint.seq >= entry.seq) {
                let found = self.store.checkpoint_from(entry.chain, entry.seq).await.map_err(stored)?;
                known.extend(found);
            }
            let covered_by = known.iter().filter(|signed| signed.checkpoint.seq >= entry.seq);
            let covered_by = covered_by.min_by_key(|signed| signed.checkpoint.seq).map(CheckpointItem::from);
            let company = match entry.chain {
                Chain::Tenant(tenant) => self.landscape().tenant_name(tenant).to_string(),
                Chain::Platform => String::new(),
            };
            let (actor, act) = read.unzip();
            items.push(LedgerItem {
                chain: entry.chain.to_string(),
                company,
                seq: entry.seq,
                at: entry.at,
                kind: act.as_ref().map(|act| act.name().to_owned()).unwrap_or_default(),
                actor,
                name: by.and_then(|by| names.get(&by).cloned().flatten()),
                act: act.and_then(|act| serde_json::to_value(act).ok()).unwrap_or_default(),
                previous: entry.previous,
                hash: entry.hash,
                covered_by,
            });
        }
        Ok(items)
    }
}

fn filter(query: &LedgerQuery) -> Result<LedgerFilter, Problem> {
    let kinds = query.kind.as_deref().map(|word| {
        ledger_kinds(word).ok_or_else(|| bad("kind", format!("expected a topic or a kind of act, got `{word}`")))
    });
    let (mut object, mut device) = (None, None);
    if let Some(text) = query.about.as_deref().map(str::trim) {
        if let Ok(id) = text.parse::<DeviceId>() {
            device = Some(id);
        } else {
            object = Some(any_id(text).ok_or_else(|| {
                let expected = "the id of an alarm (alm_…), a command (cmd_…), a device (dev_…), a version of a rule (rel_…), a back-test (bkt_…), a session (ses_…) or a person (usr_…)";
                bad("about", format!("expected {expected}, got `{}`", text.chars().take(40).collect::<String>()))
            })?);
        }
    }
    Ok(LedgerFilter { from: query.from, until: query.to, kinds: kinds.transpose()?, by: query.by, object, device })
}

fn any_id(text: &str) -> Option<i64> {
    None.or_else(|| text.parse::<AlarmId>().ok().map(AlarmId::raw))
        .or_else(|| text.parse::<CommandId>().ok().map(CommandId::raw))
        .or_else(|| text.parse::<ReleaseId>().ok().map(ReleaseId::raw))
        .or_else(|| text.parse::<BackTestId>().ok().map(BackTestId::raw))
        .or_else(|| text.parse::<SessionId>().ok().map(SessionId::raw))
        .or_else(|| text.parse::<UserId>().ok().map(UserId::raw))
}

/// Where a page goes on.
fn place(text: &str) -> Result<LedgerPlace, Problem> {
    let mut parts = text.splitn(3, '.');
    let mut next = || parts.next().and_then(|part| part.parse::<i64>().ok());
    match (next(), next(), next()) {
        (Some(at), Some(chain), Some(seq)) if seq >= 0 => {
            Ok(LedgerPlace { at: Timestamp::from_millis(at), chain, seq: seq.unsigned_abs() })
        }
        _ => Err(bad("after", "expected the `next` of a page".to_owned())),
    }
}
