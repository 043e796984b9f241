//! Reads the files TLS needs: root certificates, client certificate, client key. In: `TlsSettings`. Out: what OpenSSL
//! has read of them. Never asks for a passphrase on a terminal.

use super::error::{TlsError, TlsFile};
use super::settings::{RootCertificates, TlsSettings, Verification};
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The usual bundles of the system's root certificates; OpenSSL is linked in, so its own default path is no help.
const SYSTEM_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];
/// The usual folders of them, one file for each, named by a hash of its subject.
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// What the settings' files hold.
pub(super) struct Material {
    pub(super) verification: Verification,
    pub(super) roots: Roots,
    pub(super) identity: Option<Identity>,
}

/// The root certificates to trust.
pub(super) enum Roots {
    /// Nothing is verified.
    None,
    /// Those of the system.
    System(SystemRoots),
    /// Those of a file.
    Given(Vec<X509>),
}

/// Where the system keeps its root certificates, besides the places that OpenSSL knows by itself.
pub(super) struct SystemRoots {
    pub(super) file: Option<PathBuf>,
    pub(super) folders: Vec<PathBuf>,
}

/// A client certificate, what links it to its authority, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
}

impl Material {
    /// Reads every file the settings name.
    pub(super) fn read(settings: &TlsSettings) -> Result<Material, TlsError> {
        let verification = settings.verification();
        let roots = match verification {
            Verification::None => Roots::None,
            Verification::Chain | Verification::ChainAndName => read_roots(settings)?,
        };
        let identity = read_identity(settings)?;
        Ok(Material { verification, roots, identity })
    }
}

fn read_roots(settings: &TlsSettings) -> Result<Roots, TlsError> {
    let path = match &settings.root {
        RootCertificates::System => return system_roots().map(Roots::System).ok_or(TlsError::SystemRootsMissing),
        RootCertificates::File(path) => Some(path),
        RootCertificates::Default(path) => path.as_ref(),
    };
    let Some(path) = path.filter(|path| path.exists()) else {
        return Err(TlsError::RootMissing { mode: settings.mode, path: path.cloned() });
    };
    if let RootCertificates::Default(_) = settings.root {
        // libpq would use it unasked; going on without it would accept what its owner has revoked.
        let list = path.with_extension("crl");
        if list.exists() {
            return Err(TlsError::RevocationList { path: list });
        }
    }
    read_certificates(path, TlsFile::RootCertificate).map(Roots::Given)
}

/// None where there are none: without this, a missing CA bundle would show as "unable to get local issuer certificate",
/// which blames the server.
fn system_roots() -> Option<SystemRoots> {
    let file_named = std::env::var_os("SSL_CERT_FILE").is_some_and(|path| holds_something(Path::new(&path)));
    let folders_named = std::env::var_os("SSL_CERT_DIR");
    let folder_named =
        folders_named.is_some_and(|list| std::env::split_paths(&list).any(|path| holds_something(&path)));
    let usual = SYSTEM_FILES.iter().map(PathBuf::from).find(|path| holds_something(path));
    // OpenSSL itself reads the file that is named; the usual one would only be more to read.
    let file = usual.filter(|_| !file_named);
    let folders: Vec<PathBuf> = SYSTEM_FOLDERS.iter().map(PathBuf::from).filter(|path| holds_something(path)).collect();
    let any = file_named || folder_named || file.is_some() || !folders.is_empty();
    any.then_some(SystemRoots { file, folders })
}

fn holds_something(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => fs::read_dir(path).is_ok_and(|mut files| files.next().is_some()),
        Ok(found) => found.len() > 0,
        Err(_) => false,
    }
}

