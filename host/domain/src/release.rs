//! The life of a rule's version: a component with its settings, from the upload to its retirement.
//!
//! *uploaded → checked → back-tested → shadow → cohort → active → retired.* No stage is skipped, each act is one person's (or the
//! platform's, where it only reports what it found), and what decides for more than half of the devices was wanted by two people. Taking a version back is one act
//! of one person: safety does not wait for a second.

pub mod bounds;
mod breach;
pub mod driver;

pub use breach::Breach;

use crate::device::coded;
use crate::id::{ReleaseId, UserId};
use crate::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// The whole, in a thousand parts.
pub const WHOLE: u16 = 1_000;
/// The most of a thousand devices that a version may decide for on one person's word: the rest needs a second person.
pub const MOST_ON_TRIAL: u16 = 500;
/// A back-test that counts for a version's life reaches at least so far back.
pub const HISTORY: Span = Span::from_days(90);
/// It may end so long before it was asked for: clocks of clients differ, and a moment is left out of it in any case.
const NEARLY_NOW: Span = Span::from_hours(1);

/// Whether a back-test counts for the life of its version: all interlocks, over the last [`HISTORY`] at least. Any other one is for
/// information: what it misses counts, and what it does not miss says nothing.
pub fn is_decisive(from: Timestamp, to: Timestamp, permille: u16, asked_at: Timestamp) -> bool {
    permille == WHOLE && from <= asked_at - HISTORY && to >= asked_at - NEARLY_NOW
}

/// What was stored before there were back-tests for information.
const fn decisive() -> bool {
    true
}

coded! {
    /// How far a version has come.
    Stage {
        /// Its bytes are stored; nothing has looked at them.
        Uploaded = 1, "uploaded";
        /// Admission let it in, its own cases and the statutory suite included.
        Checked = 2, "checked";
        /// Folded over the company's own history, without losing a confirmed leak.
        BackTested = 3, "back-tested";
        /// Asked about live data; acts on nothing.
        Shadow = 4, "shadow";
        /// Decides for a share of the devices.
        Cohort = 5, "cohort";
        /// Decides for all of them.
        Active = 6, "active";
        /// Was taken back, replaced or given up.
        Retired = 7, "retired";
        /// Admission refused it.
        Refused = 8, "refused";
    }
}

impl Stage {
    /// Whether it is asked about live data.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Shadow | Self::Cohort | Self::Active)
    }
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "actor")]
pub enum Actor {
    /// The platform itself: it reports what it found, and takes back what leaves its bounds.
    Platform,
    /// A person who has the right to it.
    Person {
        /// Who.
        by: UserId,
    },
}

/// What can be done with a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "act")]
pub enum Act {
    /// It is stored.
    Upload,
    /// Admission has ended.
    Check {
        /// Whether it was let in.
        passed: bool,
    },
    /// A back-test has ended.
    BackTest {
        /// Leaks that a person has confirmed and that it would have missed, or been late with.
        missed: u32,
        /// The first moment of the history that it was folded over.
        #[serde(default)]
        from: Timestamp,
        /// Whether it counts for the version's life: see [`is_decisive`].
        #[serde(default = "decisive")]
        decisive: bool,
    },
    /// Ask it about live data.
    StartShadow,
    /// Let it decide for a share of the devices; again to widen or narrow it.
    StartCohort {
        /// Of a thousand, at most [`MOST_ON_TRIAL`].
        permille: u16,
    },
    /// Ask a second person to put it in force.
    Propose,
    /// Put it in force: the second person's word.
    Approve,
    /// Refuse to put it in force; the proposer may take the proposal back.
    Decline,
    /// Another version has been put in force.
    Supersede,
    /// Give it up before it was in force.
    Withdraw,
    /// Take it out of force.
    RollBack,
    /// The version that was in force before comes back with the roll-back of the one after it.
    Restore,
    /// Its faults, its fuel or its alarms left their bounds.
    BreakOff {
        /// Which bound, with what was expected and what came, in English.
        reason: String,
        /// The same in figures; absent in what was stored before there were any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        breach: Option<Breach>,
    },
}

impl Act {
    /// The stable name, as in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Check { .. } => "check",
            Self::BackTest { .. } => "back-test",
            Self::StartShadow => "start-shadow",
            Self::StartCohort { .. } => "start-cohort",
            Self::Propose => "propose",
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Supersede => "supersede",
            Self::Withdraw => "withdraw",
            Self::RollBack => "roll-back",
            Self::Restore => "restore",
            Self::BreakOff { .. } => "break-off",
        }
    }

    /// Whether it is the platform's to do.
    const fn is_platforms(&self) -> bool {
        matches!(
            self,
            Self::Check { .. } | Self::BackTest { .. } | Self::Supersede | Self::Restore | Self::BreakOff { .. }
        )
    }
}

