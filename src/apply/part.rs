//! The transactional part of a drizzle-kit file that leaves its transaction: what stands before its COMMIT. In: that
//! text. Out: it is done, and recorded as done in its own transaction, so that a later run goes on after it.

use std::ops::Range;

use crate::migrations::script::Statements;
use crate::postgres::lock::POINT_SQL;
use crate::postgres::server_error::QueryError;

use super::message::{BEFORE_CONSTRAINTS, Opened, begin, closing_message};
use super::no_transaction::{Work, text};
use super::wait::{Ended, ask};
use super::{ApplyError, Cause, Context, Phase, Progress, RecoveryPoint};

/// Runs the part unless an earlier run has; says whether it is recorded.
pub(super) async fn run(
    context: &mut Context<'_>,
    work: &mut Work<'_>,
    sql: &str,
    progress: &mut Progress,
) -> Result<bool, ApplyError> {
    if is_done(context, work, sql).await? {
        tracing::info!("{}: what stands before its COMMIT was done by an earlier run", work.file());
        return Ok(true);
    }
    if Statements::new(sql).next().is_none() {
        return Ok(false);
    }
    let Opened { id, .. } = begin(context, progress).await?;
    let file = work.file().to_owned();
    if let Err(ended) = ask(context, &mut work.wait, &file, sql).await {
        return Err(fail(context, work, ended, Phase::Statement, 0..sql.len()).await);
    }
    let create = context.create_sql().map_or_else(String::new, |create| format!("{create}; "));
    let migration = work.reviewed.migration;
    let record =
        format!("{create}{}; {}", context.table.create_progress_sql(), context.table.record_part_sql(migration, sql));
    let closing = format!("{}; COMMIT", closing_message(context, &record, &id, true));
    if let Err(ended) = ask(context, &mut work.wait, &file, &closing).await {
        let at_constraints = matches!(ended, Ended::Failed { completed: BEFORE_CONSTRAINTS, .. });
        let phase = if at_constraints { Phase::DeferredConstraints } else { Phase::Record };
        return Err(fail(context, work, ended, phase, 0..sql.len()).await);
    }
    context.created();
    // The part stays whatever follows: the point to recover to lies behind it. Without an answer the earlier one is kept.
    if let Ok(answer) = context.session.query(&format!("SELECT {POINT_SQL}")).await {
        let fact = |column: usize| text(&answer, 0, column).map(ToOwned::to_owned);
        progress.after = fact(0).zip(fact(1)).map(|(wal, time)| RecoveryPoint { wal, time });
    }
    tracing::info!(migration = file, "{file}: what stands before its COMMIT is done and committed");
    Ok(true)
}

/// Says again what the part set for the session, which our own statements have put back since.
pub(super) async fn set_session(context: &Context<'_>, work: &mut Work<'_>, sql: &str) -> Result<(), ApplyError> {
    for range in work.reviewed.judgement.settings.clone() {
        let file = work.file().to_owned();
        if let Err(ended) = ask(context, &mut work.wait, &file, sql.get(range.clone()).unwrap_or_default()).await {
            return Err(fail(context, work, ended, Phase::Statement, range).await);
        }
    }
    Ok(())
}

/// Whether an earlier run did the part, of this very text.
async fn is_done(context: &Context<'_>, work: &mut Work<'_>, sql: &str) -> Result<bool, ApplyError> {
    const DOING: &str = "looking for a migration that is half done";
    let table = &context.table;
    let answer = ask(context, &mut work.wait, DOING, &table.find_progress_sql()).await;
    let answer = answer.map_err(|ended| work.ended(DOING, ended, work.between()))?;
    if text(&answer, 0, 0) != Some("t") {
        return Ok(false);
    }
    let migration = work.reviewed.migration;
    let answer = ask(context, &mut work.wait, DOING, &table.read_part_sql(migration.version())).await;
    let answer = answer.map_err(|ended| work.ended(DOING, ended, work.between()))?;
    match text(&answer, 0, 0) {
        None => Ok(false),
        Some(recorded) if recorded == migration.part_checksum(sql) => Ok(true),
        Some(_) => Err(work.refuse(Cause::PartOfOtherText)),
    }
}

/// Rolls the part back and says how it failed.
async fn fail(context: &Context<'_>, work: &Work<'_>, ended: Ended, phase: Phase, sent: Range<usize>) -> ApplyError {
    match (ended, work.wait.stopping()) {
        (Ended::Failed { completed, error: QueryError::Server(error), .. }, None) => {
            match context.session.query("ROLLBACK").await {
                Err(lost @ QueryError::Lost { .. }) => ApplyError::own("rolling back", lost),
                _ => work.failure(phase, *error, work.between(), sent, completed),
            }
        }
        (ended, _) => work.roll_back(context, "running a migration", ended, work.between()).await,
    }
}
