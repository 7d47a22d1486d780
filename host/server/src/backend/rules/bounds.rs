//! The bounds within which a company tries its versions: what holds, and setting its own.

use super::Service;
use crate::backend::stored;
use crate::http::problem::invalid;
use crate::roles::Deed;
use davy_api::{Problem, RuleBound, RuleBounds, RuleBoundsRequest, Viewer};
use davy_domain::release::bounds::{Bound, Bounds};

impl Service {
    pub(in crate::backend) async fn bounds_of(&self, viewer: &Viewer) -> Result<RuleBounds, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let (own, operators) = (rows.rule_bounds().await.map_err(stored)?, &self.rules.bounds);
        let held = own.over(operators);
        let item = |bound: Bound| RuleBound {
            name: bound.name().to_owned(),
            value: held.get(bound),
            own: own.own(bound).is_some(),
            default: operators.get(bound),
            least: bound.least(),
            most: bound.most(),
        };
        let may_set = Deed::BoundRules.allowed_to(viewer);
        Ok(RuleBounds { items: Bound::ALL.into_iter().map(item).collect(), may_set })
    }

    /// Sets the company's own bounds. They hold for what is being tried already, from its next look on.
    ///
    /// # Errors
    /// A [`Problem`] naming each bound that is none, or that the platform does not allow so.
    pub async fn set_rule_bounds(&self, viewer: &Viewer, request: &RuleBoundsRequest) -> Result<RuleBounds, Problem> {
        let rows = self.rows(viewer, Deed::BoundRules)?;
        let mut bounds = Bounds::default();
        for (name, value) in &request.bounds {
            let field = format!("bounds.{name}");
            let bound = Bound::from_name(name).ok_or_else(|| {
                let known: Vec<_> = Bound::ALL.iter().map(|bound| bound.name()).collect();
                invalid(&field, format!("expected one of {}", known.join(", ")))
            })?;
            bounds.set(bound, *value).map_err(|refused| invalid(&field, refused.to_string()))?;
        }
        rows.set_rule_bounds(&bounds, viewer.user, self.now()).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, bounds = bounds.text(), "the bounds of trials were set");
        self.bounds_of(viewer).await
    }
}
