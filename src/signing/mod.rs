//! Keys and signatures: ES256 keys as operators hold them, and compact JWS. In: PEM or JWK text, bytes to sign. Out: keys,
//! signed texts, the payload of a text that verifies. Never prints a key and never asks for a passphrase.

pub mod jws;
pub mod key;
mod pem;
pub mod strict;

pub use key::{KeyError, KeyFault, SigningKey, VerifyingKey};
