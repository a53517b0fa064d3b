//! Asks a running monitor over its API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::own_server::{self, Trust, reachable};
use super::parse_time;
use crate::secret::Secret;
use crate::settings::{Server, Settings, Sources};

/// The header that the specification gives the key.
const KEY_HEADER: &str = "X-API-Key";

/// Variable with the key. It is no option: everybody on the machine may read the command lines of others.
const KEY_VARIABLE: &str = "HEALTH_MONITOR_API_KEY";

/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Which monitor to ask, and how.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The monitor; the one on this machine, by its configuration, if left out. Its key is taken from the variable
    /// HEALTH_MONITOR_API_KEY or the file that --key-file names
    #[arg(long, value_name = "URL", env = "HEALTH_MONITOR_URL")]
    url: Option<String>,
    /// File that holds the API key
    #[arg(long, value_name = "FILE", env = "HEALTH_MONITOR_API_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// PEM file with the certificates to trust instead of the public authorities, for https
    #[arg(long, value_name = "FILE", env = "HEALTH_MONITOR_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Time for each answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    timeout: Duration,
}

/// Asks one monitor.
pub(super) struct Client {
    url: Uri,
    key: Option<Secret>,
    tls: Option<TlsConnector>,
    timeout: Duration,
}

impl Client {
    /// For the monitor that the command line means.
    pub(super) fn of(target: &Target, sources: &Sources) -> anyhow::Result<Self> {
        let (url, tls) = match &target.url {
            Some(url) => named(url, target)?,
            None => own(target, &Settings::server_of(sources)?)?,
        };
        Ok(Self {
            url,
            key: key_of(target, sources)?,
            tls: tls.map(|config| TlsConnector::from(Arc::new(config))),
            timeout: target.timeout,
        })
    }

    /// The document at this path.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let text = self.text(path).await?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not the answer of a monitor", self.shown(path)))
    }

    /// The answer at this path, as it came.
    pub(super) async fn text(&self, path: &str) -> anyhow::Result<Bytes> {
        let answer = tokio::time::timeout(self.timeout, self.ask(path)).await;
        let answer = answer.with_context(|| format!("no answer within {:?}", self.timeout));
        answer
            .and_then(|answer| answer)
            .with_context(|| format!("cannot ask {}", self.shown(path)))
    }

    fn shown(&self, path: &str) -> String {
        let base = self.url.path().trim_end_matches('/');
        let (scheme, host) = (
            self.url.scheme_str().unwrap_or("http"),
            self.url.host().unwrap_or_default(),
        );
        format!("{scheme}://{host}:{}{base}{path}", self.port())
    }

    fn port(&self) -> u16 {
        let default = if self.tls.is_some() { 443 } else { 80 };
        self.url.port_u16().unwrap_or(default)
    }

    async fn ask(&self, path: &str) -> anyhow::Result<Bytes> {
        let host = self.url.host().unwrap_or_default();
        let bare = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((bare, self.port()))
            .await
            .context("cannot connect")?;
        match &self.tls {
            None => self.send(stream, host, path).await,
            Some(tls) => {
                let name = ServerName::try_from(bare.to_owned()).context("the host cannot have a certificate")?;
                let stream = tls.connect(name, stream).await.context("no TLS")?;
                self.send(stream, host, path).await
            }
        }
    }

    async fn send<S>(&self, stream: S, host: &str, path: &str) -> anyhow::Result<Bytes>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.context("no HTTP")?;
        let base = self.url.path().trim_end_matches('/');
        let mut request = Request::get(format!("{base}{path}")).header(HOST, format!("{host}:{}", self.port()));
        if let Some(key) = &self.key {
            request = request.header(KEY_HEADER, key.expose());
        }
        let request = request.body(Empty::<Bytes>::new()).context("the key cannot be sent")?;
        // Driven beside, not within, the wait for the answer: a server that answers and closes ends the connection first.
        let driver = tokio::spawn(connection);
        let response = client.send_request(request).await.context("no HTTP answer")?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        driver.abort();
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) => bail!("the answer broke off: {error}"),
        };
        if status.is_success() {
            return Ok(body);
        }
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = document
            .get("reason")
            .or_else(|| document.get("error"))
            .and_then(Value::as_str);
        if status == hyper::StatusCode::UNAUTHORIZED {
            bail!("{status}: {}; set {KEY_VARIABLE}", reason.unwrap_or("a key is needed"));
        }
        // What is known although Docker is away.
        if status == hyper::StatusCode::SERVICE_UNAVAILABLE && document.get("stale_since").is_some() {
            return Ok(body);
        }
        bail!("{status}: {}", reason.unwrap_or("no reason given"))
    }
}

fn key_of(target: &Target, sources: &Sources) -> anyhow::Result<Option<Secret>> {
    let named = sources.environment.get(KEY_VARIABLE).filter(|key| !key.is_empty());
    match (&target.key_file, named) {
        (_, Some(key)) => Ok(Some(Secret::new(key.trim()))),
        (Some(file), None) => {
            let key = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok(Some(Secret::new(key.trim())))
        }
        (None, None) => Ok(None),
    }
}

/// The monitor at a URL, and how it is spoken to where that is by TLS.
fn named(text: &str, target: &Target) -> anyhow::Result<(Uri, Option<ClientConfig>)> {
    let url: Uri = text.parse().with_context(|| format!("'{text}' is not a URL"))?;
    ensure!(url.host().is_some(), "the URL names no host");
    match url.scheme_str() {
        Some("http") => Ok((url, None)),
        Some("https") => Ok((url, Some(trusting(&roots(target)?)))),
        _ => bail!("the URL must begin with http:// or https://"),
    }
}

/// The monitor on this machine. Where it has a certificate it must be the one that the configuration names, whose name and
/// authority are others' business.
fn own(target: &Target, server: &Server) -> anyhow::Result<(Uri, Option<ClientConfig>)> {
    let address = reachable(server.bind);
    let Some(files) = &server.certificate else {
        return Ok((format!("http://{address}").parse()?, None));
    };
    let config = match &target.ca_file {
        Some(_) => trusting(&roots(target)?),
        None => own_server::client_config(Trust::This(first_certificate(&files.certificate)?))?,
    };
    Ok((format!("https://{address}").parse()?, Some(config)))
}

fn trusting(roots: &Arc<RootCertStore>) -> ClientConfig {
    ClientConfig::builder()
        .with_root_certificates(roots.clone())
        .with_no_client_auth()
}

/// The authorities that the command line trusts.
fn roots(target: &Target) -> anyhow::Result<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    match &target.ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate)?;
            }
        }
    }
    Ok(Arc::new(roots))
}

fn first_certificate(file: &Path) -> anyhow::Result<CertificateDer<'static>> {
    let first = certificates(file)?.into_iter().next();
    first.context("no certificate")
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).with_context(|| format!("cannot read {}", file.display()))?;
    let certificates: Vec<_> = read
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is no PEM file", file.display()))?;
    ensure!(!certificates.is_empty(), "{} holds no certificate", file.display());
    Ok(certificates)
}
