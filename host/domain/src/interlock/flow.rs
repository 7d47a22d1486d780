//! What flows past a valve that reports closed: the other half of the proof of a close.
//!
//! A meter judges its own valve. A shut-off valve is judged by the meters of its premises once every shut-off valve there reports
//! closed: as long as one of them is open, what flows says nothing about the others. A meter that has not reported since contradicts
//! nobody: it may sleep for a day, and a close must be proven before that.

use super::{Interlock, Limits, Step};
use crate::alarm::Origin;
use crate::command::Action;
use crate::device::{Condition, DeviceKind, Priority};
use crate::quantity::Quantity;
use crate::time::Span;

/// What the meters say of a valve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Gas flows although the valve reports closed.
    Past,
    /// Nothing speaks against the valve.
    None,
    /// Nothing was measured since.
    Unknown,
}

impl Interlock {
    /// Raises or clears the alarm about flow past a valve.
    pub(super) fn judge_flow(&mut self, v: usize, step: &mut Step<'_, '_>) {
        match self.flow(v, step.world.limits) {
            Flow::None => self.clear(v, Condition::FlowAfterClose, Origin::Platform, step),
            Flow::Past if !self.is_closing_itself(v) => {
                self.raise(v, Condition::FlowAfterClose, Priority::High, Origin::Platform, step);
            }
            Flow::Past | Flow::Unknown => {}
        }
    }

    /// A meter that carries out a close reports position and flow together, while its plug moves: the close's own deadline judges that.
    fn is_closing_itself(&self, v: usize) -> bool {
        let device = &self.devices[v];
        device.config.kind == DeviceKind::Meter && device.open(Action::Close).is_some()
    }

    /// A meter has reported: the shut-off valves of its premises are judged anew.
    pub(super) fn judge_line(&mut self, meter: usize, step: &mut Step<'_, '_>) {
        for at in 0..self.devices[meter].line.len() {
            let v = self.devices[meter].line[at];
            self.judge_flow(v, step);
            self.prove(v, step);
            self.announce_move(v, step);
        }
    }

    /// Whether a meter proves that a valve which reports closed is not.
    pub(super) fn flows_past(&self, v: usize, limits: &Limits) -> bool {
        self.flow(v, limits) == Flow::Past
    }

    fn flow(&self, v: usize, limits: &Limits) -> Flow {
        let device = &self.devices[v];
        let own = [v];
        let (meters, line, settles) = match device.config.kind {
            DeviceKind::Meter => (&own[..], &own[..], Span::ZERO),
            _ => (&device.meters[..], &device.line[..], limits.flow_settles),
        };
        let mut since = None;
        for &each in line {
            match self.devices[each].latest(Quantity::Valve) {
                Some(valve) if valve.value >= 0.5 => since = since.max(Some(valve.known())),
                Some(_) => return Flow::None,
                None => return Flow::Unknown,
            }
        }
        let Some(since) = since else { return Flow::Unknown };
        let mut flow = None;
        for latest in meters.iter().filter_map(|&meter| self.devices[meter].latest(Quantity::Flow)) {
            if latest.value.abs() <= limits.zero_flow {
                flow = flow.or(Some(Flow::None));
            } else if latest.known() >= since + settles {
                return Flow::Past;
            } else {
                flow = Some(Flow::Unknown);
            }
        }
        flow.unwrap_or(Flow::Unknown)
    }
}
