//! Looks for tables that pending files are about to create. In: reviewed files, a history. Out: SQL, and the names that
//! exist. A history without rows beside such tables is most likely another tool's database. Never writes.

use crate::history::Reading;
use crate::postgres::literal;
use crate::postgres::session::Rows;
use crate::review::{Reviewed, created_tables};
use crate::settings::{Policy, Settings, TableName, quote_identifier};

/// The tables to look for: none where the history has rows, or where existing tables are allowed.
pub fn wanted(settings: &Settings, reading: &Reading, reviewed: &[Reviewed<'_>]) -> Vec<TableName> {
    if reading.applied.is_empty() && settings.when_existing == Policy::Refuse {
        created_tables(reviewed)
    } else {
        Vec::new()
    }
}

/// One statement that lists those of `tables` that exist; a name without a schema is looked for where it would be
/// created.
pub fn list_sql(tables: &[TableName]) -> String {
    if tables.is_empty() {
        return "SELECT NULL WHERE false".to_owned();
    }
    let rows: Vec<String> = tables
        .iter()
        .map(|table| {
            let schema = match table.schema() {
                Some(schema) => literal(&quote_identifier(schema)),
                None => "pg_catalog.quote_ident(pg_catalog.current_schema())".to_owned(),
            };
            let name = literal(&quote_identifier(table.table()));
            format!("({}, {schema} || '.' || {name})", literal(&table.to_string()))
        })
        .collect();
    format!(
        "SELECT t.name FROM (VALUES {}) AS t (name, full_name) WHERE pg_catalog.to_regclass(t.full_name) IS NOT NULL",
        rows.join(", ")
    )
}

/// The names in the answer to [`list_sql`].
pub fn read(rows: &Rows) -> Vec<String> {
    rows.iter().filter_map(|row| row.first().cloned().flatten()).collect()
}
