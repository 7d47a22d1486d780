use super::*;
use crate::alarm::AlarmState;
use crate::id::{AlarmId, DeviceId, SessionId, TenantId, UserId};
use crate::time::Timestamp;
use crate::{Condition, Priority};
use proptest::prelude::*;

const GREEN: Chain = Chain::Tenant(TenantId::from_raw(1));
const BLUE: Chain = Chain::Tenant(TenantId::from_raw(2));
const KEY: PublicKey = PublicKey::from_bytes([7; 32]);

fn act(number: u64) -> (Actor, Act) {
    let person = Actor::Person { by: UserId::from_raw(number as i64 + 1) };
    match number % 3 {
        0 => (person, Act::SignedIn { session: SessionId::from_raw(number as i64 + 10) }),
        1 => (Actor::Unknown, Act::SignInRefused { account: None, why: Refusal::NobodyKnown }),
        _ => {
            let moved = Act::AlarmMoved {
                alarm: AlarmId::from_raw(number as i64),
                device: DeviceId::from_raw(5),
                condition: Condition::GasHigh,
                priority: Priority::Urgent,
                before: AlarmState::Normal,
                after: AlarmState::Unacknowledged,
                event: r#"{"event":"raise"}"#.to_owned(),
            };
            (Actor::Platform, moved)
        }
    }
}

fn chain_of(chain: Chain, count: u64) -> Vec<Entry> {
    let mut head = Head::start(chain);
    let entry = |number| {
        let (actor, act) = act(number);
        head.append(Timestamp::from_millis(1_000 + number as i64), actor, &act)
    };
    (0..count).map(entry).collect()
}

/// Everything after the place written anew, as somebody would who knows how.
fn chain_anew(entries: &mut [Entry], from: usize) {
    let mut head = if from == 0 { Head::start(entries[0].chain) } else { entries[from - 1].head() };
    for entry in &mut entries[from..] {
        (entry.seq, entry.previous) = (head.seq + 1, head.hash);
        entry.hash = entry.digest();
        head = entry.head();
    }
}

fn signed(entry: &Entry) -> Signed {
    Signed { checkpoint: Checkpoint::of(entry.head(), entry.at), key: KEY, signature: [0; 64] }
}

fn read(chain: Chain, entries: &[Entry], checkpoints: &[Signed]) -> Report {
    let mut verification = Verification::of(chain).among(&[Chain::Platform, GREEN, BLUE]);
    for each in checkpoints {
        verification.checkpoint(*each, true, true);
    }
    for entry in entries {
        verification.entry(entry);
    }
    verification.finish()
}

#[test]
fn an_entry_has_the_hash_that_anybody_can_work_out() {
    let mut head = Head::start(GREEN);
    let entry = head.append(Timestamp::from_millis(5), Actor::Platform, &act(0).1);
    // CBOR: [[0, []], [2, [10]]]
    assert_eq!(entry.body, [0x82, 0x82, 0x00, 0x80, 0x82, 0x02, 0x81, 0x0a]);
    let mut bytes = b"davy-ledger/1".to_vec();
    for number in [1_u64, 1, 5] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(Head::start(GREEN).hash.as_bytes());
    bytes.extend(&entry.body);
    assert_eq!(entry.hash, Hash::of(&bytes));
    assert_eq!(Head::start(GREEN).hash, Hash::of(&[b"davy-ledger/1 first".as_slice(), &1_u64.to_be_bytes()].concat()));
    assert_eq!(entry.read().unwrap(), (Actor::Platform, act(0).1));
}

#[test]
fn the_numbers_and_names_of_acts_never_change_their_meaning() {
    let table: Vec<String> = Act::KINDS.iter().map(|(code, name)| format!("{code} {name}")).collect();
    assert_eq!(
        table.join("\n"),
        "1 began\n2 signed-in\n3 sign-in-refused\n4 signed-out\n5 session-revoked\n6 password-changed\n\
         7 second-factor-set\n8 second-factor-removed\n9 second-factor-demanded\n16 alarm-moved\n17 alarm-judged\n\
         24 command-given\n25 command-ended\n34 rule-acted\n35 back-test-started\n36 back-test-cancelled\n\
         37 signer-accepted\n38 signer-removed\n39 bounds-drawn\n40 component-deleted\n48 provisioned\n\
         49 key-revoked\n50 key-replaced\n51 keys-taken\n52 revoked-spoke\n64 exported\n65 checkpoint-key-made\n\
         80 company-suspended\n81 company-resumed\n82 company-exported\n83 company-imported\n84 company-deletion-moved\n85 company-deleted\n\
         96 roles-changed\n97 access-ended\n98 token-made\n99 token-ended\n100 approval-asked\n101 approval-moved\n102 closing-limit-set\n\
         103 invited\n104 invitation-withdrawn\n105 household-joined\n106 household-ended\n\
         112 personal-data-seen\n113 personal-data-exported"
    );
}

