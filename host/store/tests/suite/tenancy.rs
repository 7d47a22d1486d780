//! A company's life: locked out, taken along, brought in elsewhere, deleted with proof.

use crate::fixture::*;
use davy_domain::approval::{self, Request, Stage};
use davy_domain::command::{Action, CommandState};
use davy_domain::interlock::Effects;
use davy_domain::ledger::{Act, Actor, Chain, Checkpoint, Hash, PublicKey, Signed};
use davy_domain::*;
use davy_store::*;
use std::collections::VecDeque;

both_engines!(
    who_works_for_a_suspended_company_is_locked_out_until_it_is_let_in_again,
    a_company_comes_whole_out_of_an_export,
    an_archive_brings_in_one_company_and_nothing_else,
    an_export_holds_nothing_that_proves_who_somebody_is,
    a_company_is_deleted_only_when_two_have_said_so_and_the_time_is_over,
    the_ledger_gives_way_to_nothing_but_a_deletion_under_way,
    acts_on_access_are_entered_with_who_did_them,
);

const ANNA: UserId = UserId::from_raw(901);
const BEN: UserId = UserId::from_raw(902);
const HASH: [u8; 32] = [0xa7; 32];
const TOKEN: [u8; 32] = [0xa8; 32];

fn person(id: i64, name: &str, scope: PersonScope, role: Role) -> User {
    User {
        id: UserId::from_raw(id),
        email: format!("{name}@example.org"),
        name: name.to_owned(),
        phone: Some("+86 571 0000".to_owned()),
        password_hash: "$argon2id$v=19$secret-of-somebody".to_owned(),
        locale: "zh-CN".to_owned(),
        scope,
        roles: Roles::one(role),
        ended_at: None,
    }
}

/// Something in nearly every table of both companies, and two administrators of the platform.
async fn lived_in(store: &Store) {
    let users = vec![
        person(901, "anna", PersonScope::Platform, Role::PlatformAdministrator),
        person(902, "ben", PersonScope::Platform, Role::PlatformAdministrator),
        person(903, "regulator", PersonScope::Jurisdiction { division: CITY.0 }, Role::Regulator),
        person(904, "green", PersonScope::Tenant { tenant: GREEN }, Role::Administrator),
        person(905, "blue", PersonScope::Tenant { tenant: BLUE }, Role::Administrator),
        person(906, "home", PersonScope::Premises { tenant: GREEN, premises: HOME }, Role::Resident),
    ];
    store.provision(&Provision { users, at: at(1), ..Provision::default() }).await.unwrap();
    for (tenant, device, interlock, first) in [(GREEN, DETECTOR, 1001, 10), (BLUE, OTHER, 2001, 20)] {
        let leak = alarm(first, device, Condition::GasHigh);
        let effects = Effects {
            alarms: vec![raised(&leak)],
            commands: vec![given(&command(first + 1, device, Action::Close, CommandState::Queued, 1))],
            notices: vec![notice(first + 2, &leak)],
            ..Effects::default()
        };
        let batch = Batch {
            uplinks: vec![gas(device, 1, 1, 40.0), gas(device, 2, 2, 41.5)],
            effects: vec![(tenant, InterlockId::from_raw(interlock), effects)],
        };
        store.commit(&batch).await.unwrap();
        let rows = store.tenant(tenant);
        rows.put_settings("{\"level\": 0.30000000000000004}", at(1)).await.unwrap();
        let request = Request::asked(RequestId::from_raw(first), true, UserId::from_raw(903 + tenant.raw()), at(3));
        rows.ask(&request, "close-many", "{}").await.unwrap();
    }
    let seen = PersonalDataAct {
        id: 31,
        person: UserId::from_raw(906),
        by: UserId::from_raw(904),
        at: at(4),
        what: personal::Met::Seen,
        categories: vec![personal::Category::Contact],
        device: Some(DETECTOR),
        alarm: Some(AlarmId::from_raw(10)),
    };
    store.tenant(GREEN).contacts_shown(HOME, &[seen]).await.unwrap();
    let judged = store.tenant(GREEN);
    judged.put_finding(AlarmId::from_raw(10), "leak", UserId::from_raw(903), at(4)).await.unwrap();
    for (id, user) in [(1, 904), (2, 905)] {
        let session = Session {
            id: SessionId::from_raw(id),
            token_hash: [HASH[0] + 10 * (id as u8 - 1); 32],
            user: UserId::from_raw(user),
            csrf_secret: [3; 32],
            created_at: at(5),
            expires_at: at(1_000_000),
            last_seen_at: at(5),
            second_factor_at: None,
            waits_for_factor: false,
            agent: String::new(),
            address: String::new(),
        };
        store.open_session(&session).await.unwrap();
    }
    let token = ApiToken {
        id: TokenId::from_raw(5),
        tenant: Some(GREEN),
        user: UserId::from_raw(904),
        name: "machine".to_owned(),
        deeds: vec!["alarms:see".to_owned()],
        created_at: at(5),
        expires_at: at(1_000_000),
        last_used_at: None,
        revoked_at: None,
    };
    store.add_token(&token, &TOKEN).await.unwrap();
    let head = store.ledger_head(Chain::Tenant(GREEN)).await.unwrap();
    let signed =
        Signed { checkpoint: Checkpoint::of(head, at(6)), key: PublicKey::from_bytes([8; 32]), signature: [1; 64] };
    store.put_checkpoint(&signed).await.unwrap();
}

