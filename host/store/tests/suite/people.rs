//! People sign in by e-mail; sessions end when they must.

use crate::fixture::*;
use davy_domain::*;
use davy_store::*;

both_engines!(
    people_are_found_by_email_in_whatever_case,
    a_session_lasts_until_it_expires_is_idle_or_is_closed,
    a_role_has_exactly_its_scope,
);

fn user(id: i64, email: &str, scope: PersonScope, role: Role) -> User {
    User {
        id: UserId::from_raw(id),
        email: email.to_owned(),
        name: "王 \"Li\"\n".to_owned(),
        phone: (id % 2 == 0).then(|| "+86 571 0000".to_owned()),
        password_hash: "$argon2id$v=19$x".to_owned(),
        locale: "zh-CN".to_owned(),
        scope,
        roles: Roles::one(role),
        ended_at: None,
    }
}

async fn enter(store: &Store) -> Vec<User> {
    let users = vec![
        user(1, "regulator@example.org", PersonScope::Jurisdiction { division: CITY.0 }, Role::Regulator),
        user(2, "operator@example.org", PersonScope::Tenant { tenant: GREEN }, Role::Dispatcher),
        user(3, "resident@example.org", PersonScope::Premises { tenant: GREEN, premises: HOME }, Role::Resident),
        user(4, "platform@example.org", PersonScope::Platform, Role::PlatformAdministrator),
        user(
            5,
            "manager@example.org",
            PersonScope::Community { tenant: GREEN, community: CommunityId::from_raw(HOME.raw()) },
            Role::PropertyManager,
        ),
    ];
    store.provision(&Provision { users: users.clone(), ..Provision::default() }).await.unwrap();
    users
}

async fn people_are_found_by_email_in_whatever_case(fixture: Fixture) {
    let store = &fixture.store;
    for user in enter(store).await {
        let found = store.user_by_email(&format!(" {} ", user.email.to_uppercase())).await.unwrap();
        assert_eq!(found.as_ref(), Some(&user));
        assert_eq!(store.user(user.id).await.unwrap(), Some(user));
    }
    assert_eq!(store.user_by_email("nobody@example.org").await.unwrap(), None);
    let again = Provision {
        users: vec![user(9, "Operator@Example.org", PersonScope::Tenant { tenant: BLUE }, Role::Auditor)],
        ..Provision::default()
    };
    assert!(matches!(store.provision(&again).await.unwrap_err(), StoreError::Duplicate { .. }));
    store.set_locale(UserId::from_raw(2), "en").await.unwrap();
    store.set_password_hash(UserId::from_raw(2), "$argon2id$new").await.unwrap();
    let changed = store.user(UserId::from_raw(2)).await.unwrap().unwrap();
    assert_eq!((changed.locale.as_str(), changed.password_hash.as_str()), ("en", "$argon2id$new"));
}

async fn a_session_lasts_until_it_expires_is_idle_or_is_closed(fixture: Fixture) {
    let store = &fixture.store;
    let users = enter(store).await;
    let session = |id: i64, hours: i64| Session {
        id: SessionId::from_raw(id),
        token_hash: [id as u8; 32],
        user: users[1].id,
        csrf_secret: [99; 32],
        created_at: at(0),
        expires_at: at(hours * 3_600_000),
        last_seen_at: at(0),
        second_factor_at: None,
        waits_for_factor: false,
        agent: "Firefox".to_owned(),
        address: "192.0.2.1".to_owned(),
    };
    let never = at(-1);
    let (short, long) = (session(1, 1), session(2, 10));
    store.open_session(&short).await.unwrap();
    store.open_session(&long).await.unwrap();
    let open =
        OpenSession { session: short.clone(), user: users[1].clone(), policy: proof::SecondFactorPolicy::Optional };
    assert_eq!(store.session(&short.token_hash, at(1), never).await.unwrap(), Some(open));
    assert_eq!(store.session(&[77; 32], at(1), never).await.unwrap(), None);
    assert_eq!(store.session(&short.token_hash, short.expires_at, never).await.unwrap(), None);
    assert_eq!(store.session(&short.token_hash, at(1), at(0)).await.unwrap(), None, "idle since its last use");
    store.touch_session(&long, at(10), Span::from_secs(60)).await.unwrap();
    assert_eq!(store.session(&long.token_hash, at(11), never).await.unwrap().unwrap().session.last_seen_at, at(0));
    store.touch_session(&long, at(60_000), Span::from_secs(60)).await.unwrap();
    assert_eq!(
        store.session(&long.token_hash, at(60_001), never).await.unwrap().unwrap().session.last_seen_at,
        at(60_000)
    );
    assert_eq!(store.remove_expired_sessions(short.expires_at, never).await.unwrap(), 1);
    store.close_session(long.id, at(9)).await.unwrap();
    assert_eq!(store.session(&long.token_hash, at(60_002), never).await.unwrap(), None);
}

async fn a_role_has_exactly_its_scope(fixture: Fixture) {
    let provision = async |user: User| {
        fixture.store.provision(&Provision { users: vec![user], ..Provision::default() }).await.unwrap_err()
    };
    let nowhere = PersonScope::Premises { tenant: GREEN, premises: PremisesId::from_raw(404) };
    let error = provision(user(6, "x@example.org", nowhere, Role::Resident)).await;
    assert!(matches!(error, StoreError::MissingReference { .. }), "{error}");
    let error = provision(user(6, "x@example.org", PersonScope::Tenant { tenant: GREEN }, Role::Regulator)).await;
    assert!(error.to_string().contains("got `regulator` in a tenant"), "{error}");
}
