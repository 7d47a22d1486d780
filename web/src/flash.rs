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
    /// `error=unavailable`, and whatever has no word of its own.
    Unavailable,
}

impl Flash {
    /// From the query parameters of a redirect.
    pub fn from_query(done: Option<&str>, error: Option<&str>) -> Option<Self> {
        match (error, done) {
            (Some(word), _) => Self::from_error(word),
            (None, Some("close")) => Some(Self::CloseRequested),
            (None, Some("already-closed")) => Some(Self::AlreadyClosed),
            (None, Some("acknowledge")) => Some(Self::Acknowledged),
            (None, Some("reset")) => Some(Self::Reset),
            (None, _) => None,
        }
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
        !matches!(self, Self::CloseRequested | Self::AlreadyClosed | Self::Acknowledged | Self::Reset)
    }

    /// The text.
    pub fn text(self, locale: Locale) -> &'static str {
        match self {
            Self::CloseRequested => td_string!(locale, flash.close_requested),
            Self::AlreadyClosed => td_string!(locale, flash.already_closed),
            Self::Acknowledged => td_string!(locale, flash.acknowledged),
            Self::Reset => td_string!(locale, flash.reset),
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
