//! Settings that a person entered: refused with the field's name, or encoded the one way there is.

use crate::components::{engine, good_rule};
use davy_rules::{AlarmRule, SettingsError};

fn rule() -> AlarmRule {
    good_rule(&engine())
}

#[track_caller]
fn refused(json: &str, field: &str, words: &str) {
    let error = rule().encode_settings(json).unwrap_err();
    let text = error.to_string();
    match &error {
        SettingsError::Field { field: got, .. } | SettingsError::Contradiction { field: got, .. } => {
            assert_eq!(got, field, "{text}");
        }
        SettingsError::Tried(_) => panic!("{text}"),
    }
    assert!(text.contains(words), "expected {words:?} in {text:?}");
}

#[test]
fn an_error_names_the_field_the_range_the_unit_and_what_came() {
    refused(r#"{"gas-low-level": 60}"#, "gas-low-level", "a number from 5 to 25 %LEL, got 60");
    refused(r#"{"gas-low-level": "ten"}"#, "gas-low-level", "got \"ten\"");
    refused(r#"{"rest-minutes": 2.5}"#, "rest-minutes", "a whole number from 1 to 1440 min, got 2.5");
    refused(r#"{"close-at-low": 1}"#, "close-at-low", "`true` or `false`, got 1");
    refused(r#"{"gas-level": 10}"#, "gas-level", "gas-low-level");
    refused("[]", "", "an object");
    refused("{", "", "JSON object");
}

#[test]
fn settings_that_contradict_each_other_are_found_by_the_rule_itself() {
    refused(r#"{"gas-low-level": 20, "gas-high-level": 15}"#, "gas-high-level", "not below `gas-low-level`");
}

#[test]
fn the_same_settings_give_the_same_bytes_however_they_are_written() {
    let rule = rule();
    let one = rule.encode_settings(r#"{"gas-low-level": 12.5, "rest-minutes": 30}"#).unwrap();
    let other = rule
        .encode_settings("{\n \"rest-minutes\": 3e1, \"gas-low-level\": 1.25e1, \"gas-high-level\": 20.0 }")
        .unwrap();
    assert_eq!(one, other);
    let decoded = rule.describe().schema.decode(&one).unwrap();
    assert_eq!(decoded["gas-low-level"], 12.5);
    assert_eq!(decoded["gas-high-level"], 20.0, "defaults are filled in");
    assert_eq!(decoded["rest-minutes"], 30);
}
