//! Davy: a component of the contract, in a fresh pooled instance for each decision, with every limit on.

use crate::Side;
use crate::packs::{DAVYS, Decided, Pack};
use anyhow::{Context, Result};
use davy_domain::policy::PolicyEvent;
use davy_domain::{DeviceKind, Quantity, Reading, Timestamp};
use davy_rules::{AlarmRule, Engine, EngineConfig, SettingsBytes, package};
use std::path::Path;

/// The loaded rule.
pub(crate) struct Davy {
    rule: AlarmRule,
    settings: SettingsBytes,
}

impl Davy {
    /// Builds the crate as `davyctl rule build` does, and loads it.
    pub(crate) fn new(folder: &Path, target: &Path) -> Result<Self> {
        let built = package::build_crate(folder, Some(target))?;
        let engine = Engine::new(&EngineConfig::default())?;
        let rule = engine.load(&engine.admit(&built.component)?);
        let settings = rule.encode_settings(DAVYS)?;
        Ok(Self { rule, settings })
    }
}

impl Side for Davy {
    fn decide(&mut self, state: &mut Vec<u8>, pack: &Pack) -> Result<Decided> {
        let readings = pack.iter().map(|reading| {
            let quantity = Quantity::from_code(reading.quantity).context("a quantity of the contract")?;
            Ok(Reading::new(quantity, reading.value, Timestamp::from_millis(reading.at_ms))?)
        });
        let event = PolicyEvent::measured(
            DeviceKind::Detector,
            Timestamp::from_millis(pack[0].at_ms),
            readings.collect::<Result<_>>()?,
        );
        let outcome = self.rule.evaluate(&self.settings, state, &event).result?;
        *state = outcome.state;
        Ok(Decided {
            raises: outcome.raise.iter().map(|raise| raise.condition.code()).collect(),
            clears: outcome.clear.iter().map(|condition| condition.code()).collect(),
            close: outcome.close_valve,
        })
    }
}
