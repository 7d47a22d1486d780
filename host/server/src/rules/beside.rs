//! Alarms folded a second time under another notification policy than the one that decides, and what comes out otherwise.
//!
//! A version in shadow is folded so beside what decides; what is in force, beside a version that decides for a share. Nobody is told by it, and
//! it is gone with the process: an alarm that was raised before is not compared. What both sent within the first half hour of an alarm is.

use super::tellers::{Teller, TenantTellers};
use davy_api::RuleCompared;
use davy_domain::{AlarmId, Condition, DeviceId, ReleaseId, Span, TenantId, Timestamp};
use davy_rules::notification::compare::{self, Sent, Stands};
use davy_rules::notification::fold::{self, Facts, Happened, Memory, NotificationPolicy, Told};
use davy_store::{Difference, DifferenceKind, StoredAlarm};
use std::collections::HashMap;
use std::sync::Arc;

/// So long after it was raised an alarm is compared, at the latest.
const COMPARED_FOR: Span = Span::from_minutes(30);
/// So many alarms are folded beside at once; beyond it none is compared.
const MOST: usize = 10_000;

/// The second fold of one alarm.
struct Lane {
    /// None is no policy: the default list.
    release: Option<ReleaseId>,
    memory: Memory,
    sent: Vec<Sent>,
}

/// Everything that is folded beside one alarm.
struct Beside {
    tenant: TenantId,
    device: DeviceId,
    condition: Condition,
    raised_at: Timestamp,
    facts: Facts,
    /// Which version decides.
    decides: Option<ReleaseId>,
    /// What was really sent.
    real: Vec<Sent>,
    shadow: Option<Lane>,
    in_force: Option<Lane>,
}

/// The alarms that are folded beside.
#[derive(Default)]
pub struct Besides(HashMap<AlarmId, Beside>);

fn id(teller: Option<&Arc<Teller>>) -> Option<ReleaseId> {
    teller.map(|teller| teller.release)
}

fn sent(told: &Told, at: Timestamp) -> impl Iterator<Item = Sent> + '_ {
    told.messages.iter().map(move |message| Sent {
        at,
        role: message.send.role,
        rank: message.send.rank,
        channel: message.send.channel,
    })
}

async fn step(lane: &mut Lane, teller: Option<Arc<Teller>>, facts: &Facts, happened: Happened, now: Timestamp) {
    let mut memory = std::mem::take(&mut lane.memory);
    let facts = facts.clone();
    let stepped = tokio::task::spawn_blocking(move || {
        let policy = teller.as_ref().map(|teller| teller.as_ref() as &dyn NotificationPolicy);
        let told = fold::step(policy, &mut memory, &facts, happened, now);
        (told, memory)
    });
    if let Ok((told, memory)) = stepped.await {
        lane.memory = memory;
        lane.sent.extend(sent(&told, now));
    }
}

impl Besides {
    /// An event of an alarm that has been decided about.
    #[allow(clippy::too_many_arguments, reason = "one event with everything that is known about it")]
    pub async fn fold(
        &mut self,
        tenant: TenantId,
        tellers: &TenantTellers,
        alarm: &StoredAlarm,
        facts: Facts,
        begins: bool,
        happened: Happened,
        told: &Told,
        now: Timestamp,
    ) {
        let key = alarm.alarm.id;
        let trial = tellers.trial_of(key);
        if begins && (trial.is_some() || tellers.shadow.is_some()) && self.0.len() < MOST {
            let lane = |release| Lane { release, memory: Memory::default(), sent: Vec::new() };
            let beside = Beside {
                tenant,
                device: alarm.alarm.device,
                condition: alarm.alarm.condition,
                raised_at: now,
                facts: facts.clone(),
                decides: id(tellers.for_alarm(key)),
                real: Vec::new(),
                shadow: tellers.shadow.as_ref().map(|teller| lane(Some(teller.release))),
                in_force: trial.map(|_| lane(id(tellers.active.as_ref()))),
            };
            self.0.insert(key, beside);
        }
        let Some(beside) = self.0.get_mut(&key) else { return };
        beside.facts = facts;
        beside.real.extend(sent(told, now));
        // A timer of what decides is none of theirs.
        if !matches!(happened, Happened::Due { .. }) {
            beside.feed(tellers, happened, now).await;
        }
        if matches!(happened, Happened::Closed)
            && let Some(beside) = self.0.remove(&key)
        {
            beside.settle(key, tellers);
        }
    }

