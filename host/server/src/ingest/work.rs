//! What a shard hands to the committer, and what it gets back once that is durable.

use super::route::ShardIndex;
use crate::live::Committed;
use crate::operate::OperateError;
use davy_coap::ExchangeId;
use davy_domain::interlock::Effects;
use davy_domain::{CommandId, DeviceId, InterlockId, TenantId};
use davy_store::{Batch, JournalRow};
use std::collections::HashSet;

/// Decisions of one shard that become durable together, and what may be said to the outside only then.
#[derive(Default)]
pub struct Work {
    /// Whose decisions.
    pub shard: ShardIndex,
    /// Uplinks, outcomes, and memories of rules.
    pub rows: Vec<JournalRow>,
    /// The interlock of each row.
    pub interlocks: Vec<InterlockId>,
    /// What they, people and time have changed.
    pub effects: Vec<(TenantId, InterlockId, Effects)>,
    /// For the live bus, with the interlock that each is about.
    pub announcements: Vec<(InterlockId, Committed)>,
    /// Interlocks whose fold has gone back to what is stored: from here on what is decided of them can be stored again.
    pub reverted: Vec<InterlockId>,
    /// For devices and people.
    pub release: Release,
}

/// What waits for the commit.
#[derive(Default)]
pub struct Release {
    /// Answers to devices.
    pub replies: Vec<Reply>,
    /// Commands for devices that are awake and observe.
    pub notifications: Vec<Delivery>,
    /// Answers to people, with the interlock that they asked something of.
    pub answers: Vec<(InterlockId, Answer)>,
}

/// A device's request waits for this.
pub struct Reply {
    /// Which request.
    pub exchange: ExchangeId,
    /// Of which company.
    pub tenant: TenantId,
    /// Who asked.
    pub device: DeviceId,
    /// In which interlock.
    pub interlock: InterlockId,
    /// The sequence number of its request.
    pub sequence: Option<u64>,
    /// Whether it asked to read its commands (2.05); otherwise it reported (2.04).
    pub read: bool,
    /// Whether its uplink changed nothing but readings: such a one may be refused under overload, and sent again by the device.
    pub quiet: bool,
    /// The commands for it.
    pub delivery: Payload,
}

/// Commands for a device that observes.
pub struct Delivery {
    /// To whom.
    pub device: DeviceId,
    /// The commands for it.
    pub payload: Payload,
}

/// Pending commands as they travel, with their ids.
#[derive(Clone)]
pub struct Payload {
    /// In the platform's own form, or in a vendor's; empty for no command.
    pub bytes: Vec<u8>,
    /// The content-format of these bytes.
    pub format: u16,
    /// Which commands are in it.
    pub commands: Vec<CommandId>,
}

/// Tells a person what became of their request.
pub type Answer = Box<dyn FnOnce(Result<(), OperateError>) + Send>;

impl Work {
    /// An empty one of a shard.
    pub fn of(shard: ShardIndex) -> Self {
        Self { shard, ..Self::default() }
    }

    /// Whether there is nothing to store and nobody to answer.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.effects.is_empty() && self.release.is_empty() && self.reverted.is_empty()
    }

    /// Adds a row of an interlock.
    pub fn push(&mut self, interlock: InterlockId, row: JournalRow) {
        self.interlocks.push(interlock);
        self.rows.push(row);
    }

    /// Takes out what follows from something that is not stored, and returns whoever waits for it. Closes that are on their way stay
    /// on their way.
    pub fn withhold(&mut self, of: &HashSet<InterlockId>) -> Release {
        let mut interlocks = self.interlocks.iter();
        self.rows.retain(|_| !interlocks.next().is_some_and(|interlock| of.contains(interlock)));
        self.interlocks.retain(|interlock| !of.contains(interlock));
        self.effects.retain(|(_, interlock, _)| !of.contains(interlock));
        self.withhold_words(of)
    }

    /// The same when what was to be stored has been moved into a commit already.
    pub fn withhold_words(&mut self, of: &HashSet<InterlockId>) -> Release {
        self.announcements.retain(|(interlock, _)| !of.contains(interlock));
        Release {
            replies: self.release.replies.extract_if(.., |reply| of.contains(&reply.interlock)).collect(),
            answers: self.release.answers.extract_if(.., |(interlock, _)| of.contains(interlock)).collect(),
            notifications: Vec::new(),
        }
    }

    /// Moves what is to be stored into the commit.
    pub fn move_into(&mut self, batch: &mut Batch) {
        batch.uplinks.append(&mut self.rows);
        batch.effects.append(&mut self.effects);
    }
}

impl Release {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.notifications.is_empty() && self.answers.is_empty()
    }

    /// What must go out even though nothing is durable yet: commands. Replies without one stay and wait.
    pub fn take_commands(&mut self) -> Self {
        let commands = self.replies.extract_if(.., |reply| !reply.delivery.commands.is_empty()).collect();
        Self { replies: commands, notifications: std::mem::take(&mut self.notifications), answers: Vec::new() }
    }
}
