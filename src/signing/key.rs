//! P-256 keys. In: the text of a PEM or a JWK. Out: a key that signs or verifies, and its RFC 7638 thumbprint.
//! Never shows key material, not even in `Debug` or in an error.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasParams, Id, PKey, Private, Public};
use openssl::sha::sha256;

use super::pem::block;
use super::strict;
use crate::regular::{self, Links};
use crate::settings::{SigningKeySource, ValueError};

/// Bytes of a coordinate, and of each half of a signature.
const HALF_BYTES: i32 = 32;
/// No key is longer; a wrong path may name anything.
const LONGEST_BYTES: u64 = 64 * 1024;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{fault}", named(.origin, .fault))]
pub struct KeyError {
    /// The variable, or the file that an argument names.
    pub origin: String,
    /// What is wrong.
    pub fault: KeyFault,
}

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The variable's file cannot be read.
    #[error("{0}")]
    Source(#[from] ValueError),
    /// The argument's file cannot be read.
    #[error("cannot be read: {0}")]
    File(std::io::Error),
    /// No PEM, and no JWK.
    #[error("no {} in it", if *.private { "PEM" } else { "PEM and no JWK" })]
    NoPem {
        /// Whether a private key was wanted.
        private: bool,
    },
    /// A private key in its older form.
    #[error("a private key as SEC 1 has it (EC PRIVATE KEY), where PKCS#8 is wanted")]
    Sec1,
    /// A private key behind a passphrase.
    #[error("the private key is encrypted, and nobody is here to ask for its passphrase")]
    Encrypted,
    /// The private half is needed.
    #[error("a public key, where the private key is wanted")]
    PublicGiven,
    /// The private half has no business here.
    #[error("a private key, where the public key is wanted")]
    PrivateGiven,
    /// A certificate instead of a key.
    #[error("a certificate, where a key is wanted")]
    Certificate,
    /// Something else in PEM.
    #[error("a PEM of another kind, where a {} is wanted", if *.private { "PKCS#8 private key" } else { "public key" })]
    OtherPem {
        /// Whether a private key was wanted.
        private: bool,
    },
    /// A key of another kind.
    #[error("the key is {found}, where one on the curve P-256 is wanted")]
    NotP256 {
        /// What it is.
        found: String,
    },
    /// Bytes that are no key.
    #[error("the key is damaged")]
    Damaged,
}

impl KeyFault {
    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Source(_) | Self::File(_) => "name a file that this user may read",
            Self::Sec1 => "convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem",
            Self::Encrypted => "take the passphrase off: openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem",
            Self::PrivateGiven => {
                "give the public half: openssl pkey -in key.pem -pubout -out public.pem; and if others could read the \
                 file, make a new key"
            }
            Self::Certificate => "take the key out of it: openssl x509 -in certificate.pem -noout -pubkey",
            Self::OtherPem { private: false } | Self::NoPem { private: false } => {
                "write it from the private key: openssl pkey -in key.pem -pubout -out public.pem"
            }
            Self::PublicGiven
            | Self::OtherPem { private: true }
            | Self::NoPem { private: true }
            | Self::NotP256 { .. }
            | Self::Damaged => {
                "make a key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem; its public \
                 half: openssl pkey -in key.pem -pubout -out public.pem"
            }
        }
    }
}

/// A private key that signs evidence. `Debug` shows its thumbprint.
pub struct SigningKey {
    key: EcKey<Private>,
    public: VerifyingKey,
}

/// A public key that verifies evidence.
pub struct VerifyingKey {
    key: EcKey<Public>,
    x: String,
    y: String,
    kid: String,
}

impl SigningKey {
    /// Reads the key that the settings name.
    ///
    /// # Errors
    /// [`KeyError`], with the variable's name.
    pub fn load(source: &SigningKeySource) -> Result<Self, KeyError> {
        let read = source.read().map_err(KeyFault::from).and_then(|text| Self::from_pem(&text));
        read.map_err(|fault| KeyError { origin: source.variable().to_owned(), fault })
    }

    /// Reads an unencrypted PKCS#8 PEM.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        let block = block(text).ok_or(KeyFault::NoPem { private: true })?;
        match block.label {
            "PRIVATE KEY" => {}
            "EC PRIVATE KEY" | "EC PARAMETERS" => return Err(KeyFault::Sec1),
            "ENCRYPTED PRIVATE KEY" => return Err(KeyFault::Encrypted),
            "PUBLIC KEY" => return Err(KeyFault::PublicGiven),
            "CERTIFICATE" => return Err(KeyFault::Certificate),
            _ => return Err(KeyFault::OtherPem { private: true }),
        }
        let der = block.der.ok_or(KeyFault::Damaged)?;
        // As DER: the PEM reader of OpenSSL would ask on the terminal where it meets an encrypted key.
        let key = PKey::private_key_from_pkcs8(&der).map_err(damaged)?;
        refuse_other_than_p256(&key)?;
        let key = key.ec_key().map_err(damaged)?;
        key.check_key().map_err(damaged)?;
        let public = EcKey::from_public_key(key.group(), key.public_key()).map_err(damaged)?;
        Ok(Self { public: VerifyingKey::new(public)?, key })
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// RFC 7638 thumbprint of the public half.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The 64 bytes of an ES256 signature: r and s (RFC 7518, 3.4).
    pub(super) fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let signature = EcdsaSig::sign(&sha256(text), &self.key)?;
        let mut bytes = signature.r().to_vec_padded(HALF_BYTES)?;
        bytes.extend(signature.s().to_vec_padded(HALF_BYTES)?);
        Ok(bytes)
    }
}

