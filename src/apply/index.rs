//! The index that a `CREATE INDEX CONCURRENTLY` builds, as an earlier run may have left it. In: the statement. Out: whether
//! it is there already; what is invalid of it is dropped. Never drops a valid index.

use crate::migrations::script::{ConcurrentIndex, Reindexed};
use crate::postgres::literal;
use crate::postgres::server_error::QueryError;
use crate::settings::quote_identifier;

use super::no_transaction::{Work, text};
use super::wait::{Ended, Wait, ask};
use super::{ApplyError, Cause, Context};

/// An index of the database, by the name that a migration gives it.
pub(super) struct Found {
    /// Schema and name, quoted.
    pub(super) name: String,
    pub(super) valid: bool,
    being_built: bool,
    /// Whether it is an index of the migration's table.
    of_table: bool,
}

/// Looks at the index that `work` is to build: true where it is there, valid and the one described, so that only its
/// row is missing. An invalid one is dropped, which `IF NOT EXISTS` would pass over.
pub(super) async fn make_room(context: &Context<'_>, work: &mut Work<'_>, sql: &str) -> Result<bool, ApplyError> {
    if let Some(rebuilt) = work.statement().and_then(|statement| statement.reindexes.clone()) {
        return sweep(context, work, &rebuilt).await.map(|()| false);
    }
    let Some(created) = work.creates().cloned() else { return Ok(false) };
    let found = find(context, &mut work.wait, &created).await;
    let found = found.map_err(|ended| work.ended("looking for an index", ended, work.between()))?;
    let Some(found) = found else { return Ok(false) };
    match found {
        Found { of_table: false, name, .. } => {
            tracing::warn!("{}: {name} is an index of another table than {}", work.file(), created.table);
            Err(work.refuse(Cause::IndexOfOtherDefinition))
        }
        Found { valid: true, name, .. } => match is_described(context, work, &created, &name, sql).await? {
            Some(true) => Ok(true),
            Some(false) => {
                tracing::warn!("{}: {name} is there, and is not the index of this file", work.file());
                Err(work.refuse(Cause::IndexOfOtherDefinition))
            }
            None => Err(work.refuse(Cause::IndexNotCompared)),
        },
        Found { being_built: true, name, .. } => {
            tracing::warn!("{}: {name} is being built by another session (pg_stat_progress_create_index)", work.file());
            Err(work.refuse(Cause::IndexBeingBuilt))
        }
        Found { name, .. } => drop_invalid(context, work, &name).await.map(|()| false),
    }
}

/// Drops what an interrupted `REINDEX … CONCURRENTLY` left: a repeat of it would build beside that.
async fn sweep(context: &Context<'_>, work: &mut Work<'_>, rebuilt: &Reindexed) -> Result<(), ApplyError> {
    let left = left_by_reindex(context, &mut work.wait, rebuilt).await;
    for name in left.map_err(|ended| work.ended("looking for invalid indexes", ended, work.between()))? {
        drop_invalid(context, work, &name).await?;
    }
    Ok(())
}

/// The invalid indexes that a `REINDEX … CONCURRENTLY` of the same has left and that no backend is building.
pub(super) async fn left_by_reindex(
    context: &Context<'_>,
    wait: &mut Wait,
    rebuilt: &Reindexed,
) -> Result<Vec<String>, Ended> {
    let of_table = |table: String| {
        format!("(i.indrelid = {table} OR i.indrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree({table})))")
    };
    let scope = match rebuilt {
        Reindexed::Index(index) => of_table(format!(
            "(SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid = pg_catalog.to_regclass({}))",
            literal(&index.quoted())
        )),
        Reindexed::Table(table) => of_table(format!("pg_catalog.to_regclass({})", literal(&table.quoted()))),
        Reindexed::Schema(schema) => format!("n.nspname = {}", literal(schema)),
        Reindexed::Database => "true".to_owned(),
    };
    let sql = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND {scope} AND NOT EXISTS \
         (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid)"
    );
    let answer = ask(context, wait, "looking for invalid indexes", &sql).await?;
    Ok(answer.first().into_iter().flatten().filter_map(|row| row.first().cloned().flatten()).collect())
}

