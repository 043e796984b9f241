//! Which relations the database has, and how large these are. In: names and ids, a session. Out: names, tables. Asks the
//! catalogue, which everybody may read; a size that is not to be had is the one of the last vacuum, or stays unknown.

use std::collections::{HashMap, HashSet};

use super::ERROR_BYTES;
use super::names::{Meaning, Names};
use crate::postgres::literal;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::{Rows, Session};
use crate::settings::TableName;

const NAMES: &str = include_str!("names.sql");
const LOOK: &str = include_str!("tables.sql");
const SIZE: &str = "pg_catalog.pg_total_relation_size(g.oid)";

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Schema and name, in quotes where they need some; as the statement has it where the database has no such table.
    pub name: String,
    /// How many rows it is estimated to have, with all its partitions and children; none where it was never counted.
    pub rows: Option<u64>,
    /// Its size with indexes and what is stored out of line, with all its partitions and children; none where it is not
    /// known.
    pub bytes: Option<u64>,
    /// The name alone.
    pub(super) bare: String,
    pub(super) partitioned: bool,
    /// The size without partitions and children.
    pub(super) own_bytes: Option<u64>,
    /// The columns that are NOT NULL, also in every partition and child.
    pub(super) not_null: Vec<String>,
}

impl Table {
    /// A table that the database does not have by this name: a function may make it, or set another search_path.
    pub(super) fn unknown(name: &TableName) -> Self {
        let bare = name.table().to_owned();
        let name = name.to_string();
        Self { name, rows: None, bytes: None, bare, partitioned: false, own_bytes: None, not_null: Vec::new() }
    }
}

/// The relations that have one of these names in any schema, and the search_path.
pub(super) async fn names(session: &Session, wanted: &[&TableName]) -> Result<Names, QueryError> {
    let mut seen = HashSet::new();
    let wanted: Vec<String> =
        wanted.iter().filter(|it| seen.insert(it.table())).map(|it| literal(it.table())).collect();
    if wanted.is_empty() {
        return Ok(Names::default());
    }
    let answer = session.query(&NAMES.replace("{names}", &wanted.join(", "))).await?;
    let first = |rows: Option<&Rows>| -> Vec<String> {
        rows.into_iter().flatten().filter_map(|row| row.first().cloned().flatten()).collect()
    };
    let (mut known, mut defaults) = (HashMap::new(), HashMap::new());
    for row in answer.get(2).into_iter().flatten() {
        let (Some(schema), Some(name), Some(oid)) = (text(row, 0), text(row, 1), number(row, 2)) else { continue };
        known.insert((schema, name), Meaning::Exists(oid));
        if let Some(default) = number(row, 3) {
            defaults.insert(oid, default);
        }
    }
    let schemas = first(answer.get(1)).into_iter().collect();
    Ok(Names::new(first(answer.first()), schemas, known, defaults))
}

/// The tables of these ids.
pub(super) async fn look(session: &Session, oids: &HashSet<u32>) -> Result<HashMap<u32, Table>, QueryError> {
    if oids.is_empty() {
        return Ok(HashMap::new());
    }
    let values: Vec<String> =
        oids.iter().map(|oid| format!("({oid}::pg_catalog.oid, {oid}::pg_catalog.oid)")).collect();
    let sql = LOOK.replace("{oids}", &values.join(", ")).replace("{enough}", &ERROR_BYTES.to_string());
    let answer = match session.query(&sql.replace("{size}", SIZE)).await {
        // Not permitted, or somebody has got a lock since that keeps even this waiting.
        Err(QueryError::Server(reason)) => {
            tracing::debug!("sizes are not known: {reason}");
            session.query(&sql.replace("{size}", "NULL::pg_catalog.int8")).await?
        }
        ended => ended?,
    };
    let mut tables = HashMap::new();
    for row in answer.first().into_iter().flatten() {
        let (Some(oid), Some(name), Some(bare)) = (number(row, 0), text(row, 1), text(row, 2)) else { continue };
        let not_null = text(row, 7).and_then(|columns| serde_json::from_str(&columns).ok()).unwrap_or_default();
        let partitioned = text(row, 3).as_deref() == Some("t");
        let (rows, bytes, own_bytes) = (number(row, 4), number(row, 5), number(row, 6));
        tables.insert(oid, Table { name, rows, bytes, bare, partitioned, own_bytes, not_null });
    }
    Ok(tables)
}

fn text(row: &[Option<String>], column: usize) -> Option<String> {
    row.get(column).cloned().flatten()
}

fn number<T: std::str::FromStr>(row: &[Option<String>], column: usize) -> Option<T> {
    row.get(column)?.as_deref()?.parse().ok()
}
