//! A device's uplinks in compressed columns. Nothing of the truth is lost: times of arrival, sequence numbers, readings bit for
//! bit and in their order, and the payload itself wherever the readings alone do not say all that it said.
//!
//! Most uplinks of a device look alike. What they have in common (which quantities, measured when) is a *shape*, written once;
//! each uplink then is a number of a shape and its values, one column per quantity.

use crate::bytes::{Cursor, put_sized, put_unsigned};
use crate::column;
use davy_domain::{DeviceId, Quantity, Reading, Timestamp};
use std::collections::{BTreeMap, HashMap};

const VERSION: u8 = 1;
/// More uplinks than any chunk is merged to: a larger number is damage.
const MOST: u64 = 1 << 22;

/// One uplink as far as one device is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) received_at: Timestamp,
    /// The sequence number of the message that it came in.
    pub(crate) sequence: Option<u64>,
    /// The gateway that sent it, when it was not the device itself.
    pub(crate) via: Option<DeviceId>,
    pub(crate) readings: Vec<Reading>,
    /// Content-format and payload, when the readings do not say all of it.
    pub(crate) raw: Option<(RawKind, Vec<u8>)>,
}

/// What a kept payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RawKind {
    /// The journal's code of the kind of row.
    pub(crate) kind: u8,
    pub(crate) format: u16,
}

/// When a reading of a shape was measured.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Measured {
    /// At the time of the reading before it.
    AsBefore = 0,
    /// When it arrived.
    OnArrival = 1,
    /// At a time of its own.
    Own = 2,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Shape {
    has_sequence: bool,
    via: Option<DeviceId>,
    raw: Option<RawKind>,
    fields: Vec<(Quantity, Measured)>,
}

impl Shape {
    fn of(entry: &Entry) -> Self {
        let mut before = None;
        let fields = entry
            .readings
            .iter()
            .map(|reading| {
                let measured = if before == Some(reading.at) {
                    Measured::AsBefore
                } else if reading.at == entry.received_at {
                    Measured::OnArrival
                } else {
                    Measured::Own
                };
                before = Some(reading.at);
                (reading.quantity, measured)
            })
            .collect();
        let raw = entry.raw.as_ref().map(|(kind, _)| *kind);
        Self { has_sequence: entry.sequence.is_some(), via: entry.via, raw, fields }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.has_sequence) | u8::from(self.via.is_some()) << 1 | u8::from(self.raw.is_some()) << 2);
        if let Some(via) = self.via {
            out.extend_from_slice(&via.raw().to_le_bytes());
        }
        if let Some(raw) = self.raw {
            out.push(raw.kind);
            put_unsigned(out, u64::from(raw.format));
        }
        put_unsigned(out, self.fields.len() as u64);
        for (quantity, measured) in &self.fields {
            put_unsigned(out, u64::from(quantity.code()) << 2 | *measured as u64);
        }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let flags = cursor.byte()?;
        let via = if flags & 2 == 0 { None } else { Some(DeviceId::from_raw(i64::from_le_bytes(cursor.array()?))) };
        let raw = if flags & 4 == 0 {
            None
        } else {
            Some(RawKind { kind: cursor.byte()?, format: small(cursor.unsigned()?)? })
        };
        let fields = (0..cursor.unsigned()?)
            .map(|_| {
                let packed = cursor.unsigned()?;
                let code = small(packed >> 2)?;
                let quantity =
                    Quantity::from_code(code).ok_or_else(|| format!("expected a known quantity, got {code}"))?;
                let measured = match packed & 3 {
                    0 => Measured::AsBefore,
                    1 => Measured::OnArrival,
                    2 => Measured::Own,
                    other => return Err(format!("expected a way of measuring 0 to 2, got {other}")),
                };
                Ok((quantity, measured))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { has_sequence: flags & 1 != 0, via, raw, fields })
    }
}

fn small(value: u64) -> Result<u16, String> {
    u16::try_from(value).map_err(|_| format!("expected a number below 65536, got {value}"))
}

