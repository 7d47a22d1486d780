//! Which passwords are not taken (NIST SP 800-63B): too short, or among those that are tried first. Nothing is said about kinds
//! of characters.

use crate::http::passwords::{LONGEST, SHORTEST};
use crate::http::problem;
use davy_api::Problem;
use zxcvbn::{Score, zxcvbn};

/// What people here try first and lists made elsewhere do not have.
const HERE: [&str; 12] = [
    "davy",
    "gas",
    "ranqi",
    "anquan",
    "mima",
    "wodemima",
    "woaini",
    "woaiwojia",
    "zhongguo",
    "beijing",
    "zhongran",
    "jiating",
];

/// Refuses a password that is too short or too long, or that somebody who knows the person's name and address would soon try.
///
/// # Errors
/// A [`Problem`] with what is wrong.
pub fn refuse_weak(password: &str, email: &str, name: &str) -> Result<(), Problem> {
    let length = password.chars().count();
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Err(problem::invalid("password", format!("expected {SHORTEST} to {LONGEST} characters, got {length}"))
            .with_reason("password-length"));
    }
    let mut own: Vec<&str> = email.split(|at: char| !at.is_alphanumeric()).filter(|part| part.len() > 2).collect();
    own.extend([email, name]);
    own.extend(HERE);
    // Below three, ten to the eighth guesses find it.
    if zxcvbn(password, &own).score() < Score::Three {
        return Err(problem::invalid(
            "password",
            "expected one that is not among those that are tried first: take a few words",
        )
        .with_reason("password-weak"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_wang(password: &str) -> Result<(), Problem> {
        refuse_weak(password, "wangxiaoming@hangzhou-gas.example", "王小明")
    }

    #[test]
    fn passwords_that_are_tried_first_are_refused_whatever_characters_they_have() {
        for weak in [
            "password",
            "12345678",
            "P@ssw0rd",
            "qwertyuiop",
            "iloveyou1",
            "aaaaaaaaaaaa",
            "20001231",
            "wangxiaoming1",
            "hangzhou-gas",
            "abcdefgh",
            "admin123",
            "11112222",
            "woaini1314",
            "1qaz2wsx",
        ] {
            let refused = of_wang(weak).err().and_then(|problem| problem.reason);
            assert_eq!(refused.as_deref(), Some("password-weak"), "{weak}");
        }
    }

    #[test]
    fn a_few_words_in_any_language_are_taken() {
        for good in ["correct horse battery", "kohle-brot-amsel", "春眠不觉晓处处闻啼鸟", "x7#Kq!mZ2v"] {
            assert_eq!(of_wang(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_length_is_counted_in_characters() {
        for wrong in ["short", "燃气安全", &"x9!Q".repeat(51)] {
            assert_eq!(of_wang(wrong).unwrap_err().reason.as_deref(), Some("password-length"), "{wrong}");
        }
    }
}
