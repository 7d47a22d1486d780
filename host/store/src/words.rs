//! What the gas companies' rules said to the alarms that they moved.

use crate::StoredAlarm;
use crate::codes::from_json;
use crate::engine::{Column, WORDS_OF};
use crate::error::StoreError;
use crate::scope::ScopedStore;
use davy_domain::AlarmId;
use davy_domain::policy::Text;
use std::collections::HashMap;

/// What a rule said to one alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlarmWords {
    /// The last text that it gave for it.
    pub text: Option<Text>,
    /// The remarks of its last decision that had any; never for residents.
    pub notes: Vec<String>,
}

impl ScopedStore {
    /// What the rules said to these alarms, which were read through a scope; those to which nothing was said are left out.
    pub async fn words_of(&self, alarms: &[StoredAlarm]) -> Result<HashMap<AlarmId, AlarmWords>, StoreError> {
        let mut words: HashMap<AlarmId, AlarmWords> = HashMap::new();
        if alarms.is_empty() {
            return Ok(words);
        }
        let ids: Vec<i64> = alarms.iter().map(|stored| stored.alarm.id.raw()).collect();
        let tenants: Vec<i64> = alarms.iter().map(|stored| stored.tenant.raw()).collect();
        let rows: Vec<(i64, Option<String>, Option<String>, String)> =
            WORDS_OF.fetch(self.read().await?.on(), &[Column::Int(&ids), Column::Int(&tenants)]).await?;
        // Oldest first: what was said later takes the place of what was said before.
        for (alarm, zh, en, notes) in rows {
            let said = words.entry(AlarmId::from_raw(alarm)).or_default();
            if let Some((zh, en)) = zh.zip(en) {
                said.text = Some(Text { zh, en });
            }
            let notes: Vec<String> = from_json("notes of a rule", &notes)?;
            if !notes.is_empty() {
                said.notes = notes;
            }
        }
        Ok(words)
    }
}
