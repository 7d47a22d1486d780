//! What people see and do: a leak appears by itself, a resident closes a valve, also without scripts.

use crate::browser::{Browser, Scripts};
use anyhow::{Context, Result};
use davy_city::Plan;
use davy_tests::platform::{Platform, intervene};
use std::time::{Duration, Instant};

/// A platform with a living fleet whose gas spreads fast.
fn living(arguments: &[&str]) -> Platform {
    let mut platform = Platform::with_example_rule(&Plan { report_interval_s: 5, ..Plan::small(5) }).unwrap();
    platform.start().unwrap();
    let mut all = vec!["--gas-pace", "20", "--nuisance", "0", "--reboot-hours", "0", "--quiet"];
    all.extend(arguments);
    platform.fleet("run", &all).unwrap();
    let begun = Instant::now();
    // Every device must have been heard of once.
    while platform.counter("davy_uplinks_total").unwrap() < 8.0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the fleet is not heard of");
        std::thread::sleep(Duration::from_millis(200));
    }
    platform
}

fn leak_at(platform: &mut Platform, premises: &str) {
    let fleet = platform.last_helper().unwrap();
    intervene(fleet, &format!("leak {premises}")).unwrap();
}

/// The premises of the resident of the first company.
fn home_of_resident(platform: &Platform) -> String {
    let detector =
        platform.devices.iter().find(|device| device.kind == "detector" && device.serial.starts_with("LZD")).unwrap();
    detector.premises.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn a_leak_appears_on_the_regulators_page_without_a_reload() -> Result<()> {
    let mut platform = tokio::task::block_in_place(|| living(&[]));
    let browser = Browser::open(platform.http, Scripts::On).await?;
    browser.sign_in(platform.person("regulator")?).await?;
    browser.hydrated().await?;
    browser.find("[data-testid=live-connection][data-state=live]").await?;
    // Drawn to the end, with sites on it and none of them leaking.
    browser.find("[data-testid=map][data-map-ready=true][data-map-leak='0'] canvas").await?;
    let sites = "const map = document.querySelector('[data-testid=map]').dataset; \
        return ['mapNormal', 'mapEvent', 'mapAlarm'].reduce((sum, state) => sum + Number(map[state]), 0)";
    let sites = browser.client.execute(sites, vec![]).await?;
    assert!(
        sites.as_u64().is_some_and(|sites| sites >= 8),
        "{sites} sites are on the map: the city has 8 homes and more"
    );
    let leak_row = "[data-testid=alarm-row][data-condition^=gas-]";
    assert_eq!(browser.count(leak_row).await?, 0);
    // A mark that a reload would wipe.
    browser.client.execute("window.notReloaded = true", vec![]).await?;
    let premises = home_of_resident(&platform);
    leak_at(&mut platform, &premises);
    browser.find(leak_row).await?;
    browser.find("[data-testid=map][data-map-leak]:not([data-map-leak='0'])").await.context("no leak is on the map")?;
    let kept = browser.client.execute("return window.notReloaded === true", vec![]).await?;
    assert_eq!(kept, serde_json::json!(true), "the page was loaded anew");
    // And the valve is proven closed, live too.
    browser.find("[data-testid=alarm-row] [data-testid=valve-state][data-state=closed]").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn a_resident_closes_the_valve_and_sees_it_closed() -> Result<()> {
    let platform = tokio::task::block_in_place(|| living(&[]));
    let browser = Browser::open(platform.http, Scripts::On).await?;
    browser.sign_in(platform.person("resident")?).await?;
    browser.go("/home").await?;
    browser.hydrated().await?;
    browser.find("[data-testid=valve-state][data-state=open]").await?;
    browser.click("[data-testid=close-valve]").await?;
    browser.find("[data-testid=flash][data-error=false]").await?;
    browser.find("[data-testid=valve-state][data-state=closed]").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn without_scripts_a_resident_closes_the_valve_all_the_same() -> Result<()> {
    let platform = tokio::task::block_in_place(|| living(&[]));
    let browser = Browser::open(platform.http, Scripts::Off).await?;
    browser.sign_in(platform.person("resident")?).await?;
    browser.go("/home").await?;
    assert_eq!(browser.count("html[data-hydrated]").await?, 0, "scripts are on");
    browser.find("[data-testid=valve-state][data-state=open]").await?;
    browser.click("[data-testid=close-valve]").await?;
    browser.find("[data-testid=flash][data-error=false]").await?;
    let begun = Instant::now();
    // Nothing comes by itself without scripts: a person loads the page again.
    while browser.count("[data-testid=valve-state][data-state=closed]").await? == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the valve is not shown closed");
        tokio::time::sleep(Duration::from_millis(500)).await;
        browser.go("/home").await?;
    }
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn without_scripts_a_leak_is_on_the_page_after_a_reload() -> Result<()> {
    let mut platform = tokio::task::block_in_place(|| living(&[]));
    let browser = Browser::open(platform.http, Scripts::Off).await?;
    browser.sign_in(platform.person("dispatcher")?).await?;
    let premises = home_of_resident(&platform);
    leak_at(&mut platform, &premises);
    let begun = Instant::now();
    while browser.count("[data-testid=alarm-row][data-condition^=gas-]").await? == 0 {
        assert!(begun.elapsed() < Duration::from_secs(45), "the leak is not on the page");
        tokio::time::sleep(Duration::from_millis(500)).await;
        browser.go("/").await?;
    }
    browser.close().await
}
