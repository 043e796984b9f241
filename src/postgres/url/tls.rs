//! The `ssl…` parameters. In: what was given, and the home folder. Out: `TlsSettings`, judged as libpq judges them.
//! Computes only; no file is looked at.

use super::error::UrlError;
use super::parameters::Collected;
use super::values::choice;
use crate::postgres::secret::Secret;
use crate::postgres::tls::{RootCertificates, SslMode, SslNegotiation, TlsSettings, TlsVersion};
use std::path::{Path, PathBuf};

const MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

const VERSIONS: [(&str, TlsVersion); 4] = [
    ("TLSv1", TlsVersion::V1_0),
    ("TLSv1.1", TlsVersion::V1_1),
    ("TLSv1.2", TlsVersion::V1_2),
    ("TLSv1.3", TlsVersion::V1_3),
];

/// Reads them all.
pub(super) fn read(from: &Collected, home: Option<&Path>) -> Result<TlsSettings, UrlError> {
    let in_home = |name: &str| home.map(|home| home.join(".postgresql").join(name));
    let path = |name: &str| from.text(name).map(PathBuf::from);
    let root = match from.text("sslrootcert") {
        Some("system") => RootCertificates::System,
        Some(path) => RootCertificates::File(PathBuf::from(path)),
        None => RootCertificates::Default(in_home("root.crt")),
    };
    let (mode, negotiation) = read_mode(from, &root)?;
    let (min_version, max_version) = read_versions(from)?;
    let sends_certificate = read_certificate_mode(from)?;
    refuse_engine(from)?;
    Ok(TlsSettings {
        mode,
        negotiation,
        root,
        client_certificate: path("sslcert").or_else(|| in_home("postgresql.crt")).filter(|_| sends_certificate),
        client_certificate_given: path("sslcert").is_some(),
        client_key: path("sslkey").or_else(|| in_home("postgresql.key")),
        client_key_password: from.text("sslpassword").map(Secret::new),
        sni: choice(from, "sslsni", &[("1", true), ("0", false)])?.unwrap_or(true),
        min_version,
        max_version,
    })
}

fn read_mode(from: &Collected, root: &RootCertificates) -> Result<(SslMode, SslNegotiation), UrlError> {
    let system = *root == RootCertificates::System;
    let default = if system { SslMode::VerifyFull } else { SslMode::Prefer };
    let mode = choice(from, "sslmode", &MODES)?.unwrap_or(default);
    if system && mode < SslMode::VerifyFull {
        // Anyone can have a certificate of a public authority; only the name tells servers apart.
        let (parameter, hint) = ("sslrootcert=system", "use sslmode=verify-full");
        return Err(UrlError::WeakSslMode { mode, parameter, hint });
    }
    let words = [("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)];
    let negotiation = choice(from, "sslnegotiation", &words)?.unwrap_or_default();
    if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
        let (parameter, hint) = ("sslnegotiation=direct", "use sslmode=require or stronger");
        return Err(UrlError::WeakSslMode { mode, parameter, hint });
    }
    Ok((mode, negotiation))
}

fn read_versions(from: &Collected) -> Result<(TlsVersion, Option<TlsVersion>), UrlError> {
    let read = |name: &'static str| match from.text(name) {
        None => Ok(None),
        Some(text) => match VERSIONS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)) {
            Some((_, version)) => Ok(Some(*version)),
            None => choice(from, name, &VERSIONS),
        },
    };
    let min = read("ssl_min_protocol_version")?.unwrap_or(TlsVersion::V1_2);
    let max = read("ssl_max_protocol_version")?;
    match max {
        Some(max) if max < min => Err(UrlError::ProtocolRange),
        _ => Ok((min, max)),
    }
}

/// Whether a client certificate may be sent. Whether the server asked for one cannot be seen here.
fn read_certificate_mode(from: &Collected) -> Result<bool, UrlError> {
    let words = [("allow", Some(true)), ("disable", Some(false)), ("require", None)];
    match choice(from, "sslcertmode", &words)? {
        None => Ok(true),
        Some(Some(sends)) => Ok(sends),
        Some(None) => Err(UrlError::Unsupported {
            name: "sslcertmode",
            value: Some("require".to_owned()),
            origin: from.get("sslcertmode").map_or(super::Origin::Text, |given| given.origin),
            hint: "use sslcertmode=allow; the server demands a certificate with clientcert in pg_hba.conf",
        }),
    }
}

/// `sslkey=engine:id` means a key in hardware.
fn refuse_engine(from: &Collected) -> Result<(), UrlError> {
    let engine = from.get("sslkey").filter(|given| given.value.contains(':') && !given.value.contains('/'));
    match engine {
        None => Ok(()),
        Some(given) => Err(UrlError::Unsupported {
            name: "sslkey with an engine",
            value: None,
            origin: given.origin,
            hint: "give the path of a key file",
        }),
    }
}
