//! An interlock folded a second time under another version than the one that decides.
//!
//! It sees every input that the real one sees, one after the other, and nothing that it decides leaves it: no command, no notice, no row.
//! It begins with the alarms that stand and with an empty memory of its own (what is in force: with the one that it has), and is gone
//! with the process. A version in shadow is folded so beside what decides; what is in force, beside a version that decides for a share.

use super::compared::Ordered;
use super::running::{LoadedRule, TenantRules, TenantWorld};
use davy_domain::interlock::{Effects, Input, Interlock, World};
use davy_domain::{AlarmId, IdSource, ReleaseId, Timestamp};
use std::sync::Arc;

/// The lane of the ids that are given in shadow; nothing keeps them.
const LANE: u8 = 0;

/// The second fold of one interlock.
struct ShadowFold {
    /// None is the statutory floor alone.
    release: Option<ReleaseId>,
    interlock: Interlock,
    ids: IdSource,
    effects: Effects,
}

impl ShadowFold {
    /// Folds what the real one is about to fold; `real` is as it was before.
    fn step(&mut self, input: Input<'_>, now: Timestamp, world: &World<'_>, real: &Interlock) {
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
}

/// Everything that is folded beside one interlock.
#[derive(Default)]
pub struct Beside {
    /// The version in shadow.
    shadow: Option<Box<ShadowFold>>,
    /// What is in force, where another version decides.
    in_force: Option<Box<ShadowFold>>,
    /// Closes by the version in shadow, by what is in force, by what decides.
    ordered: Option<Box<[Ordered; 3]>>,
}

impl Beside {
    /// When one of them has something to do by itself: their timers are not those of the real one.
    pub fn next_due(&self) -> Option<Timestamp> {
        let due = |fold: &Option<Box<ShadowFold>>| fold.as_ref().and_then(|fold| fold.interlock.next_due());
        due(&self.shadow).into_iter().chain(due(&self.in_force)).min()
    }

    /// Folds what the real one is about to fold; `real` is as it was before.
    pub fn step(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        world: &TenantWorld,
        rules: &TenantRules,
        real: &Interlock,
    ) {
        let of = |rule: &Option<Arc<LoadedRule>>| rule.as_ref().map(|rule| rule.release);
        keep(&mut self.in_force, rules.trial_of(real.id()).is_some(), of(&rules.active), real);
        keep(&mut self.shadow, rules.shadow.is_some(), of(&rules.shadow), real);
        if let Some(fold) = &mut self.in_force {
            fold.step(input, now, &world.world(rules.active.as_ref()), real);
        }
        if let Some(fold) = &mut self.shadow {
            fold.step(input, now, &world.world(rules.shadow.as_ref()), real);
        }
        if self.in_force.is_none() && self.shadow.is_none() {
            self.ordered = None;
        }
    }

    /// Holds what each of them has done against each other, and against what the real one has.
    pub fn compare(&mut self, real: &Effects, interlock: &Interlock, now: Timestamp, rules: &TenantRules) {
        let Self { shadow, in_force, ordered } = self;
        if shadow.is_none() && in_force.is_none() {
            return;
        }
        let [by_shadow, by_in_force, by_real] = ordered.get_or_insert_default().as_mut();
        let decided = by_real.seen(real, interlock);
        let in_force = in_force.as_ref().map(|fold| by_in_force.seen(&fold.effects, &fold.interlock));
        if let (Some(in_force), Some(tried)) = (&in_force, rules.trial_of(interlock.id())) {
            tried.health.compare(in_force, &decided, now);
        }
        if let (Some(fold), Some(tried)) = (shadow, &rules.shadow) {
            let seen = by_shadow.seen(&fold.effects, &fold.interlock);
            tried.health.compare(in_force.as_ref().unwrap_or(&decided), &seen, now);
            tried.health.raised(&fold.effects.alarms);
        }
    }
}

/// Makes a fold one of the version that is wanted (none: the floor alone), beginning beside the real one; or ends it.
fn keep(fold: &mut Option<Box<ShadowFold>>, wanted: bool, release: Option<ReleaseId>, real: &Interlock) {
    if !wanted {
        *fold = None;
    } else if fold.as_ref().is_none_or(|fold| fold.release != release) {
        let (interlock, ids) = (real.clone(), IdSource::new(LANE, 0));
        *fold = Some(Box::new(ShadowFold { release, interlock, ids, effects: Effects::default() }));
    }
}