/// A version and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// How far it has come.
    pub stage: Stage,
    /// For which share of the devices it decides, of a thousand.
    pub permille: u16,
    /// Who wants it in force, until a second person has answered.
    pub proposed_by: Option<UserId>,
    /// Confirmed leaks that it is known to miss; none before the first back-test that says anything about it.
    pub missed: Option<u32>,
    /// The history in which it missed them begins here: only a back-test over at least as much says that it no longer does.
    pub missed_from: Option<Timestamp>,
    /// When it last changed.
    pub changed_at: Timestamp,
}

impl Release {
    /// One that has just been stored.
    pub const fn uploaded(id: ReleaseId, at: Timestamp) -> Self {
        Self {
            id,
            stage: Stage::Uploaded,
            permille: 0,
            proposed_by: None,
            missed: None,
            missed_from: None,
            changed_at: at,
        }
    }
}

/// Why an act changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The stage does not allow it.
    #[error("a version that is {stage} cannot {act}: {hint}")]
    NotNow {
        /// The version's stage.
        stage: Stage,
        /// The act's name.
        act: &'static str,
        /// What to do first.
        hint: &'static str,
    },
    /// It is the platform's to do, or a person's.
    #[error("`{act}` is not yours to do: it is the {whose}")]
    NotYours {
        /// The act's name.
        act: &'static str,
        /// Whose it is.
        whose: &'static str,
    },
    /// Two people must want it.
    #[error("a second person must approve: whoever proposed a version cannot put it in force alone")]
    SecondPerson,
    /// Nobody has proposed it.
    #[error("nobody has proposed this version: propose it first, then another person approves")]
    NotProposed,
    /// It lost a confirmed leak in the back-test.
    #[error(
        "its back-test missed {missed} leak(s) that a person had confirmed: mend the rule or its settings and back-test again, over all devices and at least the history in which it missed them"
    )]
    MissedLeaks {
        /// How many.
        missed: u32,
    },
    /// People have confirmed leaks that the back-test which counts did not know of.
    #[error(
        "people have confirmed {leaks} leak(s) since its back-test was asked for: back-test it again, over all devices and the last 90 days"
    )]
    BackTestStale {
        /// How many.
        leaks: u32,
    },
    /// What its checks say now is that it is not let in.
    #[error("its checks did not let it in: mend what they name, and upload it anew")]
    ChecksFailed,
    /// The contract of the version does not know this step.
    #[error("a device driver does not {act}: {hint}")]
    OtherWorld {
        /// The act's name.
        act: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// Not a share that one person may try.
    #[error(
        "expected a share of 1 to {MOST_ON_TRIAL} thousandths, got {got}: for more of the devices a second person must approve the version"
    )]
    Share {
        /// What came.
        got: u16,
    },
}

impl Refused {
    /// The stable word for it, as in the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotNow { .. } => "not-now",
            Self::NotYours { .. } => "not-yours",
            Self::SecondPerson => "second-person",
            Self::NotProposed => "not-proposed",
            Self::MissedLeaks { .. } => "missed-leaks",
            Self::BackTestStale { .. } => "back-test-stale",
            Self::ChecksFailed => "checks-failed",
            Self::OtherWorld { .. } => "other-world",
            Self::Share { .. } => "share",
        }
    }
}

