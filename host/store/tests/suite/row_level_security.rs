//! PostgreSQL itself keeps scopes apart: raw SQL without a condition, as the roles that scoped transactions take on.

use crate::fixture::*;
use davy_domain::command::{Action, CommandState};
use davy_domain::interlock::Effects;
use davy_domain::*;
use davy_store::*;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

/// Tables that belong to nobody in particular, and who may read them as a scope's role.
const PLATFORM: [(&str, bool); 12] = [
    ("_sqlx_migrations", false),
    ("boots", false),
    ("credential_letters", false),
    ("divisions", true),
    ("known_devices", false),
    ("ledger_keys", false),
    ("meta", false),
    ("recovery_codes", false),
    ("reset_tokens", false),
    ("sessions", false),
    ("statutory_floor", false),
    ("totp_secrets", false),
];

macro_rules! on_postgres {
    ($($test:ident),+ $(,)?) => {
        $(#[tokio::test] async fn $test() {
            if let Some(fixture) = postgres(stringify!($test)).await {
                let schema = fixture.schema.clone();
                checks::$test(fixture).await;
                drop_schema(schema).await;
            }
        })+
    };
}

on_postgres!(
    every_table_is_either_under_guard_or_known_to_be_nobodys,
    a_company_sees_and_changes_its_own_rows_only,
    without_a_scope_a_role_sees_nothing,
    a_regulator_and_a_resident_see_their_part_and_change_nothing,
    sealed_keys_and_passwords_are_out_of_reach_of_every_role,
    nothing_of_a_scope_stays_on_a_connection_that_goes_back,
    a_login_without_privileges_over_others_is_enough,
);

/// One row in each table that the group commit fills, for both companies.
async fn history(store: &Store) {
    for (tenant, device, interlock, first) in [(GREEN, DETECTOR, 1001, 10), (BLUE, OTHER, 2001, 20)] {
        let leak = alarm(first, device, Condition::GasHigh);
        let effects = Effects {
            alarms: vec![raised(&leak)],
            commands: vec![given(&command(first + 1, device, Action::Close, CommandState::Queued, 1))],
            notices: vec![notice(first + 2, &leak)],
            ..Effects::default()
        };
        let batch = Batch {
            uplinks: vec![gas(device, 1, 1, 40.0)],
            effects: vec![(tenant, InterlockId::from_raw(interlock), effects)],
        };
        store.commit(&batch).await.unwrap();
        store.tenant(tenant).put_settings("{}", at(1)).await.unwrap();
    }
}

/// Who passes by every policy.
async fn admin(fixture: &Fixture) -> PgConnection {
    fixture.beside().await
}

async fn take_on(on: &mut PgConnection, role: &str, scope: i64) {
    on.execute(AssertSqlSafe(format!("SET ROLE {role}; SET davy.scope = '{scope}'"))).await.unwrap();
}

