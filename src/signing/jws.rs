//! Compact JWS with ES256 (RFC 7515, RFC 7518 3.4). In: a JSON object, a key. Out: a signed text; or the object of a text
//! that verifies, or why it does not. Takes one algorithm and one key, and nothing from the text itself.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::error::ErrorStack;
use serde_json::{Map, Value};

use super::key::{SigningKey, VerifyingKey};
use super::strict;

const ALGORITHM: &str = "ES256";
const TYPE: &str = "JWT";
const SIGNATURE_BYTES: usize = 64;

/// Signs `payload`. The header has `alg`, `typ` and `kid`, and nothing else.
///
/// # Errors
/// OpenSSL's, which has no randomness or no memory.
pub fn sign(payload: &Value, key: &SigningKey) -> Result<String, ErrorStack> {
    let header = format!(r#"{{"alg":"{ALGORITHM}","typ":"{TYPE}","kid":"{}"}}"#, key.kid());
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(payload.to_string()));
    let signature = key.sign(text.as_bytes())?;
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(text)
}

/// Why a text does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsFault {
    /// Not three parts.
    #[error("not a compact JWS: {found} parts instead of three")]
    Parts {
        /// How many there are.
        found: usize,
    },
    /// A part that is no base64url.
    #[error("the {part} is no base64url without padding")]
    Base64 {
        /// Which.
        part: Part,
    },
    /// A part that is no JSON object.
    #[error("the {part} is no JSON object: {reason}")]
    Json {
        /// Which.
        part: Part,
        /// What is wrong with it.
        reason: String,
    },
    /// Another algorithm, `none` included.
    #[error("the header says the algorithm {found}; only {ALGORITHM} is taken")]
    Algorithm {
        /// What it says.
        found: String,
    },
    /// A member of the header that changes what the text means.
    #[error("the header has the member {name}, which is not taken")]
    Member {
        /// Its name.
        name: String,
    },
    /// No `typ` of ours.
    #[error("the header does not say the type {TYPE}")]
    Type,
    /// Signed by another key.
    #[error("signed by another key: the header names {found}, the key given is {given}")]
    OtherKey {
        /// What the header says.
        found: String,
        /// The thumbprint of the key given.
        given: String,
    },
    /// Not 64 bytes.
    #[error("the signature has {bytes} bytes instead of {SIGNATURE_BYTES}{}", der_words(*.bytes, *.der))]
    SignatureSize {
        /// Its bytes.
        bytes: usize,
        /// Whether it looks like DER.
        der: bool,
    },
    /// The text was changed, or another key signed it.
    #[error("the signature does not fit: header or payload were changed, or another key signed them")]
    Signature,
}

/// A part of a compact JWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Payload,
    /// The third.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Verifies `text` and gives its payload.
///
/// # Errors
/// [`JwsFault`], the first that is found.
pub fn verify(text: &str, key: &VerifyingKey) -> Result<Map<String, Value>, JwsFault> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(JwsFault::Parts { found: parts.len() });
    };
    check_header(object(Part::Header, header)?, key)?;
    let signature = decode(Part::Signature, signature)?;
    let signature: &[u8; SIGNATURE_BYTES] = signature.as_slice().try_into().map_err(|_| JwsFault::SignatureSize {
        bytes: signature.len(),
        der: signature.first() == Some(&0x30) && signature.get(2) == Some(&0x02),
    })?;
    let (signed, _) = text.rsplit_once('.').unwrap_or_default();
    if !key.verifies(signed.as_bytes(), signature) {
        return Err(JwsFault::Signature);
    }
    object(Part::Payload, payload)
}

fn check_header(header: Map<String, Value>, key: &VerifyingKey) -> Result<(), JwsFault> {
    let words = |name: &str| match header.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "(none given)".to_owned(),
    };
    if header.get("alg").and_then(Value::as_str) != Some(ALGORITHM) {
        return Err(JwsFault::Algorithm { found: words("alg") });
    }
    // A `crit`, a `b64`, a key or an address that the text brings along itself.
    if let Some(name) = header.keys().find(|name| !["alg", "typ", "kid"].contains(&name.as_str())) {
        return Err(JwsFault::Member { name: name.clone() });
    }
    if header.get("typ").and_then(Value::as_str) != Some(TYPE) {
        return Err(JwsFault::Type);
    }
    if header.get("kid").and_then(Value::as_str) != Some(key.kid()) {
        return Err(JwsFault::OtherKey { found: words("kid"), given: key.kid().to_owned() });
    }
    Ok(())
}

fn decode(part: Part, text: &str) -> Result<Vec<u8>, JwsFault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwsFault::Base64 { part })
}

fn object(part: Part, text: &str) -> Result<Map<String, Value>, JwsFault> {
    match strict::parse(&decode(part, text)?) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JwsFault::Json { part, reason: "another value".to_owned() }),
        Err(error) => Err(JwsFault::Json { part, reason: error.to_string() }),
    }
}

fn der_words(bytes: usize, der: bool) -> &'static str {
    match der {
        true if bytes > SIGNATURE_BYTES => " (it looks like DER; a JWS has r and s as they are)",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
