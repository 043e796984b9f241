//! TLS for the driver with libpq's meaning. In: `TlsSettings` and the host. Out: an encrypted stream, or a `TlsError`.
//! Never builds OpenSSL's connector before the server has said that it speaks TLS (building one costs 50 ms), and
//! never builds it twice.

mod error;
mod material;
mod settings;
#[cfg(test)]
mod tests;

pub use error::{TlsError, TlsFile, tls_alert_in, tls_error_in};
use material::{Material, Roots};
pub use settings::{RootCertificates, SslMode, SslNegotiation, TlsSettings, TlsVersion, Verification};

use native_tls::{Protocol, TlsConnector};
use postgres_native_tls::TlsStream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

/// A TLS connector that is built on first use and shared by every clone: a reconnect, another host of the same
/// target, a `CancelToken`.
#[derive(Clone)]
pub struct LazyTls {
    shared: Arc<Shared>,
    host: String,
    encrypted: Arc<AtomicBool>,
}

struct Shared {
    settings: TlsSettings,
    connector: OnceLock<TlsConnector>,
}

impl LazyTls {
    /// Keeps the settings for connections to `host`, the name (or address) the certificate must carry in
    /// `verify-full`. With `hostaddr`, that is still the name. Reads no file yet.
    pub fn new(settings: TlsSettings, host: &str) -> LazyTls {
        let connector = OnceLock::new();
        LazyTls { shared: Arc::new(Shared { settings, connector }), host: host.to_owned(), encrypted: Arc::default() }
    }

    /// The same connector for another host of the target.
    #[must_use]
    pub fn for_host(&self, host: &str) -> LazyTls {
        LazyTls { shared: Arc::clone(&self.shared), host: host.to_owned(), encrypted: Arc::default() }
    }

    /// Whether a handshake of this host's, or of a clone's, has succeeded.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted.load(Ordering::Relaxed)
    }

    /// The settings it was made from.
    pub fn settings(&self) -> &TlsSettings {
        &self.shared.settings
    }

    /// Whether the connector has been built, that is, whether a server has spoken TLS with it.
    pub fn is_built(&self) -> bool {
        self.shared.connector.get().is_some()
    }

    /// The connector, built now if this is its first use. A failure is not kept: a mounted file may appear.
    fn connector(&self) -> Result<TlsConnector, TlsError> {
        if let Some(built) = self.shared.connector.get() {
            return Ok(built.clone());
        }
        let built = build(&self.shared.settings)?;
        Ok(self.shared.connector.get_or_init(|| built).clone())
    }
}

impl fmt::Debug for LazyTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyTls")
            .field("host", &self.host)
            .field("settings", &self.shared.settings)
            .field("is_built", &self.is_built())
            .finish()
    }
}

impl TlsSettings {
    /// Reads the root certificate, client certificate and key without connecting, so that a wrong file is known
    /// before any connection. Worth calling for modes from `require` up: below, TLS may never come about.
    ///
    /// # Errors
    ///
    /// Any `TlsError` about a file.
    pub fn check_files(&self) -> Result<(), TlsError> {
        Material::read(self).map(drop)
    }
}

impl<S> TlsConnect<S> for LazyTls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = TlsStream<S>;
    type Error = TlsError;
    type Future = Pin<Box<dyn Future<Output = Result<TlsStream<S>, TlsError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let connector = self.connector()?;
            let connector = postgres_native_tls::TlsConnector::new(connector, &self.host);
            let handshake = connector.connect(stream).await;
            self.encrypted.store(handshake.is_ok(), Ordering::Relaxed);
            let direct = self.settings().negotiation == SslNegotiation::Direct;
            handshake.map_err(|source| TlsError::from_handshake(source, &self.host, direct))
        })
    }
}

impl<S> MakeTlsConnect<S> for LazyTls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = TlsStream<S>;
    type TlsConnect = LazyTls;
    type Error = TlsError;

    fn make_tls_connect(&mut self, host: &str) -> Result<LazyTls, TlsError> {
        Ok(self.for_host(host))
    }
}

fn build(settings: &TlsSettings) -> Result<TlsConnector, TlsError> {
    let material = Material::read(settings)?;
    let mut builder = TlsConnector::builder();
    builder
        .danger_accept_invalid_certs(material.verification == Verification::None)
        .danger_accept_invalid_hostnames(material.verification != Verification::ChainAndName)
        .use_sni(settings.sni)
        .min_protocol_version(Some(protocol(settings.min_version)))
        .max_protocol_version(settings.max_version.map(protocol));
    match material.roots {
        Roots::System => {}
        Roots::None => {
            builder.disable_built_in_roots(true);
        }
        Roots::Given(roots) => {
            builder.disable_built_in_roots(true);
            for root in roots {
                builder.add_root_certificate(root);
            }
        }
    }
    if let Some(identity) = material.identity {
        builder.identity(identity);
    }
    if settings.negotiation == SslNegotiation::Direct {
        postgres_native_tls::set_postgresql_alpn(&mut builder);
    }
    builder.build().map_err(|source| TlsError::Setup { source })
}

fn protocol(version: TlsVersion) -> Protocol {
    match version {
        TlsVersion::V1_0 => Protocol::Tlsv10,
        TlsVersion::V1_1 => Protocol::Tlsv11,
        TlsVersion::V1_2 => Protocol::Tlsv12,
        TlsVersion::V1_3 => Protocol::Tlsv13,
    }
}
