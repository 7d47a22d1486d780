//! Versions of rules: what is stored is what was decided, by whom, and never two changes of one version at once.

use crate::fixture::*;
use davy_domain::ledger;
use davy_domain::release::bounds::{Bound, Bounds};
use davy_domain::release::{self, Act, Actor, Release, Stage, WHOLE};
use davy_domain::*;
use davy_store::*;

both_engines!(
    a_version_lives_and_comes_back,
    two_changes_of_one_version_cannot_both_be_stored,
    one_version_of_a_company_is_in_force,
    a_component_may_change_its_tier_until_it_has_passed_its_checks,
    back_tests_health_differences_and_findings_read_back,
    leaks_that_people_have_confirmed_since_are_counted,
    a_newer_signature_takes_the_place_of_an_older_one,
    bounds_of_trials_are_each_companys_own_and_entered,
    a_component_is_deleted_only_when_nothing_refers_to_it,
);

const DIGEST: [u8; 32] = [5; 32];
const ANNA: UserId = UserId::from_raw(71);
const BEN: UserId = UserId::from_raw(72);

const fn person(by: UserId) -> Actor {
    Actor::Person { by }
}

async fn company(store: &Store) -> TenantStore {
    let user = |id: UserId, email: &str| User {
        id,
        email: email.into(),
        name: email.split('@').next().unwrap().into(),
        phone: None,
        password_hash: "$argon2id$x".into(),
        locale: "zh-CN".into(),
        scope: PersonScope::Tenant { tenant: GREEN },
        roles: Roles::one(Role::RuleEngineer),
        ended_at: None,
    };
    let users = vec![user(ANNA, "anna@example.com"), user(BEN, "ben@example.com")];
    store.provision(&Provision { users, ..Provision::default() }).await.unwrap();
    let green = store.tenant(GREEN);
    let rule = NewRule {
        digest: &DIGEST,
        name: "leak",
        component: b"\0asm",
        tier: "standard",
        signed: Some((&[1; 32], &[2; 64])),
        uploaded_at: at(1),
    };
    green.put_rule(&rule).await.unwrap();
    green.put_settings("{}", at(1)).await.unwrap();
    green
}

async fn uploaded(green: &TenantStore, id: i64, stage: Stage, when: i64) -> Release {
    let permille = if stage == Stage::Active { WHOLE } else { 0 };
    let release = Release { stage, permille, ..Release::uploaded(ReleaseId::from_raw(id), at(when)) };
    let new = NewRelease {
        release: &release,
        digest: &DIGEST,
        settings_version: 1,
        world: "alarm-policy",
        actor: person(ANNA),
        checks: "",
    };
    green.create_release(&new).await.unwrap();
    release
}

async fn moved(green: &TenantStore, before: &Release, act: Act, actor: Actor, when: i64) -> Release {
    let after = release::step(before, &act, actor, at(when)).unwrap();
    let change = ReleaseChange { before: before.clone(), after: after.clone(), act, actor };
    green.change_releases(&[change]).await.unwrap();
    after
}

