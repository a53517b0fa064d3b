//! TLS for the checks that speak it themselves: rustls with ring, and what is said when it cannot be agreed on.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use health_monitor_actors::check::{CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use jiff::Timestamp;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::deadline::Deadline;
use super::dial::Address;
use super::failure;
use crate::pem;
use crate::settings::duration;
use crate::settings::key::{Key, KeyKind};
use crate::settings::values::InvalidValue;

/// File with the certificates to trust.
pub(super) const CA_FILE: Key = Key::new(
    "ca_file",
    KeyKind::Path,
    "PEM file with the certificates to trust instead of the public authorities",
);

/// File with the client's certificate.
pub(super) const CERTIFICATE_FILE: Key = Key::new(
    "certificate_file",
    KeyKind::Path,
    "PEM file with the client certificate to show, its chain after it",
);

/// File with the client's private key.
pub(super) const KEY_FILE: Key = Key::new(
    "key_file",
    KeyKind::Path,
    "PEM file with the private key of the client certificate",
);

/// Name that the certificate must bear.
pub(super) const SERVER_NAME: Key = Key::new(
    "server_name",
    KeyKind::Text,
    "name that the server's certificate must bear, where it is not the host's",
);

/// Days of warning before a certificate expires.
pub(super) const CERTIFICATE_WARNING: Key = Key::new(
    "certificate_warning",
    KeyKind::Duration {
        min: Duration::ZERO,
        max: Duration::from_secs(3_650 * 86_400),
    },
    "warn this long before the server's certificate expires",
)
.default("14d");

/// Whether a check speaks TLS, where that is its own key.
pub(super) const TLS: Key = Key::new("tls", KeyKind::Bool, "connect with TLS").default("false");

/// The schema of a check that may speak TLS: its own keys, then these, which [`Wanted`] is read from.
macro_rules! with_keys {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            $crate::checks::tls::TLS,
            $crate::checks::tls::CA_FILE,
            $crate::checks::tls::CERTIFICATE_FILE,
            $crate::checks::tls::KEY_FILE,
            $crate::checks::tls::SERVER_NAME,
            $crate::checks::tls::CERTIFICATE_WARNING,
        ]
    };
}

pub(super) use with_keys;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// The TLS keys of a check, to be flattened into its settings.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Settings {
    /// PEM file with the certificates to trust; the public authorities where it is left out.
    pub(super) ca_file: Option<String>,
    /// PEM file with the client certificate; none is shown where it is left out.
    pub(super) certificate_file: Option<String>,
    /// PEM file with the client certificate's private key.
    pub(super) key_file: Option<String>,
    /// Name that the certificate must bear; the host's where it is left out.
    pub(super) server_name: Option<String>,
    /// A certificate that expires within this time is a warning.
    #[serde(default = "two_weeks", with = "duration")]
    pub(super) certificate_warning: Duration,
}

/// The same, with the key that says whether TLS is spoken.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Wanted {
    /// Connect with TLS.
    #[serde(default)]
    tls: bool,
    #[serde(flatten)]
    settings: Settings,
}

/// Makes TLS connections to one server.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    certificate_warning: Duration,
}

/// A connection with or without TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a handshake showed of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// `1.2` or `1.3`.
    version: &'static str,
    /// When the server's own certificate expires; `None` where it cannot be read.
    expires: Option<Timestamp>,
}

fn two_weeks() -> Duration {
    Duration::from_secs(14 * 86_400)
}

// === impl Wanted ===

impl Wanted {
    /// Makes TLS connections to this host, where they are wanted.
    ///
    /// # Errors
    ///
    /// Names the key whose file cannot be used.
    pub(super) fn connector(&self, host: &str) -> Result<Option<Tls>, InvalidValue> {
        match self.tls {
            true => Tls::new(&self.settings, host).map(Some),
            false => Ok(None),
        }
    }
}

// === impl Tls ===

