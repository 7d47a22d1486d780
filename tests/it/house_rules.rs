//! Rules of the house that no compiler checks: where `unsafe` is, how long files are, what text must not be in them.

use davy_domain::command::Action;
use std::path::{Path, PathBuf};

/// Past this many lines a file has a seam that somebody did not look for.
const LONGEST: usize = 800;

/// The files that may use `unsafe`, each argued beside its `allow`: what the WIT export macro expands to, loading our own
/// authenticated compiled artifact, and a signal handler.
const UNSAFE: &[&str] = &["rules-sdk/", "host/rules/src/", "host/sim/src/bin/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the root is there")
}

/// Every Rust file of ours, relative to the root, with its text.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "data" | "node_modules" | "assets") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let relative = path.strip_prefix(&root).expect("below the root").display().to_string();
                found.push((relative, std::fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    found.sort();
    found
}

/// Lines of code, without comments: a word in a comment is no use of it.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(at, line)| (at + 1, line))
}

fn holds_unsafe(line: &str) -> bool {
    let word = ["unsafe ", "unsafe{"];
    word.iter().any(|word| line.contains(word)) && !line.contains('"')
}

#[test]
fn the_search_finds_unsafe_code_and_no_comments_about_it() {
    let found = |text| code(text).filter(|(_, line)| holds_unsafe(line)).count();
    assert_eq!(found("let x = unsafe { y };\n// unsafe { }\n/// unsafe words\n"), 1);
}

#[test]
fn unsafe_code_is_only_where_it_is_argued() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        if UNSAFE.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        found.extend(code(&text).filter(|(_, line)| holds_unsafe(line)).map(|(at, _)| format!("{path}:{at}")));
    }
    assert!(found.is_empty(), "unsafe code outside of {UNSAFE:?}:\n  {}", found.join("\n  "));
}

#[test]
fn no_file_is_so_long_that_its_seam_was_missed() {
    let long: Vec<String> = sources()
        .iter()
        .filter_map(|(path, text)| {
            let lines = text.lines().count();
            (lines > LONGEST).then(|| format!("{path}: {lines} lines"))
        })
        .collect();
    assert!(long.is_empty(), "more than {LONGEST} lines:\n  {}", long.join("\n  "));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| !path.contains("/tests/") || path.starts_with("tests/"))
        // A test module in a file of its own is said by the module that it proves.
        .filter(|(path, _)| !path.ends_with("tests.rs"))
        .filter(|(_, text)| !text.lines().take(12).any(|line| line.starts_with("//!")))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top of:\n  {}", silent.join("\n  "));
}

#[test]
fn no_place_is_left_for_later() {
    // Written apart, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK")];
    let mut found = Vec::new();
    for (path, text) in sources() {
        for (at, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{path}:{}", at + 1));
            }
        }
    }
    assert!(found.is_empty(), "left for later:\n  {}", found.join("\n  "));
}

#[test]
fn there_is_no_order_to_open_a_valve() {
    // A third action does not compile here: whoever adds one must come and read this.
    const fn code(action: Action) -> u16 {
        match action {
            Action::Close => 1,
            Action::Arm => 2,
        }
    }
    for action in [Action::Close, Action::Arm] {
        assert_eq!(action as u16, code(action));
        let name = serde_json::to_string(&action).expect("a name");
        assert!(!name.to_lowercase().contains("open"), "{name}");
    }
}