/// One act happens to one version: the whole state machine.
///
/// # Errors
/// [`Refused`] says what is missing; the version then stays as it is.
pub fn step(release: &Release, act: &Act, actor: Actor, now: Timestamp) -> Result<Release, Refused> {
    use Stage as S;
    match (act.is_platforms(), actor) {
        (true, Actor::Person { .. }) => return Err(Refused::NotYours { act: act.name(), whose: "platform's" }),
        (false, Actor::Platform) => return Err(Refused::NotYours { act: act.name(), whose: "people's" }),
        _ => {}
    }
    let to = |stage| Ok(Release { stage, changed_at: now, ..release.clone() });
    let ended = |stage| Ok(Release { stage, permille: 0, proposed_by: None, changed_at: now, ..release.clone() });
    let not_now = |hint| Err(Refused::NotNow { stage: release.stage, act: act.name(), hint });
    match (act, release.stage) {
        (Act::Check { passed: true }, S::Uploaded) => to(S::Checked),
        (Act::Check { passed: false }, S::Uploaded) => to(S::Refused),
        (Act::BackTest { missed, from, decisive }, S::Checked | S::BackTested | S::Shadow | S::Cohort) => {
            let after = Release { changed_at: now, ..release.clone() };
            Ok(back_tested(after, *missed, *from, *decisive))
        }
        (Act::StartShadow, S::BackTested) => to(S::Shadow),
        (Act::StartShadow | Act::StartCohort { .. }, S::Checked) => match release.missed {
            Some(missed) if missed > 0 => Err(Refused::MissedLeaks { missed }),
            _ => not_now("back-test it first, over all devices and the last 90 days"),
        },
        (Act::StartCohort { permille }, S::Shadow | S::Cohort) if (1..=MOST_ON_TRIAL).contains(permille) => {
            if let Some(missed) = release.missed.filter(|missed| *missed > 0 && *permille > release.permille) {
                return Err(Refused::MissedLeaks { missed });
            }
            Ok(Release { stage: S::Cohort, permille: *permille, changed_at: now, ..release.clone() })
        }
        (Act::StartCohort { permille }, S::Shadow | S::Cohort) => Err(Refused::Share { got: *permille }),
        (Act::StartCohort { .. }, S::BackTested) => not_now("let it run in shadow first"),
        (Act::Propose, S::Cohort) => match (actor, release.missed) {
            (_, Some(missed)) if missed > 0 => Err(Refused::MissedLeaks { missed }),
            (_, None) => not_now("back-test it first, over all devices and the last 90 days"),
            (Actor::Person { by }, _) => Ok(Release { proposed_by: Some(by), changed_at: now, ..release.clone() }),
            (Actor::Platform, _) => Err(Refused::NotYours { act: act.name(), whose: "people's" }),
        },
        (Act::Propose, S::Checked | S::BackTested | S::Shadow) => {
            not_now("let it decide for a share of the devices first")
        }
        (Act::Approve, S::Cohort) => match (release.proposed_by, actor, release.missed) {
            (_, _, Some(missed)) if missed > 0 => Err(Refused::MissedLeaks { missed }),
            (None, ..) => Err(Refused::NotProposed),
            (Some(_), _, None) => not_now("back-test it first, over all devices and the last 90 days"),
            (Some(first), Actor::Person { by }, _) if first == by => Err(Refused::SecondPerson),
            (Some(_), ..) => {
                Ok(Release { stage: S::Active, permille: WHOLE, proposed_by: None, changed_at: now, ..release.clone() })
            }
        },
        (Act::Decline, S::Cohort) => match release.proposed_by {
            None => Err(Refused::NotProposed),
            Some(_) => Ok(Release { proposed_by: None, changed_at: now, ..release.clone() }),
        },
        (Act::Supersede | Act::RollBack, S::Active)
        | (Act::Withdraw, S::Uploaded | S::Checked | S::BackTested | S::Shadow | S::Cohort)
        | (Act::BreakOff { .. }, S::Shadow | S::Cohort) => ended(S::Retired),
        (Act::Restore, S::Retired) => {
            Ok(Release { stage: S::Active, permille: WHOLE, proposed_by: None, changed_at: now, ..release.clone() })
        }
        (Act::Withdraw, S::Active) => not_now("roll it back"),
        (Act::RollBack, S::Shadow | S::Cohort) => not_now("withdraw it; it is not in force"),
        (Act::Approve | Act::Decline, _) => not_now("it must decide for a share of the devices and be proposed"),
        (_, S::Retired) => not_now("upload it, or its settings, anew"),
        (_, S::Refused) => not_now("mend what the checks name, and upload it anew"),
        (_, S::Uploaded) => not_now("its checks have not ended"),
        (_, S::Active) => not_now("it is in force already"),
        _ => not_now("see its stage"),
    }
}

/// What a back-test makes of a version.
fn back_tested(before: Release, missed: u32, from: Timestamp, decisive: bool) -> Release {
    let stage = |passed: bool| match before.stage {
        Stage::Checked | Stage::BackTested if passed => Stage::BackTested,
        Stage::Checked | Stage::BackTested => Stage::Checked,
        // Told later than the stage that it was asked for: what it found still counts at the approval.
        other => other,
    };
    let blocked = before.missed.is_some_and(|missed| missed > 0);
    if missed > 0 {
        let missed_from = Some(before.missed_from.filter(|_| blocked).map_or(from, |earlier| earlier.min(from)));
        // Less is believed only of a back-test that saw at least as much.
        let least = if decisive && before.missed_from.is_none_or(|needed| from <= needed) {
            0
        } else {
            before.missed.unwrap_or(0)
        };
        let missed = Some(missed.max(least));
        let proposed_by = before.proposed_by.filter(|_| before.stage == Stage::Cohort);
        return Release { stage: stage(false), missed, missed_from, proposed_by, ..before };
    }
    let covers = before.missed_from.is_none_or(|needed| from <= needed);
    if decisive && (!blocked || covers) {
        return Release { stage: stage(true), missed: Some(0), missed_from: None, ..before };
    }
    before
}

/// Whether an interlock belongs to a version's cohort: the same ones for the same version, at every start and on every machine; a wider
/// share contains the narrower one.
pub const fn in_cohort(release: ReleaseId, interlock: i64, permille: u16) -> bool {
    // SplitMix64's finaliser: neighbouring ids must not fall into one cohort together.
    let mut bits = (interlock as u64) ^ (release.raw() as u64).rotate_left(32);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    bits % (WHOLE as u64) < permille as u64
}
