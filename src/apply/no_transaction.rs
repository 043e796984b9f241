//! One migration that cannot run in a transaction. In: a file with one repeatable statement. Out: the statement done
//! and its row written, or what it left behind. A crash in between is made good by the next run.

use tokio::time::Instant;

use crate::migrations::{Migration, script::NoTransactionStatement};
use crate::plan::Batch;
use crate::postgres::literal;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Rows;
use crate::review::Reviewed;
use crate::settings::TableName;
use crate::stop::StopReason;

use super::transaction::{begin, broken_protocol, locate, record_message};
use super::wait::{Awaited, Ended, Wait};
use super::{
    Applied, ApplyError, Cause, Context, DatabaseState, MigrationFailure, Phase, Progress, RecoveryPoint, put_back,
};

/// An index of the database, by the name that a migration gives it.
struct Index {
    /// Schema and name, quoted.
    name: String,
    valid: bool,
    being_built: bool,
}

/// Runs one such migration.
pub(super) async fn run(
    context: &mut Context<'_>,
    batch: &Batch<'_>,
    progress: &mut Progress,
) -> Result<(), ApplyError> {
    let Some(reviewed) = batch.migrations.first() else { return Ok(()) };
    let before = check_lock(context, progress).await?;
    progress.begin(before);
    let text = reviewed
        .migration
        .read()
        .map_err(|source| ApplyError::Changed { source, state: DatabaseState::between(progress) })?;
    let statement = reviewed.judgement.no_transaction_statement.as_ref();
    let started = Instant::now();
    if let Some(statement) = statement {
        clear_invalid_index(context, reviewed, statement, progress).await?;
        if statement.concurrently {
            // It waits for every older writer by design; a timeout would only leave an invalid index behind.
            context
                .session
                .query("SET lock_timeout = 0")
                .await
                .map_err(|e| ApplyError::own("setting lock_timeout", e))?;
        }
    }
    let own = |error| ApplyError::own("running a migration", error);
    let mut reply = context.session.send(Migration::statements_text(&text)).await.map_err(own)?;
    let mut wait = Wait::new(&context.stop);
    let awaited = Awaited { name: reviewed.migration.file(), keep_rows: false };
    if let Err(ended) = wait.answer(context, &mut reply, awaited).await {
        return Err(explain(context, reviewed, ended, &wait, progress).await);
    }
    put_back(context).await?;
    if let Some(index) = statement.and_then(|statement| statement.creates_index.as_ref())
        && find_index(context, &index.table, &index.index).await?.is_none_or(|index| !index.valid)
    {
        return Err(ApplyError::Unrecordable {
            file: reviewed.migration.file().to_owned(),
            cause: Cause::IndexInvalid,
            state: not_undone(reviewed, Some(index.index.clone()), progress),
        });
    }
    tracing::info!(
        migration = reviewed.migration.file(),
        elapsed_ms = crate::postgres::milliseconds(started.elapsed()),
        "{} ran outside a transaction in {}",
        reviewed.migration.file(),
        crate::postgres::duration_text(started.elapsed())
    );
    record(context, reviewed, progress).await?;
    progress.applied.push(Applied {
        version: reviewed.migration.version(),
        file: reviewed.migration.file().to_owned(),
        elapsed: started.elapsed(),
    });
    Ok(())
}

async fn check_lock(context: &Context<'_>, progress: &Progress) -> Result<RecoveryPoint, ApplyError> {
    let own = |error| ApplyError::own("checking the lock", error);
    let answer = context.session.query(&context.key.held_sql()).await.map_err(own)?;
    match (text(&answer, 0, 0), text(&answer, 0, 1), text(&answer, 0, 2)) {
        (Some("t"), Some(wal), Some(time)) => Ok(RecoveryPoint { wal: wal.to_owned(), time: time.to_owned() }),
        _ => Err(ApplyError::LockLost { state: DatabaseState::between(progress) }),
    }
}

/// A build that failed leaves an invalid index, which `IF NOT EXISTS` would pass over.
async fn clear_invalid_index(
    context: &Context<'_>,
    reviewed: &Reviewed<'_>,
    statement: &NoTransactionStatement,
    progress: &Progress,
) -> Result<(), ApplyError> {
    let Some(created) = &statement.creates_index else { return Ok(()) };
    let Some(found) = find_index(context, &created.table, &created.index).await? else { return Ok(()) };
    if found.valid {
        return Ok(());
    }
    if found.being_built {
        return Err(ApplyError::Unrecordable {
            file: reviewed.migration.file().to_owned(),
            cause: Cause::IndexBeingBuilt,
            state: DatabaseState::between(progress),
        });
    }
    tracing::warn!("{}: dropping the invalid index {} of an earlier attempt", reviewed.migration.file(), found.name);
    let own = |error| ApplyError::own("dropping an invalid index", error);
    context.session.query("SET lock_timeout = 0").await.map_err(own)?;
    context.session.query(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", found.name)).await.map_err(own)?;
    Ok(())
}

async fn find_index(context: &Context<'_>, table: &TableName, index: &str) -> Result<Option<Index>, ApplyError> {
    let sql = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), i.indisvalid, \
         EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid) \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE i.indrelid = pg_catalog.to_regclass({}) AND c.relname = {}",
        literal(&table.quoted()),
        literal(index)
    );
    let answer = context.session.query(&sql).await.map_err(|error| ApplyError::own("looking for an index", error))?;
    Ok(text(&answer, 0, 0).map(|name| Index {
        name: name.to_owned(),
        valid: text(&answer, 0, 1) == Some("t"),
        being_built: text(&answer, 0, 2) == Some("t"),
    }))
}

