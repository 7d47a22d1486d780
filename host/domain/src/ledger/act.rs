//! What is entered: one table of acts, each with its number, its name and its fields.
//!
//! A number and the numbers of its fields are for ever: entries are read years later. A new act takes a new number, a new field of an
//! old act must be an `Option` at the end. Nothing here may hold what a person wrote freely, or a secret.

use super::{Hash, PublicKey};
use crate::alarm::AlarmState;
use crate::command::{Action, CommandState};
use crate::device::{Condition, Priority, coded};
use crate::id::{
    AlarmId, BackTestId, CommandId, DeviceId, ImportId, InvitationId, PremisesId, ReleaseId, RequestId, SessionId,
    TenantId, TokenId, UserId,
};
use crate::release::Stage;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "actor")]
pub enum Actor {
    /// The platform itself: its floor, a company's rule, a timer.
    #[n(0)]
    Platform,
    /// A person who was signed in.
    #[n(1)]
    Person {
        /// Who.
        #[n(0)]
        by: UserId,
    },
    /// Whoever could run the server's own program.
    #[n(2)]
    CommandLine,
    /// Somebody who is not known, such as at a refused sign-in.
    #[n(3)]
    Unknown,
    /// A program with a token of its own.
    #[n(4)]
    Machine {
        /// The token's number.
        #[n(0)]
        token: i64,
    },
}

impl Actor {
    /// A person, or the platform when it was nobody.
    pub const fn person_or_platform(by: Option<UserId>) -> Self {
        match by {
            Some(by) => Self::Person { by },
            None => Self::Platform,
        }
    }

    /// The person, if it was one.
    pub const fn by(self) -> Option<UserId> {
        match self {
            Self::Person { by } => Some(by),
            Self::Platform | Self::CommandLine | Self::Unknown | Self::Machine { .. } => None,
        }
    }
}