async fn numbers(on: &mut PgConnection, sql: &str) -> Vec<i64> {
    let rows = on.fetch_all(AssertSqlSafe(sql.to_owned())).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What PostgreSQL says to a statement that it refuses, as its code: 42501 is insufficient privilege.
async fn refusal(on: &mut PgConnection, sql: &str) -> String {
    let Err(sqlx::Error::Database(error)) = on.execute(AssertSqlSafe(sql.to_owned())).await else {
        return format!("`{sql}` was not refused");
    };
    error.code().unwrap_or_default().into_owned()
}

const FORBIDDEN: &str = "42501";

mod checks {
    use super::*;

    pub(super) async fn every_table_is_either_under_guard_or_known_to_be_nobodys(fixture: Fixture) {
        let mut on = fixture.beside().await;
        let tables = on
            .fetch_all(
                "SELECT c.relname::TEXT, c.relrowsecurity AND c.relforcerowsecurity, EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid), \
                 has_any_column_privilege('davy_company', c.oid, 'SELECT') FROM pg_class c \
                 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace ORDER BY 1",
            )
            .await
            .unwrap();
        assert!(tables.len() > 20, "{}", tables.len());
        for table in tables {
            let (name, guarded, policies, readable): (String, bool, bool, bool) =
                (table.get(0), table.get(1), table.get(2), table.get(3));
            match PLATFORM.iter().find(|(platform, _)| *platform == name) {
                Some((_, may)) => assert_eq!(readable, *may, "a company's right to read {name}"),
                None => assert!(
                    guarded && policies,
                    "table {name} is not under guard: its migration must call davy_guard, or it belongs to PLATFORM"
                ),
            }
        }
    }

    pub(super) async fn a_company_sees_and_changes_its_own_rows_only(fixture: Fixture) {
        history(&fixture.store).await;
        let mut on = fixture.beside().await;
        take_on(&mut on, "davy_company", GREEN.raw()).await;
        let tables = [
            "premises",
            "devices",
            "device_links",
            "journal",
            "alarms",
            "alarm_log",
            "commands",
            "command_log",
            "outbox",
            "rule_settings",
        ];
        for table in tables {
            let owners = numbers(&mut on, &format!("SELECT DISTINCT tenant_id FROM {table}")).await;
            assert_eq!(owners, [GREEN.raw()], "{table}");
        }
        let blue = BLUE.raw();
        let insert = format!(
            "INSERT INTO rule_settings (tenant_id, version, settings, created_at) VALUES ({blue}, 9, '{{}}', 0)"
        );
        assert_eq!(refusal(&mut on, &insert).await, FORBIDDEN, "another company's row");
        assert_eq!(refusal(&mut on, "UPDATE alarms SET state = 0").await, FORBIDDEN, "an alarm, past the fold");
        assert_eq!(refusal(&mut on, "DELETE FROM alarm_log").await, FORBIDDEN, "what an alarm did");
        let health = "UPDATE rule_releases SET stage = stage";
        assert_eq!(on.execute(health).await.unwrap().rows_affected(), 0, "no version of this company is there");
    }

    pub(super) async fn without_a_scope_a_role_sees_nothing(fixture: Fixture) {
        history(&fixture.store).await;
        let mut on = fixture.beside().await;
        for role in ["davy_company", "davy_regulator", "davy_manager", "davy_resident"] {
            on.execute(AssertSqlSafe(format!("SET ROLE {role}"))).await.unwrap();
            for table in ["premises", "alarms", "commands", "outbox"] {
                assert_eq!(numbers(&mut on, &format!("SELECT COUNT(*) FROM {table}")).await, [0], "{table} as {role}");
            }
            on.execute("RESET ROLE").await.unwrap();
        }
    }

    pub(super) async fn a_regulator_and_a_resident_see_their_part_and_change_nothing(fixture: Fixture) {
        history(&fixture.store).await;
        let mut on = fixture.beside().await;
        take_on(&mut on, "davy_regulator", EAST.0).await;
        assert_eq!(numbers(&mut on, "SELECT id FROM devices").await, [WELL.raw()]);
        assert_eq!(numbers(&mut on, "SELECT COUNT(*) FROM alarms").await, [0]);
        take_on(&mut on, "davy_regulator", CITY.0).await;
        assert_eq!(numbers(&mut on, "SELECT COUNT(*) FROM devices").await, [7]);
        let homes = numbers(&mut on, "SELECT DISTINCT device_id FROM alarms ORDER BY 1").await;
        assert_eq!(homes, [DETECTOR.raw(), OTHER.raw()]);
        assert_eq!(numbers(&mut on, "SELECT COUNT(*) FROM alarm_log").await, [2]);
        for table in ["rules", "rule_settings", "journal", "users"] {
            assert_eq!(refusal(&mut on, &format!("SELECT COUNT(*) FROM {table}")).await, FORBIDDEN, "{table}");
        }
        assert_eq!(refusal(&mut on, "UPDATE premises SET address = ''").await, FORBIDDEN);

        let community =
            numbers(&mut admin(&fixture).await, "SELECT community_id FROM premises WHERE tenant_id = 1").await;
        take_on(&mut on, "davy_manager", community[0]).await;
        assert_eq!(numbers(&mut on, "SELECT id FROM premises").await, [HOME.raw()]);
        assert_eq!(numbers(&mut on, "SELECT device_id FROM alarms").await, [DETECTOR.raw()]);

        take_on(&mut on, "davy_resident", HOME.raw()).await;
        let home = numbers(&mut on, "SELECT id FROM devices ORDER BY 1").await;
        assert_eq!(home, [DETECTOR.raw(), VALVE.raw(), METER.raw()]);
        assert_eq!(numbers(&mut on, "SELECT id FROM premises").await, [HOME.raw()]);
        assert_eq!(numbers(&mut on, "SELECT device_id FROM commands").await, [DETECTOR.raw()]);
        assert_eq!(refusal(&mut on, "DELETE FROM alarms").await, FORBIDDEN);
    }

    pub(super) async fn sealed_keys_and_passwords_are_out_of_reach_of_every_role(fixture: Fixture) {
        let mut on = fixture.beside().await;
        for (role, scope) in [("davy_company", GREEN.raw()), ("davy_regulator", CITY.0), ("davy_resident", HOME.raw())]
        {
            take_on(&mut on, role, scope).await;
            for column in ["key_ciphertext", "key_nonce"] {
                assert_eq!(
                    refusal(&mut on, &format!("SELECT {column} FROM devices")).await,
                    FORBIDDEN,
                    "{column} as {role}"
                );
            }
            assert_eq!(refusal(&mut on, "SELECT password_hash FROM users").await, FORBIDDEN, "{role}");
            assert_eq!(refusal(&mut on, "SELECT token_hash FROM sessions").await, FORBIDDEN, "{role}");
            on.execute("RESET ROLE").await.unwrap();
        }
    }

    pub(super) async fn nothing_of_a_scope_stays_on_a_connection_that_goes_back(mut fixture: Fixture) {
        history(&fixture.store).await;
        // As few connections as there can be: each is used by one scope after the other, and by the platform.
        fixture.reconnect(&StoreOptions { connections: 2, ..StoreOptions::default() }).await;
        for _ in 0..10 {
            let (green, city) = (fixture.store.tenant(GREEN), fixture.store.regulator(CITY));
            assert_eq!(green.active_alarms(10).await.unwrap().len(), 1);
            assert_eq!(city.active_alarms(10).await.unwrap().len(), 2);
            assert_eq!(fixture.store.resident(HOME).active_alarms(10).await.unwrap().len(), 1);
            assert_eq!(fixture.store.tenants().await.unwrap().len(), 2);
            fixture.store.tenant(BLUE).put_settings("{}", at(2)).await.unwrap();
        }
        let mut on = PgConnection::connect(&fixture.url()).await.unwrap();
        assert_eq!(numbers(&mut on, "SELECT COUNT(*) FROM rule_settings").await, [12]);
    }

    pub(super) async fn a_login_without_privileges_over_others_is_enough(fixture: Fixture) {
        // A superuser passes by every policy: the platform must also work as who does not.
        let (login, schema) = (format!("{}_login", fixture.schema), format!("{}_plain", fixture.schema));
        let mut admin = fixture.beside().await;
        let database: String = admin.fetch_one("SELECT current_database()::TEXT").await.unwrap().get(0);
        let prepare = format!(
            "CREATE ROLE {login} LOGIN PASSWORD 'plain' CREATEROLE; GRANT {login} TO CURRENT_USER; \
             GRANT CREATE ON DATABASE {database} TO {login}; CREATE SCHEMA {schema} AUTHORIZATION {login}"
        );
        admin.execute(AssertSqlSafe(prepare)).await.unwrap();
        let url = std::env::var("DAVY_TEST_POSTGRES_URL").unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        let url = within(&format!("{scheme}://{login}:plain@{host}"), &schema);
        let store = Store::connect(&url, &StoreOptions { connections: 2, ..StoreOptions::default() }).await.unwrap();
        let plain = prepared(store, schema.clone(), None).await;
        history(&plain.store).await;
        assert_eq!(plain.store.tenant(GREEN).active_alarms(10).await.unwrap().len(), 1);
        assert_eq!(plain.store.regulator(CITY).active_alarms(10).await.unwrap().len(), 2);
        assert!(plain.store.regulator(EAST).active_alarms(10).await.unwrap().is_empty());
        for tenant in [GREEN, BLUE] {
            let head = plain.store.ledger_head(ledger::Chain::Tenant(tenant)).await.unwrap();
            assert!(head.seq > 0, "the platform's own work is not held to a scope");
        }
        plain.store.close().await;
        let clear = format!("DROP SCHEMA {schema} CASCADE; DROP OWNED BY {login} CASCADE; DROP ROLE {login}");
        admin.execute(AssertSqlSafe(clear)).await.unwrap();
    }
}
