//! The pages as the server sends them: whole without scripts, in both languages, guarded by their headers.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "the preview uses all of it")]
#[path = "../examples/preview/city.rs"]
mod city;
#[path = "../examples/preview/ledger.rs"]
mod ledger;
#[allow(dead_code, reason = "the preview uses all of it")]
#[path = "../examples/preview/rules.rs"]
mod rules;
#[path = "../examples/preview/series.rs"]
mod series;
#[path = "../examples/preview/tiles.rs"]
mod tiles;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use davy_domain::Role;
use davy_domain::Timestamp;
use davy_web::SignedInContext;
use davy_web::ssr::{Pages, Site, routes};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_millis(1_795_406_400_000);

/// Runs a test as in a server: one runtime, and the routes made once before any request.
fn on_the_server(test: impl Future<Output = ()>) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
    RUNTIME.block_on(test);
}

/// Listing the routes renders the app with its resources held back, for the whole process: a page rendered meanwhile by another
/// test would wait for ever.
fn pages() -> Router {
    static PAGES: LazyLock<Router> =
        LazyLock::new(|| routes(Pages::new(Arc::new(city::City::new(|| NOW)), Site::bare(), || NOW)));
    PAGES.clone()
}

struct Page {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Page {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map(|it| it.to_str().unwrap()).unwrap_or_default()
    }
}

async fn ask(role: Option<Role>, path: &str, cookie: &str) -> Page {
    let mut request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
    if let Some(role) = role {
        let (viewer, person) = city::City::viewer(role);
        request.extensions_mut().insert(SignedInContext { viewer, person, csrf: "t0ken".to_owned() });
    }
    let response: Response<Body> = pages().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, 4 << 20).await.unwrap().to_vec()).unwrap();
    Page { status: parts.status, headers: parts.headers, body }
}

