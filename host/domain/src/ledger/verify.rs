//! Reading a chain from its beginning and saying the first thing that is wrong with it, and where.
//!
//! A chain alone proves that nothing inside it was changed by somebody who did not write everything after it anew. Only a checkpoint
//! whose key others know, and kept elsewhere, proves that this was not done either; what came after the last one it does not cover.

use super::checkpoint::Checkpoint;
use super::{Chain, Entry, Hash, Head, PublicKey, Signed};
use crate::device::coded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far from its place an entry that was moved is looked for.
const NEAR: u64 = 4096;

coded! {
    /// A log whose rows have an entry each.
    Log {
        /// What happened to alarms.
        Alarms = 1, "alarm_log";
        /// What happened to commands.
        Commands = 2, "command_log";
        /// What was done with the versions of rules.
        Rules = 3, "rule_acts";
    }
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Entries are not there.
    #[error("deleted: entries {from} to {to} are missing")]
    Deleted {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// A number comes twice.
    #[error("inserted: there is a second entry {seq}")]
    Inserted {
        /// The number.
        seq: u64,
    },
    /// Entries come in another order.
    #[error("re-ordered: expected entry {seq}, got entry {found}, and {seq} after it")]
    Reordered {
        /// The number that was expected.
        seq: u64,
        /// The number that came.
        found: u64,
    },
    /// An entry stands where another one was written.
    #[error("moved: what is entry {seq} was written as entry {from}; entries before it were {}", if from > seq { "deleted or put elsewhere" } else { "inserted" })]
    Moved {
        /// Where it stands.
        seq: u64,
        /// Where it was written.
        from: u64,
    },
    /// An entry's content was changed.
    #[error("edited: the content of entry {seq} has the hash {expected}, its hash is {found}")]
    Edited {
        /// Which.
        seq: u64,
        /// The hash of its content.
        expected: Hash,
        /// The hash that it bears.
        found: Hash,
    },
    /// What is stored beside an entry to find it by says something else than the entry.
    #[error("edited: entry {seq} is filed under {found} as its {column}, and says {expected}")]
    Misfiled {
        /// Which.
        seq: u64,
        /// In which column.
        column: &'static str,
        /// What the entry says.
        expected: String,
        /// What it is filed under.
        found: String,
    },
    /// An entry follows another one than that which stands before it.
    #[error(
        "broken: entry {seq} follows the hash {found}, the entry before it has {expected}: what stands before it was written anew or put in"
    )]
    Broken {
        /// Which.
        seq: u64,
        /// The hash of the entry before it.
        expected: Hash,
        /// The hash that it follows.
        found: Hash,
    },
    /// An entry belongs to another chain.
    #[error("wrong chain: entry {seq} belongs to the chain {found}, expected {expected}")]
    WrongChain {
        /// Which.
        seq: u64,
        /// The chain that is verified.
        expected: Chain,
        /// The chain that it was written in.
        found: Chain,
    },
    /// The chain ends before a checkpoint.
    #[error("truncated: the chain ends with entry {last}, and entry {seq} was signed for")]
    Truncated {
        /// The last entry.
        last: u64,
        /// The entry of the checkpoint.
        seq: u64,
    },
    /// The chain is another one than what was signed.
    #[error(
        "written anew: entry {seq} has the hash {found}, and {expected} was signed for; the change lies after entry {after}"
    )]
    Rewritten {
        /// The last entry that is still as it was signed; 0 for none.
        after: u64,
        /// The entry of the checkpoint.
        seq: u64,
        /// The hash that was signed.
        expected: Hash,
        /// The hash that it has.
        found: Hash,
    },
    /// A checkpoint's signature is not its key's.
    #[error("forged: the signature of the checkpoint at entry {seq} does not fit the key {key}")]
    BadSignature {
        /// The entry of the checkpoint.
        seq: u64,
        /// The key.
        key: PublicKey,
    },
    /// A checkpoint was signed by a key that is not trusted.
    #[error(
        "forged: the checkpoint at entry {seq} is signed by the key {key}, which is none of those that are trusted"
    )]
    UnknownKey {
        /// The entry of the checkpoint.
        seq: u64,
        /// The key.
        key: PublicKey,
    },
    /// A row of a log has no entry.
    #[error("row {row} of {log} has no entry in the ledger (it names {named})")]
    RowWithoutEntry {
        /// The log.
        log: Log,
        /// The row's number.
        row: u64,
        /// The entry that it names; 0 for none.
        named: u64,
    },
    /// A row of a log says something else than its entry.
    #[error("row {row} of {log} differs from its entry {seq}: its {column} is {found}, the entry says {expected}")]
    RowDiffers {
        /// The log.
        log: Log,
        /// The row's number.
        row: u64,
        /// The entry.
        seq: u64,
        /// What differs.
        column: &'static str,
        /// What the entry says.
        expected: String,
        /// What the row says.
        found: String,
    },
    /// An entry tells of a row that is not there.
    #[error("entry {seq} tells of a row of {log} that is not there")]
    EntryWithoutRow {
        /// The log.
        log: Log,
        /// The entry.
        seq: u64,
    },
    /// The log has lost, or won, rows from before the ledger.
    #[error("{log} has {found} rows from before the ledger, {expected} were counted when it began")]
    OldRows {
        /// The log.
        log: Log,
        /// How many were counted.
        expected: u64,
        /// How many there are.
        found: u64,
    },
}

