//! The books: what was sent and acknowledged, and for each leak when it was felt, told, answered with a close, closed and proven.
//!
//! Must never count a device's own belief as a fact: closed means the plug is home, acknowledged means the platform said so.

use super::report::{Latency, LeakReport, Report, Totals};
use crate::world::{
    DeviceIndex, PlaceIndex,
    leak::{LeakKind, LeakSite},
};
use hdrhistogram::Histogram;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// One valve of a leak's premises.
#[derive(Clone, Debug)]
struct ValveBook {
    device: DeviceIndex,
    sleepy: bool,
    ordered: Option<Instant>,
    closed: Option<Instant>,
    jammed: bool,
    proven: Option<Instant>,
}

/// One hazard.
#[derive(Clone, Debug)]
struct LeakBook {
    place: PlaceIndex,
    premises: String,
    leak: Option<(LeakKind, LeakSite)>,
    began: Instant,
    floor: Option<Instant>,
    told: Option<Instant>,
    valves: Vec<ValveBook>,
    repaired: bool,
}

impl LeakBook {
    /// Every valve that is awake is closed and its report acknowledged.
    fn is_proven(&self) -> bool {
        let mut awake = self.valves.iter().filter(|valve| !valve.sleepy).peekable();
        if awake.peek().is_none() {
            return self.is_all_proven();
        }
        awake.all(|valve| valve.proven.is_some())
    }

    fn is_all_proven(&self) -> bool {
        !self.valves.is_empty() && self.valves.iter().all(|valve| valve.proven.is_some())
    }

    fn first(&self, of: impl Fn(&ValveBook) -> Option<Instant>) -> Option<Instant> {
        self.valves.iter().filter_map(of).min()
    }
}

/// The books of a fleet.
pub(super) struct Book {
    started: Instant,
    pub(super) totals: Totals,
    leaks: Vec<LeakBook>,
    open: HashMap<PlaceIndex, usize>,
    uplink_rtt: Histogram<u64>,
}

impl Book {
    pub(super) fn new(started: Instant) -> Self {
        Self { started, totals: Totals::default(), leaks: Vec::new(), open: HashMap::new(), uplink_rtt: histogram() }
    }

    pub(super) fn leak_began(
        &mut self,
        place: PlaceIndex,
        premises: String,
        leak: Option<(LeakKind, LeakSite)>,
        valves: impl Iterator<Item = (DeviceIndex, bool)>,
        now: Instant,
    ) {
        let valves = valves.map(|(device, sleepy)| ValveBook {
            device,
            sleepy,
            ordered: None,
            closed: None,
            jammed: false,
            proven: None,
        });
        let valves = valves.collect();
        self.open.insert(place, self.leaks.len());
        self.leaks.push(LeakBook {
            place,
            premises,
            leak,
            began: now,
            floor: None,
            told: None,
            valves,
            repaired: false,
        });
    }

    fn leak(&mut self, place: PlaceIndex) -> Option<&mut LeakBook> {
        let index = *self.open.get(&place)?;
        self.leaks.get_mut(index)
    }

    fn valve(&mut self, place: PlaceIndex, device: DeviceIndex) -> Option<&mut ValveBook> {
        self.leak(place)?.valves.iter_mut().find(|valve| valve.device == device)
    }

    pub(super) fn floor_reached(&mut self, place: PlaceIndex, now: Instant) {
        if let Some(leak) = self.leak(place) {
            leak.floor.get_or_insert(now);
        }
    }

    /// A datagram with a reading at or above the statutory level was handed to the socket.
    pub(super) fn leak_told(&mut self, place: PlaceIndex, now: Instant) {
        if let Some(leak) = self.leak(place) {
            leak.told.get_or_insert(now);
        }
    }

    pub(super) fn close_ordered(&mut self, place: PlaceIndex, device: DeviceIndex, now: Instant) {
        self.totals.close_commands += 1;
        if let Some(valve) = self.valve(place, device) {
            valve.ordered.get_or_insert(now);
        }
    }

    pub(super) fn closed(&mut self, place: PlaceIndex, device: DeviceIndex, now: Instant) {
        self.totals.valves_closed += 1;
        if let Some(valve) = self.valve(place, device) {
            valve.closed.get_or_insert(now);
        }
    }

