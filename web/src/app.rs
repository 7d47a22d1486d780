//! The document, the frame around every page, and the routes.

use crate::components::frame::Frame;
use crate::live::Clock;
use crate::pages::{
    AccountPage, AddDevicesPage, ApprovalsPage, BackTestPage, CodePage, DataActsPage, DevicePage, DevicesPage,
    ForgotPage, HomePage, HouseholdPage, JoinPage, LabelsPage, LedgerPage, NotFoundPage, OverviewPage, OwnDataPage,
    PeoplePage, ResetPage, RulePage, RulesPage, SignInPage, SignersPage, TenantsPage, TokensPage, UsagePage, WhyPage,
};
use crate::session::{PageContext, page_context};
use crate::translations::I18nContextProvider;
use leptos::prelude::*;
use leptos_meta::{MetaTags, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, path};

/// The HTML document. `assets` is the path of the versioned static files; without it no script or style is named.
pub fn shell(assets: String) -> impl IntoView {
    let nonce = use_nonce();
    let files = (!assets.is_empty()).then(|| {
        let start = format!(
            "import start,{{hydrate}} from '{assets}/davy.js';start({{module_or_path:'{assets}/davy_bg.wasm'}}).then(hydrate)"
        );
        view! {
            <link rel="stylesheet" href=format!("{assets}/davy.css") />
            <link rel="icon" type="image/svg+xml" href=format!("{assets}/icon.svg") />
            <link rel="modulepreload" href=format!("{assets}/davy.js") />
            <link rel="preload" href=format!("{assets}/davy_bg.wasm") r#as="fetch" r#type="application/wasm" crossorigin="anonymous" />
            <script type="module" nonce=nonce>
                {start}
            </script>
        }
    });
    view! {
        <!DOCTYPE html>
        <html>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
                <meta name="color-scheme" content="light dark" />
                <meta name="theme-color" media="(prefers-color-scheme: light)" content="#f4f5f6" />
                <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#14171a" />
                {files}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// The app: the same on the server and in the browser.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    // On the server from the request, in the browser from what the server wrote into the page.
    let page = SharedValue::<PageContext>::new(page_context).into_inner();
    wake_up(&page);
    provide_context(Clock::start(page.now));
    provide_context(page);
    view! {
        <I18nContextProvider cookie_name=crate::LANGUAGE_COOKIE>
            <Router>
                <Frame>
                    <Routes fallback=NotFoundPage>
                        <Route path=path!("/") view=OverviewPage ssr=SsrMode::Async />
                        <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async />
                        <Route path=path!("/sign-in/code") view=CodePage ssr=SsrMode::Async />
                        <Route path=path!("/sign-in/forgot") view=ForgotPage ssr=SsrMode::Async />
                        <Route path=path!("/sign-in/reset") view=ResetPage ssr=SsrMode::Async />
                        <Route path=path!("/account") view=AccountPage ssr=SsrMode::Async />
                        <Route path=path!("/account/personal-data") view=OwnDataPage ssr=SsrMode::Async />
                        <Route path=path!("/personal-data") view=DataActsPage ssr=SsrMode::Async />
                        <Route path=path!("/devices") view=DevicesPage ssr=SsrMode::Async />
                        <Route path=path!("/devices/add") view=AddDevicesPage ssr=SsrMode::Async />
                        <Route path=path!("/devices/labels") view=LabelsPage ssr=SsrMode::Async />
                        <Route path=path!("/devices/:device") view=DevicePage ssr=SsrMode::Async />
                        <Route path=path!("/rules") view=RulesPage ssr=SsrMode::Async />
                        <Route path=path!("/rules/signers") view=SignersPage ssr=SsrMode::Async />
                        <Route path=path!("/rules/:rule") view=RulePage ssr=SsrMode::Async />
                        <Route path=path!("/rules/:rule/back-tests/:test") view=BackTestPage ssr=SsrMode::Async />
                        <Route path=path!("/alarms/:alarm/why") view=WhyPage ssr=SsrMode::Async />
                        <Route path=path!("/ledger") view=LedgerPage ssr=SsrMode::Async />
                        <Route path=path!("/people") view=PeoplePage ssr=SsrMode::Async />
                        <Route path=path!("/tokens") view=TokensPage ssr=SsrMode::Async />
                        <Route path=path!("/approvals") view=ApprovalsPage ssr=SsrMode::Async />
                        <Route path=path!("/tenants") view=TenantsPage ssr=SsrMode::Async />
                        <Route path=path!("/usage") view=UsagePage ssr=SsrMode::Async />
                        <Route path=path!("/household") view=HouseholdPage ssr=SsrMode::Async />
                        <Route path=path!("/join") view=JoinPage ssr=SsrMode::Async />
                        <Route path=path!("/home") view=HomePage ssr=SsrMode::Async />
                    </Routes>
                </Frame>
            </Router>
        </I18nContextProvider>
    }
    .into_any()
}

/// In the browser: hands the CSRF token to the fetches, and marks the document once its buttons answer.
fn wake_up(page: &PageContext) {
    #[cfg(not(feature = "ssr"))]
    crate::data::browser::remember_csrf(page.session.as_ref().map(|it| it.csrf.clone()).unwrap_or_default());
    #[cfg(feature = "ssr")]
    let _ = page;
    Effect::new(|| {
        if let Some(root) = document().document_element() {
            // Tests and assistive scripts wait for it; failing to mark costs nothing.
            let _ = root.set_attribute("data-hydrated", "true");
        }
    });
}
