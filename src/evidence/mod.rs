//! The record of a qualification: signed, packed, written, and verified again. In: a protocol and a key, or a path.
//! Out: files, or what is wrong with them. Never asks the database, and never reads a clock of its own.

mod dependencies;
pub mod documents;
mod error;
mod manifest;
mod record;
pub(crate) mod times;
pub mod trail;
pub mod verify;
mod write;

use std::path::Path;

use serde_json::Value;

pub use error::EvidenceError;
pub use record::{CONTEXT, case_names, checksums, system_state_hash};
pub use write::{Rendered, Written, check_writable, replace, write};

use crate::settings::Settings;
use crate::signing::{KeyError, SigningKey};

/// Reads the signing key, where the settings name one; without one, evidence is written unsigned.
///
/// # Errors
/// [`KeyError`], before anything else is done.
pub fn load_key(settings: &Settings) -> Result<Option<SigningKey>, KeyError> {
    settings.signing_key.as_ref().map(SigningKey::load).transpose()
}

/// The name of the record's file, by the id of the evidence.
fn record_file(gxp_id: &str, signed: bool) -> String {
    format!("{gxp_id}.{}", if signed { "jws" } else { "json" })
}

/// The folder that takes the packages.
const PACKAGES: &str = "packages";

/// The one form in which a JSON document is written: a manifest of other bytes was changed.
fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// A path as messages show it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
