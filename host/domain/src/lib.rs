//! The pure gas-safety domain: ids, quantities, readings, state machines, the statutory floor and the interlock fold.
//!
//! Nothing here reads a clock, draws a random number, touches a file, a socket or a database, waits, or logs.
//! Every state machine is `step(state, event, now) -> effects`; whoever calls it persists and carries out the effects.
//!
//! Where to begin: [`interlock`] is the fold that everything else serves. [`alarm`] and [`command`] are its two state
//! machines, [`release`] is the life of a rule's version (the tables of all three are in `tests/golden/`), [`floor`] the law that no rule can weaken, [`policy`] the seam to a
//! tenant's rule, [`senml`] and [`wire`] what devices say and hear.

pub mod alarm;
pub mod command;
pub mod device;
pub mod floor;
pub mod history;
pub mod id;
pub mod interlock;
pub mod policy;
pub mod quantity;
pub mod release;
pub mod senml;
pub mod time;
pub mod wire;

pub use alarm::{Alarm, AlarmState};
pub use command::{Action, Command, CommandState};
pub use device::{Condition, ConditionSet, DeviceConfig, DeviceKind, Priority, ValveState};
pub use id::{
    AlarmId, BackTestId, CommandId, DeviceId, IdSource, InterlockId, NoticeId, PremisesId, ReleaseId, SessionId,
    TenantId, UserId,
};
pub use interlock::{Effects, Input, Interlock, World};
pub use quantity::{Quantity, Reading, ReadingError};
pub use time::{Span, Timestamp};
