//! TLS towards the server: the certificate is always verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The public authorities.
    Public,
    /// The certificates in this PEM file.
    File(PathBuf),
}

/// The client's side of TLS.
///
/// # Errors
///
/// Says what is wrong with the file, in one sentence.
pub(super) fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let roots = match trust {
        Trust::Public => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        Trust::File(file) => of_file(file)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn of_file(file: &Path) -> Result<RootCertStore, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("history.ca_file {}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"has no certificate"));
    }
    Ok(roots)
}
