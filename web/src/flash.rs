//! What has just happened, told once after a redirect.
//!
//! The server adds `?done=` or `?error=` to the page it redirects to. Only these words have a text; anything else is
//! ignored, so that a crafted link cannot put words into the platform's mouth.

use crate::translations::Locale;
use davy_api::Problem;
use leptos_i18n::td_string;

/// A message of a fixed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flash {
    /// `done=close`: at least one close was ordered.
    CloseRequested,
    /// `done=already-closed`: every valve was proven closed already.
    AlreadyClosed,
    /// `done=acknowledge`.
    Acknowledged,
    /// `done=reset`.
    Reset,
    /// `done=upload`: a component was stored as a new version.
    Uploaded,
    /// `done=settings`: a version with other settings was made.
    SettingsSaved,
    /// `done=start-shadow`: the version runs in shadow.
    ShadowStarted,
    /// `done=start-cohort`: the version decides for a share of the devices.
    CohortStarted,
    /// `done=propose`: a second person is asked.
    Proposed,
    /// `done=approve`: the version is in force.
    Approved,
    /// `done=decline`: the second person said no.
    Declined,
    /// `done=withdraw`: the version was given up.
    Withdrawn,
    /// `done=roll-back`: the version before is in force again.
    RolledBack,
    /// `done=back-test`: a back-test waits or runs.
    BackTestStarted,
    /// `done=cancel-back-test`: a back-test was stopped.
    BackTestStopped,
    /// `done=finding`: a person's word on an alarm was stored.
    FindingKept,
    /// `error=csrf`: the token was missing or of another session.
    Csrf,
    /// `error=credentials`: no such person, or another password.
    Credentials,
    /// `error=too-many`: sign-in is slowed down.
    TooMany,
    /// `error=signed-out`: the session has ended.
    SignedOut,
    /// `error=forbidden`: problem `/problems/forbidden`.
    Forbidden,
    /// `error=not-found`: problem `/problems/not-found`.
    NotFound,
    /// `error=refused`: a rule of the domain is against it.
    Refused,
    /// `error=readings-high`: a reset while the newest reading is not low.
    ReadingsHigh,
    /// `error=reading-too-old`: a reset on a reading that proves nothing about now.
    ReadingTooOld,
    /// `error=no-reading`: a reset before the device has reported.
    NoReading,
    /// `error=valve-not-closed`: a reset while the valve has not proven that it is closed.
    ValveNotClosed,
    /// `error=still-present`: a reset while the condition is there.
    StillPresent,
    /// `error=alarm-ended`: somebody was quicker.
    AlarmEnded,
    /// `error=not-now`: the version's stage does not allow it.
    NotNow,
    /// `error=second-person`: whoever proposed a version cannot approve it.
    SecondPerson,
    /// `error=not-proposed`: an approval before any proposal.
    NotProposed,
    /// `error=missed-leaks`: the back-test missed a confirmed leak.
    MissedLeaks,
    /// `error=share`: not a share of the devices.
    Share,
    /// `error=other-world`: a kind of rule that this server does not run.
    OtherWorld,
    /// `error=another-is-there`: another version has that place.
    AnotherIsThere,
    /// `error=changed`: somebody was quicker.
    Changed,
    /// `error=too-many-tests`: back-tests of the company that wait already.
    TooManyTests,
    /// `error=invalid`: a field does not fit.
    Invalid,
    /// `error=too-large`: the file is over the limit.
    TooLarge,
    /// `error=unavailable`, and whatever has no word of its own.
    Unavailable,
}

impl Flash {
    /// From the query parameters of a redirect.
    pub fn from_query(done: Option<&str>, error: Option<&str>) -> Option<Self> {
        match (error, done) {
            (Some(word), _) => Self::from_error(word),
            (None, Some(word)) => Self::from_done(word),
            (None, None) => None,
        }
    }

    fn from_done(word: &str) -> Option<Self> {
        Some(match word {
            "close" => Self::CloseRequested,
            "already-closed" => Self::AlreadyClosed,
            "acknowledge" => Self::Acknowledged,
            "reset" => Self::Reset,
            "upload" => Self::Uploaded,
            "settings" => Self::SettingsSaved,
            "start-shadow" => Self::ShadowStarted,
            "start-cohort" => Self::CohortStarted,
            "propose" => Self::Proposed,
            "approve" => Self::Approved,
            "decline" => Self::Declined,
            "withdraw" => Self::Withdrawn,
            "roll-back" => Self::RolledBack,
            "back-test" => Self::BackTestStarted,
            "cancel-back-test" => Self::BackTestStopped,
            "finding" => Self::FindingKept,
            _ => return None,
        })
    }

    fn from_error(word: &str) -> Option<Self> {
        Some(match word {
            "csrf" => Self::Csrf,
            "credentials" => Self::Credentials,
            "too-many" => Self::TooMany,
            "signed-out" => Self::SignedOut,
            "forbidden" => Self::Forbidden,
            "not-found" => Self::NotFound,
            "refused" => Self::Refused,
            "readings-high" => Self::ReadingsHigh,
            "reading-too-old" => Self::ReadingTooOld,
            "no-reading" => Self::NoReading,
            "valve-not-closed" => Self::ValveNotClosed,
            "still-present" => Self::StillPresent,
            "alarm-ended" => Self::AlarmEnded,
            "not-now" => Self::NotNow,
            "second-person" => Self::SecondPerson,
            "not-proposed" => Self::NotProposed,
            "missed-leaks" => Self::MissedLeaks,
            "share" => Self::Share,
            "other-world" => Self::OtherWorld,
            "another-is-there" => Self::AnotherIsThere,
            "changed" => Self::Changed,
            "too-many-tests" => Self::TooManyTests,
            "invalid" => Self::Invalid,
            "too-large" => Self::TooLarge,
            "unavailable" => Self::Unavailable,
            _ => return None,
        })
    }

