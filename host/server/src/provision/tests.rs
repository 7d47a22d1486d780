use super::*;
use crate::clock::SystemRandom;
use crate::keys::DeviceSecret;
use davy_domain::DeviceKind;
use davy_domain::PersonScope;
use davy_store::StoreOptions;
use std::sync::Arc;

const CITY: &str = r#"{
  "divisions": [
    {"code": 330000, "parent": null, "level": 1, "name_zh": "浙江省", "name_en": "Zhejiang"},
    {"code": 330106, "parent": 330000, "level": 3, "name_zh": "西湖区", "name_en": "Xihu"}
  ],
  "tenants": [{"key": "a", "name": "示例燃气", "jurisdiction": 330000}],
  "premises": [
    {"key": "one", "tenant": "a", "division": 330106, "address": "样板街1号", "lon": 120.1, "lat": 30.2},
    {"key": "two", "tenant": "a", "division": 330106, "address": "样板街2号", "lon": 120.2, "lat": 30.3}
  ],
  "devices": [
    {"serial": "V1", "tenant": "a", "kind": "valve", "model": "QF", "premises": "one", "report_interval_s": 60},
    {"serial": "D1", "tenant": "a", "kind": "detector", "model": "TC", "premises": "one", "links": ["V1"],
     "algorithm": "AES-CCM-16-64-128"},
    {"serial": "V2", "tenant": "a", "kind": "valve", "model": "QF", "premises": "two",
     "key": {"master_secret": "000102030405060708090a0b0c0d0e0f", "master_salt": "1011121314151617"}, "kid": "abcdef"},
    {"serial": "G1", "tenant": "a", "kind": "gateway", "model": "WG", "lon": 120.3, "lat": 30.4, "division": 330106},
    {"serial": "GD1", "tenant": "a", "kind": "detector", "model": "TC", "parent": "G1", "lon": 120.3, "lat": 30.4}
  ],
  "users": [
    {"email": "Op@Gas.example", "name": "值班员", "roles": ["dispatcher", "safety-officer"], "tenant": "a", "password": "correct horse"},
    {"email": "reg@city.example", "name": "监管员", "roles": ["regulator"], "division": 330000, "password": "correct horse"},
    {"email": "res@home.example", "name": "住户", "roles": ["resident"], "tenant": "a", "premises": "one", "password": "correct horse"}
  ]
}"#;

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    engine: Engine,
    keys: KeyRing,
    passwords: Passwords,
    random: SharedRandom,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("davy.db").display());
        let store = Store::connect(&url, &StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let random: SharedRandom = Arc::new(SystemRandom);
        let key = folder.path().join("davy.key");
        KeyRing::create(&key, &SystemRandom).unwrap();
        let config = davy_rules::EngineConfig { pool_size: 2, ..davy_rules::EngineConfig::default() };
        Self {
            store,
            engine: Engine::new(&config).unwrap(),
            keys: KeyRing::open(&key).unwrap(),
            passwords: Passwords::new(8_192, 1, 1, Arc::clone(&random)).unwrap(),
            random,
            folder,
        }
    }

    async fn provision(&self, manifest: &Manifest) -> Result<Provisioned, ProvisionError> {
        let tools = Tools {
            store: &self.store,
            engine: &self.engine,
            admission: &Admission::here(),
            keys: &self.keys,
            passwords: &self.passwords,
            random: &self.random,
            now: Timestamp::from_millis(1_790_000_000_000),
        };
        provision(manifest, self.folder.path(), &tools).await
    }
}

#[tokio::test]
async fn a_city_is_entered_with_interlocks_sealed_keys_and_credentials_that_open_them() {
    let bench = Bench::new().await;
    let done = bench.provision(&Manifest::read(CITY).unwrap()).await.unwrap();
    assert_eq!((done.tenants, done.premises, done.devices, done.users), (1, 2, 5, 3));
    let tenant = bench.store.tenants().await.unwrap().remove(0);
    assert_eq!(tenant.context_id, tenant.id.raw().to_be_bytes());
    let mut recovery = bench.store.recover().await.unwrap();
    let devices = recovery.devices(None).await.unwrap();
    let of = |serial: &str| devices.iter().find(|keyed| keyed.device.serial == serial).unwrap();
    assert_eq!(of("D1").device.interlock, of("V1").device.interlock);
    assert_ne!(of("V2").device.interlock, of("V1").device.interlock);
    assert_eq!(of("G1").device.interlock, of("GD1").device.interlock);
    assert_eq!(of("D1").device.links, [of("V1").device.id]);
    assert_eq!(of("GD1").device.parent, Some(of("G1").device.id));
    assert_eq!(of("GD1").device.kind, DeviceKind::Detector);
    assert!(of("GD1").credentials.is_none());
    for credential in &done.credentials {
        let keyed = of(&credential.serial);
        let Some(sealed) = &keyed.credentials else {
            assert!(credential.master_secret.is_empty());
            continue;
        };
        let opened = bench.keys.unseal(tenant.id, keyed.device.id, sealed).unwrap();
        let given = DeviceSecret {
            master_secret: crate::keys::from_hex(&credential.master_secret).unwrap().try_into().unwrap(),
            master_salt: crate::keys::from_hex(&credential.master_salt).unwrap().try_into().unwrap(),
        };
        assert!(opened == given, "{}", credential.serial);
        assert_eq!(crate::keys::to_hex(&sealed.kid), credential.kid);
        let name = if sealed.algorithm == 10 { "aes-ccm-16-64-128" } else { "a128gcm" };
        assert_eq!(credential.algorithm.as_deref(), Some(name));
    }
    assert_eq!(of("V2").credentials.as_ref().unwrap().kid, [0xab, 0xcd, 0xef]);
    assert_eq!(of("D1").credentials.as_ref().unwrap().algorithm, 10);
    let user = bench.store.user_by_email("op@gas.example").await.unwrap().unwrap();
    assert_eq!(user.scope, PersonScope::Tenant { tenant: tenant.id });
    assert_eq!(user.roles.to_string(), "safety-officer dispatcher");
    assert!(user.password_hash.starts_with("$argon2id$"));
}