#[test]
fn an_act_of_a_newer_version_is_verified_though_it_cannot_be_read() {
    let mut entries = chain_of(GREEN, 3);
    entries[1].body = vec![0x82, 0x82, 0x00, 0x80, 0x82, 0x19, 0x03, 0xe7, 0x80];
    chain_anew(&mut entries, 1);
    assert!(entries[1].read().unwrap_err().to_string().starts_with("expected an actor and an act"));
    assert_eq!(read(GREEN, &entries, &[]).fault, None);
}

#[test]
fn chains_that_have_changed_places_are_told_by_their_identity() {
    let mut entries = chain_of(BLUE, 4);
    assert_eq!(read(GREEN, &entries, &[]).fault, Some(Fault::WrongChain { seq: 1, expected: GREEN, found: BLUE }));
    for entry in &mut entries {
        entry.chain = GREEN;
    }
    assert_eq!(read(GREEN, &entries, &[]).fault, Some(Fault::WrongChain { seq: 1, expected: GREEN, found: BLUE }));
    // Hashes made anew, without the beginning that the identity asks for.
    let mut head = Head::start(BLUE);
    for entry in &mut entries {
        (entry.previous, entry.hash) = (head.hash, head.hash);
        entry.hash = entry.digest();
        head = entry.head();
    }
    let fault = read(GREEN, &entries, &[]).fault;
    let expected = Head::start(GREEN).hash;
    assert_eq!(fault, Some(Fault::Broken { seq: 1, expected, found: Head::start(BLUE).hash }));
}

#[test]
fn a_forged_checkpoint_and_one_of_a_stranger_are_told_apart() {
    let entries = chain_of(GREEN, 3);
    let judge = |trusted, genuine| {
        let mut verification = Verification::of(GREEN);
        verification.checkpoint(signed(&entries[1]), trusted, genuine);
        verification.finish().fault
    };
    assert_eq!(judge(true, false), Some(Fault::BadSignature { seq: 2, key: KEY }));
    assert_eq!(judge(false, true), Some(Fault::UnknownKey { seq: 2, key: KEY }));
    let other =
        Signed { checkpoint: Checkpoint { chain: BLUE, ..signed(&entries[0]).checkpoint }, ..signed(&entries[0]) };
    let mut verification = Verification::of(GREEN);
    verification.checkpoint(other, true, true);
    assert_eq!(verification.finish().fault, Some(Fault::WrongChain { seq: 1, expected: GREEN, found: BLUE }));
}

#[test]
fn a_tail_without_a_checkpoint_is_not_guarded() {
    // What docs/ledger.md says in words: this is the limit of a chain, and the reason for checkpoints.
    let mut entries = chain_of(GREEN, 10);
    let kept = signed(&entries[4]);
    entries[7].body = act(99).1.name().as_bytes().to_vec();
    chain_anew(&mut entries, 7);
    entries.truncate(9);
    let report = read(GREEN, &entries, &[kept]);
    assert_eq!((report.fault, report.covered), (None, Some(kept)));
}

