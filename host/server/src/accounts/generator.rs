//! Generators of time-based one-time passwords (RFC 6238) and recovery codes: made, written, read, compared.
//!
//! Nothing here stores anything or looks at a clock; which step has been used is the store's to know.

use crate::clock::Random;
use data_encoding::BASE32_NOPAD;
use davy_api::{GeneratorOffer, Problem};
use davy_domain::Timestamp;
use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Builder, Secret, Totp};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 160 bits: what RFC 4226 recommends, and every authenticator takes.
const SECRET_BYTES: usize = 20;
/// 80 bits each: beyond guessing.
const CODE_BYTES: usize = 10;
const CODES: usize = 10;
/// Steps before and after now whose code is taken too: clocks differ.
const SKEW: u16 = 1;
/// Characters of a recovery code in base 32.
const CODE_LENGTH: usize = 16;

/// A secret with the recovery codes that were made with it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Offered {
    secret: [u8; SECRET_BYTES],
    codes: Vec<String>,
}

/// What somebody has typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Six digits: a generator's code.
    Digits(String),
    /// A recovery code in its plain form.
    Recovery(String),
    /// Neither.
    Neither,
}

impl Given {
    /// Reads it with whatever people put in between.
    pub(super) fn read(text: &str) -> Self {
        if text.len() > 100 {
            return Self::Neither;
        }
        let plain: String =
            text.chars().filter(|at| !at.is_whitespace() && *at != '-').map(|at| at.to_ascii_uppercase()).collect();
        if plain.len() == 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Digits(plain)
        } else if plain.len() == CODE_LENGTH && BASE32_NOPAD.decode(plain.as_bytes()).is_ok() {
            Self::Recovery(plain)
        } else {
            Self::Neither
        }
    }
}

impl Offered {
    /// A new one that nobody can guess.
    pub(super) fn new(random: &dyn Random) -> std::io::Result<Self> {
        let mut secret = [0; SECRET_BYTES];
        random.fill(&mut secret)?;
        let mut codes = Vec::with_capacity(CODES);
        for _ in 0..CODES {
            let mut code = Zeroizing::new([0; CODE_BYTES]);
            random.fill(&mut *code)?;
            codes.push(BASE32_NOPAD.encode(&*code));
        }
        Ok(Self { secret, codes })
    }

    /// The secret alone, for keeping.
    pub(super) fn without_codes(&self) -> Self {
        Self { secret: self.secret, codes: Vec::new() }
    }

    pub(super) fn codes(&self) -> &[String] {
        &self.codes
    }

    /// As bytes, for sealing.
    pub(super) fn written(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(self.secret.to_vec());
        for code in &self.codes {
            bytes.extend(code.as_bytes());
        }
        bytes
    }

    /// From what [`Self::written`] gave.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (secret, codes) = bytes.split_at_checked(SECRET_BYTES)?;
        let codes: Option<Vec<String>> =
            codes.chunks(CODE_LENGTH).map(|code| String::from_utf8(code.to_vec()).ok()).collect();
        Some(Self { secret: secret.try_into().ok()?, codes: codes? })
    }

    fn generator(&self, account: &str) -> Result<Totp, Problem> {
        let account: String = account.chars().filter(|at| *at != ':').collect();
        Builder::new()
            .with_secret(Secret::new_stack(self.secret))
            .with_skew(SKEW)
            .with_issuer(Some("Davy"))
            .with_account_name(account.as_str())
            .build()
            .map_err(|error| {
                tracing::error!(%error, "no generator can be made");
                crate::http::problem::internal()
            })
    }

    /// For the person: to be scanned, typed and written down.
    pub(super) fn shown(&self, account: &str) -> Result<GeneratorOffer, Problem> {
        let uri = self.generator(account)?.to_url().map_err(|error| {
            tracing::error!(%error, "a generator has no address");
            crate::http::problem::internal()
        })?;
        let qr = QrCode::new(uri.as_bytes()).map_err(|error| {
            tracing::error!(%error, "a generator's address does not fit a QR code");
            crate::http::problem::internal()
        })?;
        let qr_svg = qr
            .render::<svg::Color<'_>>()
            .min_dimensions(220, 220)
            .dark_color(svg::Color("#000000"))
            .light_color(svg::Color("#ffffff"))
            .build();
        // The picture stands within a page: no declaration of its own.
        let qr_svg = qr_svg.find("<svg").map(|at| qr_svg[at..].to_owned()).unwrap_or(qr_svg);
        let grouped = |code: &String| {
            let groups: Vec<&str> = (0..CODE_LENGTH).step_by(4).filter_map(|at| code.get(at..at + 4)).collect();
            groups.join("-").to_lowercase()
        };
        Ok(GeneratorOffer {
            uri,
            secret: BASE32_NOPAD.encode(&self.secret),
            qr_svg,
            recovery_codes: self.codes.iter().map(grouped).collect(),
        })
    }

    /// The step of time that a code belongs to, if it is this generator's about `now`.
    pub(super) fn step(&self, digits: &str, now: Timestamp) -> Option<u64> {
        let seconds = u64::try_from(now.as_millis() / 1_000).ok()?;
        self.generator("").ok()?.check(digits, seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRandom;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn the_codes_are_those_of_the_standard() {
        // RFC 6238 appendix B, SHA-1, the last six of its eight digits.
        let offered = Offered { secret: *b"12345678901234567890", codes: Vec::new() };
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(offered.step(code, at(seconds)), Some(seconds as u64 / 30), "{code}");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_and_late_and_no_more() {
        let offered = Offered { secret: *b"12345678901234567890", codes: Vec::new() };
        for (seconds, taken) in [(29, true), (59, true), (89, true), (90, false), (119, false)] {
            assert_eq!(offered.step("287082", at(seconds)).is_some(), taken, "{seconds}");
        }
        assert_eq!(offered.step("287083", at(59)), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let offered = Offered::new(&SystemRandom).unwrap();
        let again = Offered::read(&offered.written()).unwrap();
        assert!(again.secret == offered.secret && again.codes == offered.codes && again.codes.len() == CODES);
        assert!(Offered::read(&offered.without_codes().written()).unwrap().codes.is_empty());
        assert!(Offered::read(&[0; 19]).is_none());
    }

    #[test]
    fn what_people_type_is_understood_however_they_group_it() {
        assert_eq!(Given::read(" 123 456"), Given::Digits("123456".to_owned()));
        assert_eq!(Given::read("abcd-efgh-ijkl-mnop"), Given::Recovery("ABCDEFGHIJKLMNOP".to_owned()));
        for neither in ["", "12345", "1234567", "abcd-efgh-ijkl-mno1", "١٢٣٤٥٦", "💥", &"1".repeat(1_000)] {
            assert_eq!(Given::read(neither), Given::Neither, "{neither}");
        }
    }

    #[test]
    fn the_offer_can_be_scanned_typed_and_written_down() {
        let offered = Offered::new(&SystemRandom).unwrap();
        let shown = offered.shown("a:b@example.org").unwrap();
        assert!(shown.uri.starts_with("otpauth://totp/Davy:ab%40example.org?secret="), "{}", shown.uri);
        assert!(shown.uri.contains(&shown.secret) && shown.qr_svg.starts_with("<svg"), "{}", shown.qr_svg);
        let Given::Recovery(code) = Given::read(&shown.recovery_codes[3]) else { panic!("not a recovery code") };
        assert_eq!(code, offered.codes()[3]);
    }
}
