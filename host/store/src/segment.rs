//! The packed form of journal rows: one tenant's share of one commit as one value.
//!
//! A row is: kind and flags (1 byte), device (8 bytes), time of arrival as a difference to the row before, content-format,
//! sequence number, payload and rule memory, each number as a variable-length integer.

use crate::batch::{JournalRow, RowKind};
use crate::bytes::{Cursor, put_signed, put_unsigned};
use davy_domain::{DeviceId, TenantId, Timestamp};

const VERSION: u8 = 1;
const HAS_SEQUENCE: u8 = 0x10;
const HAS_RULE_STATE: u8 = 0x20;

/// A segment being written.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    pub(crate) tenant: TenantId,
    pub(crate) rows: i64,
    pub(crate) last_received_at: i64,
    before: i64,
    body: Vec<u8>,
}

/// A row of a segment, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowRef<'a> {
    pub(crate) device: DeviceId,
    pub(crate) kind: RowKind,
    pub(crate) sequence: Option<u64>,
    pub(crate) received_at: Timestamp,
    pub(crate) format: u16,
    pub(crate) payload: &'a [u8],
    pub(crate) rule_state: Option<&'a [u8]>,
}

impl RowRef<'_> {
    pub(crate) fn to_row(self, tenant: TenantId) -> JournalRow {
        JournalRow {
            tenant,
            device: self.device,
            sequence: self.sequence,
            received_at: self.received_at,
            payload: self.payload.to_vec(),
            format: self.format,
            rule_state: self.rule_state.map(<[u8]>::to_vec),
            kind: self.kind,
        }
    }
}

impl SegmentWriter {
    pub(crate) fn new(tenant: TenantId) -> Self {
        Self { tenant, rows: 0, last_received_at: i64::MIN, before: 0, body: vec![VERSION] }
    }

    pub(crate) fn push(&mut self, row: RowRef<'_>) {
        let at = row.received_at.as_millis();
        let mut head = row.kind as u8;
        if row.sequence.is_some() {
            head |= HAS_SEQUENCE;
        }
        if row.rule_state.is_some() {
            head |= HAS_RULE_STATE;
        }
        let body = &mut self.body;
        body.push(head);
        body.extend_from_slice(&row.device.raw().to_le_bytes());
        put_signed(body, at.wrapping_sub(self.before));
        put_unsigned(body, u64::from(row.format));
        if let Some(sequence) = row.sequence {
            put_unsigned(body, sequence);
        }
        put_unsigned(body, row.payload.len() as u64);
        body.extend_from_slice(row.payload);
        if let Some(state) = row.rule_state {
            put_unsigned(body, state.len() as u64);
            body.extend_from_slice(state);
        }
        self.before = at;
        self.last_received_at = self.last_received_at.max(at);
        self.rows += 1;
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// Reads the rows of a segment in order; the error says where it broke.
pub(crate) fn for_each<'a>(body: &'a [u8], mut visit: impl FnMut(RowRef<'a>)) -> Result<(), String> {
    let mut cursor = Cursor::new(body);
    match cursor.byte()? {
        VERSION => {}
        other => return Err(format!("expected segment version {VERSION}, got {other}")),
    }
    let mut before = 0_i64;
    while !cursor.is_empty() {
        let head = cursor.byte()?;
        let kind =
            RowKind::from_code(head & 0x0F).ok_or_else(|| format!("expected row kind 1 to 4, got {}", head & 0x0F))?;
        let device = DeviceId::from_raw(i64::from_le_bytes(cursor.array()?));
        before = before.wrapping_add(cursor.signed()?);
        let format = u16::try_from(cursor.unsigned()?).map_err(|_| "content-format above 65535".to_owned())?;
        let sequence = if head & HAS_SEQUENCE == 0 { None } else { Some(cursor.unsigned()?) };
        let payload = cursor.sized()?;
        let rule_state = if head & HAS_RULE_STATE == 0 { None } else { Some(cursor.sized()?) };
        visit(RowRef {
            device,
            kind,
            sequence,
            received_at: Timestamp::from_millis(before),
            format,
            payload,
            rule_state,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows() -> impl Strategy<Value = Vec<JournalRow>> {
        let row = (
            any::<i64>(),
            prop::option::of(any::<u64>()),
            any::<i64>(),
            prop::collection::vec(any::<u8>(), 0..60),
            any::<u16>(),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
            1_u8..5,
        )
            .prop_map(|(device, sequence, at, payload, format, rule_state, kind)| JournalRow {
                tenant: TenantId::from_raw(7),
                device: DeviceId::from_raw(device),
                sequence,
                received_at: Timestamp::from_millis(at),
                payload,
                format,
                rule_state,
                kind: RowKind::from_code(kind).unwrap(),
            });
        prop::collection::vec(row, 0..40)
    }

    fn write(rows: &[JournalRow]) -> Vec<u8> {
        let mut writer = SegmentWriter::new(TenantId::from_raw(7));
        for row in rows {
            writer.push(RowRef {
                device: row.device,
                kind: row.kind,
                sequence: row.sequence,
                received_at: row.received_at,
                format: row.format,
                payload: &row.payload,
                rule_state: row.rule_state.as_deref(),
            });
        }
        writer.into_body()
    }

    proptest! {
        #[test]
        fn a_segment_reads_back_what_was_written(rows in rows()) {
            let mut read = Vec::new();
            for_each(&write(&rows), |row| read.push(row.to_row(TenantId::from_raw(7)))).unwrap();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn damaged_segments_are_refused_and_never_panic(mut body in rows().prop_map(|rows| write(&rows)), at: prop::sample::Index, with: u8) {
            let at = at.index(body.len());
            body[at] = with;
            let _ = for_each(&body, |_| {});
            let _ = for_each(&body[..at], |_| {});
        }
    }
}
