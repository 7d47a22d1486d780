//! The notification world: reading an event, and building up whom to tell.
//!
//! ```
//! use davy_rules_sdk::notification::prelude::*;
//!
//! /// What the gas company can set.
//! #[derive(Settings)]
//! pub struct Choice {
//!     /// Whether the owner is called as well.
//!     #[setting(default = true, zh = "致电户主", en = "Call the owner")]
//!     call_owner: bool,
//! }
//!
//! /// How often somebody was told.
//! #[derive(State, Default)]
//! pub struct Told {
//!     attempts: u16,
//! }
//!
//! /// Calls the owner when an alarm is raised.
//! #[notification_policy(name = "one-call", version = "1.0.0", zh = "一次通知", en = "One call")]
//! pub fn decide(settings: &Choice, told: &mut Told, event: &Event) -> Decision {
//!     let mut decision = Decision::new();
//!     if event.trigger() == Trigger::Raised && settings.call_owner {
//!         told.attempts += 1;
//!         for owner in event.context.of_role(role::OWNER) {
//!             decision.send(owner, channel::VOICE, told.attempts);
//!         }
//!     }
//!     decision
//! }
//!
//! use davy_rules_sdk::harness::Bench;
//! # fn main() {
//! let mut bench = Bench::notification::<Policy>("{}").unwrap();
//! bench.person(role::OWNER, 0, &[channel::SMS, channel::VOICE]);
//! let outcome = bench.raised(1_000).unwrap();
//! assert_eq!((outcome.sends[0].role, outcome.sends[0].channel), (role::OWNER, channel::VOICE));
//! # }
//! ```

use crate::codes::notification_trigger;
use crate::contract::Timer;
use crate::contract::notification::{AlarmContext, Event, Outcome, Recipient, Send};
use crate::policy::{Folding, World};

/// The world `davy:rules/notification-policy`.
#[derive(Clone, Copy, Debug)]
pub enum Notification {}

impl World for Notification {
    const NAME: &'static str = "notification-policy";
    type Event = Event;
    type Outcome = Outcome;
}

impl Folding for Notification {
    type Decision = Decision;

    fn outcome(decision: Decision, state: Vec<u8>) -> Outcome {
        let Decision { sends, timers, cancels, notes } = decision;
        Outcome { state, sends, timers, cancels, notes }
    }

    fn note(decision: &mut Decision, text: &str) {
        decision.note(text);
    }
}

/// Why the rule is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trigger {
    /// The alarm was raised.
    Raised,
    /// Its priority was lifted.
    Escalated,
    /// A person acknowledged it.
    Acknowledged,
    /// Its condition has gone.
    Gone,
    /// It was reset or returned to normal: its last call.
    Closed,
    /// The rule's timer with this id is due.
    Timer(u32),
    /// A message could not be delivered.
    DeliveryFailed {
        /// The rule's number of the message.
        send: u32,
        /// Why; a code of [`crate::codes::delivery_failure`].
        failure: u16,
    },
    /// The settings are tried before they are saved.
    Start,
    /// A trigger of a later platform, with its code: answer with the state unchanged and no effects.
    Other(u16),
}

impl Event {
    /// The platform's time of the event, in ms since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.context.now_ms
    }

    /// Why the rule is called.
    pub fn trigger(&self) -> Trigger {
        match self.trigger {
            notification_trigger::RAISED => Trigger::Raised,
            notification_trigger::ESCALATED => Trigger::Escalated,
            notification_trigger::ACKNOWLEDGED => Trigger::Acknowledged,
            notification_trigger::GONE => Trigger::Gone,
            notification_trigger::CLOSED => Trigger::Closed,
            notification_trigger::TIMER => Trigger::Timer(self.timer_id),
            notification_trigger::DELIVERY_FAILED => {
                Trigger::DeliveryFailed { send: self.send_id, failure: self.failure }
            }
            notification_trigger::START => Trigger::Start,
            other => Trigger::Other(other),
        }
    }

    /// The value of an extension, if the platform gives it.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl AlarmContext {
    /// Everybody of a role, in the order of their ranks as the platform gives them.
    pub fn of_role(&self, role: u16) -> impl Iterator<Item = &Recipient> {
        self.recipients.iter().filter(move |recipient| recipient.role == role)
    }

    /// The one of a role and rank.
    pub fn recipient(&self, role: u16, rank: u16) -> Option<&Recipient> {
        self.recipients.iter().find(|recipient| recipient.role == role && recipient.rank == rank)
    }
}

impl Recipient {
    /// Whether a channel reaches this one.
    pub fn has(&self, channel: u16) -> bool {
        channel < 32 && self.channels & (1 << channel) != 0
    }

