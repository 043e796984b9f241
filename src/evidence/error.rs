//! Why evidence could not be written.

use std::io;
use std::path::PathBuf;

use crate::error::Error;

/// Why evidence could not be written. Nothing half-written is left.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// OpenSSL cannot sign.
    #[error("cannot sign: {source}")]
    Sign {
        /// Its reason.
        source: openssl::error::ErrorStack,
    },
}

impl From<EvidenceError> for Error {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Write { path, source } => Self::Write { path, source },
            EvidenceError::Sign { source } => Self::Sign { source },
        }
    }
}