#[tokio::test]
async fn a_faulty_manifest_enters_nothing_and_names_every_fault_with_its_place() {
    let bench = Bench::new().await;
    let faulty = CITY
        .replace(r#""links": ["V1"]"#, r#""links": ["V9", "D1"]"#)
        .replace(
            r#""premises": "two",
     "key""#,
            r#""premises": "three",
     "key""#,
        )
        .replace(r#""master_salt": "1011121314151617""#, r#""master_salt": "10""#)
        .replace(r#"["dispatcher", "safety-officer"]"#, r#"["dispatcher", "regulator"]"#)
        .replace(
            r#""roles": ["resident"], "tenant": "a", "premises": "one""#,
            r#""roles": ["resident"], "tenant": "a""#,
        );
    let Err(ProvisionError::Faults { faults }) = bench.provision(&Manifest::read(&faulty).unwrap()).await else {
        panic!("the faulty manifest was entered")
    };
    assert_eq!(
        faults,
        [
            "devices.1.links: there is no device `V9` in this tenant",
            "devices.1.links: `D1` has no valve",
            "devices.2.premises: there is no premises `three` in this manifest",
            "devices.2.lon: expected `lon` and `lat` for a device without premises",
            "devices.2.key: expected `master_secret` of 16 bytes and `master_salt` of 8 bytes as hexadecimal digits",
            "users.0.roles: expected at least one role, all of them of one scope, got `regulator dispatcher`",
            "users.2.roles: the platform's administrator has nothing else, a regulator a `division`, a company's people a `tenant`, a \
             property manager a `tenant` and a `community`, a resident a `tenant` and a `premises`",
        ]
    );
    assert!(bench.store.tenants().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_device_cannot_have_the_platforms_own_id() {
    let bench = Bench::new().await;
    let faulty = CITY.replace(r#""kid": "abcdef""#, r#""kid": "73""#);
    let Err(ProvisionError::Faults { faults }) = bench.provision(&Manifest::read(&faulty).unwrap()).await else {
        panic!("a device was entered whose messages would be sealed as the platform's own")
    };
    assert_eq!(faults, ["devices.2.kid: `73` is the platform's own id; give the device any other"]);
    let longer = CITY.replace(r#""kid": "abcdef""#, r#""kid": "7373""#);
    assert!(bench.provision(&Manifest::read(&longer).unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_rule_that_is_no_component_is_refused_before_anything_is_entered() {
    let bench = Bench::new().await;
    std::fs::write(bench.folder.path().join("rule.wasm"), b"\0asm nonsense").unwrap();
    let with_rule =
        CITY.replace(r#""jurisdiction": 330000}"#, r#""jurisdiction": 330000, "rule": {"component": "rule.wasm"}}"#);
    let refused = bench.provision(&Manifest::read(&with_rule).unwrap()).await.unwrap_err();
    assert!(matches!(&refused, ProvisionError::Rule { tenant, .. } if tenant == "a"), "{refused}");
    assert!(bench.store.tenants().await.unwrap().is_empty());
}

#[test]
fn a_manifest_of_the_wrong_shape_is_refused_with_the_field() {
    let text = CITY.replace(r#""kind": "gateway""#, r#""kind": "toaster""#);
    let refused = Manifest::read(&text).unwrap_err().to_string();
    assert!(refused.contains("wrong at `devices[3].kind`") && refused.contains("toaster"), "{refused}");
    let text = CITY.replace(r#""sleepy""#, r#""sleepi""#).replace(r#""model": "WG""#, r#""modell": "WG""#);
    assert!(Manifest::read(&text).unwrap_err().to_string().contains("modell"));
}

#[test]
fn credentials_are_written_for_their_owner_only_and_never_over_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.json");
    write_credentials(&path, &[]).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(write_credentials(&path, &[]), Err(ProvisionError::File { .. })));
}
