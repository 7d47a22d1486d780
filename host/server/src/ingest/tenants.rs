//! What each tenant brings to the fold: its floor, its rule with its settings, and the counters of its rule's calls.
//!
//! A rule that should be there and cannot be loaded becomes one that always faults: the floor stands, and a person is told.

use super::IngestError;
use super::ration::{self, Ration};
use davy_domain::TenantId;
use davy_domain::floor::{Floor, LocalFloor};
use davy_domain::interlock::{BoundPolicy, Limits, World};
use davy_domain::policy::{AlarmPolicy, Evaluation, PolicyEvent, PolicyFault};
use davy_rules::{Admission, BoundRule, CompileCache, Engine, Tier};
use davy_store::{ActiveRule, Store, Tenant};
use metrics::{Counter, Histogram, counter, histogram};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// A tenant's surroundings of the fold; shared by the shards, never changed while they run.
pub struct TenantWorld {
    floor: LocalFloor,
    rule: Option<LoadedRule>,
    limits: Limits,
}

struct LoadedRule {
    digest: [u8; 32],
    settings_version: u32,
    policy: Box<dyn AlarmPolicy + Send + Sync>,
}

impl TenantWorld {
    /// As the fold wants it.
    pub fn world(&self) -> World<'_> {
        World {
            floor: &self.floor,
            policy: self.rule.as_ref().map(|rule| BoundPolicy {
                policy: rule.policy.as_ref(),
                digest: rule.digest,
                settings_version: rule.settings_version,
            }),
            limits: &self.limits,
        }
    }

    /// The platform's own figures.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Where rules run.
#[derive(Clone)]
pub struct Sandbox {
    /// The engine.
    pub engine: Engine,
    /// Rules that are compiled already.
    pub compiled: Option<CompileCache>,
    /// Compiles the others.
    pub admission: Admission,
}

/// The worlds of all tenants, each with its active rule loaded.
///
/// # Errors
/// When the database does not answer, or a tenant's jurisdiction has no statutory floor: nothing runs without one.
pub async fn load(
    store: &Store,
    sandbox: &Sandbox,
    floor: &Floor,
    tenants: &[Tenant],
    wake_conditions: bool,
) -> Result<HashMap<TenantId, Arc<TenantWorld>>, IngestError> {
    let mut active: HashMap<TenantId, ActiveRule> =
        store.active_rules().await?.into_iter().map(|rule| (rule.tenant, rule)).collect();
    let mut worlds = HashMap::with_capacity(tenants.len());
    for tenant in tenants {
        let jurisdiction = match tenant.jurisdiction {
            Some(division) => format!("CN-{}", division.0),
            None => "CN".to_owned(),
        };
        let rule = match active.remove(&tenant.id) {
            Some(rule) => Some(load_rule(store, sandbox, tenant.id, rule, wake_conditions).await?),
            None => None,
        };
        let world = TenantWorld { floor: floor.for_jurisdiction(&jurisdiction)?, rule, limits: Limits::default() };
        worlds.insert(tenant.id, Arc::new(world));
    }
    Ok(worlds)
}

async fn load_rule(
    store: &Store,
    sandbox: &Sandbox,
    tenant: TenantId,
    active: ActiveRule,
    wake_conditions: bool,
) -> Result<LoadedRule, IngestError> {
    let component = store.tenant(tenant).rule_component(&active.digest).await?;
    let sandbox = sandbox.clone();
    let (name, settings) = (active.name, active.settings);
    // Compiling takes tens of milliseconds and belongs on no async thread.
    let bound = tokio::task::spawn_blocking(move || bind(&sandbox, component.as_deref(), &settings)).await;
    let bound = bound.unwrap_or_else(|panic| Err(panic.to_string()));
    let policy: Box<dyn AlarmPolicy + Send + Sync> = match bound {
        Ok(rule) => Box::new(Sandboxed {
            rule,
            wake_conditions,
            ration: Ration::new(Instant::now()),
            suspended: counter!("davy_rule_suspended_total", "tenant" => tenant.to_string()),
            calls: counter!("davy_rule_calls_total", "tenant" => tenant.to_string()),
            faults: counter!("davy_rule_faults_total", "tenant" => tenant.to_string()),
            seconds: histogram!("davy_rule_call_seconds"),
        }),
        Err(reason) => {
            tracing::error!(tenant.id = %tenant, rule = name, reason, "the tenant's rule cannot be loaded: the statutory floor stands in");
            Box::new(Unloadable(reason))
        }
    };
    Ok(LoadedRule { digest: active.digest, settings_version: active.settings_version, policy })
}

fn bind(sandbox: &Sandbox, component: Option<&[u8]>, settings: &str) -> Result<BoundRule, String> {
    let component = component.ok_or("its component is not in the database")?;
    let Sandbox { engine, compiled, admission } = sandbox;
    let admitted = admission.load(engine, component, Tier::Standard, compiled.as_ref());
    let rule = engine.load(&admitted.map_err(|error| error.to_string())?);
    let settings = rule.encode_settings(settings).map_err(|error| error.to_string())?;
    Ok(rule.bind(settings))
}

/// A component with its settings, counted and timed.
struct Sandboxed {
    rule: BoundRule,
    /// Whether what it waits for is passed on.
    wake_conditions: bool,
    ration: Ration,
    suspended: Counter,
    calls: Counter,
    faults: Counter,
    seconds: Histogram,
}

impl AlarmPolicy for Sandboxed {
    fn evaluate(&self, state: &[u8], event: &PolicyEvent) -> Evaluation {
        let begun = Instant::now();
        if !self.ration.is_left(begun) {
            self.suspended.increment(1);
            return Evaluation { result: Err(PolicyFault::Suspended), fuel: 0 };
        }
        let mut evaluation = self.rule.evaluate(state, event);
        self.seconds.record(begun.elapsed().as_secs_f64());
        self.ration.charge(match evaluation.result {
            Err(PolicyFault::Deadline) => ration::CUT_OFF,
            Err(PolicyFault::OutOfFuel { limit }) => limit,
            _ => evaluation.fuel,
        });
        self.calls.increment(1);
        match &mut evaluation.result {
            Ok(outcome) if !self.wake_conditions => outcome.wake = None,
            Ok(_) => {}
            Err(_) => self.faults.increment(1),
        }
        evaluation
    }
}

/// Stands in for a rule that could not be loaded.
struct Unloadable(String);

impl AlarmPolicy for Unloadable {
    fn evaluate(&self, _: &[u8], _: &PolicyEvent) -> Evaluation {
        Evaluation { result: Err(PolicyFault::Trap { reason: self.0.clone() }), fuel: 0 }
    }
}
