//! Personal data of people: what kinds of it there are, why each may be kept, and how little of it is shown.
//!
//! Shortening a name, a number or an address for the eyes of somebody who does not need it whole happens here and nowhere else. Nothing
//! here decides who needs it: that is the permission table's.

use crate::device::coded;
use serde::{Deserialize, Serialize};

coded! {
    /// What was done with somebody's personal data.
    Met {
        /// Their contact was shown whole.
        Seen = 1, "seen";
        /// What is held of them left the platform as a file.
        Exported = 2, "exported";
    }
}

coded! {
    /// Kinds of personal data.
    Category {
        /// What somebody is called.
        Name = 1, "name";
        /// How they are reached.
        Contact = 2, "contact";
        /// Where they live.
        Place = 3, "place";
        /// What they prove themself with, and where they are signed in.
        SignIn = 4, "sign-in";
        /// What devices at their premises measured and did.
        Readings = 5, "readings";
        /// What they were told.
        Messages = 6, "messages";
        /// Which part they have on the platform.
        Part = 7, "part";
    }
}

coded! {
    /// Why personal data may be processed: article 13 of China's Personal Information Protection Law (个人信息保护法).
    Basis {
        /// The person agreed: art. 13 (1).
        Consent = 1, "consent";
        /// A contract with the person, or the management of one's staff: art. 13 (2).
        Contract = 2, "contract";
        /// A duty by law: art. 13 (3).
        LegalDuty = 3, "legal-duty";
        /// An emergency, for life, health and property: art. 13 (4).
        Emergency = 4, "emergency";
    }
}

/// The first character of a name: `王**`.
pub fn masked_name(name: &str) -> String {
    let mut all = name.trim().chars();
    let Some(first) = all.next() else { return String::new() };
    // Neither how long a name is, nor whether it has a second part, is told.
    format!("{first}**")
}

/// The ends of a telephone number: `138****5678`; nothing of a short one.
pub fn masked_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < 8 {
        return "****".to_owned();
    }
    let (first, last) = (&digits[..3], &digits[digits.len() - 4..]);
    first.iter().chain(&['*'; 4]).chain(last).collect()
}

/// The first character and the domain of an e-mail address: `h***@a.example`.
pub fn masked_email(email: &str) -> String {
    match (email.chars().next(), email.rsplit_once('@')) {
        (Some(first), Some((local, domain))) if !local.is_empty() => format!("{first}***@{domain}"),
        _ => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_the_first_character_is_shown() {
        assert_eq!(masked_name("王小明"), "王**");
        assert_eq!(masked_name(" Li Wei "), "L**");
        assert_eq!(masked_name("王"), "王**");
        assert_eq!(masked_name(""), "");
    }

    #[test]
    fn of_a_telephone_number_only_its_ends_are_shown() {
        assert_eq!(masked_phone("138-0000-5678"), "138****5678");
        assert_eq!(masked_phone("12345"), "****");
        assert_eq!(masked_phone("1234567"), "****");
    }

    #[test]
    fn of_an_email_address_the_first_character_and_the_domain_are_shown() {
        assert_eq!(masked_email("home@a.example"), "h***@a.example");
        assert_eq!(masked_email("住@a.example"), "住***@a.example");
        assert_eq!(masked_email("a@b@c.example"), "a***@c.example");
        assert_eq!(masked_email("@a.example"), "***");
        assert_eq!(masked_email("ended-7"), "***");
    }

    #[test]
    fn the_codes_are_the_ones_that_are_stored() {
        let met: Vec<_> = Met::ALL.iter().map(|met| (met.code(), met.name())).collect();
        assert_eq!(met, [(1, "seen"), (2, "exported")]);
        let names: Vec<_> = Category::ALL.iter().map(|it| it.name()).collect();
        assert_eq!(names, ["name", "contact", "place", "sign-in", "readings", "messages", "part"]);
    }
}
