//! The life of a company on the platform: locked out and let in again, taken along whole, brought in elsewhere, deleted with proof.
//!
//! Which tables hold a company's rows is read from the database itself, so that a table that comes later is neither forgotten in an export
//! nor left behind by a deletion. Only the platform's own work comes here: no scope can.
//!
//! Never here: a password, a token or a session in an export, or a deletion without a request that two people have made good.

mod catalog;
mod deletions;
mod dump;
mod erase;
mod person;
mod restore;
mod row;
mod standing;

pub use deletions::Deletion;
pub use dump::{DumpedCompany, DumpedTable, ELSEWHERE};
pub use erase::Erased;
pub use person::{HeldValues, StoredColumn};
pub use restore::RestoredCompany;

/// Where an export's rows go: the table's name and the row as JSON, in an order in which they can be entered again.
pub type RowSink<'a> = dyn FnMut(&str, &str) -> std::io::Result<()> + Send + 'a;
/// Where an import's rows come from, in the order of the export.
pub type RowSource<'a> = dyn FnMut() -> std::io::Result<Option<(String, String)>> + Send + 'a;