async fn a_version_lives_and_comes_back(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let old = uploaded(&green, 900, Stage::Active, 2).await;
    let mut new = uploaded(&green, 901, Stage::Uploaded, 3).await;
    assert_eq!(store.unchecked_releases().await.unwrap().len(), 1);
    let about =
        AboutRule { digest: &DIGEST, name: "leak-2", version: "1.2.3", world: "alarm-policy", scope: "", about: "{}" };
    green.put_checks(new.id, "{\"passed\":true}", Some(&about)).await.unwrap();
    let steps = [
        (Act::Check { passed: true }, Actor::Platform),
        (Act::BackTest { missed: 0, from: Timestamp::from_millis(1), decisive: true }, Actor::Platform),
        (Act::StartShadow, person(ANNA)),
        (Act::StartCohort { permille: 50 }, person(ANNA)),
        (Act::Propose, person(ANNA)),
    ];
    for (count, (act, actor)) in steps.into_iter().enumerate() {
        new = moved(&green, &new, act, actor, 10 + count as i64).await;
        let stored = green.release(new.id).await.unwrap().unwrap();
        assert_eq!((stored.release, stored.name.as_str(), stored.version.as_str()), (new.clone(), "leak-2", "1.2.3"));
    }
    let live = store.live_releases(None).await.unwrap();
    let stages: Vec<_> = live.iter().map(|live| (live.stored.release.id.raw(), live.stored.release.stage)).collect();
    assert_eq!(stages, [(900, Stage::Active), (901, Stage::Cohort)]);
    assert!(store.live_releases(Some(BLUE)).await.unwrap().is_empty());

    // The second person's word: the old one makes room in the same transaction.
    let change = |before: &Release, act: Act, actor, when| ReleaseChange {
        before: before.clone(),
        after: release::step(before, &act, actor, at(when)).unwrap(),
        act,
        actor,
    };
    let superseded = change(&old, Act::Supersede, Actor::Platform, 20);
    let approved = change(&new, Act::Approve, person(BEN), 20);
    green.change_releases(&[superseded.clone(), approved.clone()]).await.unwrap();
    let active = green.release(new.id).await.unwrap().unwrap();
    assert_eq!((active.release.stage, active.activated_at), (Stage::Active, Some(at(20))));

    // One act takes it back; the one before it returns.
    let before = green.release_before(&active).await.unwrap().unwrap();
    assert_eq!(before.release.id, old.id);
    let rolled_back = change(&active.release, Act::RollBack, person(ANNA), 30);
    let restored = change(&before.release, Act::Restore, Actor::Platform, 30);
    green.change_releases(&[rolled_back, restored]).await.unwrap();
    assert_eq!(store.live_releases(None).await.unwrap()[0].stored.release.id, old.id);
    // What was rolled back does not come back by another roll-back.
    let again = green.release(old.id).await.unwrap().unwrap();
    assert!(green.release_before(&again).await.unwrap().is_none());

    let acts = green.release_acts(new.id).await.unwrap();
    let words: Vec<_> = acts.iter().map(|act| (act.act.name(), act.name.as_deref(), act.after.name())).collect();
    assert_eq!(
        words,
        [
            ("upload", Some("anna"), "uploaded"),
            ("check", None, "checked"),
            ("back-test", None, "back-tested"),
            ("start-shadow", Some("anna"), "shadow"),
            ("start-cohort", Some("anna"), "cohort"),
            ("propose", Some("anna"), "cohort"),
            ("approve", Some("ben"), "active"),
            ("roll-back", Some("anna"), "retired"),
        ]
    );
    assert!(store.tenant(BLUE).release(new.id).await.unwrap().is_none(), "another company's version is none");
    assert!(store.tenant(BLUE).releases().await.unwrap().is_empty());
    assert!(store.tenant(BLUE).release_acts(new.id).await.unwrap().is_empty());
}

async fn a_component_may_change_its_tier_until_it_has_passed_its_checks(fixture: Fixture) {
    let green = company(&fixture.store).await;
    let put = async |tier: &str| {
        let rule =
            NewRule { digest: &DIGEST, name: "leak", component: b"\0asm", tier, signed: None, uploaded_at: at(2) };
        green.put_rule(&rule).await.unwrap();
        green.rule_tier(&DIGEST).await.unwrap().unwrap()
    };
    assert_eq!(put("large").await, "large");
    let standard = uploaded(&green, 900, Stage::Uploaded, 3).await;
    moved(&green, &standard, Act::Check { passed: false }, Actor::Platform, 4).await;
    assert_eq!(put("standard").await, "standard", "refused in one tier, it may be tried in another");
    assert_eq!(put("large").await, "large");
    let large = uploaded(&green, 901, Stage::Uploaded, 5).await;
    moved(&green, &large, Act::Check { passed: true }, Actor::Platform, 6).await;
    assert_eq!(put("standard").await, "large", "what it may decide with does not change under its decisions");
    assert_eq!(green.rule_tier(&[9; 32]).await.unwrap(), None);
}

