//! SenML-CBOR (RFC 8428 §6, content-format 112): what devices send.
//!
//! A record is known by the last part of its name (`gas`, `valve`, …, see [`Quantity::senml_name`]); what stands before the
//! last `/` is the serial of a gateway's child. Records with unknown names are counted, not refused: a newer device may say
//! more than this platform understands.
//!
//! A faulty record refuses the pack, with one exception: a pack that also carries a valid gas, CO or valve reading is never
//! refused for another record's fault, as long as its CBOR is well-formed. A leak must not be missed because a battery
//! figure is odd. That holds for a field that must be understood and is not, too: RFC 8428 §4.4 asks to discard the whole
//! pack, and here only that record is discarded.

mod value;

use crate::quantity::{Quantity, Reading, ReadingError};
use crate::time::{Span, Timestamp};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use value::{number, pass_over, short, take};

/// The most records in one pack.
pub const MAX_RECORDS: u64 = 4_096;
/// The longest serial of a gateway's child, in bytes.
pub const MAX_SERIAL: usize = 64;
/// The longest name of a record: a serial, a `/` and 32 bytes, more than any name that is known here.
const MAX_NAME: usize = MAX_SERIAL + 1 + 32;
/// Times below this are relative to the time of arrival (RFC 8428 §4.5.3).
const RELATIVE_BELOW_S: f64 = 268_435_456.0;
/// A device's clock further ahead than this is not believed.
const CLOCK_AHEAD: Span = Span::from_hours(24);
/// A reading older than this is not believed: longer than any device's memory lasts.
const CLOCK_BEHIND: Span = Span::from_days(400);
/// Stands for a label that no field here has.
const OTHER: i64 = i64::MAX;

/// A decoded pack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uplink {
    /// The sender's own readings and those of each child that it speaks for, in order of first appearance.
    pub parts: Vec<Part>,
    /// How many records have a name that is not known here.
    pub unknown: u16,
    /// Whether a time was so far off that the time of arrival took its place.
    pub clock_suspect: bool,
    /// The first fault of a pack that was accepted for its gas, CO or valve readings; its record is left out.
    pub fault: Option<SenmlError>,
}

/// The readings of one device in a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The serial of the gateway's child; `None` for the sender itself.
    pub child: Option<String>,
    /// Its readings, in the order of the pack.
    pub readings: Vec<Reading>,
}

/// Why bytes are not a pack of readings. `record` counts from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SenmlError {
    /// Not CBOR of the expected form.
    #[error("record {record}, field `{field}`: expected {expected}, got {got}")]
    Field {
        /// Which record.
        record: usize,
        /// Which field, by its JSON name (RFC 8428 table 4).
        field: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// The pack itself is not an array of records.
    #[error("a SenML pack must be {expected}, got {got}")]
    Pack {
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A known name with another unit than ours.
    #[error("record {record}, field `u`: `{name}` must be in `{expected}`, got `{got}`")]
    Unit {
        /// Which record.
        record: usize,
        /// Its name.
        name: &'static str,
        /// The unit of that name.
        expected: &'static str,
        /// What came, cut to 32 characters.
        got: String,
    },
    /// A known name with an impossible value.
    #[error("record {record}, field `v`: {source}")]
    Value {
        /// Which record.
        record: usize,
        /// What is wrong with it.
        source: ReadingError,
    },
    /// A known name without a value.
    #[error("record {record}: `{name}` needs a value in field `v` (or `vb` for a flag)")]
    NoValue {
        /// Which record.
        record: usize,
        /// Its name.
        name: &'static str,
    },
    /// A field that must be understood and is not (RFC 8428 §4.4).
    #[error("record {record}: field `{field}` must be understood and is not known here")]
    MustUnderstand {
        /// Which record.
        record: usize,
        /// Its label, cut to 32 characters.
        field: String,
    },
    /// A newer version of SenML.
    #[error("record {record}, field `bver`: expected at most 10, got {got}")]
    Version {
        /// Which record.
        record: usize,
        /// What came.
        got: i64,
    },
}

/// Reads a pack that arrived at `received_at`.
///
/// # Errors
/// [`SenmlError`] names the record, the field, what was expected and what came.
pub fn decode(payload: &[u8], received_at: Timestamp) -> Result<Uplink, SenmlError> {
    let mut uplink = Uplink::default();
    decode_into(payload, received_at, &mut uplink)?;
    Ok(uplink)
}

/// The same into an uplink that is emptied first and whose buffers are kept where that is possible.
///
/// # Errors
/// As for [`decode`]; `uplink` holds nothing of use then.
pub fn decode_into(payload: &[u8], received_at: Timestamp, uplink: &mut Uplink) -> Result<(), SenmlError> {
    let spare = uplink.parts.pop().map(|part| part.readings);
    *uplink = Uplink { parts: core::mem::take(&mut uplink.parts), ..Uplink::default() };
    uplink.parts.clear();
    let mut pack = Pack { received_at, base: Base::default(), uplink, spare };
    let mut decoder = Decoder::new(payload);
    let expected = "an array of 1 to 4096 records";
    let refuse = |got: String| SenmlError::Pack { expected, got };
    let declared = decoder.array().map_err(|error| refuse(error.to_string()))?;
    if declared.is_some_and(|count| count == 0 || count > MAX_RECORDS) {
        return Err(refuse(format!("{} records", declared.unwrap_or_default())));
    }
    let mut record = 0;
    loop {
        if declared == Some(record as u64) {
            break;
        }
        let datatype = decoder.datatype().map_err(|error| refuse(error.to_string()))?;
        if declared.is_none() && datatype == Type::Break {
            decoder.skip().map_err(|error| refuse(error.to_string()))?;
            break;
        }
        if record as u64 == MAX_RECORDS {
            return Err(refuse("more".to_owned()));
        }
        pack.record(record, &mut decoder)?;
        record += 1;
    }
    if record == 0 {
        return Err(refuse("0 records".to_owned()));
    }
    match payload.len() - decoder.position() {
        0 => pack.accept(),
        more => Err(SenmlError::Pack { expected: "nothing after its records", got: format!("{more} more bytes") }),
    }
}

/// Whether a device may be right about when it measured what arrived at `received_at`.
pub(crate) fn believed(at: Timestamp, received_at: Timestamp) -> bool {
    at.since(received_at) <= CLOCK_AHEAD && received_at.since(at) <= CLOCK_BEHIND
}

/// What a record inherits from those before it (RFC 8428 §4.1).
#[derive(Default)]
struct Base<'b> {
    name: &'b str,
    time: f64,
    unit: Option<&'b str>,
    value: f64,
}

