//! What SQLite cannot enforce and PostgreSQL should never have to: every statement of a scoped store names whose rows it means.
//!
//! Read from the source, so that a statement that no test runs is judged as well. rustfmt keeps each item's braces at the margin, which
//! is all that this needs to know about Rust.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Types whose methods answer within a scope.
const SCOPED: [&str; 6] =
    ["ScopedStore", "TenantStore", "RegulatorStore", "PremisesStore", "StoredHistory", "HistoryPages"];

/// Macros that put the scope's condition in by themselves.
const PUT_IT_IN: [&str; 5] = ["scoped", "scoped_rows", "scoped_premises", "summaries", "premises"];

/// The tables with rows of companies, by the migrations.
fn guarded() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
    let mut tables = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for table in text.split("CREATE TABLE ").skip(1) {
            let name = table.split_whitespace().next().unwrap().trim_end_matches('(');
            if table.split("\n)").next().unwrap().contains("tenant_id") {
                tables.push(name.to_owned());
            }
        }
    }
    tables
}

/// The items of a file: those that begin at the margin, up to the next.
fn items(text: &str) -> Vec<&str> {
    let mut begins: Vec<usize> = text
        .match_indices('\n')
        .map(|(at, _)| at + 1)
        .filter(|at| text[*at..].starts_with(|c: char| c.is_alphabetic()))
        .collect();
    begins.insert(0, 0);
    begins.push(text.len());
    begins.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// The calls of macros in an item that hold SQL, each with its name and its literals put together.
fn statements(item: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = item;
    while let Some(at) = rest.find("!(") {
        let begin = rest[..at].rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |before| before + 1);
        let name = &rest[begin..at];
        let (sql, end) = literals(&rest[at + 2..]);
        if ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| sql.contains(verb)) {
            found.push((name, sql));
        }
        rest = &rest[at + 2 + end..];
    }
    found
}

/// The literals up to the closing bracket, and where that is.
fn literals(text: &str) -> (String, usize) {
    let (mut sql, mut depth, mut quoted, mut escaped) = (String::new(), 1, false, false);
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (true, '"') => quoted = false,
            (true, c) => sql.push(c),
            (false, '"') => quoted = true,
            (false, '(') => depth += 1,
            (false, ')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (sql, at);
        }
    }
    (sql, text.len())
}

fn touches(sql: &str, tables: &[String]) -> bool {
    let words: Vec<&str> =
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    words.windows(2).any(|pair| {
        matches!(pair[0], "FROM" | "JOIN" | "INTO" | "UPDATE") && tables.iter().any(|table| table == pair[1])
    })
}

fn names_a_scope(sql: &str) -> bool {
    let sql = sql.trim_start();
    let by_condition = ["tenant_id = $", "tenant_id = b.tenant_id"].iter().any(|name| sql.contains(name));
    // What is entered has its company in it, and row-level security compares.
    by_condition
        || (sql.starts_with("INSERT INTO")
            && sql.split('(').nth(1).is_some_and(|columns| columns.contains("tenant_id")))
}

/// The statements of `file` that answer within a scope and name none; and how many were looked at.
fn strays(text: &str, bulk: &BTreeMap<String, String>, tables: &[String]) -> (Vec<String>, usize) {
    let items = items(text);
    let is_scoped = |item: &&str| {
        let head = item.split('{').next().unwrap();
        head.starts_with("impl") && !head.contains(" for ") && SCOPED.iter().any(|name| head.contains(name))
    };
    if !items.iter().any(is_scoped) {
        return (Vec::new(), 0);
    }
    let (mut strays, mut looked_at) = (Vec::new(), 0);
    // A function beside a scoped type works for it.
    for item in items
        .iter()
        .filter(|item| is_scoped(item) || item.starts_with("async fn") || item.starts_with("pub(crate) async fn"))
    {
        for (name, sql) in statements(item) {
            looked_at += 1;
            if touches(&sql, tables) && !PUT_IT_IN.contains(&name) && !names_a_scope(&sql) {
                strays.push(sql);
            }
        }
        for (name, sql) in bulk {
            if item.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name) {
                looked_at += 1;
                if touches(sql, tables) && !names_a_scope(sql) {
                    strays.push(sql.clone());
                }
            }
        }
    }
    (strays, looked_at)
}

/// The statements that `engine.rs` declares for many rows at once, by name.
fn bulk(engine: &str) -> BTreeMap<String, String> {
    let calls = items(engine).into_iter().filter(|item| item.starts_with("bulk!("));
    calls
        .map(|call| {
            let name = call["bulk!(".len()..].split(',').next().unwrap().trim().to_owned();
            (name, literals(&call["bulk!(".len()..]).0)
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn every_statement_of_a_scoped_store_names_its_scope() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let tables = guarded();
    assert!(tables.len() >= 25, "{tables:?}");
    let bulk = bulk(&std::fs::read_to_string(source.join("engine.rs")).unwrap());
    assert!(bulk.len() >= 20, "{bulk:?}");
    let (mut all, mut looked_at) = (Vec::new(), 0);
    for path in files(&source) {
        let (strays, some) = strays(&std::fs::read_to_string(&path).unwrap(), &bulk, &tables);
        looked_at += some;
        all.extend(strays.iter().map(|sql| format!("{}: {sql}", path.display())));
    }
    assert!(looked_at >= 50, "only {looked_at} statements were found: has the way that they are written changed?");
    assert!(all.is_empty(), "statements within a scope that do not name it:\n{}", all.join("\n"));
}

#[test]
fn a_statement_without_a_scope_is_found() {
    let tables = ["alarms".to_owned()];
    let bulk =
        BTreeMap::from([("ALARMS_OF".to_owned(), "SELECT a.id FROM batch b JOIN alarms a ON a.id = b.id".to_owned())]);
    let method =
        |body: &str| format!("//! x\n\nimpl TenantStore {{\n    async fn x(&self) {{\n        {body}\n    }}\n}}\n");
    let count = |body: &str| strays(&method(body), &bulk, &tables).0.len();
    assert_eq!(count(r#"fetch_all!(on, Row, "SELECT id FROM alarms WHERE state <> 0")"#), 1);
    assert_eq!(count(r#"execute!(tx.on(), columns!("UPDATE ", "alarms SET state = 0"), f(1))"#), 1);
    assert_eq!(count("ALARMS_OF.fetch(on, &[])"), 1);
    assert_eq!(count(r#"fetch_all!(on, Row, "SELECT id FROM alarms WHERE tenant_id = $1")"#), 0);
    assert_eq!(count(r#"scoped!(self.scope, "SELECT a.id FROM alarms a JOIN devices d WHERE ", "")"#), 0);
    assert_eq!(count(r#"execute!(on, "INSERT INTO alarms (id, tenant_id) VALUES ($1, $2)")"#), 0);
    assert_eq!(strays("impl Store {\n    f!(\"SELECT id FROM alarms\");\n}\n", &bulk, &tables).1, 0);
}
