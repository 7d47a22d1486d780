//! A message in a vendor's own form, as the journal keeps it: the bytes as they came, which driver was asked, and what it read.
//!
//! What a driver read is kept beside the bytes, so that nothing that folds the journal again needs the driver: a restart, compaction and a
//! back-test see what was decided on. Whoever doubts it asks the same version again and compares. A message that no driver could
//! read is kept as it came, with the reason, to be read by a better one.
//!
//! Never here: a driver, or a guess at what bytes mean.

use crate::command::DeviceOutcome;
use crate::id::QuarantineId;
use crate::quantity::{Quantity, Reading};
use crate::senml::{Part, believed};
use crate::time::Timestamp;
use minicbor::{Decoder, Encoder};

/// Stands in the journal for the content-format of a message that a driver was asked about (RFC 7252 §12.3 leaves 65000 and above for
/// experiments). No device may send it.
pub const DRIVEN: u16 = 65_000;
/// The content-format of raw bytes (RFC 7252 §12.3).
pub const OCTETS: u16 = 42;
const VERSION: u8 = 1;

/// A message, who was asked about it, and what came of that.
#[derive(Clone, Debug, PartialEq)]
pub struct Driven {
    /// Its number among the messages that were set aside: with a fault when this sets it aside, with readings when this reads at last
    /// what was set aside before.
    pub set_aside: Option<QuarantineId>,
    /// When the message arrived.
    pub received_at: Timestamp,
    /// The content-format that it came with.
    pub format: u16,
    /// The message, byte for byte.
    pub raw: Vec<u8>,
    /// SHA-256 of the driver's component.
    pub driver: [u8; 32],
    /// The version of the driver's settings.
    pub settings_version: u32,
    /// What it read, or why it could not.
    pub result: Result<Said, String>,
}

/// What a driver read in a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The sender's own readings and those of each child, in order of first appearance.
    pub parts: Vec<Part>,
    /// What became of orders.
    pub reports: Vec<Report>,
    /// The vendor's own status words: (name, value).
    pub status: Vec<(String, String)>,
    /// The driver's log.
    pub notes: Vec<String>,
    /// Whether a time was so far off that the time of arrival took its place.
    pub clock_suspect: bool,
}

/// What a device says became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The serial of the gateway's child; `None` for the sender itself.
    pub child: Option<String>,
    /// The order's counter.
    pub counter: u64,
    /// What became of it.
    pub outcome: DeviceOutcome,
    /// When, by the device's clock.
    pub at: Timestamp,
}

impl Said {
    /// Adds a reading of the sender or of a child; a time that cannot be believed becomes that of the arrival.
    pub fn read(&mut self, child: Option<&str>, mut reading: Reading, received_at: Timestamp) {
        if !believed(reading.at, received_at) {
            reading.at = received_at;
            self.clock_suspect = true;
        }
        match self.parts.iter_mut().rfind(|part| part.child.as_deref() == child) {
            Some(part) => part.readings.push(reading),
            None => self.parts.push(Part { child: child.map(str::to_owned), readings: vec![reading] }),
        }
    }

    /// How many readings it holds.
    pub fn count(&self) -> usize {
        self.parts.iter().map(|part| part.readings.len()).sum()
    }
}

/// Why bytes are not a message of the journal.
#[derive(Debug, thiserror::Error)]
pub enum DrivenError {
    /// Not CBOR of the expected form.
    #[error("expected a message of a driver: {0}")]
    Cbor(#[from] minicbor::decode::Error),
    /// Another version or a code that is not known.
    #[error("expected {expected}, got {got}")]
    Unknown {
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: u64,
    },
}

type Out<'v> = Encoder<&'v mut Vec<u8>>;
type Written = Result<(), minicbor::encode::Error<core::convert::Infallible>>;

impl Driven {
    /// As it stands in the journal.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.raw.len());
        // A vector takes everything.
        let _ = self.write(&mut Encoder::new(&mut out));
        out
    }