type Rows = Vec<(String, String)>;

async fn dump(store: &Store, tenant: TenantId, sealed: bool) -> (Rows, DumpedCompany) {
    let mut rows = Vec::new();
    let dumped = store
        .dump_company(tenant, sealed, &mut |table, row| {
            rows.push((table.to_owned(), row.to_owned()));
            Ok(())
        })
        .await
        .unwrap();
    (rows, dumped)
}

async fn restore(store: &Store, rows: Rows) -> Result<RestoredCompany, StoreError> {
    let mut rows = VecDeque::from(rows);
    store.restore_company(&mut || Ok(rows.pop_front()), &|_| Ok(()), at(9), Hash::of(b"archive")).await
}

async fn who_works_for_a_suspended_company_is_locked_out_until_it_is_let_in_again(fixture: Fixture) {
    let store = &fixture.store;
    lived_in(store).await;
    let by = Actor::Person { by: ANNA };
    let blue = [0xb1; 32];
    assert!(store.session(&HASH, at(7), at(0)).await.unwrap().is_some());
    assert!(store.set_suspended(GREEN, true, at(7), by).await.unwrap());
    assert!(!store.set_suspended(GREEN, true, at(8), by).await.unwrap(), "twice changes nothing");
    assert!(store.session(&HASH, at(9), at(0)).await.unwrap().is_none());
    assert!(store.token(&TOKEN, at(9)).await.unwrap().is_none());
    assert!(store.is_locked_out(&HASH, at(9)).await.unwrap() && store.is_locked_out(&TOKEN, at(9)).await.unwrap());
    assert!(!store.is_locked_out(&[1; 32], at(9)).await.unwrap() && !store.is_locked_out(&blue, at(9)).await.unwrap());
    assert!(store.session(&blue, at(9), at(0)).await.unwrap().is_some(), "the other company works on");
    // Its devices stay protected.
    let leak = alarm(50, WELL, Condition::GasHigh);
    store.commit(&effects(Effects { alarms: vec![raised(&leak)], ..Effects::default() })).await.unwrap();
    assert_eq!(store.suspended().await.unwrap().into_iter().collect::<Vec<_>>(), [(GREEN, at(7))]);
    assert!(store.set_suspended(GREEN, false, at(10), by).await.unwrap());
    assert!(
        store.session(&HASH, at(11), at(0)).await.unwrap().is_some()
            && store.token(&TOKEN, at(11)).await.unwrap().is_some()
    );
    for chain in [Chain::Platform, Chain::Tenant(GREEN)] {
        let entries = store.ledger_run(chain, 0, 100).await.unwrap();
        let acts: Vec<_> = entries.iter().map(|entry| entry.read().unwrap().1.name()).collect();
        assert!(acts.contains(&"company-suspended") && acts.contains(&"company-resumed"), "{chain}: {acts:?}");
    }
}

