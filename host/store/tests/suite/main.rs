//! The store's behaviour, each test on SQLite and on PostgreSQL.
//!
//! PostgreSQL is reached through `DAVY_TEST_POSTGRES_URL` (a role that may create schemas); without it that half is reported
//! as skipped. `cargo xtask test` always sets it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

/// Declares each test function once for each engine.
macro_rules! both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $test() { super::$test(crate::fixture::sqlite().await).await; })+
        }
        mod postgres {
            $(#[tokio::test] async fn $test() {
                if let Some(fixture) = crate::fixture::postgres(stringify!($test)).await {
                    let schema = fixture.schema.clone();
                    super::$test(fixture).await;
                    crate::fixture::drop_schema(schema).await;
                }
            })+
        }
    };
}

mod access;
mod commit;
mod drivers;
mod fixture;
mod history;
mod ledger;
mod notifications;
mod people;
mod personal;
mod recovery;
mod releases;
mod row_level_security;
mod scopes;
mod sealed;
mod series;
mod sign_in;
mod tenancy;