    fn write(&self, e: &mut Out<'_>) -> Written {
        e.array(8)?.u8(VERSION)?;
        match self.set_aside {
            Some(id) => e.i64(id.raw())?,
            None => e.null()?,
        };
        e.i64(self.received_at.as_millis())?.u16(self.format)?.bytes(&self.raw)?.bytes(&self.driver)?;
        e.u32(self.settings_version)?;
        let said = match &self.result {
            Ok(said) => said,
            Err(reason) => return e.str(reason).map(drop),
        };
        e.array(5)?.array(said.parts.len() as u64)?;
        for part in &said.parts {
            child(e, part.child.as_deref())?;
            e.array(part.readings.len() as u64 * 3)?;
            for reading in &part.readings {
                e.u16(reading.quantity.code())?.f64(reading.value)?.i64(reading.at.as_millis())?;
            }
        }
        e.array(said.reports.len() as u64)?;
        for report in &said.reports {
            child(e, report.child.as_deref())?;
            e.u64(report.counter)?.u16(report.outcome.code())?.i64(report.at.as_millis())?;
        }
        e.array(said.status.len() as u64)?;
        for (name, value) in &said.status {
            e.str(name)?.str(value)?;
        }
        e.array(said.notes.len() as u64)?;
        for note in &said.notes {
            e.str(note)?;
        }
        e.bool(said.clock_suspect).map(drop)
    }

    /// From the journal.
    ///
    /// # Errors
    /// [`DrivenError`] when these are other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DrivenError> {
        let mut d = Decoder::new(bytes);
        d.array()?;
        let version = d.u8()?;
        if version != VERSION {
            return Err(DrivenError::Unknown { expected: "version 1", got: u64::from(version) });
        }
        let set_aside = optional(&mut d, |d| d.i64().map(QuarantineId::from_raw))?;
        let received_at = Timestamp::from_millis(d.i64()?);
        let format = d.u16()?;
        let raw = d.bytes()?.to_vec();
        let digest = d.bytes()?;
        let got = digest.len() as u64;
        let driver = digest.try_into().map_err(|_| DrivenError::Unknown { expected: "a digest of 32 bytes", got })?;
        let settings_version = d.u32()?;
        let result =
            if d.datatype()? == minicbor::data::Type::String { Err(d.str()?.to_owned()) } else { Ok(said(&mut d)?) };
        Ok(Self { set_aside, received_at, format, raw, driver, settings_version, result })
    }
}

fn child(e: &mut Out<'_>, child: Option<&str>) -> Written {
    match child {
        Some(serial) => e.str(serial)?,
        None => e.null()?,
    };
    Ok(())
}

fn optional<'b, T>(
    d: &mut Decoder<'b>,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, minicbor::decode::Error>,
) -> Result<Option<T>, minicbor::decode::Error> {
    if d.datatype()? == minicbor::data::Type::Null {
        d.null()?;
        return Ok(None);
    }
    read(d).map(Some)
}

fn serial(d: &mut Decoder<'_>) -> Result<Option<String>, minicbor::decode::Error> {
    optional(d, |d| d.str().map(str::to_owned))
}

