//! What libpq's `ssl…` parameters ask for, typed. In: values that `url` has judged. Out: `TlsSettings` and how far
//! they verify. Looks only whether `~/.postgresql/root.crt` exists; never opens a connection.

use crate::postgres::secret::Secret;
use std::fmt;
use std::path::{Path, PathBuf};

/// How much TLS a connection wants: libpq's `sslmode`.
///
/// Ordered from weak to strong. See the PostgreSQL manual, "SSL Support", table "SSL Mode Descriptions".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// First without TLS, then with it; no verification.
    Allow,
    /// First with TLS, then without it; no verification (the default).
    #[default]
    Prefer,
    /// TLS only; verifies as `verify-ca` where a root certificate is at hand.
    Require,
    /// TLS only; the server's certificate chain must lead to a root certificate.
    VerifyCa,
    /// As `verify-ca`, and the certificate must be for the host that was asked for.
    VerifyFull,
}

impl SslMode {
    /// The word libpq uses.
    pub fn as_str(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How TLS begins: libpq's `sslnegotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslNegotiation {
    /// The client asks in PostgreSQL's protocol whether the server speaks TLS (the default).
    #[default]
    Postgres,
    /// TLS from the first byte, with the ALPN name `postgresql` (servers from 17 on).
    Direct,
}

/// Where the root certificates come from: libpq's `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCertificates {
    /// Not given: `~/.postgresql/root.crt`, used where it exists; `None` without a home folder.
    Default(Option<PathBuf>),
    /// A PEM file, given.
    File(PathBuf),
    /// `sslrootcert=system`: what the system trusts (`SSL_CERT_FILE`, `SSL_CERT_DIR`, the usual places).
    System,
}

/// A protocol version for `ssl_min_protocol_version` and `ssl_max_protocol_version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0
    V1_0,
    /// TLS 1.1
    V1_1,
    /// TLS 1.2, libpq's default minimum
    V1_2,
    /// TLS 1.3
    V1_3,
}

/// How far the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Not at all: any certificate will do.
    None,
    /// The chain up to a root certificate, whatever the name.
    Chain,
    /// The chain, and the name (or address) of the host.
    ChainAndName,
}

/// Everything that decides about TLS for one connection target.
///
/// The parameters are those of the PostgreSQL manual, "Database Connection Control Functions".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `sslmode`; default `prefer`, or `verify-full` with `sslrootcert=system`.
    pub mode: SslMode,
    /// `sslnegotiation`; default `postgres`.
    pub negotiation: SslNegotiation,
    /// `sslrootcert`; default `~/.postgresql/root.crt`.
    pub root: RootCertificates,
    /// `sslcert`; default `~/.postgresql/postgresql.crt`. `None`: no client certificate is sent (no home folder, or
    /// `sslcertmode=disable`). A file that does not exist is none either, as in libpq.
    pub client_certificate: Option<PathBuf>,
    /// Whether `sslcert` was given, so that its absence is worth a warning.
    pub client_certificate_given: bool,
    /// `sslkey`; default `~/.postgresql/postgresql.key`.
    pub client_key: Option<PathBuf>,
    /// `sslpassword`: the passphrase of an encrypted client key.
    pub client_key_password: Option<Secret>,
    /// `sslsni`; default true. An address is never sent as a name.
    pub sni: bool,
    /// `ssl_min_protocol_version`; default TLS 1.2.
    pub min_version: TlsVersion,
    /// `ssl_max_protocol_version`; default none.
    pub max_version: Option<TlsVersion>,
}

impl Default for TlsSettings {
    fn default() -> TlsSettings {
        TlsSettings {
            mode: SslMode::default(),
            negotiation: SslNegotiation::default(),
            root: RootCertificates::Default(None),
            client_certificate: None,
            client_certificate_given: false,
            client_key: None,
            client_key_password: None,
            sni: true,
            min_version: TlsVersion::V1_2,
            max_version: None,
        }
    }
}

impl TlsSettings {
    /// The client certificate that was named and does not exist: libpq goes on without one, which deserves a warning.
    pub fn missing_client_certificate(&self) -> Option<&Path> {
        let path = self.client_certificate.as_deref();
        path.filter(|path| self.client_certificate_given && !path.exists())
    }

    /// Says how far the server's certificate is checked.
    ///
    /// `require` checks the chain only where a root certificate is given or `~/.postgresql/root.crt` exists. Weaker
    /// modes never check: they would go on without TLS anyway.
    pub fn verification(&self) -> Verification {
        match self.mode {
            SslMode::Disable | SslMode::Allow | SslMode::Prefer => Verification::None,
            SslMode::VerifyCa => Verification::Chain,
            SslMode::VerifyFull => Verification::ChainAndName,
            SslMode::Require => match &self.root {
                RootCertificates::File(_) | RootCertificates::System => Verification::Chain,
                RootCertificates::Default(Some(path)) if path.exists() => Verification::Chain,
                RootCertificates::Default(_) => Verification::None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(mode: SslMode, root: RootCertificates) -> Verification {
        let settings = TlsSettings { mode, root, ..TlsSettings::default() };
        settings.verification()
    }

    #[test]
    fn require_verifies_only_where_a_root_certificate_is_at_hand() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("root.crt");
        let default = || RootCertificates::Default(Some(file.clone()));
        assert_eq!(with(SslMode::Require, default()), Verification::None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(with(SslMode::Require, default()), Verification::Chain);
        assert_eq!(with(SslMode::Prefer, default()), Verification::None);
        let given = RootCertificates::File("/nowhere/root.crt".into());
        assert_eq!(with(SslMode::Require, given), Verification::Chain);
    }
}