proptest! {
    #[test]
    fn an_untouched_chain_is_sound_and_covered_up_to_its_last_checkpoint(count in 1_u64..40, at in 0_usize..40) {
        let entries = chain_of(GREEN, count);
        let kept = signed(&entries[at % entries.len()]);
        let report = read(GREEN, &entries, &[kept]);
        prop_assert_eq!(report.fault, None);
        prop_assert_eq!(report.covered, Some(kept));
        prop_assert_eq!((report.entries, report.head), (count, entries[entries.len() - 1].head()));
    }

    #[test]
    fn any_changed_bit_is_found_where_it_is(count in 1_u64..30, at in 0_usize..30, bit in 0_usize..4096) {
        let mut entries = chain_of(GREEN, count);
        let at = at % entries.len();
        let seq = at as u64 + 1;
        let entry = &mut entries[at];
        let size = entry.body.len() * 8 + 64 + 256 + 256;
        match bit % size {
            bit if bit < 64 => entry.at = Timestamp::from_millis(entry.at.as_millis() ^ (1 << bit)),
            bit if bit < 320 => {
                let mut bytes = *entry.previous.as_bytes();
                bytes[(bit - 64) / 8] ^= 1 << (bit % 8);
                entry.previous = Hash::from_bytes(bytes);
            }
            bit if bit < 576 => {
                let mut bytes = *entry.hash.as_bytes();
                bytes[(bit - 320) / 8] ^= 1 << (bit % 8);
                entry.hash = Hash::from_bytes(bytes);
            }
            bit => entry.body[(bit - 576) / 8] ^= 1 << (bit % 8),
        }
        let report = read(GREEN, &entries, &[]);
        let edited = matches!(report.fault, Some(Fault::Edited { seq: found, .. }) if found == seq);
        prop_assert!(edited, "{:?}", report.fault);
        prop_assert_eq!(report.head.seq, seq - 1);
    }

    #[test]
    fn an_entry_edited_with_its_hash_made_anew_breaks_the_next_one(count in 2_u64..30, at in 0_usize..30) {
        let mut entries = chain_of(GREEN, count);
        let at = at % (entries.len() - 1);
        entries[at].at = Timestamp::from_millis(7);
        entries[at].hash = entries[at].digest();
        let next = at as u64 + 2;
        let broken = matches!(read(GREEN, &entries, &[]).fault, Some(Fault::Broken { seq, .. }) if seq == next);
        prop_assert!(broken);
    }

    #[test]
    fn deleted_entries_are_named(count in 3_u64..30, at in 0_usize..30, many in 1_usize..5) {
        let mut entries = chain_of(GREEN, count);
        let at = at % (entries.len() - 1);
        let many = many.min(entries.len() - 1 - at);
        entries.drain(at..at + many);
        let (from, to) = (at as u64 + 1, (at + many) as u64);
        prop_assert_eq!(read(GREEN, &entries, &[]).fault, Some(Fault::Deleted { from, to }));
        // With the numbers closed up, what follows stands where it was not written.
        for (place, entry) in entries.iter_mut().enumerate() {
            entry.seq = place as u64 + 1;
        }
        prop_assert_eq!(read(GREEN, &entries, &[]).fault, Some(Fault::Moved { seq: from, from: to + 1 }));
    }

    #[test]
    fn an_inserted_entry_is_found(count in 2_u64..30, at in 1_usize..30) {
        let mut entries = chain_of(GREEN, count);
        let at = 1 + at % (entries.len() - 1);
        let mut twice = entries.clone();
        twice.insert(at, entries[at - 1].clone());
        prop_assert_eq!(read(GREEN, &twice, &[]).fault, Some(Fault::Inserted { seq: at as u64 }));
        // One with a right hash, and the numbers after it moved up.
        let (actor, new) = act(77);
        let put_in = entries[at - 1].head().append(Timestamp::from_millis(1), actor, &new);
        entries.insert(at, put_in);
        for (place, entry) in entries.iter_mut().enumerate() {
            entry.seq = place as u64 + 1;
        }
        let next = at as u64 + 2;
        prop_assert_eq!(read(GREEN, &entries, &[]).fault, Some(Fault::Moved { seq: next, from: next - 1 }));
    }

    #[test]
    fn entries_in_another_order_are_told_from_deleted_ones(count in 3_u64..30, at in 0_usize..30) {
        let mut entries = chain_of(GREEN, count);
        let at = at % (entries.len() - 1);
        entries.swap(at, at + 1);
        let seq = at as u64 + 1;
        prop_assert_eq!(read(GREEN, &entries, &[]).fault, Some(Fault::Reordered { seq, found: seq + 1 }));
        // The numbers stay in their places.
        (entries[at].seq, entries[at + 1].seq) = (seq, seq + 1);
        prop_assert_eq!(read(GREEN, &entries, &[]).fault, Some(Fault::Moved { seq, from: seq + 1 }));
    }

    #[test]
    fn a_chain_cut_off_below_a_checkpoint_is_found(count in 2_u64..30, cut in 1_usize..30) {
        let mut entries = chain_of(GREEN, count);
        let kept = signed(&entries[entries.len() - 1]);
        let last = entries.len() - 1 - cut % entries.len().min(29);
        entries.truncate(last);
        prop_assert_eq!(read(GREEN, &entries, &[kept]).fault, Some(Fault::Truncated { last: last as u64, seq: count }));
    }

    #[test]
    fn a_history_written_anew_disagrees_with_the_next_checkpoint(count in 4_u64..30, at in 0_usize..30) {
        let mut entries = chain_of(GREEN, count);
        let at = at % entries.len();
        let (first, last) = (signed(&entries[entries.len() / 2 - 1]), signed(&entries[entries.len() - 1]));
        entries[at].at = Timestamp::from_millis(7);
        chain_anew(&mut entries, at);
        // By itself the chain is perfect.
        prop_assert_eq!(read(GREEN, &entries, &[]).fault, None);
        let fault = read(GREEN, &entries, &[first, last]).fault;
        let (early, half) = (at < entries.len() / 2, entries.len() as u64 / 2);
        let expected = if early { (0, half) } else { (half, count) };
        let said = matches!(fault, Some(Fault::Rewritten { after, seq, .. }) if (after, seq) == expected);
        prop_assert!(said, "{fault:?}");
    }

    #[test]
    fn no_bytes_make_reading_an_entry_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut entry = chain_of(GREEN, 1).remove(0);
        entry.body = body;
        let _ = entry.read();
    }
}
