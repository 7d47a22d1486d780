//! What the contract allows in every world's outcome, and the words for what it does not.

use crate::bindings::WitTimer;
use crate::config::EngineConfig;
use davy_domain::policy::PolicyFault;
use davy_domain::{Span, Timestamp};
use std::fmt;

const MAX_TIMERS: usize = 16;
const MAX_TIMER_DAYS: u32 = 400;

pub(crate) fn at_most(field: &str, most: usize, got: usize) -> Result<(), PolicyFault> {
    if got <= most { Ok(()) } else { Err(nonsense(field, &format!("at most {most}"), got)) }
}

pub(crate) fn nonsense(field: &str, expected: &str, got: impl fmt::Display) -> PolicyFault {
    PolicyFault::Nonsense { what: format!("{field}: expected {expected}, got {got}") }
}

pub(crate) fn state(state: &[u8], config: &EngineConfig) -> Result<(), PolicyFault> {
    if state.len() > config.max_state {
        let what = format!("state: at most {} bytes, got {}", config.max_state, state.len());
        return Err(PolicyFault::Limit { what });
    }
    Ok(())
}

/// A code that its table knows.
pub(crate) fn known(field: &str, code: u16, name: fn(u16) -> Option<&'static str>) -> Result<(), PolicyFault> {
    if name(code).is_some() { Ok(()) } else { Err(nonsense(field, "a known code", code)) }
}

/// A time from `now` to so many days ahead.
pub(crate) fn ahead(field: &str, at_ms: i64, now: Timestamp, days: u32) -> Result<(), PolicyFault> {
    let at = Timestamp::from_millis(at_ms);
    if at < now || at > now + Span::from_days(days.into()) {
        return Err(nonsense(field, &format!("from now to {days} days ahead"), at_ms));
    }
    Ok(())
}

pub(crate) fn timers(timers: &[WitTimer], now: Timestamp) -> Result<(), PolicyFault> {
    at_most("timers", MAX_TIMERS, timers.len())?;
    for (index, timer) in timers.iter().enumerate() {
        ahead("timers: at-ms", timer.at_ms, now, MAX_TIMER_DAYS)?;
        if timers[..index].iter().any(|other| other.id == timer.id) {
            return Err(nonsense("timers: id", "each id once", timer.id));
        }
    }
    Ok(())
}