async fn a_company_comes_whole_out_of_an_export(fixture: Fixture) {
    lived_in(&fixture.store).await;
    let (rows, dumped) = dump(&fixture.store, GREEN, true).await;
    let filled = dumped.tables.iter().filter(|table| table.rows > 0).count();
    assert!(filled >= 15, "{filled}: {dumped:?}");
    assert_eq!(rows.len() as u64, dumped.tables.iter().map(|table| table.rows).sum::<u64>());
    assert!(rows.contains(&("people-elsewhere".to_owned(), "{\"division_code\":3301,\"id\":903}".to_owned())));
    let new = fixture.empty_beside().await;
    let restored = restore(&new.store, rows.clone()).await.unwrap();
    assert_eq!((restored.tenant, restored.name.as_str(), restored.head), (GREEN, "Green Gas", dumped.head));
    let read = |tables: &[DumpedTable]| {
        tables
            .iter()
            .filter(|table| table.rows > 0)
            .map(|table| (table.table.clone(), table.rows, table.sha256.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(read(&restored.tables), read(&dumped.tables), "what was read is what was written");
    let (again, _) = dump(&new.store, GREEN, true).await;
    assert_eq!(again.len(), rows.len());
    for (before, after) in rows.iter().zip(&again) {
        assert_eq!(before, after);
    }
    // The chain and everything beside it is as right there as it was here.
    let trust = LedgerTrust { judge: &|_| Trust::Genuine, kept: &[], progress: &|_| {} };
    let report = new.store.verify_ledger(Chain::Tenant(GREEN), &trust).await.unwrap();
    assert_eq!(report.fault, None);
    // It lives on there: numbers that the database gives do not come twice.
    let leak = alarm(70, WELL, Condition::GasHigh);
    let mut batch = effects(Effects { alarms: vec![raised(&leak)], ..Effects::default() });
    batch.uplinks.push(gas(WELL, 1, 70, 3.0));
    new.store.commit(&batch).await.unwrap();
    assert!(restore(&new.store, rows).await.is_err(), "it is there already");
    if !new.schema.is_empty() {
        new.store.close().await;
        drop_schema(new.schema.clone()).await;
    }
}

async fn an_archive_brings_in_one_company_and_nothing_else(fixture: Fixture) {
    lived_in(&fixture.store).await;
    let (rows, _) = dump(&fixture.store, GREEN, false).await;
    let new = fixture.empty_beside().await;
    let forged = |change: &dyn Fn(&mut Rows)| {
        let mut rows = rows.clone();
        change(&mut rows);
        rows
    };
    let last = |rows: &Rows, table: &str| rows.iter().rposition(|(name, _)| name == table).unwrap();
    let cases: [(&str, Rows); 6] = [
        (
            "somebody of the platform",
            forged(&|rows| {
                let at = last(rows, "users");
                rows[at].1 = rows[at].1.replace("\"tenant_id\":1", "\"tenant_id\":null");
            }),
        ),
        (
            "a row of another company",
            forged(&|rows| {
                let at = last(rows, "premises");
                rows[at].1 = rows[at].1.replace("\"tenant_id\":1", "\"tenant_id\":2");
            }),
        ),
        (
            "a table of the platform",
            forged(&|rows| rows.push(("meta".to_owned(), "{\"name\":\"a\",\"value\":\"b\"}".to_owned()))),
        ),
        ("a deletion", forged(&|rows| rows.push(("tenant_deletions".to_owned(), "{}".to_owned())))),
        (
            "an unknown column",
            forged(&|rows| {
                let at = last(rows, "premises");
                rows[at].1 = rows[at].1.replacen('{', "{\"altitude\":1,", 1);
            }),
        ),
        (
            "two companies",
            forged(&|rows| {
                let at = last(rows, "tenants");
                let second = rows[at].1.replace("\"id\":1", "\"id\":3");
                rows.insert(at + 1, ("tenants".to_owned(), second));
            }),
        ),
    ];
    for (what, rows) in cases {
        let refused = restore(&new.store, rows).await.unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt { .. }), "{what}: {refused}");
        assert!(new.store.tenants().await.unwrap().is_empty(), "{what}");
    }
    if !new.schema.is_empty() {
        new.store.close().await;
        drop_schema(new.schema.clone()).await;
    }
}

async fn an_export_holds_nothing_that_proves_who_somebody_is(fixture: Fixture) {
    lived_in(&fixture.store).await;
    let (rows, dumped) = dump(&fixture.store, GREEN, false).await;
    let text: String = rows.iter().map(|(_, row)| row.as_str()).collect();
    let hex = |byte: u8| format!("{byte:02x}").repeat(12);
    assert!(text.contains("Willow Court"));
    for secret in ["secret-of-somebody".to_owned(), hex(HASH[0]), hex(TOKEN[0]), hex(9), "kek-1".to_owned()] {
        assert!(!text.contains(&secret), "{secret}");
    }
    assert!(dumped.withheld.contains(&"sessions".to_owned()) && dumped.withheld.contains(&"sealed_secrets".to_owned()));
    let users = dumped.tables.iter().find(|table| table.table == "users").unwrap();
    assert_eq!(users.withheld, ["password_hash"]);
    // Every column that goes out whose name sounds like a secret is known to be none.
    let known = ["hash", "previous", "public_key", "key_changed_at", "signature", "rule_digest", "digest"];
    for (table, row) in &rows {
        let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).unwrap();
        for column in row.keys().filter(|column| !known.contains(&column.as_str())) {
            let sounds = ["hash", "key", "secret", "token", "password", "nonce", "cipher", "code_"];
            assert!(!sounds.iter().any(|word| column.contains(word)), "{table}.{column}: withhold it, or add it here");
        }
    }
}

