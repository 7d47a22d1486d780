//! Settings from the attributes to the schema, from JSON to CBOR, and back into the struct.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it found by panicking")]

use davy_rules_sdk::prelude::*;
use davy_rules_sdk::schema::{Kind, Schema};
use davy_rules_sdk::settings::{Settings as _, SettingsError};
use proptest::prelude::*;
use std::fmt::Write as _;

#[derive(Settings, Debug, PartialEq)]
#[settings(check = ordered)]
struct Sample {
    /// The level.
    ///
    /// With a second paragraph.
    #[setting(default = 10.0, min = 5.0, max = 25.0, unit = "%LEL", zh = "浓度 \"甲\"", en = "Level")]
    level: f64,
    #[setting(default = -3, min = -40, max = 60, unit = "°C")]
    coldest: i32,
    #[setting(default = true)]
    enabled: bool,
    #[setting(default = "winter", choices("summer", "winter"))]
    season: String,
    #[setting(max_length = 4)]
    code: Option<String>,
    #[setting(min = 1)]
    needed: u32,
    #[setting(max_items = 3)]
    steps: Vec<f64>,
    #[setting(group, zh = "组", en = "Group")]
    group: Inner,
    #[setting(default = 1, name = "type")]
    kind: u8,
}

#[derive(Settings, Debug, PartialEq)]
struct Inner {
    #[setting(default = 0.5)]
    share: f64,
}

fn ordered(sample: &Sample) -> Result<(), SettingsError> {
    if sample.group.share * 100.0 < sample.level {
        return Err(SettingsError::new("group.share", "a share not below the level"));
    }
    Ok(())
}

