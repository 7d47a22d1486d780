//! How often one may try to sign in, so that guessing is slow and yet nobody can be locked out by somebody else.
//!
//! Who tries in a browser that the person has signed in with before has an allowance of their own, which nobody else can use up.
//! Everybody else shares the allowances of their address and of the person; when those are used up, a known browser or the way
//! back in by letter still leads in. Nothing here knows a password.

use crate::config::Settings;
use crate::http::rate::RateLimit;
use davy_domain::{Timestamp, UserId};
use std::net::IpAddr;

/// Codes of second factors that may be tried for one person in the window, from one address or known browser.
const CODES: u32 = 5;
/// The same for one person from everywhere, in a day: who uses them up has their password.
const CODES_A_DAY: u32 = 50;
/// Letters that may be asked for with one name in an hour.
const LETTERS: u32 = 3;
/// Letters that may be asked for from one address in an hour.
const LETTERS_FROM: u32 = 20;
/// Passwords that a signed-in person may get wrong when asked for it again, in the window.
const AGAIN: u32 = 10;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Whose account is tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A person, by whichever of their names.
    Person(UserId),
    /// Nobody has this name; it is counted all the same, so that limits do not tell.
    Name(String),
}

/// Where from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A browser that the person has signed in with before.
    Known([u8; 32]),
    /// Anything else at an address.
    Address(IpAddr),
}

/// The allowances.
pub(crate) struct Desk {
    passwords: RateLimit<(Who, Source)>,
    addresses: RateLimit<IpAddr>,
    persons: RateLimit<Who>,
    codes: RateLimit<(UserId, Source)>,
    codes_of_a_person: RateLimit<UserId>,
    letters: RateLimit<String>,
    letters_from: RateLimit<IpAddr>,
    again: RateLimit<UserId>,
}

impl Desk {
    pub(crate) fn new(settings: &Settings) -> Self {
        let window = settings.sign_in_window.millis();
        let (attempts, from_address) = (settings.sign_in_attempts, settings.sign_in_address_attempts);
        let of_a_person = settings.sign_in_person_attempts;
        Self {
            passwords: RateLimit::new(attempts, attempts, window),
            addresses: RateLimit::new(from_address, from_address, window),
            persons: RateLimit::new(of_a_person, of_a_person, settings.sign_in_person_window.millis()),
            codes: RateLimit::new(CODES, CODES, window),
            codes_of_a_person: RateLimit::new(CODES_A_DAY, CODES_A_DAY, DAY_MS),
            letters: RateLimit::new(LETTERS, LETTERS, HOUR_MS),
            letters_from: RateLimit::new(LETTERS_FROM, LETTERS_FROM, HOUR_MS),
            again: RateLimit::new(AGAIN, AGAIN, window),
        }
    }

    /// Whether a password may be tried. What is refused by a narrower allowance uses up nothing of a wider one.
    pub(crate) fn password(&self, who: &Who, source: Source, now: Timestamp) -> bool {
        match source {
            Source::Known(_) => self.passwords.pass((who.clone(), source), now),
            Source::Address(address) => {
                self.passwords.pass((who.clone(), source), now)
                    && self.addresses.pass(address, now)
                    && self.persons.pass(who.clone(), now)
            }
        }
    }

    /// Forgets the attempts of who has signed in.
    pub(crate) fn signed_in(&self, who: &Who, source: Source) {
        self.passwords.forget((who.clone(), source));
        self.persons.forget(who.clone());
    }

    /// Whether a code of a second factor may be tried.
    pub(crate) fn code(&self, user: UserId, source: Source, now: Timestamp) -> bool {
        self.codes.pass((user, source), now)
            && (matches!(source, Source::Known(_)) || self.codes_of_a_person.pass(user, now))
    }

    /// Forgets the codes of who has proven the second factor.
    pub(crate) fn proven(&self, user: UserId, source: Source) {
        self.codes.forget((user, source));
        self.codes_of_a_person.forget(user);
    }

    /// Whether a letter may be asked for with this name, from there.
    pub(crate) fn letter(&self, login: &str, from: IpAddr, now: Timestamp) -> bool {
        self.letters_from.pass(from, now) && self.letters.pass(login.trim().to_lowercase(), now)
    }

    /// Whether a token may be tried from there.
    pub(crate) fn token(&self, from: IpAddr, now: Timestamp) -> bool {
        self.addresses.pass(from, now)
    }

    /// Whether a signed-in person may be asked for the password again.
    pub(crate) fn password_again(&self, user: UserId, now: Timestamp) -> bool {
        self.again.pass(user, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn desk() -> Desk {
        Desk::new(&Settings::defaults().unwrap())
    }

    fn address(n: u32) -> Source {
        Source::Address(IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn an_army_of_guessers_is_stopped_and_the_owner_is_not() {
        let (desk, owner) = (desk(), Who::Person(UserId::from_raw(1)));
        let tried = (0..5_000).filter(|n| desk.password(&owner, address(n / 4), NOW)).count();
        assert_eq!(tried, 100, "guesses in all");
        assert!(desk.password(&owner, Source::Known([1; 32]), NOW), "the owner's own browser");
        assert!(desk.password(&Who::Person(UserId::from_raw(2)), address(9_999), NOW), "somebody else");
    }

    #[test]
    fn who_is_refused_at_their_address_uses_up_nothing_of_the_persons_allowance() {
        let (desk, owner) = (desk(), Who::Person(UserId::from_raw(1)));
        let tried = (0..5_000).filter(|_| desk.password(&owner, address(1), NOW)).count();
        assert_eq!(tried, 8);
        let others = (0..92).filter(|n| desk.password(&owner, address(100 + n), NOW)).count();
        assert_eq!(others, 92);
    }

    #[test]
    fn a_name_that_nobody_has_is_limited_as_a_person_is() {
        let tried = |who: Who| {
            let desk = desk();
            (0..5_000).filter(|n| desk.password(&who, address(n / 4), NOW)).count()
        };
        assert_eq!(tried(Who::Person(UserId::from_raw(1))), tried(Who::Name("nobody".to_owned())));
    }

    #[test]
    fn codes_are_few_and_the_owners_browser_has_its_own() {
        let (desk, owner) = (desk(), UserId::from_raw(1));
        assert_eq!((0..1_000).filter(|n| desk.code(owner, address(*n), NOW)).count(), 50);
        assert_eq!((0..100).filter(|_| desk.code(owner, Source::Known([1; 32]), NOW)).count(), 5);
    }
}