/// Packs uplinks, in the order they are given.
pub(crate) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut shapes: Vec<Shape> = Vec::new();
    let mut places: HashMap<Shape, i64> = HashMap::new();
    let mut shape_of = Vec::with_capacity(entries.len());
    let mut received = Vec::with_capacity(entries.len());
    let mut sequences = Vec::with_capacity(entries.len());
    let mut times = Vec::new();
    let mut values: BTreeMap<Quantity, Vec<f64>> = BTreeMap::new();
    let mut raws = Vec::new();
    for entry in entries {
        let shape = Shape::of(entry);
        for (reading, (_, measured)) in entry.readings.iter().zip(&shape.fields) {
            if *measured == Measured::Own {
                times.push(reading.at.as_millis());
            }
            values.entry(reading.quantity).or_default().push(reading.value);
        }
        let place = *places.entry(shape).or_insert_with_key(|shape| {
            shapes.push(shape.clone());
            shapes.len() as i64 - 1
        });
        shape_of.push(place);
        received.push(entry.received_at.as_millis());
        sequences.extend(entry.sequence.map(|sequence| sequence as i64));
        if let Some((_, payload)) = &entry.raw {
            put_sized(&mut raws, payload);
        }
    }
    let mut out = vec![VERSION];
    put_unsigned(&mut out, entries.len() as u64);
    put_unsigned(&mut out, shapes.len() as u64);
    for shape in &shapes {
        shape.write(&mut out);
    }
    column::put_ints(&mut out, &shape_of);
    column::put_ints(&mut out, &received);
    column::put_ints(&mut out, &sequences);
    column::put_ints(&mut out, &times);
    for column in values.values() {
        column::put_floats(&mut out, column);
    }
    out.extend_from_slice(&raws);
    out
}

/// A packed chunk, opened: shapes known, columns not yet read.
struct Opened<'a> {
    shapes: Vec<Shape>,
    shape_of: Vec<usize>,
    received: Vec<i64>,
    sequences: &'a [u8],
    times: Vec<i64>,
    values: BTreeMap<Quantity, (&'a [u8], usize)>,
    raws: Cursor<'a>,
}

