//! The statutory floor as data. It comes with the migrations: another figure is a release, and nobody changes it in service.

use crate::codes::{from_json, to_json};
use crate::connection::{Store, execute, fetch_all};
use crate::error::StoreError;
use davy_domain::floor::{Floor, FloorRule};

impl Store {
    /// The statutory table; empty when none was stored.
    pub async fn statutory_floor(&self) -> Result<Floor, StoreError> {
        let rows = fetch_all!(self.reader(), (String,), "SELECT body FROM statutory_floor ORDER BY id")?;
        let rules = rows
            .into_iter()
            .map(|(body,)| from_json::<FloorRule>("statutory rule", &body))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Floor { rules })
    }

    /// Replaces the statutory table, all of it or nothing.
    pub async fn put_statutory_floor(&self, floor: &Floor) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(tx.on(), "DELETE FROM statutory_floor")?;
        for rule in &floor.rules {
            execute!(
                tx.on(),
                "INSERT INTO statutory_floor (jurisdiction, effective_from, body) VALUES ($1, $2, $3)",
                &rule.jurisdiction,
                rule.effective_from.as_millis(),
                to_json("statutory rule", rule)?,
            )?;
        }
        tx.commit().await
    }
}
