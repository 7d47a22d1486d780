//! The `davy` binary from the outside: commands, exit codes, and a start and stop that loses nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn davy(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_davy"));
    command
        .env_clear()
        .env("DAVY_DATABASE_URL", format!("sqlite://{}", folder.join("data/davy.db").display()))
        .env("DAVY_KEYS_FILE", folder.join("data/davy.key"))
        .env("DAVY_HTTP_LISTEN", "127.0.0.1:0")
        .env("DAVY_HTTP_SECURE_COOKIES", "false")
        .env("DAVY_COAP_LISTEN", "127.0.0.1:0")
        .current_dir(folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    davy(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn wrong_settings_are_refused_with_exit_code_2_and_what_to_mend() {
    let folder = tempfile::tempdir().unwrap();
    let out = davy(folder.path()).arg("serve").env("DAVY_HTTP_LISTN", "x").output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("did you mean DAVY_HTTP_LISTEN?"), "{}", text(&out.stderr));
    let out = run(folder.path(), &["--config", "absent.toml", "migrate"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("cannot read the settings file absent.toml"));
}

#[test]
fn the_printed_settings_are_a_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(folder.path(), &["config"]);
    assert!(printed.status.success());
    assert!(text(&printed.stdout).contains("[DAVY_SESSION_LIFETIME]"));
    std::fs::write(folder.path().join("davy.toml"), &printed.stdout).unwrap();
    let again = run(folder.path(), &["--config", "davy.toml", "config"]);
    assert_eq!(text(&again.stdout), text(&printed.stdout));
}

#[test]
fn the_openapi_document_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(folder.path(), &["openapi"]);
    let golden = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    assert!(printed.stdout == golden, "it differs from openapi.json; UPDATE_GOLDEN=1 writes that file anew");
}

#[test]
fn serving_without_a_key_file_is_refused_with_the_command_that_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(folder.path(), &["serve"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("davy keygen"), "{}", text(&out.stderr));
}

#[test]
fn a_city_is_entered_served_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(run(path, &["keygen"]).status.success());
    assert_eq!(run(path, &["keygen"]).status.code(), Some(1), "a key file must not be overwritten");
    assert!(run(path, &["migrate"]).status.success());
    let manifest = serde_json::json!({
        "tenants": [{"key": "a", "name": "示例燃气"}],
        "premises": [{"key": "one", "tenant": "a", "address": "样板街1号", "lon": 120.1, "lat": 30.2}],
        "devices": [{"serial": "V1", "tenant": "a", "kind": "valve", "model": "QF", "premises": "one"}],
        "users": [{"email": "op@gas.example", "name": "值班员", "roles": ["dispatcher"], "tenant": "a", "password": "correct horse"}],
    });
    std::fs::write(path.join("city.json"), manifest.to_string()).unwrap();
    let entered = run(path, &["provision", "city.json", "--credentials", "fleet.json"]);
    assert_eq!(
        text(&entered.stdout),
        "entered 1 tenant(s), 1 premises, 1 device(s), 1 user(s)\n",
        "{}",
        text(&entered.stderr)
    );
    let fleet: serde_json::Value = serde_json::from_slice(&std::fs::read(path.join("fleet.json")).unwrap()).unwrap();
    assert_eq!((fleet[0]["serial"].as_str(), fleet[0]["master_secret"].as_str().map(str::len)), (Some("V1"), Some(32)));

    let mut server = davy(path).arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let http = ready.split_whitespace().find_map(|word| word.strip_prefix("http=http://")).unwrap_or_else(|| {
        let mut log = String::new();
        server.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        panic!("no ready line but `{ready}`: {log}")
    });
    for (request, expected) in [("/readyz", "ready"), ("/metrics", "davy_http_requests_total")] {
        let mut stream = TcpStream::connect(http).unwrap();
        write!(stream, "GET {request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(expected), "{request}: {answer}");
    }
    let terminated = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(terminated.success());
    let ended = server.wait().unwrap();
    let mut log = String::new();
    server.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(ended.success(), "{log}");
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains(fleet[0]["master_secret"].as_str().unwrap()));
}

#[test]
fn a_company_is_taken_along_as_a_file_and_brought_into_an_empty_place() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manifest = serde_json::json!({
        "tenants": [{"key": "a", "name": "示例燃气"}, {"key": "b", "name": "别家燃气"}],
        "premises": [{"key": "one", "tenant": "a", "address": "样板街1号", "lon": 120.1, "lat": 30.2}],
        "devices": [{"serial": "V1", "tenant": "a", "kind": "valve", "model": "QF", "premises": "one"}],
        "users": [{"email": "op@gas.example", "name": "值班员", "roles": ["dispatcher"], "tenant": "a", "password": "correct horse"}],
    });
    std::fs::write(old.path().join("city.json"), manifest.to_string()).unwrap();
    assert!(run(old.path(), &["keygen"]).status.success());
    let entered = run(old.path(), &["provision", "city.json"]);
    assert!(entered.status.success(), "{}", text(&entered.stderr));
    let listed = text(&run(old.path(), &["tenant", "list"]).stdout);
    let of =
        |name: &str| listed.lines().find(|line| line.ends_with(name)).unwrap().split(' ').next().unwrap().to_owned();
    let (company, other) = (of("示例燃气"), of("别家燃气"));
    let suspended = run(old.path(), &["tenant", "suspend", &company]);
    assert!(text(&suspended.stdout).contains("devices stay protected"), "{}", text(&suspended.stderr));
    assert!(text(&run(old.path(), &["tenant", "list"]).stdout).contains("suspended"));

    let archive = new.path().join("a.jsonl");
    let file = archive.to_str().unwrap();
    let written = run(old.path(), &["tenant", "export", &company, "--to", file]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    assert_eq!(
        run(old.path(), &["tenant", "export", &company, "--to", file]).status.code(),
        Some(1),
        "never over a file"
    );
    assert_eq!(std::fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = std::fs::read_to_string(&archive).unwrap();
    assert!(
        whole.contains("样板街1号")
            && !whole.contains("别家燃气")
            && !whole.contains(&other)
            && !whole.contains("argon2")
    );

    // Cut off, or with a row changed, it brings in nothing.
    let cut = &whole[..whole.len() - 40];
    let changed = whole.replace("样板街1号", "样板街2号");
    for (broken, why) in [(cut, "it was cut off"), (changed.as_str(), "premises is not what the manifest says")] {
        let path = new.path().join("broken.jsonl");
        std::fs::write(&path, broken).unwrap();
        let refused = run(new.path(), &["tenant", "import", path.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
        assert_eq!(text(&run(new.path(), &["tenant", "list"]).stdout), "");
    }
    assert!(text(&run(new.path(), &["tenant", "import", "--check", file]).stdout).contains(&company));
    let entered = run(new.path(), &["tenant", "import", file]);
    assert!(entered.status.success(), "{}", text(&entered.stderr));
    assert!(text(&run(new.path(), &["tenant", "list"]).stdout).contains(&company));
    // What comes out of the new place is what went in, but for the acts of taking it along.
    let again = new.path().join("again.jsonl");
    assert!(run(new.path(), &["tenant", "export", &company, "--to", again.to_str().unwrap()]).status.success());
    let rows = |text: &str| {
        text.lines().filter(|line| line.starts_with("{\"table\"")).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rows(&std::fs::read_to_string(&again).unwrap()), rows(&whole));
}
