//! Why an alarm moved: the stored decisions, and the components that took part in them, within the alarm's own scope.

use super::{Service, stored};
use crate::roles::Deed;
use davy_api::{AlarmDecisions, AskedRule, DecisionItem, FloorFinding, MessageItem, NotificationItem, Problem, Viewer};
use davy_domain::floor::FloorHit;
use davy_domain::interlock::RuleRef;
use davy_domain::{AlarmId, TenantId};
use davy_rules::explain::{EventRecord, Hex, ResultRecord};
use davy_rules::notification::codes;
use davy_rules::notification::record::StoredAnswer;
use davy_rules::{RuleDigest, Tier};
use davy_store::{StoredDecision, StoredMessage, StoredNotificationDecision};
use serde_json::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What stands beside the decisions of one gas company.
#[derive(Default)]
struct Beside {
    /// Settings by their version.
    settings: HashMap<u32, Value>,
    /// Tiers by the component's digest.
    tiers: HashMap<[u8; 32], String>,
}

impl Service {
    /// The decisions that moved an alarm; one out of the viewer's scope is not found.
    pub(super) async fn decisions_of(&self, viewer: &Viewer, id: AlarmId) -> Result<AlarmDecisions, Problem> {
        let (tenant, decisions) = self.decisions_in_scope(viewer, id).await?;
        let mut beside = Beside::default();
        let mut items = Vec::with_capacity(decisions.len());
        for decision in decisions {
            if let Some(rule) = &decision.decision.rule {
                self.stands_beside(&mut beside, decision.tenant, rule).await?;
            }
            items.push(item(decision, &beside)?);
        }
        let scope = self.enter(viewer, Deed::ExplainAlarm)?;
        let mut notifications = Vec::new();
        for told in scope.notification_decisions(id).await.map_err(stored)? {
            let decision = &told.decision;
            let rule = RuleRef { digest: decision.digest, settings_version: decision.settings_version };
            self.stands_beside(&mut beside, told.tenant, &rule).await?;
            notifications.push(notification(told, &beside)?);
        }
        let messages = scope.messages_of_alarm(id).await.map_err(stored)?;
        let device = scope.alarm(id).await.map_err(stored)?.map(|found| found.alarm.device);
        let found = match device {
            Some(device) => self.found_of(viewer, tenant, device).await?.remove(&id),
            None => None,
        };
        let messages = messages.into_iter().map(message).collect();
        Ok(AlarmDecisions { alarm: id, found, items, notifications, messages })
    }

    async fn stands_beside(&self, beside: &mut Beside, tenant: TenantId, rule: &RuleRef) -> Result<(), Problem> {
        if let Entry::Vacant(entry) = beside.settings.entry(rule.settings_version) {
            entry.insert(self.settings(tenant, rule.settings_version).await?);
        }
        if let Entry::Vacant(entry) = beside.tiers.entry(rule.digest) {
            let found = self.store.tenant(tenant).rule_tier(&rule.digest).await.map_err(stored)?;
            entry.insert(found.unwrap_or_else(|| Tier::Standard.name().to_owned()));
        }
        Ok(())
    }

    /// The component of a rule that decided about an alarm.
    ///
    /// # Errors
    /// A [`Problem`]; a rule that took no part in the alarm is not found, whoever asks.
    pub async fn deciding_component(
        &self,
        viewer: &Viewer,
        id: AlarmId,
        digest: RuleDigest,
    ) -> Result<Vec<u8>, Problem> {
        let (tenant, decisions) = self.decisions_in_scope(viewer, id).await?;
        let took_part = |it: &StoredDecision| it.decision.rule.is_some_and(|rule| rule.digest == *digest.as_bytes());
        let told = self.enter(viewer, Deed::ExplainAlarm)?.notification_decisions(id).await.map_err(stored)?;
        let told = told.iter().any(|told| &told.decision.digest == digest.as_bytes());
        if !told && !decisions.iter().any(took_part) {
            return Err(Problem::not_found("rule"));
        }
        let found = self.store.tenant(tenant).rule_component(digest.as_bytes()).await.map_err(stored)?;
        found.ok_or_else(|| Problem::not_found("rule"))
    }

