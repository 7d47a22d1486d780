//! Local time and weather: what makes people cook, wash and heat.
//!
//! The city keeps UTC+8 without daylight saving. Must never read a clock: everything follows from the time given.

use davy_domain::Timestamp;

const DAY_MS: i64 = 86_400_000;
const LOCAL_OFFSET_MS: i64 = 8 * 3_600_000;

/// A moment in the city's local time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalTime {
    /// Days since 1970-01-01, local.
    pub day: i64,
    /// Hour of the day, 0 to just under 24, with its fraction.
    pub hour: f64,
}

impl LocalTime {
    /// The local time of a moment.
    pub const fn of(at: Timestamp) -> Self {
        let local = at.as_millis() + LOCAL_OFFSET_MS;
        Self { day: local.div_euclid(DAY_MS), hour: local.rem_euclid(DAY_MS) as f64 / 3_600_000.0 }
    }

    /// The moment `hour` hours into local day `day`; an hour of 24 or more is in the next day.
    pub fn moment(day: i64, hour: f64) -> Timestamp {
        Timestamp::from_millis(day * DAY_MS - LOCAL_OFFSET_MS + (hour * 3_600_000.0) as i64)
    }

    /// Whether the day is a Saturday or a Sunday.
    pub const fn is_weekend(self) -> bool {
        // 1970-01-01 was a Thursday.
        matches!((self.day + 3).rem_euclid(7), 5 | 6)
    }

    /// How far into the year, 0 to just under 1, counted from 1 January (to about a day).
    pub fn year_fraction(self) -> f64 {
        (self.day as f64 / 365.2425).fract().rem_euclid(1.0)
    }
}

/// Outdoor temperature in °C: a north Chinese city, −3 °C on average in January and 27 °C in July, warmest in mid-afternoon.
pub fn outdoor_celsius(at: Timestamp) -> f64 {
    let local = LocalTime::of(at);
    let season = -(core::f64::consts::TAU * (local.year_fraction() - 0.05)).cos();
    let daytime = -(core::f64::consts::TAU * (local.hour - 3.0) / 24.0).cos();
    // A slow, aperiodic-looking swing of the weather, from two incommensurate periods of days.
    let days = local.day as f64 + local.hour / 24.0;
    let weather = 2.5 * (days / 1.37).sin() + 1.5 * (days / 0.81).cos();
    12.0 + 15.0 * season + 4.5 * daytime + weather
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_and_local_hours_are_right() {
        // 2026-11-23T05:30:00Z is a Monday, half past one in the afternoon.
        let at = Timestamp::from_millis(1_795_411_800_000);
        let local = LocalTime::of(at);
        assert!((local.hour - 13.5).abs() < 1e-9, "{}", local.hour);
        assert!(!local.is_weekend());
        assert!(LocalTime { day: local.day + 5, ..local }.is_weekend());
        assert!(LocalTime { day: local.day + 6, ..local }.is_weekend());
        assert!(!LocalTime { day: local.day + 7, ..local }.is_weekend());
        assert_eq!(LocalTime::moment(local.day, local.hour), at);
    }

    #[test]
    fn winter_is_cold_and_summer_warm() {
        let noon = |year_fraction: f64| {
            let day = 20_454 + (year_fraction * 365.0) as i64;
            outdoor_celsius(LocalTime::moment(day, 14.0))
        };
        assert!(noon(0.05) < 8.0, "{}", noon(0.05));
        assert!(noon(0.55) > 24.0, "{}", noon(0.55));
    }
}
