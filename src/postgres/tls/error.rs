//! What can go wrong with TLS, as facts. In: errors of OpenSSL and the file system. Out: `TlsError`, and what is hidden
//! of it in a driver's error. Never prints a key or its passphrase.

use super::settings::SslMode;
use super::stream::FailedHandshake;
use openssl::error::ErrorStack;
use openssl::ssl::{self, ErrorCode};
use openssl::x509::X509VerifyResult;
use std::error::Error;
use std::io;
use std::path::PathBuf;

/// Which of the three TLS files is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// `sslrootcert`
    RootCertificate,
    /// `sslcert`
    ClientCertificate,
    /// `sslkey`
    ClientKey,
}

impl std::fmt::Display for TlsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TlsFile::RootCertificate => "root certificate file",
            TlsFile::ClientCertificate => "client certificate file",
            TlsFile::ClientKey => "client key file",
        })
    }
}

/// Why no TLS session came about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The mode verifies, and no root certificate file was given or found.
    #[error("sslmode={mode} needs a root certificate, and {} does not exist", missing_root(path))]
    RootMissing {
        /// The mode that verifies.
        mode: SslMode,
        /// The file that was looked for; `None` without a home folder.
        path: Option<PathBuf>,
    },
    /// `sslrootcert=system`, and the system has no root certificates in any of the usual places.
    #[error("sslrootcert=system, and no root certificates of the system were found")]
    SystemRootsMissing,
    /// A revocation list lies where libpq would use it; this program cannot.
    #[error("revocation list {} exists, and revocation lists are not supported", path.display())]
    RevocationList {
        /// The list, `~/.postgresql/root.crl`.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("{file} {} cannot be read", path.display())]
    Unreadable {
        /// Which one.
        file: TlsFile,
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds nothing that OpenSSL can read as a certificate or key.
    #[error("{file} {} holds no valid {}", path.display(), wanted(*file))]
    Invalid {
        /// Which one.
        file: TlsFile,
        /// Where it is.
        path: PathBuf,
        /// OpenSSL's reason, where it has one.
        source: Option<ErrorStack>,
    },
    /// The client certificate is there, its key is not.
    #[error("client certificate {} has no key: {} does not exist", certificate.display(), key.display())]
    KeyMissing {
        /// The certificate.
        certificate: PathBuf,
        /// The key that was looked for.
        key: PathBuf,
    },
    /// The key is no regular file.
    #[error("client key file {} is not a regular file", path.display())]
    KeyNotAFile {
        /// Where it is.
        path: PathBuf,
    },
    /// Others may read the key.
    #[error("client key file {} has mode {:04o}, which lets others read it", path.display(), mode & 0o7777)]
    KeyPermissions {
        /// Where it is.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key is encrypted, and `sslpassword` is missing or wrong.
    #[error("client key file {} is encrypted, and sslpassword is {}", path.display(), if *given { "wrong" } else { "not given" })]
    KeyPassword {
        /// Where it is.
        path: PathBuf,
        /// Whether a passphrase was given.
        given: bool,
    },
    /// Certificate and key are not a pair.
    #[error("client key file {} does not belong to certificate {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// OpenSSL does not accept the settings.
    #[error("the TLS settings are not accepted")]
    Setup {
        /// Why.
        source: ErrorStack,
    },
    /// The server's certificate did not pass.
    #[error("the certificate of the server does not verify for {host}: {reason}")]
    Verification {
        /// The host that was expected.
        host: String,
        /// OpenSSL's reason.
        reason: String,
        /// The failed handshake.
        source: ssl::Error,
    },
    /// The server sent a TLS alert.
    #[error("the server refused the TLS handshake: {reason}")]
    Refused {
        /// The alert.
        reason: &'static str,
        /// The failed handshake.
        source: ssl::Error,
    },
    /// The connection ended during the handshake (a proxy before a sleeping database does that).
    #[error("the server closed the connection during the TLS handshake")]
    Closed {
        /// Whether TLS began with the first byte.
        direct: bool,
        /// The failed handshake.
        source: ssl::Error,
    },
    /// Any other failed handshake.
    #[error("the TLS handshake failed{}", because(reason))]
    Handshake {
        /// OpenSSL's reason, where it has one.
        reason: Option<&'static str>,
        /// The failed handshake.
        source: ssl::Error,
    },
}

impl TlsError {
    /// Says whether time alone can cure it: only a connection that ended during the handshake.
    pub fn is_transient(&self) -> bool {
        matches!(self, TlsError::Closed { .. })
    }

    /// The way out, where there is one to name.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            TlsError::RootMissing { .. } => {
                "give sslrootcert=FILE, or sslrootcert=system for a server with a public certificate"
            }
            TlsError::SystemRootsMissing => {
                "install the system's CA certificates, or set SSL_CERT_FILE, or give sslrootcert=FILE"
            }
            TlsError::RevocationList { .. } => "remove the list, or give sslrootcert=FILE",
            TlsError::KeyPermissions { .. } => {
                "chmod 0600, or 0640 for a key that belongs to root; a Kubernetes secret takes defaultMode: 0400"
            }
            TlsError::KeyPassword { .. } => "give the passphrase as sslpassword",
            TlsError::KeyMissing { .. } | TlsError::KeyMismatch { .. } => {
                "give the key that belongs to it as sslkey=FILE"
            }
            TlsError::Verification { reason, .. } if reason.contains("mismatch") => {
                "connect by a name that the certificate carries, or use sslmode=verify-ca"
            }
            TlsError::Verification { .. } => {
                "give the certificate of the server's authority as sslrootcert=FILE; the server may also have to renew its own"
            }
            TlsError::Closed { direct: true, .. } => "sslnegotiation=direct needs PostgreSQL 17 or later",
            TlsError::Handshake { reason: Some("wrong version number"), .. } => {
                "what answers there does not speak TLS: check host and port in the URL"
            }
            TlsError::Unreadable { .. }
            | TlsError::Invalid { .. }
            | TlsError::KeyNotAFile { .. }
            | TlsError::Setup { .. }
            | TlsError::Refused { .. }
            | TlsError::Closed { direct: false, .. }
            | TlsError::Handshake { .. } => return None,
        })
    }

    /// Sorts a failed handshake with `host` by what OpenSSL says about it.
    pub(super) fn from_handshake(failed: FailedHandshake, host: &str, direct: bool) -> TlsError {
        let FailedHandshake { error: source, verified } = failed;
        let reasons = reasons_in(&source);
        if reasons.contains(&"certificate verify failed") {
            return TlsError::Verification { host: host.to_owned(), reason: verify_reason(verified), source };
        }
        if let Some(reason) = alert_in(&reasons) {
            return TlsError::Refused { reason, source };
        }
        if reasons.contains(&"unexpected eof while reading") || ended(&source) {
            return TlsError::Closed { direct, source };
        }
        TlsError::Handshake { reason: reasons.first().copied(), source }
    }
}

