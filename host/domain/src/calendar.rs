//! The clock on the wall of a place, and its days: for rules, which have no time zone.
//!
//! Must never be used to measure time: what counts is [`Timestamp`]; this only says what people there call it.

use crate::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// How far a place's clock is ahead of UTC. One offset all year round: China has neither time zones nor summer time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceClock {
    offset: Span,
}

/// A day of a place's calendar (Gregorian).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LocalDay {
    /// Year.
    pub year: i32,
    /// Month; 1 to 12.
    pub month: u8,
    /// Day of the month; 1 to 31.
    pub day: u8,
}

impl PlaceClock {
    /// UTC+8, all over China.
    pub const CHINA: Self = Self { offset: Span::from_hours(8) };
    /// Quiet hours begin, minutes after midnight: what can wait until morning must.
    const QUIET_FROM: u16 = 22 * 60;
    /// Quiet hours end.
    const QUIET_TO: u16 = 7 * 60;

    const fn wall(self, at: Timestamp) -> i64 {
        at.as_millis().saturating_add(self.offset.as_millis())
    }

    /// Minutes since midnight of the place's clock; 0 to 1,439.
    pub const fn minute(self, at: Timestamp) -> u16 {
        (self.wall(at).rem_euclid(DAY_MS) / MINUTE_MS) as u16
    }

    /// Whether the place is within its quiet hours, 22:00 to 07:00.
    pub const fn is_quiet(self, at: Timestamp) -> bool {
        let minute = self.minute(at);
        minute >= Self::QUIET_FROM || minute < Self::QUIET_TO
    }

    /// When the day began in which `at` lies.
    pub const fn midnight(self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.as_millis() - self.wall(at).rem_euclid(DAY_MS))
    }

    /// When the day after began.
    pub fn next_midnight(self, at: Timestamp) -> Timestamp {
        self.midnight(at) + Span::from_millis(DAY_MS)
    }

    /// The day in which `at` lies.
    pub const fn day(self, at: Timestamp) -> LocalDay {
        // Days since 0000-03-01: a year that begins in March has its leap day at its end.
        let days = self.wall(at).div_euclid(DAY_MS) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + (month <= 2) as i64;
        LocalDay { year: year as i32, month: month as u8, day: (of_year - (153 * shifted + 2) / 5 + 1) as u8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(year: i32, month: u8, day: u8) -> LocalDay {
        LocalDay { year, month, day }
    }

    #[test]
    fn a_day_in_china_begins_at_four_in_the_afternoon_of_utc() {
        let clock = PlaceClock::CHINA;
        // 2024-02-28T16:00:00Z
        let midnight = Timestamp::from_millis(1_709_136_000_000);
        assert_eq!((clock.day(midnight), clock.minute(midnight)), (day(2024, 2, 29), 0));
        let before = midnight - Span::from_millis(1);
        assert_eq!((clock.day(before), clock.minute(before)), (day(2024, 2, 28), 1_439));
        assert_eq!(clock.day(clock.next_midnight(midnight)), day(2024, 3, 1), "a leap year");
        assert_eq!(clock.day(Timestamp::from_millis(0)), day(1970, 1, 1));
        assert_eq!(clock.day(Timestamp::from_millis(946_656_000_000)), day(2000, 1, 1));
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let clock = PlaceClock::CHINA;
        let at = |minute: i64| Timestamp::from_millis(1_709_136_000_000) + Span::from_minutes(minute);
        let quiet: Vec<bool> =
            [21 * 60 + 59, 22 * 60, 0, 7 * 60 - 1, 7 * 60].map(|minute| clock.is_quiet(at(minute))).into();
        assert_eq!(quiet, [false, true, true, true, false]);
    }

    proptest! {
        #[test]
        fn one_day_follows_the_other(ms in 0_i64..4_000_000_000_000) {
            let clock = PlaceClock::CHINA;
            let at = Timestamp::from_millis(ms);
            let (today, next) = (clock.day(at), clock.next_midnight(at));
            prop_assert_eq!(clock.day(clock.midnight(at)), today);
            prop_assert_eq!(clock.day(next - Span::from_millis(1)), today);
            prop_assert!(clock.day(next) > today);
            prop_assert_eq!(clock.minute(next), 0);
        }
    }
}
