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
    /// `done=import`: devices are being added.
    ImportStarted,
    /// `done=revoke-key`: the device is heard no longer.
    KeyRevoked,
    /// `done=bounds`: the company's bounds of trials are others now.
    BoundsDrawn,
    /// `done=delete-component`: a component is gone.
    ComponentDeleted,
    /// `done=read-again`: what was set aside is being read.
    ReadingAgain,
    /// `done=person-added`: somebody was entered.
    PersonAdded,
    /// `done=roles-changed`: somebody's roles are others now.
    RolesChanged,
    /// `done=access-ended`: somebody's access was ended.
    AccessEnded,
    /// `done=token-ended`: a token was ended.
    TokenEnded,
    /// `done=invitation-withdrawn`: an invitation was taken back.
    InvitationWithdrawn,
    /// `done=asked`: a dangerous act was asked for.
    Asked,
    /// `done=decided`: a request was decided about.
    Decided,
    /// `done=limit-set`: how much one person may close was set.
    LimitSet,
    /// `done=suspended`: a company's people are locked out.
    Suspended,
    /// `done=resumed`: they are let in again.
    Resumed,
    /// `done=signer-accepted`: signatures by another key are accepted.
    SignerAccepted,
    /// `done=signer-refused`: signatures by a key are no longer accepted.
    SignerRefused,
    /// `done=joined`: somebody joined a household.
    Joined,
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
    /// `error=back-test-stale`: people have confirmed leaks since the back-test.
    BackTestStale,
    /// `error=checks-failed`: the checks do not let the version in.
    ChecksFailed,
    /// `error=share`: not a share of the devices.
    Share,
    /// `error=other-world`: a kind of rule that this server does not run.
    OtherWorld,
    /// `error=billing-not-in-service`: a billing policy can be back-tested, and no more.
    BillingNotInService,
    /// `error=model-taken`: another driver is in force for one of its models.
    ModelTaken,
    /// `error=referred-to`: something refers to the component.
    ReferredTo,
    /// `error=deleted`: the version's component was deleted.
    Deleted,
    /// `error=no-room`: the company stores as many components as it may.
    NoRoom,
    /// `error=another-is-there`: another version has that place.
    AnotherIsThere,
    /// `error=changed`: somebody was quicker.
    Changed,
    /// `error=too-many-tests`: back-tests of the company that wait already.
    TooManyTests,
    /// `error=import-under-way`: another file of the company is being added.
    ImportUnderWay,
    /// `error=no-public-url`: the platform does not know the address that labels lead to.
    NoPublicUrl,
    /// `error=label-too-small`: a code would be too fine for a camera.
    LabelTooSmall,
    /// `error=gone`: the keys have been taken.
    Gone,
    /// `error=invalid`: a field does not fit.
    Invalid,
    /// `error=too-large`: the file is over the limit.
    TooLarge,
    /// `error=suspended`: the person's company is suspended.
    CompanySuspended,
    /// `error=not-suspended`: a company that works is not deleted.
    NotSuspended,
    /// `error=deletion-stands`: its deletion has been asked for.
    DeletionStands,
    /// `error=no-deletion`: nobody has asked for it in time.
    NoDeletion,
    /// `error=own-roles`: nobody changes their own roles.
    OwnRoles,
    /// `error=address-taken`: somebody has the address.
    AddressTaken,
    /// `error=code`: an invitation that is not good.
    Code,
    /// `error=not-yours`: somebody else must do it.
    NotYours,
    /// `error=expired`: the time to decide is over.
    Expired,
    /// `error=asker`: who asked may no longer.
    Asker,
    /// `error=full`: there are as many as there may be.
    Full,
    /// `error=signature-missing`: the company takes no component without an accepted signature.
    SignatureMissing,
    /// `error=signature-wrong`: the signature is none, or does not fit.
    SignatureWrong,
    /// `error=signer-key`: not a public key.
    SignerKey,
    /// `error=too-many-checks`: versions of the company that wait for their checks already.
    TooManyChecks,
    /// `done=factor-demanded`: what needs a second factor was set.
    FactorDemanded,
    /// `done=password`: the password was set.
    PasswordSet,
    /// `done=reset-sent`: a letter is on its way, if there is such an account.
    ResetSent,
    /// `done=session-ended`: one or more other sessions have ended.
    SessionEnded,
    /// `done=generator`: a generator of codes counts from now on.
    GeneratorSet,
    /// `done=generator-removed`: a generator of codes is gone.
    GeneratorRemoved,
    /// `error=second-factor`: the company demands a second factor for it.
    SecondFactor,
    /// `error=factor-code`: not the code of a second factor.
    FactorCode,
    /// `error=password`: not the present password.
    Password,
    /// `error=password-weak`: a password that is tried first.
    PasswordWeak,
    /// `error=password-length`: a password that is too short or too long.
    PasswordLength,
    /// `error=reset-expired`: a way back in that is not good any more.
    ResetExpired,
    /// `error=nothing-offered`: no generator waits for its first code.
    NothingOffered,
    /// `error=generator-there`: a generator counts already.
    GeneratorThere,
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
            "import" => Self::ImportStarted,
            "revoke-key" => Self::KeyRevoked,
            "read-again" => Self::ReadingAgain,
            "bounds" => Self::BoundsDrawn,
            "delete-component" => Self::ComponentDeleted,
            "person-added" => Self::PersonAdded,
            "roles-changed" => Self::RolesChanged,
            "access-ended" => Self::AccessEnded,
            "token-ended" => Self::TokenEnded,
            "invitation-withdrawn" => Self::InvitationWithdrawn,
            "asked" => Self::Asked,
            "decided" => Self::Decided,
            "limit-set" => Self::LimitSet,
            "suspended" => Self::Suspended,
            "resumed" => Self::Resumed,
            "signer-accepted" => Self::SignerAccepted,
            "signer-refused" => Self::SignerRefused,
            "joined" => Self::Joined,
            "factor-demanded" => Self::FactorDemanded,
            "password" => Self::PasswordSet,
            "reset-sent" => Self::ResetSent,
            "session-ended" => Self::SessionEnded,
            "generator" => Self::GeneratorSet,
            "generator-removed" => Self::GeneratorRemoved,
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
            "back-test-stale" => Self::BackTestStale,
            "checks-failed" => Self::ChecksFailed,
            "share" => Self::Share,
            "other-world" => Self::OtherWorld,
            "billing-not-in-service" => Self::BillingNotInService,
            "model-taken" => Self::ModelTaken,
            "referred-to" => Self::ReferredTo,
            "deleted" => Self::Deleted,
            "no-room" => Self::NoRoom,
            "another-is-there" => Self::AnotherIsThere,
            "changed" => Self::Changed,
            "too-many-tests" => Self::TooManyTests,
            "import-under-way" => Self::ImportUnderWay,
            "no-public-url" => Self::NoPublicUrl,
            "label-too-small" => Self::LabelTooSmall,
            "gone" => Self::Gone,
            "invalid" => Self::Invalid,
            "too-large" => Self::TooLarge,
            "suspended" => Self::CompanySuspended,
            "not-suspended" => Self::NotSuspended,
            "deletion-stands" => Self::DeletionStands,
            "no-deletion" => Self::NoDeletion,
            "own-roles" => Self::OwnRoles,
            "address-taken" => Self::AddressTaken,
            "code" => Self::Code,
            "not-yours" => Self::NotYours,
            "expired" => Self::Expired,
            "asker" => Self::Asker,
            "full" => Self::Full,
            "signature-missing" => Self::SignatureMissing,
            "signature-wrong" => Self::SignatureWrong,
            "signer-key" => Self::SignerKey,
            "too-many-checks" => Self::TooManyChecks,
            "second-factor" => Self::SecondFactor,
            "factor-code" => Self::FactorCode,
            "password" => Self::Password,
            "password-weak" => Self::PasswordWeak,
            "password-length" => Self::PasswordLength,
            "reset-expired" => Self::ResetExpired,
            "nothing-offered" => Self::NothingOffered,
            "generator-there" => Self::GeneratorThere,
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
                | Self::Suspended
                | Self::Resumed
                | Self::BackTestStarted
                | Self::BackTestStopped
                | Self::FindingKept
                | Self::ImportStarted
                | Self::KeyRevoked
                | Self::ReadingAgain
                | Self::BoundsDrawn
                | Self::ComponentDeleted
                | Self::PersonAdded
                | Self::RolesChanged
                | Self::AccessEnded
                | Self::TokenEnded
                | Self::InvitationWithdrawn
                | Self::Asked
                | Self::Decided
                | Self::LimitSet
                | Self::SignerAccepted
                | Self::SignerRefused
                | Self::Joined
                | Self::FactorDemanded
                | Self::PasswordSet
                | Self::ResetSent
                | Self::SessionEnded
                | Self::GeneratorSet
                | Self::GeneratorRemoved
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
            Self::KeyRevoked => td_string!(locale, flash.key_revoked),
            Self::ImportStarted => td_string!(locale, flash.import_started),
            Self::ImportUnderWay => td_string!(locale, flash.error_import_under_way),
            Self::NoPublicUrl => td_string!(locale, flash.error_no_public_url),
            Self::LabelTooSmall => td_string!(locale, flash.error_label_too_small),
            Self::Gone => td_string!(locale, flash.error_gone),
            Self::ReadingAgain => td_string!(locale, flash.reading_again),
            Self::BoundsDrawn => td_string!(locale, flash.bounds_drawn),
            Self::ComponentDeleted => td_string!(locale, flash.component_deleted),
            Self::ReferredTo => td_string!(locale, flash.error_referred_to),
            Self::Deleted => td_string!(locale, flash.error_deleted),
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
            Self::BackTestStale => td_string!(locale, flash.error_back_test_stale),
            Self::ChecksFailed => td_string!(locale, flash.error_checks_failed),
            Self::Share => td_string!(locale, flash.error_share),
            Self::OtherWorld => td_string!(locale, flash.error_other_world),
            Self::BillingNotInService => td_string!(locale, flash.error_billing_not_in_service),
            Self::ModelTaken => td_string!(locale, flash.error_model_taken),
            Self::NoRoom => td_string!(locale, flash.error_no_room),
            Self::AnotherIsThere => td_string!(locale, flash.error_another_is_there),
            Self::Changed => td_string!(locale, flash.error_changed),
            Self::TooManyTests => td_string!(locale, flash.error_too_many_tests),
            Self::Invalid => td_string!(locale, flash.error_invalid),
            Self::TooLarge => td_string!(locale, flash.error_too_large),
            Self::PersonAdded => td_string!(locale, flash.person_added),
            Self::RolesChanged => td_string!(locale, flash.roles_changed),
            Self::AccessEnded => td_string!(locale, flash.access_ended),
            Self::TokenEnded => td_string!(locale, flash.token_ended),
            Self::InvitationWithdrawn => td_string!(locale, flash.invitation_withdrawn),
            Self::Asked => td_string!(locale, flash.asked),
            Self::Decided => td_string!(locale, flash.decided),
            Self::LimitSet => td_string!(locale, flash.limit_set),
            Self::SignerAccepted => td_string!(locale, flash.signer_accepted),
            Self::SignerRefused => td_string!(locale, flash.signer_refused),
            Self::SignatureMissing => td_string!(locale, flash.error_signature_missing),
            Self::SignatureWrong => td_string!(locale, flash.error_signature_wrong),
            Self::SignerKey => td_string!(locale, flash.error_signer_key),
            Self::TooManyChecks => td_string!(locale, flash.error_too_many_checks),
            Self::Joined => td_string!(locale, flash.joined),
            Self::Suspended => td_string!(locale, flash.suspended),
            Self::Resumed => td_string!(locale, flash.resumed),
            Self::CompanySuspended => td_string!(locale, flash.error_suspended),
            Self::NotSuspended => td_string!(locale, flash.error_not_suspended),
            Self::DeletionStands => td_string!(locale, flash.error_deletion_stands),
            Self::NoDeletion => td_string!(locale, flash.error_no_deletion),
            Self::OwnRoles => td_string!(locale, flash.error_own_roles),
            Self::AddressTaken => td_string!(locale, flash.error_address_taken),
            Self::Code => td_string!(locale, flash.error_code),
            Self::NotYours => td_string!(locale, flash.error_not_yours),
            Self::Expired => td_string!(locale, flash.error_expired),
            Self::Asker => td_string!(locale, flash.error_asker),
            Self::Full => td_string!(locale, flash.error_full),
            Self::FactorDemanded => td_string!(locale, flash.factor_demanded),
            Self::PasswordSet => td_string!(locale, flash.password_set),
            Self::ResetSent => td_string!(locale, flash.reset_sent),
            Self::SessionEnded => td_string!(locale, flash.session_ended),
            Self::GeneratorSet => td_string!(locale, flash.generator_set),
            Self::GeneratorRemoved => td_string!(locale, flash.generator_removed),
            Self::SecondFactor => td_string!(locale, flash.error_second_factor),
            Self::FactorCode => td_string!(locale, flash.error_factor_code),
            Self::Password => td_string!(locale, flash.error_password),
            Self::PasswordWeak => td_string!(locale, flash.error_password_weak),
            Self::PasswordLength => td_string!(locale, flash.error_password_length),
            Self::ResetExpired => td_string!(locale, flash.error_reset_expired),
            Self::NothingOffered => td_string!(locale, flash.error_nothing_offered),
            Self::GeneratorThere => td_string!(locale, flash.error_generator_there),
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
