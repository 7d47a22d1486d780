//! Wire types of the REST API, shared by the server, the web app in the browser, and `davyctl`.
//!
//! Types only: no I/O, no SQL, no framework. Times are milliseconds since the Unix epoch, ids are typed texts
//! (`dev_…`), enumerations are kebab-case words, quantities carry their unit beside the value.

mod backend;
mod decision;
mod event;
mod fleet;
mod people;
mod problem;
mod rules;

pub use backend::{Backend, Reply, ValvesOf};
pub use decision::{AlarmDecisions, AskedRule, DecisionItem, FloorFinding};
pub use event::LiveEvent;
pub use fleet::{
    AlarmItem, AlarmPage, AlarmQuery, CloseReceipt, CommandItem, DeviceDetail, DevicePage, DeviceQuery, DeviceSummary,
    DivisionCount, FloorLevel, LatestReading, Overview, PremisesDetail, RuleWords, Sample, Series, SeriesQuery,
};
pub use people::{Person, Role, SignIn, SignedIn, Viewer};
pub use problem::{FieldError, Problem};
pub use rules::{
    AlarmFinding, BackTestItem, BackTestRequest, RuleAct, RuleActRequest, RuleChecks, RuleCompared, RuleDetail,
    RuleDifference, RuleHealth, RuleInForce, RuleSignerItem, RuleSigners, RuleSpread, RuleVersion, RuleVersions,
};
