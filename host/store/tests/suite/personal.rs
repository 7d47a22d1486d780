//! Personal data: what there is, and who met it.

use crate::fixture::*;
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::personal::{Category, Met};
use davy_domain::*;
use davy_store::held::{INVENTORY, NOT_PERSONAL, Whose};
use davy_store::*;

both_engines!(
    every_column_that_tells_something_is_in_the_inventory_or_known_to_be_nobodys,
    who_met_whose_data_is_seen_by_the_person_and_their_company_alone,
    what_was_done_with_data_is_never_changed,
    everything_that_is_held_of_a_person_is_found_and_nothing_of_others,
);

const ANNA: UserId = UserId::from_raw(901);
const BERTA: UserId = UserId::from_raw(902);
const DESK: UserId = UserId::from_raw(903);
const OTHERS: UserId = UserId::from_raw(904);

async fn enter(store: &Store) {
    let user = |id: UserId, name: &str, scope: PersonScope, role: Role| User {
        id,
        email: format!("{name}@example.org"),
        name: format!("{name}-unmistakable"),
        phone: Some(format!("+86 139-0000-0{}", id.raw())),
        password_hash: "$argon2id$of-somebody".to_owned(),
        locale: "zh-CN".to_owned(),
        scope,
        roles: Roles::one(role),
        ended_at: None,
    };
    let home = PersonScope::Premises { tenant: GREEN, premises: HOME };
    let users = vec![
        user(ANNA, "anna", home, Role::Resident),
        user(BERTA, "berta", home, Role::Resident),
        user(DESK, "desk", PersonScope::Tenant { tenant: GREEN }, Role::Dispatcher),
        user(OTHERS, "others", PersonScope::Tenant { tenant: BLUE }, Role::Administrator),
    ];
    store.provision(&Provision { users, at: at(0), ..Provision::default() }).await.unwrap();
}

fn act(id: i64, person: UserId, by: UserId, what: Met) -> PersonalDataAct {
    let seen = what == Met::Seen;
    PersonalDataAct {
        id,
        person,
        by,
        at: at(id),
        what,
        categories: vec![Category::Name, Category::Contact],
        device: seen.then_some(DETECTOR),
        alarm: None,
    }
}

fn session(id: i64, user: UserId) -> Session {
    Session {
        id: SessionId::from_raw(id),
        token_hash: [id as u8; 32],
        user,
        csrf_secret: [99; 32],
        created_at: at(0),
        expires_at: at(3_600_000),
        last_seen_at: at(0),
        second_factor_at: None,
        waits_for_factor: false,
        agent: format!("browser of {user}"),
        address: "192.0.2.7".to_owned(),
    }
}

async fn every_column_that_tells_something_is_in_the_inventory_or_known_to_be_nobodys(fixture: Fixture) {
    let columns = fixture.store.stored_columns().await.unwrap();
    let there = |table: &str, column: &str| columns.iter().any(|it| it.table == table && it.column == column);
    let listed = |it: &&StoredColumn| {
        INVENTORY.iter().any(|held| held.table == it.table && held.column == it.column)
            || NOT_PERSONAL.contains(&(it.table.as_str(), it.column.as_str()))
    };
    let forgotten: Vec<_> = columns.iter().filter(|it| it.tells && !listed(it)).collect();
    assert!(
        forgotten.is_empty(),
        "say in host/store/src/personal/held.rs what these hold, or that it is nobody's: {forgotten:?}"
    );
    for held in INVENTORY {
        assert!(there(held.table, held.column), "{}.{} is in the inventory and nowhere else", held.table, held.column);
        if let Whose::Person(key) | Whose::Premises(key) = held.whose {
            assert!(there(held.table, key), "{} has no column {key}", held.table);
        }
    }
    for (table, column) in NOT_PERSONAL {
        assert!(there(table, column), "{table}.{column} is said to be nobody's, and is nowhere");
    }
}