async fn two_changes_of_one_version_cannot_both_be_stored(fixture: Fixture) {
    let green = company(&fixture.store).await;
    let release = uploaded(&green, 900, Stage::Checked, 2).await;
    let withdraw = Act::Withdraw;
    let after = release::step(&release, &withdraw, person(ANNA), at(3)).unwrap();
    let change = ReleaseChange { before: release.clone(), after, act: withdraw, actor: person(ANNA) };
    green.change_releases(std::slice::from_ref(&change)).await.unwrap();
    let refused = green.change_releases(&[change]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Changed { .. }), "{refused}");
    assert_eq!(green.release_acts(release.id).await.unwrap().len(), 2, "nothing of the second was stored");
}

async fn one_version_of_a_company_is_in_force(fixture: Fixture) {
    let green = company(&fixture.store).await;
    uploaded(&green, 900, Stage::Active, 2).await;
    let release = Release { stage: Stage::Active, ..Release::uploaded(ReleaseId::from_raw(901), at(3)) };
    let new = NewRelease {
        release: &release,
        digest: &DIGEST,
        settings_version: 1,
        world: "alarm-policy",
        actor: Actor::Platform,
        checks: "",
    };
    assert!(matches!(green.create_release(&new).await.unwrap_err(), StoreError::Duplicate { .. }));
    assert!(
        green.create_release(&NewRelease { digest: &[9; 32], ..new }).await.is_err(),
        "a component that is not there"
    );
}

async fn back_tests_health_differences_and_findings_read_back(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let release = uploaded(&green, 900, Stage::Checked, 2).await;
    let test = BackTest {
        id: BackTestId::from_raw(1),
        tenant: GREEN,
        release: release.id,
        against: None,
        state: BackTestState::Waiting,
        from: at(0),
        to: at(100),
        permille: 500,
        started_by: ANNA,
        created_at: at(5),
        finished_at: None,
        report: String::new(),
    };
    green.create_back_test(&test).await.unwrap();
    assert_eq!(store.unfinished_back_tests().await.unwrap(), std::slice::from_ref(&test));
    assert!(green.move_back_test(test.id, BackTestState::Running, "", None).await.unwrap());
    assert!(green.move_back_test(test.id, BackTestState::Done, "{}", Some(at(9))).await.unwrap());
    assert!(!green.move_back_test(test.id, BackTestState::Cancelled, "", Some(at(10))).await.unwrap(), "it has ended");
    let done = green.back_test(test.id).await.unwrap().unwrap();
    assert_eq!((done.state, done.report.as_str(), done.finished_at), (BackTestState::Done, "{}", Some(at(9))));
    assert_eq!(green.back_tests(release.id).await.unwrap()[0].report, "", "a list carries no reports");
    assert!(store.tenant(BLUE).back_test(test.id).await.unwrap().is_none());
    assert!(store.unfinished_back_tests().await.unwrap().is_empty());

    green.put_rule_health(release.id, "{\"calls\":1}", at(6)).await.unwrap();
    green.put_rule_health(release.id, "{\"calls\":2}", at(7)).await.unwrap();
    assert_eq!(green.rule_health(release.id).await.unwrap().unwrap(), ("{\"calls\":2}".to_owned(), at(7)));

    let row = Difference {
        kind: DifferenceKind::Alarm,
        device: DETECTOR,
        condition: Some(Condition::GasLow),
        measured_by: None,
        active_at: None,
        version_at: Some(at(8)),
        alarm: None,
        to: None,
    };
    let close = Difference { kind: DifferenceKind::Close, condition: None, measured_by: Some(DETECTOR), ..row };
    let told = Difference { kind: DifferenceKind::Message, alarm: Some(AlarmId::from_raw(9)), to: Some((5, 3)), ..row };
    green.add_differences(release.id, &[row, close, told]).await.unwrap();
    assert_eq!(green.differences(release.id, 10).await.unwrap(), [told, close, row], "newest first");
    assert!(store.tenant(BLUE).differences(release.id, 10).await.unwrap().is_empty());

    green.add_rule_signer(&[3; 32], "works", ANNA, at(8)).await.unwrap();
    assert_eq!(green.rule_signers().await.unwrap()[0].public_key, [3; 32]);
    assert!(store.tenant(BLUE).rule_signers().await.unwrap().is_empty());
    assert!(green.remove_rule_signer(&[3; 32], ANNA, at(9)).await.unwrap());
    assert!(!green.remove_rule_signer(&[3; 32], ANNA, at(9)).await.unwrap());

    assert!(!green.put_finding(AlarmId::from_raw(404), "leak", ANNA, at(9)).await.unwrap(), "there is no such alarm");
    assert!(green.confirmed_leaks(at(0), at(100)).await.unwrap().is_empty());
}

