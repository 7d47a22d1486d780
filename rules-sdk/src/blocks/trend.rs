//! How fast a value changes: the slope of a straight line through the points of a time window.

use crate::state::{LAYOUT_SEED, Reader, StateField, layout_part, layout_text, write_varint};

/// Keeps up to `N` points of a window and gives their least-squares slope. A few bytes a point: the state stays small.
///
/// Points closer together than a `N`-th of the window replace the newest one, keeping the higher value: a device that reports
/// every second fills the window as one that reports every minute does, and a short peak is not averaged away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend<const N: usize> {
    points: Vec<(i64, f64)>,
}

impl<const N: usize> Trend<N> {
    /// Takes in a value with its time and drops points older than the window. Values that are not finite and times before the
    /// newest point change nothing.
    pub fn push(&mut self, at_ms: i64, value: f64, window_ms: i64) {
        let newest = self.points.last().copied();
        if !value.is_finite() || newest.is_some_and(|(newest_at, _)| at_ms < newest_at) {
            return;
        }
        self.points.retain(|(point_at, _)| at_ms.saturating_sub(*point_at) <= window_ms);
        let spacing = window_ms / (N.max(2) as i64 - 1);
        let close = match self.points[..] {
            // Measured from the last point but one: from the newest itself, which moves, the window would never fill.
            [.., (before, _), _] => at_ms.saturating_sub(before) < spacing,
            _ => false,
        };
        if close && let Some(last) = self.points.last_mut() {
            *last = (at_ms, last.1.max(value));
            return;
        }
        if self.points.len() >= N {
            self.points.remove(0);
        }
        self.points.push((at_ms, value));
    }

    /// Change per minute, in the value's unit; `None` with fewer than `least` points or points at one time only.
    pub fn per_minute(&self, least: usize) -> Option<f64> {
        let first = self.points.first()?.0;
        if self.points.len() < least.max(2) {
            return None;
        }
        let count = self.points.len() as f64;
        let (mut sum_t, mut sum_v, mut sum_tt, mut sum_tv) = (0.0, 0.0, 0.0, 0.0);
        for (at, value) in &self.points {
            let t = (at - first) as f64 / 60_000.0;
            sum_t += t;
            sum_v += value;
            sum_tt += t * t;
            sum_tv += t * value;
        }
        let spread = count * sum_tt - sum_t * sum_t;
        (spread > 0.0).then(|| (count * sum_tv - sum_t * sum_v) / spread)
    }

    /// How much time the points span, in ms.
    pub fn span_ms(&self) -> i64 {
        match self.points[..] {
            [(first, _), .., (last, _)] => last.saturating_sub(first),
            _ => 0,
        }
    }

    /// Forgets every point.
    pub fn clear(&mut self) {
        self.points.clear();
    }
}

impl<const N: usize> StateField for Trend<N> {
    const LAYOUT: u32 = layout_part(layout_text(LAYOUT_SEED, "Trend"), N as u32);

    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.points.len() as u64, out);
        let mut before = 0;
        for (at, value) in &self.points {
            at.wrapping_sub(before).write(out);
            value.write(out);
            before = *at;
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= N)?;
        let mut points = Vec::with_capacity(count);
        let mut before = 0_i64;
        for _ in 0..count {
            before = before.wrapping_add(i64::read(reader)?);
            points.push((before, f64::read(reader)?));
        }
        Some(Self { points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_straight_rise_has_its_slope() {
        let mut trend = Trend::<8>::default();
        for minute in 0..5 {
            trend.push(minute * MINUTE, 1.0 + 0.5 * minute as f64, 10 * MINUTE);
        }
        let slope = trend.per_minute(3).unwrap();
        assert!((slope - 0.5).abs() < 1e-9, "{slope}");
    }

    #[test]
    fn too_few_points_have_no_slope() {
        let mut trend = Trend::<8>::default();
        trend.push(0, 1.0, 10 * MINUTE);
        assert_eq!(trend.per_minute(2), None);
        trend.push(MINUTE * 2, 2.0, 10 * MINUTE);
        assert_eq!(trend.per_minute(3), None);
        assert!(trend.per_minute(2).is_some());
    }

    #[test]
    fn points_older_than_the_window_are_dropped() {
        let mut trend = Trend::<8>::default();
        trend.push(0, 100.0, 10 * MINUTE);
        for minute in [30, 32, 34] {
            trend.push(minute * MINUTE, 1.0, 10 * MINUTE);
        }
        assert_eq!(trend.per_minute(3), Some(0.0));
        assert_eq!(trend.span_ms(), 4 * MINUTE);
    }

    #[test]
    fn a_device_that_reports_every_second_still_fills_the_whole_window() {
        let mut trend = Trend::<8>::default();
        for second in 0..1_200 {
            trend.push(second * 1_000, second as f64 / 60.0, 10 * MINUTE);
        }
        assert!(trend.span_ms() > 7 * MINUTE, "{}", trend.span_ms());
        let slope = trend.per_minute(4).unwrap();
        assert!((slope - 1.0).abs() < 0.05, "{slope}");
    }

    #[test]
    fn a_reading_from_before_the_newest_changes_nothing() {
        let mut trend = Trend::<4>::default();
        trend.push(10 * MINUTE, 1.0, 10 * MINUTE);
        let before = trend.clone();
        trend.push(9 * MINUTE, 50.0, 10 * MINUTE);
        trend.push(11 * MINUTE, f64::NAN, 10 * MINUTE);
        assert_eq!(trend, before);
    }

    proptest! {
        #[test]
        fn never_more_points_than_room_and_what_was_written_reads_back(
            steps in proptest::collection::vec((0..400_000_i64, -5.0..50.0_f64), 0..100)
        ) {
            let (mut trend, mut at) = (Trend::<6>::default(), 1_700_000_000_000);
            for (step, value) in steps {
                at += step;
                trend.push(at, value, 20 * MINUTE);
                prop_assert!(trend.points.len() <= 6);
            }
            let mut bytes = Vec::new();
            trend.write(&mut bytes);
            prop_assert!(bytes.len() <= 1 + 6 * 18);
            prop_assert_eq!(Trend::<6>::read(&mut Reader::new(&bytes)), Some(trend));
        }
    }
}
