//! What each tenant brings to the fold: the floor of its jurisdiction, and its rules.

use super::IngestError;
use crate::rules::running::TenantWorld;
use davy_domain::TenantId;
use davy_domain::floor::Floor;
use davy_store::Tenant;
use std::collections::HashMap;
use std::sync::Arc;

/// The worlds of all tenants, without their rules.
///
/// # Errors
/// When a tenant's jurisdiction has no statutory floor: nothing runs without one.
pub fn worlds(floor: &Floor, tenants: &[Tenant]) -> Result<HashMap<TenantId, Arc<TenantWorld>>, IngestError> {
    tenants
        .iter()
        .map(|tenant| {
            let jurisdiction = match tenant.jurisdiction {
                Some(division) => format!("CN-{}", division.0),
                None => "CN".to_owned(),
            };
            Ok((tenant.id, Arc::new(TenantWorld::new(floor.for_jurisdiction(&jurisdiction)?))))
        })
        .collect()
}
