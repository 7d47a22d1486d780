//! Debian's Chromium through its chromedriver: no Node, no downloads.

use anyhow::{Context, Result, bail};
use davy_city::SignIn;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything that a page waits for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A chromedriver with one browser.
pub(crate) struct Browser {
    /// The window.
    pub(crate) client: Client,
    base: String,
    driver: Child,
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// What a page is looked at with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

impl Browser {
    /// Opens a window on a server.
    pub(crate) async fn open(server: SocketAddr, scripts: Scripts) -> Result<Self> {
        Self::look(server, scripts, None).await
    }

    /// Opens a window whose pages have exactly this screen.
    pub(crate) async fn look(server: SocketAddr, scripts: Scripts, screen: Option<Screen>) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver is not installed: apt-get install chromium chromium-driver")?;
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > PATIENCE {
                let _ = driver.kill();
                bail!("chromedriver does not listen");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let content = match scripts {
            Scripts::On => 1,
            Scripts::Off => 2,
        };
        let mut capabilities = json!({
            "goog:chromeOptions": {
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,900", "--lang=zh-CN",
                    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run", "--disable-quic",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                ],
                "prefs": {"profile.managed_default_content_settings.javascript": content},
            },
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        if let Some(Screen { width, height, dark }) = screen {
            let options = &mut capabilities["goog:chromeOptions"];
            // A window is never narrower than its own frame; an emulated screen is.
            options["mobileEmulation"] = json!({"deviceMetrics": {
                "width": width, "height": height, "pixelRatio": 1, "mobile": false, "touch": width < 600,
            }});
            let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
            if let Some(args) = options["args"].as_array_mut() {
                args.extend([json!(scheme), json!("--hide-scrollbars")]);
            }
        }
        let capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let connected = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await;
        match connected {
            Ok(client) => Ok(Self { client, base: format!("http://{server}"), driver }),
            Err(error) => {
                let _ = driver.kill();
                Err(error).context("Chromium does not start")
            }
        }
    }

    /// Goes to a path of the server.
    pub(crate) async fn go(&self, path: &str) -> Result<()> {
        self.client.goto(&format!("{}{path}", self.base)).await.with_context(|| format!("cannot go to {path}"))
    }

    /// Signs in by the form, as a person does.
    pub(crate) async fn sign_in(&self, person: &SignIn) -> Result<()> {
        self.go("/sign-in").await?;
        self.find("form[data-testid=sign-in]").await?;
        for (field, text) in [("email", &person.email), ("password", &person.password)] {
            self.client.find(Locator::Css(&format!("input[name={field}]"))).await?.send_keys(text).await?;
        }
        self.client.find(Locator::Css("form[data-testid=sign-in] button[type=submit]")).await?.click().await?;
        self.find("[data-testid=sign-out]").await.context("signing in did not lead to a page of one's own")
    }

    /// Signs out, and waits until it is done.
    pub(crate) async fn sign_out(&self) -> Result<()> {
        self.click("[data-testid=sign-out]").await?;
        self.find("form[data-testid=sign-in]").await.context("signing out did not lead to the form")
    }

    /// Waits for an element.
    pub(crate) async fn find(&self, css: &str) -> Result<()> {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(_) => Ok(()),
            Err(_) => bail!("there is no `{css}` on {}\n{}", self.client.current_url().await?, self.text().await),
        }
    }

    /// Clicks an element once it is there.
    pub(crate) async fn click(&self, css: &str) -> Result<()> {
        self.find(css).await?;
        self.client.find(Locator::Css(css)).await?.click().await.with_context(|| format!("cannot click `{css}`"))
    }

    /// Clicks what leads to another page, and waits until this one is gone: what was said here is not taken for what is said there.
    pub(crate) async fn leave_by(&self, css: &str) -> Result<()> {
        self.hydrated().await?;
        self.client.execute("document.documentElement.setAttribute('data-left', '')", vec![]).await?;
        self.click(css).await?;
        self.find("html:not([data-left]) body").await
    }

    /// Waits until a page's scripts have taken over.
    pub(crate) async fn hydrated(&self) -> Result<()> {
        self.find("html[data-hydrated=true]").await
    }

    /// How many elements match.
    pub(crate) async fn count(&self, css: &str) -> Result<usize> {
        Ok(self.client.find_all(Locator::Css(css)).await?.len())
    }

    /// An element's attribute, once it is there.
    pub(crate) async fn attribute(&self, css: &str, name: &str) -> Result<String> {
        self.find(css).await?;
        let value = self.client.find(Locator::Css(css)).await?.attr(name).await?;
        value.with_context(|| format!("`{css}` has no `{name}`"))
    }

    /// Types into a field; a file's path into a field for files.
    pub(crate) async fn write(&self, css: &str, text: &str) -> Result<()> {
        self.find(css).await?;
        self.client
            .find(Locator::Css(css))
            .await?
            .send_keys(text)
            .await
            .with_context(|| format!("cannot write into `{css}`"))
    }

    /// Types into a field in place of what is there.
    pub(crate) async fn overwrite(&self, css: &str, text: &str) -> Result<()> {
        self.find(css).await?;
        self.client.find(Locator::Css(css)).await?.clear().await.with_context(|| format!("cannot empty `{css}`"))?;
        self.write(css, text).await
    }

    /// The path of the page that is open, without its query.
    pub(crate) async fn path(&self) -> Result<String> {
        Ok(self.client.current_url().await?.path().to_owned())
    }

    async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Closes the window.
    pub(crate) async fn close(self) -> Result<()> {
        self.client.clone().close().await.context("the window does not close")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
