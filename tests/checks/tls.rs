use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use health_monitor::settings::values::Values;
use health_monitor_actors::model::FailureKind;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{LONG, ask};
use health_monitor_test_support::authority::{Authority, Identity, write};

/// An HTTPS server on the loopback interface.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(identity: &Identity) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust the certificate ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    stream.write_all(answer).await.ok();
                    stream.shutdown().await.ok();
                }
            }
        });
        Self { address, task }
    }

    fn values(&self, folder: &TempDir, authority: &Authority) -> Values {
        let ca = write(folder.path(), "ca.pem", &authority.pem());
        Values::default()
            .with("url", format!("https://{}/", self.address))
            .with("ca_file", ca)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_trusted_certificate_passes_and_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate();
    let server = Server::start(&authority.sign("127.0.0.1", 90)).await;
    let finding = ask("http", &server.values(&folder, &authority), LONG).await.unwrap();
    assert!(!finding.warning, "{}", finding.reason);
    assert_eq!(finding.info["tls_version"], "1.3");
    let days = finding.info["certificate_days_left"].as_i64().unwrap();
    assert!((88..=90).contains(&days), "{days}");
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_a_warning_and_an_expired_one_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate();
    let server = Server::start(&authority.sign("127.0.0.1", 5)).await;
    let values = server.values(&folder, &authority);
    let finding = ask("http", &values, LONG).await.unwrap();
    assert!(finding.warning);
    let words = "; but its certificate expires in ";
    assert!(finding.reason.contains(words), "{}", finding.reason);
    let finding = ask("http", &values.with("certificate_warning", "1d"), LONG)
        .await
        .unwrap();
    assert!(!finding.warning, "{}", finding.reason);

    let server = Server::start(&authority.sign("127.0.0.1", -5)).await;
    let failure = ask("http", &server.values(&folder, &authority), LONG)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.reason.contains("certificate expired"), "{failure}");
}

#[tokio::test]
async fn another_name_and_an_unknown_authority_fail() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate();
    let server = Server::start(&authority.sign("web.example", 90)).await;
    let values = server.values(&folder, &authority);
    let failure = ask("http", &values, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.reason.contains("not valid for name"), "{failure}");
    ask("http", &values.with("server_name", "web.example"), LONG)
        .await
        .unwrap();

    let other = Authority::generate();
    let failure = ask("http", &server.values(&folder, &other), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
}

#[tokio::test]
async fn a_port_that_speaks_tls_is_checked_by_what_it_says_within() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate();
    let server = Server::start(&authority.sign("127.0.0.1", 90)).await;
    let ca = write(folder.path(), "ca.pem", &authority.pem());
    let values = Values::default()
        .with("address", server.address.to_string())
        .with("tls", true)
        .with("ca_file", ca);
    let finding = ask("tcp", &values, LONG).await.unwrap();
    assert_eq!(finding.info["tls_version"], "1.3");
    let talking = values
        .clone()
        .with("send", "GET / HTTP/1.1\r\n\r\n")
        .with("expect", "200 OK");
    let finding = ask("tcp", &talking, LONG).await.unwrap();
    assert_eq!(finding.reason, format!("{} answers as expected", server.address));

    let other = write(folder.path(), "other.pem", &Authority::generate().pem());
    let failure = ask("tcp", &values.with("ca_file", other), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
}
