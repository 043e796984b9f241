//! One migration that cannot run in a transaction. In: a file with one repeatable statement. Out: the statement done
//! and its row written, or what it left behind. A crash in between is made good by the next run.

use tokio::time::Instant;

use crate::migrations::script::ConcurrentIndex;
use crate::migrations::{Migration, ReadError};
use crate::plan::Batch;
use crate::postgres::server_error::{QueryError, ServerError};
use crate::postgres::session::Rows;
use crate::review::Reviewed;
use crate::stop::StopReason;

use super::index::{Found, find, make_room};
use super::locate::{broken_protocol, locate};
use super::message::{begin, read_back_sql, record_message};
use super::wait::{Ended, Wait, ask};
use super::{
    Applied, ApplyError, Cause, Context, DatabaseState, FIRST_PAUSE, MigrationFailure, Phase, Progress, RecoveryPoint,
    put_back,
};

/// A migration in work, and what must be known of it to say how it ended.
pub(super) struct Work<'a> {
    pub(super) reviewed: &'a Reviewed<'a>,
    pub(super) wait: Wait,
    /// How many migrations of this run are committed.
    kept: usize,
    between: DatabaseState,
}

/// Runs one such migration.
pub(super) async fn run(
    context: &mut Context<'_>,
    batch: &Batch<'_>,
    progress: &mut Progress,
) -> Result<(), ApplyError> {
    let Some(reviewed) = batch.migrations.first() else { return Ok(()) };
    progress.begin(check_lock(context, progress).await?);
    let between = DatabaseState::between(progress);
    let mut work = Work { reviewed, wait: Wait::new(&context.stop), kept: progress.applied.len(), between };
    let text = reviewed.migration.read().map_err(|source| work.changed(source))?;
    let sql = Migration::statements_text(&text);
    let started = Instant::now();
    if make_room(context, &mut work, sql).await? {
        tracing::info!("{}: its index is there and valid, only its row was missing", work.file());
    } else {
        execute(context, &mut work, sql).await?;
        tracing::info!(
            migration = work.file(),
            elapsed_ms = crate::postgres::milliseconds(started.elapsed()),
            "{} ran outside a transaction in {}",
            work.file(),
            crate::postgres::duration_text(started.elapsed())
        );
    }
    record(context, &mut work, batch, progress).await?;
    progress.applied.push(Applied {
        version: reviewed.migration.version(),
        file: work.file().to_owned(),
        elapsed: started.elapsed(),
    });
    Ok(())
}