struct Pack<'u, 'b> {
    received_at: Timestamp,
    base: Base<'b>,
    uplink: &'u mut Uplink,
    spare: Option<Vec<Reading>>,
}

/// The fields of one record.
#[derive(Default)]
struct Fields<'b> {
    name: &'b str,
    time: f64,
    unit: Option<&'b str>,
    value: Option<f64>,
    flag: Option<bool>,
}

impl<'b> Pack<'_, 'b> {
    /// One record: its reading, or the fault that leaves it out. Only CBOR that is broken is an error.
    fn record(&mut self, record: usize, decoder: &mut Decoder<'b>) -> Result<(), SenmlError> {
        let mut fault = None;
        let fields = match take(decoder, &mut fault, |decoder| map(decoder, record))? {
            Some(declared) => self.fields(record, declared, decoder, &mut fault)?,
            None => Fields::default(),
        };
        if let Err(fault) = fault.map_or_else(|| self.resolve(record, &fields), Err) {
            self.uplink.fault.get_or_insert(fault);
        }
        Ok(())
    }

    fn fields(
        &mut self,
        record: usize,
        declared: Option<u64>,
        decoder: &mut Decoder<'b>,
        fault: &mut Option<SenmlError>,
    ) -> Result<Fields<'b>, SenmlError> {
        let wrong = |field, expected| {
            move |error: minicbor::decode::Error| SenmlError::Field {
                record,
                field,
                expected,
                got: short(&error.to_string()),
            }
        };
        let text = |field| move |decoder: &mut Decoder<'b>| decoder.str().map_err(wrong(field, "a text"));
        let figure = |field| move |decoder: &mut Decoder<'b>| number(decoder, record, field);
        let mut fields = Fields::default();
        let mut seen = 0_u64;
        loop {
            if declared == Some(seen) {
                break;
            }
            let label = decoder.datatype().map_err(wrong("label", "an integer or a text"))?;
            if declared.is_none() && label == Type::Break {
                decoder.skip().map_err(wrong("record", "its end"))?;
                break;
            }
            seen += 1;
            let label = take(decoder, fault, |decoder| {
                if label != Type::String {
                    return decoder.i64().map_err(wrong("label", "an integer or a text"));
                }
                match decoder.str().map_err(wrong("label", "an integer or a text"))? {
                    label if label.ends_with('_') => Err(SenmlError::MustUnderstand { record, field: short(label) }),
                    _ => Ok(OTHER),
                }
            })?;
            match label.unwrap_or(OTHER) {
                -1 => {
                    take(decoder, fault, |decoder| version(decoder, record))?;
                }
                // A base that cannot be read is none: what follows must not be laid at the door of the child before.
                -2 => {
                    let name = take(decoder, fault, |decoder| base_name(decoder, record))?;
                    self.base.name = name.unwrap_or_default();
                }
                -3 => {
                    let time = take(decoder, fault, figure("bt"))?;
                    self.uplink.clock_suspect |= time.is_none();
                    self.base.time = time.unwrap_or_default();
                }
                -4 => self.base.unit = take(decoder, fault, text("bu"))?,
                -5 => {
                    let value = take(decoder, fault, |decoder| base_value(decoder, record))?;
                    self.base.value = value.unwrap_or_default();
                }
                0 => fields.name = take(decoder, fault, text("n"))?.unwrap_or_default(),
                1 => fields.unit = take(decoder, fault, text("u"))?,
                2 => fields.value = take(decoder, fault, figure("v"))?,
                4 => {
                    let flag = |decoder: &mut Decoder<'b>| decoder.bool().map_err(wrong("vb", "true or false"));
                    fields.flag = take(decoder, fault, flag)?;
                }
                6 => fields.time = take(decoder, fault, figure("t"))?.unwrap_or_default(),
                // Sums, texts, data, update times and labels to come: no quantity of ours is in them.
                _ => pass_over(decoder).ok_or_else(|| SenmlError::Field {
                    record,
                    field: "value",
                    expected: "well-formed CBOR",
                    got: "something else, or its end".to_owned(),
                })?,
            }
        }
        Ok(fields)
    }

    fn resolve(&mut self, record: usize, fields: &Fields<'b>) -> Result<(), SenmlError> {
        // The full name is the base name and the name; usually one of them holds all of it.
        let joined;
        let full = match (self.base.name, fields.name) {
            ("", name) => name,
            (base, "") => base,
            (base, name) => {
                joined = (base, name);
                return self.resolve_joined(record, joined, fields);
            }
        };
        let (child, name) = full.rsplit_once('/').map_or((None, full), |(serial, name)| (Some(serial), name));
        self.keep(record, child, name, fields)
    }

    fn resolve_joined(
        &mut self,
        record: usize,
        (base, name): (&str, &str),
        fields: &Fields<'b>,
    ) -> Result<(), SenmlError> {
        if let Some(serial) = base.strip_suffix('/')
            && !name.contains('/')
        {
            return self.keep(record, Some(serial), name, fields);
        }
        let full = [base, name].concat();
        let (child, name) = full.rsplit_once('/').map_or((None, full.as_str()), |(serial, name)| (Some(serial), name));
        self.keep(record, child, name, fields)
    }

    fn keep(&mut self, record: usize, child: Option<&str>, name: &str, fields: &Fields<'b>) -> Result<(), SenmlError> {
        // A record of base fields only sets what follows (RFC 8428 §4.1).
        if fields.value.is_none() && fields.flag.is_none() && fields.name.is_empty() {
            return Ok(());
        }
        let Some(quantity) = Quantity::from_senml_name(name) else {
            self.uplink.unknown = self.uplink.unknown.saturating_add(1);
            return Ok(());
        };
        if let Some(serial) = child {
            check_serial(record, "n", serial)?;
        }
        let reading = self.reading(record, quantity, fields)?;
        self.part(child).push(reading);
        Ok(())
    }

    fn reading(&mut self, record: usize, quantity: Quantity, fields: &Fields<'b>) -> Result<Reading, SenmlError> {
        let unit = quantity.unit();
        if let Some(got) = fields.unit.or(self.base.unit)
            && got != unit
            // A base unit is meant for measurements, not for flags.
            && !(unit.is_empty() && fields.unit.is_none())
        {
            return Err(SenmlError::Unit { record, name: quantity.senml_name(), expected: unit, got: short(got) });
        }
        let value = match (fields.value, fields.flag) {
            (Some(value), _) => self.base.value + value,
            (None, Some(flag)) if unit.is_empty() => f64::from(u8::from(flag)),
            (None, _) => return Err(SenmlError::NoValue { record, name: quantity.senml_name() }),
        };
        let at = self.time(self.base.time + fields.time);
        Reading::new(quantity, value, at).map_err(|source| SenmlError::Value { record, source })
    }

    /// Relative to the arrival when small, absolute otherwise; the arrival itself when it cannot be.
    fn time(&mut self, seconds: f64) -> Timestamp {
        if seconds == 0.0 {
            return self.received_at;
        }
        let millis = seconds * 1_000.0;
        let at = if !seconds.is_finite() || millis.abs() > 9.0e15 {
            None
        } else if seconds < RELATIVE_BELOW_S {
            Some(self.received_at + Span::from_millis(millis.round() as i64))
        } else {
            Some(Timestamp::from_millis(millis.round() as i64))
        };
        at.filter(|at| believed(*at, self.received_at)).unwrap_or_else(|| {
            self.uplink.clock_suspect = true;
            self.received_at
        })
    }

    fn part(&mut self, child: Option<&str>) -> &mut Vec<Reading> {
        // The last part first: records of one child stand together.
        let found = self.uplink.parts.iter().rposition(|part| part.child.as_deref() == child);
        let at = found.unwrap_or_else(|| {
            let mut readings = self.spare.take().unwrap_or_default();
            readings.clear();
            self.uplink.parts.push(Part { child: child.map(str::to_owned), readings });
            self.uplink.parts.len() - 1
        });
        &mut self.uplink.parts[at].readings
    }

    fn accept(self) -> Result<(), SenmlError> {
        let vital = |reading: &Reading| matches!(reading.quantity, Quantity::Gas | Quantity::Co | Quantity::Valve);
        let carries_vital = self.uplink.parts.iter().any(|part| part.readings.iter().any(vital));
        match &self.uplink.fault {
            Some(fault) if !carries_vital => Err(fault.clone()),
            Some(_) | None => Ok(()),
        }
    }
}

