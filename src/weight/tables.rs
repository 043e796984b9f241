//! Which tables names mean, and how large these are. In: names as files write them, a session. Out: tables. A name without a
//! schema is looked for on the search_path; an index stands for its table. Asks the catalogue, which everybody may read.

use std::collections::{HashMap, HashSet};

use crate::postgres::literal;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::settings::TableName;

const LOOK: &str = include_str!("tables.sql");
const SIZE: &str = "pg_catalog.pg_total_relation_size(p.oid)";

/// A table that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Schema and name.
    pub name: String,
    /// How many rows it is estimated to have, with all its partitions; none where it was never counted.
    pub rows: Option<u64>,
    /// Its size with indexes and what is stored out of line, with all its partitions; none where it is not known.
    pub bytes: Option<u64>,
}

/// The tables that these names mean; a name that means none is left out.
pub(super) async fn look(session: &Session, names: &[&TableName]) -> Result<HashMap<TableName, Table>, QueryError> {
    let mut seen = HashSet::new();
    let names: Vec<&TableName> = names.iter().filter(|name| seen.insert((**name).clone())).copied().collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let values: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let schema = name.schema().map_or_else(|| "NULL".to_owned(), literal);
            format!("({at}, {schema}::pg_catalog.text, {})", literal(name.table()))
        })
        .collect();
    let sql = LOOK.replace("{names}", &values.join(", "));
    let answer = match session.query(&sql.replace("{size}", SIZE)).await {
        // Not permitted, or somebody holds a lock that keeps even this waiting.
        Err(QueryError::Server(reason)) => {
            tracing::debug!("sizes are not known: {reason}");
            session.query(&sql.replace("{size}", "NULL::pg_catalog.int8")).await?
        }
        ended => ended?,
    };
    let mut tables = HashMap::new();
    for row in answer.first().into_iter().flatten() {
        let text = |column: usize| row.get(column).cloned().flatten();
        let number = |column: usize| text(column).and_then(|number| number.parse().ok());
        let at = text(0).and_then(|at| at.parse::<usize>().ok());
        let Some((name, found)) = at.and_then(|at| names.get(at)).zip(text(1)) else { continue };
        tables.insert((*name).clone(), Table { name: found, rows: number(2), bytes: number(3) });
    }
    Ok(tables)
}
