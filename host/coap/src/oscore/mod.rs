//! OSCORE: object security for CoAP (RFC 8613).
//!
//! Knows contexts, nonces, the replay window and the OSCORE option; knows no peers, no exchanges and no retransmission. Must never
//! use a nonce twice for two plaintexts, and never hand out a key.

mod algorithm;
mod context;
mod option;
mod protect;
mod replay;

pub use algorithm::Algorithm;
pub use context::{NonceUse, OscoreError, Params, SecurityContext};
pub use option::{MAX_OPTION_LEN, OptionError, OscoreOption};
pub use protect::{
    Inner, RequestBinding, ResponseNonce, UnprotectError, protect_request, protect_response, unprotect_request,
    unprotect_response,
};
pub use replay::{ReplayState, ReplayWindow};

pub(crate) use context::{Admission, KeyId};

/// The largest Partial IV: 40 bits (RFC 8613 §5).
pub const MAX_SEQUENCE: u64 = (1 << 40) - 1;
