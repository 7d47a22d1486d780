//! Who may do what, in real browsers without scripts: an approval by two people, and a resident who moves out.

use crate::browser::{Browser, Scripts};
use anyhow::{Context, Result, ensure};
use davy_city::{Plan, SignIn};
use davy_tests::platform::Platform;
use std::time::{Duration, Instant};

fn city() -> Platform {
    let mut platform = Platform::with_example_rule(&Plan::small(9)).unwrap();
    platform.start().unwrap();
    platform
}

async fn signed_in(platform: &Platform, person: &SignIn) -> Result<Browser> {
    let browser = Browser::open(platform.http, Scripts::Off).await?;
    browser.sign_in(person).await?;
    Ok(browser)
}

async fn worked(browser: &Browser, what: &str) -> Result<()> {
    browser.find("[data-testid=flash][data-error=false]").await.with_context(|| format!("{what} did not work"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn two_people_close_a_community_and_one_alone_cannot() -> Result<()> {
    let platform = tokio::task::block_in_place(city);
    let pair: Vec<&SignIn> = platform.people.iter().filter(|it| it.role == "dispatcher").take(2).collect();
    ensure!(pair.len() == 2 && pair[0].tenant == pair[1].tenant, "two dispatchers of one company: {pair:?}");

    // The company decides that nobody closes several premises alone.
    let officer = signed_in(&platform, platform.person("safety-officer")?).await?;
    officer.go("/approvals").await?;
    officer.overwrite("[data-testid=closing-limit] input[name=premises]", "0").await?;
    officer.click("[data-testid=closing-limit] button").await?;
    worked(&officer, "setting the limit").await?;
    officer.close().await?;

    let first = signed_in(&platform, pair[0]).await?;
    first.go("/approvals").await?;
    first.click("[data-testid=close-many] button").await?;
    worked(&first, "asking").await?;
    first.find("[data-testid=request][data-stage=waiting]").await?;
    ensure!(first.count("[data-testid=decide-approve]").await? == 0, "who asked is offered to approve");

    let second = signed_in(&platform, pair[1]).await?;
    second.go("/approvals").await?;
    second.click("[data-testid=decide-approve]").await?;
    worked(&second, "approving").await?;
    let begun = Instant::now();
    while second.count("[data-testid=request][data-stage=done]").await? == 0 {
        ensure!(begun.elapsed() < Duration::from_secs(30), "it is not carried out");
        tokio::time::sleep(Duration::from_millis(200)).await;
        second.go("/approvals").await?;
    }
    ensure!(second.count("[data-testid=decide-approve]").await? == 0, "it can be approved twice");
    second.close().await?;
    first.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn a_resident_hands_a_home_over_and_whoever_comes_next_begins_anew() -> Result<()> {
    let platform = tokio::task::block_in_place(city);
    let resident = platform.person("resident")?;
    let browser = signed_in(&platform, resident).await?;
    browser.find("nav a[href='/household']").await?;
    browser.go("/household").await?;
    browser.find("[data-testid=member]").await?;
    browser.click("[data-testid=hand-over] input[name=sure]").await?;
    browser.click("[data-testid=hand-over] button").await?;
    browser.find("[data-testid=secret]").await.context("no code for who comes next")?;
    let secret = browser.client.find(fantoccini::Locator::Css("[data-testid=secret]")).await?;
    let code = secret.text().await?;
    browser.go("/home").await?;
    browser.find("form[data-testid=sign-in]").await.context("the old session still sees the home")?;

    browser.go("/join").await?;
    let next = SignIn { email: "next@home.example".to_owned(), ..resident.clone() };
    for (field, text) in
        [("code", code.as_str()), ("name", "新住户"), ("email", &next.email), ("password", &next.password)]
    {
        browser.write(&format!("[data-testid=join] input[name={field}]"), text).await?;
    }
    browser.click("[data-testid=join] button").await?;
    worked(&browser, "joining").await?;
    browser.sign_in(&next).await?;
    browser.find("[data-testid=valve-state]").await.context("whoever comes next does not see the home")?;
    browser.close().await
}
