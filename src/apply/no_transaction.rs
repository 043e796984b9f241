//! One migration that leaves the transaction. In: a file with repeatable statements, of drizzle-kit also with a part in a
//! transaction before them. Out: all done and its row written, or what it left behind. A crash in between is made good
//! by the next run.

use std::ops::Range;

use tokio::time::Instant;

use crate::history::runs::sha256;
use crate::migrations::script::{ConcurrentIndex, LoneStatement};
use crate::migrations::{Migration, ReadError};
use crate::plan::Batch;
use crate::postgres::server_error::{QueryError, ServerError};
use crate::postgres::session::Rows;
use crate::review::Reviewed;
use crate::stop::StopReason;

use super::index::{Found, find, left_by_reindex, make_room};
use super::locate::{broken_protocol, locate};
use super::message::{Opened, begin, closing_message, read_back_sql, record_sql, trail_sql};
use super::wait::{Ended, Wait, ask};
use super::{
    Applied, ApplyError, Cause, Context, DatabaseState, FIRST_PAUSE, Phase, Progress, RecoveryPoint, part, put_back,
};

/// How many words of a statement are shown.
const NAMED_WORDS: usize = 8;

/// A migration in work, and what must be known of it to say how it ended.
pub(super) struct Work<'a> {
    pub(super) reviewed: &'a Reviewed<'a>,
    pub(super) wait: Wait,
    /// Which of its statements runs.
    at: usize,
    /// Whether what stands before its COMMIT is done, and recorded as done.
    part_kept: bool,
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
    let wait = Wait::new(&context.stop);
    let mut work = Work { reviewed, wait, at: 0, part_kept: false, kept: progress.applied.len(), between };
    let text = reviewed.migration.read().map_err(|source| work.changed(source))?;
    let sql = reviewed.judgement.sent(Migration::statements_text(&text));
    let started = Instant::now();
    if let Some(commit) = &reviewed.judgement.commit {
        let before = sql.get(..commit.start).unwrap_or_default();
        work.part_kept = part::run(context, &mut work, before, progress).await?;
        part::set_session(context, &mut work, &sql).await?;
    }
    for (at, statement) in reviewed.judgement.lone.iter().enumerate() {
        work.at = at;
        run_statement(context, &mut work, statement, &sql).await?;
    }
    put_back(context).await?;
    let hash = context.trail.as_ref().map(|_| sha256(&text));
    let done = Applied::of(reviewed.migration, started.elapsed(), hash);
    record(context, &mut work, batch, progress, &done).await?;
    progress.applied.push(done);
    Ok(())
}

async fn run_statement(
    context: &Context<'_>,
    work: &mut Work<'_>,
    statement: &LoneStatement,
    sql: &str,
) -> Result<(), ApplyError> {
    let started = Instant::now();
    let described = work.describe();
    if make_room(context, work, sql).await? {
        let last = work.at + 1 == work.reviewed.judgement.lone.len();
        let missing = if last { ", only its row was missing" } else { "" };
        tracing::info!("{described}: its index is there and valid{missing}");
        return Ok(());
    }
    execute(context, work, statement, sql).await?;
    tracing::info!(
        migration = work.file(),
        elapsed_ms = crate::postgres::milliseconds(started.elapsed()),
        "{described} ran outside a transaction in {}",
        crate::postgres::duration_text(started.elapsed())
    );
    Ok(())
}