/// How many fields a record has; none said when a break ends it.
fn map(decoder: &mut Decoder<'_>, record: usize) -> Result<Option<u64>, SenmlError> {
    decoder.map().map_err(|error| SenmlError::Field {
        record,
        field: "record",
        expected: "a map",
        got: short(&error.to_string()),
    })
}

/// A base name may be any part of a name; one that is a whole serial must be a good one, and none is longer than a name.
fn base_name<'b>(decoder: &mut Decoder<'b>, record: usize) -> Result<&'b str, SenmlError> {
    let refuse = |expected, got: String| SenmlError::Field { record, field: "bn", expected, got };
    let name = decoder.str().map_err(|error| refuse("a text", short(&error.to_string())))?;
    if let Some(serial) = name.strip_suffix('/') {
        check_serial(record, "bn", serial)?;
    } else if name.len() > MAX_NAME {
        return Err(refuse("at most 97 bytes", short(name)));
    }
    Ok(name)
}

fn base_value(decoder: &mut Decoder<'_>, record: usize) -> Result<f64, SenmlError> {
    match number(decoder, record, "bv")? {
        value if value.is_finite() => Ok(value),
        value => Err(SenmlError::Field { record, field: "bv", expected: "a finite number", got: value.to_string() }),
    }
}

fn check_serial(record: usize, field: &'static str, serial: &str) -> Result<(), SenmlError> {
    if serial.is_empty() || serial.len() > MAX_SERIAL || serial.chars().any(char::is_control) {
        let expected = "a serial of 1 to 64 bytes before the `/`";
        return Err(SenmlError::Field { record, field, expected, got: short(serial) });
    }
    Ok(())
}

