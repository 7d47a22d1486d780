//! The pure gas-safety domain: ids, quantities, readings, state machines, the statutory floor and the interlock fold.
//!
//! Nothing here reads a clock, draws a random number, touches a file, a socket or a database, waits, or logs.
//! Every state machine is `step(state, event, now) -> effects`; whoever calls it persists and carries out the effects.

pub mod alarm;
pub mod command;
pub mod device;
pub mod id;
pub mod policy;
pub mod quantity;
pub mod time;

pub use device::{Condition, ConditionSet, DeviceKind, Priority, ValveState};
pub use id::{
    AlarmId, CommandId, DeviceId, IdSource, InterlockId, NoticeId, PremisesId, RuleId, SessionId, TenantId, UserId,
};
pub use quantity::{Quantity, Reading, ReadingError};
pub use time::{Span, Timestamp};
