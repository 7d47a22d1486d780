//! TLS by rustls, with a certificate of the operator's own that is read anew when its files change.
//!
//! A renewed certificate must not need a restart, and half a renewal must not take a working one away: what cannot be used is reported
//! and the last good one stays. Never logs a byte of the key.

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the two settings without the other.
    #[error(
        "`http.tls-certificate` and `http.tls-key` belong together: set both, or neither behind a proxy that does TLS"
    )]
    OneOfTwo,
    /// A file cannot be read, or holds no PEM of its kind.
    #[error("expected {what} in PEM in {}: {source}", path.display())]
    File {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// No certificate in the file.
    #[error("expected a certificate chain in PEM in {}, found none", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the key.
    #[error("the TLS key {} has mode {mode:04o} and can be read by everybody: run `chmod o-rwx {}`", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The system.
    #[error("cannot look at {}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The two do not fit, or cannot be used.
    #[error("certificate and key cannot be used together: {0}")]
    Unfit(#[from] rustls::Error),
}

/// The certificate in use.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({})", self.certificate.display())
    }
}

impl Tls {
    /// Reads the files; none when neither is set.
    ///
    /// # Errors
    /// [`TlsError`] says what to mend.
    pub fn open(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Arc<Self>>, TlsError> {
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let config = ArcSwap::new(read(certificate, key)?);
                Ok(Some(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), config })))
            }
            _ => Err(TlsError::OneOfTwo),
        }
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Takes what the files hold now, if it can be used.
    ///
    /// # Errors
    /// [`TlsError`]; what was in use stays.
    pub fn read_again(&self) -> Result<(), TlsError> {
        self.config.store(read(&self.certificate, &self.key)?);
        Ok(())
    }

    /// Reads the files again whenever they have changed.
    pub async fn watch(self: Arc<Self>, stopping: CancellationToken) {
        let times =
            || [&self.certificate, &self.key].map(|path| std::fs::metadata(path).and_then(|of| of.modified()).ok());
        let mut seen: [Option<SystemTime>; 2] = times();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = times();
            if now == seen {
                continue;
            }
            match self.read_again() {
                Ok(()) => {
                    seen = now;
                    tracing::info!(certificate = %self.certificate.display(), "the TLS certificate was read again");
                }
                // Perhaps one of the two is still to come: the next look tries again.
                Err(error) => tracing::warn!(%error, "the new TLS certificate cannot be used; the old one stays"),
            }
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let file = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let mode = std::fs::metadata(key)
        .map_err(|source| TlsError::System { path: key.to_owned(), source })?
        .permissions()
        .mode();
    if mode & 0o007 != 0 {
        return Err(TlsError::Mode { path: key.to_owned(), mode: mode & 0o7777 });
    }
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file("a certificate chain", certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: certificate.to_owned() });
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(file("a private key", key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