    /// The first channel of a list, in the order of preference, that reaches this one.
    pub fn first_of(&self, channels: &[u16]) -> Option<u16> {
        channels.iter().copied().find(|channel| self.has(*channel))
    }
}

/// What a policy decided, built up call by call. State is not part of it: the rule changes its state in place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    sends: Vec<Send>,
    timers: Vec<Timer>,
    cancels: Vec<u32>,
    notes: Vec<String>,
}

impl Decision {
    /// Nothing to do.
    pub const fn new() -> Self {
        Self { sends: Vec::new(), timers: Vec::new(), cancels: Vec::new(), notes: Vec::new() }
    }

    /// Sends a message over a channel, if that reaches the recipient; says whether it does. The message breaks quiet hours, and its
    /// number is made of attempt, role, rank and channel (see [`send_id`]).
    pub fn send(&mut self, to: &Recipient, channel: u16, attempt: u16) -> bool {
        let id = send_id(attempt, to, channel);
        let (role, rank) = (to.role, to.rank);
        to.has(channel) && self.send_as(Send { id, role, rank, channel, text: 0, break_quiet: true, attempt })
    }

    /// Sends a message as it is given; the same number again within one decision has no effect.
    pub fn send_as(&mut self, message: Send) -> bool {
        let new = self.sends.iter().all(|other| other.id != message.id);
        if new {
            self.sends.push(message);
        }
        new
    }

    /// Whether somebody is told.
    pub fn tells_somebody(&self) -> bool {
        !self.sends.is_empty()
    }

    /// Sets a timer; the same id again replaces it.
    pub fn set_timer(&mut self, id: u32, at_ms: i64) -> &mut Self {
        self.cancels.retain(|cancelled| *cancelled != id);
        crate::timers::set(&mut self.timers, id, at_ms);
        self
    }

    /// Takes a timer back.
    pub fn cancel_timer(&mut self, id: u32) -> &mut Self {
        self.timers.retain(|timer| timer.id != id);
        if !self.cancels.contains(&id) {
            self.cancels.push(id);
        }
        self
    }

    /// Leaves a remark for whoever examines the decision later.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.notes.push(text.into());
        self
    }
}

/// A message's number from what it is: attempt in the upper 16 bits, then 6 bits of role, 6 of rank and 4 of channel. Whoever
/// gets it back with a failed delivery knows without a memory what failed.
pub fn send_id(attempt: u16, to: &Recipient, channel: u16) -> u32 {
    u32::from(attempt) << 16
        | u32::from(to.role & 0x3f) << 10
        | u32::from(to.rank & 0x3f) << 4
        | u32::from(channel & 0xf)
}

/// What [`send_id`] was made of: attempt, role, rank, channel.
pub fn sent(id: u32) -> (u16, u16, u16, u16) {
    ((id >> 16) as u16, (id >> 10 & 0x3f) as u16, (id >> 4 & 0x3f) as u16, (id & 0xf) as u16)
}

/// Everything that a notification rule usually needs.
pub mod prelude {
    pub use super::{Decision, Trigger, send_id, sent};
    pub use crate::codes::{
        account_class, channel, condition, delivery_failure, device_kind, priority, role, valve_state,
    };
    pub use crate::contract::Fault;
    pub use crate::contract::notification::{AlarmContext, Event, Recipient, Send};
    pub use crate::policy::Rule;
    pub use davy_rules_sdk_macros::{Settings, State, notification_policy};
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{channel, role};

    const SECOND: Recipient = Recipient { role: role::TECHNICIAN, rank: 1, channels: 1 << channel::SMS, on_duty: true };

    #[test]
    fn a_number_tells_what_it_was_made_of() {
        let id = send_id(300, &SECOND, channel::SMS);
        assert_eq!(sent(id), (300, role::TECHNICIAN, 1, channel::SMS));
    }

    #[test]
    fn a_channel_that_does_not_reach_somebody_is_not_used() {
        let mut decision = Decision::new();
        assert!(!decision.send(&SECOND, channel::VOICE, 1));
        assert!(!decision.tells_somebody());
        assert!(decision.send(&SECOND, channel::SMS, 1));
        assert!(!decision.send(&SECOND, channel::SMS, 1), "once is enough");
        assert_eq!(SECOND.first_of(&[channel::VOICE, channel::SMS]), Some(channel::SMS));
    }

    #[test]
    fn the_last_word_on_a_timer_counts() {
        let mut decision = Decision::new();
        decision.set_timer(1, 10).cancel_timer(1);
        assert_eq!((decision.timers.len(), &decision.cancels[..]), (0, &[1][..]));
        decision.set_timer(1, 20);
        assert_eq!((decision.timers.len(), decision.cancels.len()), (1, 0));
    }
}