impl Fault {
    /// A stable name, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Deleted { .. } => "deleted",
            Self::Inserted { .. } => "inserted",
            Self::Reordered { .. } => "re-ordered",
            Self::Moved { .. } => "moved",
            Self::Edited { .. } => "edited",
            Self::Misfiled { .. } => "misfiled",
            Self::Broken { .. } => "broken",
            Self::WrongChain { .. } => "wrong-chain",
            Self::Truncated { .. } => "truncated",
            Self::Rewritten { .. } => "rewritten",
            Self::BadSignature { .. } => "bad-signature",
            Self::UnknownKey { .. } => "unknown-key",
            Self::RowWithoutEntry { .. } => "row-without-entry",
            Self::RowDiffers { .. } => "row-differs",
            Self::EntryWithoutRow { .. } => "entry-without-row",
            Self::OldRows { .. } => "old-rows",
        }
    }

    /// The entry where it shows, if it is one.
    pub const fn seq(&self) -> Option<u64> {
        match self {
            Self::Deleted { from, .. } => Some(*from),
            Self::Inserted { seq }
            | Self::Reordered { seq, .. }
            | Self::Moved { seq, .. }
            | Self::Edited { seq, .. }
            | Self::Misfiled { seq, .. }
            | Self::Broken { seq, .. }
            | Self::WrongChain { seq, .. }
            | Self::Rewritten { seq, .. }
            | Self::BadSignature { seq, .. }
            | Self::UnknownKey { seq, .. }
            | Self::RowDiffers { seq, .. }
            | Self::EntryWithoutRow { seq, .. } => Some(*seq),
            Self::Truncated { last, .. } => Some(*last),
            Self::RowWithoutEntry { .. } | Self::OldRows { .. } => None,
        }
    }
}

/// What came of reading a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which chain.
    pub chain: Chain,
    /// How many entries were read.
    pub entries: u64,
    /// Where it ends; as far as it was right when there is a fault.
    pub head: Head,
    /// The last checkpoint that it agrees with: up to there nobody without its key can have written it anew.
    pub covered: Option<Signed>,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// A chain that is being read.
#[derive(Clone, Debug)]
pub struct Verification {
    head: Head,
    entries: u64,
    others: Vec<Chain>,
    /// By their entries. More than one may stand at one.
    checkpoints: BTreeMap<u64, Vec<Signed>>,
    covered: Option<Signed>,
    fault: Option<Fault>,
}

impl Verification {
    /// From the beginning of a chain.
    pub fn of(chain: Chain) -> Self {
        Self::after(Head::start(chain))
    }

    /// From a head that is known to be right, such as a checkpoint's.
    pub const fn after(head: Head) -> Self {
        Self { head, entries: 0, others: Vec::new(), checkpoints: BTreeMap::new(), covered: None, fault: None }
    }

