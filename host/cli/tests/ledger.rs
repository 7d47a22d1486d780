//! `davyctl ledger verify` on files and databases that somebody has tampered with, in every way there is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]

use davy_api::{CheckpointItem, LedgerCheckpoints, LedgerLine};
use davy_domain::ledger::{Act, Actor, Chain, Checkpoint, Entry, Head, PublicKey, Refusal, Signed};
use davy_domain::{SessionId, TenantId, Timestamp, UserId};
use davy_store::{Store, StoreOptions};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GREEN: Chain = Chain::Tenant(TenantId::from_raw(1));
const BLUE: Chain = Chain::Tenant(TenantId::from_raw(2));

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_bytes(key.verifying_key().to_bytes())
}

fn sign(key: &SigningKey, entry: &Entry) -> Signed {
    let checkpoint = Checkpoint::of(entry.head(), at(99));
    Signed { checkpoint, key: public(key), signature: key.sign(&checkpoint.message()).to_bytes() }
}

fn entries(chain: Chain, count: i64) -> Vec<Entry> {
    let mut head = Head::start(chain);
    let entry = |number| {
        let actor = Actor::Person { by: UserId::from_raw(number + 1) };
        head.append(at(number), actor, &Act::SignedIn { session: SessionId::from_raw(100 + number) })
    };
    (0..count).map(entry).collect()
}

/// Everything from a place on as somebody writes it who knows how.
fn anew(entries: &mut [Entry], from: usize) {
    let mut head = entries[from - 1].head();
    for entry in &mut entries[from..] {
        (entry.seq, entry.previous) = (head.seq + 1, head.hash);
        entry.hash = entry.digest();
        head = entry.head();
    }
}

fn text(chain: Chain, entries: &[Entry], signed: &[Signed]) -> String {
    let mut lines = vec![LedgerLine::Head { chain, company: "绿能燃气".to_owned(), after: 0 }];
    lines.extend(entries.iter().map(|entry| LedgerLine::Entry(Box::new(entry.clone()))));
    lines.extend(signed.iter().map(|signed| LedgerLine::Checkpoint(Box::new(*signed))));
    lines.push(LedgerLine::End { seq: entries.last().map_or(0, |entry| entry.seq), more: false });
    lines.iter().map(|line| line.write() + "\n").collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn davyctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_davyctl")).args(arguments).output().unwrap()
}

