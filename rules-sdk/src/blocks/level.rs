//! When a value counts as over a level: hysteresis, persistence, and both together.

use crate::state::{LAYOUT_SEED, Reader, StateField, layout_part, layout_text};

/// What an update changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Nothing.
    None,
    /// It began to hold.
    Rose,
    /// It ceased to hold.
    Fell,
}

/// Two thresholds: it begins at or above the upper one and ends below the lower one. Between them it stays as it was, so a
/// value that trembles around one level gives one alarm and not a hundred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hysteresis {
    on: bool,
}

impl Hysteresis {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.on
    }

    /// Takes in a value. A value that is not a number changes nothing.
    pub fn update(&mut self, value: f64, on_at: f64, off_below: f64) -> Edge {
        if !self.on && value >= on_at {
            self.on = true;
            Edge::Rose
        } else if self.on && value < off_below {
            self.on = false;
            Edge::Fell
        } else {
            Edge::None
        }
    }
}

impl StateField for Hysteresis {
    const LAYOUT: u32 = layout_text(LAYOUT_SEED, "Hysteresis");
    fn write(&self, out: &mut Vec<u8>) {
        self.on.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        bool::read(reader).map(|on| Self { on })
    }
}

/// How long something has held without a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Persistence {
    since_ms: Option<i64>,
}

impl Persistence {
    /// Since when it holds, in ms since the Unix epoch.
    pub fn since_ms(&self) -> Option<i64> {
        self.since_ms
    }

    /// Forgets.
    pub fn reset(&mut self) {
        self.since_ms = None;
    }

    /// Takes in whether it holds at a time; says whether it has held for `need_ms` or longer. With `need_ms` 0 it is enough
    /// that it holds. A time earlier than the beginning (a late reading) moves the beginning back.
    pub fn update(&mut self, holds: bool, at_ms: i64, need_ms: i64) -> bool {
        if !holds {
            self.since_ms = None;
            return false;
        }
        let since = self.since_ms.map_or(at_ms, |since| since.min(at_ms));
        self.since_ms = Some(since);
        at_ms.saturating_sub(since) >= need_ms
    }
}

impl StateField for Persistence {
    const LAYOUT: u32 = layout_part(layout_text(LAYOUT_SEED, "Persistence"), Option::<i64>::LAYOUT);
    fn write(&self, out: &mut Vec<u8>) {
        self.since_ms.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Option::read(reader).map(|since_ms| Self { since_ms })
    }
}

/// A level with hysteresis and persistence on both sides: it begins after the value has been at or above `on_at` for
/// `on_ms`, and ends after it has been below `off_below` for `off_ms`.
///
/// A device that was out of reach may tell of a leak first and of the hours before it afterwards. A reading that is older than the newest one
/// can therefore begin the level, but never end it or take it back on its way: it says nothing about now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    on: bool,
    turning: Persistence,
    /// The newest reading's time; forgotten at rest, so that the state is then always the same.
    newest_ms: Option<i64>,
}

impl Level {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.on
    }

    /// Whether it is on the way to change: the next reading may decide.
    pub fn is_turning(&self) -> bool {
        self.turning.since_ms.is_some()
    }

    /// When it will have held long enough if nothing contradicts: the time for a timer. `None` unless it is on the way up.
    pub fn rises_at_ms(&self, on_ms: i64) -> Option<i64> {
        if self.on { None } else { self.turning.since_ms.map(|since| since.saturating_add(on_ms)) }
    }

    /// Time has passed without a reading. On the way up, no news counts as "still there"; on the way down it does not.
    pub fn elapse(&mut self, now_ms: i64, on_ms: i64) -> Edge {
        if self.rises_at_ms(on_ms).is_none_or(|due| now_ms < due) {
            return Edge::None;
        }
        self.turning.reset();
        self.on = true;
        Edge::Rose
    }

    /// Takes in a value with its time.
    pub fn update(&mut self, value: f64, at_ms: i64, on: (f64, i64), off: (f64, i64)) -> Edge {
        if value < on.0 && self.newest_ms.is_some_and(|newest| at_ms < newest) {
            return Edge::None;
        }
        let newest_ms = self.newest_ms.map_or(at_ms, |newest| newest.max(at_ms));
        let edge = self.turn(value, at_ms, on, off);
        self.newest_ms = (self.on || self.is_turning()).then_some(newest_ms);
        edge
    }

    fn turn(&mut self, value: f64, at_ms: i64, on: (f64, i64), off: (f64, i64)) -> Edge {
        let (turns, need_ms) = if self.on { (value < off.0, off.1) } else { (value >= on.0, on.1) };
        if !self.turning.update(turns, at_ms, need_ms) {
            return Edge::None;
        }
        self.turning.reset();
        self.on = !self.on;
        if self.on { Edge::Rose } else { Edge::Fell }
    }
}