impl VerifyingKey {
    /// Reads the file of a public key.
    ///
    /// # Errors
    /// [`KeyError`], with the file's name.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let read = read_short(path).map_err(KeyFault::File).and_then(|text| Self::from_text(&text));
        read.map_err(|fault| KeyError { origin: path.display().to_string(), fault })
    }

    /// Reads a PEM of a SubjectPublicKeyInfo, or a JWK.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn from_text(text: &str) -> Result<Self, KeyFault> {
        if text.trim_start().starts_with('{') {
            return Self::from_jwk(text);
        }
        let block = block(text).ok_or(KeyFault::NoPem { private: false })?;
        match block.label {
            "PUBLIC KEY" => {}
            "CERTIFICATE" => return Err(KeyFault::Certificate),
            label if label.ends_with("PRIVATE KEY") || label == "EC PARAMETERS" => return Err(KeyFault::PrivateGiven),
            _ => return Err(KeyFault::OtherPem { private: false }),
        }
        let der = block.der.ok_or(KeyFault::Damaged)?;
        let key = PKey::public_key_from_der(&der).map_err(damaged)?;
        refuse_other_than_p256(&key)?;
        Self::new(key.ec_key().map_err(damaged)?)
    }

    fn from_jwk(text: &str) -> Result<Self, KeyFault> {
        let jwk = strict::parse(text.as_bytes()).map_err(|_| KeyFault::Damaged)?;
        let member = |name: &str| jwk.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        if jwk.get("d").is_some() || jwk.get("k").is_some() {
            return Err(KeyFault::PrivateGiven);
        }
        if (member("kty"), member("crv")) != ("EC", "P-256") {
            let found = ["kty", "crv"].map(member).join(" ");
            return Err(KeyFault::NotP256 { found: format!("a JWK of the kind {}", found.trim().escape_debug()) });
        }
        let coordinate = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(member(name)).map_err(|_| KeyFault::Damaged)?;
            if bytes.len() != 32 {
                return Err(KeyFault::Damaged);
            }
            BigNum::from_slice(&bytes).map_err(damaged)
        };
        let group = p256().map_err(damaged)?;
        // Refuses a point that is not on the curve.
        let key = EcKey::from_public_key_affine_coordinates(&group, &*coordinate("x")?, &*coordinate("y")?);
        Self::new(key.map_err(damaged)?)
    }

    fn new(key: EcKey<Public>) -> Result<Self, KeyFault> {
        key.check_key().map_err(damaged)?;
        let (x, y) = coordinates(&key).map_err(damaged)?;
        // The members that RFC 7638 wants, in the order of their names, and nothing else.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(sha256(members.as_bytes()));
        Ok(Self { key, x, y, kid })
    }

    /// RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// As a JWK, for verifiers that read no PEM.
    pub fn jwk(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "alg": "ES256", "use": "sig", "kid": self.kid,
        })
    }

    /// Whether `signature`, r and s, is one of `text` by this key.
    pub(super) fn verifies(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        let (r, s) = signature.split_at(32);
        let verified = || {
            let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
            signature.verify(&sha256(text), &self.key)
        };
        verified().unwrap_or(false)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A variable's own error names it already.
fn named(origin: &str, fault: &KeyFault) -> String {
    if matches!(fault, KeyFault::Source(_)) { String::new() } else { format!("{origin}: ") }
}

fn p256() -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
}

fn coordinates(key: &EcKey<Public>) -> Result<(String, String), ErrorStack> {
    let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
    key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut *BigNumContext::new()?)?;
    let text = |number: &BigNum| Ok::<_, ErrorStack>(URL_SAFE_NO_PAD.encode(number.to_vec_padded(HALF_BYTES)?));
    Ok((text(&x)?, text(&y)?))
}

/// OpenSSL's own words are of its own making, and may quote what it read.
fn damaged(_: ErrorStack) -> KeyFault {
    KeyFault::Damaged
}

fn refuse_other_than_p256<T: HasParams>(key: &PKey<T>) -> Result<(), KeyFault> {
    let curve = || key.ec_key().ok()?.group().curve_name();
    let found = match (key.id(), curve()) {
        (Id::EC, Some(Nid::X9_62_PRIME256V1)) => return Ok(()),
        (Id::EC, Some(other)) => format!("one on {}", other.short_name().unwrap_or("another curve")),
        (Id::EC, None) => "one on a curve without a name".to_owned(),
        (Id::RSA | Id::RSA_PSS, _) => "one of RSA".to_owned(),
        (Id::ED25519, _) => "one of Ed25519".to_owned(),
        _ => "of another kind".to_owned(),
    };
    Err(KeyFault::NotP256 { found })
}

fn read_short(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    // A mounted secret is a link; a pipe without a writer would never end.
    let file = regular::open(path, Links::Followed)?.ok_or_else(|| std::io::Error::other("not a regular file"))?;
    file.take(LONGEST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
