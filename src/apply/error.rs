//! How applying can fail, as facts: what, where, and the state the database is left in.

use crate::migrations::ReadError;
use crate::postgres::server_error::{QueryError, ServerError};
use crate::postgres::watch::Sighting;
use crate::stop::StopReason;

use super::Progress;

/// The state of the database after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseState {
    /// Nothing of this run was kept.
    Unchanged,
    /// Earlier batches of this run are kept, nothing of the failing one.
    EarlierKept {
        /// How many migrations are kept.
        migrations: usize,
        /// The last of them.
        last: String,
    },
    /// The file ended its own transaction: what came before that is kept, and not recorded.
    PartlyKept {
        /// The file.
        file: String,
    },
    /// A statement outside a transaction failed; what it did is not undone.
    NotUndone {
        /// The file.
        file: String,
        /// The index it left invalid, if it is one.
        invalid_index: Option<String>,
        /// How many migrations of this run are kept.
        migrations: usize,
    },
    /// A file that leaves its transaction failed behind its COMMIT: what stands before that is kept, and recorded so.
    PartKept {
        /// The file.
        file: String,
        /// The index it left invalid, if it is one.
        invalid_index: Option<String>,
        /// How many migrations of this run are kept.
        migrations: usize,
    },
    /// The server did not answer in time; it rolls back as soon as it notices.
    RollingBack {
        /// How many migrations of this run are kept.
        migrations: usize,
    },
    /// The connection was lost and could not be had again: what the history says counts.
    Unknown,
}

impl DatabaseState {
    /// The state between two batches.
    pub fn between(progress: &Progress) -> Self {
        match progress.applied.last() {
            None => Self::Unchanged,
            Some(last) => Self::EarlierKept { migrations: progress.applied.len(), last: last.file.clone() },
        }
    }
}

/// When a migration failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// While one of its statements ran.
    Statement,
    /// When its deferred constraints were checked, after its last statement.
    DeferredConstraints,
    /// When its row was written into the history.
    Record,
    /// When the run was written into the audit trail, before the COMMIT.
    Trail,
    /// At COMMIT.
    Commit,
}

/// The failing statement in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; none where the error came at run time and carries no position.
    pub column: Option<usize>,
    /// Number of the statement in the file, from 1.
    pub number: usize,
    /// The source line, cut to a readable width.
    pub excerpt: String,
    /// Where the caret goes under the excerpt, in characters from 0.
    pub caret: Option<usize>,
}

/// A migration that failed, with all that is known of it.
#[derive(Debug, Clone)]
pub struct MigrationFailure {
    /// The file.
    pub file: String,
    /// When it failed.
    pub phase: Phase,
    /// Where, if it was a statement.
    pub statement: Option<Statement>,
    /// The server's words.
    pub error: ServerError,
    /// The state of the database.
    pub state: DatabaseState,
    /// Who was in the way, if it was seen.
    pub blocked: Option<Sighting>,
    /// How many attempts were made.
    pub attempts: u32,
}

/// Why a file was not run, or not recorded, by our own decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It ended the transaction it ran in.
    EndedItsTransaction,
    /// The history does not hold its row after the COMMIT.
    NotRecorded,
    /// The history does not hold the rows that it must: a row was swallowed, removed or added.
    ChangedHistory,
    /// The index it built is not valid.
    IndexInvalid,
    /// Another backend is building the index.
    IndexBeingBuilt,
    /// An index of that name exists, and it is not the one that the file describes.
    IndexOfOtherDefinition,
    /// An index of that name exists, and PostgreSQL could not be asked whether it is the one that the file describes.
    IndexNotCompared,
    /// An earlier run did what stood before its COMMIT, and the file has changed since.
    PartOfOtherText,
}

/// How applying failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A migration failed.
    #[error("{}: {}", .0.file, .0.error)]
    Migration(Box<MigrationFailure>),
    /// Other sessions' locks stood in the way of every attempt.
    #[error("{}: {} in each of {} attempts", .0.file, .0.error, .0.attempts)]
    TableLocks(Box<MigrationFailure>),
    /// A migration did what cannot be recorded.
    #[error("{file}: {}", cause_text(*.cause))]
    Unrecordable {
        /// The file.
        file: String,
        /// What it did.
        cause: Cause,
        /// The state of the database.
        state: DatabaseState,
    },
    /// A file changed between the plan and its turn.
    #[error("{source}")]
    Changed {
        /// What reading it said.
        source: ReadError,
        /// The state of the database.
        state: DatabaseState,
    },
    /// A statement of our own failed.
    #[error("{doing}: {source}")]
    Own {
        /// What was being done.
        doing: &'static str,
        /// How it failed.
        source: QueryError,
        /// The state of the database.
        state: DatabaseState,
    },
    /// The session does not hold the lock any more: it was swapped, or a file freed it.
    #[error("this session does not hold the advisory lock that it took")]
    LockLost {
        /// The state of the database.
        state: DatabaseState,
    },
    /// The run was to end.
    #[error("stopped by {}{}", .reason.name(), during_text(.during.as_deref()))]
    Stopped {
        /// Why.
        reason: StopReason,
        /// What ran, if anything did.
        during: Option<String>,
        /// The state of the database.
        state: DatabaseState,
    },
}

impl ApplyError {
    /// A migration failed in its first attempt.
    pub(crate) fn migration(
        file: &str,
        phase: Phase,
        statement: Option<Statement>,
        error: ServerError,
        state: DatabaseState,
    ) -> Self {
        let (file, blocked, attempts) = (file.to_owned(), None, 1);
        Self::Migration(Box::new(MigrationFailure { file, phase, statement, error, state, blocked, attempts }))
    }

    /// A statement of our own failed, and the history alone says what that left.
    pub(crate) fn own(doing: &'static str, source: QueryError) -> Self {
        Self::Own { doing, source, state: DatabaseState::Unknown }
    }
}

fn during_text(during: Option<&str>) -> String {
    during.map(|what| format!(" (running: {what})")).unwrap_or_default()
}

fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::EndedItsTransaction => "it ended the transaction it ran in",
        Cause::ChangedHistory => "the history table does not hold what schemagate wrote into it",
        Cause::NotRecorded => "the history does not hold it after the COMMIT",
        Cause::IndexInvalid => "the index it built is not valid",
        Cause::IndexBeingBuilt => "another session is building the index",
        Cause::IndexNotCompared => "its index is there and valid, and could not be compared with this file",
        Cause::PartOfOtherText => {
            "an earlier run did what stood before its COMMIT and not the rest, and the file has changed since"
        }
        Cause::IndexOfOtherDefinition => "an index of that name exists, and it is not the one that this file describes",
    }
}