impl StateField for Level {
    const LAYOUT: u32 =
        layout_part(layout_part(layout_text(LAYOUT_SEED, "Level"), Persistence::LAYOUT), Option::<i64>::LAYOUT);
    fn write(&self, out: &mut Vec<u8>) {
        self.on.write(out);
        self.turning.write(out);
        self.newest_ms.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { on: bool::read(reader)?, turning: Persistence::read(reader)?, newest_ms: Option::read(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_that_trembles_between_the_thresholds_gives_one_edge() {
        let mut level = Hysteresis::default();
        let edges = [9.0, 10.0, 9.5, 10.2, 9.1, 10.1].map(|value| level.update(value, 10.0, 8.0));
        assert_eq!(edges, [Edge::None, Edge::Rose, Edge::None, Edge::None, Edge::None, Edge::None]);
        assert_eq!(level.update(7.9, 10.0, 8.0), Edge::Fell);
    }

    #[test]
    fn not_a_number_changes_nothing() {
        let mut level = Hysteresis { on: true };
        assert_eq!(level.update(f64::NAN, 10.0, 8.0), Edge::None);
        assert!(level.holds());
    }

    #[test]
    fn persistence_starts_over_after_a_break() {
        let mut held = Persistence::default();
        assert!(!held.update(true, 1_000, 5_000));
        assert!(!held.update(true, 5_999, 5_000));
        assert!(held.update(true, 6_000, 5_000));
        assert!(!held.update(false, 6_500, 5_000));
        assert!(!held.update(true, 7_000, 5_000));
    }

    #[test]
    fn without_a_needed_time_the_first_reading_is_enough() {
        assert!(Persistence::default().update(true, 0, 0));
    }

    #[test]
    fn a_late_reading_moves_the_beginning_back() {
        let mut held = Persistence::default();
        held.update(true, 5_000, 10_000);
        held.update(true, 2_000, 10_000);
        assert_eq!(held.since_ms(), Some(2_000));
    }

    #[test]
    fn a_level_needs_its_time_on_both_sides() {
        let mut level = Level::default();
        let mut step = |value, at| level.update(value, at, (10.0, 2_000), (8.0, 3_000));
        assert_eq!(step(12.0, 0), Edge::None);
        assert_eq!(step(12.0, 2_000), Edge::Rose);
        assert_eq!(step(5.0, 3_000), Edge::None);
        assert_eq!(step(9.0, 4_000), Edge::None, "above the lower threshold: the fall starts over");
        assert_eq!(step(5.0, 5_000), Edge::None);
        assert_eq!(step(5.0, 8_000), Edge::Fell);
    }

    #[test]
    fn what_was_measured_before_the_newest_reading_begins_a_level_and_never_ends_it() {
        let mut level = Level::default();
        let mut step = |value, at| level.update(value, at, (10.0, 0), (8.0, 2_000));
        assert_eq!(step(12.0, 10_000), Edge::Rose);
        for late in [1_000, 4_000, 9_000] {
            assert_eq!(step(1.0, late), Edge::None, "clean air of before");
        }
        assert_eq!(step(1.0, 11_000), Edge::None);
        assert_eq!(step(1.0, 13_000), Edge::Fell);
        assert_eq!(step(12.0, 5_000), Edge::Rose, "at rest nothing is remembered, and a late leak is one");
        assert_eq!(step(12.0, 4_000), Edge::None);
        level = Level::default();
        assert_eq!(level.update(12.0, 5_000, (10.0, 5_000), (8.0, 0)), Edge::None);
        assert_eq!(level.update(1.0, 2_000, (10.0, 5_000), (8.0, 0)), Edge::None, "on the way up too");
        assert_eq!(level.rises_at_ms(5_000), Some(10_000));
    }

    #[test]
    fn silence_on_the_way_up_raises_and_silence_on_the_way_down_does_not_clear() {
        let mut level = Level::default();
        assert_eq!(level.update(12.0, 1_000, (10.0, 5_000), (8.0, 5_000)), Edge::None);
        assert_eq!(level.rises_at_ms(5_000), Some(6_000));
        assert_eq!(level.elapse(5_999, 5_000), Edge::None);
        assert_eq!(level.elapse(6_000, 5_000), Edge::Rose);
        assert_eq!(level.update(1.0, 7_000, (10.0, 5_000), (8.0, 5_000)), Edge::None);
        assert_eq!(level.elapse(60_000, 5_000), Edge::None);
        assert!(level.holds());
    }

    proptest! {
        #[test]
        fn edges_of_a_level_alternate(values in proptest::collection::vec((0.0..20.0_f64, 0..2_000_i64), 0..200)) {
            let (mut level, mut at, mut on) = (Level::default(), 0, false);
            for (value, step) in values {
                at += step;
                match level.update(value, at, (10.0, 1_500), (8.0, 1_500)) {
                    Edge::Rose => { prop_assert!(!on && value >= 10.0); on = true; }
                    Edge::Fell => { prop_assert!(on && value < 8.0); on = false; }
                    Edge::None => {}
                }
                prop_assert_eq!(level.holds(), on);
            }
        }
    }
}
