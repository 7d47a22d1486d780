//! What a company uses of what all companies share, for the company.

use super::{Service, stored};
use crate::roles::Deed;
use crate::shares::{Count, Shares};
use davy_api::{Flow, Problem, Stock, Usage, Viewer};
use std::sync::Arc;

impl Service {
    /// The operations, which count each company's requests against its share.
    #[must_use]
    pub fn sharing(mut self, shares: Arc<Shares>) -> Self {
        self.shares = shares;
        self
    }

    /// Counts a request of the viewer's company, if they have one; says whether it is taken.
    pub(crate) fn takes_request(&self, viewer: &Viewer, urgent: bool) -> bool {
        viewer.tenant().is_none_or(|tenant| self.shares.request(tenant, urgent, self.now()))
    }

    pub(super) async fn usage_of(&self, viewer: &Viewer) -> Result<Usage, Problem> {
        let rows = self.rows(viewer, Deed::SeeUsage)?;
        let used = self.shares.of(rows.id());
        let flow = |count: &Count, per_second| {
            let (taken, turned_away) = count.read();
            Flow { taken, turned_away, per_second }
        };
        let (components, bytes) = rows.stored_components().await.map_err(stored)?;
        let limits = self.rule_limits();
        let back_tests = self.back_tests_under_way(rows.id()).await?;
        Ok(Usage {
            since: self.shares.since(),
            requests: flow(&used.requests, self.shares.per_second()),
            uplinks: flow(&used.uplinks, None),
            components: Stock { used: components, most: limits.components },
            component_bytes: Stock { used: bytes, most: limits.component_bytes },
            unchecked_versions: Stock { used: self.unchecked_versions(rows.id()) as u64, most: limits.unchecked },
            back_tests: Stock { used: back_tests as u64, most: limits.back_tests },
        })
    }
}
