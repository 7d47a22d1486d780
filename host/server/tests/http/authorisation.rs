//! The permission table against the server: every way in does what its row says, for every role, of this company and of another.

use crate::access::{Operation, Things, call, first_alarm, operations};
use crate::city::{Browser, City, city};
use axum::http::StatusCode;
use davy_domain::{Role, ScopeKind};
use davy_server::roles::{Access, FORMS, OPERATIONS, PAGES, STREAMS};
use serde_json::{Value, json};

/// Somebody with this role alone, whose scope holds the things of `company`'s first home.
async fn of_role(city: &City, role: Role, company: &str) -> Browser {
    match role.scope() {
        ScopeKind::Platform => city.signed_in("platform@city.example").await,
        ScopeKind::Jurisdiction => city.regulator().await,
        ScopeKind::Tenant => city.signed_in(&format!("{}@{company}.example", role.name())).await,
        ScopeKind::Community => city.signed_in(&format!("manager@{company}.example")).await,
        ScopeKind::Premises => city.resident(company).await,
    }
}

/// Real things of company `a`, each made the way that people make them.
async fn things(city: &City) -> Things {
    let alarm = first_alarm(&mut city.operator("a").await).await;
    let made = async |browser: &mut Browser, path: &str, body: Value| {
        let answer = browser.post(path, &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}: {}", answer.text());
        answer.json()
    };
    let id = |it: &Value| it["id"].as_str().unwrap().to_owned();
    let mut engineer = city.signed_in("rule-engineer@a.example").await;
    let test = made(&mut engineer, &format!("/api/v1/rules/{}/back-tests", city.rule), json!({})).await;
    let token = json!({"name": "scada", "deeds": ["rules:see"], "days": 30});
    let mut administrator = city.operator("a").await;
    let token = made(&mut administrator, "/api/v1/tokens", token).await;
    let spare = json!({"name": "备用", "email": "spare@a.example", "password": "correct horse", "roles": ["auditor"]});
    let person = made(&mut administrator, "/api/v1/people", spare).await;
    let asked = json!({"premises": [city.premises["a-home"]]});
    let request = made(&mut administrator, "/api/v1/approvals/close-many", asked).await;
    let invitation = made(&mut city.resident("a").await, "/api/v1/household/invitations", json!({})).await;
    let sessions = city.operator("a").await.get("/api/v1/account").await.json()["sessions"].take();
    Things {
        alarm,
        test: id(&test),
        person: id(&person),
        token: id(&token["token"]),
        invitation: id(&invitation["invitation"]),
        request: id(&request),
        session: id(&sessions[0]),
    }
}

/// Whether things of a company are within a role's scope at all.
fn meets(role: Role, operation: &Operation) -> bool {
    let names = |thing: &str| operation.path.contains(thing);
    if names("{token}") {
        // One's own, and an administrator every one of the company.
        return role == Role::Administrator;
    }
    if names("{session}") {
        // One's own, and this one is nobody's of these.
        return false;
    }
    if names("{invitation}") {
        return role == Role::Resident;
    }
    let of_the_company = ["{rule}", "{test}", "{person}", "{request}"].into_iter().any(names);
    role.scope() == ScopeKind::Tenant || (role.scope() != ScopeKind::Platform && !of_the_company)
}

