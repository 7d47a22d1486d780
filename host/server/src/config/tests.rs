use super::*;

fn refused(result: Result<Settings, SettingsError>) -> Vec<String> {
    match result {
        Err(SettingsError::Refused { faults }) => faults,
        other => panic!("expected refused settings, got {other:?}"),
    }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn the_defaults_are_good_settings_and_are_written_as_they_are_read() {
    let defaults = Settings::defaults().unwrap();
    for setting in defaults.describe() {
        assert_eq!(setting.value, setting.default, "{}", setting.name);
    }
    assert_eq!(defaults.describe().len(), Settings::NAMES.len());
}

#[test]
fn the_document_is_a_settings_file_that_gives_the_same_settings() {
    let changed = environment(&[("DAVY_HTTP_LISTEN", "0.0.0.0:9"), ("DAVY_SESSION_LIFETIME", "90 min")]);
    let settings = Settings::load(None, changed).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), settings.document()).unwrap();
    assert_eq!(Settings::load(Some(file.path()), []).unwrap(), settings);
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[ingest]\nshards = 3\n[live]\nqueue = 99\n").unwrap();
    let settings = Settings::load(Some(file.path()), environment(&[("DAVY_INGEST_SHARDS", "5")])).unwrap();
    assert_eq!((settings.ingest_shards, settings.live_queue), (5, 99));
}

#[test]
fn every_fault_is_reported_at_once_with_what_to_mend() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[http]\nlisten = \"nowhere\"\nsecure-cookie = true\n[session]\nlifetime = 12\n")
        .unwrap();
    let faults = refused(Settings::load(
        Some(file.path()),
        environment(&[("DAVY_COAP_LISTENN", "x"), ("DAVY_TEST_POSTGRES_URL", "ignored")]),
    ));
    let path = file.path().display();
    assert_eq!(
        faults,
        [
            "the environment variable DAVY_COAP_LISTENN is not a setting; did you mean DAVY_COAP_LISTEN?".to_owned(),
            format!(
                "`http.listen` in {path}: expected an address with a port such as 127.0.0.1:8080 or [::]:8080, got `nowhere`"
            ),
            format!(
                "`session.lifetime` in {path}: expected a length of time such as 250 ms, 30 s, 15 min, 12 h or 7 d, got `12` (the unit is missing or unknown)"
            ),
            format!("`http.secure-cookie` in {path} is not a setting; did you mean `http.secure-cookies`?"),
        ]
    );
}

#[test]
fn insecure_cookies_are_refused_on_a_public_address() {
    let faults = refused(Settings::load(
        None,
        environment(&[("DAVY_HTTP_LISTEN", "0.0.0.0:80"), ("DAVY_HTTP_SECURE_COOKIES", "false")]),
    ));
    assert!(faults[0].starts_with("`http.secure-cookies` may be false only"), "{faults:?}");
    let loopback = environment(&[("DAVY_HTTP_LISTEN", "[::1]:80"), ("DAVY_HTTP_SECURE_COOKIES", "false")]);
    assert!(Settings::load(None, loopback).is_ok());
}

#[test]
fn a_database_password_is_not_shown() {
    let settings = environment(&[("DAVY_DATABASE_URL", "postgres://davy:hunter2@db/davy")]);
    let document = Settings::load(None, settings).unwrap().document();
    assert!(document.contains("postgres://davy:…@db/davy"), "{document}");
    assert!(!document.contains("hunter2"));
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[http\nlisten = 1").unwrap();
    let text = Settings::load(Some(file.path()), []).unwrap_err().to_string();
    assert!(text.contains("not valid TOML") && text.contains("line 1"), "{text}");
}

#[test]
fn a_key_comes_from_the_environment_only_and_is_shown_nowhere() {
    let key = "5a".repeat(32);
    let settings = Settings::load(None, environment(&[("DAVY_KEYS_TEXT", &key)])).unwrap();
    assert_eq!(settings.keys_text.text(), Some(key.as_str()));
    assert!(!format!("{settings:?} {}", settings.document()).contains("5a5a"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("[keys]\ntext = \"{key}\"\n")).unwrap();
    let fault = refused(Settings::load(Some(file.path()), [])).join(" ");
    assert!(fault.contains("set the environment variable DAVY_KEYS_TEXT") && !fault.contains("5a5a"), "{fault}");
    let both = environment(&[("DAVY_KEYS_TEXT", &key), ("DAVY_KEYS_COMMAND", "/bin/true")]);
    assert_eq!(
        refused(Settings::load(None, both)),
        ["`keys.text` and `keys.command` are both set: leave one of them empty"]
    );
}
