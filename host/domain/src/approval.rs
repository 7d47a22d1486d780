//! What is dangerous takes two people: one asks, another approves within a time, and it is carried out once.
//!
//! This is the one mechanism for every such act; what the act is, and who may ask for it or approve it, is said elsewhere. What is chosen
//! when it is asked for is what is carried out: a request is never widened.

use crate::id::{RequestId, UserId};
use crate::time::{Span, Timestamp};
use core::fmt;

/// How long a second person has.
pub const OPEN_FOR: Span = Span::from_minutes(30);

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A person must decide.
    Waiting,
    /// Approved, and being carried out.
    Approved,
    /// Carried out.
    Done,
    /// Somebody said no.
    Declined,
    /// Who asked has taken it back.
    Withdrawn,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Approved, Self::Done, Self::Declined, Self::Withdrawn];

    /// The stable number, as stored.
    pub const fn code(self) -> u8 {
        match self {
            Self::Waiting => 1,
            Self::Approved => 2,
            Self::Done => 3,
            Self::Declined => 4,
            Self::Withdrawn => 5,
        }
    }

    /// The stage of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.code() == code)
    }

    /// The stable name, as in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Done => "done",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A request as far as deciding about it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which one.
    pub id: RequestId,
    /// How far it has come.
    pub stage: Stage,
    /// Whether somebody else than who asked must approve.
    pub second: bool,
    /// Who asked.
    pub asked_by: UserId,
    /// When.
    pub asked_at: Timestamp,
    /// From when on nobody can decide any more.
    pub expires_at: Timestamp,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<Timestamp>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Go ahead.
    Approve,
    /// No.
    Decline,
    /// Who asked takes it back.
    Withdraw,
}

impl Act {
    /// The act of a word of the API.
    pub fn from_name(word: &str) -> Option<Self> {
        match word {
            "approve" => Some(Self::Approve),
            "decline" => Some(Self::Decline),
            "withdraw" => Some(Self::Withdraw),
            _ => None,
        }
    }
}

/// Why an act is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has been decided.
    Decided(Stage),
    /// Its time is over.
    Expired,
    /// Who asked cannot approve.
    SecondPerson,
    /// Only who asked can take it back.
    NotYours,
}

impl Refused {
    /// One word, as in the API.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Decided(_) => "not-now",
            Self::Expired => "expired",
            Self::SecondPerson => "second-person",
            Self::NotYours => "not-yours",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decided(stage) => write!(f, "expected a request that waits, this one is {}", stage.name()),
            Self::Expired => f.write_str("the time to decide is over: ask for it again"),
            Self::SecondPerson => f.write_str("who asked for it cannot approve it: a second person must"),
            Self::NotYours => f.write_str("only who asked for it can take it back; you can decline it"),
        }
    }
}

impl core::error::Error for Refused {}

impl Request {
    /// A new one.
    pub fn asked(id: RequestId, second: bool, by: UserId, now: Timestamp) -> Self {
        Self {
            id,
            stage: Stage::Waiting,
            second,
            asked_by: by,
            asked_at: now,
            expires_at: now + OPEN_FOR,
            decided_by: None,
            decided_at: None,
        }
    }

    /// Whether it waits for a person, and still can be decided.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.stage == Stage::Waiting && now < self.expires_at
    }
}

/// The request after `act` by `by`.
///
/// # Errors
/// [`Refused`]: a request leaves *waiting* once, in time, and by the right person.
pub fn step(request: &Request, act: Act, by: UserId, now: Timestamp) -> Result<Request, Refused> {
    if request.stage != Stage::Waiting {
        return Err(Refused::Decided(request.stage));
    }
    if now >= request.expires_at {
        return Err(Refused::Expired);
    }
    let own = by == request.asked_by;
    let stage = match act {
        Act::Approve if own && request.second => return Err(Refused::SecondPerson),
        Act::Approve => Stage::Approved,
        Act::Decline => Stage::Declined,
        Act::Withdraw if own => Stage::Withdrawn,
        Act::Withdraw => return Err(Refused::NotYours),
    };
    Ok(Request { stage, decided_by: Some(by), decided_at: Some(now), ..*request })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANNA: UserId = UserId::from_raw(1);
    const BEN: UserId = UserId::from_raw(2);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    #[test]
    fn who_asked_cannot_approve_and_anybody_else_can_in_time() {
        let asked = Request::asked(RequestId::from_raw(9), true, ANNA, at(0));
        assert_eq!(step(&asked, Act::Approve, ANNA, at(1)), Err(Refused::SecondPerson));
        let approved = step(&asked, Act::Approve, BEN, at(1)).unwrap();
        assert_eq!((approved.stage, approved.decided_by), (Stage::Approved, Some(BEN)));
        assert_eq!(step(&approved, Act::Approve, BEN, at(1)), Err(Refused::Decided(Stage::Approved)));
        assert_eq!(step(&asked, Act::Approve, BEN, at(30)), Err(Refused::Expired));
        assert_eq!(step(&asked, Act::Withdraw, BEN, at(1)), Err(Refused::NotYours));
        // What one person may do alone is still chosen first and carried out after.
        let alone = Request { second: false, ..asked };
        assert_eq!(step(&alone, Act::Approve, ANNA, at(1)).unwrap().stage, Stage::Approved);
    }

    proptest! {
        #[test]
        fn a_request_is_approved_at_most_once_and_never_by_who_asked(
            acts in prop::collection::vec((0..3_u8, 1..4_i64, 0..60_i64), 1..40)
        ) {
            let mut request = Request::asked(RequestId::from_raw(9), true, ANNA, at(0));
            let mut approvals = 0;
            for (act, by, minute) in acts {
                let act = [Act::Approve, Act::Decline, Act::Withdraw][usize::from(act)];
                if let Ok(after) = step(&request, act, UserId::from_raw(by), at(minute)) {
                    approvals += u32::from(after.stage == Stage::Approved);
                    prop_assert!(after.stage != Stage::Approved || after.decided_by != Some(ANNA));
                    prop_assert!(minute < 30);
                    request = after;
                }
            }
            prop_assert!(approvals <= 1);
        }
    }
}
