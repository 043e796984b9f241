//! The messages of a transaction that are ours: the fence that opens it, the row of each file, the reading back.
//! In: a lock, a transaction id, a migration. Out: SQL. Sends only the first, whose answer must be awaited.

use crate::history::runs::{RunCommand, RunMigration, RunOutcome};
use crate::migrations::{Migration, Version};
use crate::plan::Batch;
use crate::postgres::literal;
use crate::postgres::lock::{LockKey, POINT_SQL};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;

use super::{Applied, ApplyError, Context, DatabaseState, Progress, RESET, RESTORE, RecoveryPoint};

/// Of the record message, the place of the statement that says whether the transaction is still the batch's.
pub(crate) const FENCE: usize = 2;
/// Of the record message, the statements before the check of deferred constraints.
pub(crate) const BEFORE_CONSTRAINTS: usize = 4;

/// Opens the transaction behind the fence and awaits its answer: were it to fail unseen, the files that follow in the
/// pipeline would run without a transaction.
pub(crate) async fn begin(context: &Context<'_>, progress: &Progress) -> Result<(String, RecoveryPoint), ApplyError> {
    match open(context.session, context.key).await {
        Ok(Some(opened)) => Ok(opened),
        Ok(None) => Err(ApplyError::LockLost { state: DatabaseState::between(progress) }),
        Err(error) => Err(ApplyError::own("opening the transaction", error)),
    }
}

/// Opens a transaction behind the fence; gives its id and the recovery point before it, or nothing where this session
/// does not hold the lock.
///
/// # Errors
/// [`QueryError`] of the server or the connection.
pub async fn open(session: &Session, key: LockKey) -> Result<Option<(String, RecoveryPoint)>, QueryError> {
    let answer = session.query(&key.begin_sql()).await?;
    let field = |statement: usize, column: usize| {
        answer.get(statement).and_then(|rows| rows.first()).and_then(|row| row.get(column)).cloned().flatten()
    };
    match (field(1, 0).as_deref(), field(2, 0), field(2, 1), field(2, 2)) {
        (Some("t"), Some(id), Some(wal), Some(time)) => Ok(Some((id, RecoveryPoint { wal, time }))),
        _ => session.query("ROLLBACK").await.map(|_| None),
    }
}

/// The message that puts the session back and records a migration, in the transaction `id` or not at all. A file that
/// ended its transaction unseen ends its session here: what follows in the pipeline must not run outside.
pub(crate) fn record_message(context: &Context<'_>, migration: &Migration, id: &str) -> String {
    let mut record = context.table.record_sql(migration, id);
    if let Some((mirror, row)) = context.mirror.as_ref().zip(migration.drizzle()) {
        record = format!("{record}; {}", mirror.record_sql(row));
    }
    closing_message(context, &record, id)
}

/// As [`record_message`], with any statements for a record.
pub(crate) fn closing_message(context: &Context<'_>, record: &str, id: &str) -> String {
    format!(
        "RESET SESSION AUTHORIZATION; RESET ROLE; {fence}; {RESTORE}{RESET}{settings}{record}; {renew}",
        fence = fence_sql(id),
        settings = context.settings_sql,
        renew = context.key.renew_sql()
    )
}

/// Whether the transaction is `id`, and the end of the session where it is not. Two statements, because the answer to
/// a statement that ends its session is lost.
fn fence_sql(id: &str) -> String {
    let ours = format!(
        "(SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text) OPERATOR(pg_catalog.=) {}",
        literal(id)
    );
    format!(
        "SELECT CASE WHEN {ours} THEN true ELSE false END; \
         SELECT CASE WHEN {ours} THEN true ELSE pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()) END"
    )
}

/// The statements that write the run into the audit trail, once nothing but the COMMIT is left to do; nothing before the
/// last batch. `measured` are of the open transaction.
pub(crate) fn trail_sql(
    context: &Context<'_>,
    progress: &Progress,
    done: Option<RunMigration>,
    measured: &[RunMigration],
) -> Option<String> {
    let writer = context.trail.as_ref().filter(|_| context.last)?;
    let known: Vec<RunMigration> = progress.applied.iter().map(Applied::recorded).chain(done).collect();
    Some(writer.record_sql(RunCommand::Up, &RunOutcome::Done, &known, measured))
}

/// What the history must hold once the batch is committed; it fails where that is not so.
pub(crate) fn prove_sql(context: &Context<'_>, batch: &Batch<'_>) -> String {
    let migrations = batch.migrations.iter().map(|reviewed| reviewed.migration);
    context.table.prove_sql(migrations, context.rows + batch.migrations.len())
}

/// The rows of the batch as the history holds them, and the recovery point after it.
pub(crate) fn read_back_sql(context: &Context<'_>, batch: &Batch<'_>) -> String {
    let versions = || batch.migrations.iter().map(|reviewed| reviewed.migration.version());
    let zero = Version::new(0);
    let (first, last) = (versions().min().unwrap_or(zero), versions().max().unwrap_or(zero));
    let versions = context.table.versions_sql(first, last);
    format!("{versions}; SELECT {POINT_SQL}")
}