fn schema() -> Schema {
    let mut text = String::new();
    Sample::schema(&mut text);
    Schema::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn through(json: &str) -> Result<Sample, String> {
    let bytes = schema().encode(json).map_err(|error| error.to_string())?;
    Sample::decode(&bytes).map_err(|error| format!("{}: {}", error.field, error.expected))
}

#[test]
fn the_schema_says_everything_that_the_attributes_say() {
    let schema = schema();
    let names: Vec<_> = schema.properties.iter().map(|property| property.name.as_str()).collect();
    let mut expected = ["level", "coldest", "enabled", "season", "code", "needed", "steps", "group", "type"];
    expected.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let of = |name: &str| schema.properties.iter().find(|property| property.name == name).unwrap();
    assert_eq!(of("level").kind, Kind::Number { minimum: Some(5.0), maximum: Some(25.0) });
    assert_eq!(of("level").label_zh.as_deref(), Some("浓度 \"甲\""));
    assert_eq!(of("level").description.as_deref(), Some("The level.  With a second paragraph."));
    assert_eq!(of("coldest").kind, Kind::Integer { minimum: Some(-40), maximum: Some(60) });
    assert_eq!(of("season").kind, Kind::Text { max_length: 1_000, choices: vec!["summer".into(), "winter".into()] });
    assert!(of("needed").required && of("steps").required);
    assert!(!of("code").required && !of("level").required && !of("group").required);
    assert_eq!(of("group").label_en.as_deref(), Some("Group"));
}

#[test]
fn defaults_stand_in_for_what_is_absent() {
    let sample = through(r#"{"needed": 2, "steps": []}"#).unwrap();
    assert_eq!(
        sample,
        Sample {
            level: 10.0,
            coldest: -3,
            enabled: true,
            season: "winter".into(),
            code: None,
            needed: 2,
            steps: Vec::new(),
            group: Inner { share: 0.5 },
            kind: 1,
        }
    );
}

#[test]
fn what_does_not_fit_is_named() {
    let cases = [
        (r#"{"steps": []}"#, "`needed`: expected a whole number of at least 1, got nothing"),
        (r#"{"needed": 0, "steps": []}"#, "`needed`: expected a whole number of at least 1, got 0"),
        (r#"{"needed": 1, "steps": [1, "b"]}"#, "`steps[1]`: expected a number, got \"b\""),
        (r#"{"needed": 1, "steps": [1, 2, 3, 4]}"#, "`steps`: expected a list of at most 3 items, got [1,2,3,4]"),
        (
            r#"{"needed": 1, "steps": [], "season": "spring"}"#,
            "`season`: expected one of summer, winter, got \"spring\"",
        ),
        (
            r#"{"needed": 1, "steps": [], "code": "12345"}"#,
            "`code`: expected a text of at most 4 characters, got \"12345\"",
        ),
        (
            r#"{"needed": 1, "steps": [], "group": {"shares": 1}}"#,
            "`group.shares`: expected only the properties share, got an unknown one",
        ),
        (
            r#"{"needed": 1, "steps": [], "coldest": -3.5}"#,
            "`coldest`: expected a whole number from -40 to 60 °C, got -3.5",
        ),
        (r#"{"needed": 1, "steps": [], "group": {"share": 0.01}}"#, "group.share: a share not below the level"),
    ];
    for (json, expected) in cases {
        assert_eq!(through(json).unwrap_err(), expected);
    }
}

#[test]
fn a_rule_checks_what_it_gets_and_does_not_trust_the_host() {
    // {"needed": 1, "steps": [], "level": 99.0}
    let bytes =
        [&[0xa3, 0x66][..], b"needed", &[0x01, 0x65], b"steps", &[0x80, 0x65], b"level", &[0xf9, 0x56, 0x30]].concat();
    assert_eq!(Sample::decode(&bytes).unwrap_err().field, "level");
    for cut in 0..bytes.len() {
        Sample::decode(&bytes[..cut]).unwrap_err();
    }
    let mut longer = schema().encode(r#"{"needed": 2, "steps": []}"#).unwrap();
    longer.push(0);
    Sample::decode(&longer).unwrap_err();
}

/// RFC 8949 appendix A and §4.2.1: the shortest form of every number, keys in bytewise order of their encoding.
#[test]
fn the_encoding_is_the_deterministic_one() {
    let number = |text: &str| {
        let schema = Schema::parse(r#"{"type":"object","properties":{"a":{"type":"number"}}}"#).unwrap();
        let bytes = schema.encode(&format!(r#"{{"a": {text}}}"#)).unwrap();
        hex(&bytes[3..])
    };
    let vectors = [
        ("0.0", "f90000"),
        ("-0.0", "f90000"),
        ("1", "f93c00"),
        ("1.1", "fb3ff199999999999a"),
        ("1.5", "f93e00"),
        ("65504.0", "f97bff"),
        ("100000.0", "fa47c35000"),
        ("3.4028234663852886e+38", "fa7f7fffff"),
        ("1.0e+300", "fb7e37e43c8800759c"),
        ("5.960464477539063e-8", "f90001"),
        ("0.00006103515625", "f90400"),
        ("-4.0", "f9c400"),
        ("-4.1", "fbc010666666666666"),
    ];
    for (text, expected) in vectors {
        assert_eq!(number(text), expected, "{text}");
    }
    let schema = Schema::parse(
        r#"{"type":"object","properties":{"zz":{"type":"boolean"},"b":{"type":"integer"},"aaa":{"type":"integer"}}}"#,
    )
    .unwrap();
    let bytes = schema.encode(r#"{"aaa": 1000, "zz": true, "b": -500}"#).unwrap();
    assert_eq!(hex(&bytes), "a361623901f3627a7af5636161611903e8");
}

proptest! {
    #[test]
    fn every_number_comes_back_exactly(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        let schema = Schema::parse(r#"{"type":"object","properties":{"a":{"type":"number"}}}"#).unwrap();
        let bytes = schema.encode(&serde_json::json!({"a": value}).to_string()).unwrap();
        let back = schema.decode(&bytes).unwrap()["a"].as_f64().unwrap();
        prop_assert_eq!(back, value);
    }

    #[test]
    fn decoding_whatever_bytes_never_panics(bytes: Vec<u8>) {
        let _ = Sample::decode(&bytes);
        let _ = schema().decode(&bytes);
    }

    #[test]
    fn parsing_whatever_text_never_panics(text in ".{0,200}") {
        let _ = Schema::parse(&text);
        let _ = schema().encode(&text);
    }
}
