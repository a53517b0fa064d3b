//! The API over TLS: its certificate, and what happens when that changes on disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod support {
    pub(crate) mod server;
    pub(crate) mod snapshot;
}

use actix_web::dev::ServerHandle;
use health_monitor::api::{self, ApiState, CertificateFiles, Limits, Look, ServerCertificate, Settings};
use health_monitor_test_support::authority::{Authority, Identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::server::telling;
use support::snapshot::snapshot;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A running server, its files and who signed them.
struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    certificate: Arc<ServerCertificate>,
    authority: Authority,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// Puts certificate and key into a folder.
fn put(folder: &Path, identity: &Identity) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("tls.pem"), &identity.certificate).unwrap();
    std::fs::write(folder.join("key.pem"), &identity.key).unwrap();
}

impl Server {
    /// Its files are behind a symbolic link to a folder, as in Kubernetes.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::generate();
        put(&folder.path().join("first"), &authority.sign("127.0.0.1", 90));
        symlink("first", folder.path().join("data")).unwrap();
        let files = CertificateFiles {
            certificate: folder.path().join("data/tls.pem"),
            key: folder.path().join("data/key.pem"),
        };
        let certificate = Arc::new(ServerCertificate::load(files).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = ApiState::new(Settings::default(), telling(snapshot().build()));
        let tls = certificate.server_config().unwrap();
        let server = api::serve(listener, Limits::default(), state, Some(tls)).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            address,
            handle,
            certificate,
            authority,
            folder,
        }
    }

    /// The answer to a request, and the certificate that was shown.
    async fn ask(&self, path: &str) -> std::io::Result<(String, Vec<u8>)> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::from(self.address.ip());
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok((answer, shown))
    }
}

fn der(identity: &Identity) -> Vec<u8> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes())
        .unwrap()
        .to_vec()
}

#[actix_web::test]
async fn the_api_is_served_by_tls_and_says_to_stay_with_it() {
    let server = Server::start();
    let (answer, _) = server.ask("/health").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");

    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), plain.read_to_end(&mut answer)).await;
    // A TLS alert or a reset, but no document.
    drop(read.unwrap());
    assert!(!String::from_utf8_lossy(&answer).contains("status"), "{answer:?}");
}

#[actix_web::test]
async fn a_new_certificate_is_shown_whichever_way_it_came() {
    let server = Server::start();
    let (_, first) = server.ask("/livez").await.unwrap();
    assert_eq!(server.certificate.look(), Look::Same);
    assert_eq!(server.ask("/livez").await.unwrap().1, first);

    // Another folder behind the link, as in Kubernetes.
    let second = server.authority.sign("127.0.0.1", 91);
    put(&server.folder.path().join("second"), &second);
    symlink("second", server.folder.path().join("new")).unwrap();
    std::fs::rename(server.folder.path().join("new"), server.folder.path().join("data")).unwrap();
    assert_eq!(server.certificate.look(), Look::Renewed);
    assert_eq!(server.ask("/livez").await.unwrap().1, der(&second));

    // One file renamed over the other; in between, certificate and key do not fit each other.
    let third = server.authority.sign("127.0.0.1", 92);
    let folder = server.folder.path();
    put(&folder.join("third"), &third);
    std::fs::rename(folder.join("third/tls.pem"), folder.join("data/tls.pem")).unwrap();
    assert_eq!(server.certificate.look(), Look::Same, "a change that is under way");
    assert_eq!(server.ask("/livez").await.unwrap().1, der(&second));
    std::fs::rename(folder.join("third/key.pem"), folder.join("data/key.pem")).unwrap();
    assert_eq!(server.certificate.look(), Look::Renewed);
    assert_eq!(server.ask("/livez").await.unwrap().1, der(&third));

    // Written in place.
    let fourth = server.authority.sign("127.0.0.1", 93);
    put(&folder.join("data"), &fourth);
    assert_eq!(server.certificate.look(), Look::Renewed);
    assert_eq!(server.ask("/livez").await.unwrap().1, der(&fourth));
}

#[actix_web::test]
async fn a_bad_certificate_keeps_the_old_one_and_is_said_once() {
    let server = Server::start();
    let (_, first) = server.ask("/livez").await.unwrap();
    let file = server.folder.path().join("data/tls.pem");
    let good = std::fs::read(&file).unwrap();
    let other = Authority::generate().sign("127.0.0.1", 90).certificate;
    let of_another_key = other.as_bytes();
    for (bad, key, complaint) in [
        (
            Some(&b"nonsense"[..]),
            "certificate_file",
            "holds no certificate in PEM form",
        ),
        (Some(of_another_key), "key_file", "does not fit the certificate"),
        (None, "certificate_file", "cannot be read"),
    ] {
        match bad {
            Some(bad) => std::fs::write(&file, bad).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        assert_eq!(
            server.certificate.look(),
            Look::Same,
            "perhaps a change that is under way"
        );
        let Look::Kept(problem) = server.certificate.look() else {
            panic!("{complaint}: not said");
        };
        assert_eq!(problem.key, key);
        assert!(problem.problem.contains(complaint), "{problem}");
        assert_eq!(server.certificate.look(), Look::Same, "said once");
        assert_eq!(server.ask("/livez").await.unwrap().1, first);
    }
    std::fs::write(&file, good).unwrap();
    assert_eq!(server.certificate.look(), Look::Renewed);
    assert_eq!(server.ask("/livez").await.unwrap().1, first);
}

#[actix_web::test]
async fn who_does_not_shake_hands_is_cut_off_and_hurts_nobody() {
    let server = Server::start();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(&[0x16, 0x03]).await.unwrap();
    assert!(server.ask("/livez").await.unwrap().0.starts_with("HTTP/1.1 200"));
    let mut nothing = Vec::new();
    let ended = timeout(Duration::from_secs(20), idle.read_to_end(&mut nothing)).await;
    ended.expect("the connection stays open").ok();
}
