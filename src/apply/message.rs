//! The messages of a transaction that are ours: the fence that opens it, the row of each file, the reading back.
//! In: a lock, a transaction id, a migration. Out: SQL. Sends only the first, whose answer must be awaited.

use crate::history::runs::{RunCommand, RunMigration, RunOutcome};
use crate::migrations::{Migration, Version};
use crate::plan::Batch;
use crate::postgres::literal;
use crate::postgres::lock::{LockKey, POINT_SQL};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::review::Reviewed;

use super::{Applied, ApplyError, Context, DatabaseState, Progress, RESET, RESTORE, RecoveryPoint};

/// Of the record message, the place of the statement that says whether the transaction is still the batch's.
pub(crate) const FENCE: usize = 2;
/// Of the record message, the statements before the check of deferred constraints.
pub(crate) const BEFORE_CONSTRAINTS: usize = 4;

/// Opens the transaction behind the fence and awaits its answer: were it to fail unseen, the files that follow in the
/// pipeline would run without a transaction.
pub(crate) async fn begin(context: &Context<'_>, progress: &Progress) -> Result<Opened, ApplyError> {
    match open(context.session, context.key).await {
        Ok(Some(opened)) => Ok(opened),
        Ok(None) => Err(ApplyError::LockLost { state: DatabaseState::between(progress) }),
        Err(error) => Err(ApplyError::own("opening the transaction", error)),
    }
}

/// A transaction that is open behind the fence.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its id.
    pub id: String,
    /// The recovery point before it.
    pub before: RecoveryPoint,
    /// Whether an event trigger may act on definitions.
    pub(super) event_triggers: bool,
    /// Whether any constraint can be deferred.
    pub(super) deferrable: bool,
}

/// Opens a transaction behind the fence; nothing where this session does not hold the lock.
///
/// # Errors
/// [`QueryError`] of the server or the connection.
pub async fn open(session: &Session, key: LockKey) -> Result<Option<Opened>, QueryError> {
    let answer = session.query(&key.begin_sql()).await?;
    let field = |statement: usize, column: usize| {
        answer.get(statement).and_then(|rows| rows.first()).and_then(|row| row.get(column)).cloned().flatten()
    };
    match (field(1, 0).as_deref(), field(2, 0), field(2, 1), field(2, 2)) {
        (Some("t"), Some(id), Some(wal), Some(time)) => Ok(Some(Opened {
            id,
            before: RecoveryPoint { wal, time },
            event_triggers: field(2, 3).as_deref() != Some("f"),
            deferrable: field(2, 4).as_deref() != Some("f"),
        })),
        _ => session.query("ROLLBACK").await.map(|_| None),
    }
}

/// The statements that record a migration, in the transaction `id` or not at all.
pub(super) fn record_sql(context: &Context<'_>, migration: &Migration, id: &str) -> String {
    context.table.record_sql(migration, id) + &mirrored(context, migration)
}

/// As [`record_sql`], for a file behind which nothing is put back: what is written is proved with the COMMIT.
fn insert_sql(context: &Context<'_>, migration: &Migration, id: &str) -> String {
    context.table.insert_sql(migration, id) + &mirrored(context, migration)
}

/// Drizzle's own row, where its table is kept in step.
fn mirrored(context: &Context<'_>, migration: &Migration) -> String {
    let row = context.mirror.as_ref().zip(migration.drizzle());
    row.map_or_else(String::new, |(mirror, row)| format!("; {}", mirror.record_sql(row)))
}

/// What must be put back behind a file, as far as is known of the transaction.
#[derive(Debug)]
pub(crate) struct Closing {
    /// Whether an event trigger may act on definitions.
    event_triggers: bool,
    /// Whether any constraint can be deferred.
    deferrable: bool,
}

impl Closing {
    pub(crate) fn new(opened: &Opened) -> Closing {
        Closing { event_triggers: opened.event_triggers, deferrable: opened.deferrable }
    }

    /// The message that makes the history's table, if it is not there.
    pub(crate) fn create_sql(&self, context: &Context<'_>) -> Option<String> {
        let sql = context.create_sql()?;
        // An event trigger acts on our definitions too.
        Some(if self.event_triggers { format!("{sql}; RESET ALL; {}", context.settings_sql) } else { sql })
    }

    /// The message that follows a file. A file of definitions alone leaves nothing to put back: most releases of many small
    /// files are made of these, and the server spends more on putting back than on a small table.
    pub(crate) fn record_message(&mut self, context: &Context<'_>, reviewed: &Reviewed<'_>, id: &str) -> String {
        let judgement = &reviewed.judgement;
        self.deferrable |= judgement.may_defer || judgement.runs_unseen;
        self.event_triggers |= judgement.runs_unseen;
        let doubt = self.event_triggers || judgement.uncertain || context.quotes_differ;
        if judgement.keeps_session && !doubt {
            return insert_sql(context, reviewed.migration, id);
        }
        closing_message(context, &record_sql(context, reviewed.migration, id), id, self.deferrable)
    }
}

/// The message that puts the session back and then runs `record`, in the transaction `id` or not at all. A file that
/// ended its transaction unseen ends its session here: what follows in the pipeline must not run outside. Where no
/// constraint can be deferred, none has to be put back.
pub(super) fn closing_message(context: &Context<'_>, record: &str, id: &str, deferrable: bool) -> String {
    format!(
        "RESET SESSION AUTHORIZATION; RESET ROLE; {fence}; {restore}{RESET}{settings}{record}; {renew}",
        fence = fence_sql(id),
        // As many statements either way: what failed is told by their number.
        restore = if deferrable { RESTORE } else { "SELECT NULL; " },
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
