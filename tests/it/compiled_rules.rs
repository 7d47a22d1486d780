//! Compiled rules are kept between starts, and one that was tampered with is never run.

use davy_city::Plan;
use davy_tests::platform::Platform;
use std::path::PathBuf;

fn kept(platform: &Platform) -> Vec<PathBuf> {
    let folder = platform.path("data/rules-cache");
    let entries = std::fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
    let mut files: Vec<PathBuf> = entries.unwrap_or_default();
    files.sort();
    files
}

#[test]
fn a_start_keeps_what_it_compiled_and_replaces_what_was_tampered_with() {
    let plan = Plan { households: 1, wells: 0, gateways: 0, ..Plan::small(3) };
    let mut platform = Platform::with_example_rule(&plan).unwrap();
    assert!(kept(&platform).is_empty());
    platform.start().unwrap();
    platform.stop().unwrap();
    let files = kept(&platform);
    assert_eq!(files.len(), 1, "both companies have the same rule: {files:?}");
    let good = std::fs::read(&files[0]).unwrap();

    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&files[0], &bad).unwrap();
    platform.start().unwrap();
    platform.stop().unwrap();
    assert_eq!(kept(&platform), files);
    let replaced = std::fs::read(&files[0]).unwrap();
    assert!(replaced != bad && replaced.len() == good.len(), "it was compiled anew");
}
