//! Verifies evidence. In: a path, a public key, the time. Out: what was verified, and everything that is wrong. Never
//! follows a link below that path, never believes a file what it says of itself before its signature fits.

mod disk;
mod fault;
mod folder;
mod package;
mod record;
mod trail;

use std::path::Path;
use std::time::SystemTime;

use serde_json::{Map, Value};

pub use fault::{Fault, Wrong};

use crate::error::Error;
use crate::regular::Links;
use crate::signing::{VerifyingKey, jws};

use super::manifest::{MANIFEST, SIGNED_MANIFEST};
use super::times::{of_seconds, rfc3339};
use super::{PACKAGES, shown};

/// A clock may be so much behind that of the machine that signed.
const CLOCKS_DIFFER_SECONDS: u64 = 300;

/// What a path held.
#[derive(Debug, Clone)]
pub struct Verification {
    /// Thumbprint of the key that it was verified with.
    pub kid: String,
    /// What was looked at.
    pub documents: Vec<Document>,
    /// What is wrong; nothing where all of it verifies.
    pub faults: Vec<Fault>,
    /// Folders without a name yet, which are no evidence and were not looked at.
    pub leftovers: Vec<String>,
}

/// A record, a package or a trail.
#[derive(Debug, Clone)]
pub struct Document {
    /// `record`, `package` or `trail`.
    pub kind: &'static str,
    /// Where it is.
    pub path: String,
    /// What it says, where its signature fits.
    pub facts: Map<String, Value>,
}

/// What all parts of a verification know.
struct Check<'a> {
    key: &'a VerifyingKey,
    now: SystemTime,
    documents: Vec<Document>,
    faults: Vec<Fault>,
    leftovers: Vec<String>,
}

/// Verifies the record, the exported trail, the package, or the whole folder of evidence at `path`.
///
/// # Errors
/// [`Error::NoEvidence`] where there is nothing to verify. Evidence that does not verify is no error here: see
/// [`Verification::faults`].
pub fn verify(path: &Path, key: &VerifyingKey, now: SystemTime) -> Result<Verification, Error> {
    let none = |reason: String| Error::NoEvidence { path: path.to_owned(), reason };
    let found = std::fs::metadata(path).map_err(|error| none(error.to_string()))?;
    let mut check = Check { key, now, documents: Vec::new(), faults: Vec::new(), leftovers: Vec::new() };
    if found.is_dir() {
        let has = |name: &str| path.join(name).symlink_metadata().is_ok();
        if has(MANIFEST) || has(SIGNED_MANIFEST) {
            let package = check.package(path);
            check.documents.extend(package.and_then(|package| package.document));
        } else if has(PACKAGES) {
            check.folder(path);
        } else {
            return Err(none("a folder with neither manifest nor packages".to_owned()));
        }
    } else if found.is_file() {
        check.file(path, Links::Followed).map_err(none)?;
    } else {
        return Err(none("neither a file nor a folder".to_owned()));
    }
    let Check { documents, faults, leftovers, .. } = check;
    Ok(Verification { kid: key.kid().to_owned(), documents, faults, leftovers })
}

impl Check<'_> {
    /// A single file: a record or a trail. Gives a reason where it is neither.
    fn file(&mut self, path: &Path, links: Links) -> Result<(), String> {
        let bytes = disk::read(path, links).map_err(|wrong| wrong.to_string())?;
        let at = shown(path);
        if let Some(payload) = unsigned(&bytes) {
            self.fault(&at, Wrong::Unsigned);
            self.members(&at, &payload);
            return Ok(());
        }
        let is_named = path.extension().is_some_and(|extension| extension == "jws");
        if !is_named && !bytes.starts_with(b"eyJ") {
            return Err("no evidence: neither a signed text nor an unsigned one of ours".to_owned());
        }
        let Some(payload) = self.signed_text(&at, &bytes) else { return Ok(()) };
        if payload.contains_key("package_id") {
            return Err(
                "the manifest of a package: name the package's folder, so that its files are verified".to_owned()
            );
        }
        let (kind, mut facts) = self.members(&at, &payload);
        facts.append(&mut signature_facts(&payload));
        self.documents.push(Document { kind, path: at, facts });
        Ok(())
    }

    fn members(&mut self, at: &str, payload: &Map<String, Value>) -> (&'static str, Map<String, Value>) {
        if trail::is_trail(payload) {
            return ("trail", self.trail_members(at, payload));
        }
        ("record", self.record_members(at, payload))
    }

    /// As [`Check::signed`], of a whole file.
    fn signed_text(&mut self, at: &str, bytes: &[u8]) -> Option<Map<String, Value>> {
        let line = bytes.strip_suffix(b"\n");
        let payload = self.signed(at, line.unwrap_or(bytes))?;
        // A trail can be printed, and what is printed ends its line; everything else is written without.
        if line.is_some() && !trail::is_trail(&payload) {
            self.fault(at, Wrong::Form { how: "a line end was added" });
        }
        Some(payload)
    }

    /// The payload of a signed text, where its signature fits and the time is right.
    fn signed(&mut self, at: &str, bytes: &[u8]) -> Option<Map<String, Value>> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.fault(at, Wrong::NotText);
            return None;
        };
        match jws::verify(text, self.key) {
            Ok(payload) => {
                self.times(at, &payload);
                Some(payload)
            }
            Err(fault) => {
                self.fault(at, Wrong::Jws(fault));
                None
            }
        }
    }

    fn times(&mut self, at: &str, payload: &Map<String, Value>) {
        let time = |name: &str| payload.get(name).and_then(Value::as_u64).and_then(|it| Some((it, of_seconds(it)?)));
        let (Some((signed, signed_at)), Some((_, expires_at))) = (time("iat"), time("exp")) else {
            return self.fault(at, Wrong::Times);
        };
        if expires_at <= self.now {
            self.fault(at, Wrong::Expired { when: rfc3339(expires_at) });
        }
        if expires_at <= signed_at {
            self.fault(at, Wrong::Times);
        }
        if signed > super::times::seconds(self.now) + CLOCKS_DIFFER_SECONDS {
            self.fault(at, Wrong::Future { when: rfc3339(signed_at) });
        }
    }

    fn fault(&mut self, at: &str, wrong: Wrong) {
        self.faults.push(Fault { at: at.to_owned(), wrong });
    }
}

/// The payload of a record or a trail that says of itself that nobody signed it.
fn unsigned(bytes: &[u8]) -> Option<Map<String, Value>> {
    match crate::signing::strict::parse(bytes) {
        Ok(Value::Object(payload)) if payload.get("signed") == Some(&Value::Bool(false)) => Some(payload),
        _ => None,
    }
}

/// When it was signed, and until when that holds.
fn signature_facts(payload: &Map<String, Value>) -> Map<String, Value> {
    let time = |name: &str| payload.get(name).and_then(Value::as_u64).and_then(of_seconds).map(rfc3339);
    [("signed_at", time("iat")), ("valid_until", time("exp"))]
        .into_iter()
        .filter_map(|(name, time)| Some((name.to_owned(), time?.into())))
        .collect()
}
