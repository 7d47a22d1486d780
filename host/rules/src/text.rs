//! Texts from a rule, made safe to log and show.

/// The most remarks of one outcome, and characters of one.
const MAX_NOTES: usize = 8;
pub(crate) const MAX_NOTE: usize = 200;

/// The time of a trial of settings: 2026-01-01T00:00:00Z.
pub(crate) const TRIAL_MS: i64 = 1_767_225_600_000;

/// A text cut, without control characters.
pub(crate) fn plain(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The log of an outcome. Remarks decide nothing: too many or too long ones are cut and cost no decision.
pub(crate) fn notes(notes: &[String]) -> Vec<String> {
    notes.iter().take(MAX_NOTES).map(|note| plain(note, MAX_NOTE)).collect()
}
