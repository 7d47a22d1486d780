//! Timers of a decision: one for each id.

use crate::contract::Timer;

/// Sets a timer; the same id again replaces it.
pub(crate) fn set(timers: &mut Vec<Timer>, id: u32, at_ms: i64) {
    match timers.iter_mut().find(|timer| timer.id == id) {
        Some(timer) => timer.at_ms = at_ms,
        None => timers.push(Timer { id, at_ms }),
    }
}