impl Work<'_> {
    pub(super) fn file(&self) -> &str {
        self.reviewed.migration.file()
    }

    fn changed(&self, source: ReadError) -> ApplyError {
        ApplyError::Changed { source, state: self.between.clone() }
    }

    /// The file, and which of its statements where there are several.
    fn describe(&self) -> String {
        match (self.reviewed.judgement.lone.len(), self.statement()) {
            (2.., Some(statement)) => {
                let words: Vec<&str> = statement.text.split_whitespace().take(NAMED_WORDS).collect();
                format!("{}: {}", self.file(), words.join(" "))
            }
            _ => self.file().to_owned(),
        }
    }

    /// The statement that runs, or is to run.
    pub(super) fn statement(&self) -> Option<&LoneStatement> {
        self.reviewed.judgement.lone.get(self.at)
    }

    /// What the statement did stays, and no row says so.
    pub(super) fn not_undone(&self, invalid_index: Option<String>) -> DatabaseState {
        let (file, migrations) = (self.file().to_owned(), self.kept);
        if self.part_kept {
            DatabaseState::PartKept { file, invalid_index, migrations }
        } else {
            DatabaseState::NotUndone { file, invalid_index, migrations }
        }
    }

    /// The state after the statement failed. One that builds no index (CALL, VACUUM) may have committed parts by itself.
    fn state(&self, invalid_index: Option<String>) -> DatabaseState {
        if invalid_index.is_some() || self.creates().is_none() || self.part_kept || self.at > 0 {
            self.not_undone(invalid_index)
        } else {
            self.between.clone()
        }
    }

    /// Our own decision not to go on, before the statement ran.
    pub(super) fn refuse(&self, cause: Cause) -> ApplyError {
        ApplyError::Unrecordable { file: self.file().to_owned(), cause, state: self.between() }
    }

    pub(super) fn failure(
        &self,
        phase: Phase,
        error: ServerError,
        state: DatabaseState,
        sent: Range<usize>,
        completed: usize,
    ) -> ApplyError {
        let statement = match phase {
            Phase::Statement => locate(self.reviewed, Some(sent), completed, &error),
            Phase::DeferredConstraints | Phase::Record | Phase::Trail | Phase::Commit => None,
        };
        ApplyError::migration(self.file(), phase, statement, error, state)
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
                self.failure(Phase::Record, *error, state, 0..0, 0)
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
        self.statement()?.creates_index.as_ref()
    }

    /// The state before the statement runs.
    pub(super) fn between(&self) -> DatabaseState {
        if self.part_kept || self.at > 0 { self.not_undone(None) } else { self.between.clone() }
    }

    /// The name of the index that the statement builds, if it is there and invalid.
    async fn invalid_index(&self, context: &Context<'_>) -> Result<Option<String>, ApplyError> {
        let mut asking = Wait::deaf(&context.stop);
        let found = match (self.creates(), self.statement().and_then(|statement| statement.reindexes.as_ref())) {
            (Some(created), _) => {
                let found = find(context, &mut asking, created).await;
                found.map(|found| found.filter(|index| !index.valid).map(|index| index.name))
            }
            (None, Some(rebuilt)) => {
                let left = left_by_reindex(context, &mut asking, rebuilt).await;
                left.map(|left| (!left.is_empty()).then(|| left.join(", ")))
            }
            (None, None) => Ok(None),
        };
        match found {
            Ok(found) => Ok(found),
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

/// Sends the statement; a build must leave a valid index.
async fn execute(
    context: &Context<'_>,
    work: &mut Work<'_>,
    statement: &LoneStatement,
    sql: &str,
) -> Result<(), ApplyError> {
    if statement.concurrently {
        // It waits for every older writer by design; a timeout would only leave an invalid index behind.
        set(context, work, "SET lock_timeout = 0").await?;
    }
    let sent = sql.get(statement.sent.clone()).unwrap_or_default();
    let ran = ask(context, &mut work.wait, work.reviewed.migration.file(), sent).await;
    if let Err(ended) = ran {
        return Err(explain(context, work, statement, ended).await);
    }
    if statement.concurrently {
        // For what may follow; what the file itself has set before is not known any more.
        set(context, work, &format!("RESET lock_timeout; {}", context.settings_sql)).await?;
    }
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

async fn set(context: &Context<'_>, work: &mut Work<'_>, sql: &str) -> Result<(), ApplyError> {
    let set = ask(context, &mut work.wait, "setting lock_timeout", sql).await;
    set.map(drop).map_err(|ended| work.ended("setting lock_timeout", ended, work.between()))
}

/// What is left behind: a cancelled or failed build leaves an invalid index, and that is to be said.
async fn explain(context: &Context<'_>, work: &Work<'_>, statement: &LoneStatement, ended: Ended) -> ApplyError {
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
        (Ok(error), Ok(invalid)) => {
            work.failure(Phase::Statement, error, work.state(invalid), statement.sent.clone(), 0)
        }
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
    done: &Applied,
) -> Result<(), ApplyError> {
    let mut attempt = 1;
    loop {
        let tried = try_record(context, work, batch, progress, done).await;
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
    done: &Applied,
) -> Result<(), ApplyError> {
    const DOING: &str = "recording a migration";
    let Opened { id, deferrable, .. } = begin(context, progress).await.map_err(|error| match error {
        ApplyError::LockLost { .. } => ApplyError::LockLost { state: work.not_undone(None) },
        other => other,
    })?;
    let create = context.create_sql().map_or_else(String::new, |create| format!("{create}; "));
    let migration = work.reviewed.migration;
    let forget = match work.part_kept {
        true => format!("; {}", context.table.forget_part_sql(migration.version())),
        false => String::new(),
    };
    let trail =
        trail_sql(context, progress, Some(done.recorded()), &[]).map_or_else(String::new, |sql| format!("; {sql}"));
    let sql = format!(
        "{create}{}{forget}{trail}; COMMIT",
        closing_message(context, &record_sql(context, migration, &id), &id, deferrable)
    );
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
