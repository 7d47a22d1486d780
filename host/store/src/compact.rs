//! Compaction: the journal becomes chunks and snapshots, small chunks become larger ones.

use davy_domain::Span;

/// How compaction goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactOptions {
    /// Journal rows younger than this stay.
    pub keep: Span,
    /// How many uplinks are moved in one transaction, about; each transaction holds up commits for its length.
    pub slice: usize,
    /// How many slices at most in one run.
    pub slices: usize,
    /// How many chunks of one level a device may have before they are merged into one of the next level; at least 2.
    pub fan_in: usize,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { keep: Span::from_minutes(10), slice: 4096, slices: usize::MAX, fan_in: 8 }
    }
}

/// What a run of compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Uplinks moved from the journal into chunks.
    pub uplinks: u64,
    /// Readings in them.
    pub readings: u64,
    /// Chunks merged away.
    pub merged: u64,
    /// Whether there is more to do at once.
    pub more: bool,
}

/// What the stored readings cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StoredSize {
    /// Uplinks in chunks.
    pub chunk_uplinks: u64,
    /// Readings in chunks.
    pub chunk_readings: u64,
    /// Bytes of all chunks.
    pub chunk_bytes: u64,
    /// How many chunks.
    pub chunks: u64,
    /// Uplinks in the journal.
    pub journal_uplinks: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
}
