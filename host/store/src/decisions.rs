//! Why something happened: the stored decisions, complete enough to be executed again.

use crate::codes::from_json;
use crate::connection::fetch_all;
use crate::error::StoreError;
use crate::rules::digest;
use crate::scope::{ScopedStore, scoped};
use davy_domain::floor::FloorHit;
use davy_domain::interlock::{Decision, RuleRef};
use davy_domain::policy::{Evaluation, PolicyFault, PolicyOutcome};
use davy_domain::{AlarmId, CommandId, DeviceId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// A decision with where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDecision {
    /// Its number; later decisions of a device have higher ones.
    pub id: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// The decision, as it was made.
    pub decision: Decision,
}

/// The part of a decision that came out of it, in its stored form.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredResult {
    evaluation: Option<StoredEvaluation>,
    floor: Vec<FloorHit>,
    alarms: Vec<AlarmId>,
    commands: Vec<CommandId>,
}

#[derive(Serialize, Deserialize)]
struct StoredEvaluation {
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<PolicyOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<PolicyFault>,
    fuel: u64,
}

impl StoredResult {
    pub(crate) fn of(decision: &Decision) -> Self {
        Self {
            evaluation: decision.evaluation.as_ref().map(|evaluation| StoredEvaluation {
                outcome: evaluation.result.as_ref().ok().cloned(),
                fault: evaluation.result.as_ref().err().cloned(),
                fuel: evaluation.fuel,
            }),
            floor: decision.floor.clone(),
            alarms: decision.alarms.clone(),
            commands: decision.commands.clone(),
        }
    }
}

#[derive(sqlx::FromRow)]
struct DecisionRow {
    id: i64,
    tenant_id: i64,
    device_id: i64,
    at: i64,
    rule_digest: Option<Vec<u8>>,
    settings_version: Option<i64>,
    input: String,
    state_before: Vec<u8>,
    result: String,
}

impl TryFrom<DecisionRow> for StoredDecision {
    type Error = StoreError;

    fn try_from(row: DecisionRow) -> Result<Self, StoreError> {
        let result: StoredResult = from_json("decision result", &row.result)?;
        let evaluation = match result.evaluation {
            None => None,
            Some(StoredEvaluation { outcome: Some(outcome), fault: None, fuel }) => {
                Some(Evaluation { result: Ok(outcome), fuel })
            }
            Some(StoredEvaluation { outcome: None, fault: Some(fault), fuel }) => {
                Some(Evaluation { result: Err(fault), fuel })
            }
            Some(_) => {
                let what = format!("decision {}", row.id);
                return Err(StoreError::corrupt(what, "expected either an outcome or a fault"));
            }
        };
        let rule = match (row.rule_digest, row.settings_version) {
            (Some(bytes), Some(version)) => Some(RuleRef { digest: digest(bytes)?, settings_version: version as u32 }),
            _ => None,
        };
        Ok(Self {
            id: row.id,
            tenant: TenantId::from_raw(row.tenant_id),
            decision: Decision {
                device: DeviceId::from_raw(row.device_id),
                at: Timestamp::from_millis(row.at),
                rule,
                input: from_json("decision input", &row.input)?,
                state_before: row.state_before,
                evaluation,
                floor: result.floor,
                alarms: result.alarms,
                commands: result.commands,
            },
        })
    }
}

impl ScopedStore {
    /// The decisions that moved an alarm, first to last; empty when it is not in the scope.
    pub async fn decisions_of_alarm(&self, alarm: AlarmId) -> Result<Vec<StoredDecision>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT e.id, e.tenant_id, e.device_id, e.at, e.rule_digest, e.settings_version, e.input, e.state_before, e.result \
             FROM decision_alarms l JOIN decisions e ON e.id = l.decision_id JOIN devices d ON d.id = e.device_id WHERE ",
            " AND l.alarm_id = $2 ORDER BY e.id"
        );
        let rows = fetch_all!(self.read().await?.on(), DecisionRow, sql, self.scope.key(), alarm.raw())?;
        rows.into_iter().map(StoredDecision::try_from).collect()
    }

    /// The decisions about a device, newest first, at most `limit`, older than the number `before`.
    pub async fn decisions(
        &self,
        device: DeviceId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredDecision>, StoreError> {
        let sql = scoped!(
            self.scope,
            "SELECT e.id, e.tenant_id, e.device_id, e.at, e.rule_digest, e.settings_version, e.input, e.state_before, e.result \
             FROM decisions e JOIN devices d ON d.id = e.device_id WHERE ",
            " AND e.device_id = $2 AND e.id < $3 ORDER BY e.id DESC LIMIT $4"
        );
        let before = before.unwrap_or(i64::MAX);
        let limit = i64::from(limit);
        let rows =
            fetch_all!(self.read().await?.on(), DecisionRow, sql, self.scope.key(), device.raw(), before, limit)?;
        rows.into_iter().map(StoredDecision::try_from).collect()
    }
}
