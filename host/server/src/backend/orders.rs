//! What a person orders: closes, acknowledgements, resets. Opening is not among them and never will be.

use super::devices::command_item;
use super::{Service, operated, stored};
use crate::operate::OperateError;
use crate::roles::Deed;
use davy_api::{CloseReceipt, Problem, ValvesOf, Viewer};
use davy_domain::alarm::{AlarmEvent, AlarmRefusal};
use davy_domain::command::Cause;
use davy_domain::{AlarmId, DeviceId, DeviceKind, InterlockId, PremisesId};
use davy_store::{DeviceFilter, ScopedStore};
use futures_util::future::join_all;

/// Devices that are read at once.
const PAGE: u32 = 200;
/// Closes that are under way at once: the shards make them durable together.
const AT_ONCE: usize = 64;

fn no_valve(what: &str) -> Problem {
    let detail = format!("This {what} has no valve that can be closed from here; somebody must go.");
    Problem::new("no-valve", 409, "No valve", detail)
}

impl Service {
    pub(super) async fn close_valves_of(&self, viewer: &Viewer, of: ValvesOf) -> Result<CloseReceipt, Problem> {
        let (what, valves) = match of {
            ValvesOf::Device(id) => {
                let scope = self.enter_for(viewer, Deed::CloseValve, id).await?;
                ("device", linked_valves(&scope, id).await?)
            }
            ValvesOf::Premises(id) => {
                let scope = self.enter_for(viewer, Deed::CloseValve, id).await?;
                ("premises", valves_of(&scope, id).await?)
            }
        };
        if valves.is_empty() {
            return Err(no_valve(what));
        }
        self.close_valves(viewer, &valves).await
    }

    async fn close_valves(&self, viewer: &Viewer, valves: &[(InterlockId, DeviceId)]) -> Result<CloseReceipt, Problem> {
        let by = viewer.user;
        let cause = if viewer.is_resident() { Cause::Resident { by } } else { Cause::Operator { by } };
        let mut commands = Vec::new();
        let mut failed = None;
        for some in valves.chunks(AT_ONCE) {
            let mut asked = Vec::with_capacity(some.len());
            for (interlock, valve) in some {
                asked.push(self.operate.close(*interlock, *valve, cause));
            }
            // One valve that cannot be ordered must not keep the others open.
            for answer in join_all(asked).await {
                match answer {
                    Ok(ordered) => commands.extend(ordered.iter().map(command_item)),
                    Err(error) => failed = Some(error),
                }
            }
        }
        match failed {
            Some(error) if commands.is_empty() => Err(operated(error)),
            Some(error) => {
                tracing::error!(%error, "one of several valves could not be ordered to close");
                Err(Problem::unavailable(
                    "Some valves were ordered to close and at least one could not be: try again at once.",
                ))
            }
            None => Ok(CloseReceipt { already_closed: commands.is_empty(), commands }),
        }
    }

    pub(super) async fn acknowledge_alarm(&self, viewer: &Viewer, id: AlarmId) -> Result<(), Problem> {
        self.answer_alarm(viewer, Deed::AcknowledgeAlarm, id, AlarmEvent::Acknowledge { by: viewer.user }).await
    }

    pub(super) async fn reset_alarm(&self, viewer: &Viewer, id: AlarmId) -> Result<(), Problem> {
        // Whether readings are low and fresh is for the shard to say: it holds them.
        let event = AlarmEvent::Reset { by: viewer.user, fresh_low_readings: false };
        self.answer_alarm(viewer, Deed::ResetAlarm, id, event).await
    }

    async fn answer_alarm(&self, viewer: &Viewer, deed: Deed, id: AlarmId, event: AlarmEvent) -> Result<(), Problem> {
        let scope = self.enter_for(viewer, deed, id).await?;
        let found = scope.alarm(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("alarm"))?;
        if !found.alarm.state.is_active() {
            return Err(operated(OperateError::Refused { reason: AlarmRefusal::Ended.into() }));
        }
        self.operate.person(found.interlock, id, event).await.map(drop).map_err(operated)
    }
}

/// The device's own valve, or those that are linked to it, as far as they are in the scope.
async fn linked_valves(scope: &ScopedStore, id: DeviceId) -> Result<Vec<(InterlockId, DeviceId)>, Problem> {
    let row = scope.device(id).await.map_err(stored)?.ok_or_else(|| Problem::not_found("device"))?;
    if row.device.kind.has_valve() {
        return Ok(vec![(row.device.interlock, id)]);
    }
    let mut valves = Vec::new();
    for valve in row.device.links {
        // A linked valve outside of the viewer's scope is not theirs to close.
        if let Some(valve) = scope.device(valve).await.map_err(stored)? {
            valves.push((valve.device.interlock, valve.device.id));
        }
    }
    Ok(valves)
}

/// Every valve of a premises, however many devices there are.
pub(super) async fn valves_of(scope: &ScopedStore, id: PremisesId) -> Result<Vec<(InterlockId, DeviceId)>, Problem> {
    let mut valves = Vec::new();
    for kind in DeviceKind::ALL.iter().copied().filter(|kind| kind.has_valve()) {
        let filter = DeviceFilter { premises: Some(id), kind: Some(kind), ..DeviceFilter::default() };
        let mut after = None;
        loop {
            let page = scope.devices(&filter, after, PAGE).await.map_err(stored)?;
            valves.extend(page.iter().map(|row| (row.device.interlock, row.device.id)));
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = Some(last.device.id),
                _ => break,
            }
        }
    }
    Ok(valves)
}
