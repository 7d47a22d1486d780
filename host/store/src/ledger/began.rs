//! The beginning of chains in a database that is older than the ledger: how many rows of each log have no entry is entered first, so
//! that nobody can pass a later row for an old one.

use crate::connection::{Store, execute, fetch_all};
use crate::error::StoreError;
use davy_domain::Timestamp;
use davy_domain::ledger::{Act, Actor, Chain};
use std::collections::BTreeMap;

/// Rows without an entry: whose, how many, the last one's number and the latest time.
#[derive(sqlx::FromRow)]
struct OldRows {
    tenant_id: i64,
    count: i64,
    last: i64,
    at: i64,
}

/// By log.
type Counts = [(u64, u64); 3];

impl Store {
    /// Counts what was there before the ledger, once in a database's life.
    pub(crate) async fn begin_ledger(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let first = execute!(
            tx.on(),
            "INSERT INTO meta (name, value) VALUES ('ledger_began', '1') ON CONFLICT (name) DO NOTHING"
        )?;
        if first == 0 {
            return Ok(());
        }
        let mut found: BTreeMap<i64, (Timestamp, Counts)> = BTreeMap::new();
        let logs = [
            "SELECT tenant_id, COUNT(*) AS count, MAX(seq) AS last, MAX(at) AS at FROM alarm_log WHERE ledger_seq IS NULL GROUP BY tenant_id",
            "SELECT tenant_id, COUNT(*) AS count, MAX(seq) AS last, MAX(at) AS at FROM command_log \
             WHERE ledger_seq IS NULL AND (state_before IS NULL OR state_after > 6) GROUP BY tenant_id",
            "SELECT tenant_id, COUNT(*) AS count, MAX(seq) AS last, MAX(at) AS at FROM rule_acts WHERE ledger_seq IS NULL GROUP BY tenant_id",
        ];
        for (place, sql) in logs.into_iter().enumerate() {
            for row in fetch_all!(tx.on(), OldRows, sql)? {
                let (at, counts) = found.entry(row.tenant_id).or_default();
                *at = (*at).max(Timestamp::from_millis(row.at));
                counts[place] = (row.count.unsigned_abs(), row.last.unsigned_abs());
            }
        }
        for (tenant, (at, [alarms, commands, rules])) in found {
            let began = Act::Began {
                alarm_rows: alarms.0,
                alarm_last: alarms.1,
                command_rows: commands.0,
                command_last: commands.1,
                rule_rows: rules.0,
                rule_last: rules.1,
            };
            super::enter_in(&mut tx, Chain::from_raw(tenant), at, Actor::Platform, &began).await?;
        }
        tx.commit().await
    }
}