    /// From the problem that a change was answered with.
    pub fn from_problem(problem: &Problem) -> Self {
        let word = problem.kind.strip_prefix("/problems/").unwrap_or(&problem.kind);
        let reason = problem.reason.as_deref().and_then(Self::from_error);
        reason.or_else(|| Self::from_error(word)).unwrap_or(match problem.status {
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 | 422 => Self::Refused,
            _ => Self::Unavailable,
        })
    }

    /// Whether something did not work.
    pub const fn is_error(self) -> bool {
        !matches!(
            self,
            Self::CloseRequested
                | Self::AlreadyClosed
                | Self::Acknowledged
                | Self::Reset
                | Self::Uploaded
                | Self::SettingsSaved
                | Self::ShadowStarted
                | Self::CohortStarted
                | Self::Proposed
                | Self::Approved
                | Self::Declined
                | Self::Withdrawn
                | Self::RolledBack
                | Self::BackTestStarted
                | Self::BackTestStopped
                | Self::FindingKept
        )
    }

    /// The text.
    pub fn text(self, locale: Locale) -> &'static str {
        match self {
            Self::CloseRequested => td_string!(locale, flash.close_requested),
            Self::AlreadyClosed => td_string!(locale, flash.already_closed),
            Self::Acknowledged => td_string!(locale, flash.acknowledged),
            Self::Reset => td_string!(locale, flash.reset),
            Self::Uploaded => td_string!(locale, flash.uploaded),
            Self::SettingsSaved => td_string!(locale, flash.settings_saved),
            Self::ShadowStarted => td_string!(locale, flash.shadow_started),
            Self::CohortStarted => td_string!(locale, flash.cohort_started),
            Self::Proposed => td_string!(locale, flash.proposed),
            Self::Approved => td_string!(locale, flash.approved),
            Self::Declined => td_string!(locale, flash.declined),
            Self::Withdrawn => td_string!(locale, flash.withdrawn),
            Self::RolledBack => td_string!(locale, flash.rolled_back),
            Self::BackTestStarted => td_string!(locale, flash.back_test_started),
            Self::BackTestStopped => td_string!(locale, flash.back_test_stopped),
            Self::FindingKept => td_string!(locale, flash.finding_kept),
            Self::Csrf => td_string!(locale, flash.error_csrf),
            Self::Credentials => td_string!(locale, flash.error_credentials),
            Self::TooMany => td_string!(locale, flash.error_too_many),
            Self::SignedOut => td_string!(locale, flash.error_signed_out),
            Self::Forbidden => td_string!(locale, flash.error_forbidden),
            Self::NotFound => td_string!(locale, flash.error_not_found),
            Self::Refused => td_string!(locale, flash.error_refused),
            Self::ReadingsHigh => td_string!(locale, flash.error_readings_high),
            Self::ReadingTooOld => td_string!(locale, flash.error_reading_too_old),
            Self::NoReading => td_string!(locale, flash.error_no_reading),
            Self::ValveNotClosed => td_string!(locale, flash.error_valve_not_closed),
            Self::StillPresent => td_string!(locale, flash.error_still_present),
            Self::AlarmEnded => td_string!(locale, flash.error_alarm_ended),
            Self::NotNow => td_string!(locale, flash.error_not_now),
            Self::SecondPerson => td_string!(locale, flash.error_second_person),
            Self::NotProposed => td_string!(locale, flash.error_not_proposed),
            Self::MissedLeaks => td_string!(locale, flash.error_missed_leaks),
            Self::Share => td_string!(locale, flash.error_share),
            Self::OtherWorld => td_string!(locale, flash.error_other_world),
            Self::AnotherIsThere => td_string!(locale, flash.error_another_is_there),
            Self::Changed => td_string!(locale, flash.error_changed),
            Self::TooManyTests => td_string!(locale, flash.error_too_many_tests),
            Self::Invalid => td_string!(locale, flash.error_invalid),
            Self::TooLarge => td_string!(locale, flash.error_too_large),
            Self::Unavailable => td_string!(locale, flash.error_unavailable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crafted_link_cannot_make_the_page_say_anything_else() {
        assert_eq!(Flash::from_query(Some("<b>paid</b>"), None), None);
        assert_eq!(Flash::from_query(None, Some("call +86 …")), None);
        assert_eq!(Flash::from_query(Some("close"), Some("csrf")), Some(Flash::Csrf));
    }

    #[test]
    fn a_refused_change_says_why() {
        let problem = Problem::new("refused", 409, "", "");
        assert_eq!(Flash::from_problem(&problem), Flash::Refused);
        let of = |reason: &str| Flash::from_problem(&problem.clone().with_reason(reason));
        assert_eq!(of("readings-high"), Flash::ReadingsHigh);
        assert_eq!(of("reading-too-old"), Flash::ReadingTooOld);
        assert_eq!(of("a word of tomorrow"), Flash::Refused);
        assert_eq!(Flash::from_problem(&Problem::new("odd", 409, "", "")), Flash::Refused);
        assert_eq!(Flash::from_problem(&Problem::new("offline", 0, "", "")), Flash::Unavailable);
    }
}
