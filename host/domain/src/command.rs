//! The command state machine: an order to a device, with *verified* as its goal.
//!
//! There is no remote open. It does not exist as an [`Action`], so it cannot be asked for, stored or sent.
//!
//! Counters order commands on the device: it obeys a command only when the counter is above the highest that it has
//! accepted. A later close therefore beats an earlier arm in whatever order the two arrive.

use crate::device::coded;
use crate::id::{AlarmId, CommandId, DeviceId, UserId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

coded! {
    /// What a device may be ordered to do.
    Action {
        /// Close the valve.
        Close = 1, "close";
        /// Permit a person at the meter to open the valve by hand (开阀许可).
        Arm = 2, "arm";
    }
}

/// Why a command was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Cause {
    /// A leak: the safety close, which waits for nothing.
    Leak {
        /// The alarm that ordered it.
        alarm: AlarmId,
    },
    /// The tenant's rule wants the valve closed though no alarm is active.
    Rule,
    /// A person of the gas company.
    Operator {
        /// Who.
        by: UserId,
    },
    /// The resident.
    Resident {
        /// Who.
        by: UserId,
    },
}

coded! {
    /// Where a command stands.
    CommandState {
        /// Asked for.
        Requested = 1, "requested";
        /// Permitted.
        Authorised = 2, "authorised";
        /// Waiting for the device to be reachable.
        Queued = 3, "queued";
        /// Handed to the transport at least once.
        Sent = 4, "sent";
        /// The device has it.
        Acknowledged = 5, "acknowledged";
        /// The device says it has moved the valve.
        Actuated = 6, "actuated";
        /// Proven: the valve reports closed and flow is zero (arm: the device reports the permission).
        Verified = 7, "verified";
        /// Refused by a rule of the platform or by the device.
        Rejected = 8, "rejected";
        /// Its deadline passed before the device had it.
        Expired = 9, "expired";
        /// Superseded: a close beats an arm.
        Cancelled = 10, "cancelled";
        /// The device tried and could not.
        Failed = 11, "failed";
        /// Not proven by its deadline: a person must go.
        Unverified = 12, "unverified";
    }
}

impl CommandState {
    /// Whether it can still change.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Requested | Self::Authorised | Self::Queued | Self::Sent | Self::Acknowledged | Self::Actuated
        )
    }

    /// Whether it goes out (again) at the next opportunity: until the device says that it has carried it out.
    pub const fn wants_sending(self) -> bool {
        matches!(self, Self::Queued | Self::Sent | Self::Acknowledged)
    }
}

coded! {
    /// What a device says became of a command.
    DeviceOutcome {
        /// It has the command and will carry it out.
        Accepted = 1, "accepted";
        /// It has moved the valve (arm: it has granted the permission).
        Actuated = 2, "actuated";
        /// Its counter is not above the highest that the device has accepted.
        RefusedStale = 3, "refused-stale";
        /// Its battery cannot move the valve.
        RefusedBattery = 4, "refused-battery";
        /// The valve did not move.
        FailedJammed = 5, "failed-jammed";
        /// The deadline of an arm has passed by the device's clock. A close is never refused for this.
        RefusedExpired = 6, "refused-expired";
        /// Too hot or too cold to move the valve.
        RefusedTemperature = 7, "refused-temperature";
        /// It cannot do this at all.
        RefusedUnsupported = 8, "refused-unsupported";
    }
}

/// An order to a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Its id; one intent has one id, a repeat has no effect.
    pub id: CommandId,
    /// To whom.
    pub device: DeviceId,
    /// What to do.
    pub action: Action,
    /// Why.
    pub cause: Cause,
    /// Where it stands.
    pub state: CommandState,
    /// Strictly increasing per device and checked there, so that an old arm never beats a newer close.
    pub counter: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was first handed to the transport.
    pub sent_at: Option<Timestamp>,
    /// When the device moved the valve, by the device's own clock.
    pub actuated_at: Option<Timestamp>,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// By when it must be verified.
    pub deadline: Timestamp,
}

/// What can happen to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum CommandEvent {
    /// Permitted by the rules of the platform.
    Authorise,
    /// Not permitted.
    Refuse,
    /// Ready to go out.
    Enqueue,
    /// Handed to the transport.
    Sent,
    /// The transport says that the device's stack has it. Not authenticated, hence no reason to stop sending it.
    Delivered,
    /// The transport gave up: back into the queue.
    TimedOut,
    /// The device's own word.
    Outcome {
        /// What became of it.
        outcome: DeviceOutcome,
        /// When, by the device's clock.
        at: Timestamp,
    },
    /// The valve reports closed and flow is zero, in readings taken after it was sent.
    Proven,
    /// Its deadline has passed.
    DeadlinePassed,
    /// A close for the same device takes its place.
    Supersede,
}