async fn approved(store: &Store, id: i64) -> Deletion {
    let request = Request::asked(RequestId::from_raw(id), true, ANNA, at(100));
    let asked = Deletion {
        request,
        tenant: GREEN,
        name: "Green Gas".to_owned(),
        due_at: None,
        done_at: None,
        proof: String::new(),
    };
    store.ask_deletion(&asked).await.unwrap();
    let after = approval::step(&request, approval::Act::Approve, BEN, at(200)).unwrap();
    assert!(store.decide_deletion(&asked, &after, Some(at(1_000))).await.unwrap());
    assert!(!store.decide_deletion(&asked, &after, Some(at(1_000))).await.unwrap(), "it has been decided about");
    Deletion { request: after, due_at: Some(at(1_000)), ..asked }
}

async fn a_company_is_deleted_only_when_two_have_said_so_and_the_time_is_over(fixture: Fixture) {
    let store = &fixture.store;
    lived_in(store).await;
    let blue_before = dump(store, BLUE, true).await.0;
    let id = RequestId::from_raw(500);
    assert_eq!(store.erase_company(id, at(5_000)).await.unwrap(), None, "nobody has asked");
    let deletion = approved(store, 500).await;
    assert_eq!(store.erase_company(id, at(5_000)).await.unwrap(), None, "its people still work");
    store.set_suspended(GREEN, true, at(300), Actor::Person { by: ANNA }).await.unwrap();
    assert_eq!(store.erase_company(id, at(999)).await.unwrap(), None, "it is not time yet");
    // Taken back in time, it is not carried out.
    let back =
        Request { stage: Stage::Withdrawn, decided_by: Some(ANNA), decided_at: Some(at(900)), ..deletion.request };
    assert!(store.decide_deletion(&deletion, &back, None).await.unwrap());
    assert_eq!(store.erase_company(id, at(5_000)).await.unwrap(), None, "it was taken back");
    let (_, last) = dump(store, GREEN, true).await;
    let id = approved(store, 501).await.request.id;
    let erased = store.erase_company(id, at(5_000)).await.unwrap().unwrap();
    assert!(erased.ledger_seq > last.head.seq && erased.tables.iter().map(|table| table.rows).sum::<u64>() > 30);
    // Of the company no row is left in any table, but the request with its proof and what was signed of its chain.
    let tables = fixture.companies_tables().await;
    assert!(tables.len() > 25, "{tables:?}");
    for table in tables {
        let left = fixture.number(&format!("SELECT COUNT(*) FROM {table} WHERE tenant_id = 1")).await;
        let stays = ["ledger_checkpoints", "tenant_deletions"].contains(&table.as_str());
        assert_eq!(left > 0, stays, "{table} has {left}");
    }
    let people = "SELECT COUNT(*) FROM users WHERE id IN (904, 906)";
    assert_eq!(fixture.number(people).await + fixture.number("SELECT COUNT(*) FROM tenants WHERE id = 1").await, 0);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM sessions").await, 1, "the other company's");
    assert_eq!(dump(store, BLUE, true).await.0, blue_before, "the other company has lost nothing");
    // The platform's ledger has the proof's digest.
    let done = store.deletions().await.unwrap().remove(0);
    assert_eq!((done.request.stage, done.done_at), (Stage::Done, Some(at(5_000))));
    let entries = store.ledger_run(Chain::Platform, 0, 100).await.unwrap();
    let (_, act) = entries.last().unwrap().read().unwrap();
    assert!(
        matches!(act, Act::CompanyDeleted { company: GREEN, proof, ledger, .. }
            if proof == Hash::of(done.proof.as_bytes()) && ledger.to_string() == erased.ledger_hash),
        "{act:?}"
    );
    assert_eq!(store.ledger_chains().await.unwrap(), [Chain::Platform, Chain::Tenant(BLUE)]);
    let trust = LedgerTrust { judge: &|_| Trust::Genuine, kept: &[], progress: &|_| {} };
    for chain in [Chain::Platform, Chain::Tenant(BLUE)] {
        assert_eq!(store.verify_ledger(chain, &trust).await.unwrap().fault, None, "{chain}");
    }
    assert_eq!(store.erase_company(id, at(6_000)).await.unwrap(), None, "it is carried out once");
    if let Some(bytes) = fixture.bytes() {
        let found = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        assert!(found(b"blue@example.org"));
        assert!(!found(b"green@example.org") && !found(b"home@example.org"), "the file still has their addresses");
    }
}