async fn leaks_that_people_have_confirmed_since_are_counted(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let effects = Effects { alarms: vec![raised(&alarm(10, DETECTOR, Condition::GasHigh))], ..Effects::default() };
    let batch = Batch { uplinks: Vec::new(), effects: vec![(GREEN, InterlockId::from_raw(1001), effects)] };
    store.commit(&batch).await.unwrap();
    let since = async |when: i64| green.leaks_confirmed_since(at(when)).await.unwrap();
    assert_eq!(since(0).await, 0);
    green.put_finding(AlarmId::from_raw(10), "leak", ANNA, at(8)).await.unwrap();
    assert_eq!((since(8).await, since(9).await), (1, 0));
    assert_eq!(store.tenant(BLUE).leaks_confirmed_since(at(0)).await.unwrap(), 0);
    // The last word counts, in either way.
    green.put_finding(AlarmId::from_raw(10), "test", BEN, at(9)).await.unwrap();
    assert_eq!(since(0).await, 0);
    green.put_finding(AlarmId::from_raw(10), "leak", ANNA, at(10)).await.unwrap();
    assert_eq!((since(10).await, since(11).await), (1, 0));
}

async fn a_newer_signature_takes_the_place_of_an_older_one(fixture: Fixture) {
    let green = company(&fixture.store).await;
    let put = async |signed: Option<(&[u8; 32], &[u8; 64])>| {
        let rule = NewRule {
            digest: &DIGEST,
            name: "leak",
            component: b"\0asm",
            tier: "standard",
            signed,
            uploaded_at: at(2),
        };
        green.put_rule(&rule).await.unwrap();
        green.signer_of_rule(&DIGEST).await.unwrap()
    };
    assert_eq!(put(None).await, Some([1; 32]), "what is signed stays so");
    assert_eq!(put(Some((&[3; 32], &[4; 64]))).await, Some([3; 32]));
    assert_eq!(put(Some((&[5; 32], &[6; 64]))).await, Some([5; 32]));
    assert_eq!(green.signer_of_rule(&[9; 32]).await.unwrap(), None);
    assert_eq!(fixture.store.tenant(BLUE).signer_of_rule(&DIGEST).await.unwrap(), None);
}

async fn bounds_of_trials_are_each_companys_own_and_entered(fixture: Fixture) {
    let store = &fixture.store;
    let (green, blue) = (company(store).await, store.tenant(BLUE));
    assert_eq!(green.rule_bounds().await.unwrap(), Bounds::default());
    let mut bounds = Bounds::default();
    bounds.set(Bound::Faults, 1).unwrap();
    bounds.set(Bound::Alarms, 7).unwrap();
    green.set_rule_bounds(&bounds, ANNA, at(3)).await.unwrap();
    assert_eq!(green.rule_bounds().await.unwrap(), bounds);
    assert_eq!(blue.rule_bounds().await.unwrap(), Bounds::default());
    green.set_rule_bounds(&Bounds::default(), BEN, at(4)).await.unwrap();
    assert_eq!(green.rule_bounds().await.unwrap(), Bounds::default());
    let drawn: Vec<_> = entered(&green).await.into_iter().filter(|(_, act)| act.name() == "bounds-drawn").collect();
    let act = |text: &str| ledger::Act::BoundsDrawn { bounds: text.to_owned() };
    let by = |by| ledger::Actor::Person { by };
    assert_eq!(drawn, [(by(BEN), act("")), (by(ANNA), act("faults-percent=1 alarms-times=7"))]);
}

