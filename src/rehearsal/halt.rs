//! How a rehearsal ends before its end, and the ROLLBACK that ends every one. In: what failed, the open transaction. Out: the
//! error that `up` would have, or nothing. Never commits.

use std::ops::Range;

use crate::apply::blame::{blame, left_its_transaction};
use crate::apply::locate::{broken_protocol, locate};
use crate::apply::transaction::{Failed, Part};
use crate::apply::wait::Ended;
use crate::apply::{ApplyError, DatabaseState, Phase};
use crate::migrations::ReadError;
use crate::plan::Batch;
use crate::postgres::literal;
use crate::postgres::server_error::QueryError;
use crate::stop::StopReason;

use super::transaction::Transaction;

/// Why the rehearsal ends before its end.
pub(super) enum Halt {
    /// Something failed.
    Failed(Box<ApplyError>),
    /// The connection is gone.
    Lost(QueryError),
    /// The file left the transaction: what ran up to there is not ours to roll back any more.
    Left(Box<ApplyError>),
    /// The run was to end; `Wait` knows why.
    Stopped,
    /// The run was to end, and the server did not answer in time.
    Abandoned,
}

impl Transaction<'_, '_> {
    pub(super) fn part_failed(&self, batch: &Batch<'_>, part: Part, ended: Ended) -> Halt {
        match (ended, self.wait.stopping()) {
            (Ended::Abandoned, _) => Halt::Abandoned,
            (Ended::Failed { error: error @ QueryError::Lost { .. }, statements, .. }, _) => {
                let failed = Failed { part, completed: 0, statements, error };
                match failed.outside() {
                    true => Halt::Left(Box::new(left_its_transaction(batch, part))),
                    false => Halt::Lost(failed.error),
                }
            }
            (Ended::Failed { .. }, Some(_)) => Halt::Stopped,
            (Ended::Failed { completed, statements, error }, None) => {
                let failed = Failed { part, completed, statements, error };
                Halt::Failed(Box::new(blame(batch, failed, DatabaseState::Unchanged)))
            }
        }
    }

    pub(super) fn own_halt(&self, doing: &'static str, ended: Ended) -> Halt {
        match (ended, self.wait.stopping()) {
            (Ended::Abandoned, _) => Halt::Abandoned,
            (Ended::Failed { error: error @ QueryError::Lost { .. }, .. }, _) => Halt::Lost(error),
            (Ended::Failed { .. }, Some(_)) => Halt::Stopped,
            (Ended::Failed { error, .. }, None) => {
                Halt::Failed(Box::new(ApplyError::Own { doing, source: error, state: DatabaseState::Unchanged }))
            }
        }
    }

    /// How a statement failed.
    pub(super) fn failed(
        &self,
        batch: &Batch<'_>,
        index: usize,
        range: Option<Range<usize>>,
        completed: usize,
        error: QueryError,
    ) -> Halt {
        let server = match (error, self.wait.stopping()) {
            (lost @ QueryError::Lost { .. }, _) => return Halt::Lost(lost),
            (_, Some(_)) => return Halt::Stopped,
            (QueryError::Server(server), None) => *server,
            (QueryError::Protocol { reason }, None) => broken_protocol(reason),
        };
        let place = batch.migrations.get(index).and_then(|reviewed| locate(reviewed, range, completed, &server));
        let state = DatabaseState::Unchanged;
        Halt::Failed(Box::new(ApplyError::migration(batch.file(index), Phase::Statement, place, server, state)))
    }

    /// Rolls back, and asks the server whether that is what became of the transaction.
    pub(super) async fn roll_back(&mut self, halt: Option<Halt>) -> Result<(), ApplyError> {
        let rolling_back = || DatabaseState::RollingBack { migrations: 0 };
        if let Some(Halt::Lost(source)) = halt {
            let state = rolling_back();
            return Err(ApplyError::Own { doing: "rehearsing", source, state });
        }
        let undone = match halt {
            Some(Halt::Abandoned) => false,
            _ => matches!(tokio::time::timeout(self.wait.patience(), self.undo()).await, Ok(Ok(true))),
        };
        let state = if undone { DatabaseState::Unchanged } else { rolling_back() };
        match (halt, self.wait.stopping()) {
            (Some(Halt::Left(error)), _) => Err(*error),
            (_, Some(reason)) => Err(ApplyError::Stopped { reason, during: self.wait.during(), state }),
            (Some(Halt::Failed(error)), None) => Err(*error),
            (Some(_), None) => Err(ApplyError::Stopped { reason: StopReason::Terminate, during: None, state }),
            (None, None) if undone => Ok(()),
            (None, None) => Err(ApplyError::Own {
                doing: "rolling back",
                source: QueryError::Protocol { reason: "the transaction is not rolled back".to_owned() },
                state,
            }),
        }
    }

    /// Whether the transaction is rolled back for certain.
    async fn undo(&self) -> Result<bool, QueryError> {
        let session = self.context.session;
        match session.query("ROLLBACK").await {
            // A request to cancel that came late met the ROLLBACK.
            Err(QueryError::Server(error)) if error.sqlstate == "57014" => session.query("ROLLBACK").await?,
            ended => ended?,
        };
        let sql = format!("SELECT pg_catalog.pg_xact_status({}::pg_catalog.xid8)", literal(&self.id));
        let answer = match session.query(&sql).await {
            Err(QueryError::Server(error)) if error.sqlstate == "57014" => session.query(&sql).await?,
            ended => ended?,
        };
        let status = answer.first().and_then(|rows| rows.first()).and_then(|row| row.first());
        Ok(status.and_then(Option::as_deref) == Some("aborted"))
    }
}

/// A file is not the one that was planned.
pub(super) fn changed(source: ReadError) -> Halt {
    Halt::Failed(Box::new(ApplyError::Changed { source, state: DatabaseState::Unchanged }))
}
