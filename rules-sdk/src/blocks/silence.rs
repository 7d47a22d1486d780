//! The dead-man's switch: something that should be heard of regularly has not been.
//!
//! The platform watches each device's reports by itself. This block is for what only the rule knows: a sensor of several that
//! went quiet while its device still reports, a meter whose index no longer comes, a self-test that was due.

use crate::blocks::Edge;
use crate::state::{LAYOUT_SEED, Reader, StateField, layout_part, layout_text};

/// Watches for silence. Set a timer for [`Silence::due_ms`], or it will be noticed at the next event only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    heard_ms: Option<i64>,
    silent: bool,
}

impl Silence {
    /// Whether it is silent.
    pub fn holds(&self) -> bool {
        self.silent
    }

    /// When it was last heard of, in ms since the Unix epoch.
    pub fn heard_ms(&self) -> Option<i64> {
        self.heard_ms
    }

    /// It was heard of at a time. News from before the last (a late reading) does not count as new, and ends no silence.
    pub fn hear(&mut self, at_ms: i64) -> Edge {
        if self.heard_ms.is_some_and(|heard| at_ms <= heard) {
            return Edge::None;
        }
        self.heard_ms = Some(at_ms);
        if core::mem::take(&mut self.silent) { Edge::Fell } else { Edge::None }
    }

    /// Time has passed. What was never heard of is watched from the first look on.
    pub fn elapse(&mut self, now_ms: i64, within_ms: i64) -> Edge {
        let heard = *self.heard_ms.get_or_insert(now_ms);
        if self.silent || now_ms.saturating_sub(heard) < within_ms {
            return Edge::None;
        }
        self.silent = true;
        Edge::Rose
    }

    /// When it will be silent unless it is heard of before: the time for a timer. `None` while it is silent, or before the first
    /// look.
    pub fn due_ms(&self, within_ms: i64) -> Option<i64> {
        if self.silent { None } else { self.heard_ms.map(|heard| heard.saturating_add(within_ms)) }
    }
}

impl StateField for Silence {
    const LAYOUT: u32 = layout_part(layout_text(LAYOUT_SEED, "Silence"), Option::<i64>::LAYOUT);
    fn write(&self, out: &mut Vec<u8>) {
        self.heard_ms.write(out);
        self.silent.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { heard_ms: Option::read(reader)?, silent: bool::read(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_silent_once_and_ends_when_it_is_heard_of() {
        let mut silence = Silence::default();
        assert_eq!(silence.hear(1_000), Edge::None);
        assert_eq!(silence.due_ms(5_000), Some(6_000));
        assert_eq!(silence.elapse(5_999, 5_000), Edge::None);
        assert_eq!(silence.elapse(6_000, 5_000), Edge::Rose);
        assert_eq!(silence.elapse(9_000, 5_000), Edge::None);
        assert_eq!(silence.due_ms(5_000), None);
        assert_eq!(silence.hear(10_000), Edge::Fell);
        assert!(!silence.holds());
    }

    #[test]
    fn a_late_reading_from_before_the_silence_does_not_end_it() {
        let mut silence = Silence::default();
        silence.hear(1_000);
        silence.elapse(6_000, 5_000);
        assert_eq!(silence.hear(900), Edge::None);
        assert!(silence.holds());
    }

    #[test]
    fn what_was_never_heard_of_is_watched_from_the_first_look() {
        let mut silence = Silence::default();
        assert_eq!(silence.elapse(50_000, 5_000), Edge::None);
        assert_eq!(silence.elapse(55_000, 5_000), Edge::Rose);
    }

    proptest! {
        #[test]
        fn it_holds_exactly_when_nothing_was_heard_for_long_enough(
            steps in proptest::collection::vec((1..4_000_i64, any::<bool>()), 1..100)
        ) {
            let (mut silence, mut now, mut heard) = (Silence::default(), 0, None);
            for (step, hears) in steps {
                now += step;
                if hears {
                    silence.hear(now);
                    heard = Some(now);
                }
                silence.elapse(now, 6_000);
                let since = *heard.get_or_insert(now);
                prop_assert_eq!(silence.holds(), now - since >= 6_000);
            }
        }
    }
}
