//! `evidence`: verifies what a qualification or an export wrote, and exports the audit trail.

use std::path::Path;
use std::time::SystemTime;

use schemagate::error::Error;
use schemagate::evidence::trail::export;
use schemagate::evidence::verify::verify;
use schemagate::evidence::{load_key, replace};
use schemagate::report::{evidence as report, trail as report_trail};
use schemagate::settings::Settings;
use schemagate::signing::VerifyingKey;
use schemagate::stop::Stop;

use crate::cli::Format;

/// Verifies what is at `path` with the key in the file `public_key`.
pub(crate) fn verified(path: &Path, public_key: &Path, format: Format) -> Result<(), Error> {
    let key = VerifyingKey::load(public_key)?;
    let verification = verify(path, &key, SystemTime::now())?;
    match format {
        Format::Text => super::print(&report::text(&verification))?,
        Format::Json => super::print(&[report::json(&verification).to_string()])?,
    }
    match verification.faults.len() {
        0 => Ok(()),
        faults => Err(Error::NotVerified { faults }),
    }
}

/// Exports the audit trail of the history, to a file or to standard output.
pub(crate) async fn runs(settings: &Settings, output: Option<&Path>, format: Format, stop: &Stop) -> Result<(), Error> {
    let key = load_key(settings)?;
    let set = super::load(settings)?;
    let trail = super::run(settings, &set, stop)?.trail().await?;
    for fault in report_trail::faults(&trail) {
        tracing::warn!("{fault}");
    }
    let exported = export(&trail, key.as_ref(), SystemTime::now())?;
    if exported.kid.is_none() {
        tracing::warn!("the audit trail is exported unsigned: SCHEMAGATE_SIGNING_KEY is not set");
    }
    if let Some(path) = output {
        replace(path, &exported.text())?;
    }
    match (format, output) {
        (Format::Json, _) => super::print(&[report::exported_json(&exported, output).to_string()])?,
        (Format::Text, Some(path)) => super::print(&[report::exported_line(&trail, &exported, path)])?,
        (Format::Text, None) => super::print(&[exported.text()])?,
    }
    match trail.chain {
        Ok(()) => Ok(()),
        Err(_) => Err(Error::NotVerified { faults: 1 }),
    }
}
