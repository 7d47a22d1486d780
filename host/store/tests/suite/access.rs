//! Tokens, households, people and approvals: what ends, ends for everybody at once, and what is decided, is decided once.

use crate::fixture::*;
use davy_domain::approval::{self, Act, Request, Stage};
use davy_domain::*;
use davy_store::*;

both_engines!(
    a_token_is_good_until_it_ends_or_its_makers_access_does,
    a_household_ends_for_everybody_at_once,
    a_companys_people_are_its_own,
    a_request_is_decided_by_one_of_two_and_its_progress_is_kept,
);

const ADMIN: UserId = UserId::from_raw(61);
const DISPATCHER: UserId = UserId::from_raw(62);
const STRANGER: UserId = UserId::from_raw(63);
const HOLDER: UserId = UserId::from_raw(64);

fn user(id: UserId, scope: PersonScope, role: Role) -> User {
    User {
        id,
        email: format!("{}@example.org", id.raw()),
        name: format!("person {}", id.raw()),
        phone: None,
        password_hash: "$argon2id$x".to_owned(),
        locale: "zh-CN".to_owned(),
        scope,
        roles: Roles::one(role),
        ended_at: None,
    }
}

async fn enter(store: &Store) {
    let green = PersonScope::Tenant { tenant: GREEN };
    let users = vec![
        user(ADMIN, green, Role::Administrator),
        user(DISPATCHER, green, Role::Dispatcher),
        user(STRANGER, PersonScope::Tenant { tenant: BLUE }, Role::Administrator),
        user(HOLDER, PersonScope::Premises { tenant: GREEN, premises: HOME }, Role::Resident),
    ];
    store.provision(&Provision { users, ..Provision::default() }).await.unwrap();
}

fn session(user: UserId) -> Session {
    Session {
        id: SessionId::from_raw(user.raw()),
        token_hash: [user.raw() as u8; 32],
        user,
        csrf_secret: [1; 32],
        created_at: at(0),
        expires_at: at(1_000_000),
        last_seen_at: at(0),
        second_factor_at: None,
        waits_for_factor: false,
        agent: String::new(),
        address: String::new(),
    }
}

async fn a_token_is_good_until_it_ends_or_its_makers_access_does(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let token = |id: i64, user: UserId, expires: i64| ApiToken {
        id: TokenId::from_raw(id),
        tenant: Some(GREEN),
        user,
        name: "scada \"1\"".to_owned(),
        deeds: vec!["alarms:see".to_owned(), "devices:see".to_owned()],
        created_at: at(0),
        expires_at: at(expires),
        last_used_at: None,
        revoked_at: None,
    };
    let (short, long, third) = (token(1, ADMIN, 100), token(2, ADMIN, 10_000), token(3, DISPATCHER, 10_000));
    for (token, hash) in [(&short, [1; 32]), (&long, [2; 32]), (&third, [3; 32])] {
        store.add_token(token, &hash).await.unwrap();
    }
    assert_eq!(store.token(&[1; 32], at(99)).await.unwrap().unwrap().0, short);
    assert!(store.token(&[1; 32], at(100)).await.unwrap().is_none());
    assert!(store.token(&[9; 32], at(1)).await.unwrap().is_none());
    store.touch_token(&long, at(50), Span::from_secs(60)).await.unwrap();
    let (used, maker) = store.token(&[2; 32], at(60)).await.unwrap().unwrap();
    assert_eq!((used.last_used_at, maker.id), (Some(at(50)), ADMIN));
    let ids = |tokens: Vec<ApiToken>| tokens.iter().map(|it| it.id.raw()).collect::<Vec<_>>();
    assert_eq!(ids(store.tokens(DISPATCHER, None).await.unwrap()), [3]);
    assert_eq!(ids(store.tokens(ADMIN, Some(GREEN)).await.unwrap()), [3, 2, 1]);
    assert_eq!(ids(store.tokens(STRANGER, Some(BLUE)).await.unwrap()), [0_i64; 0]);
    store.revoke_token(long.id, at(70), DISPATCHER).await.unwrap();
    assert!(store.token(&[2; 32], at(71)).await.unwrap().is_none());
    store.tenant(GREEN).end_access(DISPATCHER, at(80), DISPATCHER).await.unwrap();
    assert!(store.token(&[3; 32], at(81)).await.unwrap().is_none());
}

