//! The protocol for people.

use crate::qualification::Protocol;

/// A self-contained document; `kid` is the thumbprint of the key that signs the evidence.
pub fn html(protocol: &Protocol, kid: Option<&str>) -> String {
    format!("{} {}", protocol.run_id, kid.unwrap_or("unsigned"))
}