fn text(answer: &[Rows], statement: usize, column: usize) -> Option<&str> {
    answer.get(statement)?.first()?.get(column)?.as_deref()
}

/// What is left behind: a cancelled or failed build leaves an invalid index, and that is to be said.
async fn explain(
    context: &Context<'_>,
    reviewed: &Reviewed<'_>,
    ended: Ended,
    wait: &Wait,
    progress: &Progress,
) -> ApplyError {
    let error = match (ended, wait.stopping()) {
        (Ended::Failed { error: error @ QueryError::Lost { .. }, .. }, _) => {
            return ApplyError::own("running a migration", error);
        }
        (Ended::Abandoned, reason) => {
            let reason = reason.unwrap_or(StopReason::Terminate);
            return ApplyError::Stopped { reason, state: not_undone(reviewed, index_name(reviewed), progress) };
        }
        (Ended::Failed { .. }, Some(reason)) => Err(reason),
        (Ended::Failed { error: QueryError::Server(error), .. }, None) => Ok(*error),
        (Ended::Failed { error: QueryError::Protocol { reason }, .. }, None) => Ok(broken_protocol(reason)),
    };
    if let Err(lost) = put_back(context).await {
        return lost;
    }
    let created =
        reviewed.judgement.no_transaction_statement.as_ref().and_then(|statement| statement.creates_index.as_ref());
    let invalid = match created {
        Some(created) => match find_index(context, &created.table, &created.index).await {
            Ok(found) => found.filter(|index| !index.valid).map(|index| index.name),
            Err(lost) => return lost,
        },
        None => None,
    };
    let state = match &invalid {
        Some(_) => not_undone(reviewed, invalid.clone(), progress),
        None => DatabaseState::between(progress),
    };
    match error {
        Err(reason) => ApplyError::Stopped { reason, state },
        Ok(error) => ApplyError::Migration(Box::new(MigrationFailure {
            file: reviewed.migration.file().to_owned(),
            phase: Phase::Statement,
            statement: locate(reviewed.migration, 0, &error),
            error,
            state,
            blocked: None,
            attempts: 1,
        })),
    }
}

fn index_name(reviewed: &Reviewed<'_>) -> Option<String> {
    let statement = reviewed.judgement.no_transaction_statement.as_ref()?;
    statement.creates_index.as_ref().map(|created| created.index.clone())
}

fn not_undone(reviewed: &Reviewed<'_>, invalid_index: Option<String>, progress: &Progress) -> DatabaseState {
    DatabaseState::NotUndone {
        file: reviewed.migration.file().to_owned(),
        invalid_index,
        migrations: progress.applied.len(),
    }
}

/// Writes the row in a transaction of its own, behind the same fence as every other.
async fn record(context: &mut Context<'_>, reviewed: &Reviewed<'_>, progress: &mut Progress) -> Result<(), ApplyError> {
    let (id, _) = begin(context, progress).await?;
    let create = if context.table.exists { String::new() } else { format!("{}; ", context.table.create_sql()) };
    let version = reviewed.migration.version();
    let sql = format!(
        "{create}{record}; COMMIT; {read_back}; SELECT pg_catalog.pg_current_wal_insert_lsn(), \
         pg_catalog.clock_timestamp()",
        record = record_message(context, reviewed.migration, &id),
        read_back = context.table.versions_sql(version, version)
    );
    let own = |error| ApplyError::own("recording a migration", error);
    let answer = context.session.query(&sql).await.map_err(own)?;
    let [.., rows, facts] = answer.as_slice() else {
        return Err(own(QueryError::Protocol { reason: "an incomplete answer to COMMIT".to_owned() }));
    };
    if rows.is_empty() {
        return Err(ApplyError::Unrecordable {
            file: reviewed.migration.file().to_owned(),
            cause: Cause::NotRecorded,
            state: DatabaseState::Unknown,
        });
    }
    let fact = |column: usize| facts.first().and_then(|row| row.get(column)).cloned().flatten();
    progress.after = fact(0).zip(fact(1)).map(|(wal, time)| RecoveryPoint { wal, time });
    Ok(())
}