impl Work<'_> {
    pub(super) fn file(&self) -> &str {
        self.reviewed.migration.file()
    }

    fn changed(&self, source: ReadError) -> ApplyError {
        ApplyError::Changed { source, state: self.between.clone() }
    }

    /// What the statement did stays, and no row says so.
    pub(super) fn not_undone(&self, invalid_index: Option<String>) -> DatabaseState {
        DatabaseState::NotUndone { file: self.file().to_owned(), invalid_index, migrations: self.kept }
    }

    /// The state after the statement failed. One that builds no index (CALL, VACUUM) may have committed parts by itself.
    fn state(&self, invalid_index: Option<String>) -> DatabaseState {
        if invalid_index.is_some() || self.creates().is_none() {
            self.not_undone(invalid_index)
        } else {
            self.between.clone()
        }
    }

    /// Our own decision not to go on, before the statement ran.
    pub(super) fn refuse(&self, cause: Cause) -> ApplyError {
        ApplyError::Unrecordable { file: self.file().to_owned(), cause, state: self.between.clone() }
    }

    fn failure(&self, phase: Phase, error: ServerError, state: DatabaseState) -> ApplyError {
        let statement = match phase {
            Phase::Statement => locate(self.reviewed.migration, 0, &error),
            Phase::DeferredConstraints | Phase::Record | Phase::Commit => None,
        };
        ApplyError::Migration(Box::new(MigrationFailure {
            file: self.file().to_owned(),
            phase,
            statement,
            error,
            state,
            blocked: None,
            attempts: 1,
        }))
    }

    /// How a message of our own ended, before the statement ran or after it.
    pub(super) fn ended(&self, doing: &'static str, ended: Ended, state: DatabaseState) -> ApplyError {
        match (ended, self.wait.stopping()) {
            (Ended::Failed { error: error @ QueryError::Lost { .. }, .. }, _) => ApplyError::own(doing, error),
            (_, Some(reason)) => ApplyError::Stopped { reason, during: Some(self.file().to_owned()), state },
            (Ended::Abandoned, None) => {
                let reason = self.wait.told().unwrap_or(StopReason::Terminate);
                ApplyError::Stopped { reason, during: Some(self.file().to_owned()), state }
            }
            (Ended::Failed { error: QueryError::Server(error), .. }, None) if error.lost_to_other_sessions() => {
                self.failure(Phase::Record, *error, state)
            }
            (Ended::Failed { error, .. }, None) => ApplyError::Own { doing, source: error, state },
        }
    }

    /// As [`Self::ended`], of a message that opened a transaction. A server that does not answer is not asked again.
    pub(super) async fn roll_back(
        &self,
        context: &Context<'_>,
        doing: &'static str,
        ended: Ended,
        state: DatabaseState,
    ) -> ApplyError {
        let answers = !matches!(ended, Ended::Abandoned | Ended::Failed { error: QueryError::Lost { .. }, .. });
        let failed = self.ended(doing, ended, state);
        match answers {
            true => match context.session.query("ROLLBACK").await {
                Err(lost @ QueryError::Lost { .. }) => ApplyError::own(doing, lost),
                _ => failed,
            },
            false => failed,
        }
    }

    /// The index that the statement builds.
    pub(super) fn creates(&self) -> Option<&ConcurrentIndex> {
        self.reviewed.judgement.no_transaction_statement.as_ref()?.creates_index.as_ref()
    }

    pub(super) fn between(&self) -> DatabaseState {
        self.between.clone()
    }

    /// The name of the index that the statement builds, if it is there and invalid.
    async fn invalid_index(&self, context: &Context<'_>) -> Result<Option<String>, ApplyError> {
        let Some(created) = self.creates() else { return Ok(None) };
        let mut asking = Wait::deaf(&context.stop);
        match find(context, &mut asking, created).await {
            Ok(found) => Ok(found.filter(|index| !index.valid).map(|index| index.name)),
            Err(ended) => Err(self.ended("looking for an index", ended, DatabaseState::Unknown)),
        }
    }
}

async fn check_lock(context: &Context<'_>, progress: &Progress) -> Result<RecoveryPoint, ApplyError> {
    let own = |error| ApplyError::own("checking the lock", error);
    let answer = context.session.query(&context.key.held_sql()).await.map_err(own)?;
    match (text(&answer, 0, 0), text(&answer, 0, 1), text(&answer, 0, 2)) {
        (Some("t"), Some(wal), Some(time)) => Ok(RecoveryPoint { wal: wal.to_owned(), time: time.to_owned() }),
        _ => Err(ApplyError::LockLost { state: DatabaseState::between(progress) }),
    }
}

/// Sends the statement and puts the session back; a build must leave a valid index.
async fn execute(context: &Context<'_>, work: &mut Work<'_>, sql: &str) -> Result<(), ApplyError> {
    if work.reviewed.judgement.no_transaction_statement.as_ref().is_some_and(|statement| statement.concurrently) {
        // It waits for every older writer by design; a timeout would only leave an invalid index behind.
        let set = ask(context, &mut work.wait, "setting lock_timeout", "SET lock_timeout = 0").await;
        set.map_err(|ended| work.ended("setting lock_timeout", ended, work.between.clone()))?;
    }
    let ran = ask(context, &mut work.wait, work.reviewed.migration.file(), sql).await;
    if let Err(ended) = ran {
        return Err(explain(context, work, ended).await);
    }
    put_back(context).await?;
    let Some(created) = work.creates() else { return Ok(()) };
    let found = find(context, &mut Wait::deaf(&context.stop), created).await;
    match found.map_err(|ended| work.ended("looking for an index", ended, work.not_undone(None)))? {
        Some(Found { valid: true, .. }) => Ok(()),
        _ => Err(ApplyError::Unrecordable {
            file: work.file().to_owned(),
            cause: Cause::IndexInvalid,
            state: work.not_undone(Some(created.index.clone())),
        }),
    }
}

