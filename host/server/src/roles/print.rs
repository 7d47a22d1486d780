//! The permission table as Markdown, for people to read and for reviews to compare.

use super::{Access, Deed, FORMS, OPERATIONS, PAGES, STREAMS};
use davy_domain::Role;
use std::fmt::Write as _;

const HEAD: &str = "# Who may do what

Printed from the table in `host/server/src/roles.rs`, which is what the server asks; a test compares the two.

A person has one *scope* and a set of *roles* that fit it. The scope says whose things they can meet at all: what lies outside of it is not
found (404), whatever the role. The role says what they may do inside (403 otherwise). Without a session or a token nothing is found out
(401). A token may do what it was given, as far as its maker still may.

## Roles

Names and codes are stable: they are stored and they are in the API.

| role | code | scope |
| --- | --- | --- |
";

/// The whole document.
pub fn table() -> String {
    let mut out = HEAD.to_owned();
    // Writing to a text cannot fail.
    for role in Role::ALL {
        let _ = writeln!(out, "| `{role}` | {} | {} |", role.code(), role.scope().name());
    }
    out.push_str("\n## Permissions\n\nThe code, as `resource:action`, is what a token is given.\n\n| permission |");
    for role in Role::ALL {
        let _ = write!(out, " {} |", role.name().replace('-', " "));
    }
    out.push_str("\n| --- |");
    out.push_str(&" --- |".repeat(Role::ALL.len()));
    out.push('\n');
    for deed in Deed::ALL {
        let _ = write!(out, "| `{}` |", deed.code());
        for role in Role::ALL {
            out.push_str(if deed.allowed(*role) { " yes |" } else { " |" });
        }
        out.push('\n');
    }
    for (title, first, rows) in [
        ("Operations of the REST API", "operation", OPERATIONS),
        ("Streams", "operation", STREAMS),
        ("Plain forms", "target", FORMS),
        ("Pages", "route", PAGES),
    ] {
        let _ = write!(out, "\n## {title}\n\n| {first} | needs |\n| --- | --- |\n");
        for (way, access) in rows {
            let needs = match access {
                Access::Public => "nothing".to_owned(),
                Access::SignedIn => "somebody who is signed in".to_owned(),
                Access::Of(deed) => format!("`{}`", deed.code()),
            };
            let _ = writeln!(out, "| `{way}` | {needs} |");
        }
    }
    out
}
