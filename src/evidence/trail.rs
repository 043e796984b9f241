//! The audit trail of real runs as a file to keep elsewhere. In: a trail, a key, the time. Out: the signed text, or the
//! document that says that nobody signed it.

use std::time::SystemTime;

use serde_json::Value;

use super::error::EvidenceError;
use super::times::{rfc3339, seconds, ten_years_on};
use crate::history::runs::Trail;
use crate::signing::{SigningKey, jws};

/// An exported trail.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The document, with the times of its signature; `signed: false` in it where there is none.
    pub document: Value,
    /// The compact JWS over it, where a key was given.
    pub jws: Option<String>,
    /// Thumbprint of that key.
    pub kid: Option<String>,
}

impl Exported {
    /// What is kept: the signed text, else the document.
    pub fn text(&self) -> String {
        self.jws.clone().unwrap_or_else(|| format!("{:#}", self.document))
    }
}

/// Signs the whole of `trail`, be it intact or not: a broken one is evidence too.
///
/// # Errors
/// [`EvidenceError::Sign`].
pub fn export(trail: &Trail, key: Option<&SigningKey>, now: SystemTime) -> Result<Exported, EvidenceError> {
    let mut document = trail.document(&rfc3339(now));
    document["iat"] = seconds(now).into();
    document["exp"] = seconds(ten_years_on(now)).into();
    let Some(key) = key else {
        document["signed"] = Value::Bool(false);
        return Ok(Exported { document, jws: None, kid: None });
    };
    let jws = jws::sign(&document, key).map_err(|source| EvidenceError::Sign { source })?;
    Ok(Exported { document, jws: Some(jws), kid: Some(key.kid().to_owned()) })
}
