//! Typed ids: a device's id cannot be passed where an alarm's is wanted, neither in Rust nor in a URL.
//!
//! An id is a positive 63-bit number, stored as `BIGINT`. Written out it carries its kind and Crockford's base 32
//! (`dev_1K3F9ZC2R0`), so that people can read it aloud and a wrong kind is refused with a clear word.

use crate::time::Timestamp;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} id such as `{example}`, got `{got}`")]
pub struct IdError {
    /// The kind that was wanted, with its article.
    pub expected: &'static str,
    /// A well-formed id of that kind.
    pub example: String,
    /// What came, cut to 40 characters.
    pub got: String,
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn write_base32(value: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut digits = [b'0'; 13];
    let mut rest = value.unsigned_abs();
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
        if rest == 0 || at == 0 {
            break;
        }
    }
    f.write_str(core::str::from_utf8(&digits[at..]).unwrap_or_default())
}

fn parse_base32(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 13 {
        return None;
    }
    text.bytes().try_fold(0_i64, |value, byte| {
        let digit = ALPHABET.iter().position(|&d| d == byte.to_ascii_uppercase())?;
        value.checked_mul(32)?.checked_add(digit as i64)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $a:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// From the number it is stored as.
            pub const fn from_raw(raw: i64) -> Self { Self(raw) }
            /// The number it is stored as.
            pub const fn raw(self) -> i64 { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                write_base32(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_")).and_then(parse_base32).map(Self).ok_or_else(|| IdError {
                    expected: $a,
                    example: Self(0x1234_5678_9ABC).to_string(),
                    got: text.chars().take(40).collect(),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.i64(self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.i64().map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A gas company (燃气企业).
    TenantId, "ten", "a tenant";
    /// A place where gas is used (用气场所).
    PremisesId, "pre", "a premises";
    /// A detector, valve, meter, well monitor or gateway (设备).
    DeviceId, "dev", "a device";
    /// A set of devices whose readings close each other's valves (联锁组).
    InterlockId, "ilk", "an interlock";
    /// One occurrence of an alarm (报警).
    AlarmId, "alm", "an alarm";
    /// One order to a device (指令).
    CommandId, "cmd", "a command";
    /// One notice in the outbox (通知).
    NoticeId, "ntc", "a notice";
    /// A version of a tenant's rule with its settings (规则版本).
    ReleaseId, "rel", "a version of a rule";
    /// A version folded over the company's history (回测).
    BackTestId, "bkt", "a back-test";
    /// A file of devices that a company adds (设备导入).
    ImportId, "imp", "an import";
    /// A message that no driver could read yet (待解析报文).
    QuarantineId, "qrt", "a message that was set aside";
    /// A person who can sign in.
    UserId, "usr", "a user";
    /// A signed-in session.
    SessionId, "ses", "a session";
    /// A residential community of a gas company (小区).
    CommunityId, "com", "a community";
    /// An API token of a machine (访问令牌).
    TokenId, "tok", "a token";
    /// An invitation to a household (住户邀请).
    InvitationId, "inv", "an invitation";
    /// A dangerous act that waits for a second person (审批).
    RequestId, "req", "a request for approval";
}

/// Mints ids without asking a database: 41 bits of milliseconds since 2025, 6 bits of lane, 16 bits of counter.
///
/// Ids of one source strictly increase, also when the clock stands still or steps back. Two sources never collide
/// when their lanes differ.
#[derive(Clone, Debug)]
pub struct IdSource {
    lane: u8,
    last: i64,
}

impl IdSource {
    /// 2025-01-01T00:00:00Z: ids stay positive 63-bit numbers until 2094.
    const EPOCH_MS: i64 = 1_735_689_600_000;

    /// A source on `lane` (0 to 63; more is folded), whose ids are all above `floor` (the highest one ever stored; 0 if none).
    pub const fn new(lane: u8, floor: i64) -> Self {
        Self { lane: lane & 63, last: floor }
    }

    /// The next number, for any kind of id.
    pub fn next_raw(&mut self, now: Timestamp) -> i64 {
        let clock = (now.as_millis() - Self::EPOCH_MS).max(0) << 22;
        let ticks = (clock >> 16).max((self.last >> 22) << 6);
        let base = ((ticks >> 6) << 22) | (i64::from(self.lane) << 16);
        self.last = if base > self.last {
            base
        } else if self.last & 0xFFFF < 0xFFFF && (self.last >> 16) & 63 == i64::from(self.lane) {
            self.last + 1
        } else {
            (((self.last >> 22) + 1) << 22) | (i64::from(self.lane) << 16)
        };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_of_another_kind_is_refused_with_an_example() {
        let error = DeviceId::from_raw(77).to_string().parse::<AlarmId>().unwrap_err();
        assert_eq!(error.to_string(), "expected an alarm id such as `alm_J6HB7H6NW`, got `dev_2D`");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(raw in 0..i64::MAX) {
            prop_assert_eq!(DeviceId::from_raw(raw).to_string().parse::<DeviceId>().unwrap(), DeviceId::from_raw(raw));
        }

        #[test]
        fn ids_increase_whatever_the_clock_does(times in prop::collection::vec(0_i64..4_000_000_000_000, 1..200), lane in 0_u8..64) {
            let mut source = IdSource::new(lane, 0);
            let mut last = 0;
            for at in times {
                let id = source.next_raw(Timestamp::from_millis(at));
                prop_assert!(id > last);
                prop_assert_eq!((id >> 16) & 63, i64::from(lane));
                last = id;
            }
        }
    }
}
