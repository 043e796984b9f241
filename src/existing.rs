//! Looks for tables that pending files are about to create. In: reviewed files, a history. Out: SQL, and the names that
//! exist. A history without rows beside such tables is most likely another tool's database. Never writes.

use crate::history::Reading;
use crate::postgres::literal;
use crate::postgres::session::Rows;
use crate::review::{Reviewed, created_tables};
use crate::settings::{Policy, Settings, TableName};

/// The tables to look for: none where the history has rows, or where existing tables are allowed.
pub fn wanted(settings: &Settings, reading: &Reading, reviewed: &[Reviewed<'_>]) -> Vec<TableName> {
    if reading.applied.is_empty() && settings.when_existing == Policy::Refuse {
        created_tables(reviewed)
    } else {
        Vec::new()
    }
}

/// One statement that lists those of `tables` that exist; a name without a schema is looked for where it would be
/// created. Asks the catalogue, which everybody may read: `to_regclass` fails without USAGE on the schema.
pub fn list_sql(tables: &[TableName]) -> String {
    if tables.is_empty() {
        return "SELECT NULL WHERE false".to_owned();
    }
    let rows: Vec<String> = tables
        .iter()
        .map(|table| {
            let schema = table.schema().map_or_else(|| "pg_catalog.current_schema()".to_owned(), literal);
            let (shown, name) = (literal(&table.to_string()), literal(table.table()));
            format!("({shown}, {schema}::pg_catalog.name, {name}::pg_catalog.name)")
        })
        .collect();
    format!(
        "SELECT t.shown FROM (VALUES {}) AS t (shown, schema_name, table_name) \
         JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) t.schema_name \
         JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid \
         AND c.relname OPERATOR(pg_catalog.=) t.table_name",
        rows.join(", ")
    )
}

/// The names in the answer to [`list_sql`].
pub fn read(rows: &Rows) -> Vec<String> {
    rows.iter().filter_map(|row| row.first().cloned().flatten()).collect()
}
