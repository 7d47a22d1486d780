//! What the quiet path costs: one uplink of four readings, no rule, nothing to do.
//!
//! `cargo run --release -p davy-domain --example fold_speed`

use davy_domain::floor::Floor;
use davy_domain::interlock::Limits;
use davy_domain::senml::{self, Part};
use davy_domain::{
    DeviceConfig, DeviceId, DeviceKind, Effects, IdSource, Input, Interlock, InterlockId, Quantity, Reading, Span,
    TenantId, Timestamp, World,
};
use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds that this thread has spent on a processor: other work on the machine does not count. Where the system does
/// not tell (not Linux), the time on the wall since `began`.
fn spent(began: Instant) -> u128 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    told.unwrap_or_else(|| began.elapsed().as_nanos())
}

const ROUNDS: u32 = 2_000_000;

fn device(id: i64, kind: DeviceKind, links: &[i64]) -> DeviceConfig {
    DeviceConfig {
        id: DeviceId::from_raw(id),
        serial: format!("SN{id}"),
        kind,
        premises: None,
        installed_at: None,
        report_interval: Some(Span::from_minutes(10)),
        sleepy: false,
        links: links.iter().copied().map(DeviceId::from_raw).collect(),
        parent: None,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let limits = Limits::default();
    let floor = Floor::china_default().for_jurisdiction("CN")?;
    let world = World { floor: &floor, policy: None, limits: &limits };
    let start = Timestamp::from_millis(1_800_000_000_000);
    let devices = vec![
        device(1, DeviceKind::Detector, &[2, 3]),
        device(2, DeviceKind::Valve, &[]),
        device(3, DeviceKind::Meter, &[]),
    ];
    let mut interlock = Interlock::new(InterlockId::from_raw(1), TenantId::from_raw(1), devices, start, &limits)?;
    let mut ids = IdSource::new(0, 0);
    let mut effects = Effects::default();
    let values = [
        (
            1,
            [
                (Quantity::Gas, 1.2),
                (Quantity::Temperature, 21.0),
                (Quantity::Battery, 88.0),
                (Quantity::EndOfLife, 0.0),
            ],
        ),
        (3, [(Quantity::Volume, 812.4), (Quantity::Flow, 0.3), (Quantity::Valve, 0.0), (Quantity::Battery, 71.0)]),
    ];
    for (id, values) in values {
        let device = DeviceId::from_raw(id);
        let mut parts = [Part { child: None, readings: Vec::new() }];
        for (quantity, value) in values {
            parts[0].readings.push(Reading::new(quantity, value, start)?);
        }
        let bytes = senml::encode(&parts);

        let before = spent(began);
        for round in 0..ROUNDS {
            let now = start + Span::from_millis(i64::from(round / 20));
            for reading in &mut parts[0].readings {
                reading.at = now;
            }
            let input = Input::Uplink { device, sequence: Some(u64::from(round)), parts: black_box(&parts) };
            interlock.step_into(input, now, &world, &mut ids, &mut effects);
            assert!(black_box(&effects).is_empty());
        }
        let fold = (spent(began) - before) / u128::from(ROUNDS);

        let mut uplink = senml::Uplink::default();
        let before = spent(began);
        for _ in 0..ROUNDS {
            senml::decode_into(black_box(&bytes), start, &mut uplink)?;
            black_box(&uplink);
        }
        let decode = (spent(began) - before) / u128::from(ROUNDS);
        println!("device {id}: fold {fold} ns, decode of {} bytes {decode} ns, per uplink of 4 readings", bytes.len());
    }
    Ok(())
}
