//! Wire types of the REST API, shared by the server, the web app in the browser, and `davyctl`.
//!
//! Types only: no I/O, no SQL, no framework. Times are milliseconds since the Unix epoch, ids are typed texts
//! (`dev_…`), enumerations are kebab-case words, quantities carry their unit beside the value.

mod access;
mod account;
mod backend;
mod decision;
mod event;
mod fleet;
mod imports;
mod ledger;
mod people;
mod personal;
mod problem;
mod quarantine;
mod rule_bounds;
mod rules;
mod usage;

pub use access::{
    CloseMany, ClosingLimit, CommunityItem, Decision, DeletedTenant, FactorDemand, Household, InvitationItem, Invited,
    Joining, MadeToken, NewPerson, NewToken, People, PersonItem, RequestItem, Requests, RolesChange, Standing,
    TenantDeletion, TenantItem, Tenants, TokenItem, Tokens,
};
pub use account::{
    Account, FactorCode, GeneratorOffer, PasswordChange, PasswordProof, ResetRedemption, ResetRequest, SessionItem,
};
pub use backend::{Backend, Reply, ValvesOf};
pub use decision::{AlarmDecisions, AskedRule, DecisionItem, FloorFinding, MessageItem, NotificationItem};
pub use event::LiveEvent;
pub use fleet::{
    AlarmItem, AlarmPage, AlarmQuery, CloseReceipt, CommandItem, DeviceDetail, DevicePage, DeviceQuery, DeviceSummary,
    DivisionCount, FloorLevel, LatestReading, Overview, PremisesDetail, RuleWords, Sample, Series, SeriesQuery,
};
pub use imports::{DeviceImportFault, DeviceImportItem, DeviceImports, DeviceKey};
pub use ledger::{
    AlarmLedger, CheckpointItem, LEDGER_FORMAT, LEDGER_TOPICS, LedgerCheckpoints, LedgerItem, LedgerLine, LedgerPage,
    LedgerQuery, ledger_kinds,
};
pub use people::{Person, SignIn, SignedIn, Viewer};
pub use personal::{Contact, ContactLook, Contacts, DataAct, DataActs, OwnData};
pub use problem::{FieldError, Problem};
pub use quarantine::{Quarantine, QuarantineRequest, QuarantinedMessage, QuarantinedModel};
pub use rule_bounds::{RuleBound, RuleBounds, RuleBoundsRequest};
pub use rules::{
    AlarmFinding, AlarmFound, BackTestItem, BackTestRequest, RuleAct, RuleActRequest, RuleChecks, RuleCompared,
    RuleDetail, RuleDifference, RuleHealth, RuleInForce, RuleSignerItem, RuleSigners, RuleSpread, RuleVersion,
    RuleVersions,
};
pub use usage::{Flow, Stock, Usage};
