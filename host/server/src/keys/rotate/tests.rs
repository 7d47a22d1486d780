use super::*;
use crate::clock::SystemRandom;
use crate::keys::DeviceSecret;
use davy_domain::{DeviceId, DeviceKind, InterlockId, TenantId};
use davy_store::{Device, NewDevice, Provision, StoreOptions, Tenant};
use std::path::PathBuf;

const TENANT: TenantId = TenantId::from_raw(3);
const DEVICES: i64 = 7;

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    store: Store,
    keys: KeyRing,
    secrets: Vec<DeviceSecret>,
}

/// Seven devices and one other secret, sealed under the only key.
async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("davy.key");
    KeyRing::create(&path, &SystemRandom).unwrap();
    let keys = KeyRing::open(&path).unwrap();
    let url = format!("sqlite://{}", folder.path().join("davy.db").display());
    let store = Store::connect(&url, &StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let tenant = Tenant { id: TENANT, name: "A".to_owned(), context_id: vec![1], jurisdiction: None };
    let mut rows = Provision { tenants: vec![tenant], ..Provision::default() };
    let mut secrets = Vec::new();
    for at in 0..DEVICES {
        let id = DeviceId::from_raw(100 + at);
        let secret = DeviceSecret::generate(&SystemRandom).unwrap();
        let sealed = keys.seal(TENANT, id, &secret, &SystemRandom).unwrap();
        let credentials = DeviceCredentials {
            kid: vec![at as u8],
            algorithm: 1,
            key_ciphertext: sealed.ciphertext,
            key_nonce: sealed.nonce,
            key_kek_id: sealed.kek_id,
        };
        let device = Device {
            id,
            tenant: TENANT,
            interlock: InterlockId::from_raw(100 + at),
            premises: None,
            division: None,
            parent: None,
            serial: format!("S{at}"),
            kind: DeviceKind::Detector,
            model: "m".to_owned(),
            installed_at: None,
            report_interval: None,
            sleepy: false,
            lon: 0.0,
            lat: 0.0,
            links: Vec::new(),
        };
        rows.devices.push(NewDevice { device, credentials: Some(credentials) });
        secrets.push(secret);
    }
    store.provision(&rows).await.unwrap();
    let totp = keys.seal_for(Purpose::TOTP, (Some(TENANT), 5), b"seed", &SystemRandom).unwrap();
    store.put_secret(&totp).await.unwrap();
    Bench { _folder: folder, path, store, keys, secrets }
}

impl Bench {
    async fn opens_everything(&self, keys: &KeyRing) -> bool {
        let devices = self.store.recover().await.unwrap().devices(None).await.unwrap();
        let devices = devices.iter().zip(&self.secrets).all(|(keyed, secret)| {
            keys.unseal(TENANT, keyed.device.id, keyed.credentials.as_ref().unwrap()).is_ok_and(|it| it == *secret)
        });
        let totp = self.store.secret(Purpose::TOTP.name(), 5).await.unwrap().unwrap();
        devices && keys.unseal_for(Purpose::TOTP, &totp).is_ok_and(|it| it.as_slice() == b"seed")
    }
}

#[tokio::test]
async fn a_rotation_goes_by_batches_leaves_every_secret_readable_and_lets_the_old_key_go_only_then() {
    let bench = bench().await;
    let source = KeySource::File(bench.path.clone());
    let old = bench.keys.newest();
    let new = add(&source, &SystemRandom).unwrap();
    bench.keys.refresh().unwrap();
    assert_eq!(bench.keys.ids(), [new.clone(), old.clone()]);

    let early = drop_key(&bench.store, &source, &old).await.unwrap_err().to_string();
    assert!(early.contains("still needed by 8 row(s): run `davy keys reseal`"), "{early}");
    let mut told = Vec::new();
    let done = reseal(&bench.store, &bench.keys, &SystemRandom, 3, |at| told.push(at.done)).await.unwrap();
    assert_eq!((done, told), (8, vec![0, 3, 6, 7, 8]));
    assert!(bench.opens_everything(&bench.keys).await);

    let sealing = drop_key(&bench.store, &source, &new).await.unwrap_err().to_string();
    assert!(sealing.contains("it is the one that seals"), "{sealing}");
    drop_key(&bench.store, &source, &old).await.unwrap();
    let alone = KeyRing::open(&bench.path).unwrap();
    assert_eq!(alone.ids(), [new]);
    assert!(bench.opens_everything(&alone).await);
    assert_eq!(reseal(&bench.store, &alone, &SystemRandom, 3, |_| ()).await.unwrap(), 0);
}

#[tokio::test]
async fn what_has_changed_since_it_was_read_is_left_as_it_is() {
    let bench = bench().await;
    add(&KeySource::File(bench.path.clone()), &SystemRandom).unwrap();
    bench.keys.refresh().unwrap();
    let read = bench.store.devices_not_under(&bench.keys.newest(), None, 1).await.unwrap().remove(0);
    let first = reseal_device(&bench.keys, &SystemRandom, read.clone()).unwrap();
    let second = reseal_device(&bench.keys, &SystemRandom, read).unwrap();
    assert_eq!(bench.store.reseal_devices(&[first]).await.unwrap(), 1);
    assert_eq!(bench.store.reseal_devices(&[second]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_key_that_a_row_needs_and_nobody_has_is_listed() {
    let bench = bench().await;
    std::fs::write(&bench.path, format!("{}\n", "ab".repeat(32))).unwrap();
    let keys = KeyRing::open(&bench.path).unwrap();
    let uses = uses(&bench.store, &keys).await.unwrap();
    let missing = KeyUse { id: bench.keys.newest(), is_here: false, seals: false, rows: 8 };
    assert_eq!(uses, [KeyUse { id: keys.newest(), is_here: true, seals: true, rows: 0 }, missing]);
    let error = reseal(&bench.store, &keys, &SystemRandom, 3, |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("add the old key as a further line"), "{error}");
}
