//! `docs/operations.md` names every metric that the server has, and no other.

use davy_tests::programs;
use std::collections::BTreeSet;
use std::path::Path;

/// The names in quotation marks of every metric in a folder's sources.
fn in_sources(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_sources(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for maker in ["counter!(", "gauge!(", "histogram!("] {
                for rest in text.split(maker).skip(1) {
                    if let Some(name) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                        names.insert(name.to_owned());
                    }
                }
            }
        }
    }
}

#[test]
fn the_page_names_every_metric_and_no_other() {
    let mut made = BTreeSet::new();
    in_sources(&programs::root().join("host/server/src"), &mut made);
    assert!(made.len() > 15, "the search still finds them: {made:?}");
    let page = std::fs::read_to_string(programs::root().join("docs/operations.md")).unwrap();
    let named: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `davy_"))
        .filter_map(|rest| rest.split('`').next())
        .map(|name| format!("davy_{name}"))
        .collect();
    assert_eq!(made, named);
}
