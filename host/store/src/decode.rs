//! From a stored payload back to its readings, exactly as they were understood when it arrived.

use crate::batch::RowKind;
use crate::segment::RowRef;
use davy_domain::Timestamp;
use davy_domain::driven::{DRIVEN, Driven};
use davy_domain::senml::{self, Uplink};

/// The CoAP content-format of SenML-CBOR (RFC 8428 §12.3).
pub(crate) const SENML_CBOR: u16 = 112;

/// The readings of a journal row; none when it holds none that anybody could read.
pub(crate) fn decode_row(row: &RowRef<'_>) -> Option<Uplink> {
    decode(row.kind, row.format, row.payload, row.received_at)
}

pub(crate) fn decode(kind: RowKind, format: u16, payload: &[u8], received_at: Timestamp) -> Option<Uplink> {
    match (kind, format) {
        (RowKind::Uplink, SENML_CBOR) => senml::decode(payload, received_at).ok(),
        // No driver is asked again: what it read stands beside what it was given.
        (RowKind::Uplink | RowKind::Late, DRIVEN) => {
            let said = Driven::decode(payload).ok()?.result.ok()?;
            Some(Uplink { parts: said.parts, clock_suspect: said.clock_suspect, ..Uplink::default() })
        }
        (RowKind::Uplink | RowKind::Late | RowKind::Outcome | RowKind::RuleState, _) => None,
    }
}

/// Whether the readings say all that the payload said.
pub(crate) fn is_complete(format: u16, uplink: &Uplink) -> bool {
    format == SENML_CBOR && uplink.unknown == 0 && !uplink.clock_suspect && uplink.fault.is_none()
}
