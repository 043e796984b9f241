//! Whose fault a failed message is. In: the message, the server's words. Out: the error that names the file, or our own
//! statement. Sends nothing.

use crate::history::{FENCE_SETTING, ROW_SETTING};
use crate::postgres::server_error::{QueryError, ServerError};

use super::locate::{broken_protocol, locate};
use super::message::BEFORE_CONSTRAINTS;
use super::transaction::{Failed, Part, Transaction};
use super::{ApplyError, Cause, DatabaseState, Phase, Statement, WRITING_TRAIL};

impl Transaction<'_, '_> {
    pub(super) fn failure(&self, failed: Failed, state: DatabaseState) -> ApplyError {
        let Failed { part, completed, error, .. } = failed;
        let server = match error {
            QueryError::Server(server) => *server,
            QueryError::Protocol { reason } => broken_protocol(reason),
            QueryError::Lost { .. } => return ApplyError::own("applying the batch", error),
        };
        match part {
            Part::File(index) => {
                let statement = self.statement(index, completed, &server);
                self.migration_failure(index, Phase::Statement, statement, server, state)
            }
            Part::Record(index) if completed == BEFORE_CONSTRAINTS => {
                self.migration_failure(index, Phase::DeferredConstraints, None, server, state)
            }
            Part::Record(index) if server.lost_to_other_sessions() => {
                self.migration_failure(index, Phase::Record, None, server, state)
            }
            Part::Trail if server.lost_to_other_sessions() => {
                let last = self.batch.migrations.len().saturating_sub(1);
                self.migration_failure(last, Phase::Trail, None, server, state)
            }
            Part::CreateTable if server.lost_to_other_sessions() => {
                self.migration_failure(0, Phase::Record, None, server, state)
            }
            Part::Record(_) if server.message.contains(FENCE_SETTING) => self.left_its_transaction(part),
            Part::Record(_) | Part::Commit if server.message.contains(ROW_SETTING) => self.changed_history(part, state),
            // Both tables were as they should be when the run began.
            Part::Trail if is_the_files_doing(&server) => self.changed_history(part, state),
            // The table took rows before: nobody but this release can have changed that under the lock.
            Part::Record(index) if is_the_files_doing(&server) => {
                self.migration_failure(index, Phase::Record, None, server, state)
            }
            Part::Commit => {
                let last = self.batch.migrations.len().saturating_sub(1);
                self.migration_failure(last, Phase::Commit, None, server, state)
            }
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

    fn changed_history(&self, part: Part, state: DatabaseState) -> ApplyError {
        let file = match (part, self.batch.migrations.as_slice()) {
            (Part::Record(index), _) => self.file(index).to_owned(),
            (_, [first, .., last]) => format!("{} to {}", first.migration.file(), last.migration.file()),
            _ => self.file(0).to_owned(),
        };
        ApplyError::Unrecordable { file, cause: Cause::ChangedHistory, state }
    }

    pub(super) fn left_its_transaction(&self, part: Part) -> ApplyError {
        let index = if let Part::Record(index) = part { index } else { 0 };
        let file = self.file(index).to_owned();
        let state = DatabaseState::PartlyKept { file: file.clone() };
        ApplyError::Unrecordable { file, cause: Cause::EndedItsTransaction, state }
    }

    fn migration_failure(
        &self,
        index: usize,
        phase: Phase,
        statement: Option<Statement>,
        error: ServerError,
        state: DatabaseState,
    ) -> ApplyError {
        ApplyError::migration(self.file(index), phase, statement, error, state)
    }

    fn statement(&self, index: usize, completed: usize, error: &ServerError) -> Option<Statement> {
        locate(self.batch.migrations.get(index)?, None, completed, error)
    }
}

/// Whether a row that cannot be written is a file's doing: the row is there already, the table or a column is not, or
/// the transaction has been made read-only.
fn is_the_files_doing(error: &ServerError) -> bool {
    let code = error.sqlstate.as_str();
    matches!(code, "23505" | "3F000" | "25006" | "0A000")
        || (code.starts_with("42") && !matches!(code, "42501" | "428C9"))
}
