//! The whole life of one version of a rule, by two people of one company in real browsers: neither of them touches code.

use crate::browser::{Browser, Scripts};
use anyhow::{Context, Result, ensure};
use davy_city::{Plan, SignIn};
use davy_coap::{Code, Request};
use davy_tests::device::Device;
use davy_tests::platform::Platform;
use davy_tests::programs;
use std::time::{Duration, Instant};

/// The demo's companies, each with the example rule in force, and devices that report.
fn city() -> Platform {
    let mut platform = Platform::with_example_rule(&Plan { report_interval_s: 5, ..Plan::small(5) }).unwrap();
    platform.start().unwrap();
    let life = ["--nuisance", "0", "--reboot-hours", "0", "--quiet"];
    platform.fleet("run", &life).unwrap();
    let begun = Instant::now();
    while platform.counter("davy_uplinks_total").unwrap() < 8.0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the fleet is not heard of");
        std::thread::sleep(Duration::from_millis(200));
    }
    for serial in ["LZD000001", "MXD000001"] {
        weak_battery(&platform, serial);
    }
    platform
}

/// A detector says that its battery is at 40 %: enough for the version in force, and not for the one that the test makes.
fn weak_battery(platform: &Platform, serial: &str) {
    // Far ahead of the numbers that the fleet gives.
    let mut device = Device::new(platform.coap, platform.device(serial).unwrap(), 1 << 24).unwrap();
    let mut bytes = Vec::new();
    let mut cbor = minicbor::Encoder::new(&mut bytes);
    cbor.array(1).unwrap().map(2).unwrap().u8(0).unwrap().str("bat").unwrap().u8(2).unwrap().f64(40.0).unwrap();
    device.ask(Request::post("u", 112, bytes)).unwrap();
    assert_eq!(device.responses(1).unwrap()[0].code, Code::CHANGED);
}

async fn in_force(browser: &Browser) -> Result<String> {
    browser.go("/rules").await?;
    browser.attribute("[data-testid=in-force]", "data-rule").await
}

async fn at_stage(browser: &Browser, stage: &str) -> Result<()> {
    let here = format!(".page-head [data-testid=stage][data-stage={stage}]");
    browser.find(&here).await.with_context(|| format!("the version does not come to `{stage}`"))
}

async fn act(browser: &Browser, act: &str) -> Result<()> {
    browser.leave_by(&format!("[data-testid=act-{act}]")).await?;
    browser.find("[data-testid=flash][data-error=false]").await.with_context(|| format!("`{act}` did not work"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn two_people_bring_a_version_into_force_and_take_it_back() -> Result<()> {
    let platform = tokio::task::block_in_place(city);
    let pair: Vec<&SignIn> = platform.people.iter().filter(|it| it.role == "rule-engineer").take(2).collect();
    ensure!(pair.len() == 2 && pair[0].tenant == pair[1].tenant, "two engineers of one company: {pair:?}");
    let component =
        programs::household_leak().context("the example rule is not packaged: `cargo xtask rules build`")?;
    let component = component.canonicalize()?;

    // The first person uploads a component and sees the checks pass without loading the page again.
    let first = Browser::open(platform.http, Scripts::On).await?;
    first.sign_in(pair[0]).await?;
    let before = in_force(&first).await?;
    first.hydrated().await?;
    first.write("input[name=component]", &component.display().to_string()).await?;
    first.leave_by("[data-testid=upload] button[type=submit]").await?;
    first.find("[data-testid=checks][data-state=passed]").await.context("the checks do not pass")?;
    at_stage(&first, "checked").await?;
    let uploaded = first.path().await?;

    // Another setting makes a version of its own.
    first.hydrated().await?;
    first.overwrite("input[name='s.gas-low-level']", "8").await?;
    first.overwrite("input[name='s.battery-low-level']", "50").await?;
    first.leave_by("[data-testid=save-settings]").await?;
    first.find("[data-testid=flash][data-error=false]").await?;
    at_stage(&first, "checked").await?;
    let page = first.path().await?;
    ensure!(page != uploaded, "the settings were changed in place");
    ensure!(first.attribute("input[name='s.gas-low-level']", "value").await? == "8", "the setting is not kept");

    // Over the company's history, then on live data, then for some of the devices.
    first.leave_by("[data-testid=start-back-test]").await?;
    first.find("[data-testid=back-test][data-state=done]").await.context("the back-test does not end")?;
    at_stage(&first, "back-tested").await?;
    first.click("[data-testid=back-test-report]").await?;
    first.find("[data-testid=verdict][data-missed='0']").await?;
    // A row opens the chart of the quantity that it is about, which is not the one that a detector's page shows by itself.
    let row = "[data-testid=report-row] [data-testid=report-device]";
    let link = first.attribute(row, "href").await?;
    ensure!(link.contains("&q=battery") && link.contains("version="), "{link}");
    first.click(row).await?;
    first.find("[data-testid=chart] .plot-mark-version").await.context("the moment of the version is not marked")?;
    first.find(".choice a[href*='q=battery'][aria-current=true]").await.context("another quantity is shown")?;
    first.go(&page).await?;
    act(&first, "start-shadow").await?;
    at_stage(&first, "shadow").await?;
    first.overwrite("input[name=percent]", "10").await?;
    act(&first, "start-cohort").await?;
    at_stage(&first, "cohort").await?;
    act(&first, "propose").await?;
    first.find("[data-testid=next-step][data-waits=true]").await?;
    ensure!(first.count("[data-testid=act-approve]").await? == 0, "whoever proposed it is offered to approve it");

    // The second person approves, also without scripts.
    let second = Browser::open(platform.http, Scripts::Off).await?;
    second.sign_in(pair[1]).await?;
    second.go(&page).await?;
    second
        .find("[data-testid=change-component][data-same=true]")
        .await
        .context("the second person is not told what changes")?;
    ensure!(second.count("[data-testid=changed-setting]").await? == 2, "two settings differ from those in force");
    second.click("[data-testid=act-approve]").await?;
    at_stage(&second, "active").await?;
    ensure!(page.ends_with(&in_force(&second).await?), "the list names another version");
    second.close().await?;

    // The first takes it back in one act, and the version before is in force.
    ensure!(page.ends_with(&in_force(&first).await?), "the list names another version");
    first.go(&page).await?;
    act(&first, "roll-back").await?;
    at_stage(&first, "retired").await?;
    ensure!(in_force(&first).await? == before, "the version before is not in force again");
    first.close().await
}
