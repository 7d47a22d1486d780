//! One column of a chunk: integers or floats, stored in whichever of three forms is shortest. Lossless, floats bit for bit.

use crate::bytes::{Cursor, put_signed, put_unsigned};
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

/// All values are the same one.
const CONSTANT: u8 = 0;
/// One after the other; integers as differences.
const PLAIN: u8 = 1;
/// Compressed by `pco`.
const PCO: u8 = 2;

/// Below so many values the fixed cost of `pco` never pays.
const PCO_FROM: usize = 6;
/// Above so many values `pco` always wins, and the plain form is not tried.
const PLAIN_TO: usize = 512;

fn put(out: &mut Vec<u8>, form: u8, body: &[u8]) {
    put_unsigned(out, body.len() as u64 + 1);
    out.push(form);
    out.extend_from_slice(body);
}

fn shortest(out: &mut Vec<u8>, plain: Option<Vec<u8>>, pco: Option<Vec<u8>>) {
    match (plain, pco) {
        (Some(plain), Some(pco)) if pco.len() < plain.len() => put(out, PCO, &pco),
        (Some(plain), _) => put(out, PLAIN, &plain),
        (None, Some(pco)) => put(out, PCO, &pco),
        (None, None) => put(out, PLAIN, &[]),
    }
}

/// Appends a column of integers.
pub(crate) fn put_ints(out: &mut Vec<u8>, values: &[i64]) {
    let Some(&first) = values.first() else { return put(out, PLAIN, &[]) };
    if values.iter().all(|&value| value == first) {
        let mut body = Vec::new();
        put_signed(&mut body, first);
        return put(out, CONSTANT, &body);
    }
    let pco = if values.len() < PCO_FROM { None } else { simple_compress(values, &ChunkConfig::default()).ok() };
    let plain = (values.len() <= PLAIN_TO || pco.is_none()).then(|| {
        let mut body = Vec::with_capacity(values.len() * 3);
        let mut before = 0_i64;
        for &value in values {
            put_signed(&mut body, value.wrapping_sub(before));
            before = value;
        }
        body
    });
    shortest(out, plain, pco);
}

/// Appends a column of floats.
pub(crate) fn put_floats(out: &mut Vec<u8>, values: &[f64]) {
    let Some(&first) = values.first() else { return put(out, PLAIN, &[]) };
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        return put(out, CONSTANT, &first.to_bits().to_le_bytes());
    }
    let pco = if values.len() < PCO_FROM { None } else { simple_compress(values, &ChunkConfig::default()).ok() };
    let plain = (values.len() <= PLAIN_TO || pco.is_none())
        .then(|| values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect());
    shortest(out, plain, pco);
}

/// The bytes of a column, to be skipped or read.
pub(crate) fn take<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], String> {
    cursor.sized()
}

/// Reads a column of `count` integers.
pub(crate) fn ints(column: &[u8], count: usize) -> Result<Vec<i64>, String> {
    let (&form, body) = column.split_first().ok_or_else(|| "expected a column's form, got the end".to_owned())?;
    let mut cursor = Cursor::new(body);
    match form {
        CONSTANT => Ok(vec![cursor.signed()?; count]),
        PLAIN => {
            let mut before = 0_i64;
            (0..count)
                .map(|_| {
                    before = before.wrapping_add(cursor.signed()?);
                    Ok(before)
                })
                .collect()
        }
        PCO => counted(simple_decompress(body).map_err(|error| error.to_string())?, count),
        other => Err(format!("expected a column's form 0 to 2, got {other}")),
    }
}

/// Reads a column of `count` floats.
pub(crate) fn floats(column: &[u8], count: usize) -> Result<Vec<f64>, String> {
    let (&form, body) = column.split_first().ok_or_else(|| "expected a column's form, got the end".to_owned())?;
    let mut cursor = Cursor::new(body);
    let mut next = || Ok::<_, String>(f64::from_bits(u64::from_le_bytes(cursor.array()?)));
    match form {
        CONSTANT => Ok(vec![next()?; count]),
        PLAIN => (0..count).map(|_| next()).collect(),
        PCO => counted(simple_decompress(body).map_err(|error| error.to_string())?, count),
        other => Err(format!("expected a column's form 0 to 2, got {other}")),
    }
}

fn counted<T>(values: Vec<T>, count: usize) -> Result<Vec<T>, String> {
    if values.len() == count { Ok(values) } else { Err(format!("expected {count} values, got {}", values.len())) }
}