    async fn decisions_in_scope(
        &self,
        viewer: &Viewer,
        id: AlarmId,
    ) -> Result<(TenantId, Vec<StoredDecision>), Problem> {
        let scope = self.enter_for(viewer, Deed::ExplainAlarm, id).await?;
        let alarm = scope.alarm(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("alarm"))?;
        Ok((alarm.tenant, scope.decisions_of_alarm(id).await.map_err(stored)?))
    }

    async fn settings(&self, tenant: TenantId, version: u32) -> Result<Value, Problem> {
        let text = self.store.tenant(tenant).settings(version).await.map_err(stored)?;
        text.as_deref().map_or(Ok(Value::Null), json_of)
    }
}

fn item(stored: StoredDecision, beside: &Beside) -> Result<DecisionItem, Problem> {
    let decision = stored.decision;
    let asked = match (decision.rule, decision.evaluation) {
        (Some(rule), Some(evaluation)) => Some(AskedRule {
            digest: RuleDigest::from_bytes(rule.digest).to_string(),
            settings_version: rule.settings_version,
            tier: beside.tiers.get(&rule.digest).cloned().unwrap_or_default(),
            settings: beside.settings.get(&rule.settings_version).cloned().unwrap_or_default(),
            state_before: Hex(decision.state_before).to_string(),
            result: value_of(&ResultRecord::from(&evaluation.result))?,
            fuel: evaluation.fuel,
        }),
        _ => None,
    };
    Ok(DecisionItem {
        number: stored.id,
        device: decision.device,
        at: decision.at,
        floor: decision.floor.iter().map(finding).collect(),
        event: value_of(&EventRecord::from(&decision.input))?,
        asked,
        alarms: decision.alarms,
        commands: decision.commands,
    })
}

fn notification(told: StoredNotificationDecision, beside: &Beside) -> Result<NotificationItem, Problem> {
    let decision = told.decision;
    let answer: StoredAnswer = serde_json::from_str(&decision.result).map_err(|error| broken(&error))?;
    Ok(NotificationItem {
        number: told.id,
        at: told.at,
        version: decision.release,
        event: json_of(&decision.input)?,
        asked: AskedRule {
            digest: RuleDigest::from_bytes(decision.digest).to_string(),
            settings_version: decision.settings_version,
            tier: beside.tiers.get(&decision.digest).cloned().unwrap_or_default(),
            settings: beside.settings.get(&decision.settings_version).cloned().unwrap_or_default(),
            state_before: Hex(decision.state_before).to_string(),
            result: value_of(&answer.result)?,
            fuel: answer.fuel,
        },
    })
}

fn message(stored: StoredMessage) -> MessageItem {
    let name = |name: Option<&str>| name.unwrap_or("unknown").to_owned();
    MessageItem {
        at: stored.created_at,
        about: stored.about,
        by: stored.wanted_by,
        role: name(codes::role::name(stored.role)),
        rank: stored.rank,
        channel: name(codes::channel::name(stored.channel)),
        text: stored.text,
        break_quiet: stored.break_quiet,
        attempt: stored.attempt,
        state: stored.state,
    }
}

fn finding(hit: &FloorHit) -> FloorFinding {
    FloorFinding {
        rule: hit.rule.clone(),
        condition: hit.condition,
        priority: hit.priority,
        close: hit.close,
        quantity: hit.reading.quantity,
        value: hit.reading.value,
        at: hit.reading.at,
    }
}

fn value_of(record: &impl serde::Serialize) -> Result<Value, Problem> {
    serde_json::to_value(record).map_err(|error| broken(&error))
}

fn json_of(text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| broken(&error))
}

fn broken(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "a stored decision or its settings cannot be shown");
    Problem::new("internal", 500, "The server failed", "The server failed; the log has the reason.")
}
