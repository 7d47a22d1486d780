//! Sealed keys and secrets: what needs which key, and rows that are sealed anew.

use crate::fixture::{BLUE, CHILD, DETECTOR, Fixture, GREEN, at};
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::{ImportId, Span, UserId};
use davy_store::{SealedDevice, SealedSecret, Store};

both_engines!(
    what_needs_a_key_is_counted_and_what_is_sealed_anew_no_longer_needs_it,
    a_secret_is_taken_once_and_by_its_own_company_only,
    a_revoked_key_is_gone_and_another_takes_its_place_for_the_own_company_only,
    each_act_on_a_key_is_in_the_ledger_and_one_that_touched_nothing_is_not,
    a_revoked_device_that_speaks_is_noted_each_time_and_entered_once_a_day,
    the_labels_of_an_import_are_those_of_its_devices_alone,
);

const BY: Actor = Actor::Person { by: UserId::from_raw(1) };

/// What the company's chain has of keys.
async fn acts(store: &Store) -> Vec<(Actor, Act)> {
    let head = store.ledger_head(Chain::Tenant(GREEN)).await.unwrap();
    let entries = store.ledger_run(Chain::Tenant(GREEN), 0, head.seq as u32 + 1).await.unwrap();
    let read = entries.iter().map(|entry| entry.read().unwrap());
    read.filter(|(_, act)| (49..=52).contains(&act.code())).collect()
}

fn secret(owner: i64) -> SealedSecret {
    SealedSecret {
        purpose: "p".to_owned(),
        tenant: Some(GREEN),
        owner,
        ciphertext: vec![1],
        nonce: vec![owner as u8; 12],
        kek_id: "old".to_owned(),
    }
}

async fn what_needs_a_key_is_counted_and_what_is_sealed_anew_no_longer_needs_it(fixture: Fixture) {
    let store = &fixture.store;
    for owner in 1..=3 {
        store.put_secret(&secret(owner)).await.unwrap();
    }
    let before = store.key_needs().await.unwrap();
    let rows = |kek: &str| before.iter().find(|need| need.kek_id == kek).map_or(0, |need| need.rows);
    assert_eq!(rows("old"), 3);
    let devices = store.devices_not_under("new", None, 100).await.unwrap();
    assert!(devices.iter().any(|row| row.device == DETECTOR && row.tenant == GREEN), "{devices:?}");
    assert_eq!(before.iter().map(|need| need.rows).sum::<u64>(), devices.len() as u64 + 3);

    let anew: Vec<_> = devices
        .into_iter()
        .map(|row| {
            let mut credentials = row.credentials.clone();
            "new".clone_into(&mut credentials.key_kek_id);
            credentials.key_nonce = vec![0xee; 12];
            (row.clone(), SealedDevice { credentials, ..row })
        })
        .collect();
    assert_eq!(store.reseal_devices(&anew).await.unwrap(), anew.len() as u64);
    assert_eq!(store.reseal_devices(&anew).await.unwrap(), 0, "what has changed since stays");
    assert!(store.devices_not_under("new", None, 100).await.unwrap().is_empty());

    let page = store.secrets_not_under("p", "new", 1, 1).await.unwrap();
    assert_eq!(page, [secret(2)]);
    let anew = SealedSecret { nonce: vec![0xee; 12], kek_id: "new".to_owned(), ..secret(2) };
    assert_eq!(store.reseal_secrets(&[(secret(2), anew.clone())]).await.unwrap(), 1);
    assert_eq!(store.secret("p", 2).await.unwrap(), Some(anew));
    let left = store.key_needs().await.unwrap();
    assert!(left.iter().any(|need| need.kek_id == "old" && need.rows == 2), "{left:?}");
}

async fn a_secret_is_taken_once_and_by_its_own_company_only(fixture: Fixture) {
    let store = &fixture.store;
    store.put_secret(&secret(7)).await.unwrap();
    assert_eq!(store.take_credentials("p", BLUE, ImportId::from_raw(7), BY, at(3)).await.unwrap(), None);
    assert_eq!(store.take_credentials("p", GREEN, ImportId::from_raw(7), BY, at(3)).await.unwrap(), Some(secret(7)));
    assert_eq!(store.take_credentials("p", GREEN, ImportId::from_raw(7), BY, at(3)).await.unwrap(), None);
}

