//! Plain forms about rules, as a page without scripts sends them.

use crate::access::first_alarm;
use crate::city::{Answer, Browser, city};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use davy_rules::Tier;

/// Sends a form with a file, as a browser does.
async fn upload(browser: &mut Browser, csrf: &str, component: &[u8]) -> Answer {
    let mut body = Vec::new();
    for (head, content) in [
        ("name=\"csrf\"", csrf.as_bytes()),
        ("name=\"component\"; filename=\"rule.wasm\"\r\nContent-Type: application/wasm", component),
        ("name=\"tier\"", b"standard"),
        ("name=\"signer\"", b""),
        ("name=\"signature\"", b""),
    ] {
        body.extend_from_slice(format!("--fence\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--fence--\r\n");
    let mut plain = browser.clone();
    plain.csrf = None;
    let request = plain
        .request(Method::POST, "/actions/rules/upload")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=fence")
        .body(Body::from(body))
        .unwrap();
    browser.send(request).await
}

async fn stage(browser: &mut Browser, rule: &str) -> String {
    browser.get(&format!("/api/v1/rules/{rule}")).await.json()["version"]["stage"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engineer_uploads_a_component_without_scripts() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let answer = upload(&mut operator, &csrf, b"\0asm of no kind").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let rule = answer.location().strip_prefix("/rules/").and_then(|to| to.strip_suffix("?done=upload")).unwrap();
    assert_eq!(operator.get(&format!("/api/v1/rules/{rule}/component")).await.body, b"\0asm of no kind");
    let page = operator.get(&format!("/rules/{rule}?done=upload")).await.text();
    assert!(page.contains("已上传"), "{page}");

    let answer = upload(&mut operator, "forged", b"\0asm").await;
    assert_eq!(answer.location(), "/rules?error=csrf");
    let answer = upload(&mut operator, &csrf, b"").await;
    assert_eq!(answer.location(), "/rules?field=component&error=invalid");
    let most = Tier::Large.caps().component_size;
    let answer = upload(&mut operator, &csrf, &vec![0; most + 1]).await;
    assert_eq!(answer.location(), "/rules?error=too-large");
    let answer = upload(&mut operator, &csrf, &vec![0; most]).await;
    // What the largest tier takes is taken in; it is this company's room that is too small for it.
    assert_eq!(answer.location(), "/rules?error=no-room");
    let mut resident = city.resident("a").await;
    let csrf = resident.csrf.clone().unwrap();
    assert_eq!(upload(&mut resident, &csrf, b"\0asm").await.location(), "/rules?error=forbidden");
    let answer = upload(&mut city.browser(), "", b"\0asm").await;
    assert_eq!(answer.location(), "/sign-in?next=%2Frules&error=signed-out");
    // The two that were there before, of the company, and the one that was let in.
    assert_eq!(operator.get("/api/v1/rules").await.json()["items"].as_array().unwrap().len(), 2);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_its_steps_by_form_and_only_by_its_own_company() {
    let city = city().await;
    let rule = city.rule.to_string();
    let page = format!("/rules/{rule}");
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let mut act = async |csrf: &str, act: &str| {
        let answer = operator.form("/actions/rules/act", &[("csrf", csrf), ("rule", &rule), ("act", act)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        answer.location().to_owned()
    };
    assert_eq!(act("forged", "withdraw").await, format!("{page}?error=csrf"));
    // It has not been back-tested.
    assert_eq!(act(&csrf, "start-shadow").await, format!("{page}?error=not-now"));
    assert_eq!(act(&csrf, "start-cohort").await, format!("{page}?field=permille&error=invalid"));
    assert_eq!(act(&csrf, "explode").await, format!("{page}?field=act&error=invalid"));

    let mut stranger = city.operator("b").await;
    let theirs = stranger.csrf.clone().unwrap();
    let fields = [("csrf", theirs.as_str()), ("rule", &rule), ("act", "withdraw")];
    assert_eq!(stranger.form("/actions/rules/act", &fields).await.location(), format!("{page}?error=not-found"));
    assert_eq!(stranger.get(&page).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stage(&mut city.operator("a").await, &rule).await, "checked");

    assert_eq!(act(&csrf, "withdraw").await, format!("{page}?done=withdraw"));
    let mut operator = city.operator("a").await;
    assert_eq!(stage(&mut operator, &rule).await, "retired");
    let text = operator.get(&format!("{page}?done=withdraw")).await.text();
    assert!(text.contains("此版本已放弃"), "{text}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_settings_make_a_version_of_their_own_by_form() {
    let city = city().await;
    let rule = city.rule.to_string();
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let answer = operator.form("/actions/rules/settings", &[("csrf", "forged"), ("rule", &rule)]).await;
    assert_eq!(answer.location(), format!("/rules/{rule}?error=csrf"));
    let answer = operator.form("/actions/rules/settings", &[("csrf", &csrf), ("rule", &rule), ("s.odd", "1")]).await;
    let new =
        answer.location().strip_prefix("/rules/").and_then(|to| to.strip_suffix("?done=settings")).unwrap().to_owned();
    assert_ne!(new, rule);
    let [before, after] = [&rule, &new].map(|id| format!("/api/v1/rules/{id}"));
    let (before, after) = (operator.get(&before).await.json(), operator.get(&after).await.json());
    assert_eq!(before["version"]["digest"], after["version"]["digest"]);
    assert_ne!(before["version"]["settings_version"], after["version"]["settings_version"]);
    let mut stranger = city.operator("b").await;
    let theirs = stranger.csrf.clone().unwrap();
    let answer = stranger.form("/actions/rules/settings", &[("csrf", &theirs), ("rule", &rule)]).await;
    assert_eq!(answer.location(), format!("/rules/{rule}?error=not-found"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_test_is_started_and_stopped_by_form() {
    let city = city().await;
    let rule = city.rule.to_string();
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let mut start = async |csrf: &str, from: &str, percent: &str| {
        let fields = [
            ("csrf", csrf),
            ("rule", &rule),
            ("from", from),
            ("to", "2026-01-31"),
            ("percent", percent),
            ("offset", "480"),
        ];
        operator.form("/actions/rules/back-test", &fields).await.location().to_owned()
    };
    let page = format!("/rules/{rule}");
    assert_eq!(start("forged", "2026-01-01", "50").await, format!("{page}?error=csrf"));
    assert_eq!(start(&csrf, "yesterday", "50").await, format!("{page}?field=from&error=invalid"));
    assert_eq!(start(&csrf, "2026-02-01", "50").await, format!("{page}?field=from&error=invalid"));
    assert_eq!(start(&csrf, "2026-01-01", "120").await, format!("{page}?field=permille&error=invalid"));
    assert_eq!(start(&csrf, "2026-01-01", "50").await, format!("{page}?done=back-test"));
    let mut operator = city.operator("a").await;
    let detail = operator.get(&format!("/api/v1/rules/{rule}")).await.json();
    let test = detail["back_tests"][0].clone();
    assert_eq!(detail["back_tests"].as_array().unwrap().len(), 1);
    // From the first midnight to the one after the last day, in China.
    assert_eq!((test["from"].as_i64(), test["to"].as_i64()), (Some(1_767_196_800_000), Some(1_769_875_200_000)));
    assert_eq!(test["permille"], 500);

    let test = test["id"].as_str().unwrap();
    let csrf = operator.csrf.clone().unwrap();
    let mut stranger = city.operator("b").await;
    let theirs = stranger.csrf.clone().unwrap();
    let cancel = "/actions/rules/back-test/cancel";
    let answer = stranger.form(cancel, &[("csrf", &theirs), ("test", test), ("next", &page)]).await;
    assert_eq!(answer.location(), format!("{page}?error=not-found"));
    let answer = operator.form(cancel, &[("csrf", &csrf), ("test", test), ("next", &page)]).await;
    assert_eq!(answer.location(), format!("{page}?done=cancel-back-test"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_alarm_really_was_is_said_by_form() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let alarm = first_alarm(&mut operator).await;
    let csrf = operator.csrf.clone().unwrap();
    let mut say = async |csrf: &str, finding: &str| {
        let fields = [("csrf", csrf), ("alarm", &alarm), ("finding", finding), ("next", "/devices")];
        operator.form("/actions/finding", &fields).await.location().to_owned()
    };
    assert_eq!(say("forged", "leak").await, "/devices?error=csrf");
    assert_eq!(say(&csrf, "ghost").await, "/devices?field=finding&error=invalid");
    assert_eq!(say(&csrf, "leak").await, "/devices?done=finding");
    // It stands with the alarm from then on, and with it who has said it.
    let decisions = operator.get(&format!("/api/v1/alarms/{alarm}/decisions")).await.json();
    assert_eq!(
        (decisions["found"]["finding"].as_str(), decisions["found"]["by"].as_str()),
        (Some("leak"), Some("值班员"))
    );
    let device = city.devices["a-D1"];
    for page in [format!("/devices/{device}"), format!("/alarms/{alarm}/why")] {
        let page = operator.get(&page).await.text();
        assert!(page.contains("值班员 查明：确有泄漏"), "{page}");
    }
    // Who lives there learns what it was, and not in whose word.
    let theirs = city.resident("a").await.get(&format!("/api/v1/devices/{device}")).await.json();
    let theirs = theirs["alarms"].as_array().unwrap().iter().find(|it| it["id"] == alarm.as_str()).unwrap().clone();
    assert!(theirs["found"]["finding"] == "leak" && theirs["found"]["by"].is_null(), "{theirs}");
    let mut stranger = city.operator("b").await;
    let theirs = stranger.csrf.clone().unwrap();
    let fields = [("csrf", theirs.as_str()), ("alarm", &alarm), ("finding", "test"), ("next", "/")];
    assert_eq!(stranger.form("/actions/finding", &fields).await.location(), "/?error=not-found");
    // A regulator confirms alarms, too; who lives there does not.
    for (mut other, expected) in [
        (city.regulator().await, "/?done=finding"),
        (city.resident("a").await, "/?error=forbidden"),
        (city.signed_in("elsewhere@city.example").await, "/?error=not-found"),
    ] {
        let theirs = other.csrf.clone().unwrap();
        let fields = [("csrf", theirs.as_str()), ("alarm", &alarm), ("finding", "test"), ("next", "/")];
        assert_eq!(other.form("/actions/finding", &fields).await.location(), expected);
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decisions_behind_an_alarm_are_a_page_of_its_company_only() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let alarm = first_alarm(&mut operator).await;
    let page = operator.get(&format!("/alarms/{alarm}/why")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("cn-household-gas"), "{}", page.text());
    assert_eq!(city.operator("b").await.get(&format!("/alarms/{alarm}/why")).await.status, StatusCode::NOT_FOUND);
    let answer = city.browser().get(&format!("/alarms/{alarm}/why")).await;
    assert_eq!(answer.location(), format!("/sign-in?next=%2Falarms%2F{alarm}%2Fwhy"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_of_trials_are_drawn_by_form_and_an_empty_field_is_the_operators_again() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let mut draw = async |faults: &str, fuel: &str| {
        let fields = [("csrf", csrf.as_str()), ("faults-percent", faults), ("fuel-percent", fuel)];
        operator.form("/actions/rules/bounds", &fields).await.location().to_owned()
    };
    assert_eq!(draw("1", "").await, "/rules?done=bounds");
    assert_eq!(draw("99", "60").await, "/rules?field=bounds.faults-percent&error=invalid");
    assert_eq!(draw("half", "60").await, "/rules?field=bounds.faults-percent&error=invalid");
    let mut seen = async || {
        let bounds = operator.get("/api/v1/rule-bounds").await.json();
        let of = |name: &str| bounds["items"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
        (of("faults-percent")["value"].clone(), of("fuel-percent")["own"].clone())
    };
    assert_eq!(seen().await, (1.into(), false.into()), "what was refused changed nothing");
    let page = operator.get("/rules?done=bounds").await.text();
    assert!(page.contains("试行界限") && page.contains("data-bound=\"faults-percent\" data-value=\"1\""), "{page}");
    assert_eq!(operator.form("/actions/rules/bounds", &[("csrf", &csrf)]).await.location(), "/rules?done=bounds");
    let mut engineer = city.signed_in("rule-engineer@a.example").await;
    let own = engineer.csrf.clone().unwrap();
    let answer = engineer.form("/actions/rules/bounds", &[("csrf", own.as_str()), ("faults-percent", "3")]).await;
    assert_eq!(answer.location(), "/rules?error=forbidden");
    let page = engineer.get("/rules").await.text();
    assert!(page.contains("data-bound=\"faults-percent\" data-value=\"2\""), "the usual one, to look at: {page}");
    assert!(!page.contains("/actions/rules/bounds"), "and no form");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_deleted_by_form_once_its_version_is_given_up() {
    let city = city().await;
    let rule = city.rule.to_string();
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let delete = [("csrf", csrf.as_str()), ("rule", rule.as_str())];
    let refused = operator.form("/actions/rules/delete-component", &delete).await;
    assert_eq!(refused.location(), format!("/rules/{rule}?error=referred-to"));
    let withdraw = [("csrf", csrf.as_str()), ("rule", rule.as_str()), ("act", "withdraw")];
    operator.form("/actions/rules/act", &withdraw).await;
    let page = operator.get(&format!("/rules/{rule}")).await.text();
    assert!(page.contains("data-testid=\"delete-component\""), "{page}");
    let answer = operator.form("/actions/rules/delete-component", &delete).await;
    assert_eq!(answer.location(), format!("/rules/{rule}?done=delete-component"));
    let page = operator.get(answer.location()).await.text();
    assert!(page.contains("规则组件已删除") && !page.contains("data-testid=\"delete-component\""), "{page}");
    assert_eq!(operator.get(&format!("/api/v1/rules/{rule}/component")).await.status, StatusCode::NOT_FOUND);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_sign_is_said_by_form_and_from_the_first_key_on_nothing_unsigned_is_taken() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let csrf = operator.csrf.clone().unwrap();
    let page = operator.get("/rules/signers").await.text();
    assert!(page.contains("data-required=\"false\"") && page.contains("还没有接受任何密钥"), "{page}");
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let accept = "/actions/rules/signers/accept";
    let mut send = async |target: &str, csrf: &str, key: &str, name: &str| {
        let fields = [("csrf", csrf), ("key", key), ("name", name)];
        operator.form(target, &fields).await.location().to_owned()
    };
    assert_eq!(send(accept, "forged", key, "Works").await, "/rules/signers?error=csrf");
    assert_eq!(send(accept, &csrf, "d75a", "Works").await, "/rules/signers?field=public_key&error=signer-key");
    assert_eq!(send(accept, &csrf, key, " ").await, "/rules/signers?field=name&error=invalid");
    assert_eq!(send(accept, &csrf, key, "Works <b>").await, "/rules/signers?done=signer-accepted");

    let page = operator.get("/rules/signers").await.text();
    assert!(
        page.contains("data-required=\"true\"") && page.contains(key) && page.contains("Works &lt;b&gt;"),
        "{page}"
    );
    let unsigned = upload(&mut operator, &csrf, b"\0asm unsigned").await;
    assert_eq!(unsigned.location(), "/rules?field=signature&error=signature-missing");
    let page = operator.get(unsigned.location()).await.text();
    assert!(page.contains("公司要求签名"), "{page}");
    // Another company neither sees the key nor ends it.
    let mut other = city.operator("b").await;
    assert!(!other.get("/rules/signers").await.text().contains(key));
    let theirs = other.csrf.clone().unwrap();
    let refuse = "/actions/rules/signers/refuse";
    let answer = other.form(refuse, &[("csrf", &theirs), ("key", key)]).await;
    assert_eq!(answer.location(), "/rules/signers?error=not-found");

    let answer = operator.form(refuse, &[("csrf", &csrf), ("key", key)]).await;
    assert_eq!(answer.location(), "/rules/signers?done=signer-refused");
    assert!(upload(&mut operator, &csrf, b"\0asm unsigned").await.location().ends_with("?done=upload"));
    let acts = operator.get("/api/v1/ledger?kind=signer-accepted").await.text();
    assert!(acts.contains("signer-accepted"), "{acts}");
    city.stop().await;
}
