//! Compiled rules on disk: used when they are ours to the bit, ignored and replaced otherwise.

use crate::components::{engine, household_leak, readings};
use davy_domain::Quantity;
use davy_rules::{CompileCache, Engine, EngineConfig};
use std::fs;
use std::path::PathBuf;

fn only_file(folder: &tempfile::TempDir) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_rule_from_the_cache_decides_as_the_compiled_one() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompileCache::open(folder.path(), [7; 32]).unwrap();
    let component = household_leak();
    let compiled = engine().admit_cached(component, &cache).unwrap();
    let stored = fs::read(only_file(&folder)).unwrap();

    let engine = engine();
    let cached = engine.admit_cached(component, &cache).unwrap();
    assert_eq!(fs::read(only_file(&folder)).unwrap(), stored, "it was read, not made again");
    assert_eq!(cached.description(), compiled.description());
    let event = readings(1_800_000_000_000, &[(Quantity::Gas, 40.0)]);
    let evaluate = |admitted| {
        let rule = engine.load(admitted);
        rule.evaluate(&rule.encode_settings("{}").unwrap(), &[], &event)
    };
    assert_eq!(evaluate(&cached), evaluate(&engine.admit(component).unwrap()));
}

#[test]
fn an_artifact_with_one_flipped_bit_is_not_loaded_but_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompileCache::open(folder.path(), [7; 32]).unwrap();
    let engine = engine();
    engine.admit_cached(household_leak(), &cache).unwrap();
    let file = only_file(&folder);
    let good = fs::read(&file).unwrap();
    for at in [0, 9, 41, 60, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, &bad).unwrap();
        engine.admit_cached(household_leak(), &cache).unwrap();
        assert_ne!(fs::read(&file).unwrap(), bad, "byte {at}");
    }
    fs::write(&file, b"").unwrap();
    engine.admit_cached(household_leak(), &cache).unwrap();
    assert_eq!(fs::read(&file).unwrap().len(), good.len());
}

#[test]
fn another_key_or_another_configuration_does_not_share_artifacts() {
    let folder = tempfile::tempdir().unwrap();
    let ours = CompileCache::open(folder.path(), [7; 32]).unwrap();
    engine().admit_cached(household_leak(), &ours).unwrap();
    let file = only_file(&folder);
    let stored = fs::read(&file).unwrap();
    let theirs = CompileCache::open(folder.path(), [8; 32]).unwrap();
    engine().admit_cached(household_leak(), &theirs).unwrap();
    assert_ne!(fs::read(&file).unwrap(), stored, "made again under the other key");

    let config = EngineConfig { max_memory: 8 << 20, pool_size: 4, ..EngineConfig::default() };
    let smaller = Engine::new(&config).unwrap();
    smaller.admit_cached(household_leak(), &theirs).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
