//! Reads the audit trail. In: a session, the table as it was found. Out: its rows, whether their chain is whole, and what
//! of the history they do not account for. Needs SELECT only, and sees one moment of the database.

use std::collections::HashSet;

use super::row::{CHAIN, Column, FIELDS};
use super::{ChainFault, Found, REFUSE, REFUSE_BODY, Row, TrailTable, chain};
use crate::history::HistoryError;
use crate::postgres::literal;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::{Rows, Session};
use crate::settings::TableName;

/// The whole audit trail of a history.
#[derive(Debug, Clone)]
pub struct Trail {
    /// Its table.
    pub table: TableName,
    /// The history table.
    pub history: TableName,
    /// Whether the table exists.
    pub exists: bool,
    /// Whether the database refuses to change rows: both triggers are there, and always on.
    pub append_only: bool,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Whether their chain is whole.
    pub chain: Result<(), ChainFault>,
    /// Versions of the history that no row accounts for: applied before the trail began, by another tool, or by a run
    /// that was killed; or their row was removed from the end.
    pub unaccounted: Vec<i64>,
    /// The database's name.
    pub database: String,
    /// The server's own identifier, where it was asked for and the role may read it.
    pub system_identifier: Option<String>,
}

/// Reads the trail that `table` says is there; an empty one where there is none.
///
/// # Errors
/// [`HistoryError::TrailShape`], [`HistoryError::TrailNotReadable`], or a failed query.
pub async fn read(session: &Session, table: &TrailTable, history_exists: bool) -> Result<Trail, HistoryError> {
    let name = || table.name.clone();
    let exists = match &table.found {
        Found::Other { columns } => {
            return Err(HistoryError::TrailShape { table: name(), columns: columns.clone() });
        }
        Found::There { may_read: false, .. } => return Err(HistoryError::TrailNotReadable { table: name() }),
        Found::There { .. } => true,
        Found::Missing { .. } => false,
    };
    let query = |source| HistoryError::Query { table: name(), source };
    let answer = session.query(&read_sql(table, exists, history_exists)).await.map_err(query)?;
    let [_, facts, versions, rows] = answer.as_slice() else {
        return Err(HistoryError::Incomplete { table: name() });
    };
    let fact = |column: usize| facts.first().and_then(|row| row.get(column)).cloned().flatten();
    let (rows, chain) = rows_of(rows);
    Ok(Trail {
        table: name(),
        history: table.history.clone(),
        exists,
        append_only: fact(1).as_deref() == Some("2"),
        unaccounted: unaccounted(versions, &rows, &table.history),
        rows,
        chain,
        database: fact(0).unwrap_or_default(),
        system_identifier: None,
    })
}

/// One message that sees one moment: a run that ends between two of its statements must not look like a gap.
fn read_sql(table: &TrailTable, exists: bool, history_exists: bool) -> String {
    let values: Vec<String> = FIELDS.iter().chain(CHAIN).map(Column::value_sql).collect();
    let rows = match exists {
        true => format!("SELECT {} FROM {} ORDER BY sequence", values.join(", "), table.name.quoted()),
        false => "SELECT NULL WHERE false".to_owned(),
    };
    let versions = match history_exists {
        true => format!("SELECT version::pg_catalog.text FROM {}", table.history.quoted()),
        false => "SELECT NULL WHERE false".to_owned(),
    };
    format!(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
         SELECT pg_catalog.current_database(), (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t \
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.pronamespace = n.oid AND p.proname = {refuse} AND p.prosrc = {body} \
         WHERE n.nspname = {schema} AND c.relname = {name} AND t.tgenabled = 'A'); \
         {versions}; {rows}",
        refuse = literal(REFUSE),
        body = literal(REFUSE_BODY),
        schema = literal(table.name.schema().unwrap_or_default()),
        name = literal(table.name.table()),
    )
}

fn rows_of(answer: &Rows) -> (Vec<Row>, Result<(), ChainFault>) {
    let mut rows = Vec::with_capacity(answer.len());
    for (values, number) in answer.iter().zip(1..) {
        match Row::read(values, number) {
            Ok(row) => rows.push(row),
            // What stands before it may be broken too, and is the first place then.
            Err(fault) => {
                let chain = chain::verify(&rows).and(Err(fault));
                return (rows, chain);
            }
        }
    }
    let chain = chain::verify(&rows);
    (rows, chain)
}

fn unaccounted(versions: &Rows, rows: &[Row], history: &TableName) -> Vec<i64> {
    let history = history.to_string();
    let ours = rows.iter().filter(|row| row.history_table == history);
    let known: HashSet<i64> = ours.flat_map(Row::migrations).filter_map(|migration| migration.version).collect();
    let held = versions.iter().filter_map(|row| row.first()?.as_deref()?.parse().ok());
    let mut left: Vec<i64> = held.filter(|version| !known.contains(version)).collect();
    left.sort_unstable();
    left
}

/// The server's own identifier; none where the role may not read it, which not every host lets it.
///
/// # Errors
/// [`QueryError`], whatever else is in the way.
pub async fn system_identifier(session: &Session) -> Result<Option<String>, QueryError> {
    match session.query("SELECT system_identifier FROM pg_catalog.pg_control_system()").await {
        Ok(answer) => Ok(answer.first().and_then(|rows| rows.first()?.first().cloned().flatten())),
        Err(QueryError::Server(error)) if error.sqlstate == "42501" => Ok(None),
        Err(error) => Err(error),
    }
}