/// What is in the company's chain, newest first.
async fn entered(green: &TenantStore) -> Vec<(ledger::Actor, ledger::Act)> {
    let entries = green.ledger(&LedgerFilter::default(), None, 1_000).await.unwrap();
    entries.iter().map(|entry| entry.read().unwrap()).collect()
}

async fn a_component_is_deleted_only_when_nothing_refers_to_it(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let retired = |release: &Release, when: i64| ReleaseChange {
        before: release.clone(),
        after: Release { stage: Stage::Retired, permille: 0, changed_at: at(when), ..release.clone() },
        act: Act::Withdraw,
        actor: person(ANNA),
    };
    assert_eq!(store.tenant(BLUE).delete_component(&DIGEST, ANNA, at(2)).await.unwrap(), Deleted::Absent);
    let tried = uploaded(&green, 10, Stage::Shadow, 2).await;
    let stays = Deleted::Referred(vec![ReferredBy::Version(tried.id, Stage::Shadow)]);
    assert_eq!(green.delete_component(&DIGEST, ANNA, at(3)).await.unwrap(), stays);
    green.change_releases(&[retired(&tried, 4)]).await.unwrap();
    assert_eq!(green.stored_components().await.unwrap(), (1, 4));

    assert_eq!(green.delete_component(&DIGEST, ANNA, at(5)).await.unwrap(), Deleted::Gone(4));
    assert_eq!(green.stored_components().await.unwrap(), (0, 0), "its room is free");
    assert_eq!(green.rule_component(&DIGEST).await.unwrap(), None);
    assert_eq!(green.component_deleted_at(&DIGEST).await.unwrap(), Some(at(5)));
    assert!(!green.has_component(&DIGEST).await.unwrap());
    assert_eq!(green.delete_component(&DIGEST, ANNA, at(6)).await.unwrap(), Deleted::Absent, "once");
    let act = ledger::Act::ComponentDeleted { rule: ledger::Hash::from_bytes(DIGEST), bytes: 4 };
    let deleted: Vec<_> = entered(&green).await.into_iter().filter(|(_, it)| *it == act).collect();
    assert_eq!(deleted, [(ledger::Actor::Person { by: ANNA }, act)]);
    assert!(green.release(tried.id).await.unwrap().is_some(), "its versions stay, with what was done with them");

    // The same bytes uploaded again are there again.
    let again = NewRule {
        digest: &DIGEST,
        name: "leak",
        component: b"\0asm",
        tier: "standard",
        signed: None,
        uploaded_at: at(7),
    };
    green.put_rule(&again).await.unwrap();
    assert_eq!(green.rule_component(&DIGEST).await.unwrap().as_deref(), Some(&b"\0asm"[..]));
    assert_eq!(green.component_deleted_at(&DIGEST).await.unwrap(), None);
    // A version that has decided keeps it for ever, whatever became of the version.
    let decided = uploaded(&green, 11, Stage::Cohort, 8).await;
    green.change_releases(&[retired(&decided, 9)]).await.unwrap();
    let stays = Deleted::Referred(vec![ReferredBy::Decisions(decided.id)]);
    assert_eq!(green.delete_component(&DIGEST, ANNA, at(10)).await.unwrap(), stays);
    assert!(green.has_component(&DIGEST).await.unwrap());
}
