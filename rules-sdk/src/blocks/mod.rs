//! Building blocks of alarm policies: hysteresis, persistence, both together, rate of change, and silence.
//!
//! Each is a small state that a rule keeps as a field of its own state. None reads a clock: times come with the readings. All
//! arithmetic is `+ − × ÷` on `f64`, which gives the same bits natively and in the sandbox.

mod level;
mod silence;
mod trend;

pub use level::{Edge, Hysteresis, Level, Persistence};
pub use silence::Silence;
pub use trend::Trend;
