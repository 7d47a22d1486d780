//! Who lives where in the made-up city, what hangs on the walls, and what has gone wrong.

use super::{DISTRICTS, Dice, State, TENANTS};
use davy_api::{DeviceDetail, DeviceSummary, LatestReading};
use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::command::CommandState;
use davy_domain::{Condition, DeviceId, DeviceKind, PremisesId, Priority, Quantity, Span, Timestamp, ValveState};

pub(super) fn populate(state: &mut State, now: Timestamp) {
    let mut dice = Dice::new(42);
    let mut premises = 7_000_000;
    for (index, district) in DISTRICTS.iter().enumerate() {
        for _ in 0..district.premises {
            premises += 1;
            let (lon, lat) = spread(&mut dice, district.lon, district.lat, 0.018);
            let street = district.streets[dice.below(3) as usize];
            let address = format!(
                "{}{street}{}号{}门{}0{}",
                district.zh,
                1 + dice.below(180),
                1 + dice.below(6),
                1 + dice.below(6),
                1 + dice.below(3)
            );
            let tenant = usize::from(dice.below(3) == 0);
            for (n, kind) in [DeviceKind::Detector, DeviceKind::Valve, DeviceKind::Meter].into_iter().enumerate() {
                let place = Place {
                    premises: Some(PremisesId::from_raw(premises)),
                    address: address.clone(),
                    tenant,
                    lon,
                    lat,
                };
                let id = DeviceId::from_raw(premises * 8 + n as i64);
                state.districts.insert(id, index);
                state.devices.insert(id, device(&mut dice, id, kind, place, now));
            }
        }
    }
    for n in 0..7_usize {
        let district = &DISTRICTS[n % DISTRICTS.len()];
        let (lon, lat) = spread(&mut dice, district.lon, district.lat, 0.01);
        let kind = if n < 5 { DeviceKind::WellMonitor } else { DeviceKind::Gateway };
        let what = if n < 5 { "燃气阀门井" } else { "小区配电间" };
        let address = format!("{}{}{what}", district.zh, district.streets[n % 3]);
        let id = DeviceId::from_raw(6_000_000 + n as i64);
        state.districts.insert(id, n % DISTRICTS.len());
        let place = Place { premises: None, address, tenant: n % 2, lon, lat };
        state.devices.insert(id, device(&mut dice, id, kind, place, now));
    }
}

fn spread(dice: &mut Dice, lon: f64, lat: f64, by: f64) -> (f64, f64) {
    let mut one = |at: f64, by: f64| at + (dice.unit() + dice.unit() + dice.unit() - 1.5) * by;
    (one(lon, by), one(lat, by * 0.8))
}

struct Place {
    premises: Option<PremisesId>,
    address: String,
    tenant: usize,
    lon: f64,
    lat: f64,
}

fn device(dice: &mut Dice, id: DeviceId, kind: DeviceKind, place: Place, now: Timestamp) -> DeviceDetail {
    let (prefix, model, measures): (&str, &str, &[(Quantity, f64)]) = match kind {
        DeviceKind::Detector => (
            "GD",
            "JT-HM10",
            &[
                (Quantity::Gas, 0.3),
                (Quantity::Temperature, 21.4),
                (Quantity::Battery, 92.0),
                (Quantity::EndOfLife, 0.0),
            ],
        ),
        DeviceKind::Valve => ("SV", "ZKF-15", &[(Quantity::Valve, 0.0), (Quantity::Battery, 88.0)]),
        DeviceKind::Meter => (
            "NB",
            "ZG2.5-NB",
            &[(Quantity::Volume, 1_284.36), (Quantity::Flow, 0.24), (Quantity::Valve, 0.0), (Quantity::Battery, 76.0)],
        ),
        DeviceKind::WellMonitor => {
            ("WM", "JK-W3", &[(Quantity::Gas, 0.6), (Quantity::Temperature, 14.2), (Quantity::Battery, 81.0)])
        }
        DeviceKind::Gateway | DeviceKind::Controller => {
            ("GW", "AQZD-500", &[(Quantity::Rssi, -71.0), (Quantity::Battery, 100.0)])
        }
    };
    let at = now - Span::from_secs(20 + dice.below(200) as i64);
    let latest = measures
        .iter()
        .map(|&(quantity, value)| LatestReading { quantity, value, unit: quantity.unit().to_owned(), at })
        .collect();
    let online = dice.below(60) != 0;
    DeviceDetail {
        summary: DeviceSummary {
            id,
            serial: format!("{prefix}{:08}", id.raw() * 977 % 100_000_000),
            kind,
            model: model.to_owned(),
            address: place.address,
            last_seen: Some(if online { at } else { now - Span::from_hours(3) }),
            online,
            worst: None,
            valve: place.premises.map(|_| ValveState::Open),
        },
        tenant_name: TENANTS[place.tenant].to_owned(),
        premises: place.premises,
        installed_at: Some(now - Span::from_days(200 + dice.below(900) as i64)),
        report_interval_ms: Some(if kind == DeviceKind::Meter { 3_600_000 } else { 300_000 }),
        latest,
        alarms: Vec::new(),
        commands: Vec::new(),
        linked: Vec::new(),
        may_close: false,
        lon: place.lon,
        lat: place.lat,
    }
}

/// What has gone wrong when the preview starts.
pub(super) fn trouble(state: &mut State, now: Timestamp) {
    let detectors: Vec<DeviceId> =
        state.devices.values().filter(|it| it.summary.kind == DeviceKind::Detector).map(|it| it.summary.id).collect();
    let minutes = |m: i64| now - Span::from_minutes(m);
    let leak = state.raise(detectors[70], Condition::GasHigh, Priority::Urgent, Origin::Floor, minutes(2));
    state.close(detectors[70], "leak", Some(leak.id), minutes(2));
    for command in &mut state.commands {
        command.state = CommandState::Verified;
    }
    state.set_valve(detectors[70], ValveState::Closed);
    state.raise(detectors[130], Condition::CloseUnverified, Priority::High, Origin::Platform, minutes(11));
    state.set_valve(detectors[130], ValveState::Unverified);
    state.raise(detectors[20], Condition::GasRising, Priority::Medium, Origin::Rule, minutes(17));
    state.raise(detectors[200], Condition::BatteryLow, Priority::Low, Origin::Rule, minutes(190));
    state.raise(detectors[95], Condition::SensorEndOfLife, Priority::Low, Origin::Rule, minutes(1_500));
    state.raise(DeviceId::from_raw(6_000_002), Condition::Silent, Priority::Low, Origin::Platform, minutes(64));
    for alarm in &mut state.alarms {
        if matches!(alarm.condition, Condition::BatteryLow | Condition::SensorEndOfLife) {
            alarm.state = AlarmState::Acknowledged;
        }
    }
}
