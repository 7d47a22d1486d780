//! Series: what chunks and the shards' memory hold, thinned to what a chart can show.

use super::devices::bad;
use super::{Service, stored};
use crate::roles::Deed;
use davy_api::{Problem, Sample, Series, SeriesQuery, Viewer};
use davy_domain::{DeviceId, Span};

/// Samples unless told.
const LIMIT: u32 = 2_000;
/// Samples at most.
const LIMIT_AT_MOST: u32 = 10_000;
/// The longest stretch of one answer.
const LONGEST: Span = Span::from_days(400);

impl Service {
    pub(super) async fn series_of(&self, viewer: &Viewer, id: DeviceId, query: SeriesQuery) -> Result<Series, Problem> {
        let limit = match query.limit.unwrap_or(LIMIT) {
            limit @ 2..=LIMIT_AT_MOST => limit as usize,
            other => return Err(bad("limit", format!("expected 2 to {LIMIT_AT_MOST}, got {other}"))),
        };
        let to = query.to.unwrap_or_else(|| self.now());
        let from = query.from.unwrap_or(to - Span::from_hours(24));
        if from >= to {
            let reason = format!("expected a time before `to` ({}), got {}", to.as_millis(), from.as_millis());
            return Err(bad("from", reason));
        }
        if to.since(from) > LONGEST {
            return Err(bad("from", format!("expected at most {} ms before `to`", LONGEST.as_millis())));
        }
        let scope = self.enter_for(viewer, Deed::SeeDevices, id).await?;
        // Memory first: what is compacted in between is then in both, and counts once.
        let recent = self.operate.recent(id, query.quantity, from, to);
        let readings = scope.series_with(id, query.quantity, (from, to), recent).await.map_err(stored)?;
        let samples: Vec<_> = readings.iter().map(|reading| Sample { at: reading.at, value: reading.value }).collect();
        let thinned = samples.len() > limit;
        let samples = if thinned { thin(&samples, limit) } else { samples };
        Ok(Series { quantity: query.quantity, unit: query.quantity.unit().to_owned(), samples, thinned })
    }
}

/// At most `limit` samples: the first and the last, and from each stretch between them the lowest and the highest, in the
/// order of time, so that no peak is lost.
fn thin(samples: &[Sample], limit: usize) -> Vec<Sample> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let middle = &samples[1..samples.len() - 1];
    let stretches = (limit - 2) / 2;
    let mut kept = vec![first.clone()];
    if stretches > 0 {
        for stretch in 0..stretches {
            let part = &middle[stretch * middle.len() / stretches..(stretch + 1) * middle.len() / stretches];
            let low = part.iter().min_by(|a, b| a.value.total_cmp(&b.value));
            let high = part.iter().rev().max_by(|a, b| a.value.total_cmp(&b.value));
            match (low, high) {
                (Some(low), Some(high)) if std::ptr::eq(low, high) => kept.push(low.clone()),
                (Some(low), Some(high)) if low.at <= high.at => kept.extend([low.clone(), high.clone()]),
                (Some(low), Some(high)) => kept.extend([high.clone(), low.clone()]),
                _ => {}
            }
        }
    }
    kept.push(last.clone());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn thinning_keeps_the_order_the_ends_and_the_extremes(
            values in prop::collection::vec(-100.0_f64..100.0, 3..500), limit in 4_usize..50,
        ) {
            let sample = |(at, value): (usize, &f64)| Sample { at: Timestamp::from_millis(at as i64), value: *value };
            let samples: Vec<_> = values.iter().enumerate().map(sample).collect();
            prop_assume!(samples.len() > limit);
            let thinned = thin(&samples, limit);
            prop_assert!(thinned.len() <= limit);
            prop_assert!(thinned.is_sorted_by_key(|sample| sample.at));
            prop_assert_eq!(thinned.first(), samples.first());
            prop_assert_eq!(thinned.last(), samples.last());
            let highest = |of: &[Sample]| of.iter().map(|sample| sample.value).fold(f64::MIN, f64::max);
            let lowest = |of: &[Sample]| of.iter().map(|sample| sample.value).fold(f64::MAX, f64::min);
            prop_assert!((highest(&thinned) - highest(&samples)).abs() < f64::EPSILON);
            prop_assert!((lowest(&thinned) - lowest(&samples)).abs() < f64::EPSILON);
        }
    }
}
