//! A motor or solenoid valve: it takes seconds to move and may jam on the way.
//!
//! Must never be open and closed at once: gas flows until the moment the plug is home, and none after it.

use crate::chance::Chance;
use davy_domain::{Span, Timestamp};

/// Where the plug is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Open: gas flows.
    Open,
    /// On its way to closed: gas still flows.
    Closing {
        /// When it arrives, or is found to have jammed.
        until: Timestamp,
        /// Whether it will not arrive.
        jams: bool,
    },
    /// Home: no gas flows.
    Closed,
    /// On its way to open: no gas flows yet.
    Opening {
        /// When it arrives.
        until: Timestamp,
    },
    /// Stuck on its way to closed: gas flows.
    Jammed,
}

/// What came of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// It is home.
    Closed,
    /// It is stuck.
    Jammed,
    /// It is open.
    Opened,
}

/// A valve.
#[derive(Clone, Debug)]
pub struct Valve {
    position: Position,
    travel: Span,
    jam_chance: f64,
    cycles: u32,
}

impl Valve {
    /// An open valve that takes 2–8 s to close and jams with probability `jam_chance` at each try.
    pub fn new(jam_chance: f64, chance: &mut Chance) -> Self {
        let travel = Span::from_millis(chance.whole(2_000, 8_000));
        Self { position: Position::Open, travel, jam_chance, cycles: 0 }
    }

    /// Where the plug is.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Whether gas gets through.
    pub const fn lets_gas_through(&self) -> bool {
        matches!(self.position, Position::Open | Position::Closing { .. } | Position::Jammed)
    }

    /// How often it has closed.
    pub const fn cycles(&self) -> u32 {
        self.cycles
    }

    /// When the movement under way ends.
    pub const fn moving_until(&self) -> Option<Timestamp> {
        match self.position {
            Position::Closing { until, .. } | Position::Opening { until } => Some(until),
            Position::Open | Position::Closed | Position::Jammed => None,
        }
    }

    /// Starts to close; true unless it is closed or closing already. A jammed valve tries again and can only jam again.
    pub fn close(&mut self, now: Timestamp, chance: &mut Chance) -> bool {
        let jams = match self.position {
            Position::Closed | Position::Closing { .. } => return false,
            Position::Jammed => true,
            Position::Open | Position::Opening { .. } => chance.happens(self.jam_chance),
        };
        self.position = Position::Closing { until: now + self.travel, jams };
        true
    }

    /// A person turns it open by hand; false unless it is closed.
    pub fn open_by_hand(&mut self, now: Timestamp) -> bool {
        if self.position != Position::Closed {
            return false;
        }
        self.position = Position::Opening { until: now + self.travel };
        true
    }

    /// Makes every coming close jam.
    pub const fn spoil(&mut self) {
        self.jam_chance = 1.0;
    }

    /// A person frees it; it is open afterwards unless it was closed.
    pub fn free(&mut self, jam_chance: f64) {
        self.jam_chance = jam_chance;
        if self.position == Position::Jammed {
            self.position = Position::Open;
        }
    }

    /// Ends the movement under way when its time has come.
    pub fn settle(&mut self, now: Timestamp) -> Option<Arrival> {
        let (position, arrival) = match self.position {
            Position::Closing { until, jams: false } if until <= now => (Position::Closed, Arrival::Closed),
            Position::Closing { until, jams: true } if until <= now => (Position::Jammed, Arrival::Jammed),
            Position::Opening { until } if until <= now => (Position::Open, Arrival::Opened),
            Position::Open
            | Position::Closing { .. }
            | Position::Closed
            | Position::Opening { .. }
            | Position::Jammed => {
                return None;
            }
        };
        self.position = position;
        self.cycles += u32::from(arrival == Arrival::Closed);
        Some(arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gas_flows_until_the_plug_is_home() {
        let mut chance = Chance::new(5, 0);
        let mut valve = Valve::new(0.0, &mut chance);
        let at = Timestamp::from_millis(0);
        assert!(valve.close(at, &mut chance));
        let until = valve.moving_until().unwrap();
        assert!((2_000..=8_000).contains(&until.since(at).as_millis()));
        assert_eq!(valve.settle(until - Span::from_millis(1)), None);
        assert!(valve.lets_gas_through());
        assert_eq!(valve.settle(until), Some(Arrival::Closed));
        assert!(!valve.lets_gas_through());
        assert_eq!(valve.cycles(), 1);
    }

    #[test]
    fn a_jammed_valve_lets_gas_through_and_jams_again() {
        let mut chance = Chance::new(5, 0);
        let mut valve = Valve::new(1.0, &mut chance);
        for start in [0, 60_000] {
            assert!(valve.close(Timestamp::from_millis(start), &mut chance));
            assert_eq!(valve.settle(Timestamp::from_millis(start + 8_000)), Some(Arrival::Jammed));
            assert!(valve.lets_gas_through());
        }
        assert!(!valve.open_by_hand(Timestamp::from_millis(99_000)));
    }
}