fn verify(file: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let output = davyctl(&[&["ledger", "verify", file.to_str().unwrap(), "--json"], more].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    (output.status.code(), answer["chains"][0].clone())
}

/// A way of tampering with a file: what it is called, and at which entry or line it is found.
type Tampering = (&'static str, fn(Vec<Entry>, &[Signed]) -> String, &'static str, u64);

fn renumbered(mut entries: Vec<Entry>) -> Vec<Entry> {
    for (seq, entry) in (1..).zip(&mut entries) {
        entry.seq = seq;
    }
    entries
}

const TAMPERINGS: &[Tampering] = &[
    (
        "an edited body",
        |mut all, signed| {
            all[3].body[6] ^= 1;
            text(GREEN, &all, signed)
        },
        "edited",
        4,
    ),
    ("edited words", |all, signed| text(GREEN, &all, signed).replace("usr_4", "usr_5"), "line", 5),
    (
        "a deleted line",
        |mut all, signed| {
            all.remove(3);
            text(GREEN, &all, signed)
        },
        "deleted",
        4,
    ),
    (
        "a deleted entry, closed up",
        |mut all, signed| {
            all.remove(3);
            text(GREEN, &renumbered(all), signed)
        },
        "moved",
        4,
    ),
    (
        "an inserted entry",
        |mut all, signed| {
            let act = Act::SignInRefused { account: None, why: Refusal::NobodyKnown };
            let put_in = all[2].head().append(at(5), Actor::Unknown, &act);
            all.insert(3, put_in);
            text(GREEN, &renumbered(all), signed)
        },
        "moved",
        5,
    ),
    (
        "a line that is there twice",
        |mut all, signed| {
            all.insert(3, all[2].clone());
            text(GREEN, &all, signed)
        },
        "inserted",
        3,
    ),
    (
        "two lines swapped",
        |mut all, signed| {
            all.swap(3, 4);
            text(GREEN, &all, signed)
        },
        "re-ordered",
        4,
    ),
    (
        "cut off below the checkpoint",
        |mut all, signed| {
            all.truncate(6);
            text(GREEN, &all, signed)
        },
        "truncated",
        6,
    ),
    (
        "entries of another company",
        |mut all, signed| {
            all[3..].clone_from_slice(&entries(BLUE, 10)[3..]);
            text(GREEN, &all, signed)
        },
        "wrong-chain",
        4,
    ),
    (
        "written anew from the middle on",
        |mut all, signed| {
            all[5].at = at(77);
            anew(&mut all, 5);
            text(GREEN, &all, signed)
        },
        "rewritten",
        8,
    ),
    (
        "a checkpoint signed for what was written anew, with another's name",
        |mut all, signed| {
            all[5].at = at(77);
            anew(&mut all, 5);
            let forged = Signed { key: signed[0].key, ..sign(&SigningKey::from_bytes(&[9; 32]), &all[7]) };
            text(GREEN, &all, &[forged])
        },
        "bad-signature",
        8,
    ),
];

#[test]
fn every_way_of_tampering_with_a_file_is_found_in_its_place() {
    let folder = Folder::new();
    let whole = entries(GREEN, 10);
    let signed = [sign(&key(), &whole[2]), sign(&key(), &whole[7])];
    let file = folder.put("whole.jsonl", &text(GREEN, &whole, &signed));
    let (code, answer) = verify(&file, &["--key", &public(&key()).to_string()]);
    assert_eq!((code, &answer["sound"], &answer["covered"]["seq"]), (Some(0), &true.into(), &8.into()), "{answer}");
    for (name, change, kind, place) in TAMPERINGS {
        let file = folder.put("changed.jsonl", &change(whole.clone(), &signed));
        let (code, answer) = verify(&file, &[]);
        let fault = &answer["fault"];
        let found = if *kind == "line" { &fault["line"] } else { &fault["entry"] };
        assert_eq!(
            (code, fault["kind"].as_str(), found.as_u64()),
            (Some(1), Some(*kind), Some(*place)),
            "{name}: {answer}"
        );
    }
    let cut = text(GREEN, &whole, &signed);
    let cut = folder.put("cut.jsonl", &cut[..cut.len() - 20]);
    let output = davyctl(&["ledger", "verify", cut.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOT AS IT WAS WRITTEN"));
}

#[test]
fn who_writes_everything_anew_is_told_by_a_checkpoint_that_was_kept() {
    let folder = Folder::new();
    let whole = entries(GREEN, 10);
    let kept =
        LedgerCheckpoints { keys: vec![public(&key())], items: vec![CheckpointItem::from(&sign(&key(), &whole[7]))] };
    let kept = folder.put("kept.json", &serde_json::to_string(&kept).unwrap());
    let mut changed = whole;
    changed[1].at = at(77);
    anew(&mut changed, 1);
    let other = SigningKey::from_bytes(&[9; 32]);
    let file = folder.put("changed.jsonl", &text(GREEN, &changed, &[sign(&other, &changed[9])]));
    // By itself it is perfect.
    assert_eq!(verify(&file, &[]).0, Some(0));
    let (code, answer) = verify(&file, &["--checkpoint", kept.to_str().unwrap()]);
    assert_eq!((code, answer["fault"]["kind"].as_str()), (Some(1), Some("rewritten")), "{answer}");
    let (code, answer) = verify(&file, &["--key", &public(&key()).to_string()]);
    assert_eq!((code, answer["fault"]["kind"].as_str()), (Some(1), Some("unknown-key")), "{answer}");
}

#[tokio::test]
async fn a_database_is_verified_where_it_lies() {
    let folder = Folder::new();
    let path = folder.0.path().join("davy.db");
    let url = format!("sqlite:{}", path.display());
    let missing = davyctl(&["ledger", "verify", "--database", &url]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(!path.exists(), "nothing is made by looking");
    let store = Store::connect(&url, &StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    for number in 0..5 {
        let act = Act::SignedOut { session: SessionId::from_raw(number) };
        store.enter(Chain::Platform, at(number), Actor::Platform, &act).await.unwrap();
    }
    let run = store.ledger_run(Chain::Platform, 0, 10).await.unwrap();
    store.put_checkpoint(&sign(&key(), &run[3])).await.unwrap();
    let database = |more: &[&str]| {
        let output = davyctl(&[&["ledger", "verify", "--database", &url, "--json"], more].concat());
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let (code, answer) = database(&["--key", &public(&key()).to_string(), "--chain", "platform"]);
    assert_eq!((code, &answer["chains"][0]["covered"]["seq"]), (Some(0), &4.into()), "{answer}");
    assert_eq!(database(&["--chain", "ten_9"]).0, Some(3));
    store.close().await;
    let mut beneath = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    for sql in ["DROP TRIGGER ledger_no_update", "UPDATE ledger SET at = at + 1 WHERE seq = 3"] {
        sqlx::query(sql).execute(&mut beneath).await.unwrap();
    }
    let (code, answer) = database(&[]);
    let fault = &answer["chains"][0]["fault"];
    assert_eq!((code, fault["kind"].as_str(), fault["entry"].as_u64()), (Some(1), Some("edited"), Some(3)), "{answer}");
}