fn because(reason: &Option<&'static str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// Finds the TLS error that the driver wrapped into its own.
pub fn tls_error_in(error: &tokio_postgres::Error) -> Option<&TlsError> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TlsError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Finds the TLS alert by which the server ended a session after the handshake, in OpenSSL's words.
///
/// With TLS 1.3 a refused client certificate shows only on the first read, as an I/O error of the driver: time does
/// not cure it, though it looks like a lost connection. Now and then (1 of 12 against PostgreSQL 15) the reset overtakes
/// the alert and there is none to find; the next attempt finds it.
pub fn tls_alert_in(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(ssl) = io.get_ref().and_then(|inner| inner.downcast_ref::<ssl::Error>())
        {
            return alert_in(&reasons_in(ssl));
        }
        next = error.source();
    }
    None
}

fn reasons_in(error: &ssl::Error) -> Vec<&'static str> {
    let stack = error.ssl_error().map(ErrorStack::errors).unwrap_or_default();
    stack.iter().filter_map(|entry| entry.reason()).collect()
}

fn alert_in(reasons: &[&'static str]) -> Option<&'static str> {
    reasons.iter().copied().find(|reason| reason.contains(" alert "))
}

/// Whether the connection simply ended: an I/O error that says so, or the end of the stream, which has no error.
fn ended(error: &ssl::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.io_error() {
        Some(io) => matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof),
        None => error.code() == ErrorCode::SYSCALL,
    }
}

/// OpenSSL's words for what is wrong with the certificate.
fn verify_reason(verified: X509VerifyResult) -> String {
    let reason = if verified == X509VerifyResult::OK { "certificate verify failed" } else { verified.error_string() };
    reason.to_owned()
}

fn missing_root(path: &Option<PathBuf>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        None => "~/.postgresql/root.crt (there is no home folder)".to_owned(),
    }
}

fn wanted(file: TlsFile) -> &'static str {
    match file {
        TlsFile::RootCertificate | TlsFile::ClientCertificate => "PEM certificate",
        TlsFile::ClientKey => "private key",
    }
}
