//! The server's certificate: read from its files, and read again when they change.
//!
//! The files' content is compared every few seconds, whichever way it came there: written anew, renamed over the old one, or
//! behind a symbolic link that now leads elsewhere, as Kubernetes and certbot do. Two small files cost less to read than all
//! the ways in which a folder can change cost to follow.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::{MissedTickBehavior, interval};

use crate::pem;
use crate::settings::values::InvalidValue;

/// From one look at the files to the next.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// The keys of `[server]` that name the files.
const CERTIFICATE_FILE: &str = "certificate_file";
const KEY_FILE: &str = "key_file";

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM file with the server's certificate, its chain after it.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// The certificate that is shown now.
#[derive(Debug)]
pub struct ServerCertificate {
    files: CertificateFiles,
    current: RwLock<Arc<CertifiedKey>>,
    seen: Mutex<Seen>,
}

/// What the last look found.
#[derive(Debug)]
struct Seen {
    content: Content,
    /// The content could not be used, and the log does not know yet.
    unsaid: Option<InvalidValue>,
}

/// What the files hold; an error where one cannot be read.
type Content = Result<(Vec<u8>, Vec<u8>), InvalidValue>;

/// What a look at the files found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing new.
    Same,
    /// Another certificate, which is shown from now on.
    Renewed,
    /// Something that cannot be used, twice in a row: so it is no change that is still under way. The certificate stays.
    Kept(InvalidValue),
}

// === impl ServerCertificate ===

impl ServerCertificate {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Names the key whose file cannot be used.
    pub fn load(files: CertificateFiles) -> Result<Self, InvalidValue> {
        let content = read(&files);
        let certificate = content
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|content| parse(&files, content))?;
        Ok(Self {
            files,
            current: RwLock::new(Arc::new(certificate)),
            seen: Mutex::new(Seen { content, unsaid: None }),
        })
    }

    /// How the server speaks TLS: 1.2 and 1.3, with this certificate, whichever it is by then.
    ///
    /// # Errors
    ///
    /// Where the TLS library knows no version that is safe.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(builder
            .with_no_client_auth()
            .with_cert_resolver(self.clone() as Arc<dyn ResolvesServerCert>))
    }

    /// Looks at the files.
    pub fn look(&self) -> Look {
        let content = read(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if content == seen.content {
            return seen.unsaid.take().map_or(Look::Same, Look::Kept);
        }
        let certificate = content
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|content| parse(&self.files, content));
        seen.content = content;
        match certificate {
            Ok(certificate) => {
                seen.unsaid = None;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
                Look::Renewed
            }
            Err(problem) => {
                seen.unsaid = Some(problem);
                Look::Same
            }
        }
    }

    /// Looks at the files now and then, as long as this is polled.
    pub async fn follow(self: Arc<Self>) {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looking = self.clone();
            // A folder may be on a network that hangs.
            let Ok(look) = tokio::task::spawn_blocking(move || looking.look()).await else {
                continue;
            };
            let file = self.files.certificate.display();
            match look {
                Look::Same => {}
                Look::Renewed => tracing::info!(%file, "the server's certificate was read anew"),
                Look::Kept(problem) => {
                    tracing::error!(
                        %file,
                        problem = format!("server.{problem}"),
                        "the server's certificate has changed and cannot be used; the one before stays"
                    );
                }
            }
        }
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn read(files: &CertificateFiles) -> Content {
    let certificate = pem::read(CERTIFICATE_FILE, &text(&files.certificate))?;
    let key = pem::read(KEY_FILE, &text(&files.key))?;
    Ok((certificate, key))
}

fn parse(files: &CertificateFiles, (certificate, key): &(Vec<u8>, Vec<u8>)) -> Result<CertifiedKey, InvalidValue> {
    let certificates = pem::certificates(CERTIFICATE_FILE, &text(&files.certificate), certificate)?;
    let key = pem::private_key(KEY_FILE, &text(&files.key), key)?;
    CertifiedKey::from_der(certificates, key, &ring::default_provider())
        .map_err(|error| InvalidValue::new(KEY_FILE, format!("does not fit the certificate: {error}")))
}
