//! Certificates and private keys in PEM files, as settings name them.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::values::InvalidValue;

/// What a file holds, for the key of the configuration that names it.
///
/// # Errors
///
/// Where it cannot be read.
pub(crate) fn read(key: &str, path: &str) -> Result<Vec<u8>, InvalidValue> {
    std::fs::read(path).map_err(|error| InvalidValue::new(key, format!("cannot be read: {path}: {error}")))
}

/// All certificates of a file's content, at least one.
///
/// # Errors
///
/// Where there is none, or something that is none.
pub(crate) fn certificates(
    key: &str,
    path: &str,
    content: &[u8],
) -> Result<Vec<CertificateDer<'static>>, InvalidValue> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(InvalidValue::new(
            key,
            format!("{path} holds no certificate in PEM form"),
        )),
        Err(error) => Err(InvalidValue::new(key, format!("{path} is no PEM file: {error}"))),
    }
}

/// The first private key of a file's content.
///
/// # Errors
///
/// Where there is none.
pub(crate) fn private_key(key: &str, path: &str, content: &[u8]) -> Result<PrivateKeyDer<'static>, InvalidValue> {
    PrivateKeyDer::from_pem_slice(content)
        .map_err(|error| InvalidValue::new(key, format!("{path} holds no private key in PEM form: {error}")))
}
