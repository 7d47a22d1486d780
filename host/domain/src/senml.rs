//! SenML-CBOR (RFC 8428 §6, content-format 112): what devices send.
//!
//! A record is known by the last part of its name (`gas`, `valve`, …, see [`Quantity::senml_name`]); what stands before the
//! last `/` is the serial of a gateway's child. Records with unknown names are counted, not refused: a newer device may say
//! more than this platform understands.
//!
//! A known record with a wrong unit or value refuses the pack, with one exception: a pack that also carries a valid gas or
//! CO reading is never refused for another record's fault. A leak must not be missed because a battery figure is odd.

use crate::quantity::{Quantity, Reading, ReadingError};
use crate::time::{Span, Timestamp};
use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

/// The most records in one pack.
pub const MAX_RECORDS: u64 = 4_096;
/// The longest serial of a gateway's child, in bytes.
pub const MAX_SERIAL: usize = 64;
/// Times below this are relative to the time of arrival (RFC 8428 §4.5.3).
const RELATIVE_BELOW_S: f64 = 268_435_456.0;
/// A device's clock further ahead than this is not believed.
const CLOCK_AHEAD: Span = Span::from_hours(24);
/// A reading older than this is not believed: longer than any device's memory lasts.
const CLOCK_BEHIND: Span = Span::from_days(400);

/// A decoded pack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uplink {
    /// The sender's own readings and those of each child that it speaks for, in order of first appearance.
    pub parts: Vec<Part>,
    /// How many records have a name that is not known here.
    pub unknown: u16,
    /// Whether a time was so far off that the time of arrival took its place.
    pub clock_suspect: bool,
    /// The first faulty record of a pack that was accepted for its gas or CO readings.
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
    fn record(&mut self, record: usize, decoder: &mut Decoder<'b>) -> Result<(), SenmlError> {
        let field = |field, expected| {
            move |error: minicbor::decode::Error| SenmlError::Field {
                record,
                field,
                expected,
                got: short(&error.to_string()),
            }
        };
        let declared = decoder.map().map_err(field("record", "a map"))?;
        let mut fields = Fields::default();
        let mut seen = 0_u64;
        loop {
            if declared == Some(seen) {
                break;
            }
            let label = decoder.datatype().map_err(field("label", "an integer or a text"))?;
            if declared.is_none() && label == Type::Break {
                decoder.skip().map_err(field("record", "its end"))?;
                break;
            }
            seen += 1;
            if matches!(label, Type::String) {
                let label = decoder.str().map_err(field("label", "an integer or a text"))?;
                if label.ends_with('_') {
                    return Err(SenmlError::MustUnderstand { record, field: short(label) });
                }
                decoder.skip().map_err(field("value", "well-formed CBOR"))?;
                continue;
            }
            match decoder.i64().map_err(field("label", "an integer or a text"))? {
                -1 => {
                    let version = decoder.i64().map_err(field("bver", "an integer"))?;
                    if !(1..=10).contains(&version) {
                        return Err(SenmlError::Version { record, got: version });
                    }
                }
                -2 => self.base.name = decoder.str().map_err(field("bn", "a text"))?,
                -3 => self.base.time = number(decoder, record, "bt")?,
                -4 => self.base.unit = Some(decoder.str().map_err(field("bu", "a text"))?),
                -5 => self.base.value = number(decoder, record, "bv")?,
                0 => fields.name = decoder.str().map_err(field("n", "a text"))?,
                1 => fields.unit = Some(decoder.str().map_err(field("u", "a text"))?),
                2 => fields.value = Some(number(decoder, record, "v")?),
                4 => fields.flag = Some(decoder.bool().map_err(field("vb", "true or false"))?),
                6 => fields.time = number(decoder, record, "t")?,
                // Sums, texts, data, update times and labels to come: no quantity of ours is in them.
                _ => decoder.skip().map_err(field("value", "well-formed CBOR"))?,
            }
        }
        self.resolve(record, &fields)
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
        if let Some(serial) = child
            && (serial.is_empty() || serial.len() > MAX_SERIAL || serial.chars().any(char::is_control))
        {
            return Err(SenmlError::Field {
                record,
                field: "n",
                expected: "a serial of 1 to 64 bytes before the `/`",
                got: short(serial),
            });
        }
        match self.reading(record, quantity, fields) {
            Ok(reading) => self.part(child).push(reading),
            Err(fault) => {
                self.uplink.fault.get_or_insert(fault);
            }
        }
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
        let believed =
            |at: &Timestamp| at.since(self.received_at) <= CLOCK_AHEAD && self.received_at.since(*at) <= CLOCK_BEHIND;
        at.filter(believed).unwrap_or_else(|| {
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
        let vital = |reading: &Reading| matches!(reading.quantity, Quantity::Gas | Quantity::Co);
        let carries_vital = self.uplink.parts.iter().any(|part| part.readings.iter().any(vital));
        match &self.uplink.fault {
            Some(fault) if !carries_vital => Err(fault.clone()),
            Some(_) | None => Ok(()),
        }
    }
}

/// An integer, a float of any width, or a decimal fraction (tag 4, RFC 8949 §3.4.4).
fn number(decoder: &mut Decoder<'_>, record: usize, field: &'static str) -> Result<f64, SenmlError> {
    let expected = "a number";
    let wrong =
        |error: minicbor::decode::Error| SenmlError::Field { record, field, expected, got: short(&error.to_string()) };
    let kind = decoder.datatype().map_err(wrong)?;
    match kind {
        Type::F16 => decoder.f16().map(f64::from).map_err(wrong),
        Type::F32 => decoder.f32().map(f64::from).map_err(wrong),
        Type::F64 => decoder.f64().map_err(wrong),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            decoder.int().map(|int| i128::from(int) as f64).map_err(wrong)
        }
        Type::Tag => {
            let tag = decoder.tag().map_err(wrong)?;
            let pair = decoder.array().map_err(wrong)?;
            if tag != Tag::new(4) || pair != Some(2) {
                let got = format!("tag {}", tag.as_u64());
                return Err(SenmlError::Field { record, field, expected: "a number or a decimal fraction", got });
            }
            let exponent = decoder.i16().map_err(wrong)?;
            let mantissa = decoder.int().map(i128::from).map_err(wrong)?;
            // Through text, so that 215e-1 is exactly what 21.5 is.
            format!("{mantissa}e{exponent}").parse().map_err(|_| SenmlError::Field {
                record,
                field,
                expected,
                got: format!("{mantissa}e{exponent}"),
            })
        }
        Type::Bool
        | Type::Null
        | Type::Undefined
        | Type::Simple
        | Type::Bytes
        | Type::BytesIndef
        | Type::String
        | Type::StringIndef
        | Type::Array
        | Type::ArrayIndef
        | Type::Map
        | Type::MapIndef
        | Type::Break
        | Type::Unknown(_) => Err(SenmlError::Field { record, field, expected, got: kind.to_string() }),
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
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