    pub(super) fn jammed(&mut self, place: PlaceIndex, device: DeviceIndex) {
        self.totals.valves_jammed += 1;
        if let Some(valve) = self.valve(place, device) {
            valve.jammed = true;
        }
    }

    /// An uplink that says `closed` of a valve was acknowledged.
    pub(super) fn proven(&mut self, place: PlaceIndex, device: DeviceIndex, now: Instant) {
        let Some(valve) = self.valve(place, device).filter(|valve| valve.closed.is_some() && valve.proven.is_none())
        else {
            return;
        };
        valve.proven = Some(now);
        self.totals.valves_closed_verified += 1;
    }

    pub(super) fn repaired(&mut self, place: PlaceIndex) {
        if let Some(leak) = self.leak(place) {
            leak.repaired = true;
        }
        self.open.remove(&place);
    }

    pub(super) fn round_trip(&mut self, took: Duration) {
        self.uplink_rtt.saturating_record(took.as_micros() as u64);
    }

    /// Leaks that no closed and reported valve has ended yet.
    pub(super) fn unproven(&self) -> usize {
        self.leaks.iter().filter(|leak| !leak.is_proven() && !leak.repaired).count()
    }

    /// The report as things stand at `now`.
    pub(super) fn report(&self, now: Instant) -> Report {
        let between = |from: Option<Instant>, to: Option<Instant>| Some(to?.saturating_duration_since(from?));
        let mut to_order = histogram();
        let mut to_closed = histogram();
        let mut floor_to_closed = histogram();
        let record = |histogram: &mut Histogram<u64>, took: Option<Duration>| {
            if let Some(took) = took {
                histogram.saturating_record(took.as_micros() as u64);
            }
        };
        let mut leaks = Vec::with_capacity(self.leaks.len());
        for leak in &self.leaks {
            let ordered =
                leak.first(|valve| valve.ordered.filter(|_| !valve.sleepy)).or_else(|| leak.first(|v| v.ordered));
            let closed = leak.first(|valve| valve.closed);
            record(&mut to_order, between(leak.told, ordered));
            record(&mut to_closed, between(leak.told, closed));
            record(&mut floor_to_closed, between(leak.floor, closed));
            let after = |at: Option<Instant>| at.map(|at| millis(at.saturating_duration_since(leak.began)));
            leaks.push(LeakReport {
                premises: leak.premises.clone(),
                place: leak.place.0,
                kind: leak.leak.map(|(kind, _)| kind),
                site: leak.leak.map(|(_, site)| site),
                began_ms: millis(leak.began.saturating_duration_since(self.started)),
                floor_after_ms: after(leak.floor),
                told_after_ms: after(leak.told),
                ordered_after_ms: after(ordered),
                closed_after_ms: after(closed),
                proven: leak.is_proven(),
                all_proven: leak.is_all_proven(),
                jammed: leak.valves.iter().any(|valve| valve.jammed),
                wire_ms: between(leak.told, ordered).map(millis),
            });
        }
        let count = |of: &dyn Fn(&LeakBook) -> bool| self.leaks.iter().filter(|leak| of(leak)).count() as u64;
        Report {
            seconds: now.saturating_duration_since(self.started).as_secs_f64(),
            uplinks_sent: self.totals.uplinks_sent,
            uplinks_acked: self.totals.uplinks_acked,
            lost: self.totals.uplinks_given_up + self.totals.uplinks_unanswered,
            leaks_injected: self.leaks.len() as u64,
            leaks_felt: count(&|leak| leak.floor.is_some()),
            leaks_told: count(&|leak| leak.told.is_some()),
            leaks_ordered: count(&|leak| leak.valves.iter().any(|valve| valve.ordered.is_some())),
            leaks_closed: count(&|leak| leak.valves.iter().any(|valve| valve.closed.is_some())),
            leaks_proven: count(&LeakBook::is_proven),
            leaks_all_proven: count(&LeakBook::is_all_proven),
            totals: self.totals.clone(),
            uplink_rtt_ms: Latency::of(&self.uplink_rtt),
            leak_to_close_ms: Latency::of(&to_order),
            leak_to_closed_ms: Latency::of(&to_closed),
            floor_to_closed_ms: Latency::of(&floor_to_closed),
            leaks,
        }
    }
}

fn histogram() -> Histogram<u64> {
    // Microseconds up to an hour, to three digits.
    Histogram::new_with_bounds(1, 3_600_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that hold"))
}

fn millis(took: Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}
