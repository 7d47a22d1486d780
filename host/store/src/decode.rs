//! From a stored payload back to its readings, exactly as they were understood when it arrived.

use crate::batch::RowKind;
use crate::segment::RowRef;
use davy_domain::senml::{self, Uplink};

/// The CoAP content-format of SenML-CBOR (RFC 8428 §12.3).
pub(crate) const SENML_CBOR: u16 = 112;

/// The readings of a journal row; none when it is no uplink or the built-in decoder has none for it.
pub(crate) fn decode_row(row: &RowRef<'_>) -> Option<Uplink> {
    if row.kind != RowKind::Uplink || row.format != SENML_CBOR {
        return None;
    }
    senml::decode(row.payload, row.received_at).ok()
}

/// Whether the readings say all that the payload said.
pub(crate) fn is_complete(uplink: &Uplink) -> bool {
    uplink.unknown == 0 && !uplink.clock_suspect && uplink.fault.is_none()
}