/// What is left behind: a cancelled or failed build leaves an invalid index, and that is to be said.
async fn explain(context: &Context<'_>, work: &Work<'_>, ended: Ended) -> ApplyError {
    let name = work.creates().map(|created| created.index.clone());
    let error = match (ended, work.wait.stopping()) {
        (Ended::Failed { error: error @ QueryError::Lost { .. }, .. }, _) => {
            return ApplyError::own("running a migration", error);
        }
        (Ended::Abandoned, reason) => {
            let reason = reason.unwrap_or(StopReason::Terminate);
            return ApplyError::Stopped { reason, during: Some(work.file().to_owned()), state: work.not_undone(name) };
        }
        (Ended::Failed { .. }, Some(reason)) => Err(reason),
        (Ended::Failed { error: QueryError::Server(error), .. }, None) => Ok(*error),
        (Ended::Failed { error: QueryError::Protocol { reason }, .. }, None) => Ok(broken_protocol(reason)),
    };
    let seen = match put_back(context).await {
        Ok(()) => work.invalid_index(context).await,
        Err(failed) => Err(failed),
    };
    match (error, seen) {
        // A request to cancel that comes late may end the look; the index is named then as if it were invalid.
        (Err(reason), seen) => ApplyError::Stopped {
            reason,
            during: Some(work.file().to_owned()),
            state: work.state(seen.unwrap_or(name)),
        },
        (Ok(error), Ok(invalid)) => work.failure(Phase::Statement, error, work.state(invalid)),
        (Ok(_), Err(failed)) => failed,
    }
}

/// Writes the row in a transaction of its own, behind the same fence as every other. Here and not with the statement
/// it is tried again: what the statement did stays.
async fn record(
    context: &mut Context<'_>,
    work: &mut Work<'_>,
    batch: &Batch<'_>,
    progress: &mut Progress,
) -> Result<(), ApplyError> {
    let mut attempt = 1;
    loop {
        let tried = try_record(context, work, batch, progress).await;
        let lost = matches!(&tried, Err(ApplyError::Migration(failure)) if failure.error.lost_to_other_sessions());
        if !lost || attempt >= context.attempts {
            return tried;
        }
        attempt += 1;
        let state = work.not_undone(None);
        context.stop.pause(FIRST_PAUSE).await.map_err(|reason| ApplyError::Stopped { reason, during: None, state })?;
    }
}

async fn try_record(
    context: &mut Context<'_>,
    work: &mut Work<'_>,
    batch: &Batch<'_>,
    progress: &mut Progress,
) -> Result<(), ApplyError> {
    const DOING: &str = "recording a migration";
    let (id, _) = begin(context, progress).await.map_err(|error| match error {
        ApplyError::LockLost { .. } => ApplyError::LockLost { state: work.not_undone(None) },
        other => other,
    })?;
    let create = if context.table.exists { String::new() } else { format!("{}; ", context.table.create_sql()) };
    let sql = format!("{create}{}; COMMIT", record_message(context, work.reviewed.migration, &id));
    // The word to stop comes too late for what is done: its row is a moment's work, and it is as well written.
    let recorded = ask(context, &mut Wait::deaf(&context.stop), DOING, &sql).await;
    if let Err(ended) = recorded {
        return Err(work.roll_back(context, DOING, ended, work.not_undone(None)).await);
    }
    let answer =
        context.session.query(&read_back_sql(context, batch)).await.map_err(|error| ApplyError::own(DOING, error))?;
    if text(&answer, 0, 0).is_none() {
        return Err(ApplyError::Unrecordable {
            file: work.file().to_owned(),
            cause: Cause::NotRecorded,
            state: DatabaseState::Unknown,
        });
    }
    let fact = |column: usize| text(&answer, 1, column).map(ToOwned::to_owned);
    progress.after = fact(0).zip(fact(1)).map(|(wal, time)| RecoveryPoint { wal, time });
    Ok(())
}

pub(super) fn text(answer: &[Rows], statement: usize, column: usize) -> Option<&str> {
    answer.get(statement)?.first()?.get(column)?.as_deref()
}
