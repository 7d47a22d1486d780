//! Residential communities: which there are in a company, and which premises belong to them.

use crate::connection::fetch_all;
use crate::error::StoreError;
use crate::places::DivisionCode;
use crate::scope::TenantStore;
use davy_domain::{CommunityId, PremisesId};

/// A residential community (小区) of a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Community {
    /// Its id.
    pub id: CommunityId,
    /// Where it is supervised.
    pub division: Option<DivisionCode>,
    /// Its name.
    pub name: String,
}

impl TenantStore {
    /// The company's communities, by id.
    pub async fn communities(&self) -> Result<Vec<Community>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (i64, Option<i64>, String),
            "SELECT id, division_code, name FROM communities WHERE tenant_id = $1 ORDER BY id",
            self.id().raw(),
        )?;
        let community = |(id, division, name): (i64, Option<i64>, String)| Community {
            id: CommunityId::from_raw(id),
            division: division.map(DivisionCode),
            name,
        };
        Ok(rows.into_iter().map(community).collect())
    }

    /// Which premises belong to which community, by community.
    pub async fn premises_of_communities(&self) -> Result<Vec<(CommunityId, PremisesId)>, StoreError> {
        let rows = fetch_all!(
            self.read().await?.on(),
            (i64, i64),
            "SELECT community_id, id FROM premises WHERE tenant_id = $1 AND community_id IS NOT NULL ORDER BY community_id, id",
            self.id().raw(),
        )?;
        Ok(rows.into_iter().map(|(of, id)| (CommunityId::from_raw(of), PremisesId::from_raw(id))).collect())
    }
}
