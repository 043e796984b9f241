//! The same done without standing in the way. In: names and texts of a statement. Out: SQL to put in its place, that can
//! be pasted as it is but for the `…` of a backfill.

use super::statement::Reader;
use crate::migrations::script::Words;
use crate::settings::TableName;

/// The first line of a file that runs outside a transaction.
const DIRECTIVE: &str = "-- schemagate: no-transaction";
/// What stands between two files.
const THEN: &str = "-- and in the file after it:";

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

/// The name that PostgreSQL itself would give: `orders_total_check`.
pub(super) fn own_name(table: &TableName, columns: &[String], what: &str) -> String {
    let mut parts = vec![table.table()];
    parts.extend(columns.iter().map(String::as_str));
    let head = parts.join("_");
    // As long as a name may be.
    let room = head.floor_char_boundary(62_usize.saturating_sub(what.len()));
    format!("{}_{what}", head.get(..room.min(head.len())).unwrap_or_default())
}

/// The columns of a list; an expression has none.
pub(super) fn columns(list: Words<'_>) -> Vec<String> {
    list.parts().into_iter().filter_map(|mut part| part.identifier().filter(|_| part.token() != "(")).collect()
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
pub(super) fn not_null(table: &TableName, column: &str, version: u32) -> String {
    let constraint = own_name(table, &[column.to_owned()], "not_null");
    let column = identifier(column);
    if version >= 18 {
        return not_valid(table, &constraint, &format!("NOT NULL {column}"));
    }
    let first = not_valid(table, &constraint, &format!("CHECK ({column} IS NOT NULL)"));
    let (table, constraint) = (name(table), identifier(&constraint));
    format!(
        "{first}\n{THEN}\nALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\n\
         ALTER TABLE {table} DROP CONSTRAINT {constraint};"
    )
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

/// A column without its default, which only new rows get at first.
pub(super) fn default_later(
    table: &TableName,
    column: &str,
    data_type: &str,
    default: &str,
    not_null_in: Option<u32>,
) -> String {
    let last = not_null_in.map(|version| later(&not_null(table, column, version))).unwrap_or_default();
    let (named, quoted) = (name(table), identifier(column));
    format!(
        "ALTER TABLE {named} ADD COLUMN {quoted} {data_type};\nALTER TABLE {named} ALTER COLUMN {quoted} SET DEFAULT {default};\n\
         {}{last}",
        backfill(table, column, "DEFAULT")
    )
}

fn later(sql: &str) -> String {
    format!("\n-- and in a later release:\n{sql}")
}

/// A column that is numbered by a sequence, in new rows at first.
pub(super) fn numbered(table: &TableName, column: &str, data_type: &str) -> String {
    let data_type = match data_type.to_ascii_lowercase().as_str() {
        "serial" | "serial4" => "integer".to_owned(),
        "bigserial" | "serial8" => "bigint".to_owned(),
        "smallserial" | "serial2" => "smallint".to_owned(),
        _ => data_type.to_owned(),
    };
    let sequence = TableName::new(table.schema(), &own_name(table, &[column.to_owned()], "seq"));
    let (named, quoted, sequence) = (name(table), identifier(column), name(&sequence));
    format!(
        "ALTER TABLE {named} ADD COLUMN {quoted} {data_type};\nCREATE SEQUENCE {sequence} AS {data_type} OWNED BY {named}.{quoted};\n\
         ALTER TABLE {named} ALTER COLUMN {quoted} SET DEFAULT nextval('{}');\n{}",
        sequence.replace('\'', "''"),
        backfill(table, column, "DEFAULT")
    )
}

/// A column that is computed when it is read, where the server can; else one that others write.
pub(super) fn computed(table: &TableName, column: &str, data_type: &str, value: &str, reader: &Reader<'_>) -> String {
    let column = format!("ALTER TABLE {} ADD COLUMN {} {data_type}", name(table), identifier(column));
    if reader.version >= 18 {
        format!("{column} GENERATED ALWAYS AS ({value}) VIRTUAL;")
    } else {
        format!("{column};\n-- and have a trigger, or the application, write it")
    }
}

/// A column of another type beside the old one.
pub(super) fn other_type(table: &TableName, column: &str, data_type: &str, value: &str) -> String {
    let beside = own_name(&TableName::new(None, column), &[], "new");
    let (named, old, new) = (name(table), identifier(column), identifier(&beside));
    let drop = format!("ALTER TABLE {named} DROP COLUMN {old};\nALTER TABLE {named} RENAME COLUMN {new} TO {old};");
    format!(
        "ALTER TABLE {named} ADD COLUMN {new} {data_type};\n-- write both from now on\n{}{}",
        backfill(table, &beside, value),
        later(&drop)
    )
}

/// A column first, and what is asked of it after that.
pub(super) fn column_first(table: &TableName, column: &str, definition: &str, then: &str) -> String {
    format!("ALTER TABLE {} ADD COLUMN {} {definition};\n{then}", name(table), identifier(column))
}
