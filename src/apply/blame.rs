//! Whose fault a failed message is. In: the message, the server's words. Out: the error that names the file, or our own
//! statement. Sends nothing.

use crate::history::{FENCE_SETTING, ROW_SETTING};
use crate::plan::Batch;
use crate::postgres::server_error::{QueryError, ServerError};

use super::locate::{broken_protocol, locate};
use super::message::BEFORE_CONSTRAINTS;
use super::transaction::{Failed, Part};
use super::{ApplyError, Cause, DatabaseState, Phase, WRITING_TRAIL};

/// Names what failed.
pub(crate) fn blame(batch: &Batch<'_>, failed: Failed, state: DatabaseState) -> ApplyError {
    let Failed { part, completed, error, .. } = failed;
    let server = match error {
        QueryError::Server(server) => *server,
        QueryError::Protocol { reason } => broken_protocol(reason),
        QueryError::Lost { .. } => return ApplyError::own("applying the batch", error),
    };
    let last = batch.migrations.len().saturating_sub(1);
    let failure = |index: usize, phase: Phase, server: ServerError| {
        ApplyError::migration(batch.file(index), phase, None, server, state.clone())
    };
    match part {
        Part::File(index) => {
            let statement = batch.migrations.get(index).and_then(|reviewed| locate(reviewed, None, completed, &server));
            ApplyError::migration(batch.file(index), Phase::Statement, statement, server, state)
        }
        Part::Record(index) if completed == BEFORE_CONSTRAINTS => failure(index, Phase::DeferredConstraints, server),
        Part::Record(index) if server.lost_to_other_sessions() => failure(index, Phase::Record, server),
        Part::Trail if server.lost_to_other_sessions() => failure(last, Phase::Trail, server),
        Part::CreateTable if server.lost_to_other_sessions() => failure(0, Phase::Record, server),
        Part::Record(_) if server.message.contains(FENCE_SETTING) => left_its_transaction(batch, part),
        Part::Record(_) | Part::Commit if server.message.contains(ROW_SETTING) => changed_history(batch, part, state),
        // Both tables were as they should be when the run began.
        Part::Trail if is_the_files_doing(&server) => changed_history(batch, part, state),
        // The table took rows before: nobody but this release can have changed that under the lock.
        Part::Record(index) if is_the_files_doing(&server) => failure(index, Phase::Record, server),
        Part::Commit => failure(last, Phase::Commit, server),
        Part::Encoding(_) | Part::Record(_) | Part::CreateTable | Part::Trail => {
            let doing = match part {
                Part::CreateTable => "creating the history table",
                Part::Trail => WRITING_TRAIL,
                _ => "recording a migration",
            };
            ApplyError::Own { doing, source: QueryError::Server(Box::new(server)), state }
        }
    }
}

fn changed_history(batch: &Batch<'_>, part: Part, state: DatabaseState) -> ApplyError {
    let file = match (part, batch.migrations.as_slice()) {
        (Part::Record(index), _) => batch.file(index).to_owned(),
        (_, [first, .., last]) => format!("{} to {}", first.migration.file(), last.migration.file()),
        _ => batch.file(0).to_owned(),
    };
    ApplyError::Unrecordable { file, cause: Cause::ChangedHistory, state }
}

/// The file ended the transaction that it ran in.
pub(crate) fn left_its_transaction(batch: &Batch<'_>, part: Part) -> ApplyError {
    let index = if let Part::Record(index) = part { index } else { 0 };
    let file = batch.file(index).to_owned();
    let state = DatabaseState::PartlyKept { file: file.clone() };
    ApplyError::Unrecordable { file, cause: Cause::EndedItsTransaction, state }
}

/// Whether a row that cannot be written is a file's doing: the row is there already, the table or a column is not, or
/// the transaction has been made read-only.
fn is_the_files_doing(error: &ServerError) -> bool {
    let code = error.sqlstate.as_str();
    matches!(code, "23505" | "3F000" | "25006" | "0A000")
        || (code.starts_with("42") && !matches!(code, "42501" | "428C9"))
}
