//! A failure in a few words: for machines that group failures, and for the audit trail. In: an error. Out: the migration,
//! the SQLSTATE, a short text without the server's own words, which may hold data.

use super::Error;
use crate::apply::ApplyError;
use crate::history::HistoryError;
use crate::postgres::server_error::QueryError;

impl Error {
    /// The migration at fault and the server's SQLSTATE, where there are any.
    pub fn at_fault(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Apply(error) => match error.as_ref() {
                ApplyError::Migration(failure) | ApplyError::TableLocks(failure) => {
                    (Some(&failure.file), Some(&failure.error.sqlstate))
                }
                ApplyError::Unrecordable { file, .. } => (Some(file), None),
                ApplyError::Stopped { during, .. } => (during.as_deref().filter(|what| what.ends_with(".sql")), None),
                ApplyError::Own { source, .. } => (None, QueryError::sqlstate(source)),
                ApplyError::Changed { .. } | ApplyError::LockLost { .. } => (None, None),
            },
            Self::Query { source, .. } | Self::History(HistoryError::Query { source, .. }) => (None, source.sqlstate()),
            _ => (None, None),
        }
    }

    /// SQLSTATE or a few words, and the file.
    pub fn reason(&self) -> String {
        let (file, sqlstate) = self.at_fault();
        let words = sqlstate.unwrap_or_else(|| self.words());
        file.map_or_else(|| words.to_owned(), |file| format!("{words} {file}"))
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Apply(error) => match error.as_ref() {
                ApplyError::Stopped { reason, .. } => reason.name(),
                ApplyError::Unrecordable { .. } => "cannot be recorded",
                ApplyError::Changed { .. } => "a file changed",
                ApplyError::LockLost { .. } => "the lock was lost",
                ApplyError::Migration(_) | ApplyError::TableLocks(_) | ApplyError::Own { .. } => "failed",
            },
            Self::Stopped { reason, .. } => reason.name(),
            Self::TablesExist { .. } => "tables exist",
            Self::Plan(_) => "history and files do not fit together",
            Self::Adopt(_) => "not to be adopted as it is",
            Self::Review(_) => "forbidden content",
            Self::Read(_) => "a file changed",
            Self::SessionLost { .. } => "the session was lost",
            _ => "failed",
        }
    }
}
