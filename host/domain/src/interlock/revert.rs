//! Going back to what is stored, when the database has refused what was decided after it.
//!
//! Must never keep what is stored nowhere: a leak's next reading would find the alarm there already, and nobody else would ever know of
//! it. Must never lower a counter: what was sent may have been obeyed.

use super::{Interlock, Limits, StoredInterlock};
use crate::device::ConditionSet;
use crate::id::{CommandId, DeviceId};

impl Interlock {
    /// Takes alarms, commands and timers from `stored`, whatever was decided since. `memories` are rules' memories as they were before the
    /// first refused decision of each device: a rule that remembered having raised something would not raise it again.
    ///
    /// Readings stay: they were measured. What they ask for is decided anew with the next one.
    pub fn revert(&mut self, stored: StoredInterlock, memories: Vec<(DeviceId, Vec<u8>)>, limits: &Limits) {
        for device in &mut self.devices {
            device.alarms.clear();
            device.active = ConditionSet::EMPTY;
            device.commands.clear();
            device.refused_close = None;
            device.rule.timers.clear();
            device.rule.wake = None;
        }
        for (device, memory) in memories {
            if let Some(d) = self.index(device) {
                self.devices[d].rule.state = memory;
            }
        }
        // What is open again is finished no longer.
        let open = |id: &CommandId| stored.commands.iter().any(|each| each.id == *id && each.state.is_open());
        self.finished.retain(|id| !open(id));
        self.take_rows(stored);
        self.due = self.earliest(limits);
    }
}
