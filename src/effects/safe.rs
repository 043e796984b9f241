//! The same done without standing in the way. In: names and texts of a statement. Out: SQL to put in its place, that can
//! be pasted as it is but for the `…` of a backfill.

use super::names;
use crate::migrations::script::Words;
use crate::settings::TableName;

/// The first line of a file that runs outside a transaction.
const DIRECTIVE: &str = "-- schemagate: no-transaction";
/// What stands between two files.
pub(super) const THEN: &str = "-- and in the file after it:";

/// A name as it would be written: in quotes only where it needs them.
pub(crate) fn name(name: &TableName) -> String {
    let schema = name.schema().map(|schema| format!("{}.", identifier(schema))).unwrap_or_default();
    format!("{schema}{}", identifier(name.table()))
}

pub(super) fn identifier(text: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts && text.chars().all(plain) { text.to_owned() } else { crate::settings::quote_identifier(text) }
}

/// A name for what is only used on the way, cut where it is too long.
pub(super) fn own_name(table: &TableName, columns: &[String], what: &str) -> String {
    let mut parts = vec![table.table()];
    parts.extend(columns.iter().map(String::as_str));
    let head = parts.join("_");
    // As long as a name may be.
    let room = head.floor_char_boundary(62_usize.saturating_sub(what.len()));
    format!("{}_{what}", head.get(..room.min(head.len())).unwrap_or_default())
}

/// A file of its own that holds this statement.
pub(super) fn alone(statement: &str) -> String {
    format!("{DIRECTIVE}\n{statement};")
}

/// A `CREATE INDEX` with `CONCURRENTLY` before its name, in a file of its own; `name` where it had none.
pub(super) fn concurrently(text: &str, at: Words<'_>, all: Words<'_>, name: Option<&str>) -> Option<String> {
    let (head, tail) = text.split_at_checked(at.start()?.checked_sub(all.start()?)?)?;
    let name = name.map(|name| format!("{} ", identifier(name))).unwrap_or_default();
    Some(alone(&format!("{head}CONCURRENTLY {name}{tail}")))
}

/// A constraint that is not checked at first, and a file of its own that checks it.
pub(super) fn not_valid(table: &TableName, constraint: &str, definition: &str) -> String {
    let (table, constraint) = (name(table), identifier(constraint));
    let validate = alone(&format!("ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}"));
    format!("ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition} NOT VALID;\n{THEN}\n{validate}")
}

/// `SET NOT NULL` without reading the table under its lock.
pub(super) fn not_null(table: &TableName, column: &str, named: Option<&str>, version: u32) -> Option<String> {
    let given = named.map(str::to_owned).or_else(|| names::given(table, &[column.to_owned()], "not_null"));
    let constraint = own_name(table, &[column.to_owned()], "not_null");
    let column = identifier(column);
    if version >= 18 {
        return Some(not_valid(table, &given?, &format!("NOT NULL {column}")));
    }
    let first = not_valid(table, &constraint, &format!("CHECK ({column} IS NOT NULL)"));
    let (table, constraint) = (name(table), identifier(&constraint));
    Some(format!(
        "{first}\n{THEN}\nALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\n\
         ALTER TABLE {table} DROP CONSTRAINT {constraint};"
    ))
}

/// A unique constraint on an index that was built concurrently: `list` is what stands behind the table in the index,
/// `tail` what stands behind the constraint.
pub(super) fn using_index(table: &TableName, constraint: &str, kind: &str, list: &str, tail: &str) -> String {
    let (table, constraint) = (name(table), identifier(constraint));
    let index = alone(&format!("CREATE UNIQUE INDEX CONCURRENTLY {constraint} ON {table} {list}"));
    let tail = if tail.is_empty() { String::new() } else { format!(" {tail}") };
    // Else every row is read for it.
    let first = if kind == "PRIMARY KEY" { "-- its columns are NOT NULL already, or are made so first\n" } else { "" };
    format!(
        "{index}\n{THEN}\n{first}ALTER TABLE {table} ADD CONSTRAINT {constraint} {kind} USING INDEX {constraint}{tail};"
    )
}

/// What fills a column that was added empty.
fn backfill(table: &TableName, column: &str, value: &str) -> String {
    let (table, column) = (name(table), identifier(column));
    format!(
        "-- and, a batch of rows at a time, outside the deployment:\n\
         UPDATE {table} SET {column} = {value} WHERE {column} IS NULL AND …;"
    )
}

/// A column without its default, which only new rows get at first; `rest` is what is asked of it after that.
pub(super) fn default_later(table: &TableName, column: &str, data_type: &str, default: &str, rest: &str) -> String {
    let (named, quoted) = (name(table), identifier(column));
    format!(
        "ALTER TABLE {named} ADD COLUMN {quoted} {data_type};\nALTER TABLE {named} ALTER COLUMN {quoted} SET DEFAULT {default};\n\
         {}{}",
        backfill(table, column, "DEFAULT"),
        later(rest)
    )
}

fn later(sql: &str) -> String {
    if sql.is_empty() { String::new() } else { format!("\n-- and in a later release:\n{sql}") }
}

/// A column that is numbered by a sequence, in new rows at first; `rest` is what is asked of it after that.
pub(super) fn numbered(table: &TableName, column: &str, serial: &str, rest: &str) -> Option<String> {
    let data_type = match serial.to_ascii_lowercase().as_str() {
        "serial" | "serial4" => "integer",
        "bigserial" | "serial8" => "bigint",
        _ => "smallint",
    };
    let sequence = TableName::new(table.schema(), &names::given(table, &[column.to_owned()], "seq")?);
    let (named, quoted, sequence) = (name(table), identifier(column), name(&sequence));
    Some(format!(
        "ALTER TABLE {named} ADD COLUMN {quoted} {data_type};\nCREATE SEQUENCE {sequence} AS {data_type} OWNED BY {named}.{quoted};\n\
         ALTER TABLE {named} ALTER COLUMN {quoted} SET DEFAULT nextval('{}');\n{}{}",
        sequence.replace('\'', "''"),
        backfill(table, column, "DEFAULT"),
        later(rest)
    ))
}

/// A column of another type beside the old one.
pub(super) fn other_type(table: &TableName, column: &str, data_type: &str, value: &str) -> String {
    let beside = own_name(&TableName::new(None, column), &[], "new");
    let (named, old, new) = (name(table), identifier(column), identifier(&beside));
    let drop = format!("ALTER TABLE {named} DROP COLUMN {old};\nALTER TABLE {named} RENAME COLUMN {new} TO {old};");
    format!(
        "ALTER TABLE {named} ADD COLUMN {new} {data_type};\n-- write both from now on\n{}\n\
         -- then make again on it what the old one has: default, NOT NULL, constraints, indexes, views, grants{}",
        backfill(table, &beside, value),
        later(&drop)
    )
}

/// A column first, and what is asked of it after that.
pub(super) fn column_first(table: &TableName, column: &str, definition: &str, then: &str) -> String {
    format!("ALTER TABLE {} ADD COLUMN {} {definition};\n{THEN}\n{then}", name(table), identifier(column))
}
