//! What each tenant brings to the fold: the floor of its jurisdiction, and its rules.

use super::IngestError;
use crate::rules::running::TenantWorld;
use davy_domain::floor::Floor;
use davy_domain::{TenantId, Timestamp};
use davy_store::Tenant;
use metrics::gauge;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The worlds of all tenants, without their rules.
///
/// # Errors
/// When no statutory rule on gas is in force in a tenant's jurisdiction: nothing runs without a floor.
pub fn worlds(
    floor: &Floor,
    tenants: &[Tenant],
    now: Timestamp,
) -> Result<HashMap<TenantId, Arc<TenantWorld>>, IngestError> {
    tenants
        .iter()
        .map(|tenant| {
            let jurisdiction = match tenant.jurisdiction {
                Some(division) => format!("CN-{}", division.0),
                None => "CN".to_owned(),
            };
            Ok((tenant.id, Arc::new(TenantWorld::new(floor.in_force_at(&jurisdiction, now)?))))
        })
        .collect()
}

/// Looks now and then whether the law still judges: a rule may end while the server runs.
pub struct FloorWatch {
    worlds: HashMap<TenantId, Arc<TenantWorld>>,
    without: HashSet<TenantId>,
}

impl FloorWatch {
    /// Of these tenants, all of which have a floor.
    pub fn new(worlds: HashMap<TenantId, Arc<TenantWorld>>) -> Self {
        Self { worlds, without: HashSet::new() }
    }

    /// Counts the tenants without a rule on gas in force, and says which ones are new among them.
    pub fn look(&mut self, now: Timestamp) -> usize {
        for (&tenant, world) in &self.worlds {
            if world.floor().judges_gas(now) {
                if self.without.remove(&tenant) {
                    tracing::info!(tenant.id = %tenant, "a statutory rule on gas is in force again");
                }
            } else if self.without.insert(tenant) {
                tracing::error!(
                    tenant.id = %tenant,
                    "no statutory rule on gas is in force any longer: leaks are judged by the tenant's own rule alone; add the version that is in force to the statutory table and restart"
                );
            }
        }
        gauge!("davy_tenants_without_floor").set(self.without.len() as f64);
        self.without.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::Span;

    #[test]
    fn nothing_starts_on_a_floor_that_has_ended_and_one_that_ends_later_is_told() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let mut floor = Floor::china_default();
        for rule in &mut floor.rules {
            rule.effective_until = Some(now);
        }
        let tenant =
            Tenant { id: TenantId::from_raw(1), name: "Green Gas".into(), context_id: vec![1], jurisdiction: None };
        let tenants = [tenant];
        let refused = worlds(&floor, &tenants, now).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.starts_with("no statutory rule on gas for detectors is in force"), "{refused}");

        let before = now - Span::from_millis(1);
        let mut watch = FloorWatch::new(worlds(&floor, &tenants, before).unwrap());
        assert_eq!([watch.look(before), watch.look(now), watch.look(before)], [0, 1, 0]);
    }
}
