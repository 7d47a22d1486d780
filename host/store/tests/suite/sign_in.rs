//! What must happen once happens once, and what is taken back is gone.

use crate::fixture::*;
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::proof::SecondFactorPolicy;
use davy_domain::*;
use davy_store::*;

both_engines!(
    a_person_is_found_by_a_telephone_number_that_is_theirs_alone,
    a_session_gets_another_token_once_and_the_old_one_is_dead,
    a_persons_sessions_are_listed_and_ended_by_nobody_else,
    a_known_browser_is_known_for_each_person_and_its_old_token_for_nobody,
    a_way_back_in_is_good_once_and_ends_everything_of_before,
    a_letter_is_emptied_once_it_is_sent,
    a_code_is_taken_once_and_none_before_it_afterwards,
    a_confirmed_generator_is_not_replaced_and_its_recovery_codes_are_good_once,
    a_companys_policy_holds_from_the_next_request_on,
);

const ANNA: UserId = UserId::from_raw(2);
const BERTA: UserId = UserId::from_raw(4);

async fn enter(store: &Store) {
    let user = |id: UserId, email: &str, phone: &str| User {
        id,
        email: email.to_owned(),
        name: "王".to_owned(),
        phone: Some(phone.to_owned()),
        password_hash: "$argon2id$old".to_owned(),
        locale: "zh-CN".to_owned(),
        scope: PersonScope::Tenant { tenant: GREEN },
        roles: Roles::one(Role::Dispatcher),
        ended_at: None,
    };
    let users = vec![
        user(ANNA, "anna@example.org", "+86 138-0000-0001"),
        user(BERTA, "berta@example.org", "13800000002"),
        user(UserId::from_raw(5), "shared1@example.org", "0571 8888 0000"),
        user(UserId::from_raw(6), "shared2@example.org", "0571-88880000"),
    ];
    store.provision(&Provision { users, ..Provision::default() }).await.unwrap();
}

fn session(id: i64, user: UserId) -> Session {
    Session {
        id: SessionId::from_raw(id),
        token_hash: [id as u8; 32],
        user,
        csrf_secret: [99; 32],
        created_at: at(0),
        expires_at: at(3_600_000),
        last_seen_at: at(id),
        second_factor_at: None,
        waits_for_factor: false,
        agent: String::new(),
        address: String::new(),
    }
}

const TOTP: &str = "totp";
const LETTER: &str = "letter";

fn sealed(purpose: &str, owner: i64, mark: u8) -> SealedSecret {
    SealedSecret {
        purpose: purpose.to_owned(),
        tenant: Some(GREEN),
        owner,
        ciphertext: vec![mark; 40],
        nonce: vec![mark; 12],
        kek_id: "k".to_owned(),
    }
}

fn seed(mark: u8) -> SealedSecret {
    sealed(TOTP, ANNA.raw(), mark)
}

fn letter(id: i64, user: UserId) -> Letter {
    let text = sealed(LETTER, id, id as u8);
    Letter { id, user, channel: "email".to_owned(), text, expires_at: at(60_000), attempts: 0 }
}

/// What the ledger of the company has, without the entries of before.
async fn acts(store: &Store) -> Vec<Act> {
    let entries = store.ledger_run(Chain::Tenant(GREEN), 0, 100).await.unwrap();
    entries.iter().map(|entry| entry.read().unwrap().1).filter(|act| (2..16).contains(&act.code())).collect()
}

async fn a_person_is_found_by_a_telephone_number_that_is_theirs_alone(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let found = async |login: &str| store.user_by_login(login).await.unwrap().map(|user| user.id);
    for login in ["13800000001", "+86 138 0000 0001", "008613800000001", " ANNA@example.org "] {
        assert_eq!(found(login).await, Some(ANNA), "{login}");
    }
    assert_eq!(found("+8613800000002").await, Some(BERTA));
    assert_eq!(found("057188880000").await, None, "two people have it");
    for nobody in ["", "-", "1380000000", "%", "' OR 1=1 --"] {
        assert_eq!(found(nobody).await, None, "{nobody}");
    }
}

