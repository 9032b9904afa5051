//! TLS for the API, by rustls.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;
use crate::report::OrHint;

/// What turns connections into TLS connections.
pub(super) fn acceptor(files: &Tls) -> Result<TlsAcceptor> {
    let certificate = files.certificate.display();
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading tls.certificate, {certificate}"))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("reading tls.key, {}", files.key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .or_hint(
            || {
                format!(
                    "{certificate} and {} do not go together",
                    files.key.display()
                )
            },
            || {
                "tls.certificate starts with the server's own certificate; tls.key is its key"
                    .into()
            },
        )?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
