//! Every page with a living city, in each size, language and light: nothing sticks out of the screen, everything is there. A picture of each
//! goes into the folder that `DAVY_TEST_PICTURES` names, if it does (`cargo xtask screenshots`).

use crate::browser::{Browser, Screen, Scripts};
use anyhow::{Context, Result, ensure};
use davy_city::Plan;
use davy_tests::platform::{Platform, intervene};
use std::path::PathBuf;
use std::time::Duration;

const SIZES: [(u32, u32); 2] = [(1440, 900), (390, 844)];
const LANGUAGES: [(&str, &str); 2] = [("zh-CN", "zh"), ("en", "en")];

/// The homes that leak, by their detectors. The first is the first resident's; the second resident's home is quiet.
const LEAKS: [&str; 9] = [
    "LZD000000",
    "MXD000011",
    "LZD000017",
    "MXD000029",
    "LZD000042",
    "MXD000077",
    "LZD000101",
    "MXD000150",
    "LZD000199",
];

/// The demo's city, at its pace.
fn city() -> Platform {
    let mut platform = Platform::with_example_rule(&Plan { report_interval_s: 15, ..Plan::demo(7) }).unwrap();
    platform.start().unwrap();
    let life = ["--gas-pace", "10", "--life-scale", "24", "--nuisance", "0", "--reboot-hours", "0", "--quiet"];
    platform.fleet("run", &life).unwrap();
    std::thread::sleep(Duration::from_secs(45));
    for serial in LEAKS {
        let premises = platform.device(serial).unwrap().premises.clone().unwrap();
        intervene(platform.last_helper().unwrap(), &format!("leak {premises}")).unwrap();
        std::thread::sleep(Duration::from_secs(2));
    }
    // The last valve is home and has said so.
    std::thread::sleep(Duration::from_secs(20));
    platform
}

/// What a company's administrator works with, and who runs the platform; without charts and maps.
const DESKS: [(&str, &[(&str, &str)]); 2] = [
    (
        "administrator",
        &[
            ("people", "/people"),
            ("tokens", "/tokens"),
            ("approvals", "/approvals"),
            ("ledger", "/ledger"),
            ("add-devices", "/devices/add"),
            ("labels", "/devices/labels"),
            ("usage", "/usage"),
            ("signers", "/rules/signers"),
            ("account", "/account"),
        ],
    ),
    ("platform-administrator", &[("tenants", "/tenants")]),
];

struct Album {
    folder: Option<PathBuf>,
    faults: Vec<String>,
}

impl Album {
    /// Judges the page that is open, and keeps a picture of it. Tiles and charts come a little after the text.
    async fn add(&mut self, browser: &Browser, name: &str, screen: Screen, language: &str) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        self.add_plain(browser, name, screen, language).await
    }

    /// The same for a page of text.
    async fn add_plain(&mut self, browser: &Browser, name: &str, screen: Screen, language: &str) -> Result<()> {
        let light = if screen.dark { "dark" } else { "light" };
        let name = format!("{name}-{}x{}-{language}-{light}", screen.width, screen.height);
        let look = "const wide = document.documentElement.scrollWidth, dark = matchMedia('(prefers-color-scheme: dark)').matches; \
            return [wide, window.innerWidth, window.innerHeight, dark, document.documentElement.lang.slice(0, 2)]";
        let found = browser.client.execute(look, vec![]).await?;
        let wanted = serde_json::json!([screen.width, screen.width, screen.height, screen.dark, language]);
        if found != wanted {
            self.faults
                .push(format!("{name}: width of the page, screen, darkness and language are {found}, not {wanted}"));
        }
        let picture = browser.client.screenshot().await?;
        ensure!(picture.starts_with(b"\x89PNG"), "{name}: no picture");
        if let Some(folder) = &self.folder {
            std::fs::create_dir_all(folder)?;
            let path = folder.join(format!("{name}.png"));
            std::fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn every_page_is_whole_in_every_size_language_and_light() -> Result<()> {
    let platform = tokio::task::block_in_place(city);
    let mut album = Album { folder: std::env::var_os("DAVY_TEST_PICTURES").map(PathBuf::from), faults: Vec::new() };
    let device = platform.device(LEAKS[0])?.device.clone();
    let residents: Vec<_> = platform.people.iter().filter(|person| person.role == "resident").collect();
    for (width, height) in SIZES {
        for (locale, language) in LANGUAGES {
            for dark in [false, true] {
                let screen = Screen { width, height, dark };
                let browser = Browser::look(platform.http, Scripts::On, Some(screen)).await?;
                browser.go("/sign-in").await?;
                browser.click(&format!("[data-testid=language-{locale}]")).await?;
                browser.find("form[data-testid=sign-in]").await?;
                album.add(&browser, "sign-in", screen, language).await?;

                browser.sign_in(platform.person("regulator")?).await?;
                browser.hydrated().await?;
                browser.find("[data-testid=live-connection][data-state=live]").await?;
                browser.find("[data-testid=map][data-map-leak]:not([data-map-leak='0'])").await?;
                browser.find("[data-testid=alarm-row]").await?;
                album.add(&browser, "overview", screen, language).await?;
                browser.go("/devices").await?;
                browser.hydrated().await?;
                album.add(&browser, "devices", screen, language).await?;
                browser.go(&format!("/devices/{device}")).await?;
                browser.hydrated().await?;
                browser.find("[data-testid=chart] canvas").await?;
                album.add(&browser, "device", screen, language).await?;
                browser.sign_out().await?;

                browser.sign_in(platform.person("rule-engineer")?).await?;
                browser.go("/rules").await?;
                browser.hydrated().await?;
                browser.find("[data-testid=in-force]").await?;
                album.add(&browser, "rules", screen, language).await?;
                let rule = browser.attribute("[data-testid=in-force]", "data-rule").await?;
                browser.go(&format!("/rules/{rule}")).await?;
                browser.hydrated().await?;
                browser.find("[data-testid=settings-form]").await?;
                album.add(&browser, "rule", screen, language).await?;
                browser.go(&format!("/devices/{device}")).await?;
                browser.hydrated().await?;
                browser.click("[data-testid=why]").await?;
                browser.find("[data-testid=decision]").await?;
                album.add(&browser, "why", screen, language).await?;
                browser.sign_out().await?;

                // Dark is the same colours on the same parts.
                for (role, pages) in DESKS.iter().filter(|_| !dark) {
                    browser.sign_in(platform.person(role)?).await?;
                    for (name, page) in *pages {
                        browser.go(page).await?;
                        browser.hydrated().await?;
                        browser.find("main h1").await.with_context(|| format!("on {page}"))?;
                        album.add_plain(&browser, name, screen, language).await?;
                    }
                    browser.sign_out().await?;
                }

                for (resident, name) in residents.iter().zip(["home-leak", "home"]) {
                    browser.sign_in(resident).await?;
                    browser.hydrated().await?;
                    browser.find("[data-testid=gas-now]").await?;
                    album.add(&browser, name, screen, language).await?;
                    browser.sign_out().await?;
                }
                browser.close().await?;
            }
        }
    }
    ensure!(album.faults.is_empty(), "{}", album.faults.join("\n"));
    Ok(())
}
