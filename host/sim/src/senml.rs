//! How devices write their readings: SenML-CBOR (RFC 8428) as small firmware does it, with a base time and short numbers.
//!
//! Written apart from the platform's own encoder on purpose, so that the platform's decoder meets what real devices may send: relative
//! times from a device that does not know the time, integers and short floats, base fields that change within a pack.

use crate::device::report::Report;
use davy_domain::Quantity;
use minicbor::{Encoder, encode::Error};

/// Content-Format application/senml+cbor (RFC 8428 §12.3).
pub const CONTENT_FORMAT: u16 = 112;

/// The payload of an uplink.
pub fn encode(report: &Report) -> Vec<u8> {
    let count: usize = report.parts.iter().map(|part| part.samples.len()).sum();
    let mut encoder = Encoder::new(Vec::with_capacity(24 + count * 22));
    let written = write(report, count, &mut encoder);
    debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
    encoder.into_writer()
}

fn write(report: &Report, count: usize, out: &mut Encoder<Vec<u8>>) -> Result<(), Error<core::convert::Infallible>> {
    out.array(count as u64)?;
    let mut first = true;
    for part in &report.parts {
        for (place, sample) in part.samples.iter().enumerate() {
            let base_time = report.clock.filter(|_| first);
            let base_name = if place == 0 { part.child.as_deref() } else { None };
            // A part of the sender itself after a child's takes the child's name away again.
            let clear_name = place == 0 && part.child.is_none() && !first;
            let age_s = report.sent.since(sample.at).as_millis() as f64 / 1000.0;
            let flag = matches!(sample.quantity, Quantity::Tamper | Quantity::EndOfLife);
            let unit = sample.quantity.unit();
            let fields = 2
                + u64::from(base_time.is_some())
                + u64::from(base_name.is_some() || clear_name)
                + u64::from(!unit.is_empty())
                + u64::from(age_s != 0.0);
            out.map(fields)?;
            if let Some(serial) = base_name {
                out.i8(-2)?.str(&format!("{serial}/"))?;
            } else if clear_name {
                out.i8(-2)?.str("")?;
            }
            if let Some(at) = base_time {
                out.i8(-3)?.f64(at.as_millis() as f64 / 1000.0)?;
            }
            out.u8(0)?.str(sample.quantity.senml_name())?;
            if !unit.is_empty() {
                out.u8(1)?.str(unit)?;
            }
            if flag {
                out.u8(4)?.bool(sample.value != 0.0)?;
            } else {
                out.u8(2)?;
                number(sample.value, out)?;
            }
            if age_s != 0.0 {
                out.u8(6)?.f64(-age_s)?;
            }
            first = false;
        }
    }
    Ok(())
}

/// The shortest form that loses nothing.
fn number(value: f64, out: &mut Encoder<Vec<u8>>) -> Result<(), Error<core::convert::Infallible>> {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        out.i64(value as i64)?;
    } else if f64::from(value as f32) == value {
        out.f32(value as f32)?;
    } else {
        out.f64(value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::report::{Part, Sample};
    use davy_domain::{Span, Timestamp, senml};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_123);

    fn sample(quantity: Quantity, value: f64, age_ms: i64) -> Sample {
        Sample { quantity, value, at: NOW - Span::from_millis(age_ms) }
    }

    #[test]
    fn the_platform_reads_what_a_gateway_says_of_itself_and_its_children() {
        let report = Report {
            clock: Some(NOW + Span::from_millis(700)),
            sent: NOW,
            parts: vec![
                Part { child: Some("C1".into()), samples: vec![sample(Quantity::Gas, 31.7, 0)] },
                Part {
                    child: Some("C2".into()),
                    samples: vec![sample(Quantity::Valve, 1.0, 4_000), sample(Quantity::Battery, 88.0, 0)],
                },
                Part {
                    child: None,
                    samples: vec![sample(Quantity::Rssi, -71.0, 0), sample(Quantity::EndOfLife, 1.0, 0)],
                },
            ],
        };
        let uplink = senml::decode(&encode(&report), NOW).unwrap();
        assert_eq!(uplink.unknown, 0);
        assert!(!uplink.clock_suspect && uplink.fault.is_none());
        let found: Vec<_> = uplink
            .parts
            .iter()
            .flat_map(|part| {
                part.readings.iter().map(|r| (part.child.as_deref(), r.quantity, r.value, r.at.since(NOW).as_millis()))
            })
            .collect();
        assert_eq!(
            found,
            [
                (Some("C1"), Quantity::Gas, 31.7, 700),
                (Some("C2"), Quantity::Valve, 1.0, -3_300),
                (Some("C2"), Quantity::Battery, 88.0, 700),
                (None, Quantity::Rssi, -71.0, 700),
                (None, Quantity::EndOfLife, 1.0, 700),
            ]
        );
    }

    proptest! {
        #[test]
        fn the_platform_reads_back_what_a_device_wrote(
            values in prop::collection::vec((0_usize..Quantity::ALL.len(), 0.0_f64..1.0, 0_i64..100_000), 1..20),
            knows_time: bool,
        ) {
            let samples: Vec<Sample> = values
                .iter()
                .map(|(which, share, age)| {
                    let quantity = Quantity::ALL[*which];
                    let flag = quantity.unit().is_empty();
                    let (low, high) = quantity.range();
                    let value = low.max(-1000.0) + (high.min(1000.0) - low.max(-1000.0)) * share;
                    sample(quantity, if flag { value.round() } else { value }, *age)
                })
                .collect();
            let report = Report { clock: knows_time.then_some(NOW), sent: NOW, parts: vec![Part { child: None, samples: samples.clone() }] };
            let uplink = senml::decode(&encode(&report), NOW).unwrap();
            prop_assert_eq!(uplink.parts.len(), 1);
            prop_assert_eq!(uplink.parts[0].readings.len(), samples.len());
            for (reading, sample) in uplink.parts[0].readings.iter().zip(&samples) {
                prop_assert_eq!(reading.quantity, sample.quantity);
                prop_assert_eq!(reading.value, sample.value);
                prop_assert!((reading.at.since(sample.at).as_millis()).abs() <= 1);
            }
        }
    }
}