async fn drop_invalid(context: &Context<'_>, work: &mut Work<'_>, name: &str) -> Result<(), ApplyError> {
    tracing::warn!("{}: dropping the invalid index {name} of an earlier attempt", work.file());
    let doing = "dropping an invalid index";
    // It waits for every older transaction by design. Two messages: it cannot share one with another statement.
    for sql in ["SET lock_timeout = 0".to_owned(), format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")] {
        let dropped = ask(context, &mut work.wait, doing, &sql).await;
        dropped.map_err(|ended| work.ended(doing, ended, work.not_undone(Some(name.to_owned()))))?;
    }
    Ok(())
}

/// Finds the index of that name beside the table.
pub(super) async fn find(
    context: &Context<'_>,
    wait: &mut Wait,
    created: &ConcurrentIndex,
) -> Result<Option<Found>, Ended> {
    let sql = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), i.indisvalid, \
         EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid), \
         i.indrelid = t.oid \
         FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace \
         JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace AND c.relname = {} \
         JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
         WHERE t.oid = pg_catalog.to_regclass({})",
        literal(&created.index),
        literal(&created.table.quoted())
    );
    let answer = ask(context, wait, "looking for an index", &sql).await?;
    Ok(text(&answer, 0, 0).map(|name| Found {
        name: name.to_owned(),
        valid: text(&answer, 0, 1) == Some("t"),
        being_built: text(&answer, 0, 2) == Some("t"),
        of_table: text(&answer, 0, 3) == Some("t"),
    }))
}

/// Whether the valid index `name` is the one that the file describes: PostgreSQL is asked, by building the same on an
/// empty twin of the table, of the same name, and comparing how it writes the two down. None where it will not say.
async fn is_described(
    context: &Context<'_>,
    work: &mut Work<'_>,
    created: &ConcurrentIndex,
    name: &str,
    sql: &str,
) -> Result<Option<bool>, ApplyError> {
    const DOING: &str = "comparing an index with its file";
    let end = work.statement().map_or(0, |statement| statement.range.end);
    let definition = sql.get(created.definition_start..end).unwrap_or_default();
    let twin = format!(
        "BEGIN; CREATE TEMP TABLE {twin} (LIKE {table}) ON COMMIT DROP; \
         CREATE {unique}INDEX {twin_index} ON pg_temp.{twin} {definition}\n; \
         SELECT {theirs} OPERATOR(pg_catalog.=) {ours}; ROLLBACK",
        // A definition may name the table.
        twin = quote_identifier(created.table.table()),
        table = created.table.quoted(),
        unique = if created.unique { "UNIQUE " } else { "" },
        twin_index = quote_identifier(TWIN_INDEX),
        theirs = described(&literal(name)),
        ours = described(&literal(&format!("pg_temp.{TWIN_INDEX}"))),
    );
    match ask(context, &mut work.wait, DOING, &twin).await {
        Ok(answer) => Ok(Some(text(&answer, 3, 0) == Some("t"))),
        Err(Ended::Failed { error: QueryError::Server(error), .. })
            if work.wait.stopping().is_none() && !error.lost_to_other_sessions() =>
        {
            tracing::warn!("{}: the index {name} cannot be compared with the file: {error}", work.file());
            context.session.query("ROLLBACK").await.map_err(|error| ApplyError::own(DOING, error))?;
            Ok(None)
        }
        Err(ended) => Err(work.roll_back(context, DOING, ended, work.between()).await),
    }
}

const TWIN_INDEX: &str = "schemagate_twin_index";

/// An index as PostgreSQL writes it, from its method on: what comes before are names, and whether it is unique.
fn described(index: &str) -> String {
    format!(
        "(SELECT i.indisunique::pg_catalog.text || pg_catalog.substr(d.text, pg_catalog.strpos(d.text, ' USING ')) \
         FROM pg_catalog.pg_index i, pg_catalog.pg_get_indexdef(i.indexrelid) AS d (text) \
         WHERE i.indexrelid = {index}::pg_catalog.regclass)"
    )
}
