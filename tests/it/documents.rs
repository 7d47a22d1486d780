//! What the documents name is there: files behind links, commands of the programs; and both readmes have the same parts.

use crate::command_lines::commands_of;
use davy_tests::programs;
use std::path::PathBuf;

/// Every page, relative to the root, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = programs::root();
    let mut found = Vec::new();
    for folder in ["", "docs", "rules-sdk", "web/assets"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a readable folder").flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "md") {
                let text = std::fs::read_to_string(entry.path()).expect("UTF-8");
                found.push((PathBuf::from(folder).join(entry.file_name()), text));
            }
        }
    }
    found
}

#[test]
fn every_link_of_a_page_leads_to_a_file() {
    let mut dead = Vec::new();
    let mut count = 0;
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            count += 1;
            let target = programs::root().join(page.parent().expect("a folder")).join(link);
            if !target.exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 20, "only {count} links were found: the search is wrong");
    assert!(dead.is_empty(), "\n  {}", dead.join("\n  "));
}

#[test]
fn every_command_of_a_page_is_one_of_its_program() {
    let mut unknown = Vec::new();
    let mut count = 0;
    for (name, start) in [("xtask", "cargo xtask "), ("davy", "davy "), ("davyctl", "davyctl ")] {
        let known = commands_of(name);
        for (page, text) in pages() {
            // In code, where a line or a backtick begins with the program.
            let lines = text.split(['\n', '`']).filter_map(|piece| piece.trim_start().strip_prefix(start));
            for line in lines.filter(|line| !line.contains('…')) {
                count += 1;
                if !line.split_whitespace().any(|word| known.iter().any(|command| command == word)) {
                    unknown.push(format!("{}: `{start}{line}`", page.display()));
                }
            }
        }
    }
    assert!(count > 20, "only {count} commands were found: the search is wrong");
    assert!(unknown.is_empty(), "\n  {}", unknown.join("\n  "));
}

#[test]
fn both_readmes_have_the_same_parts_and_the_same_commands() {
    let shape = |name: &str| {
        let text = std::fs::read_to_string(programs::root().join(name)).expect("a readme");
        let parts = text.lines().filter(|line| line.starts_with("## ")).count();
        let code: Vec<String> = text
            .split("```")
            .skip(1)
            .step_by(2)
            .flat_map(|block| block.lines().map(|line| line.split('#').next().unwrap_or("").trim().to_owned()))
            .collect();
        let points = text.lines().filter(|line| line.starts_with("- ")).count();
        (parts, points, code)
    };
    assert_eq!(shape("README.md"), shape("README.zh-CN.md"));
}
