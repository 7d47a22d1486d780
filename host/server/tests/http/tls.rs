//! HTTPS with a certificate of one's own: a real client, a renewal, and clients that want something else.

use crate::city::{City, city};
use davy_server::http::tls::{Tls, TlsError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// A certificate in two files, and who trusts it.
struct Certificate {
    files: (PathBuf, PathBuf),
    trusts: RootCertStore,
}

fn certificate(folder: &Path) -> Certificate {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["davy.example".to_owned()]).unwrap();
    let files = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&files.0, cert.pem()).unwrap();
    std::fs::write(&files.1, signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&files.1, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut trusts = RootCertStore::empty();
    trusts.add(cert.der().clone()).unwrap();
    Certificate { files, trusts }
}

fn opened(certificate: &Certificate) -> Arc<Tls> {
    Tls::open(Some(&certificate.files.0), Some(&certificate.files.1)).unwrap().unwrap()
}

async fn listening(city: &City, tls: Arc<Tls>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (routes, stopping) = (city.router.clone(), city.stopping.clone());
    tokio::spawn(davy_server::http::serve(listener, Some(tls), routes, Duration::from_secs(2), stopping));
    address
}

/// What the server answers to who trusts `trusts` alone.
async fn asked(address: SocketAddr, trusts: RootCertStore) -> std::io::Result<String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(trusts).with_no_client_auth()));
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect(ServerName::try_from("davy.example").unwrap(), stream).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: davy.example\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_served_and_a_renewed_certificate_is_used_without_a_restart() {
    let (city, folder) = (city().await, tempfile::tempdir().unwrap());
    let first = certificate(folder.path());
    let tls = opened(&first);
    let address = listening(&city, Arc::clone(&tls)).await;
    let answer = asked(address, first.trusts.clone()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    let second = certificate(folder.path());
    assert!(asked(address, second.trusts.clone()).await.is_err(), "it was not read yet");
    tls.read_again().unwrap();
    assert!(asked(address, second.trusts.clone()).await.unwrap().starts_with("HTTP/1.1 200 OK"));
    assert!(asked(address, first.trusts).await.is_err(), "the old one is out of use");

    // Half a renewal: the key of another certificate.
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(certificate(other.path()).files.1, &second.files.1).unwrap();
    assert!(matches!(tls.read_again(), Err(TlsError::Unfit(_))));
    assert!(asked(address, second.trusts).await.unwrap().starts_with("HTTP/1.1 200 OK"), "the last good one stays");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_in_clear_or_says_nothing_is_hung_up_on() {
    let (city, folder) = (city().await, tempfile::tempdir().unwrap());
    let address = listening(&city, opened(&certificate(folder.path()))).await;
    for said in ["GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", ""] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut answer)).await;
        let _ = ended.expect("the server kept the connection");
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{said:?}: {answer:?}");
    }
    city.stop().await;
}

#[test]
fn what_cannot_be_served_with_is_refused_with_what_to_mend() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = certificate(folder.path()).files;
    assert!(Tls::open(None, None).unwrap().is_none());
    let told = |chain: Option<&Path>, key: Option<&Path>| Tls::open(chain, key).unwrap_err().to_string();
    assert!(told(Some(&chain), None).contains("belong together"));
    assert!(told(Some(&folder.path().join("none.pem")), Some(&key)).contains("expected a certificate chain in PEM in"));
    assert!(told(Some(&key), Some(&key)).contains("found none"));
    std::fs::set_permissions(&chain, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(told(Some(&chain), Some(&chain)).contains("expected a private key in PEM in"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let words = told(Some(&chain), Some(&key));
    assert!(words.contains("mode 0644") && words.contains("chmod o-rwx"), "{words}");
}
