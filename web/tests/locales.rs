//! Both languages say everything, with the same values in it.

// Test code outside of `#[test]` functions too: a failed expectation is how it speaks.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn flat(prefix: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flat(&key, value, out);
            }
        }
        Value::String(text) => {
            out.insert(prefix.to_owned(), text.clone());
        }
        other => panic!("{prefix}: expected a text or a group of texts, got {other}"),
    }
}

fn read(name: &str) -> BTreeMap<String, String> {
    let path = format!("{}/locales/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut out = BTreeMap::new();
    flat("", &serde_json::from_str(&text).unwrap(), &mut out);
    out
}

fn values_in(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

fn sources(folder: &std::path::Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else {
            out.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_key_exists_in_both_languages_and_none_is_empty() {
    let (zh, en) = (read("zh-CN"), read("en"));
    let only = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| -> Vec<String> {
        a.keys().filter(|key| !b.contains_key(*key)).cloned().collect()
    };
    assert_eq!(only(&zh, &en), Vec::<String>::new(), "missing in en.json");
    assert_eq!(only(&en, &zh), Vec::<String>::new(), "missing in zh-CN.json");
    for (key, text) in zh.iter().chain(&en) {
        assert!(!text.trim().is_empty(), "{key} is empty");
    }
}

#[test]
fn both_languages_use_the_same_values_in_a_sentence() {
    let en = read("en");
    for (key, text) in read("zh-CN") {
        assert_eq!(values_in(&text), values_in(&en[&key]), "{key}");
    }
}

#[test]
fn chinese_is_chinese_and_english_is_not() {
    let han = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let (zh, en) = (read("zh-CN"), read("en"));
    for (key, text) in &zh {
        assert!(han(text) || key == "app.name", "zh-CN {key}: {text}");
    }
    for (key, text) in &en {
        assert!(!han(text), "en {key}: {text}");
    }
}

#[test]
fn no_translation_is_left_over() {
    let mut code = String::new();
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    let unused: Vec<String> = read("zh-CN").into_keys().filter(|key| !code.contains(key.as_str())).collect();
    assert_eq!(unused, Vec::<String>::new());
}
