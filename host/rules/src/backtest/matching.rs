//! Which alarm of one course is which of the other's.
//!
//! Two alarms of the same device and condition are the same one when they were present at the same time, or were raised within
//! [`Options::window`](super::Options::window) of each other; of several that could be, the nearest. Pairs never cross. What finds
//! no partner was lost or is new.

use davy_domain::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// When something was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Present {
    /// From when, milliseconds since 1970.
    pub raised_at: Timestamp,
    /// Until when; none when it was still there at the end.
    pub cleared_at: Option<Timestamp>,
}

impl Present {
    /// Whether it was there at a time between `from` and `to`.
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.raised_at <= to && self.cleared_at.is_none_or(|cleared| cleared >= from)
    }
}

/// One of either, or both as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// Places in the two lists.
    Both(usize, usize),
    /// A place in the first list.
    First(usize),
    /// A place in the second list.
    Second(usize),
}

/// Pairs two lists, each in the order of `raised_at`.
pub(super) fn pairs(first: &[Present], second: &[Present], window: Span) -> Vec<Pair> {
    let apart = |a: usize, b: usize| first[a].raised_at.since(second[b].raised_at).as_millis().saturating_abs();
    let same = |a: usize, b: usize| {
        let end = second[b].cleared_at.unwrap_or(Timestamp::from_millis(i64::MAX));
        first[a].overlaps(second[b].raised_at, end) || apart(a, b) <= window.as_millis()
    };
    let (mut a, mut b) = (0, 0);
    let mut found = Vec::with_capacity(first.len().max(second.len()));
    while a < first.len() && b < second.len() {
        if !same(a, b) {
            if first[a].raised_at <= second[b].raised_at {
                found.push(Pair::First(a));
                a += 1;
            } else {
                found.push(Pair::Second(b));
                b += 1;
            }
            continue;
        }
        let (more_a, more_b) = (a + 1 < first.len(), b + 1 < second.len());
        // A neighbour that is nearer takes the place, unless it is nearer still to somebody else.
        if more_b && apart(a, b + 1) < apart(a, b) && !(more_a && apart(a + 1, b + 1) < apart(a, b + 1)) {
            found.push(Pair::Second(b));
            b += 1;
        } else if more_a && apart(a + 1, b) < apart(a, b) && !(more_b && apart(a + 1, b + 1) < apart(a + 1, b)) {
            found.push(Pair::First(a));
            a += 1;
        } else {
            found.push(Pair::Both(a, b));
            (a, b) = (a + 1, b + 1);
        }
    }
    found.extend((a..first.len()).map(Pair::First));
    found.extend((b..second.len()).map(Pair::Second));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Span = Span::from_minutes(15);

    fn minutes(from: i64, to: i64) -> Present {
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        Present { raised_at: at(from), cleared_at: Some(at(to)) }
    }

    #[test]
    fn alarms_that_overlap_are_the_same_one_however_far_apart_they_began() {
        assert_eq!(pairs(&[minutes(0, 300)], &[minutes(240, 310)], WINDOW), [Pair::Both(0, 0)]);
    }

    #[test]
    fn alarms_that_do_not_overlap_are_the_same_one_within_the_window_only() {
        assert_eq!(pairs(&[minutes(0, 1)], &[minutes(15, 16)], WINDOW), [Pair::Both(0, 0)]);
        assert_eq!(pairs(&[minutes(0, 1)], &[minutes(16, 17)], WINDOW), [Pair::First(0), Pair::Second(0)]);
    }

    #[test]
    fn of_several_the_nearest_is_the_same_one() {
        assert_eq!(
            pairs(&[minutes(10, 20)], &[minutes(0, 2), minutes(10, 12)], WINDOW),
            [Pair::Second(0), Pair::Both(0, 1)]
        );
        assert_eq!(
            pairs(&[minutes(0, 2), minutes(10, 12)], &[minutes(10, 20)], WINDOW),
            [Pair::First(0), Pair::Both(1, 0)]
        );
    }

    #[test]
    fn an_alarm_that_never_ended_overlaps_every_later_one() {
        let open = Present { cleared_at: None, ..minutes(0, 0) };
        assert_eq!(pairs(&[open], &[minutes(600, 601)], WINDOW), [Pair::Both(0, 0)]);
    }

    fn list() -> impl Strategy<Value = Vec<Present>> {
        prop::collection::vec((0..80_i64, 0..9_i64), 0..24).prop_map(|mut list| {
            list.sort_unstable();
            list.dedup_by_key(|(from, _)| *from);
            list.into_iter().map(|(from, length)| minutes(from, from + length)).collect()
        })
    }

    proptest! {
        #[test]
        fn everything_is_there_once_and_a_list_pairs_with_itself(first in list(), second in list()) {
            let found = pairs(&first, &second, Span::from_minutes(3));
            let of_first: Vec<_> = found.iter().filter_map(|pair| match pair { Pair::Both(a, _) | Pair::First(a) => Some(*a), Pair::Second(_) => None }).collect();
            let of_second: Vec<_> = found.iter().filter_map(|pair| match pair { Pair::Both(_, b) | Pair::Second(b) => Some(*b), Pair::First(_) => None }).collect();
            prop_assert_eq!(of_first, (0..first.len()).collect::<Vec<_>>());
            prop_assert_eq!(of_second, (0..second.len()).collect::<Vec<_>>());
            let with_itself: Vec<_> = (0..first.len()).map(|place| Pair::Both(place, place)).collect();
            prop_assert_eq!(pairs(&first, &first, WINDOW), with_itself);
        }
    }
}
