//! A row of any table as JSON: numbers and texts as they are, bytes in hexadecimal. The same row is the same text on both engines.

use super::catalog::{Column, Kind, Table};
use crate::error::StoreError;
use serde_json::{Map, Value};
use sqlx::{ColumnIndex, Database, Decode, Row, Type};
use std::fmt::Write as _;

/// Appends bytes as lower-case hexadecimal digits.
pub(super) fn write_hexadecimal(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
}

/// A value on its way between a database and JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Int(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Cell {
    pub(super) fn read<R>(row: &R, at: usize, kind: Kind) -> Result<Self, sqlx::Error>
    where
        R: Row,
        usize: ColumnIndex<R>,
        for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> f64: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
        R::Database: Database,
    {
        Ok(match kind {
            Kind::Int => Self::Int(row.try_get(at)?),
            Kind::Real => Self::Real(row.try_get(at)?),
            Kind::Text => Self::Text(row.try_get(at)?),
            Kind::Bytes => Self::Bytes(row.try_get(at)?),
        })
    }

    fn write(&self, out: &mut String) {
        // Writing to a text cannot fail.
        let _ = match self {
            Self::Int(Some(value)) => write!(out, "{value}"),
            Self::Real(Some(value)) => write!(out, "{value:?}"),
            Self::Text(Some(value)) => write!(out, "{}", Value::String(value.clone())),
            Self::Bytes(Some(value)) => {
                out.push('"');
                write_hexadecimal(value, out);
                out.write_char('"')
            }
            Self::Int(None) | Self::Real(None) | Self::Text(None) | Self::Bytes(None) => out.write_str("null"),
        };
    }

    fn parse(kind: Kind, value: &Value) -> Option<Self> {
        Some(match (kind, value) {
            (Kind::Int, Value::Null) => Self::Int(None),
            (Kind::Real, Value::Null) => Self::Real(None),
            (Kind::Text, Value::Null) => Self::Text(None),
            (Kind::Bytes, Value::Null) => Self::Bytes(None),
            (Kind::Int, value) => Self::Int(Some(value.as_i64()?)),
            (Kind::Real, value) => Self::Real(Some(value.as_f64()?)),
            (Kind::Text, Value::String(text)) => Self::Text(Some(text.clone())),
            (Kind::Bytes, Value::String(text)) => Self::Bytes(Some(unhexed(text)?)),
            (Kind::Text | Kind::Bytes, _) => return None,
        })
    }
}

fn unhexed(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// The row's JSON, its columns by name.
pub(super) fn written<'a>(cells: impl Iterator<Item = (&'a Column, &'a Cell)>) -> String {
    let mut out = String::from("{");
    for (at, (column, cell)) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let _ = write!(out, "\"{}\":", column.name);
        cell.write(&mut out);
    }
    out.push('}');
    out
}

/// What a row of an export gives for a table's columns. A column that was withheld gets what nobody can use: no password has that hash, no
/// token that digest.
pub(super) fn parsed(table: &Table, text: &str) -> Result<Vec<Cell>, StoreError> {
    let wrong = |why: String| StoreError::corrupt(format!("row of {} in the archive", table.name), why);
    let mut row: Map<String, Value> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let own = row.get("id").and_then(Value::as_i64).unwrap_or_default();
    let mut cells = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let cell = match row.remove(&column.name) {
            Some(value) => Cell::parse(column.kind, &value)
                .ok_or_else(|| wrong(format!("`{}` is not what the column {} holds", value, column.name)))?,
            None => match (column.kind, column.required) {
                (Kind::Int, _) => Cell::Int(column.required.then_some(0)),
                (Kind::Real, _) => Cell::Real(column.required.then_some(0.0)),
                (Kind::Text, _) => Cell::Text(column.required.then(|| WITHHELD.to_owned())),
                (Kind::Bytes, _) => Cell::Bytes(column.required.then(|| own.to_be_bytes().to_vec())),
            },
        };
        cells.push(cell);
    }
    match row.keys().next() {
        None => Ok(cells),
        Some(unknown) => Err(wrong(format!("column `{unknown}` is of a newer version"))),
    }
}

/// In the place of a password's hash: in form one of argon2id, of no password.
pub(super) const WITHHELD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$d2l0aGhlbGQgc2FsdCEh$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_as_it_was() {
        let cells = [
            (Kind::Int, Cell::Int(Some(i64::MIN))),
            (Kind::Int, Cell::Int(None)),
            (Kind::Real, Cell::Real(Some(0.1 + 0.2))),
            (Kind::Text, Cell::Text(Some("王 \"Li\"\n\u{1}".to_owned()))),
            (Kind::Bytes, Cell::Bytes(Some(vec![0, 255, 16]))),
            (Kind::Bytes, Cell::Bytes(Some(Vec::new()))),
        ];
        for (kind, cell) in cells {
            let mut text = String::new();
            cell.write(&mut text);
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(Cell::parse(kind, &value), Some(cell), "{text}");
        }
        for (kind, text) in [(Kind::Int, "1.5"), (Kind::Bytes, "\"0\""), (Kind::Bytes, "\"+1\""), (Kind::Text, "7")] {
            assert_eq!(Cell::parse(kind, &serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }
}