async fn who_met_whose_data_is_seen_by_the_person_and_their_company_alone(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    let (first, second) = (act(31, ANNA, DESK, Met::Seen), act(32, BERTA, DESK, Met::Seen));
    store.tenant(GREEN).contacts_shown(HOME, &[first.clone(), second.clone()]).await.unwrap();
    let third = act(33, ANNA, ANNA, Met::Exported);
    store.data_exported(GREEN, &third).await.unwrap();
    let of_anna = store.acts_on_data_of(ANNA, 100).await.unwrap();
    assert_eq!(of_anna.iter().map(|it| it.act.clone()).collect::<Vec<_>>(), [third.clone(), first.clone()]);
    assert_eq!(of_anna[1].by_name, "desk-unmistakable");
    assert_eq!(of_anna[1].by_roles, Roles::one(Role::Dispatcher));
    let companys = store.tenant(GREEN).acts_on_data(100).await.unwrap();
    assert_eq!(companys.into_iter().map(|it| it.act).collect::<Vec<_>>(), [third, second, first]);
    assert_eq!(store.tenant(BLUE).acts_on_data(100).await.unwrap(), []);
    assert_eq!(store.tenant(GREEN).acts_on_data(1).await.unwrap().len(), 1);
    // One entry of the ledger for what was shown together.
    let entries = store.ledger_run(Chain::Tenant(GREEN), 0, 100).await.unwrap();
    let acts: Vec<_> = entries.iter().map(|entry| entry.read().unwrap()).filter(|(_, act)| act.code() >= 112).collect();
    let seen = Act::PersonalDataSeen { premises: HOME, people: 2, device: DETECTOR, alarm: None };
    assert_eq!(
        acts,
        [(Actor::Person { by: DESK }, seen), (Actor::Person { by: ANNA }, Act::PersonalDataExported { person: ANNA })]
    );
}

async fn what_was_done_with_data_is_never_changed(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    store.tenant(GREEN).contacts_shown(HOME, &[act(31, ANNA, DESK, Met::Seen)]).await.unwrap();
    for sql in [
        "UPDATE personal_data_acts SET by_id = 902 WHERE id = 31",
        "DELETE FROM personal_data_acts WHERE id = 31",
        "DELETE FROM personal_data_acts",
    ] {
        let refused = fixture.raw(sql).await.unwrap_err().to_string();
        assert!(refused.contains("the log of personal data is append-only"), "{sql}: {refused}");
    }
    // Nor does another row take its place.
    store.tenant(GREEN).contacts_shown(HOME, &[act(31, BERTA, DESK, Met::Seen)]).await.unwrap_err();
    assert_eq!(store.acts_on_data_of(ANNA, 10).await.unwrap().len(), 1);
}

async fn everything_that_is_held_of_a_person_is_found_and_nothing_of_others(fixture: Fixture) {
    let store = &fixture.store;
    enter(store).await;
    store.open_session(&session(1, ANNA)).await.unwrap();
    store.open_session(&session(2, BERTA)).await.unwrap();
    let held = store.held_of(ANNA).await.unwrap();
    assert_eq!(held.len(), INVENTORY.len());
    let of = |table: &str, column: &str| {
        let found = held.iter().find(|it| it.held.table == table && it.held.column == column);
        found.unwrap().values.clone()
    };
    assert_eq!(of("users", "name"), ["anna-unmistakable"]);
    assert_eq!(of("users", "email"), ["anna@example.org"]);
    assert_eq!(of("users", "phone"), ["+86 139-0000-0901"]);
    assert_eq!(of("sessions", "agent"), [format!("browser of {ANNA}")]);
    assert_eq!(of("premises", "building"), ["3-201"]);
    assert_eq!(of("premises", "lat"), ["30.25"]);
    assert_eq!(of("devices", "serial").len(), 3);
    assert_eq!(of("users", "password_hash"), [""; 0], "what proves who somebody is leaves for nobody");
    let all = format!("{held:?}");
    assert!(!all.contains("berta") && !all.contains(&BERTA.to_string()) && !all.contains("argon2"), "{all}");
    // Who belongs to no premises has none of a premises' things.
    let desk = store.held_of(DESK).await.unwrap();
    assert!(desk.iter().all(|it| !matches!(it.held.whose, Whose::Premises(_)) || it.values.is_empty()));
}
