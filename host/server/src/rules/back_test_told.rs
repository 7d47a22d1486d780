//! The back-test of a notification policy as a job: the company's alarms page by page, each folded under both versions.

use super::back_test::{Failed, rule_of};
use super::jobs::Progress;
use super::recipients::Recipients;
use super::running::Registry;
use super::telling::facts;
use davy_domain::alarm::{AlarmEvent, AlarmState};
use davy_domain::{AlarmId, DeviceId, Priority, ReleaseId, Timestamp, ValveState};
use davy_rules::backtest::BackTestError;
use davy_rules::notification::backtest::{self, AlarmCourse, Report};
use davy_rules::notification::fold::{BoundNotification, Happened, NotificationPolicy};
use davy_rules::world::Notification;
use davy_store::{AlarmTransition, BackTest, Device, StoredCourse, TenantStore};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

/// Alarms to a page.
const PAGE: u32 = 200;
/// Pages that are read ahead of the fold.
const AHEAD: usize = 2;

/// Folds the alarms of a back-test; gives its report.
pub(super) async fn run(registry: &Registry, test: &BackTest, progress: Arc<Progress>) -> Result<Report, Failed> {
    let rows = registry.store().tenant(test.tenant);
    let candidate = bound(registry, test, test.release).await?;
    let active = match test.against {
        Some(release) => Some(bound(registry, test, release).await?),
        None => None,
    };
    progress.total.store(rows.count_alarms(test.from, test.to).await?, Ordering::Relaxed);
    let (pages, read) = mpsc::sync_channel::<(Vec<AlarmCourse>, u64)>(AHEAD);
    let (send, report) = tokio::sync::oneshot::channel();
    let (to, told) = (test.to, Arc::clone(&progress));
    let folding = std::thread::Builder::new().name("back-test".into()).spawn(move || {
        super::back_test::be_modest();
        let active = active.as_ref().map(|policy| policy as &dyn NotificationPolicy);
        let mut test = backtest::BackTest::new(active, &candidate, to);
        while let Ok((page, looked_at)) = read.recv() {
            for course in &page {
                if told.cancelled.load(Ordering::Relaxed) {
                    return;
                }
                test.fold(course);
            }
            told.done.fetch_add(looked_at, Ordering::Relaxed);
        }
        // Nobody waits for it any more when the server stops.
        let _ = send.send(test.finish());
    });
    folding.map_err(|_| Failed::Thread)?;
    let mut surroundings = Surroundings::new(rows);
    let mut after: Option<AlarmId> = None;
    loop {
        if progress.cancelled.load(Ordering::Relaxed) {
            return Err(BackTestError::Cancelled.into());
        }
        let (courses, last) = surroundings.page(test, after).await?;
        let Some(last) = last else { break };
        after = Some(last);
        let mut page = (courses, u64::from(PAGE));
        // A thread that folds is waited for without holding up this one's executor.
        while let Err(error) = pages.try_send(page) {
            match error {
                mpsc::TrySendError::Full(back) => page = back,
                mpsc::TrySendError::Disconnected(_) => return Err(BackTestError::Cancelled.into()),
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    drop(pages);
    let report = report.await;
    if progress.cancelled.load(Ordering::Relaxed) {
        return Err(BackTestError::Cancelled.into());
    }
    report.map_err(|_| Failed::Thread)
}

async fn bound(registry: &Registry, test: &BackTest, release: ReleaseId) -> Result<BoundNotification, Failed> {
    let (rule, settings) = rule_of::<Notification>(registry, test.tenant, release).await?;
    Ok(rule.bind(settings))
}

/// What alarms need beside their own rows: their devices, and who can be told there. As they are now.
struct Surroundings {
    rows: TenantStore,
    devices: HashMap<DeviceId, (Option<Device>, Recipients)>,
}

impl Surroundings {
    fn new(rows: TenantStore) -> Self {
        Self { rows, devices: HashMap::new() }
    }

    async fn page(
        &mut self,
        test: &BackTest,
        after: Option<AlarmId>,
    ) -> Result<(Vec<AlarmCourse>, Option<AlarmId>), Failed> {
        let span = (test.from, test.to);
        let (stored, last) = self.rows.alarm_courses(span, test.permille, after, PAGE).await?;
        let mut courses = Vec::with_capacity(stored.len());
        for course in stored {
            let id = course.alarm.alarm.device;
            if !self.devices.contains_key(&id) {
                let device = self.rows.device(id).await?.map(|summary| summary.device);
                let recipients = match &device {
                    Some(device) => Recipients::of(&self.rows.reachable(device.premises, device.division).await?),
                    None => Recipients::default(),
                };
                self.devices.insert(id, (device, recipients));
            }
            let Some((device, recipients)) = self.devices.get(&id) else { continue };
            courses.push(course_of(course, device.as_ref(), recipients));
        }
        Ok((courses, last))
    }
}

fn course_of(stored: StoredCourse, device: Option<&Device>, recipients: &Recipients) -> AlarmCourse {
    let alarm = &stored.alarm.alarm;
    AlarmCourse {
        alarm: alarm.id,
        device: alarm.device,
        priority: alarm.priority,
        confirmed: stored.confirmed,
        // Where a valve stood then is not kept with the alarm.
        facts: facts(&stored.alarm, device, ValveState::Unknown, recipients),
        events: events(&stored.transitions),
    }
}

/// What a policy is asked about, out of everything that happened to an alarm: the same as what a live notice tells of.
fn events(transitions: &[AlarmTransition]) -> Vec<(Timestamp, Happened)> {
    let mut priority: Option<Priority> = None;
    let mut events = Vec::new();
    for transition in transitions {
        let lifted = priority.is_none_or(|before| transition.priority > before);
        priority = Some(transition.priority);
        let changed = transition.before != transition.after;
        let happened = match (&transition.event, transition.after) {
            (_, AlarmState::Normal) => Happened::Closed,
            (AlarmEvent::Raise { .. }, after) if changed || (lifted && !after.is_hidden()) => {
                Happened::Annunciated { priority: transition.priority }
            }
            (AlarmEvent::Acknowledge { .. }, _) if changed => Happened::Acknowledged,
            (AlarmEvent::Clear { .. } | AlarmEvent::Reset { .. }, after) if changed && !after.is_hidden() => {
                Happened::Gone
            }
            _ => continue,
        };
        events.push((transition.at, happened));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::UserId;
    use davy_domain::alarm::Origin;

    fn went(ms: i64, before: AlarmState, after: AlarmState, priority: Priority, event: AlarmEvent) -> AlarmTransition {
        AlarmTransition { at: Timestamp::from_millis(ms), before, after, priority, event }
    }

    #[test]
    fn what_happened_to_an_alarm_is_what_its_notices_told() {
        use AlarmState as S;
        use Priority as P;
        let raise = |priority| AlarmEvent::Raise { priority, origin: Origin::Floor };
        let clear = AlarmEvent::Clear { origin: Origin::Floor };
        let by = UserId::from_raw(1);
        let transitions = [
            went(1, S::Normal, S::Unacknowledged, P::High, raise(P::High)),
            went(2, S::Unacknowledged, S::Unacknowledged, P::High, raise(P::High)),
            went(3, S::Unacknowledged, S::Unacknowledged, P::Urgent, raise(P::Urgent)),
            went(4, S::Unacknowledged, S::Acknowledged, P::Urgent, AlarmEvent::Acknowledge { by }),
            went(5, S::Acknowledged, S::Acknowledged, P::Urgent, clear),
            went(6, S::Acknowledged, S::LatchedAcknowledged, P::Urgent, clear),
            went(7, S::LatchedAcknowledged, S::Unacknowledged, P::Urgent, raise(P::Urgent)),
            went(8, S::Unacknowledged, S::ReturnedUnacknowledged, P::Urgent, clear),
            went(9, S::ReturnedUnacknowledged, S::Normal, P::Urgent, AlarmEvent::Acknowledge { by }),
        ];
        let at: Vec<_> = events(&transitions).into_iter().map(|(at, happened)| (at.as_millis(), happened)).collect();
        let urgent = Happened::Annunciated { priority: P::Urgent };
        let expected = [
            (1, Happened::Annunciated { priority: P::High }),
            (3, urgent),
            (4, Happened::Acknowledged),
            (6, Happened::Gone),
            (7, urgent),
            (8, Happened::Gone),
            (9, Happened::Closed),
        ];
        assert_eq!(at, expected);
    }
}
