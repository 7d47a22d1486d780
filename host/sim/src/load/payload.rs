//! Payloads for a load: quiet readings, made by patching a few bytes of a template.
//!
//! Must never hold a reading that raises an alarm: a load is traffic, not an accident.

use davy_domain::{DeviceKind, Quantity, Timestamp};
use minicbor::{Encoder, encode::Error};

/// A SenML pack whose times and values are patched for each uplink.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    base_time_at: usize,
    values: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    at: usize,
    base: f32,
    spread: f32,
}

impl Template {
    /// A pack of `readings` (1 to 16) as a device of `kind` sends them; beyond the kind's quantities, earlier samples of the same.
    pub fn new(kind: DeviceKind, readings: usize) -> Self {
        use Quantity as Q;
        let quantities: &[(Quantity, f32, f32)] = match kind {
            DeviceKind::Detector | DeviceKind::Controller | DeviceKind::WellMonitor => {
                &[(Q::Gas, 0.1, 1.5), (Q::Temperature, 18.0, 4.0), (Q::Battery, 90.0, 2.0), (Q::Rssi, -75.0, 6.0)]
            }
            DeviceKind::Meter => {
                &[(Q::Flow, 0.2, 0.8), (Q::Temperature, 12.0, 4.0), (Q::Battery, 80.0, 2.0), (Q::Rssi, -95.0, 6.0)]
            }
            DeviceKind::Valve => &[
                (Q::Pressure, 2000.0, 80.0),
                (Q::Temperature, 18.0, 4.0),
                (Q::Battery, 85.0, 2.0),
                (Q::Rssi, -80.0, 6.0),
            ],
            DeviceKind::Gateway => &[
                (Q::Rssi, -70.0, 6.0),
                (Q::Temperature, 25.0, 4.0),
                (Q::Battery, 97.0, 2.0),
                (Q::Pressure, 2000.0, 80.0),
            ],
        };
        let readings = readings.clamp(1, 16);
        let mut encoder = Encoder::new(Vec::with_capacity(24 * readings));
        let mut template = Self { bytes: Vec::new(), base_time_at: 0, values: Vec::with_capacity(readings) };
        let written = template.write(quantities, readings, &mut encoder);
        debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
        template.bytes = encoder.into_writer();
        template
    }

    fn write(
        &mut self,
        quantities: &[(Quantity, f32, f32)],
        readings: usize,
        out: &mut Encoder<Vec<u8>>,
    ) -> Result<(), Error<core::convert::Infallible>> {
        out.array(readings as u64)?;
        for (number, (quantity, base, spread)) in quantities.iter().cycle().take(readings).enumerate() {
            let earlier = number / quantities.len();
            out.map(3 + u64::from(number == 0) + u64::from(earlier > 0))?;
            if number == 0 {
                out.i8(-3)?;
                self.base_time_at = out.writer().len() + 1;
                out.f64(0.0)?;
            }
            out.u8(0)?.str(quantity.senml_name())?.u8(1)?.str(quantity.unit())?.u8(2)?;
            self.values.push(Slot { at: out.writer().len() + 1, base: *base, spread: *spread });
            out.f32(0.0)?;
            if earlier > 0 {
                out.u8(6)?.i64(-10 * earlier as i64)?;
            }
        }
        Ok(())
    }

    /// The pack for a time, with values that follow from `salt`.
    pub fn fill(&mut self, at: Timestamp, mut salt: u64) -> &[u8] {
        let seconds = at.as_millis() as f64 / 1000.0;
        self.bytes[self.base_time_at..self.base_time_at + 8].copy_from_slice(&seconds.to_be_bytes());
        for slot in &self.values {
            // SplitMix64: a few instructions a value.
            salt = salt.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (salt ^ (salt >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let share = (mixed >> 40) as f32 / (1_u32 << 24) as f32;
            // To a tenth, as sensors resolve.
            let value = ((slot.base + slot.spread * share) * 10.0).round() / 10.0;
            self.bytes[slot.at..slot.at + 4].copy_from_slice(&value.to_be_bytes());
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::{floor::Floor, senml};

    #[test]
    fn every_pack_is_readable_complete_and_quiet() {
        let floor = Floor::china_default().for_jurisdiction("CN").unwrap();
        for kind in DeviceKind::ALL {
            for readings in [1, 4, 16] {
                let mut template = Template::new(*kind, readings);
                for salt in 0..200 {
                    let at = Timestamp::from_millis(1_795_428_000_000 + salt as i64);
                    let uplink = senml::decode(template.fill(at, salt), at).unwrap();
                    let found = &uplink.parts[0].readings;
                    assert_eq!(found.len(), readings);
                    assert!(!uplink.clock_suspect && uplink.unknown == 0 && uplink.fault.is_none());
                    assert_eq!(found[0].at, at);
                    assert!(floor.judge(*kind, found, at).is_none());
                }
            }
        }
    }
}
