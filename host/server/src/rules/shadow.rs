//! A version in shadow: the interlock folded a second time, with the version instead of what is in force.
//!
//! It sees every input that the real one sees, one after the other, and nothing that it decides leaves it: no command, no notice, no row.
//! It begins with the alarms that stand and with an empty memory of its own, and is gone with the process.

use super::running::LoadedRule;
use davy_domain::interlock::{Effects, Input, Interlock, World};
use davy_domain::{AlarmId, IdSource, ReleaseId, Timestamp};

/// The lane of the ids that are given in shadow; nothing keeps them.
const LANE: u8 = 0;

/// The second fold of one interlock.
pub struct ShadowFold {
    release: ReleaseId,
    interlock: Interlock,
    ids: IdSource,
    effects: Effects,
}

impl ShadowFold {
    /// Begins beside the real one.
    pub fn new(release: ReleaseId, interlock: &Interlock) -> Self {
        Self { release, interlock: interlock.clone(), ids: IdSource::new(LANE, 0), effects: Effects::default() }
    }

    /// Of which version it is.
    pub const fn release(&self) -> ReleaseId {
        self.release
    }

    /// When it has something to do by itself: its timers are not those of the real one.
    pub const fn next_due(&self) -> Option<Timestamp> {
        self.interlock.next_due()
    }

    /// Folds what the real one is about to fold; `real` is as it was before.
    pub fn step(&mut self, input: Input<'_>, now: Timestamp, world: &World<'_>, real: &Interlock) {
        let input = match input {
            // The two folds number their alarms apart: it is the same alarm when it is about the same thing.
            Input::Person { alarm, event } => match self.alarm_like(alarm, real) {
                Some(alarm) => Input::Person { alarm, event },
                // Nothing of the step before may be taken for this one's.
                None => return self.effects.clear(),
            },
            other => other,
        };
        self.interlock.step_into(input, now, world, &mut self.ids, &mut self.effects);
    }

    fn alarm_like(&self, alarm: AlarmId, real: &Interlock) -> Option<AlarmId> {
        let meant = real.alarm(alarm)?;
        let same = |each: &&davy_domain::Alarm| each.device == meant.device && each.condition == meant.condition;
        self.interlock.alarms().find(same).map(|each| each.id)
    }

    /// Holds what both have raised against each other.
    pub fn compare(&self, real: &Effects, rule: &LoadedRule, now: Timestamp) {
        rule.health.compare(&real.alarms, &self.effects.alarms, now);
        rule.health.raised(&self.effects.alarms);
    }
}