async fn a_session_gets_another_token_once_and_the_old_one_is_dead(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let old = Session { waits_for_factor: true, ..session(1, ANNA) };
    store.open_session(&old).await.unwrap();
    let new = Session {
        token_hash: [8; 32],
        csrf_secret: [7; 32],
        second_factor_at: Some(at(5)),
        waits_for_factor: false,
        ..old.clone()
    };
    assert!(store.rotate_session(&old.token_hash, &new).await.unwrap());
    assert!(!store.rotate_session(&old.token_hash, &new).await.unwrap(), "a second time with the old token");
    assert_eq!(store.session(&old.token_hash, at(6), at(-1)).await.unwrap(), None);
    assert_eq!(store.session(&new.token_hash, at(6), at(-1)).await.unwrap().unwrap().session, new);
    assert_eq!(acts(store).await, [Act::SignedIn { session: new.id }], "once, when the second factor had come");
}

async fn a_persons_sessions_are_listed_and_ended_by_nobody_else(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let (first, second, hers) = (session(1, ANNA), session(2, ANNA), session(3, BERTA));
    let waiting = Session { waits_for_factor: true, ..session(4, ANNA) };
    for session in [&first, &second, &hers, &waiting] {
        store.open_session(session).await.unwrap();
    }
    let listed = store.sessions_of(ANNA, at(10), at(-1)).await.unwrap();
    assert_eq!(listed, [second.clone(), first.clone()]);
    assert_eq!(
        store.sessions_of(ANNA, at(10), at(1)).await.unwrap(),
        std::slice::from_ref(&second),
        "the other one is idle"
    );
    assert!(!store.close_session_of(ANNA, hers.id, at(11)).await.unwrap());
    assert!(store.close_session_of(ANNA, first.id, at(11)).await.unwrap());
    assert_eq!(store.close_other_sessions(ANNA, second.id, at(12)).await.unwrap(), 1);
    let ended = |session: &Session| Act::SessionRevoked { session: session.id, of: ANNA };
    assert_eq!(acts(store).await[3..], [ended(&first), ended(&waiting)], "after three who signed in");
    assert_eq!(store.sessions_of(ANNA, at(10), at(-1)).await.unwrap(), [second]);
    assert_eq!(store.sessions_of(BERTA, at(10), at(-1)).await.unwrap(), [hers]);
    assert_eq!(store.session(&waiting.token_hash, at(10), at(-1)).await.unwrap(), None);
}

async fn a_known_browser_is_known_for_each_person_and_its_old_token_for_nobody(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let knows = async |token: u8, user| store.knows_device(&[token; 32], user).await.unwrap();
    store.remember_device(None, &[1; 32], ANNA, at(0)).await.unwrap();
    store.remember_device(Some(&[1; 32]), &[2; 32], BERTA, at(1)).await.unwrap();
    assert!(!knows(1, ANNA).await && !knows(1, BERTA).await);
    assert!(knows(2, ANNA).await && knows(2, BERTA).await);
    store.remove_expired_credentials(LETTER, at(2), at(0)).await.unwrap();
    assert!(!knows(2, ANNA).await && knows(2, BERTA).await, "hers has been used since");
    for n in 0..40 {
        store.remember_device(None, &[100 + n; 32], ANNA, at(10 + i64::from(n))).await.unwrap();
    }
    assert!(!knows(109, ANNA).await && knows(110, ANNA).await && knows(139, ANNA).await, "the last thirty");
    assert!(knows(2, BERTA).await);
}

async fn a_way_back_in_is_good_once_and_ends_everything_of_before(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let (mine, hers) = (session(1, ANNA), session(2, BERTA));
    store.open_session(&mine).await.unwrap();
    store.open_session(&hers).await.unwrap();
    store.remember_device(None, &[1; 32], ANNA, at(0)).await.unwrap();
    for token in [11, 12] {
        store.send_reset(&[token; 32], at(60_000), &letter(i64::from(token), ANNA), at(0)).await.unwrap();
    }
    assert_eq!(store.reset_token(&[11; 32], at(1)).await.unwrap().unwrap().id, ANNA);
    assert_eq!(store.reset_token(&[11; 32], at(60_000)).await.unwrap(), None);
    assert!(!store.redeem_reset(&[11; 32], BERTA, "$new", at(1)).await.unwrap(), "not hers");
    assert!(!store.redeem_reset(&[11; 32], ANNA, "$new", at(60_000)).await.unwrap(), "too late");
    assert!(store.redeem_reset(&[11; 32], ANNA, "$new", at(1)).await.unwrap());
    assert!(!store.redeem_reset(&[11; 32], ANNA, "$again", at(1)).await.unwrap());
    assert!(!store.redeem_reset(&[12; 32], ANNA, "$again", at(1)).await.unwrap(), "the other one is gone too");
    assert_eq!(store.user(ANNA).await.unwrap().unwrap().password_hash, "$new");
    assert_eq!(store.session(&mine.token_hash, at(2), at(-1)).await.unwrap(), None);
    assert!(store.session(&hers.token_hash, at(2), at(-1)).await.unwrap().is_some());
    assert!(!store.knows_device(&[1; 32], ANNA).await.unwrap());
}

