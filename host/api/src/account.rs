//! A person's own account: how they sign in, where they are signed in, and what they prove it with.

use davy_domain::proof::SecondFactorPolicy;
use davy_domain::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// A person's account, for the person themself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// The e-mail address that they sign in with.
    pub email: String,
    /// Their telephone number, but for its first and last digits.
    pub phone: Option<String>,
    /// What their company's staff may not do without a second factor: `optional`, `rules` or `commands`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub policy: SecondFactorPolicy,
    /// Whether a second factor was proven in this session lately.
    pub proven: bool,
    /// Where they are signed in, the session used last first.
    pub sessions: Vec<SessionItem>,
    /// Since when a generator of one-time passwords counts; milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub generator_since: Option<Timestamp>,
    /// A generator that waits for its first code.
    pub generator_offer: Option<GeneratorOffer>,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
}

/// One open session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionItem {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// What the browser calls itself.
    pub agent: String,
    /// The address that it was opened from.
    pub address: String,
    /// When it was opened; milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub opened_at: Timestamp,
    /// When it was last used, to the minute; milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub last_seen_at: Timestamp,
    /// Whether a second factor was proven in it.
    pub second_factor: bool,
}

/// A generator of one-time passwords to be set up, with what gets its owner in without it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GeneratorOffer {
    /// For authenticator programs: `otpauth://totp/…`.
    pub uri: String,
    /// The secret in base 32, for typing.
    pub secret: String,
    /// The same as a QR code: an SVG picture.
    pub qr_svg: String,
    /// Codes that are each good once in place of the generator's. They are never shown again once it is confirmed.
    pub recovery_codes: Vec<String>,
}

impl std::fmt::Debug for GeneratorOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GeneratorOffer(…)")
    }
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: String,)* }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

secrets! {
    /// A code in proof of a second factor.
    FactorCode {
        /// Six digits of the generator, or a recovery code.
        code,
    }
    /// A password in proof of who asks.
    PasswordProof {
        /// The present password.
        password,
    }
    /// Another password.
    PasswordChange {
        /// The present password.
        current,
        /// The new one: 8 to 200 characters, and none of the ones that are tried first.
        new,
    }
    /// Who has forgotten their password.
    ResetRequest {
        /// E-mail address or telephone number.
        login,
    }
    /// A new password by the way back in that a letter has brought.
    ResetRedemption {
        /// What the letter says.
        token,
        /// The new password: 8 to 200 characters, and none of the ones that are tried first.
        password,
    }
}