#[test]
fn a_signed_out_visitor_is_sent_to_sign_in_and_comes_back() {
    on_the_server(async {
        let page = ask(None, "/devices?kind=meter", "").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert_eq!(page.header(header::LOCATION), "/sign-in?next=%2Fdevices%3Fkind%3Dmeter");
        let page = ask(None, "/sign-in?next=%2Fdevices", "").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains(r#"action="/sign-in""#));
        assert!(page.body.contains(r#"name="next" value="/devices""#), "{}", page.body);
    });
}

#[test]
fn a_resident_closes_the_valve_with_a_plain_form() {
    on_the_server(async {
        let page = ask(Some(Role::Resident), "/home", "").await;
        assert_eq!(page.status, StatusCode::OK);
        let form = page
            .body
            .split(r#"action="/actions/close""#)
            .nth(1)
            .expect("a form that closes")
            .split("</form>")
            .next()
            .unwrap();
        assert!(form.contains(r#"name="csrf" value="t0ken""#), "{form}");
        assert!(form.contains(&format!(r#"name="premises" value="{}""#, city::HOME)), "{form}");
        assert!(form.contains(r#"name="next" value="/home""#), "{form}");
        assert!(page.body.contains(r#"data-testid="valve-state" data-state="open""#), "{}", page.body);
    });
}

#[test]
fn every_page_is_whole_before_any_script_runs() {
    on_the_server(async {
        let overview = ask(Some(Role::Regulator), "/", "").await.body;
        assert!(overview.contains(r#"data-testid="alarm-row""#));
        assert!(overview.contains(r#"data-testid="divisions""#));
        assert!(!overview.contains(r#"action="/actions/acknowledge""#), "a regulator answers for no company");
        let on_duty = ask(Some(Role::Dispatcher), "/", "").await.body;
        assert!(on_duty.contains(r#"action="/actions/acknowledge""#));
        let devices = ask(Some(Role::Dispatcher), "/devices?kind=well-monitor", "").await.body;
        assert_eq!(devices.matches(r#"data-testid="device-row""#).count(), 5);
        for body in [overview, devices] {
            assert!(!body.contains("<template"), "a part of the page waits for a script");
        }
    });
}

#[test]
fn the_chart_is_drawn_and_told_without_scripts() {
    on_the_server(async {
        let devices = ask(Some(Role::Dispatcher), "/devices?kind=detector", "").await.body;
        let link = devices.split(r#"href="/devices/dev_"#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let page = ask(Some(Role::Dispatcher), &format!("/devices/dev_{link}"), "").await;
        assert!(page.body.contains(r#"class="plot-line""#));
        assert!(page.body.contains(r#"data-testid="close-valve""#));
        let page = ask(Some(Role::Regulator), &format!("/devices/dev_{link}"), "").await;
        assert!(!page.body.contains(r#"data-testid="close-valve""#), "a regulator looks and does not close");
    });
}

#[test]
fn the_language_follows_the_cookie() {
    on_the_server(async {
        let page = ask(None, "/sign-in", "").await;
        assert!(page.body.contains(r#"lang="zh-CN""#), "{}", page.body);
        assert!(page.body.contains("闻到燃气味"));
        let page = ask(None, "/sign-in", "davy_lang=en").await;
        assert!(page.body.contains(r#"lang="en""#));
        assert!(page.body.contains("Do you smell gas?"));
        assert!(!page.body.contains("闻到燃气味"));
    });
}

#[test]
fn what_is_not_there_is_a_404() {
    on_the_server(async {
        for path in [
            "/no-such-page",
            "/devices/dev_2D",
            "/devices/nonsense",
            "/rules/nonsense",
            "/rules/rel_1",
            "/alarms/nonsense/why",
        ] {
            assert_eq!(ask(Some(Role::Dispatcher), path, "").await.status, StatusCode::NOT_FOUND, "{path}");
        }
    });
}

#[test]
fn scripts_carry_the_nonce_of_the_policy_and_nothing_is_inline_without_it() {
    on_the_server(async {
        let page = ask(Some(Role::Dispatcher), "/", "").await;
        let policy = page.header(header::CONTENT_SECURITY_POLICY);
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(nonce.len() >= 16, "{policy}");
        for script in page.body.split("<script").skip(1) {
            // An empty element runs nothing; Leptos ends a page with one.
            assert!(script.starts_with("></script>") || script.split('>').next().unwrap().contains(nonce), "{script}");
        }
        assert!(!page.body.contains(" style=\""), "the policy forbids inline styles");
        assert!(!page.body.contains("onclick="));
        assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
        let other = ask(Some(Role::Dispatcher), "/", "").await;
        assert!(!other.header(header::CONTENT_SECURITY_POLICY).contains(nonce), "a nonce is used once");
    });
}

#[test]
fn only_known_words_become_a_message() {
    on_the_server(async {
        let page = ask(Some(Role::Resident), "/home?done=close", "").await;
        assert!(page.body.contains(r#"data-testid="flash" data-error="false""#));
        let page = ask(Some(Role::Resident), "/home?error=%3Cscript%3Ealert(1)%3C/script%3E", "").await;
        assert!(!page.body.contains("alert(1)"), "{}", page.body);
        assert!(!page.body.contains(r#"data-testid="flash""#));
    });
}

/// The pages of the preview's versions are named by their number: 101 is the newest.
fn version(number: i64) -> String {
    format!("/rules/{}", davy_domain::ReleaseId::from_raw(number))
}

#[test]
fn the_list_of_rules_says_what_is_in_force_and_uploads_without_scripts() {
    on_the_server(async {
        let page = ask(Some(Role::Dispatcher), "/rules", "").await.body;
        assert!(page.contains(&format!(r#"data-testid="in-force" data-rule="{}""#, &version(104)[7..])), "{page}");
        assert_eq!(page.matches(r#"data-testid="rule-row""#).count(), 9);
        let form = page.split(r#"action="/actions/rules/upload""#).nth(1).unwrap().split("</form>").next().unwrap();
        assert!(
            form.contains(r#"enctype="multipart/form-data""#) && form.contains(r#"name="csrf" value="t0ken""#),
            "{form}"
        );
        assert!(form.contains(r#"type="file" name="component""#), "{form}");
        assert!(page.contains(r#"href="/rules" aria-current="page""#), "{page}");
        let page = ask(Some(Role::Regulator), "/rules", "").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(!page.body.contains(r#"href="/rules""#), "a regulator is led where they may not go");
        assert_eq!(ask(Some(Role::Resident), "/rules", "").await.header(header::LOCATION), "/home");
    });
}

#[test]
fn a_version_says_who_has_to_act_next_and_offers_only_that() {
    on_the_server(async {
        let offers = |page: &str, act: &str| page.contains(&format!(r#"data-testid="act-{act}""#));
        let theirs = ask(Some(Role::Dispatcher), &version(102), "").await.body;
        assert!(theirs.contains("林涛提议让它生效") && offers(&theirs, "approve") && offers(&theirs, "decline"));
        assert!(!offers(&theirs, "propose"), "it has been proposed already");
        let own = ask(Some(Role::Dispatcher), &version(107), "davy_lang=en").await.body;
        assert!(own.contains("somebody else must approve") && !offers(&own, "approve"), "{own}");
        let active = ask(Some(Role::Dispatcher), &version(104), "").await.body;
        assert!(offers(&active, "roll-back") && !offers(&active, "withdraw"));
        let missed = ask(Some(Role::Dispatcher), &version(105), "").await.body;
        assert!(missed.contains("漏掉了 2 起") && !offers(&missed, "start-shadow"), "{missed}");
    });
}

#[test]
fn the_checks_of_a_refused_component_say_where_why_and_what_to_do() {
    on_the_server(async {
        let page = ask(Some(Role::Dispatcher), &version(108), "").await.body;
        for words in ["它的引入项", "它引入了 1 项：wasi:clocks/wall-clock@0.2.3#now", "规则没有时钟"]
        {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains(r#"data-testid="settings-form""#));
        let page = ask(Some(Role::Dispatcher), &version(101), "").await.body;
        assert!(page.contains(r#"data-testid="checks" data-state="waiting""#), "{page}");
    });
}

#[test]
fn settings_are_a_form_drawn_from_the_schema() {
    on_the_server(async {
        let page = ask(Some(Role::Dispatcher), &version(103), "").await.body;
        let form = page.split(r#"data-testid="settings-form""#).nth(1).unwrap().split("</form>").next().unwrap();
        let input = |name: &str| {
            let at = form.find(&format!(r#"name="{name}""#)).unwrap_or_else(|| panic!("no {name}: {form}"));
            let start = form[..at].rfind('<').unwrap();
            form[start..at + form[at..].find('>').unwrap()].to_owned()
        };
        let level = input("s.gas_low_level");
        assert!(
            level.contains(r#"value="9""#) && level.contains(r#"min="5""#) && level.contains(r#"max="25""#),
            "{level}"
        );
        // Unset settings have their defaults.
        assert!(input("s.gas_high_level").contains(r#"value="20""#));
        assert!(input("s.close_at_low").contains("checked"));
        assert!(input("s.mode").starts_with("<select"));
        assert!(input("s.night.flow").contains(r#"value="0.05""#));
        assert!(input("s.night.hours").contains(r#"value="[1,2,3,4]""#));
        assert!(form.contains("燃气低限") && form.contains("%LEL"), "{form}");
        let refused = format!("{}?error=invalid&field=settings.gas_low_level", version(103));
        let page = ask(Some(Role::Dispatcher), &refused, "davy_lang=en").await.body;
        assert!(page.contains("“Gas, low level” does not fit: 5 to 25 %LEL"), "{page}");
        let refused = format!("{}?error=invalid&field=%3Cb%3E", version(103));
        assert!(!ask(Some(Role::Dispatcher), &refused, "").await.body.contains(r#"data-testid="setting-refused""#));
    });
}

#[test]
fn a_report_puts_missed_leaks_first_and_survives_missing_parts() {
    on_the_server(async {
        let report = |version_number: i64, test: i64| {
            format!("{}/back-tests/{}", version(version_number), davy_domain::BackTestId::from_raw(test))
        };
        let page = ask(Some(Role::Dispatcher), &report(105, 1_052), "").await.body;
        assert!(page.contains(r#"data-testid="verdict" data-missed="2""#), "{page}");
        let first = page.split(r#"data-testid="report-row""#).nth(1).unwrap();
        assert!(first.starts_with(r#" data-blocking="true""#), "{first}");
        assert!(first.contains("?at=") && first.contains("&amp;active="), "{first}");
        let page = ask(Some(Role::Dispatcher), &report(103, 1_032), "").await.body;
        assert!(page.contains(r#"data-testid="verdict" data-missed="0""#), "{page}");
        let page = ask(Some(Role::Dispatcher), &report(103, 1_031), "").await.body;
        assert!(page.contains(r#"data-testid="cancel-back-test""#) && page.contains("<progress"), "{page}");
    });
}

#[test]
fn the_reports_of_notification_and_billing_policies_say_what_theirs_are_about() {
    on_the_server(async {
        let report = |version_number: i64, test: i64| {
            format!("{}/back-tests/{}", version(version_number), davy_domain::BackTestId::from_raw(test))
        };
        let page = ask(Some(Role::Dispatcher), &report(106, 1_062), "davy_lang=en").await.body;
        assert!(page.contains(r#"data-testid="verdict" data-missed="1""#) && page.contains("Nobody is told"), "{page}");
        assert!(page.contains("Control room") && page.contains("Voice call"), "{page}");
        let row = page.split(r#"data-testid="report-row""#).nth(1).unwrap();
        assert!(row.contains(r#"href="/alarms/alm_"#) && row.contains("/why"), "{row}");
        let page = ask(Some(Role::Dispatcher), &report(109, 1_092), "davy_lang=en").await.body;
        assert!(page.contains("190.05 yuan more in all") && page.contains("51,203.55"), "{page}");
        assert!(page.contains("nothing may be shut off") && page.contains("-0.40"), "{page}");
        let page = ask(Some(Role::Dispatcher), &report(109, 1_092), "").await.body;
        assert!(page.contains("因此不得停气"), "{page}");
    });
}

#[test]
fn an_alarm_leads_to_its_decisions_and_asks_what_it_was() {
    on_the_server(async {
        let overview = ask(Some(Role::Dispatcher), "/", "").await.body;
        let device = overview.split(r#"href="/devices/dev_"#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let page = ask(Some(Role::Dispatcher), &format!("/devices/dev_{device}"), "").await.body;
        assert!(page.contains(r#"action="/actions/finding""#) && page.contains(r#"value="false-alarm""#));
        let why = page.split(r#"href="/alarms/"#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        // A regulator confirms alarms; who lives there does not.
        let seen = ask(Some(Role::Regulator), &format!("/devices/dev_{device}"), "").await.body;
        assert!(seen.contains(r#"data-testid="why""#) && seen.contains(r#"action="/actions/finding""#));
        let seen = ask(Some(Role::Resident), &format!("/devices/dev_{device}"), "").await.body;
        assert!(!seen.contains(r#"action="/actions/finding""#));
        let page = ask(Some(Role::Regulator), &format!("/alarms/{why}"), "davy_lang=en").await.body;
        assert_eq!(page.matches(r#"data-testid="decision""#).count(), 3);
        assert!(
            page.contains("13.2 %LEL") && page.contains("The rule failed") && page.contains("cn-household-gas"),
            "{page}"
        );
        assert!(page.contains("No rule was asked"), "{page}");
    });
}

#[test]
fn a_chart_opened_from_a_difference_shows_both_versions_moments() {
    on_the_server(async {
        let devices = ask(Some(Role::Dispatcher), "/devices?kind=detector", "").await.body;
        let device = devices.split(r#"href="/devices/dev_"#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let at = NOW.as_millis() - 3_600_000;
        let page = format!("/devices/dev_{device}?at={at}&active={at}&version={}", at - 38_000);
        let page = ask(Some(Role::Dispatcher), &page, "").await.body;
        assert!(page.contains("plot-mark-active") && page.contains("plot-mark-version"), "{page}");
        let page = ask(Some(Role::Dispatcher), &format!("/devices/dev_{device}?at=99999999999999999"), "").await;
        assert_eq!(page.status, StatusCode::OK);
    });
}

#[test]
fn the_ledger_is_searched_and_taken_along_without_scripts() {
    on_the_server(async {
        let page = ask(Some(Role::Dispatcher), "/ledger", "davy_lang=en").await.body;
        assert_eq!(page.matches(r#"data-testid="ledger-entry""#).count(), 8);
        for words in ["Sign-in refused", "Unacknowledged", "signed for with entry 5", "not signed for yet", "Older"] {
            assert_eq!(page.contains(words), words != "Older", "{words}");
        }
        assert!(page.contains(r#"data-testid="ledger-export""#) && page.contains(r#"href="/api/v1/ledger/export""#));
        assert!(page.contains(r#"href="/ledger?by=usr_2""#));
        let page =
            ask(Some(Role::Dispatcher), "/ledger?kind=commands&from=2026-11-01&about=cmd_5", "davy_lang=en").await.body;
        assert_eq!(page.matches(r#"data-testid="ledger-entry""#).count(), 2);
        assert!(page.contains(r#"value="2026-11-01""#) && page.contains(r#"value="cmd_5""#));
        let page = ask(Some(Role::Dispatcher), "/ledger?kind=rules", "").await.body;
        assert!(page.contains(r#"data-testid="ledger-empty""#) && page.contains("没有符合条件的记录"));
        let page = ask(Some(Role::Regulator), "/ledger", "").await.body;
        assert!(!page.contains(r#"data-testid="ledger-export""#) && page.contains("下载检查点"));
        let page = ask(Some(Role::Resident), "/ledger", "davy_lang=en").await.body;
        assert!(!page.contains("ledger-entry"), "a problem is told instead");
    });
}

#[test]
fn an_alarms_page_shows_where_the_ledger_has_it() {
    on_the_server(async {
        let overview = ask(Some(Role::Dispatcher), "/", "").await.body;
        let device = overview.split(r#"href="/devices/dev_"#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let page = ask(Some(Role::Dispatcher), &format!("/devices/dev_{device}"), "").await.body;
        let why = page.split(r#"href="/alarms/"#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let path = format!("/alarms/{why}");
        let page = ask(Some(Role::Dispatcher), &path, "davy_lang=en").await.body;
        assert!(page.contains(r#"data-testid="alarm-ledger""#), "{path}");
        assert_eq!(page.matches(r#"data-testid="ledger-entry""#).count(), 4);
    });
}
