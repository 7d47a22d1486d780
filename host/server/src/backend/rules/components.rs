//! Deleting a component that nothing refers to any more.

use super::Service;
use crate::backend::stored;
use crate::roles::Deed;
use davy_api::{Problem, Viewer};
use davy_domain::ReleaseId;
use davy_domain::release::Stage;
use davy_rules::RuleDigest;
use davy_store::{Deleted, ReferredBy, StoreError, StoredRelease, TenantStore};

/// References that a refusal names.
const NAMED: usize = 10;

impl Service {
    /// Deletes the component of a version, and with it that of every other version of the same component.
    ///
    /// # Errors
    /// A [`Problem`] that names what refers to it.
    pub async fn delete_component(&self, viewer: &Viewer, id: ReleaseId) -> Result<(), Problem> {
        let rows = self.rows_for(viewer, Deed::ChangeRules, id).await?;
        let release = self.release_of(&rows, id).await?;
        let deleted = rows.delete_component(&release.digest, viewer.user, self.now()).await;
        match deleted {
            Ok(Deleted::Gone(bytes)) => {
                let digest = RuleDigest::from_bytes(release.digest);
                tracing::info!(release.id = %id, rule.digest = %digest, bytes, user.id = %viewer.user, "a component was deleted");
                Ok(())
            }
            Ok(Deleted::Absent) => Err(Problem::not_found("component")),
            Ok(Deleted::Referred(by)) => Err(referred(&by)),
            Err(StoreError::Changed { .. }) => {
                let words = "A version was made of this component meanwhile: look at it again.";
                Err(Problem::new("refused", 409, "Refused", words).with_reason("changed"))
            }
            Err(error) => Err(stored(error)),
        }
    }

    /// Whether the component of a version could be deleted now.
    pub(super) async fn may_delete(
        &self,
        viewer: &Viewer,
        rows: &TenantStore,
        release: &StoredRelease,
    ) -> Result<bool, Problem> {
        // Looked up only where it could be.
        if !Deed::ChangeRules.allowed_to(viewer) || !matches!(release.release.stage, Stage::Retired | Stage::Refused) {
            return Ok(false);
        }
        Ok(rows.references(&release.digest).await.map_err(stored)?.is_empty())
    }
}

fn referred(by: &[ReferredBy]) -> Problem {
    let mut named: Vec<String> = by
        .iter()
        .take(NAMED)
        .map(|reference| match reference {
            ReferredBy::Version(id, stage) => format!("version {id} of it is {stage}: withdraw it first"),
            ReferredBy::Decisions(id) => {
                format!("version {id} has decided, and its decisions are made again with this component")
            }
        })
        .collect();
    if by.len() > NAMED {
        named.push(format!("{} more", by.len() - NAMED));
    }
    let words = format!("The component is still referred to: {}.", named.join("; "));
    Problem::new("refused", 409, "Refused", words).with_reason("referred-to")
}
