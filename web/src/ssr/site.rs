//! The built browser part: a folder `SITE/<version>/` with everything in it, and `SITE/current` naming the version.
//! A version never changes, so its files may be cached for ever.

use axum::Router;
use axum::http::{HeaderValue, Response, header};
use std::path::{Path, PathBuf};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Why the browser part cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// There is no `current`.
    #[error(
        "expected the built web app in {folder}, but {folder}/current cannot be read: build it with `cargo xtask web`"
    )]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `current` names a version that is not whole.
    #[error(
        "{folder}/current names version `{version}`, but {folder}/{version}/davy.js is missing: build again with `cargo xtask web`"
    )]
    Incomplete {
        /// Where it was looked for.
        folder: PathBuf,
        /// The version that `current` names.
        version: String,
    },
}

/// The built browser part.
#[derive(Clone, Debug)]
pub struct Site {
    folder: Option<PathBuf>,
    version: String,
}

impl Site {
    /// The version that `folder/current` names.
    ///
    /// # Errors
    /// [`SiteError`] when nothing whole has been built there.
    pub fn open(folder: &Path) -> Result<Self, SiteError> {
        let version = std::fs::read_to_string(folder.join("current"))
            .map_err(|source| SiteError::Missing { folder: folder.to_owned(), source })?;
        let version = version.trim().to_owned();
        let plain = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || !folder.join(&version).join("davy.js").is_file() {
            return Err(SiteError::Incomplete { folder: folder.to_owned(), version });
        }
        Ok(Self { folder: Some(folder.to_owned()), version })
    }

    /// No scripts and no styles: pages still read and forms still work. For tests and as a last resort.
    pub const fn bare() -> Self {
        Self { folder: None, version: String::new() }
    }

    /// The path that the browser finds the files under; empty when there are none.
    pub(super) fn assets_path(&self) -> String {
        if self.folder.is_some() { format!("/static/{}", self.version) } else { String::new() }
    }

    /// Serves the files, precompressed where the browser takes it. Mounted at `/static`.
    pub(super) fn files<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let Some(folder) = &self.folder else { return Router::new() };
        let forever = |response: &Response<_>| {
            let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.status().is_success().then_some(forever)
        };
        let service =
            ServeDir::new(folder).precompressed_br().precompressed_gzip().append_index_html_on_directories(false);
        Router::new()
            .fallback_service(service)
            .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, forever))
            .layer(SetResponseHeaderLayer::if_not_present(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_that_is_not_built_says_how_to_build_it() {
        let error = Site::open(Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("cargo xtask web"), "{error}");
    }
}
