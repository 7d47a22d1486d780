//! The pure gas-safety domain: ids, quantities, readings, state machines, the statutory floor and the interlock fold.
//!
//! Nothing here reads a clock, draws a random number, touches a file, a socket or a database, waits, or logs.
//! Every state machine is `step(state, event, now) -> effects`; whoever calls it persists and carries out the effects.
//!
//! Where to begin: [`interlock`] is the fold that everything else serves. [`alarm`] and [`command`] are its two state
//! machines, [`release`] is the life of a rule's version (the tables of all three are in `tests/golden/`), [`floor`] the law that no rule can weaken, [`policy`] the seam to a
//! tenant's rule, [`ledger`] the chains of what was done, [`senml`] and [`wire`] what devices say and hear, [`driven`] what they say in a
//! vendor's own form.

pub mod alarm;
pub mod approval;
pub mod calendar;
pub mod command;
pub mod device;
pub mod driven;
pub mod floor;
pub mod history;
pub mod id;
pub mod interlock;
pub mod ledger;
pub mod people;
pub mod personal;
pub mod policy;
pub mod proof;
pub mod quantity;
pub mod refusal;
pub mod release;
pub mod senml;
pub mod time;
pub mod wire;

pub use alarm::{Alarm, AlarmState};
pub use command::{Action, Command, CommandState};
pub use device::{Condition, ConditionSet, DeviceConfig, DeviceKind, Priority, ValveState};
pub use id::{
    AlarmId, BackTestId, CommandId, CommunityId, DeviceId, IdSource, ImportId, InterlockId, InvitationId, NoticeId,
    PremisesId, QuarantineId, ReleaseId, RequestId, SessionId, TenantId, TokenId, UserId,
};
pub use interlock::{Effects, Input, Interlock, World};
pub use people::{PersonScope, Role, RoleError, Roles, ScopeKind};
pub use quantity::{Quantity, Reading, ReadingError};
pub use time::{Span, Timestamp};
