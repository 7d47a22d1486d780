use super::*;
use crate::clock::SystemRandom;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const TENANT: TenantId = TenantId::from_raw(3);
const DEVICE: DeviceId = DeviceId::from_raw(9);

fn ring() -> (tempfile::TempDir, PathBuf, KeyRing) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("davy.key");
    KeyRing::create(&path, &SystemRandom).unwrap();
    let ring = KeyRing::open(&path).unwrap();
    (folder, path, ring)
}

fn stored(sealed: Sealed) -> DeviceCredentials {
    DeviceCredentials {
        kid: vec![1],
        algorithm: 1,
        key_ciphertext: sealed.ciphertext,
        key_nonce: sealed.nonce,
        key_kek_id: sealed.kek_id,
    }
}

#[test]
fn a_sealed_key_opens_for_its_own_tenant_and_device_only() {
    let (_folder, _, ring) = ring();
    let secret = DeviceSecret::generate(&SystemRandom).unwrap();
    let sealed = stored(ring.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
    assert!(ring.unseal(TENANT, DEVICE, &sealed).unwrap() == secret);
    let other = ring.unseal(TenantId::from_raw(4), DEVICE, &sealed);
    assert!(matches!(other, Err(KeyError::Altered { .. })), "{other:?}");
    let other = ring.unseal(TENANT, DeviceId::from_raw(10), &sealed);
    assert!(matches!(other, Err(KeyError::Altered { .. })), "{other:?}");
}

#[test]
fn one_altered_bit_is_found() {
    let (_folder, _, ring) = ring();
    let secret = DeviceSecret::generate(&SystemRandom).unwrap();
    let mut sealed = stored(ring.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
    sealed.key_ciphertext[5] ^= 1;
    assert!(matches!(ring.unseal(TENANT, DEVICE, &sealed), Err(KeyError::Altered { .. })));
}

#[test]
fn after_a_rotation_old_keys_still_open_and_the_new_one_seals() {
    let (_folder, path, ring) = ring();
    let secret = DeviceSecret::generate(&SystemRandom).unwrap();
    let before = stored(ring.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{}\n{old}", "ab".repeat(32))).unwrap();
    let rotated = KeyRing::open(&path).unwrap();
    assert!(rotated.unseal(TENANT, DEVICE, &before).unwrap() == secret);
    let after = stored(rotated.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
    assert_ne!(after.key_kek_id, before.key_kek_id);
    assert!(matches!(ring.unseal(TENANT, DEVICE, &after), Err(KeyError::UnknownKey { .. })));
}

#[test]
fn a_key_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
    let (_folder, path, _) = ring();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let text = KeyRing::open(&path).unwrap_err().to_string();
    assert!(text.contains("mode 0640, expected 0600: run `chmod 600"), "{text}");
}

#[test]
fn a_key_file_is_never_overwritten_and_its_content_is_never_shown() {
    let (_folder, path, _) = ring();
    assert!(KeyRing::create(&path, &SystemRandom).is_err());
    std::fs::write(&path, "not-a-key-but-secret\n").unwrap();
    let text = KeyRing::open(&path).unwrap_err().to_string();
    assert!(text.contains("line 1") && text.contains("got 20 characters") && !text.contains("secret"), "{text}");
}

#[test]
fn a_secret_opens_for_its_purpose_company_and_owner_only() {
    let (_folder, _, ring) = ring();
    let sealed = ring.seal_for(Purpose::TOTP, (Some(TENANT), 7), b"otp seed", &SystemRandom).unwrap();
    assert_eq!(ring.unseal_for(Purpose::TOTP, &sealed).unwrap().as_slice(), b"otp seed");
    assert!(matches!(ring.unseal_for(Purpose::LEDGER, &sealed), Err(KeyError::AlteredSecret { .. })));
    for moved in [SealedSecret { owner: 8, ..sealed.clone() }, SealedSecret { tenant: None, ..sealed }] {
        assert!(matches!(ring.unseal_for(Purpose::TOTP, &moved), Err(KeyError::AlteredSecret { .. })), "{moved:?}");
    }
}

#[test]
fn a_ring_that_is_read_anew_has_the_new_key_in_every_clone_and_stays_whole_when_the_file_is_not() {
    let (_folder, path, ring) = ring();
    let clone = ring.clone();
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{}\n{old}", "ab".repeat(32))).unwrap();
    ring.refresh().unwrap();
    let ids = clone.ids();
    assert_eq!((ids.len(), clone.newest()), (2, ids[0].clone()));
    std::fs::write(&path, "half a ke").unwrap();
    assert!(ring.refresh().is_err());
    assert_eq!(clone.ids(), ids);
    std::fs::write(&path, format!("{old}{old}")).unwrap();
    assert!(matches!(ring.refresh(), Err(KeyError::Twice { .. })));
}

#[test]
fn keys_come_from_the_environment_or_a_command_as_from_a_file() {
    let (_folder, path, ring) = ring();
    let line = std::fs::read_to_string(&path).unwrap();
    let text = Zeroizing::new(format!("{},{}", line.trim(), "ab".repeat(32)));
    let by_text = KeyRing::read(KeySource::Environment(text)).unwrap();
    assert_eq!((by_text.newest(), by_text.ids().len()), (ring.newest(), 2));
    let words = vec!["/bin/cat".to_owned(), path.display().to_string()];
    let within = std::time::Duration::from_secs(20);
    let by_command = KeyRing::read(KeySource::Command { words, within, without: Vec::new() }).unwrap();
    assert_eq!(by_command.newest(), ring.newest());
    let words = vec!["/bin/echo".to_owned(), "secret-that-is-no-key".to_owned()];
    let text = KeyRing::read(KeySource::Command { words, within, without: Vec::new() }).unwrap_err().to_string();
    assert!(text.contains("line 1 of the output of `keys.command` is no key") && !text.contains("secret"), "{text}");
}
