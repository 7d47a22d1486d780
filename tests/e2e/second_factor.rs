//! A company demands a second factor for closing valves: a dispatcher sets one up, signs in with it, and closes.

use crate::browser::{Browser, Scripts};
use anyhow::{Context, Result, ensure};
use davy_city::Plan;
use davy_tests::platform::{PASSWORD, Platform};
use fantoccini::Locator;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use totp_rs::{Builder, Secret, Totp};

/// What an operator's telephone does.
struct Telephone {
    generator: Totp,
    used: String,
}

impl Telephone {
    fn with(secret: &str) -> Result<Self> {
        let secret = Secret::try_from_base32(secret).ok().context("the page's secret is not base 32")?;
        let generator = Builder::new().with_secret(secret).with_account_name("operator").build();
        Ok(Self { generator: generator.ok().context("no generator")?, used: String::new() })
    }

    /// A code that has not been given yet.
    async fn code(&mut self) -> Result<String> {
        let begun = Instant::now();
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            let code = self.generator.generate(now).to_string();
            if code != self.used {
                self.used.clone_from(&code);
                return Ok(code);
            }
            ensure!(begun.elapsed() < Duration::from_mins(2), "the code never changes");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

async fn close_valve(browser: &Browser, device: &str, scripts: Scripts) -> Result<()> {
    browser.go(device).await?;
    if scripts == Scripts::On {
        browser.hydrated().await?;
    }
    browser.click("[data-testid=close-valve-ask]").await?;
    browser.click("[data-testid=close-valve]").await
}

async fn flow(scripts: Scripts) -> Result<()> {
    let platform = tokio::task::block_in_place(|| -> Result<Platform> {
        let mut platform = Platform::with_example_rule_and(&Plan::small(5), |manifest| {
            for tenant in manifest["tenants"].as_array_mut().into_iter().flatten() {
                tenant["second_factor"] = serde_json::json!("commands");
            }
        })?;
        platform.start()?;
        Ok(platform)
    })?;
    let operator = platform.person("dispatcher")?;
    let valve = platform.devices.iter().find(|device| device.kind == "detector" && device.serial.starts_with("LZD"));
    let device = format!("/devices/{}", valve.context("no detector")?.device);
    let browser = Browser::open(platform.http, scripts).await?;
    browser.sign_in(operator).await?;

    // The password alone is too little: the click leads to where a code is asked for.
    close_valve(&browser, &device, scripts).await?;
    browser.find("form[data-testid=second-factor]").await.context("closing did not ask for a second factor")?;
    browser.find("[data-testid=flash][data-error=true]").await?;

    browser.go("/account").await?;
    browser.find("[data-testid=factor-demanded]").await?;
    browser.write("form[data-testid=offer-generator] input[name=password]", PASSWORD).await?;
    browser.click("form[data-testid=offer-generator] button").await?;
    browser.find("[data-testid=generator-offer] .qr svg path").await.context("there is no QR code")?;
    ensure!(browser.count("[data-testid=recovery-codes] li").await? == 10, "there are not ten recovery codes");
    let secret = browser.client.find(Locator::Css("[data-testid=generator-secret]")).await?.text().await?;
    let recovery = browser.client.find(Locator::Css("[data-testid=recovery-codes] li")).await?.text().await?;
    let mut telephone = Telephone::with(&secret)?;
    browser.write("form[data-testid=confirm-generator] input[name=code]", &telephone.code().await?).await?;
    browser.click("form[data-testid=confirm-generator] button").await?;
    browser.find("[data-testid=generator-on]").await.context("the authenticator was not taken")?;
    browser.sign_out().await?;

    // Now the password leads to the second step, and a code that was given before does not lead further.
    browser.write("input[name=email]", &operator.email).await?;
    browser.write("input[name=password]", &operator.password).await?;
    browser.click("form[data-testid=sign-in] button[type=submit]").await?;
    let field = "form[data-testid=second-factor] input[name=code]";
    browser.write(field, &telephone.used).await?;
    browser.click("form[data-testid=second-factor] button").await?;
    browser.find("[data-testid=flash][data-error=true]").await.context("a code was taken twice")?;
    browser.go("/devices").await?;
    ensure!(browser.path().await? == "/sign-in", "half a sign-in opened a page");
    browser.go("/sign-in/code?next=%2Fdevices").await?;
    browser.write(field, &telephone.code().await?).await?;
    browser.click("form[data-testid=second-factor] button").await?;
    browser.find("[data-testid=sign-out]").await.context("the next code was not taken")?;
    close_valve(&browser, &device, scripts).await?;
    browser.find("[data-testid=flash][data-error=false]").await.context("the valve was not ordered to close")?;

    // Without the telephone a recovery code leads in.
    browser.sign_out().await?;
    browser.write("input[name=email]", &operator.email).await?;
    browser.write("input[name=password]", &operator.password).await?;
    browser.click("form[data-testid=sign-in] button[type=submit]").await?;
    browser.write(field, &recovery).await?;
    browser.click("form[data-testid=second-factor] button").await?;
    browser.find("[data-testid=sign-out]").await.context("the recovery code was not taken")?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn a_dispatcher_sets_an_authenticator_up_and_signs_in_with_it() -> Result<()> {
    flow(Scripts::On).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --only browser"]
async fn without_scripts_a_dispatcher_signs_in_with_an_authenticator_all_the_same() -> Result<()> {
    flow(Scripts::Off).await
}