coded! {
    /// Why a sign-in was refused.
    Refusal {
        /// The password was wrong.
        WrongPassword = 1, "wrong-password";
        /// Nobody has this address.
        NobodyKnown = 2, "nobody-known";
        /// A second proof was wrong or missing.
        WrongSecondProof = 3, "wrong-second-proof";
        /// The account may not sign in now.
        NotAllowed = 4, "not-allowed";
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident = $code:tt, $text:tt { $($(#[$fdoc:meta])* $field:ident = $n:tt: $type:ty,)* })*) => {
        /// What was done.
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
        #[serde(tag = "act", rename_all_fields = "kebab-case")]
        pub enum Act {
            $($(#[$doc])* #[n($code)] #[serde(rename = $text)] $name { $($(#[$fdoc])* #[n($n)] $field: $type,)* },)*
        }

        impl Act {
            /// Every act's number and name, in order.
            pub const KINDS: &'static [(u16, &'static str)] = &[$(($code, $text),)*];

            /// The stable number, as stored and signed.
            pub const fn code(&self) -> u16 {
                match self { $(Self::$name { .. } => $code,)* }
            }

            /// The stable name, as in the API.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $text,)* }
            }
        }
    };
}

acts! {
    /// The chain began in a database that had rows already: so many of each log, up to these numbers, have no entry.
    Began = 1, "began" {
        /// Rows of the alarms' log.
        alarm_rows = 0: u64,
        /// Its last row.
        alarm_last = 1: u64,
        /// Rows of the commands' log.
        command_rows = 2: u64,
        /// Its last row.
        command_last = 3: u64,
        /// Rows of the acts on rules.
        rule_rows = 4: u64,
        /// The last of them.
        rule_last = 5: u64,
    }
    /// Somebody signed in.
    SignedIn = 2, "signed-in" {
        /// The session that was opened.
        session = 0: SessionId,
    }
    /// A sign-in was refused; neither the address nor the password that came are kept.
    SignInRefused = 3, "sign-in-refused" {
        /// Whose account it was, if there is one.
        account = 0: Option<UserId>,
        /// Why.
        why = 1: Refusal,
    }
    /// Somebody signed out.
    SignedOut = 4, "signed-out" {
        /// The session that was closed.
        session = 0: SessionId,
    }
    /// A session was ended by another one, or by another person.
    SessionRevoked = 5, "session-revoked" {
        /// The session.
        session = 0: SessionId,
        /// Whose it was.
        of = 1: UserId,
    }
    /// A password was changed; the one before is good no longer.
    PasswordChanged = 6, "password-changed" {
        /// Whose.
        of = 0: UserId,
        /// Whether it was by a letter with a way back in, and not by the password before.
        by_letter = 1: bool,
    }
    /// Somebody signs in with a second factor from now on.
    SecondFactorSet = 7, "second-factor-set" {
        /// Who.
        of = 0: UserId,
    }
    /// Somebody has no second factor any more.
    SecondFactorRemoved = 8, "second-factor-removed" {
        /// Who.
        of = 0: UserId,
    }
    /// What a company's staff may not do without a second factor was set.
    SecondFactorDemanded = 9, "second-factor-demanded" {
        /// The word of the policy.
        policy = 0: String,
    }
    /// An alarm changed, or came about.
    AlarmMoved = 16, "alarm-moved" {
        /// The alarm.
        alarm = 0: AlarmId,
        /// Of which device.
        device = 1: DeviceId,
        /// About what.
        condition = 2: Condition,
        /// How urgent it is now.
        priority = 3: Priority,
        /// Where it stood.
        before = 4: AlarmState,
        /// Where it stands.
        after = 5: AlarmState,
        /// What happened, as the alarms' log has it.
        event = 6: String,
    }
    /// A person said what an alarm really was.
    AlarmJudged = 17, "alarm-judged" {
        /// The alarm.
        alarm = 0: AlarmId,
        /// The word.
        finding = 1: String,
    }
    /// A command was given.
    CommandGiven = 24, "command-given" {
        /// The command.
        command = 0: CommandId,
        /// To which device.
        device = 1: DeviceId,
        /// What to do.
        action = 2: Action,
        /// Why, as the commands' table has it.
        cause = 3: String,
        /// Its place in the device's order of commands.
        counter = 4: u64,
        /// Where it stands.
        state = 5: CommandState,
        /// By when it must be verified.
        deadline = 6: Timestamp,
    }
    /// A command came to its end.
    CommandEnded = 25, "command-ended" {
        /// The command.
        command = 0: CommandId,
        /// Of which device.
        device = 1: DeviceId,
        /// What was to do.
        action = 2: Action,
        /// Where it stood.
        before = 3: CommandState,
        /// Its end.
        after = 4: CommandState,
    }
    /// A step in the life of a rule's version.
    RuleActed = 34, "rule-acted" {
        /// The version.
        release = 0: ReleaseId,
        /// What was done, as the list of its acts has it.
        step = 1: String,
        /// The stage before; none at the upload.
        before = 2: Option<Stage>,
        /// The stage after.
        after = 3: Stage,
        /// SHA-256 of the component, when it came.
        rule = 4: Option<Hash>,
        /// SHA-256 of the settings' JSON text, when they came.
        settings = 5: Option<Hash>,
    }
    /// A back-test was asked for.
    BackTestStarted = 35, "back-test-started" {
        /// The back-test.
        test = 0: BackTestId,
        /// Of which version.
        release = 1: ReleaseId,
    }
    /// A back-test was broken off by a person.
    BackTestCancelled = 36, "back-test-cancelled" {
        /// The back-test.
        test = 0: BackTestId,
    }
    /// A key's signatures on rules are accepted.
    SignerAccepted = 37, "signer-accepted" {
        /// Ed25519.
        key = 0: PublicKey,
    }
    /// A key's signatures on rules are no longer accepted.
    SignerRemoved = 38, "signer-removed" {
        /// Ed25519.
        key = 0: PublicKey,
    }
    /// A company drew the bounds of its trials.
    BoundsDrawn = 39, "bounds-drawn" {
        /// Each that it has set itself, as `name=value`; empty when it has none of its own.
        bounds = 0: String,
    }
    /// A component that nothing referred to was deleted.
    ComponentDeleted = 40, "component-deleted" {
        /// SHA-256 of it.
        rule = 0: Hash,
        /// How many bytes it had.
        bytes = 1: u64,
    }
    /// Companies, places, devices and people were entered.
    Provisioned = 48, "provisioned" {
        /// Companies.
        tenants = 0: u64,
        /// Places.
        premises = 1: u64,
        /// Devices.
        devices = 2: u64,
        /// People.
        users = 3: u64,
    }
    /// A device's key was revoked.
    KeyRevoked = 49, "key-revoked" {
        /// Of which device.
        device = 0: DeviceId,
    }
    /// A device was given another key, which left the platform with the answer.
    KeyReplaced = 50, "key-replaced" {
        /// Of which device.
        device = 0: DeviceId,
    }
    /// The keys of an import's devices left the platform.
    KeysTaken = 51, "keys-taken" {
        /// Of which import.
        import = 0: ImportId,
    }
    /// Something spoke with the identity of a device whose key was revoked; nothing proves that it was the device.
    RevokedSpoke = 52, "revoked-spoke" {
        /// Which device.
        device = 0: DeviceId,
    }
    /// Data left the platform as a file.
    Exported = 64, "exported" {
        /// What, such as `ledger`.
        what = 0: String,
        /// The first number that was asked for.
        from = 1: Option<u64>,
        /// The last one that went out.
        to = 2: Option<u64>,
    }
    /// The key that signs checkpoints was made.
    CheckpointKeyMade = 65, "checkpoint-key-made" {
        /// Ed25519.
        key = 0: PublicKey,
    }
    /// A company's people and machines were locked out; its devices stay protected.
    CompanySuspended = 80, "company-suspended" {
        /// The company.
        company = 0: TenantId,
    }
    /// They were let in again.
    CompanyResumed = 81, "company-resumed" {
        /// The company.
        company = 0: TenantId,
    }
    /// Everything of a company left the platform as a file.
    CompanyExported = 82, "company-exported" {
        /// The company.
        company = 0: TenantId,
        /// SHA-256 of the file.
        archive = 1: Hash,
    }
    /// A company was entered from such a file.
    CompanyImported = 83, "company-imported" {
        /// The company.
        company = 0: TenantId,
        /// SHA-256 of the file.
        archive = 1: Hash,
    }
    /// A request to delete a company was asked for or decided about.
    DeletionMoved = 84, "company-deletion-moved" {
        /// The company.
        company = 0: TenantId,
        /// The request.
        request = 1: RequestId,
        /// 1 asked for, 2 approved and waiting for its time, 4 declined, 5 taken back.
        stage = 2: u8,
    }
    /// A company was deleted.
    CompanyDeleted = 85, "company-deleted" {
        /// The company.
        company = 0: TenantId,
        /// The request.
        request = 1: RequestId,
        /// Rows of all tables.
        rows = 2: u64,
        /// SHA-256 of the proof: rows and digests, table by table.
        proof = 3: Hash,
        /// Where its chain of the ledger ended.
        ledger = 4: Hash,
    }
    /// A person was given other roles.
    RolesChanged = 96, "roles-changed" {
        /// Who.
        person = 0: UserId,
        /// Their roles from then on.
        roles = 1: String,
    }
    /// All access of a person was ended.
    AccessEnded = 97, "access-ended" {
        /// Whose.
        person = 0: UserId,
    }
    /// A token for a machine was made.
    TokenMade = 98, "token-made" {
        /// The token.
        token = 0: TokenId,
        /// The codes of what it may do.
        deeds = 1: String,
    }
    /// A token was ended.
    TokenEnded = 99, "token-ended" {
        /// The token.
        token = 0: TokenId,
    }
    /// A dangerous act was asked for.
    ApprovalAsked = 100, "approval-asked" {
        /// The request.
        request = 0: RequestId,
        /// Which act.
        what = 1: String,
        /// SHA-256 of what exactly was chosen.
        subject = 2: Hash,
    }
    /// A request was approved, declined or taken back.
    ApprovalMoved = 101, "approval-moved" {
        /// The request.
        request = 0: RequestId,
        /// 2 approved, 4 declined, 5 taken back.
        stage = 1: u8,
    }
    /// How many premises one person may close alone was set.
    ClosingLimitSet = 102, "closing-limit-set" {
        /// Premises.
        premises = 0: u64,
    }
    /// Somebody was invited to a household.
    Invited = 103, "invited" {
        /// The invitation.
        invitation = 0: InvitationId,
        /// To which premises.
        premises = 1: PremisesId,
    }
    /// An invitation was taken back.
    InvitationWithdrawn = 104, "invitation-withdrawn" {
        /// The invitation.
        invitation = 0: InvitationId,
    }
    /// Somebody joined a household.
    HouseholdJoined = 105, "household-joined" {
        /// By which invitation.
        invitation = 0: InvitationId,
        /// Who.
        person = 1: UserId,
    }
    /// A household was ended, and everybody's access to its premises; there is an invitation for who comes next.
    HouseholdEnded = 106, "household-ended" {
        /// The premises.
        premises = 0: PremisesId,
        /// The invitation.
        next = 1: InvitationId,
    }
    /// The contacts of people at a premises were shown whole.
    PersonalDataSeen = 112, "personal-data-seen" {
        /// The premises.
        premises = 0: PremisesId,
        /// How many people.
        people = 1: u64,
        /// On the page of which device.
        device = 2: DeviceId,
        /// Because of which alarm, when one was named.
        alarm = 3: Option<AlarmId>,
    }
    /// What is held of a person left the platform as a file.
    PersonalDataExported = 113, "personal-data-exported" {
        /// Of whom.
        person = 0: UserId,
    }
}

impl Act {
    /// The act that began with a row of this log, if it is one.
    pub const fn log(&self) -> Option<super::Log> {
        match self {
            Self::AlarmMoved { .. } => Some(super::Log::Alarms),
            Self::CommandGiven { .. } | Self::CommandEnded { .. } => Some(super::Log::Commands),
            Self::RuleActed { .. } => Some(super::Log::Rules),
            _ => None,
        }
    }

    /// The number of what it is about, whatever kind of thing that is.
    pub const fn object(&self) -> Option<i64> {
        match self {
            Self::SignedIn { session } | Self::SignedOut { session } | Self::SessionRevoked { session, .. } => {
                Some(session.raw())
            }
            Self::SignInRefused { account: Some(of), .. }
            | Self::PasswordChanged { of, .. }
            | Self::SecondFactorSet { of }
            | Self::SecondFactorRemoved { of } => Some(of.raw()),
            Self::AlarmMoved { alarm, .. } | Self::AlarmJudged { alarm, .. } => Some(alarm.raw()),
            Self::CommandGiven { command, .. } | Self::CommandEnded { command, .. } => Some(command.raw()),
            Self::RuleActed { release, .. } => Some(release.raw()),
            Self::BackTestStarted { test, .. } | Self::BackTestCancelled { test } => Some(test.raw()),
            Self::CompanySuspended { company }
            | Self::CompanyResumed { company }
            | Self::CompanyExported { company, .. }
            | Self::CompanyImported { company, .. }
            | Self::DeletionMoved { company, .. }
            | Self::CompanyDeleted { company, .. } => Some(company.raw()),
            Self::RolesChanged { person, .. }
            | Self::AccessEnded { person }
            | Self::PersonalDataExported { person } => Some(person.raw()),
            Self::TokenMade { token, .. } | Self::TokenEnded { token } => Some(token.raw()),
            Self::ApprovalAsked { request, .. } | Self::ApprovalMoved { request, .. } => Some(request.raw()),
            Self::Invited { invitation, .. }
            | Self::InvitationWithdrawn { invitation }
            | Self::HouseholdJoined { invitation, .. } => Some(invitation.raw()),
            Self::HouseholdEnded { premises, .. } | Self::PersonalDataSeen { premises, .. } => Some(premises.raw()),
            Self::KeysTaken { import } => Some(import.raw()),
            _ => None,
        }
    }

    /// The device that it is about.
    pub const fn device(&self) -> Option<DeviceId> {
        match self {
            Self::AlarmMoved { device, .. }
            | Self::CommandGiven { device, .. }
            | Self::CommandEnded { device, .. }
            | Self::KeyRevoked { device }
            | Self::KeyReplaced { device }
            | Self::RevokedSpoke { device } => Some(*device),
            _ => None,
        }
    }
}