impl Tls {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    ///
    /// Names the key whose file cannot be used.
    pub(super) fn new(settings: &Settings, host: &str) -> Result<Self, InvalidValue> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = roots(settings.ca_file.as_deref())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| InvalidValue::new(CA_FILE.name, format!("cannot be used: {error}")))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidValue::new("tls", format!("is not possible: {error}")))?
            .with_webpki_verifier(verifier);
        let mut config = match (&settings.certificate_file, &settings.key_file) {
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates(CERTIFICATE_FILE.name, certificate)?, private_key(key)?)
                .map_err(|error| InvalidValue::new(KEY_FILE.name, format!("does not fit the certificate: {error}")))?,
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => return Err(InvalidValue::new(KEY_FILE.name, "is missing beside certificate_file")),
            (None, Some(_)) => {
                return Err(InvalidValue::new(CERTIFICATE_FILE.name, "is missing beside key_file"));
            }
        };
        // Every attempt sees the server's certificate, not the memory of one.
        config.resumption = Resumption::disabled();
        let name = settings.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_invalid| InvalidValue::new(SERVER_NAME.name, format!("`{name}` is no host name or address")))?;
        Ok(Self {
            config: Arc::new(config),
            name,
            certificate_warning: settings.certificate_warning,
        })
    }

    /// The client configuration.
    pub(super) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The name that the server's certificate must bear.
    pub(super) fn name(&self) -> String {
        self.name.to_str().into_owned()
    }

    /// Agrees on TLS with the server.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Tls`] with the reason, or the failure of the connection underneath.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        address: &Address,
        deadline: Deadline,
    ) -> Result<Stream, CheckFailure> {
        let connecting = TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream);
        let connected = deadline
            .within(|| format!("connected to {address}, but no TLS handshake"), connecting)
            .await?;
        match connected {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => Err(handshake_failure(address, &error)),
        }
    }

    /// Adds to a finding what the handshake showed, and makes it a warning where the certificate expires soon.
    pub(super) fn judge(&self, mut finding: Finding, shown: &Shown) -> Finding {
        finding.info.insert("tls_version".to_owned(), shown.version.into());
        let Some(expires) = shown.expires else {
            return finding;
        };
        let left = expires.as_second() - Timestamp::now().as_second();
        let finding = finding
            .with("certificate_expires", expires.to_string())
            .with("certificate_days_left", left.div_euclid(DAY));
        let warning = i64::try_from(self.certificate_warning.as_secs()).unwrap_or(i64::MAX);
        if left >= warning {
            return finding;
        }
        Finding {
            warning: true,
            reason: format!(
                "{}; but its certificate expires in {} days: renew it",
                finding.reason,
                left.div_euclid(DAY)
            ),
            ..finding
        }
    }
}

/// The connection, with TLS where that is wanted.
///
/// # Errors
///
/// Those of [`Tls::connect`].
pub(super) async fn secure(
    tls: Option<&Tls>,
    stream: TcpStream,
    address: &Address,
    deadline: Deadline,
) -> Result<Stream, CheckFailure> {
    match tls {
        Some(tls) => tls.connect(stream, address, deadline).await,
        None => Ok(Stream::Plain(stream)),
    }
}

/// Adds to a finding what the handshake showed, where there was one.
pub(super) fn judge(tls: Option<&Tls>, finding: Finding, shown: Option<&Shown>) -> Finding {
    match (tls, shown) {
        (Some(tls), Some(shown)) => tls.judge(finding, shown),
        _ => finding,
    }
}

/// The failure of a handshake that ended with this error.
pub(super) fn handshake_failure(address: &Address, error: &io::Error) -> CheckFailure {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        let step = format!("{address} broke off the TLS handshake (does it speak TLS on this port?)");
        let failure = failure::of_io(&step, error);
        // The other side gave up on TLS, whichever way it closed.
        return match failure.kind {
            FailureKind::Reset => CheckFailure {
                kind: FailureKind::Tls,
                ..failure
            },
            _ => failure,
        };
    };
    match error {
        rustls::Error::InvalidMessage(_) => CheckFailure::new(
            FailureKind::WrongProtocol,
            format!("{address} does not speak TLS on this port"),
        ),
        // It may list every name of the other side's certificate.
        error => {
            let why = failure::said(&error.to_string());
            CheckFailure::new(FailureKind::Tls, format!("no TLS with {address}: {why}"))
        }
    }
}

fn roots(ca_file: Option<&str>) -> Result<Arc<RootCertStore>, InvalidValue> {
    static PUBLIC: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let Some(path) = ca_file else {
        let public = PUBLIC.get_or_init(|| {
            Arc::new(RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            })
        });
        return Ok(Arc::clone(public));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CA_FILE.name, path)? {
        roots
            .add(certificate)
            .map_err(|error| InvalidValue::new(CA_FILE.name, format!("{path} holds a bad certificate: {error}")))?;
    }
    Ok(Arc::new(roots))
}

fn certificates(key: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, InvalidValue> {
    pem::certificates(key, path, &pem::read(key, path)?)
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, InvalidValue> {
    pem::private_key(KEY_FILE.name, path, &pem::read(KEY_FILE.name, path)?)
}

// === impl Stream ===

impl Stream {
    /// What the handshake showed; `None` without TLS.
    pub(super) fn shown(&self) -> Option<Shown> {
        let Stream::Tls(stream) = self else {
            return None;
        };
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        Some(Shown {
            version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                _ => "1.2",
            },
            expires: certificate.and_then(|certificate| expiry(certificate)),
        })
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let at = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Timestamp::from_second(i64::try_from(at.as_secs()).ok()?).ok()
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
