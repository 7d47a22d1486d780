//! The drivers of a company that are in force, by the device model that each speaks for: what the shards ask about messages in a vendor's own
//! form.
//!
//! A driver only reads and writes. What it read is judged by floor and rule like any reading, and a close goes out without it when it fails.

use super::health::Health;
use super::policy::Faults;
use super::running::{Registry, Sandbox, TenantWorld, tier, world_name};
use crate::ingest::ration::Ration;
use davy_domain::driven::Said;
use davy_domain::policy::PolicyFault;
use davy_domain::release::Stage;
use davy_domain::wire::PendingCommand;
use davy_domain::{ReleaseId, TenantId, Timestamp};
use davy_rules::driver::{BoundDriver, Message};
use davy_rules::world::DeviceDriver;
use davy_rules::{Evaluated, Tier, WorldKind};
use davy_store::{LiveRelease, StoreError};
use metrics::{Counter, counter};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The contract of drivers.
pub const DRIVER: &str = world_name(WorldKind::DeviceDriver);

/// Drivers by model.
pub type ByModel = HashMap<String, Arc<LoadedDriver>>;

/// A driver that is in force.
pub struct LoadedDriver {
    /// Which version.
    pub release: ReleaseId,
    /// SHA-256 of its component.
    pub digest: [u8; 32],
    /// The version of its settings.
    pub settings_version: u32,
    /// What it costs and how it fails.
    pub health: Arc<Health>,
    /// What a call of it may cost.
    pub fuel_budget: u64,
    models: Vec<String>,
    /// The driver, or why it cannot be loaded: then every message is set aside.
    driver: Result<BoundDriver, String>,
    ration: Ration,
    suspended: Counter,
    calls: Counter,
    faults: Faults,
}

impl LoadedDriver {
    /// Reads a message, or says why it cannot.
    pub fn read(&self, message: &Message<'_>) -> Result<Said, String> {
        let asked = || {
            json!({
                "received-at": message.received_at, "device-kind": message.kind, "device-serial": message.serial,
                "format": message.format, "payload": crate::keys::to_hex(message.payload),
            })
        };
        self.ask(message.received_at, asked, |driver| driver.read(message))
    }

    /// Writes a command in the vendor's bytes, with their content-format, or says why it cannot.
    pub fn write(&self, command: &PendingCommand, serial: &str, now: Timestamp) -> Result<(Vec<u8>, u16), String> {
        let asked = || {
            json!({
                "action": command.action, "counter": command.counter, "child": command.child, "device-serial": serial,
                "deadline": command.deadline,
            })
        };
        self.ask(now, asked, |driver| driver.write(command, serial, now)).map(|order| (order.payload, order.format))
    }

    fn ask<T>(
        &self,
        now: Timestamp,
        asked: impl FnOnce() -> Value,
        call: impl FnOnce(&BoundDriver) -> Evaluated<T>,
    ) -> Result<T, String> {
        let begun = Instant::now();
        let failed = |fault: PolicyFault| Evaluated { result: Err(fault), fault: None, fuel: 0 };
        let Evaluated { result, fuel, .. } = match &self.driver {
            Err(reason) => failed(PolicyFault::Trap { reason: reason.clone() }),
            Ok(_) if !self.ration.is_left(begun) => {
                self.suspended.increment(1);
                failed(PolicyFault::Suspended)
            }
            Ok(driver) => {
                self.calls.increment(1);
                call(driver)
            }
        };
        let took = if fuel == 0 { Duration::ZERO } else { begun.elapsed() };
        self.ration.charge_call(result.as_ref().err(), fuel);
        self.health.asked(now, (fuel, took), result.as_ref().err(), asked);
        result.map_err(|fault| {
            self.faults.count(&fault);
            fault.to_string()
        })
    }
}