fn version(decoder: &mut Decoder<'_>, record: usize) -> Result<(), SenmlError> {
    match decoder.i64() {
        Ok(1..=10) => Ok(()),
        Ok(got) => Err(SenmlError::Version { record, got }),
        Err(error) => {
            Err(SenmlError::Field { record, field: "bver", expected: "an integer", got: short(&error.to_string()) })
        }
    }
}

/// The pack that carries these readings, a gateway's children with their serials before the name. Times are absolute.
pub fn encode(parts: &[Part]) -> Vec<u8> {
    let count: usize = parts.iter().map(|part| part.readings.len()).sum();
    let mut encoder = Encoder::new(Vec::with_capacity(16 + count * 32));
    let written = (|| {
        encoder.array(count as u64)?;
        for part in parts {
            for (place, reading) in part.readings.iter().enumerate() {
                // The base name holds until the next one, so each part sets its own, an empty one too.
                let fields = if place == 0 { 5 } else { 4 };
                let unit = reading.quantity.unit();
                encoder.map(fields - u64::from(unit.is_empty()))?;
                if place == 0 {
                    encoder.i8(-2)?.str(&part.child.as_ref().map_or(String::new(), |serial| format!("{serial}/")))?;
                }
                encoder.u8(0)?.str(reading.quantity.senml_name())?;
                if !unit.is_empty() {
                    encoder.u8(1)?.str(unit)?;
                }
                encoder.u8(2)?.f64(reading.value)?;
                encoder.u8(6)?.f64(reading.at.as_millis() as f64 / 1_000.0)?;
            }
        }
        Ok::<_, minicbor::encode::Error<core::convert::Infallible>>(())
    })();
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    encoder.into_writer()
}