    /// Chains that an entry may have been taken from, so that it can be said.
    #[must_use]
    pub fn among(mut self, others: &[Chain]) -> Self {
        self.others = others.iter().copied().filter(|other| *other != self.head.chain).collect();
        self
    }

    /// Takes a checkpoint, before the entry that it is of. `trusted` says whether the key counts, `genuine` whether the signature is its.
    pub fn checkpoint(&mut self, signed: Signed, trusted: bool, genuine: bool) {
        let (Checkpoint { seq, chain, .. }, key) = (signed.checkpoint, signed.key);
        if chain != self.head.chain {
            self.found(Fault::WrongChain { seq, expected: self.head.chain, found: chain });
        } else if !genuine {
            self.found(Fault::BadSignature { seq, key });
        } else if !trusted {
            self.found(Fault::UnknownKey { seq, key });
        } else if seq == self.head.seq {
            self.compare(&signed);
        } else if seq > self.head.seq {
            self.checkpoints.entry(seq).or_default().push(signed);
        }
    }

    /// Reads the next entry.
    pub fn entry(&mut self, entry: &Entry) {
        self.entries += 1;
        match &self.fault {
            // What seemed deleted comes later.
            Some(Fault::Deleted { from, to }) if (*from..=*to).contains(&entry.seq) => {
                self.fault = Some(Fault::Reordered { seq: *from, found: *to + 1 });
                return;
            }
            Some(_) => return,
            None => {}
        }
        if let Err(fault) = self.judge(entry) {
            self.fault = Some(fault);
            return;
        }
        self.head = entry.head();
        if let Some(some) = self.checkpoints.remove(&entry.seq) {
            for signed in &some {
                self.compare(signed);
            }
        }
    }

    /// A fault that somebody found beside the chain; the first one counts.
    pub fn found(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Whether nothing is wrong so far.
    pub const fn is_sound(&self) -> bool {
        self.fault.is_none()
    }

    /// The end of the chain has come.
    pub fn finish(mut self) -> Report {
        if self.fault.is_none()
            && let Some(&seq) = self.checkpoints.keys().next_back()
        {
            self.fault = Some(Fault::Truncated { last: self.head.seq, seq });
        }
        let Self { head, entries, covered, fault, .. } = self;
        Report { chain: head.chain, entries, head, covered, fault }
    }

    fn judge(&self, entry: &Entry) -> Result<(), Fault> {
        let (expected, seq) = (self.head.seq + 1, entry.seq);
        if entry.chain != self.head.chain {
            return Err(Fault::WrongChain { seq, expected: self.head.chain, found: entry.chain });
        }
        if seq < expected {
            return Err(Fault::Inserted { seq });
        }
        if seq > expected {
            return Err(Fault::Deleted { from: expected, to: seq - 1 });
        }
        let digest = entry.digest();
        if digest != entry.hash {
            return Err(self.displaced(entry).unwrap_or(Fault::Edited { seq, expected: digest, found: entry.hash }));
        }
        if entry.previous != self.head.hash {
            return Err(Fault::Broken { seq, expected: self.head.hash, found: entry.previous });
        }
        Ok(())
    }

    /// Whether an entry whose hash does not fit is a whole one from elsewhere.
    fn displaced(&self, entry: &Entry) -> Option<Fault> {
        let near = entry.seq.saturating_sub(NEAR).max(1)..=entry.seq.saturating_add(NEAR);
        let (chain, seq) = (entry.chain, entry.seq);
        if let Some(from) = near.into_iter().find(|from| entry.digest_at(chain, *from) == entry.hash) {
            return Some(Fault::Moved { seq, from });
        }
        let found = self.others.iter().find(|other| entry.digest_at(**other, seq) == entry.hash)?;
        Some(Fault::WrongChain { seq, expected: chain, found: *found })
    }

    fn compare(&mut self, signed: &Signed) {
        let Checkpoint { seq, hash: expected, .. } = signed.checkpoint;
        if expected == self.head.hash {
            self.covered = Some(*signed);
        } else {
            let after = self.covered.map_or(0, |covered| covered.checkpoint.seq);
            self.found(Fault::Rewritten { after, seq, expected, found: self.head.hash });
        }
    }
}
