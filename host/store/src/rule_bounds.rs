//! The bounds within which a company tries versions: what it has set itself, and the entry of who set it.

use crate::connection::{execute, fetch_optional};
use crate::error::StoreError;
use crate::scope::TenantStore;
use davy_domain::ledger::{Act, Actor};
use davy_domain::release::bounds::Bounds;
use davy_domain::{Timestamp, UserId};

impl TenantStore {
    /// The bounds that the company has set itself.
    pub async fn rule_bounds(&self) -> Result<Bounds, StoreError> {
        let row = fetch_optional!(
            self.read().await?.on(),
            (String,),
            "SELECT bounds FROM rule_bounds WHERE tenant_id = $1",
            self.id().raw(),
        )?;
        Ok(row.map(|(text,)| Bounds::from_text(&text)).unwrap_or_default())
    }

    /// Sets the company's own bounds; those that are not among them are the operator's again.
    pub async fn set_rule_bounds(&self, bounds: &Bounds, by: UserId, at: Timestamp) -> Result<(), StoreError> {
        let text = bounds.text();
        let mut tx = self.begin().await?;
        execute!(
            tx.on(),
            "INSERT INTO rule_bounds (tenant_id, bounds) VALUES ($1, $2) \
             ON CONFLICT (tenant_id) DO UPDATE SET bounds = excluded.bounds",
            self.id().raw(),
            text.as_str(),
        )?;
        self.enter(&mut tx, at, Actor::Person { by }, &Act::BoundsDrawn { bounds: text }).await?;
        tx.commit().await
    }
}