fn said(d: &mut Decoder<'_>) -> Result<Said, DrivenError> {
    let mut said = Said::default();
    d.array()?;
    for _ in 0..d.array()?.unwrap_or(0) {
        let child = serial(d)?;
        let mut readings = Vec::new();
        for _ in 0..d.array()?.unwrap_or(0) / 3 {
            let code = d.u16()?;
            let quantity = Quantity::from_code(code)
                .ok_or(DrivenError::Unknown { expected: "a known quantity", got: u64::from(code) })?;
            readings.push(Reading { quantity, value: d.f64()?, at: Timestamp::from_millis(d.i64()?) });
        }
        said.parts.push(Part { child, readings });
    }
    for _ in 0..d.array()?.unwrap_or(0) {
        let (child, counter, code) = (serial(d)?, d.u64()?, d.u16()?);
        let outcome = DeviceOutcome::from_code(code)
            .ok_or(DrivenError::Unknown { expected: "a known outcome", got: u64::from(code) })?;
        said.reports.push(Report { child, counter, outcome, at: Timestamp::from_millis(d.i64()?) });
    }
    for _ in 0..d.array()?.unwrap_or(0) {
        said.status.push((d.str()?.to_owned(), d.str()?.to_owned()));
    }
    for _ in 0..d.array()?.unwrap_or(0) {
        said.notes.push(d.str()?.to_owned());
    }
    said.clock_suspect = d.bool()?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn readings() -> impl Strategy<Value = Vec<Reading>> {
        let reading =
            (0_usize..Quantity::ALL.len(), any::<u64>(), any::<i64>()).prop_filter_map("NaN", |(q, bits, at)| {
                let value = f64::from_bits(bits);
                (!value.is_nan()).then_some(Reading {
                    quantity: Quantity::ALL[q],
                    value,
                    at: Timestamp::from_millis(at),
                })
            });
        prop::collection::vec(reading, 0..6)
    }

    fn messages() -> impl Strategy<Value = Driven> {
        let parts = prop::collection::vec((prop::option::of("[A-Z0-9]{1,8}"), readings()), 0..4);
        let reports =
            prop::collection::vec((prop::option::of("[A-Z0-9]{1,8}"), any::<u64>(), 1_u16..9, any::<i64>()), 0..3);
        let words = prop::collection::vec(("[a-z-]{1,8}", ".{0,12}"), 0..3);
        let said = (parts, reports, words, prop::collection::vec(".{0,12}", 0..3), any::<bool>()).prop_map(
            |(parts, reports, status, notes, clock_suspect)| Said {
                parts: parts.into_iter().map(|(child, readings)| Part { child, readings }).collect(),
                reports: reports
                    .into_iter()
                    .map(|(child, counter, code, at)| Report {
                        child,
                        counter,
                        outcome: DeviceOutcome::from_code(code).unwrap(),
                        at: Timestamp::from_millis(at),
                    })
                    .collect(),
                status,
                notes,
                clock_suspect,
            },
        );
        let result = prop_oneof![said.prop_map(Ok), ".{0,40}".prop_map(Err)];
        let raw = prop::collection::vec(any::<u8>(), 0..60);
        (prop::option::of(any::<i64>()), any::<i64>(), any::<u16>(), raw, any::<[u8; 32]>(), any::<u32>(), result)
            .prop_map(|(set_aside, at, format, raw, driver, settings_version, result)| Driven {
                set_aside: set_aside.map(QuarantineId::from_raw),
                received_at: Timestamp::from_millis(at),
                format,
                raw,
                driver,
                settings_version,
                result,
            })
    }

    proptest! {
        #[test]
        fn a_message_reads_back_to_the_bit(message in messages()) {
            prop_assert_eq!(Driven::decode(&message.encode()).unwrap(), message);
        }

        #[test]
        fn damaged_messages_are_refused_and_never_panic(
            message in messages().prop_map(|message| message.encode()),
            at: prop::sample::Index,
            with: u8,
        ) {
            let mut bytes = message;
            let at = at.index(bytes.len());
            bytes[at] = with;
            let _ = Driven::decode(&bytes);
            prop_assert!(Driven::decode(&bytes[..at]).is_err());
        }
    }

    #[test]
    fn a_time_that_cannot_be_believed_becomes_that_of_the_arrival() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let mut said = Said::default();
        let reading = |at: i64| Reading { quantity: Quantity::Gas, value: 1.0, at: now + crate::Span::from_hours(at) };
        said.read(None, reading(-1), now);
        assert!(!said.clock_suspect);
        said.read(Some("K"), reading(25), now);
        said.read(None, reading(-401 * 24), now);
        assert!(said.clock_suspect);
        let times: Vec<_> = said.parts.iter().flat_map(|part| &part.readings).map(|reading| reading.at).collect();
        assert_eq!(times, [now + crate::Span::from_hours(-1), now, now]);
        assert_eq!((said.parts.len(), said.count()), (2, 3));
    }
}