async fn a_revoked_key_is_gone_and_another_takes_its_place_for_the_own_company_only(fixture: Fixture) {
    let (green, blue) = (fixture.store.tenant(GREEN), fixture.store.tenant(BLUE));
    let first = green.key_of(DETECTOR).await.unwrap().unwrap();
    assert_eq!((first.has_key, first.changed_at), (true, None));
    assert_eq!(blue.key_of(DETECTOR).await.unwrap(), None);
    assert_eq!(blue.key_of(CHILD).await.unwrap(), None, "it speaks through a gateway");
    assert!(!blue.put_key(DETECTOR, None, BY, at(1)).await.unwrap());
    assert!(green.put_key(DETECTOR, None, BY, at(1)).await.unwrap());
    let revoked = green.key_of(DETECTOR).await.unwrap().unwrap();
    assert_eq!((revoked.has_key, revoked.changed_at, &revoked.kid), (false, Some(at(1)), &first.kid));
    let devices = fixture.store.recover().await.unwrap().devices(None).await.unwrap();
    assert!(devices.iter().any(|keyed| keyed.device.id == DETECTOR && keyed.credentials.is_none()));
    let key = davy_store::DeviceCredentials {
        kid: first.kid.clone(),
        algorithm: first.algorithm,
        key_ciphertext: vec![1; 40],
        key_nonce: vec![2; 12],
        key_kek_id: "new".to_owned(),
    };
    assert!(green.put_key(DETECTOR, Some(&key), BY, at(2)).await.unwrap());
    let devices = fixture.store.recover().await.unwrap().devices(None).await.unwrap();
    assert!(devices.iter().any(|keyed| keyed.device.id == DETECTOR && keyed.credentials.as_ref() == Some(&key)));
}

async fn each_act_on_a_key_is_in_the_ledger_and_one_that_touched_nothing_is_not(fixture: Fixture) {
    let (store, green, blue) = (&fixture.store, fixture.store.tenant(GREEN), fixture.store.tenant(BLUE));
    let key = fixture.store.devices_not_under("new", None, 100).await.unwrap();
    let key = key.into_iter().find(|row| row.device == DETECTOR).unwrap().credentials;
    let import = ImportId::from_raw(7);
    store.put_secret(&secret(7)).await.unwrap();
    assert!(!blue.put_key(DETECTOR, None, BY, at(1)).await.unwrap());
    assert!(!green.put_key(CHILD, None, BY, at(1)).await.unwrap());
    green.put_key(DETECTOR, None, BY, at(1)).await.unwrap();
    green.put_key(DETECTOR, Some(&key), BY, at(2)).await.unwrap();
    store.take_credentials("p", GREEN, import, BY, at(3)).await.unwrap();
    store.take_credentials("p", GREEN, import, BY, at(4)).await.unwrap();
    let device = DETECTOR;
    let expected = [Act::KeyRevoked { device }, Act::KeyReplaced { device }, Act::KeysTaken { import }];
    assert_eq!(acts(store).await, expected.map(|act| (BY, act)));
}

async fn a_revoked_device_that_speaks_is_noted_each_time_and_entered_once_a_day(fixture: Fixture) {
    let (store, green, blue) = (&fixture.store, fixture.store.tenant(GREEN), fixture.store.tenant(BLUE));
    assert!(!green.note_revoked_spoke(DETECTOR, at(0)).await.unwrap(), "it has its key");
    assert_eq!(green.revoked_spoke(DETECTOR).await.unwrap(), None);
    green.put_key(DETECTOR, None, BY, at(1)).await.unwrap();
    assert!(store.revoked_devices().await.unwrap().iter().any(|it| it.device == DETECTOR && it.tenant == GREEN));
    let day = Span::from_hours(24);
    assert!(green.note_revoked_spoke(DETECTOR, at(2)).await.unwrap());
    assert!(!green.note_revoked_spoke(DETECTOR, at(3)).await.unwrap());
    assert!(!green.note_revoked_spoke(DETECTOR, at(1) + day).await.unwrap());
    assert!(green.note_revoked_spoke(DETECTOR, at(2) + day).await.unwrap());
    assert!(!blue.note_revoked_spoke(DETECTOR, at(9)).await.unwrap(), "it is another company's");
    let noted = green.revoked_spoke(DETECTOR).await.unwrap().unwrap();
    assert_eq!((noted.first_at, noted.last_at, noted.times), (at(2), at(2) + day, 4));
    assert_eq!(blue.revoked_spoke(DETECTOR).await.unwrap(), None);
    let spoke = (Actor::Platform, Act::RevokedSpoke { device: DETECTOR });
    assert_eq!(acts(store).await[1..], [spoke.clone(), spoke]);
}

async fn the_labels_of_an_import_are_those_of_its_devices_alone(fixture: Fixture) {
    let green = fixture.store.tenant(GREEN);
    let of = |serials: &[&str]| serials.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let all = green.devices(&davy_store::DeviceFilter::default(), None, 1_000).await.unwrap();
    let serials: Vec<String> = all.iter().map(|row| row.device.serial.clone()).collect();
    let twice = [serials.clone(), serials.clone(), of(&["NOBODYS"])].concat();
    let found = green.labels_of_serials(&twice).await.unwrap();
    assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), all.iter().map(|it| it.device.id).collect::<Vec<_>>());
    let foreign = fixture.store.tenant(BLUE).labels_of_serials(&serials).await.unwrap();
    assert!(foreign.iter().all(|it| !all.iter().any(|row| row.device.id == it.id)), "{foreign:?}");
    assert_eq!(green.labels_of_import(ImportId::from_raw(99), 10).await.unwrap(), []);
}