impl Registry {
    /// Makes the drivers of a company that are asked those that the database says.
    ///
    /// # Errors
    /// When the database does not answer; what ran goes on.
    pub(super) async fn reload_drivers(
        &self,
        tenant: TenantId,
        world: &TenantWorld,
        lives: Vec<LiveRelease>,
    ) -> Result<(), StoreError> {
        let before = world.drivers.load_full();
        let known: HashMap<ReleaseId, &Arc<LoadedDriver>> = before.values().map(|each| (each.release, each)).collect();
        let lives: Vec<_> = lives.into_iter().filter(|live| live.stored.release.stage == Stage::Active).collect();
        let wanted: BTreeSet<_> =
            lives.iter().map(|live| (live.stored.release.id, live.stored.settings_version)).collect();
        if wanted == known.values().map(|driver| (driver.release, driver.settings_version)).collect() {
            return Ok(());
        }
        let mut drivers = ByModel::new();
        for live in lives {
            let goes_on = known.get(&live.stored.release.id);
            let driver = match goes_on.filter(|known| known.settings_version == live.stored.settings_version) {
                Some(known) => Arc::clone(known),
                None => Arc::new(self.load_driver(tenant, live).await?),
            };
            drivers.extend(driver.models.iter().map(|model| (model.clone(), Arc::clone(&driver))));
        }
        world.drivers.store(Arc::new(drivers));
        Ok(())
    }

    async fn load_driver(&self, tenant: TenantId, live: LiveRelease) -> Result<LoadedDriver, StoreError> {
        let LiveRelease { stored, settings } = live;
        let rows = self.store().tenant(tenant);
        let counted = rows.rule_health(stored.release.id).await?;
        let health = Health::resumed(counted.as_ref().map(|(body, _)| body.as_str()), true, self.clock().now());
        // What it said of itself when it was checked: its models are known even when it cannot be loaded.
        let models = models(&rows.about_rule(&stored.digest).await?.unwrap_or_default());
        let component = rows.rule_component(&stored.digest).await?;
        let (sandbox, tier) = (self.sandbox().clone(), tier(&stored.tier));
        counter!("davy_rule_loads_total").increment(1);
        let bound = tokio::task::spawn_blocking(move || bind(&sandbox, component.as_deref(), tier, &settings)).await;
        let driver = bound.unwrap_or_else(|panic| Err(panic.to_string()));
        if let Err(reason) = &driver {
            tracing::error!(tenant.id = %tenant, driver = stored.name, reason, "the company's driver cannot be loaded: its devices' messages are set aside");
        }
        let (tenant, version) = (tenant.to_string(), stored.release.id.to_string());
        Ok(LoadedDriver {
            release: stored.release.id,
            digest: stored.digest,
            settings_version: stored.settings_version,
            health: Arc::new(health),
            fuel_budget: self.sandbox().engine.config().fuel_of(tier),
            models,
            driver,
            ration: Ration::new(Instant::now(), tier),
            faults: Faults::new(&tenant, &version),
            suspended: counter!("davy_rule_suspended_total", "tenant" => tenant.clone(), "version" => version.clone()),
            calls: counter!("davy_rule_calls_total", "tenant" => tenant, "version" => version),
        })
    }

    /// The drivers of a company that are in force, each once.
    pub fn drivers(&self, tenant: TenantId) -> Vec<Arc<LoadedDriver>> {
        let Some(world) = self.worlds().get(&tenant) else { return Vec::new() };
        let mut drivers: Vec<_> = world.drivers.load().values().cloned().collect();
        drivers.sort_by_key(|driver| driver.release);
        drivers.dedup_by_key(|driver| driver.release);
        drivers
    }
}

/// The models that a driver speaks for, out of its stored description.
pub fn models(about: &str) -> Vec<String> {
    let about: Value = serde_json::from_str(about).unwrap_or_default();
    let models = about["driver"]["models"].as_array().into_iter().flatten();
    models.filter_map(|model| model.as_str().map(str::to_owned)).collect()
}

fn bind(sandbox: &Sandbox, component: Option<&[u8]>, tier: Tier, settings: &str) -> Result<BoundDriver, String> {
    let component = component.ok_or("its component is not in the database")?;
    let Sandbox { engine, compiled, admission } = sandbox;
    let admitted = admission.load::<DeviceDriver>(engine, component, tier, compiled.as_ref());
    let driver = engine.load(&admitted.map_err(|error| error.to_string())?);
    let settings = driver.encode_settings(settings).map_err(|error| error.to_string())?;
    Ok(driver.with_settings(settings))
}
