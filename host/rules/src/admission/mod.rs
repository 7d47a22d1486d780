//! Admission: everything that is checked of a component before it may run, in the order in which it gets expensive.
//!
//! Size → structure (counts and caps, one linear walk) → validation (the whole of it, before anything is compiled) → world
//! (imports refused by name, exports and version) → compile → describe (in the sandbox) → schema → its own cases → for an alarm
//! policy, the statutory conformance suite.
//!
//! What comes from outside passes through [`Admission`], which does all of that in a child process with limits: bytes that are
//! made to burn time or memory burn the child's. The `admit` functions of [`Engine`](crate::Engine) do the same work, without cases and suite, in the
//! caller's process, and are for bytes that are trusted.
//!
//! Nothing here may panic, whatever the bytes; nothing is compiled that has not been validated within the caps.

mod admitted;
mod child;
mod describe;
mod examine;
mod parent;
mod refusal;
mod structure;
mod wire;
mod world;

pub use admitted::{Admitted, AnyAdmitted, Description, LocalizedText};
pub use child::run_child;
pub use examine::Report;
pub(crate) use examine::{admit, admit_any};
pub use parent::{Admission, AdmissionError, Examined};
pub use refusal::{Refusal, Stage};
pub use wire::{LimitsError, ProcessLimits};