/// As libpq: without a certificate file there is no client certificate; without its key there is an error.
fn read_identity(settings: &TlsSettings) -> Result<Option<Identity>, TlsError> {
    let Some(path) = &settings.client_certificate else {
        return Ok(None);
    };
    if let Err(error) = fs::metadata(path) {
        return match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(unreadable(TlsFile::ClientCertificate, path, error)),
        };
    }
    let chain = read_certificates(path, TlsFile::ClientCertificate)?;
    let Some(key_path) = &settings.client_key else {
        return Err(TlsError::KeyMissing {
            certificate: path.clone(),
            key: PathBuf::from("~/.postgresql/postgresql.key"),
        });
    };
    let key = read_key(settings, path, key_path)?;
    let pair = chain.first().and_then(|first| first.public_key().ok());
    if !pair.is_some_and(|public| public.public_eq(&key)) {
        return Err(TlsError::KeyMismatch { certificate: path.clone(), key: key_path.clone() });
    }
    Ok(Some(Identity { chain, key }))
}

fn read_key(settings: &TlsSettings, certificate: &Path, path: &Path) -> Result<PKey<Private>, TlsError> {
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(TlsError::KeyMissing { certificate: certificate.to_owned(), key: path.to_owned() });
        }
        Err(error) => return Err(unreadable(TlsFile::ClientKey, path, error)),
    };
    if !facts.is_file() {
        return Err(TlsError::KeyNotAFile { path: path.to_owned() });
    }
    let (mode, owner) = (facts.mode(), facts.uid());
    if mode & forbidden_mode(owner) != 0 {
        return Err(TlsError::KeyPermissions { path: path.to_owned(), mode });
    }
    let bytes = fs::read(path).map_err(|error| unreadable(TlsFile::ClientKey, path, error))?;
    let password = settings.client_key_password.as_ref();
    decode_key(&bytes, password.map(|secret| secret.expose()), path)
}

/// The mode bits a key file must not have: 0600 or less, or 0640 or less when root owns it.
fn forbidden_mode(owner: u32) -> u32 {
    if owner == 0 { 0o037 } else { 0o077 }
}

/// Reads PKCS#1, SEC1 and PKCS#8, as PEM (encrypted or not) or DER.
fn decode_key(bytes: &[u8], password: Option<&str>, path: &Path) -> Result<PKey<Private>, TlsError> {
    let mut asked = false;
    // The callback keeps OpenSSL from asking on the terminal.
    let pem = PKey::private_key_from_pem_callback(bytes, |buffer| {
        asked = true;
        let password = password.unwrap_or_default().as_bytes();
        let Some(room) = buffer.get_mut(..password.len()) else {
            return Ok(0);
        };
        room.copy_from_slice(password);
        Ok(password.len())
    });
    match pem {
        Ok(key) => Ok(key),
        Err(_) if asked => Err(TlsError::KeyPassword { path: path.to_owned(), given: password.is_some() }),
        Err(source) => PKey::private_key_from_der(bytes).map_err(|_| invalid(TlsFile::ClientKey, path, Some(source))),
    }
}

fn read_certificates(path: &Path, file: TlsFile) -> Result<Vec<X509>, TlsError> {
    let bytes = fs::read(path).map_err(|error| unreadable(file, path, error))?;
    let certificates = X509::stack_from_pem(&bytes).map_err(|source| invalid(file, path, Some(source)))?;
    if certificates.is_empty() {
        return Err(invalid(file, path, None));
    }
    Ok(certificates)
}

fn unreadable(file: TlsFile, path: &Path, source: io::Error) -> TlsError {
    let path = path.to_owned();
    TlsError::Unreadable { file, path, source }
}

fn invalid(file: TlsFile, path: &Path, source: Option<openssl::error::ErrorStack>) -> TlsError {
    let path = path.to_owned();
    TlsError::Invalid { file, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_root_may_be_readable_by_its_group_any_other_may_not() {
        assert_eq!(0o640 & forbidden_mode(0), 0);
        assert_ne!(0o660 & forbidden_mode(0), 0);
        assert_ne!(0o604 & forbidden_mode(0), 0);
        assert_ne!(0o640 & forbidden_mode(1000), 0);
        assert_eq!(0o600 & forbidden_mode(1000), 0);
    }
}
