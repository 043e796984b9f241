//! `evidence`: verifies what a qualification or an export wrote.

use std::path::Path;
use std::time::SystemTime;

use schemagate::error::Error;
use schemagate::evidence::verify::verify;
use schemagate::report::evidence as report;
use schemagate::signing::VerifyingKey;

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