fn open(body: &[u8]) -> Result<Opened<'_>, String> {
    let mut cursor = Cursor::new(body);
    match cursor.byte()? {
        VERSION => {}
        other => return Err(format!("expected chunk version {VERSION}, got {other}")),
    }
    let count = cursor.unsigned()?;
    if count > MOST {
        return Err(format!("expected at most {MOST} uplinks, got {count}"));
    }
    let count = count as usize;
    let shapes = (0..cursor.unsigned()?).map(|_| Shape::read(&mut cursor)).collect::<Result<Vec<_>, _>>()?;
    let shape_of = column::ints(column::take(&mut cursor)?, count)?
        .into_iter()
        .map(|place| {
            usize::try_from(place)
                .ok()
                .filter(|&place| place < shapes.len())
                .ok_or_else(|| format!("expected a shape below {}, got {place}", shapes.len()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let received = column::ints(column::take(&mut cursor)?, count)?;
    let sequences = column::take(&mut cursor)?;
    let mut own = 0;
    let mut counts: BTreeMap<Quantity, usize> = BTreeMap::new();
    for &place in &shape_of {
        for (quantity, measured) in &shapes[place].fields {
            *counts.entry(*quantity).or_default() += 1;
            own += usize::from(*measured == Measured::Own);
        }
    }
    let times = column::ints(column::take(&mut cursor)?, own)?;
    let mut values = BTreeMap::new();
    for (quantity, count) in counts {
        values.insert(quantity, (column::take(&mut cursor)?, count));
    }
    Ok(Opened { shapes, shape_of, received, sequences, times, values, raws: cursor })
}

impl Opened<'_> {
    /// Visits every reading: number of the uplink, quantity, time of measurement.
    fn for_each_field(&self, mut visit: impl FnMut(usize, Quantity, Timestamp)) -> Result<(), String> {
        let mut times = self.times.iter();
        for (number, &place) in self.shape_of.iter().enumerate() {
            let received = self.received[number];
            let mut before = received;
            for (quantity, measured) in &self.shapes[place].fields {
                before = match measured {
                    Measured::AsBefore => before,
                    Measured::OnArrival => received,
                    Measured::Own => *times.next().ok_or_else(|| "expected one more time of measurement".to_owned())?,
                };
                visit(number, *quantity, Timestamp::from_millis(before));
            }
        }
        Ok(())
    }
}

/// Unpacks every uplink, in order.
pub(crate) fn decode(body: &[u8]) -> Result<Vec<Entry>, String> {
    let mut opened = open(body)?;
    let with_sequence = opened.shape_of.iter().filter(|&&place| opened.shapes[place].has_sequence).count();
    let mut sequences = column::ints(opened.sequences, with_sequence)?.into_iter();
    let mut values = BTreeMap::new();
    for (quantity, (column, count)) in &opened.values {
        values.insert(*quantity, column::floats(column, *count)?.into_iter());
    }
    let mut entries = Vec::with_capacity(opened.shape_of.len());
    for (number, &place) in opened.shape_of.iter().enumerate() {
        let shape = &opened.shapes[place];
        let raw = match shape.raw {
            Some(kind) => Some((kind, opened.raws.sized()?.to_vec())),
            None => None,
        };
        entries.push(Entry {
            received_at: Timestamp::from_millis(opened.received[number]),
            sequence: if shape.has_sequence { sequences.next().map(|sequence| sequence as u64) } else { None },
            via: shape.via,
            readings: Vec::with_capacity(shape.fields.len()),
            raw,
        });
    }
    opened.for_each_field(|number, quantity, at| {
        if let Some(value) = values.get_mut(&quantity).and_then(Iterator::next) {
            entries[number].readings.push(Reading { quantity, value, at });
        }
    })?;
    Ok(entries)
}

/// Unpacks the readings of one quantity, in order of arrival, without touching the columns of the others.
pub(crate) fn decode_series(body: &[u8], wanted: Quantity) -> Result<Vec<Reading>, String> {
    let opened = open(body)?;
    let Some((column, count)) = opened.values.get(&wanted) else { return Ok(Vec::new()) };
    let mut values = column::floats(column, *count)?.into_iter();
    let mut readings = Vec::with_capacity(*count);
    opened.for_each_field(|_, quantity, at| {
        if quantity == wanted
            && let Some(value) = values.next()
        {
            readings.push(Reading { quantity, value, at });
        }
    })?;
    Ok(readings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let time = prop_oneof![Just(1_000_i64), 0_i64..5, any::<i64>()].prop_map(Timestamp::from_millis);
        let reading = (
            0..Quantity::ALL.len(),
            prop_oneof![any::<u64>(), (0_u64..1000).prop_map(|n| (n as f64 / 10.0).to_bits())],
            time.clone(),
        )
            .prop_map(|(quantity, bits, at)| Reading {
                quantity: Quantity::ALL[quantity],
                value: f64::from_bits(bits),
                at,
            });
        let entry = (
            time,
            prop::option::of(0_u64..1 << 40),
            prop::option::of(any::<i64>()),
            prop::collection::vec(reading, 0..5),
            prop::option::of((1_u8..3, any::<u16>(), prop::collection::vec(any::<u8>(), 0..9))),
        )
            .prop_map(|(received_at, sequence, via, readings, raw)| Entry {
                received_at,
                sequence,
                via: via.map(DeviceId::from_raw),
                readings,
                raw: raw.map(|(kind, format, payload)| (RawKind { kind, format }, payload)),
            });
        prop::collection::vec(entry, 0..30)
    }

    /// Equal bit for bit: also where a value is not a number or is a negative zero.
    fn bits(entries: &[Entry]) -> Vec<(Entry, Vec<u64>)> {
        entries
            .iter()
            .map(|entry| {
                let bits = entry.readings.iter().map(|reading| reading.value.to_bits()).collect();
                let mut entry = entry.clone();
                for reading in &mut entry.readings {
                    reading.value = 0.0;
                }
                (entry, bits)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_chunk_loses_nothing(entries in entries()) {
            let body = encode(&entries);
            prop_assert_eq!(bits(&decode(&body).unwrap()), bits(&entries));
        }

        #[test]
        fn one_series_of_a_chunk_is_what_all_of_it_holds(entries in entries(), quantity in 0..Quantity::ALL.len()) {
            let quantity = Quantity::ALL[quantity];
            let all: Vec<_> = entries.iter().flat_map(|e| &e.readings).filter(|r| r.quantity == quantity).map(|r| (r.at, r.value.to_bits())).collect();
            let series: Vec<_> = decode_series(&encode(&entries), quantity).unwrap().iter().map(|r| (r.at, r.value.to_bits())).collect();
            prop_assert_eq!(series, all);
        }

        #[test]
        fn damaged_chunks_are_refused_and_never_panic(entries in entries(), at: prop::sample::Index, with: u8) {
            let mut body = encode(&entries);
            let at = at.index(body.len());
            body[at] = with;
            let _ = decode(&body);
            let _ = decode(&body[..at]);
        }
    }
}
