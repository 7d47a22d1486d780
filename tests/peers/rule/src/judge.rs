//! The policy itself, for the two sides that are written in Rust: two levels, each with persistence and hysteresis on both sides.

/// What is remembered of one level.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    /// Whether it holds.
    pub on: bool,
    /// Since when a change of it has lasted, ms since the Unix epoch.
    pub since_ms: Option<i64>,
}

/// What makes a level begin and end.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// It begins at or above this …
    pub on_at: f64,
    /// … for so long,
    pub on_ms: i64,
    /// and ends below this …
    pub off_below: f64,
    /// … for so long.
    pub off_ms: i64,
}

/// Takes in a value: `Some(true)` when the level begins by it, `Some(false)` when it ends.
pub fn take(level: &mut Level, value: f64, at_ms: i64, bounds: &Bounds) -> Option<bool> {
    let (turns, need_ms) =
        if level.on { (value < bounds.off_below, bounds.off_ms) } else { (value >= bounds.on_at, bounds.on_ms) };
    if !turns {
        level.since_ms = None;
        return None;
    }
    let since = level.since_ms.map_or(at_ms, |since| since.min(at_ms));
    level.since_ms = Some(since);
    if at_ms - since < need_ms {
        return None;
    }
    *level = Level { on: !level.on, since_ms: None };
    Some(level.on)
}
