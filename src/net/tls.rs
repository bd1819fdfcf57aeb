//! TLS: whom to trust, and what is spoken inside (RFC 6455, section 4.1, items
//! 5 and 6 of establishing the connection).
//!
//! [`Endpoint::tls`] takes any configuration of rustls. On a server's side TLS
//! is a stream like any other: [`blocking::accept`](crate::blocking::accept)
//! takes a [`blocking::Tls`](crate::blocking::Tls), `tokio::accept` what
//! `tokio_rustls::TlsAcceptor` gives.
//!
//! TLS that ends without close_notify may have been cut off by anybody: an end
//! like any without a Close frame, 1006 and not clean. Once both Close frames
//! have come, inside of TLS, nobody can have cut anything off that matters, and
//! the connection was closed cleanly (RFC 6455, section 7.1.4) however the
//! stream ends.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::io;
use std::sync::OnceLock;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::endpoint::Endpoint;
use super::error::Error;

/// "http/1.1": no other protocol opens a WebSocket by an Upgrade (RFC 7301,
/// section 6; RFC 8441 is for HTTP/2).
const ALPN: &[u8] = b"http/1.1";

/// What `wss` uses if nothing else is [set](Endpoint::tls): the roots that the
/// platform trusts (with the feature `webpki-roots` those of Mozilla too), TLS
/// 1.2 and 1.3, ALPN `http/1.1`. Made once for the process.
///
/// # Errors
///
/// If there is no root to trust.
pub fn client_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let config = Arc::new(client_config_with(roots()?)?);
    Ok(CONFIG.get_or_init(|| config).clone())
}

/// As [`client_config`], but trusts these roots alone.
///
/// # Errors
///
/// What rustls says.
pub fn client_config_with(roots: RootCertStore) -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = [ALPN.to_vec()].into();
    Ok(config)
}

/// What a server needs at least: its certificate, with those between it and the
/// root, and its key. TLS 1.2 and 1.3, ALPN `http/1.1`.
///
/// # Errors
///
/// What rustls says, of a key that does not fit the certificate for example.
pub fn server_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> io::Result<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = builder.with_no_client_auth().with_single_cert(certificates, key);
    let mut config = config.map_err(io::Error::other)?;
    config.alpn_protocols = [ALPN.to_vec()].into();
    Ok(config)
}

fn roots() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    #[cfg(feature = "webpki-roots")]
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if roots.is_empty() {
        let why =
            found.errors.first().map_or("the platform trusts nobody".into(), ToString::to_string);
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    Ok(roots)
}

impl Endpoint {
    /// Sets how TLS is used; otherwise [`client_config`] says. If it names no
    /// protocol for ALPN, `http/1.1` is added.
    ///
    /// It is used for every server that one is redirected to and for a proxy
    /// that speaks TLS as well; should it hold a client's certificate, allow no
    /// [redirects](Self::max_redirects).
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// How to use TLS, and the name that the certificate has to be for.
    pub(crate) fn tls_parameters(&self) -> Result<(Arc<ClientConfig>, ServerName<'static>), Error> {
        let config = match &self.tls {
            Some(config) if config.alpn_protocols.is_empty() => {
                let mut config = ClientConfig::clone(config);
                config.alpn_protocols = [ALPN.to_vec()].into();
                Arc::new(config)
            }
            Some(config) => config.clone(),
            None => client_config()?,
        };
        let name = ServerName::try_from(self.host.clone());
        Ok((
            config,
            name.map_err(|_| Error::Url("the host has a name that no certificate is for"))?,
        ))
    }
}