async fn a_letter_is_emptied_once_it_is_sent(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    for id in [1, 2] {
        store.send_reset(&[id; 32], at(60_000), &letter(i64::from(id), ANNA), at(i64::from(id))).await.unwrap();
    }
    assert_eq!(store.due_letters(LETTER, at(0), 9).await.unwrap(), []);
    assert_eq!(store.due_letters(LETTER, at(2), 9).await.unwrap(), [letter(1, ANNA), letter(2, ANNA)]);
    store.letter_sent(&letter(1, ANNA), at(3)).await.unwrap();
    store.letter_failed(2, at(500)).await.unwrap();
    assert_eq!(store.due_letters(LETTER, at(499), 9).await.unwrap(), []);
    assert_eq!(store.due_letters(LETTER, at(500), 9).await.unwrap(), [Letter { attempts: 1, ..letter(2, ANNA) }]);
    assert_eq!(store.due_letters(LETTER, at(60_000), 9).await.unwrap(), [], "of no use any more");
    assert_eq!(store.secret(LETTER, 1).await.unwrap(), None);
    store.remove_expired_credentials(LETTER, at(60_000), at(-1)).await.unwrap();
    assert_eq!(store.secret(LETTER, 2).await.unwrap(), None, "what it said goes with it");
}

async fn a_code_is_taken_once_and_none_before_it_afterwards(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    assert!(store.offer_generator(ANNA, &seed(1), at(0)).await.unwrap());
    assert!(!store.take_step(ANNA, 100).await.unwrap(), "not confirmed");
    assert!(!store.has_second_factor(ANNA).await.unwrap());
    assert!(store.confirm_generator(ANNA, &seed(1), &seed(2), &[], 100, at(1)).await.unwrap());
    assert!(store.has_second_factor(ANNA).await.unwrap());
    for (step, taken) in [(100, false), (101, true), (101, false), (100, false), (103, true), (102, false)] {
        assert_eq!(store.take_step(ANNA, step).await.unwrap(), taken, "{step}");
    }
    assert!(!store.take_step(BERTA, 200).await.unwrap());
}

async fn a_confirmed_generator_is_not_replaced_and_its_recovery_codes_are_good_once(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    assert!(store.offer_generator(ANNA, &seed(1), at(0)).await.unwrap());
    assert!(store.offer_generator(ANNA, &seed(2), at(1)).await.unwrap(), "nobody has used the first");
    let codes = [[1; 32], [2; 32]];
    assert!(!store.confirm_generator(ANNA, &seed(1), &seed(3), &codes, 7, at(2)).await.unwrap(), "replaced");
    assert!(store.confirm_generator(ANNA, &seed(2), &seed(3), &codes, 7, at(2)).await.unwrap());
    assert!(!store.offer_generator(ANNA, &seed(4), at(3)).await.unwrap());
    let kept = store.generator(TOTP, ANNA).await.unwrap().unwrap();
    assert_eq!((kept.secret, kept.confirmed_at), (seed(3), Some(at(2))));
    assert_eq!(store.recovery_codes_left(ANNA).await.unwrap(), 2);
    assert!(!store.take_recovery_code(BERTA, &[1; 32]).await.unwrap());
    assert!(store.take_recovery_code(ANNA, &[1; 32]).await.unwrap());
    assert!(!store.take_recovery_code(ANNA, &[1; 32]).await.unwrap());
    store.remove_generator(TOTP, ANNA, at(9)).await.unwrap();
    assert_eq!((store.generator(TOTP, ANNA).await.unwrap(), store.recovery_codes_left(ANNA).await.unwrap()), (None, 0));
}

async fn a_companys_policy_holds_from_the_next_request_on(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    store.open_session(&session(1, ANNA)).await.unwrap();
    for policy in [SecondFactorPolicy::Commands, SecondFactorPolicy::Optional] {
        store.tenant(GREEN).set_second_factor_policy(policy, Actor::CommandLine, at(1)).await.unwrap();
        assert_eq!(store.session(&[1; 32], at(2), at(-1)).await.unwrap().unwrap().policy, policy);
        assert_eq!(store.tenant(GREEN).second_factor_policy().await.unwrap(), policy);
        assert_eq!(store.tenant(BLUE).second_factor_policy().await.unwrap(), SecondFactorPolicy::Optional);
    }
}
