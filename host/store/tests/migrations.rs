//! What must hold of the SQL itself: the same migrations on both engines, no clock of the database, engine words in one place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn migrations(engine: &str) -> Vec<(String, String)> {
    files(&here().join("../../migrations").join(engine), "sql")
}

/// Names of tables and columns, without types: what both engines must agree on. What PostgreSQL alters in place, SQLite may have to make
/// anew: a table that was dropped just before is no new one.
fn shape(sql: &str) -> Vec<String> {
    let mut shape = Vec::new();
    let (mut dropped, mut anew) = (Vec::new(), false);
    for line in sql.lines().map(str::trim).filter(|line| !line.starts_with("--")) {
        if let Some(name) = line.strip_prefix("DROP TABLE ") {
            dropped.push(format!("CREATE TABLE {} (", name.trim_end_matches(';')));
        }
        anew = (anew || dropped.iter().any(|table| table == line)) && line != ");";
        if anew || line.starts_with("ALTER TABLE") || line.starts_with("CREATE TEMPORARY TABLE") {
            continue;
        }
        let first: Vec<&str> = line.split_whitespace().take(3).collect();
        match first.as_slice() {
            // Only one engine can truncate, has functions and row-level security, and lets a row take another one's place.
            ["CREATE", "FUNCTION" | "PROCEDURE" | "POLICY", ..] => {}
            ["CREATE", "TRIGGER", name] if name.ends_with("_no_truncate") || name.ends_with("_no_replace") => {}
            ["CREATE", "TABLE", name] => shape.push(format!("table {name}")),
            ["CREATE", ..] => shape.push(line.to_owned()),
            [column, kind, ..]
                if ["BIGINT", "INTEGER", "TEXT", "BYTEA", "BLOB", "DOUBLE", "REAL"]
                    .contains(&kind.trim_end_matches(',')) =>
            {
                shape.push(format!("{column}{}", if line.contains("NOT NULL") { " required" } else { "" }));
            }
            _ => {}
        }
    }
    shape
}

#[test]
fn both_engines_have_the_same_migrations_under_the_same_numbers_and_names() {
    let (sqlite, postgres) = (migrations("sqlite"), migrations("postgres"));
    let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&sqlite), names(&postgres));
    for (number, (name, _)) in sqlite.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", number + 1)), "`{name}` breaks the row of numbers");
    }
    for ((name, sqlite), (_, postgres)) in sqlite.iter().zip(&postgres) {
        assert_eq!(shape(sqlite), shape(postgres), "{name}");
    }
    let tables = sqlite.iter().flat_map(|(_, sql)| shape(sql)).filter(|line| line.starts_with("table ")).count();
    assert!(tables > 20, "{tables} tables were found to compare");
}

#[test]
fn the_databases_clock_is_never_asked() {
    let words = [
        "now()",
        "current_timestamp",
        "current_date",
        "clock_timestamp",
        "datetime(",
        "strftime",
        "unixepoch",
        "random(",
    ];
    let sql = [migrations("sqlite"), migrations("postgres"), files(&here().join("src"), "rs")].concat();
    for (name, text) in sql {
        let text = text.to_lowercase();
        for word in words {
            assert!(!text.contains(word), "{name} contains `{word}`: times are parameters");
        }
    }
}

#[test]
fn words_of_one_engine_are_in_one_file_only() {
    let words = [
        "json_each",
        "unnest",
        "unhex",
        "pragma",
        "::bigint",
        "any($",
        "nextval",
        "generate_series",
        "begin immediate",
        "isolation level",
        "skip locked",
        "on duplicate",
        "insert or ",
        "rowid",
        "ilike",
        "returning *",
    ];
    for (name, text) in files(&here().join("src"), "rs") {
        if name == "engine.rs" {
            continue;
        }
        let text = text.to_lowercase();
        for word in words {
            assert!(!text.contains(word), "{name} contains `{word}`, which belongs in engine.rs");
        }
    }
}

#[test]
fn every_tenants_table_names_its_tenant() {
    // Row-level security needs the column in the table itself.
    let shared = [
        "meta",
        "boots",
        "divisions",
        "tenants",
        "users",
        "sessions",
        "statutory_floor",
        "ledger_keys",
        // A person's own, whatever company they are of.
        "known_devices",
        "reset_tokens",
        "credential_letters",
        "totp_secrets",
        "recovery_codes",
    ];
    for (_, sql) in migrations("postgres") {
        for table in sql.split("CREATE TABLE ").skip(1) {
            let name = table.split_whitespace().next().unwrap();
            let body = &table[..table.find("\n);").unwrap()];
            assert!(shared.contains(&name) || body.contains("tenant_id BIGINT"), "`{name}` has no tenant_id");
        }
    }
}

#[tokio::test]
async fn lists_of_what_is_active_never_walk_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/davy.db", folder.path().display());
    let store = davy_store::Store::connect(&url, &davy_store::StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let plans = [
        (
            "EXPLAIN QUERY PLAN SELECT a.priority FROM alarms a CROSS JOIN devices d WHERE d.id = a.device_id AND \
             a.tenant_id = $1 AND d.tenant_id = $1 AND a.state <> 0 ORDER BY a.id DESC LIMIT $2",
            "USING INDEX alarms_active",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT a.priority FROM alarms a CROSS JOIN devices d WHERE d.id = a.device_id AND \
             d.division_code IN (SELECT code FROM divisions) AND a.state <> 0 ORDER BY a.id DESC LIMIT $2",
            "USING INDEX alarms_one_active",
        ),
        ("EXPLAIN QUERY PLAN SELECT priority FROM alarms WHERE state <> 0 ORDER BY id", "USING INDEX alarms_"),
    ];
    for (sql, index) in plans {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sql).bind(1_i64).bind(9_i64).fetch_all(&pool).await.unwrap();
        assert!(plan[0].3.contains(index), "{sql}: {plan:?}");
    }
}
