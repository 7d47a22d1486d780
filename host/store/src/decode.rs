//! From a stored payload back to its readings, exactly as they were understood when it arrived.

use davy_domain::Timestamp;
use davy_domain::senml::{self, Uplink};

/// The CoAP content-format of SenML-CBOR (RFC 8428 §12.3).
pub(crate) const SENML_CBOR: u16 = 112;

/// The readings of a payload, or why the built-in decoder has none for it.
pub(crate) fn decode(payload: &[u8], format: u16, received_at: Timestamp) -> Result<Uplink, String> {
    if format != SENML_CBOR {
        return Err(format!("expected content-format {SENML_CBOR}, got {format}"));
    }
    senml::decode(payload, received_at).map_err(|error| error.to_string())
}
