//! Leaks while a load runs: real devices in a thread of their own, at premises that the load leaves alone.
//!
//! Must never share a device with the load: one sequence of numbers has one user.

use super::{LoadConfig, LoadError};
use crate::{
    credential::Credential,
    fleet::{Fleet, FleetConfig, Report},
};
use davy_domain::{DeviceKind, Span};
use std::{
    collections::HashSet,
    sync::{atomic::AtomicBool, mpsc},
    time::Duration,
};

/// How much faster than life gas spreads: a hose that slips off is felt within a second, so that leaks can follow each other.
const PACE: f64 = 200.0;

/// Splits the credentials: `premises` premises with a detector and a valve that is awake, and everything else.
pub(super) fn set_aside(credentials: &[Credential], premises: usize) -> (Vec<Credential>, Vec<Credential>) {
    let specs = Credential::specs(credentials);
    let fits = |name: &str, kind: DeviceKind| {
        credentials.iter().zip(&specs).any(|(each, spec)| {
            spec.premises.as_deref() == Some(name) && each.kind == kind && !each.sleepy && each.speaks()
        })
    };
    let mut chosen: HashSet<&str> = HashSet::new();
    for spec in &specs {
        let Some(name) = spec.premises.as_deref().filter(|_| spec.setup.kind == DeviceKind::Detector) else { continue };
        if chosen.len() < premises && fits(name, DeviceKind::Detector) && fits(name, DeviceKind::Valve) {
            chosen.insert(name);
        }
    }
    let aside = |spec: &crate::world::Spec| spec.premises.as_deref().is_some_and(|name| chosen.contains(name));
    let (mut probe, mut rest) = (Vec::new(), Vec::new());
    for (each, spec) in credentials.iter().zip(&specs) {
        if aside(spec) { probe.push(each.clone()) } else { rest.push(each.clone()) }
    }
    (probe, rest)
}

/// Lets one premises after the other leak, spread over the time that is measured.
pub(super) fn run(config: &LoadConfig, aside: &[Credential], done: &AtomicBool) -> Result<Report, LoadError> {
    let mut fleet = FleetConfig::new(config.server, config.start);
    let leaks = config.probe_leaks.max(1) as u32;
    // Devices have reported and listen by then.
    let first = config.warm_up.max(Duration::from_secs(4));
    fleet.first_leak_after = first;
    fleet.leak_every =
        Some((config.warm_up + config.measures_for).saturating_sub(first + Duration::from_secs(2)) / leaks);
    fleet.settle = Duration::ZERO;
    fleet.world.nuisance_per_meal = 0.0;
    fleet.world.firmware.pace = PACE;
    fleet.world.firmware.sample_every = Span::from_millis(100);
    fleet.world.firmware.reboots_every = None;
    let (_none, controls) = mpsc::channel();
    Ok(Fleet::open(fleet, aside, None)?.run(&controls, done, |_| {})?)
}
