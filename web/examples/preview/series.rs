//! Believable series: a flat background, cooking at meal times, and a rise where gas leaks.

use crate::city::Dice;
use davy_api::{Sample, Series, SeriesQuery};
use davy_domain::{DeviceId, Quantity, Span, Timestamp};

pub(crate) fn make(device: DeviceId, query: &SeriesQuery, now: Timestamp, leaking: bool) -> Series {
    let to = query.to.unwrap_or(now);
    let from = query.from.unwrap_or(to - Span::from_hours(24));
    let count = i64::from(query.limit.unwrap_or(2_000).min(1_200));
    let step = (to.since(from).as_millis() / count).max(1);
    let mut dice = Dice::new(device.raw() as u64 ^ u64::from(query.quantity.code()));
    let mut volume = 1_180.0;
    let samples = (0..count)
        .map(|i| {
            let at = Timestamp::from_millis(from.as_millis() + i * step);
            let hour = (at.as_millis() / 60_000 + 480).rem_euclid(1_440) as f64 / 60.0;
            let meal = [7.0, 12.0, 18.5].map(|meal: f64| (-(hour - meal).powi(2) / 0.3).exp()).iter().sum::<f64>();
            let noise = dice.unit() - 0.5;
            let value = match query.quantity {
                Quantity::Gas => {
                    let ago = now.since(at).as_millis() as f64 / 60_000.0;
                    let leak = if leaking && ago < 14.0 { (14.0 - ago) * 2.3 } else { 0.0 };
                    (0.3 + noise * 0.25 + meal * dice.unit() * 1.4 + leak).max(0.0)
                }
                Quantity::Flow => (meal * (0.5 + noise * 0.5)).max(0.0),
                Quantity::Volume => {
                    volume += meal * step as f64 / 3_600_000.0 * 0.4;
                    volume
                }
                Quantity::Temperature => 21.0 + (hour / 24.0 * std::f64::consts::TAU).sin() * 2.5 + noise * 0.4,
                Quantity::Battery => 92.0 - i as f64 / count as f64,
                Quantity::Rssi => -71.0 + noise * 9.0,
                Quantity::Co => 1.0 + noise,
                Quantity::Pressure => 2_000.0 + noise * 60.0,
                Quantity::Valve | Quantity::Tamper | Quantity::EndOfLife => 0.0,
            };
            Sample { at, value }
        })
        .collect();
    Series { quantity: query.quantity, unit: query.quantity.unit().to_owned(), samples, thinned: false }
}