/// What ends somebody's access, or takes away what is asked for, is tried only by those who may not: the others are tried with it again.
const ENDS: [&str; 5] = ["signOut", "handOver", "endHousehold", "endAccess", "deleteRuleComponent"];

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_allows_exactly_the_roles_of_its_row() {
    let city = city().await;
    let things = things(&city).await;
    let mut checked = 0;
    for role in Role::ALL {
        let browser = of_role(&city, *role, "a").await;
        for operation in operations(&city, &things) {
            let allowed = match operation.access() {
                Access::Of(deed) => deed.allowed(*role),
                Access::SignedIn | Access::Public => true,
            };
            // Joining and signing in need a secret each, and have tests of their own.
            if ["signIn", "acceptInvitation"].contains(&operation.id.as_str())
                || (allowed && ENDS.contains(&operation.id.as_str()))
            {
                continue;
            }
            let (status, _) = call(&browser, &operation).await;
            let what = format!("{role} and {}: {status}", operation.id);
            match operation.access() {
                _ if operation.names_a_thing() && !meets(*role, &operation) => {
                    assert_eq!(status, StatusCode::NOT_FOUND, "{what}");
                }
                Access::Of(deed) if !deed.allowed(*role) => assert_eq!(status, StatusCode::FORBIDDEN, "{what}"),
                // Which step of a version's life is whose, is asked step by step.
                Access::Of(_) if operation.id == "actOnRule" => assert_ne!(status, StatusCode::NOT_FOUND, "{what}"),
                // The rule that is named took no part in the alarm; no import has that number.
                Access::Of(_) if operation.id == "getDecidingRule" || operation.path.contains("{import}") => {
                    assert_eq!(status, StatusCode::NOT_FOUND, "{what}");
                }
                // No such key has ever been accepted.
                Access::Of(_) if operation.id == "refuseRuleSigner" => {
                    assert_ne!(status, StatusCode::FORBIDDEN, "{what}");
                }
                Access::Of(_) | Access::SignedIn | Access::Public => {
                    let refused =
                        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status);
                    assert!(!refused && !status.is_server_error(), "{what}");
                }
            }
            checked += 1;
        }
    }
    assert!(checked > Role::ALL.len() * 25, "only {checked} calls were made");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_things_of_another_company_are_found_by_nobody_whatever_their_role() {
    let city = city().await;
    let things = things(&city).await;
    let mut strangers = vec![
        ("regulator of elsewhere".to_owned(), city.signed_in("elsewhere@city.example").await),
        ("neighbour".to_owned(), city.signed_in("flat@a.example").await),
    ];
    for role in Role::ALL.iter().filter(|role| **role != Role::Regulator) {
        strangers.push((role.name().to_owned(), of_role(&city, *role, "b").await));
    }
    let device = city.devices["a-D1"].to_string();
    let premises = city.premises["a-home"].to_string();
    let rule = city.rule.to_string();
    let pages = [
        format!("/devices/{device}"),
        format!("/alarms/{}/why", things.alarm),
        format!("/rules/{rule}"),
        format!("/rules/{rule}/back-tests/{}", things.test),
    ];
    let forms = [
        ("/actions/close", vec![("device", &device)]),
        ("/actions/close", vec![("premises", &premises)]),
        ("/actions/acknowledge", vec![("alarm", &things.alarm)]),
        ("/actions/reset", vec![("alarm", &things.alarm)]),
        ("/actions/rules/act", vec![("rule", &rule)]),
        ("/actions/rules/settings", vec![("rule", &rule)]),
        ("/actions/rules/delete-component", vec![("rule", &rule)]),
        ("/actions/rules/back-test", vec![("rule", &rule)]),
        ("/actions/rules/back-test/cancel", vec![("test", &things.test)]),
        ("/actions/finding", vec![("alarm", &things.alarm)]),
        ("/actions/contacts/show", vec![("device", &device)]),
        ("/actions/devices/revoke-key", vec![("device", &device)]),
        ("/actions/devices/replace-key", vec![("device", &device)]),
        ("/actions/people/roles", vec![("person", &things.person)]),
        ("/actions/people/end", vec![("person", &things.person)]),
        ("/actions/tokens/revoke", vec![("token", &things.token)]),
        ("/actions/household/withdraw", vec![("invitation", &things.invitation)]),
        ("/actions/approvals/decide", vec![("request", &things.request)]),
        ("/account/sessions/end", vec![("session", &things.session)]),
    ];
    for (who, stranger) in &mut strangers {
        for operation in operations(&city, &things) {
            if operation.names_a_thing() {
                let (status, _) = call(stranger, &operation).await;
                assert_eq!(status, StatusCode::NOT_FOUND, "{who}: {}", operation.id);
            }
        }
        for path in &pages {
            assert_eq!(stranger.get(path).await.status, StatusCode::NOT_FOUND, "{who}: {path}");
        }
        let csrf = stranger.csrf.clone().unwrap();
        for (target, named) in &forms {
            let mut fields = vec![("csrf", csrf.as_str()), ("act", "withdraw"), ("finding", "leak")];
            fields.extend(named.iter().map(|(name, id)| (*name, id.as_str())));
            let answer = stranger.form(target, &fields).await;
            assert!(answer.location().contains("error=not-found"), "{who}: {target}: {}", answer.location());
        }
        // A stream of one of its devices.
        let answer = stranger.get(&format!("/api/v1/events?device={device}")).await.status;
        assert!([StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&answer), "{who}: events: {answer}");
    }
    let named: std::collections::BTreeSet<_> = forms.iter().map(|(target, _)| *target).collect();
    let all: std::collections::BTreeSet<_> = FORMS.iter().map(|(target, _)| *target).collect();
    // These name nothing that is there already.
    let no_thing = [
        "/sign-in",
        "/sign-in/code",
        "/sign-in/forgot",
        "/sign-in/reset",
        "/account/password",
        "/account/sessions/end-others",
        "/account/generator/offer",
        "/account/generator/confirm",
        "/account/generator/remove",
        "/actions/people/second-factor",
        "/sign-out",
        "/language",
        "/join",
        "/actions/rules/upload",
        "/actions/rules/bounds",
        "/actions/rules/read-again",
        "/actions/rules/signers/accept",
        "/actions/rules/signers/refuse",
        "/actions/devices/import",
        "/actions/devices/add",
        "/actions/devices/credentials",
        "/actions/devices/labels",
        "/actions/people/add",
        "/actions/tokens/make",
        "/actions/household/invite",
        "/actions/household/hand-over",
        "/actions/approvals/close-many",
        "/actions/closing-limit",
        // A company is nobody's thing but the platform's.
        "/actions/tenants/standing",
        "/actions/tenants/deletion",
    ];
    let untried: Vec<_> = all.difference(&named).filter(|target| !no_thing.contains(*target)).collect();
    assert_eq!(untried, Vec::<&&str>::new(), "forms that this test does not send");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_is_a_way_in_and_every_way_in_has_its_row() {
    let city = city().await;
    let documented: Vec<String> =
        operations(&city, &Things::alarm("alm_1".to_owned())).into_iter().map(|it| it.id).collect();
    for (id, _) in OPERATIONS.iter().chain(STREAMS) {
        assert!(documented.iter().any(|it| it == id), "`{id}` is in the table and not in the OpenAPI document");
    }
    for operation in operations(&city, &Things::alarm("alm_1".to_owned())) {
        operation.access();
    }
    let http = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http");
    let mut forms = Vec::new();
    for file in std::fs::read_dir(http).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        let targets = text.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
        forms.extend(targets.filter(|it| !it.starts_with("/api/")).map(ToOwned::to_owned));
    }
    // For machines that watch over the server; neither tells anything of a company.
    forms.retain(|target| target != "/metrics" && target != "/openapi.json");
    for target in &forms {
        assert!(FORMS.iter().any(|(row, _)| row == target), "the form `{target}` has no row in roles/ways.rs");
    }
    let web = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src");
    let app = std::fs::read_to_string(format!("{web}/app.rs")).unwrap();
    let pages: Vec<&str> = app.split("path!(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for route in &pages {
        assert!(PAGES.iter().any(|(row, _)| row == route), "the page `{route}` has no row in roles/ways.rs");
    }
    assert!(FORMS.iter().all(|(row, _)| forms.iter().any(|it| it == row)), "a form that is none: {forms:?}");
    assert!(PAGES.iter().all(|(row, _)| pages.contains(row)), "a page that is none: {pages:?}");
    // Pages ask the backend when they are rendered, and the REST API from the browser; a server function would be a third way in.
    let mut folders = vec![std::path::PathBuf::from(web)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                assert!(!text.contains("#[server"), "{} has a server function: give it a row", path.display());
            }
        }
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_for_exactly_the_roles_of_its_row() {
    let city = city().await;
    let things = things(&city).await;
    for role in Role::ALL {
        let mut browser = of_role(&city, *role, "a").await;
        for (route, access) in PAGES {
            let Access::Of(deed) = access else { continue };
            // Everybody else is led to the page that is theirs.
            if matches!(*route, "/" | "/home")
                || role.scope() == ScopeKind::Premises && !route.contains(':') && *route != "/household"
            {
                continue;
            }
            let path = route
                .replace(":device", &city.devices["a-D1"].to_string())
                .replace(":alarm", &things.alarm)
                .replace(":rule", &city.rule.to_string())
                .replace(":test", &things.test);
            assert!(!path.contains(':'), "{route}: tell this test what to put there");
            let found = match role.scope() {
                ScopeKind::Platform => !route.contains(':'),
                ScopeKind::Tenant => true,
                ScopeKind::Jurisdiction | ScopeKind::Community | ScopeKind::Premises => !route.contains(":rule"),
            };
            let expected = match (found, deed.allowed(*role)) {
                (false, _) => StatusCode::NOT_FOUND,
                (true, false) => StatusCode::FORBIDDEN,
                (true, true) => StatusCode::OK,
            };
            assert_eq!(browser.get(&path).await.status, expected, "{role}: {path}");
        }
    }
    city.stop().await;
}