coded! {
    /// What a transition asks of the platform.
    CommandEffect {
        /// Nothing but the record.
        Note = 1, "note";
        /// Tell whoever waits that it is done.
        Done = 2, "done";
        /// The device's counter is ahead of ours: give the close again with a higher one.
        Reissue = 3, "reissue";
        /// A close has failed: a person must go.
        Escalate = 4, "escalate";
        /// It is over without success; nobody is in danger.
        End = 5, "end";
    }
}

/// A change of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandStep {
    /// The command after the event.
    pub command: Command,
    /// What follows.
    pub effect: CommandEffect,
}

/// One event happens to one command: the whole state machine. `None` when it changes nothing, which is what a repeat does.
pub fn step(command: &Command, event: CommandEvent, now: Timestamp) -> Option<CommandStep> {
    use CommandEffect as E;
    use CommandState as S;
    if !command.state.is_open() {
        return None;
    }
    let to = |state, effect| {
        let mut next = Command { state, changed_at: now, ..command.clone() };
        if matches!(state, S::Sent | S::Acknowledged | S::Actuated) && next.sent_at.is_none() {
            next.sent_at = Some(now);
        }
        Some(CommandStep { command: next, effect })
    };
    let closes = match command.action {
        Action::Close => true,
        Action::Arm => false,
    };
    let lost = if closes { E::Escalate } else { E::End };
    match (command.state, event) {
        (S::Requested, CommandEvent::Authorise) => to(S::Authorised, E::Note),
        (S::Requested | S::Authorised, CommandEvent::Refuse) => to(S::Rejected, E::End),
        (S::Authorised, CommandEvent::Enqueue) | (S::Sent, CommandEvent::TimedOut) => to(S::Queued, E::Note),
        (S::Queued, CommandEvent::Sent) => to(S::Sent, E::Note),
        (S::Queued | S::Sent, CommandEvent::Delivered) => to(S::Acknowledged, E::Note),
        (S::Queued | S::Sent | S::Acknowledged | S::Actuated, CommandEvent::Outcome { outcome, at }) => match outcome {
            DeviceOutcome::Accepted if matches!(command.state, S::Queued | S::Sent) => to(S::Acknowledged, E::Note),
            DeviceOutcome::Accepted => None,
            DeviceOutcome::Actuated if matches!(command.state, S::Actuated) => None,
            DeviceOutcome::Actuated => {
                let (state, effect) = if closes { (S::Actuated, E::Note) } else { (S::Verified, E::Done) };
                to(state, effect).map(|mut done| {
                    done.command.actuated_at = Some(at);
                    done.command.sent_at = done.command.sent_at.or(Some(now));
                    done
                })
            }
            DeviceOutcome::RefusedStale => to(S::Rejected, if closes { E::Reissue } else { E::End }),
            DeviceOutcome::RefusedBattery
            | DeviceOutcome::RefusedExpired
            | DeviceOutcome::RefusedTemperature
            | DeviceOutcome::RefusedUnsupported => to(S::Rejected, lost),
            DeviceOutcome::FailedJammed => to(S::Failed, lost),
        },
        (S::Sent | S::Acknowledged | S::Actuated, CommandEvent::Proven) if closes => to(S::Verified, E::Done),
        // A close that nobody has proven is never quietly expired.
        (_, CommandEvent::DeadlinePassed) if closes => to(S::Unverified, E::Escalate),
        (S::Requested | S::Authorised | S::Queued | S::Sent, CommandEvent::DeadlinePassed) => to(S::Expired, E::End),
        (_, CommandEvent::DeadlinePassed) => to(S::Unverified, E::End),
        // Nothing takes the place of a close.
        (_, CommandEvent::Supersede) if !closes => to(S::Cancelled, E::End),
        (
            _,
            CommandEvent::Authorise
            | CommandEvent::Refuse
            | CommandEvent::Enqueue
            | CommandEvent::Sent
            | CommandEvent::Delivered
            | CommandEvent::TimedOut
            | CommandEvent::Outcome { .. }
            | CommandEvent::Proven
            | CommandEvent::Supersede,
        ) => None,
    }
}
