//! All SQL: the journal of uplinks, the chunks it is compacted into, and one file per aggregate, on SQLite and PostgreSQL.
//!
//! The journal is the truth; snapshots and chunks are folds over it that are written in the same transaction that removes what
//! they hold. A [`Batch`] is committed as a whole or not at all, and only when it is on disk.
//!
//! Pages and the API read through a scope ([`TenantStore`], [`RegulatorStore`], [`PremisesStore`]); ingest and jobs use
//! [`Store`] itself. Device keys pass through here sealed; no scoped read returns them.
//!
//! Never here: SQL that only one engine accepts outside of `engine.rs`, the database's clock, or a decision of the domain.

mod alarm_courses;
mod alarms;
mod approvals;
mod back_tests;
mod batch;
mod bytes;
mod chunk;
mod codes;
mod column;
mod commands;
mod commit;
mod communities;
mod compact;
mod components;
mod connection;
mod decided;
mod decisions;
mod decode;
mod devices;
mod engine;
mod error;
mod floor;
mod history;
mod households;
mod imports;
mod inventory;
mod key_notices;
mod labels;
mod ledger;
mod memory;
mod merge;
mod notifications;
mod outbox;
mod people;
mod personal;
mod places;
mod provision;
mod quarantine;
mod recover;
mod releases;
mod rule_bounds;
mod rule_service;
mod rules;
mod scope;
mod script;
mod sealed;
mod second_factors;
mod segment;
mod series;
mod sign_in;
mod tenancy;
mod tokens;
mod words;

pub use alarm_courses::StoredCourse;
pub use alarms::{AlarmTransition, StoredAlarm};
pub use approvals::StoredRequest;
pub use back_tests::{BackTest, BackTestState};
pub use batch::{Batch, CommitReceipt, JournalRow, RowKind};
pub use commands::{CommandTransition, StoredCommand};
pub use communities::Community;
pub use compact::{CompactOptions, CompactReport, StoredSize};
pub use components::{Deleted, ReferredBy};
pub use connection::{EngineKind, Store, StoreOptions};
pub use decisions::StoredDecision;
pub use devices::{Device, DeviceCredentials};
pub use error::StoreError;
pub use history::{HistoryPages, StoredHistory};
pub use households::Invitation;
pub use imports::{DeviceImport, ImportState};
pub use inventory::{Bounds, DeviceFilter, DeviceSummary, MapPoint, Totals};
pub use key_notices::{KeyNotice, RevokedDevice};
pub use labels::LabelledDevice;
pub use ledger::{LedgerFilter, LedgerKey, LedgerPlace, LedgerTrust, Trust};
pub use memory::{DeviceSnapshot, SequenceWindow};
pub use notifications::{
    AlarmFold, FoldChange, NewMessage, NewNotificationDecision, Reachable, StoredMessage, StoredNotificationDecision,
    Telling, ToldBy,
};
pub use outbox::{DueNotice, StoredNotice};
pub use people::{OpenSession, Session, User};
pub use personal::held;
pub use personal::{PersonalDataAct, StoredPersonalDataAct};
pub use places::{Division, DivisionCode, Premises, Tenant};
pub use provision::{NewDevice, Provision};
pub use quarantine::{Quarantined, Waiting};
pub use recover::{KeyedDevice, Recovery, StoredTimer};
pub use releases::{AboutRule, LiveRelease, NewRelease, ReleaseChange, StoredAct, StoredRelease};
pub use rule_service::{ConfirmedLeak, Difference, DifferenceKind, Finding};
pub use rules::{NewRule, RuleSigner, StoredRule};
pub use scope::{CommunityStore, PremisesScope, PremisesStore, RegulatorStore, ScopedStore, TenantStore};
pub use sealed::{KeyNeed, KeyState, SealedDevice, SealedSecret};
pub use second_factors::Generator;
pub use series::StoredUplink;
pub use sign_in::Letter;
pub use tenancy::{
    Deletion, DumpedCompany, DumpedTable, ELSEWHERE, Erased, HeldValues, RestoredCompany, RowSink, RowSource,
    StoredColumn,
};
pub use tokens::ApiToken;
pub use words::AlarmWords;
