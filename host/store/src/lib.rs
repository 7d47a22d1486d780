//! All SQL: the journal of uplinks, the chunks it is compacted into, and one file per aggregate, on SQLite and PostgreSQL.
//!
//! The journal is the truth; snapshots and chunks are folds over it that are written in the same transaction that removes what
//! they hold. A [`Batch`] is committed as a whole or not at all, and only when it is on disk.
//!
//! Pages and the API read through a scope ([`TenantStore`], [`RegulatorStore`], [`PremisesStore`]); ingest and jobs use
//! [`Store`] itself. Device keys pass through here sealed; no scoped read returns them.
//!
//! Never here: SQL that only one engine accepts outside of `engine.rs`, the database's clock, or a decision of the domain.

mod alarms;
mod back_tests;
mod batch;
mod bytes;
mod chunk;
mod codes;
mod column;
mod commands;
mod commit;
mod compact;
mod connection;
mod decided;
mod decisions;
mod decode;
mod devices;
mod engine;
mod error;
mod floor;
mod history;
mod inventory;
mod memory;
mod merge;
mod outbox;
mod people;
mod places;
mod provision;
mod recover;
mod releases;
mod rule_service;
mod rules;
mod scope;
mod script;
mod segment;
mod series;
mod words;

pub use alarms::{AlarmTransition, StoredAlarm};
pub use back_tests::{BackTest, BackTestState};
pub use batch::{Batch, CommitReceipt, JournalRow, RowKind};
pub use commands::{CommandTransition, StoredCommand};
pub use compact::{CompactOptions, CompactReport, StoredSize};
pub use connection::{EngineKind, Store, StoreOptions};
pub use decisions::StoredDecision;
pub use devices::{Device, DeviceCredentials};
pub use error::StoreError;
pub use history::{HistoryPages, StoredHistory};
pub use inventory::{Bounds, DeviceFilter, DeviceSummary, MapPoint, Totals};
pub use memory::{DeviceSnapshot, SequenceWindow};
pub use outbox::StoredNotice;
pub use people::{Role, Session, User};
pub use places::{Division, DivisionCode, Premises, Tenant};
pub use provision::{NewDevice, Provision};
pub use recover::{KeyedDevice, Recovery, StoredTimer};
pub use releases::{AboutRule, LiveRelease, NewRelease, ReleaseChange, StoredAct, StoredRelease};
pub use rule_service::{ConfirmedLeak, Difference, DifferenceKind};
pub use rules::{NewRule, RuleSigner, StoredRule};
pub use scope::{PremisesScope, PremisesStore, RegulatorStore, ScopedStore, TenantStore};
pub use series::StoredUplink;
pub use words::AlarmWords;