async fn the_ledger_gives_way_to_nothing_but_a_deletion_under_way(fixture: Fixture) {
    lived_in(&fixture.store).await;
    approved(&fixture.store, 500).await;
    for whose in ["", " WHERE tenant_id = 1"] {
        let refused = fixture.raw(&format!("DELETE FROM ledger{whose}")).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
}

async fn acts_on_access_are_entered_with_who_did_them(fixture: Fixture) {
    let store = &fixture.store;
    lived_in(store).await;
    let (rows, by) = (store.tenant(GREEN), UserId::from_raw(904));
    let start = store.ledger_head(Chain::Tenant(GREEN)).await.unwrap().seq;
    let invitation = |id: i64| Invitation {
        id: InvitationId::from_raw(id),
        tenant: GREEN,
        premises: HOME,
        invited_by: by,
        created_at: at(20),
        expires_at: at(1_000_000),
    };
    rows.set_roles(UserId::from_raw(904), Roles::one(Role::Auditor), at(20), by).await.unwrap();
    store.revoke_token(TokenId::from_raw(5), at(21), by).await.unwrap();
    store.revoke_token(TokenId::from_raw(5), at(21), by).await.unwrap();
    rows.set_close_alone(3, at(22), by).await.unwrap();
    let request = rows.request(RequestId::from_raw(10)).await.unwrap().unwrap().request;
    let declined = approval::step(&request, approval::Act::Decline, by, at(23)).unwrap();
    assert!(rows.decide(&request, &declined).await.unwrap() && !rows.decide(&request, &declined).await.unwrap());
    store.invite(&invitation(1), &[1; 32]).await.unwrap();
    store.invite(&invitation(2), &[2; 32]).await.unwrap();
    assert!(store.withdraw_invitation(HOME, InvitationId::from_raw(1), at(24), by).await.unwrap());
    let joins = person(907, "joins", PersonScope::Premises { tenant: GREEN, premises: HOME }, Role::Resident);
    assert!(store.accept_invitation(InvitationId::from_raw(2), &joins, at(25)).await.unwrap());
    store.hand_over(HOME, &invitation(3), &[3; 32], at(26)).await.unwrap();
    rows.end_access(UserId::from_raw(904), at(27), by).await.unwrap();
    // What is not the company's leaves no entry in its chain.
    rows.set_roles(UserId::from_raw(905), Roles::one(Role::Auditor), at(28), by).await.unwrap();
    let entries = store.ledger_run(Chain::Tenant(GREEN), start, 100).await.unwrap();
    let acts: Vec<_> = entries.iter().map(|entry| entry.read().unwrap()).collect();
    let names: Vec<_> = acts.iter().map(|(_, act)| act.name()).collect();
    assert_eq!(
        names,
        [
            "roles-changed",
            "token-ended",
            "closing-limit-set",
            "approval-moved",
            "invited",
            "invited",
            "invitation-withdrawn",
            "household-joined",
            "household-ended",
            "access-ended"
        ]
    );
    let joined = Actor::Person { by: UserId::from_raw(907) };
    assert!(
        acts.iter()
            .all(|(actor, act)| *actor == if act.name() == "household-joined" { joined } else { Actor::Person { by } })
    );
    let before = store.ledger_run(Chain::Tenant(GREEN), 0, start as u32).await.unwrap();
    let before: Vec<_> = before.iter().map(|entry| entry.read().unwrap().1.name()).collect();
    assert!(before.contains(&"token-made") && before.contains(&"approval-asked"), "{before:?}");
}
