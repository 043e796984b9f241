//! TLS for the driver with libpq's meaning. In: `TlsSettings` and the host. Out: an encrypted stream, or a `TlsError`.
//! Never builds OpenSSL's context before the server has said that it speaks TLS, and never builds it twice.

mod context;
mod error;
mod material;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

pub use error::{TlsError, TlsFile, tls_alert_in, tls_error_in};
use material::Material;
pub use settings::{RootCertificates, SslMode, SslNegotiation, TlsSettings, TlsVersion, Verification};
pub use stream::TlsStream;

use openssl::ssl::SslContext;
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
    context: OnceLock<SslContext>,
}

impl LazyTls {
    /// Keeps the settings for connections to `host`, the name (or address) the certificate must carry in
    /// `verify-full`. With `hostaddr`, that is still the name. Reads no file yet.
    pub fn new(settings: TlsSettings, host: &str) -> LazyTls {
        let context = OnceLock::new();
        LazyTls { shared: Arc::new(Shared { settings, context }), host: host.to_owned(), encrypted: Arc::default() }
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

    /// Whether the context has been built, that is, whether a server has spoken TLS with it.
    pub fn is_built(&self) -> bool {
        self.shared.context.get().is_some()
    }

    /// The context, built now if this is its first use. A failure is not kept: a mounted file may appear.
    fn context(&self) -> Result<&SslContext, TlsError> {
        if let Some(built) = self.shared.context.get() {
            return Ok(built);
        }
        let built = context::build(self.settings())?;
        Ok(self.shared.context.get_or_init(|| built))
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
            let ssl = context::session(self.context()?, self.settings(), &self.host)?;
            let handshake = stream::handshake(ssl, stream).await?;
            self.encrypted.store(handshake.is_ok(), Ordering::Relaxed);
            let direct = self.settings().negotiation == SslNegotiation::Direct;
            handshake.map_err(|failed| TlsError::from_handshake(failed, &self.host, direct))
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