    /// Their own timers, and those that have been folded for long enough.
    pub async fn due(&mut self, now: Timestamp, tellers: &(dyn Fn(TenantId) -> Arc<TenantTellers> + Sync)) {
        let due = |beside: &Beside| {
            now.since(beside.raised_at) >= COMPARED_FOR
                || beside.lanes().any(|lane| lane.memory.next_due().is_some_and(|(_, at)| at <= now))
        };
        let keys: Vec<AlarmId> = self.0.iter().filter(|(_, beside)| due(beside)).map(|(key, _)| *key).collect();
        for key in keys {
            let Some(mut beside) = self.0.remove(&key) else { continue };
            let of = tellers(beside.tenant);
            if now.since(beside.raised_at) >= COMPARED_FOR {
                beside.settle(key, &of);
                continue;
            }
            beside.timers(&of, now).await;
            self.0.insert(key, beside);
        }
    }
}

impl Beside {
    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        [&self.shadow, &self.in_force].into_iter().flatten()
    }

    async fn feed(&mut self, tellers: &TenantTellers, happened: Happened, now: Timestamp) {
        for (lane, teller) in [(&mut self.shadow, &tellers.shadow), (&mut self.in_force, &tellers.active)] {
            if let Some(lane) = lane.as_mut().filter(|lane| lane.release == id(teller.as_ref())) {
                step(lane, teller.clone(), &self.facts, happened, now).await;
            }
        }
    }

    async fn timers(&mut self, tellers: &TenantTellers, now: Timestamp) {
        for (lane, teller) in [(&mut self.shadow, &tellers.shadow), (&mut self.in_force, &tellers.active)] {
            let Some(lane) = lane else { continue };
            let Some((timer, _)) = lane.memory.next_due().filter(|(_, at)| *at <= now) else { continue };
            if lane.release == id(teller.as_ref()) {
                step(lane, teller.clone(), &self.facts, Happened::Due { timer }, now).await;
            } else {
                lane.memory.timers.clear();
            }
        }
    }

    /// Tells each version that is being tried how it stood to what is in force. A version that has come or gone meanwhile is not judged.
    fn settle(self, alarm: AlarmId, tellers: &TenantTellers) {
        let in_force = self.in_force.as_ref().filter(|lane| lane.release == id(tellers.active.as_ref()));
        if let (Some(in_force), Some(trial)) = (in_force, tellers.trial_of(alarm))
            && self.decides == Some(trial.release)
        {
            self.tell(alarm, trial, &in_force.sent, &self.real);
        }
        if let (Some(lane), Some(shadow)) = (&self.shadow, &tellers.shadow)
            && lane.release == Some(shadow.release)
        {
            let reference = in_force.map_or(&self.real[..], |lane| &lane.sent);
            self.tell(alarm, shadow, reference, &lane.sent);
        }
    }

    fn tell(&self, alarm: AlarmId, version: &Teller, active: &[Sent], candidate: &[Sent]) {
        let mut counts = RuleCompared::default();
        let mut rows = Vec::new();
        let row = |kind, active_at, version_at, to| Difference {
            kind,
            device: self.device,
            condition: Some(self.condition),
            measured_by: None,
            active_at,
            version_at,
            alarm: Some(alarm),
            to,
        };
        let first = [compare::first(active), compare::first(candidate)];
        let stands = compare::stands(first[0], first[1]);
        match stands {
            Stands::Same => counts.same += u64::from(first[0].is_some()),
            Stands::Earlier => counts.earlier += 1,
            Stands::Later => counts.later += 1,
            Stands::Added => counts.added += 1,
            Stands::Lost => counts.lost += 1,
        }
        if stands != Stands::Same {
            rows.push(row(DifferenceKind::FirstTold, first[0], first[1], None));
        }
        for pair in compare::pairs(active, candidate) {
            let stands = compare::stands(pair.active, pair.candidate);
            match stands {
                Stands::Added => counts.notices_added += 1,
                Stands::Lost => counts.notices_lost += 1,
                Stands::Same | Stands::Earlier | Stands::Later => counts.notices_same += 1,
            }
            if stands != Stands::Same {
                rows.push(row(DifferenceKind::Message, pair.active, pair.candidate, Some((pair.role, pair.channel))));
            }
        }
        version.health.found(&counts, rows);
    }
}
