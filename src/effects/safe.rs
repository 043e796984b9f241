//! The same done without standing in the way. In: names and texts of a statement. Out: SQL to put in its place.

use super::statement::Reader;
use crate::migrations::script::Words;
use crate::settings::TableName;

/// The first line of a file that runs outside a transaction.
const DIRECTIVE: &str = "-- schemagate: no-transaction";

/// A name as it would be written: in quotes only where it needs them.
pub(super) fn name(name: &TableName) -> String {
    let schema = name.schema().map(|schema| format!("{}.", identifier(schema))).unwrap_or_default();
    format!("{schema}{}", identifier(name.table()))
}

pub(super) fn identifier(text: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts && text.chars().all(plain) { text.to_owned() } else { crate::settings::quote_identifier(text) }
}

/// A file of its own that holds this statement.
pub(super) fn alone(statement: &str) -> String {
    format!("{DIRECTIVE}\n{statement};")
}

/// A `CREATE INDEX` with `CONCURRENTLY` before its name, in a file of its own.
pub(super) fn concurrently(text: &str, at: Words<'_>, all: Words<'_>) -> Option<String> {
    let (head, tail) = text.split_at_checked(at.start()?.checked_sub(all.start()?)?)?;
    Some(alone(&format!("{head}CONCURRENTLY {tail}")))
}

/// A constraint that is not checked at first, and a file of its own that checks it.
pub(super) fn not_valid(table: &TableName, constraint: Option<&str>, definition: &str) -> String {
    let constraint = constraint.map_or_else(|| "constraint_name".to_owned(), identifier);
    let table = name(table);
    let validate = alone(&format!("ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}"));
    format!(
        "ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition} NOT VALID;\n-- and in a file of its own:\n{validate}"
    )
}

/// `SET NOT NULL` without reading the table under its lock.
pub(super) fn not_null(table: &TableName, column: &str, reader: &Reader<'_>) -> String {
    let constraint = format!("{}_{column}_not_null", table.table());
    let column = identifier(column);
    if reader.version >= 18 {
        return not_valid(table, Some(&constraint), &format!("NOT NULL {column}"));
    }
    let first = not_valid(table, Some(&constraint), &format!("CHECK ({column} IS NOT NULL)"));
    let (table, constraint) = (name(table), identifier(&constraint));
    format!(
        "{first}\n-- and in the file after it:\nALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\n\
         ALTER TABLE {table} DROP CONSTRAINT {constraint};"
    )
}

/// A unique constraint on an index that was built concurrently.
pub(super) fn using_index(table: &TableName, constraint: Option<&str>, kind: &str, columns: &str) -> String {
    let constraint = constraint.map_or_else(|| "constraint_name".to_owned(), identifier);
    let table = name(table);
    let index = alone(&format!("CREATE UNIQUE INDEX CONCURRENTLY {constraint} ON {table} {columns}"));
    format!(
        "{index}\n-- and in the file after it:\nALTER TABLE {table} ADD CONSTRAINT {constraint} {kind} USING INDEX {constraint};"
    )
}

/// A column without its default, which only new rows get at first.
pub(super) fn default_later(table: &TableName, column: &str, data_type: &str, default: &str, not_null: bool) -> String {
    let last = if not_null {
        format!("\n-- and in a later release:\n{}", not_null_at_last(table, column))
    } else {
        String::new()
    };
    let (table, column) = (name(table), identifier(column));
    format!(
        "ALTER TABLE {table} ADD COLUMN {column} {data_type};\nALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default};\n\
         -- and, a batch of rows at a time, outside the deployment:\nUPDATE {table} SET {column} = DEFAULT WHERE {column} IS NULL AND …;{last}"
    )
}

fn not_null_at_last(table: &TableName, column: &str) -> String {
    format!("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL;", name(table), identifier(column))
}
