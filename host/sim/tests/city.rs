//! A whole city in virtual time: the same seed lives the same life, a leak ends when its valve closes, a jam does not.

use davy_domain::{Action as Order, CommandId, DeviceKind, Quantity, Span, Timestamp, wire::PendingCommand};
use davy_sim::{
    device::Setup,
    world::{
        Action, DeviceIndex, Fact, Fault, PlaceIndex, Received, Spec, World, WorldConfig,
        leak::{LeakKind, LeakSite},
        valve::Arrival,
    },
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// 2026-11-23, six in the evening, local.
const START: Timestamp = Timestamp::from_millis(1_795_428_000_000);

fn specs(premises: usize, wells: usize) -> Vec<Spec> {
    let mut specs = Vec::new();
    let mut add = |serial: String, kind, seconds, sleepy, premises: Option<String>| {
        let setup = Setup { serial, kind, interval: Span::from_secs(seconds), sleepy };
        specs.push(Spec { setup, premises, speaker: None });
    };
    for number in 0..premises {
        let home = Some(format!("home-{number}"));
        add(format!("D{number}"), DeviceKind::Detector, 60, false, home.clone());
        add(format!("V{number}"), DeviceKind::Valve, 60, false, home.clone());
        add(format!("M{number}"), DeviceKind::Meter, 300, true, home);
    }
    for number in 0..wells {
        add(format!("W{number}"), DeviceKind::WellMonitor, 300, false, None);
    }
    specs
}

/// Runs a world for a time and acknowledges every uplink a tenth of a second after it was sent; orders every valve of a place to close
/// as soon as its detector reports 25 %LEL, as a platform would.
struct Platform {
    world: World,
    now: Timestamp,
    trace: Sha256,
    facts: Vec<Fact>,
    uplinks: usize,
    counter: u64,
    obeys: bool,
    rounds: usize,
}

impl Platform {
    fn new(config: WorldConfig, specs: &[Spec]) -> Self {
        let world = World::new(config, specs, START);
        Self {
            world,
            now: START,
            trace: Sha256::new(),
            facts: Vec::new(),
            uplinks: 0,
            counter: 0,
            obeys: true,
            rounds: 0,
        }
    }

    fn run(&mut self, span: Span) {
        let end = self.now + span;
        let mut replies: Vec<(Timestamp, DeviceIndex, Received)> = Vec::new();
        while self.now < end {
            let next =
                self.world.next_due().unwrap_or(end).min(replies.iter().map(|r| r.0).min().unwrap_or(end)).min(end);
            self.now = next.max(self.now);
            self.rounds += 1;
            let mut actions = Vec::new();
            self.world.step(self.now, &mut actions);
            let mut rest = Vec::new();
            for (at, device, received) in replies {
                if at <= self.now {
                    self.world.receive(device, received, self.now, &mut actions);
                } else {
                    rest.push((at, device, received));
                }
            }
            replies = rest;
            for action in actions {
                self.trace.update(format!("{action:?}"));
                match action {
                    Action::Uplink { device, ticket, report } => {
                        self.uplinks += 1;
                        let soon = self.now + Span::from_millis(100);
                        replies.push((soon, device, Received::Acknowledged { ticket, commands: Vec::new() }));
                        let place = self.world.place_of(device);
                        if self.obeys && report.highest(Quantity::Gas).is_some_and(|lel| lel >= 25.0) {
                            for &valve in place.map_or(&[][..], |place| self.world.valves_of(place)) {
                                self.counter += 1;
                                let command = PendingCommand {
                                    id: CommandId::from_raw(self.counter as i64),
                                    action: Order::Close,
                                    counter: self.counter,
                                    deadline: self.now + Span::from_secs(30),
                                    child: None,
                                };
                                replies.push((soon, valve, Received::Commands(vec![command])));
                            }
                        }
                    }
                    Action::Fact(fact) => self.facts.push(fact),
                    Action::Outcome { .. } | Action::Observe { .. } | Action::Radio { .. } | Action::Reboot { .. } => {}
                }
            }
        }
    }

    fn inflict(&mut self, fault: Fault) {
        let mut actions = Vec::new();
        assert!(self.world.inflict(fault, self.now, &mut actions));
        self.facts.extend(actions.into_iter().filter_map(|action| match action {
            Action::Fact(fact) => Some(fact),
            _ => None,
        }));
    }

    fn closed(&self) -> usize {
        self.facts.iter().filter(|fact| matches!(fact, Fact::Moved { arrival: Arrival::Closed, .. })).count()
    }
}

#[test]
fn the_same_seed_lives_the_same_life_and_another_seed_another() {
    let live = |seed| {
        let mut platform = Platform::new(WorldConfig { seed, ..WorldConfig::default() }, &specs(6, 2));
        platform.run(Span::from_minutes(12));
        platform.inflict(Fault::Leak(PlaceIndex(3), LeakKind::Sudden, LeakSite::BehindValves));
        platform.run(Span::from_minutes(8));
        (platform.trace.finalize(), platform.uplinks)
    };
    let (first, uplinks) = live(42);
    assert_eq!((first, uplinks), live(42));
    assert_ne!(first, live(43).0);
    // Twelve devices a minute, eight in five minutes, for twenty minutes, and what the leak adds.
    assert!((260..450).contains(&uplinks), "{uplinks}");
}

#[test]
fn a_leak_is_felt_closed_and_aired() {
    for (kind, within) in [(LeakKind::Sudden, 15), (LeakKind::Slow, 100)] {
        let mut platform = Platform::new(WorldConfig { seed: 5, ..WorldConfig::default() }, &specs(3, 0));
        platform.run(Span::from_minutes(2));
        let place = PlaceIndex(1);
        platform.inflict(Fault::Leak(place, kind, LeakSite::BehindValves));
        platform.run(Span::from_minutes(within));
        assert_eq!(platform.closed(), 2, "{kind:?}: valve and meter of the premises, and no other");
        assert!(platform.facts.iter().any(|fact| matches!(fact, Fact::FloorReached { place: at, .. } if *at == place)));
        let home = platform.world.home(place).unwrap();
        assert_eq!(home.flow_m3h(), 0.0);
        let gas = home.gas_lel();
        platform.run(Span::from_minutes(60));
        assert!(platform.world.home(place).unwrap().gas_lel() <= 0.5 * gas);
    }
}

#[test]
fn a_valve_that_is_told_again_to_close_says_so_once_and_comes_to_rest() {
    let mut platform = Platform::new(WorldConfig { seed: 5, ..WorldConfig::default() }, &specs(1, 0));
    platform.inflict(Fault::Leak(PlaceIndex(0), LeakKind::Sudden, LeakSite::BehindValves));
    platform.run(Span::from_minutes(20));
    assert!(platform.counter > 2, "the platform repeats itself while gas is high");
    assert_eq!(platform.closed(), 2);
    let before = platform.rounds;
    platform.run(Span::from_minutes(10));
    // The detector samples once a second; little else is due.
    assert!(platform.rounds - before < 800, "{} rounds in ten minutes", platform.rounds - before);
}

#[test]
fn a_jam_leaves_the_leak_running_until_a_person_has_been_there() {
    let config = WorldConfig { seed: 6, jam_chance: 1.0, ..WorldConfig::default() };
    let mut platform = Platform::new(config, &specs(1, 0));
    platform.inflict(Fault::Leak(PlaceIndex(0), LeakKind::Sudden, LeakSite::BehindValves));
    platform.run(Span::from_minutes(15));
    assert_eq!(platform.closed(), 0);
    let gas = platform.world.home(PlaceIndex(0)).unwrap().gas_lel();
    assert!(gas > 25.0);
    assert!(platform.world.home(PlaceIndex(0)).unwrap().flow_m3h() > 2.0);
    platform.inflict(Fault::Repair(PlaceIndex(0)));
    platform.run(Span::from_hours(2));
    assert!(platform.world.home(PlaceIndex(0)).unwrap().gas_lel() < gas / 5.0);
}

#[test]
fn without_a_platform_the_detector_closes_by_wire_only_when_set_to() {
    for (local, closed) in [(None, 0), (Some(25.0), 2)] {
        let mut config = WorldConfig { seed: 7, ..WorldConfig::default() };
        config.firmware.local_close_lel = local;
        let mut platform = Platform::new(config, &specs(1, 0));
        platform.obeys = false;
        platform.inflict(Fault::Leak(PlaceIndex(0), LeakKind::Sudden, LeakSite::BehindValves));
        platform.run(Span::from_minutes(15));
        assert_eq!(platform.closed(), closed, "{local:?}");
    }
}

#[test]
fn a_valve_opens_again_only_with_a_permission_and_a_person() {
    let config = WorldConfig { seed: 8, repair_after: Some(Span::from_minutes(20)), ..WorldConfig::default() };
    let mut platform = Platform::new(config, &specs(1, 0));
    platform.inflict(Fault::Leak(PlaceIndex(0), LeakKind::Sudden, LeakSite::BehindValves));
    platform.run(Span::from_minutes(90));
    assert_eq!(platform.closed(), 2);
    assert!(!platform.world.home(PlaceIndex(0)).unwrap().is_open(), "nobody gave a permission");
    for valve in platform.world.valves_of(PlaceIndex(0)).to_vec() {
        platform.counter += 1;
        let command = PendingCommand {
            id: CommandId::from_raw(platform.counter as i64),
            action: Order::Arm,
            counter: platform.counter,
            deadline: platform.now + Span::from_minutes(10),
            child: None,
        };
        platform.world.receive(valve, Received::Commands(vec![command]), platform.now, &mut Vec::new());
    }
    platform.run(Span::from_minutes(3));
    assert!(platform.world.home(PlaceIndex(0)).unwrap().is_open());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_quiet_city_never_reports_gas_at_the_high_level_and_every_index_grows(seed: u64) {
        let mut platform = Platform::new(WorldConfig { seed, nuisance_per_meal: 0.5, ..WorldConfig::default() }, &specs(4, 1));
        platform.obeys = false;
        let mut last: Vec<f64> = (0..4).map(|p| platform.world.home(PlaceIndex(p)).unwrap().index_m3()).collect();
        for _ in 0..12 {
            platform.run(Span::from_minutes(15));
            for (place, last) in (0..4).zip(&mut last) {
                let index = platform.world.home(PlaceIndex(place)).unwrap().index_m3();
                prop_assert!(index >= *last);
                *last = index;
            }
        }
        let leaks = platform.facts.iter().filter(|fact| matches!(fact, Fact::FloorReached { .. })).count();
        prop_assert_eq!(leaks, 0);
    }
}