async fn a_household_ends_for_everybody_at_once(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let invitation = |id: i64, expires: i64| Invitation {
        id: InvitationId::from_raw(id),
        tenant: GREEN,
        premises: HOME,
        invited_by: HOLDER,
        created_at: at(0),
        expires_at: at(expires),
    };
    store.invite(&invitation(1, 100), &[1; 32]).await.unwrap();
    store.invite(&invitation(2, 1_000), &[2; 32]).await.unwrap();
    assert_eq!(store.invitation(&[1; 32], at(99)).await.unwrap(), Some(invitation(1, 100)));
    assert_eq!(store.invitation(&[1; 32], at(100)).await.unwrap(), None);
    let home = PersonScope::Premises { tenant: GREEN, premises: HOME };
    let kin = user(UserId::from_raw(70), home, Role::Resident);
    assert!(!store.accept_invitation(InvitationId::from_raw(1), &kin, at(100)).await.unwrap());
    assert!(store.user(kin.id).await.unwrap().is_none(), "somebody was entered on a code that is not good");
    assert!(store.accept_invitation(InvitationId::from_raw(2), &kin, at(100)).await.unwrap());
    let twin = user(UserId::from_raw(71), home, Role::Resident);
    assert!(!store.accept_invitation(InvitationId::from_raw(2), &twin, at(101)).await.unwrap());
    assert_eq!(store.household(HOME).await.unwrap().len(), 2);
    for member in [HOLDER, kin.id] {
        store.open_session(&session(member)).await.unwrap();
    }
    store.invite(&invitation(3, 1_000), &[3; 32]).await.unwrap();
    assert!(
        !store
            .withdraw_invitation(PremisesId::from_raw(21), InvitationId::from_raw(3), at(150), DISPATCHER)
            .await
            .unwrap()
    );
    store.hand_over(HOME, &invitation(4, 5_000), &[4; 32], at(200)).await.unwrap();
    assert!(store.household(HOME).await.unwrap().is_empty());
    for member in [HOLDER, kin.id] {
        assert!(store.session(&session(member).token_hash, at(201), at(-1)).await.unwrap().is_none());
        assert_eq!(store.user(member).await.unwrap().unwrap().ended_at, Some(at(200)));
    }
    let good = store.invitations(HOME, at(201)).await.unwrap();
    assert_eq!(good, vec![invitation(4, 5_000)], "only who comes next is invited");
    // Their address is free for somebody else.
    assert!(store.user_by_email("64@example.org").await.unwrap().is_none());
    let next = User { id: UserId::from_raw(72), ..user(HOLDER, home, Role::Resident) };
    assert!(store.accept_invitation(InvitationId::from_raw(4), &next, at(202)).await.unwrap());
}

async fn a_companys_people_are_its_own(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let (green, blue) = (store.tenant(GREEN), store.tenant(BLUE));
    let ids: Vec<_> = green.people().await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(ids, [ADMIN, DISPATCHER], "a resident is none of the company's people");
    assert!(blue.person(DISPATCHER).await.unwrap().is_none());
    store.open_session(&session(DISPATCHER)).await.unwrap();
    blue.set_roles(DISPATCHER, Roles::one(Role::Auditor), at(1), DISPATCHER).await.unwrap();
    blue.end_access(DISPATCHER, at(1), DISPATCHER).await.unwrap();
    assert_eq!(green.person(DISPATCHER).await.unwrap().unwrap().roles, Roles::one(Role::Dispatcher));
    green.set_roles(DISPATCHER, Roles::one(Role::Technician), at(1), DISPATCHER).await.unwrap();
    assert_eq!(green.person(DISPATCHER).await.unwrap().unwrap().roles, Roles::one(Role::Technician));
    assert!(store.session(&session(DISPATCHER).token_hash, at(1), at(-1)).await.unwrap().is_none());
}

async fn a_request_is_decided_by_one_of_two_and_its_progress_is_kept(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let (green, blue) = (store.tenant(GREEN), store.tenant(BLUE));
    assert_eq!(green.close_alone().await.unwrap(), 10);
    green.set_close_alone(2, at(1), DISPATCHER).await.unwrap();
    assert_eq!((green.close_alone().await.unwrap(), blue.close_alone().await.unwrap()), (2, 10));
    let asked = Request::asked(RequestId::from_raw(5), true, DISPATCHER, at(0));
    green.ask(&asked, "close-many", "{\"premises\":[]}").await.unwrap();
    assert!(blue.request(asked.id).await.unwrap().is_none() && blue.requests(10).await.unwrap().is_empty());
    let found = green.request(asked.id).await.unwrap().unwrap();
    assert_eq!((found.request, found.asked_by_name.as_str()), (asked, "person 62"));
    let approved = approval::step(&asked, Act::Approve, ADMIN, at(1)).unwrap();
    let declined = approval::step(&asked, Act::Decline, ADMIN, at(1)).unwrap();
    assert!(!blue.decide(&asked, &approved).await.unwrap());
    assert!(green.decide(&asked, &approved).await.unwrap());
    assert!(!green.decide(&asked, &declined).await.unwrap(), "it was decided twice");
    assert!(!green.decide(&asked, &approved).await.unwrap(), "it was approved twice");
    green.carried_out(asked.id, "{\"gone_through\":1}", false).await.unwrap();
    let open = store.unfinished_requests().await.unwrap();
    assert_eq!((open.len(), open[0].outcome.as_str()), (1, "{\"gone_through\":1}"));
    green.carried_out(asked.id, "{\"gone_through\":2}", true).await.unwrap();
    let done = green.request(asked.id).await.unwrap().unwrap();
    assert_eq!((done.request.stage, done.decided_by_name.as_deref()), (Stage::Done, Some("person 61")));
    assert!(store.unfinished_requests().await.unwrap().is_empty());
}
