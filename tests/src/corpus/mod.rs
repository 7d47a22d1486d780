//! The hostile corpus: components that mean harm, each in its own way, and what must become of each.
//!
//! They are generated, never stored: what is hostile about each stands in its few lines. Must never be found in a list of rules that
//! somebody could choose from.

mod bytes;
mod calls;
mod code;
mod descriptions;
mod interfaces;
mod module;
mod weak;

pub use module::{AT_WORK_MS, Rule, honest};
pub use weak::strict;

use davy_rules::Stage;

/// One component of the corpus.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// Its name.
    pub name: &'static str,
    /// The component.
    pub bytes: Vec<u8>,
    /// What must become of it.
    pub end: End,
}

/// What must become of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is refused at a stage, with these words in the reason.
    Refused(Stage, &'static str),
    /// It is let in, because it behaves until it is at work, and then fails in this way, each time.
    Contained(Fault),
    /// It is let in, and what it kept from the call before is gone: the same event gives the same answer.
    Repeats,
}

/// In which way a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A trap.
    Trap,
    /// Its budget is used up.
    OutOfFuel,
    /// The backstop of time, or the budget: whichever the machine reaches first.
    Time,
    /// A limit on memory, a table, or what is handed over.
    Limit,
    /// An answer that the contract does not allow.
    Nonsense,
}

/// All of them.
pub fn all() -> Vec<Hostile> {
    let mut all = bytes::all();
    all.extend(code::all());
    all.extend(interfaces::all());
    all.extend(descriptions::all());
    all.extend(calls::all());
    all.extend(weak::all());
    all
}

pub(crate) fn refused(name: &'static str, bytes: Vec<u8>, stage: Stage, words: &'static str) -> Hostile {
    Hostile { name, bytes, end: End::Refused(stage, words) }
}
