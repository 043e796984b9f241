//! Drizzle's own history table: what it records, and the statements that keep it in step. In: a table name, a session's
//! answer. Out: rows, SQL. Matches nothing and runs nothing.

use super::{HistoryError, block_tag, progress};
use crate::migrations::{DrizzleRow, Layout, Version};
use crate::postgres::literal;
use crate::postgres::session::Rows;
use crate::settings::{TableName, quote_identifier};

const READ: &str = include_str!("drizzle.sql");
/// How many statements [`read_sql`] holds.
pub const DRIZZLE_STATEMENTS: usize = 4;

/// One row of Drizzle's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrizzleRecord {
    /// Its id, as text.
    pub id: String,
    /// The SHA-256 of the file, as Drizzle saw it.
    pub hash: String,
    /// `when` of the journal in milliseconds; the column may be NULL.
    pub created_at_ms: Option<i64>,
    /// The folder's name, in the table of version 1.
    pub name: Option<String>,
}

/// Drizzle's table as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrizzleHistory {
    /// Its full name.
    pub table: TableName,
    /// Whether it has the columns of version 1.
    pub named: bool,
    /// Its rows, by id.
    pub rows: Vec<DrizzleRecord>,
}

/// The message that reads Drizzle's table and what is half done beside the history, whether they exist or not.
pub fn read_sql(table: &TableName, history: &TableName) -> String {
    let (name, history) = (literal(&table.quoted()), literal(&history.quoted()));
    READ.replace("$schemagate$", &block_tag(&format!("{name}{history}")))
        .replace("{drizzle}", &name)
        .replace("{history}", &history)
        .replace("{progress}", &literal(progress::TABLE))
}

/// What an earlier run did of a migration: what stands before its COMMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HalfDone {
    /// The migration.
    pub version: Version,
    /// The checksum of the part that is done.
    pub checksum: String,
}

/// Reads the answer to [`read_sql`]; no history where there is no such table.
///
/// # Errors
/// [`HistoryError`] where the relation is not Drizzle's, or a row cannot be read.
pub fn read(wanted: &TableName, answer: &[Rows]) -> Result<(Option<DrizzleHistory>, Vec<HalfDone>), HistoryError> {
    let incomplete = || HistoryError::Incomplete { table: wanted.clone() };
    let [_, facts, rows, parts] = answer else { return Err(incomplete()) };
    let half_done = parts.iter().filter_map(|row| half_done(row)).collect();
    let Some(facts) = facts.first() else { return Ok((None, half_done)) };
    let fact = |column: usize| facts.get(column).and_then(Option::as_deref);
    let table = TableName::new(fact(0), fact(1).ok_or_else(incomplete)?);
    if !matches!(fact(2), Some("r" | "p")) || fact(4) != Some("t") {
        return Err(HistoryError::NotDrizzle { table });
    }
    let rows = rows.iter().map(|row| record(&table, row)).collect::<Result<_, _>>()?;
    Ok((Some(DrizzleHistory { table, named: fact(3) == Some("true"), rows }), half_done))
}

fn half_done(row: &[Option<String>]) -> Option<HalfDone> {
    let version = Version::new(row.first()?.as_ref()?.parse().ok()?);
    Some(HalfDone { version, checksum: row.get(1)?.clone()? })
}

fn record(table: &TableName, row: &[Option<String>]) -> Result<DrizzleRecord, HistoryError> {
    let field = |column: usize| row.get(column).cloned().flatten();
    let fault = || HistoryError::NotDrizzle { table: table.clone() };
    Ok(DrizzleRecord {
        id: field(0).ok_or_else(fault)?,
        hash: field(1).unwrap_or_default(),
        created_at_ms: field(2).map(|text| text.parse().map_err(|_| fault())).transpose()?,
        name: field(3),
    })
}

/// How Drizzle's table is written to while migrations are applied.
#[derive(Debug, Clone)]
pub struct Mirror {
    table: TableName,
    named: bool,
}

impl Mirror {
    /// For the table as it stands.
    pub fn of(history: &DrizzleHistory) -> Self {
        Self { table: history.table.clone(), named: history.named }
    }

    /// For a table that is made by this run, as Drizzle itself would make it for this layout.
    pub fn new(table: &TableName, layout: Layout) -> Self {
        Self { table: table.clone(), named: layout == Layout::Folders }
    }

    /// Makes the table where the role may, so that Drizzle finds what is installed; where it may not, nothing is made.
    pub fn create_sql(&self) -> String {
        let schema = self.table.schema().unwrap_or("public");
        let named = if self.named { ", name text, applied_at timestamptz DEFAULT pg_catalog.now()" } else { "" };
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {} (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint{named})",
            self.table.quoted()
        );
        let body = format!(
            "DECLARE schema_id oid := (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = {schema}); \
             BEGIN \
             IF schema_id IS NULL AND pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') THEN \
             EXECUTE {create_schema}; EXECUTE {create}; \
             ELSIF pg_catalog.has_schema_privilege(schema_id, 'CREATE') THEN EXECUTE {create}; END IF; END",
            schema = literal(schema),
            create_schema = literal(&format!("CREATE SCHEMA {}", quote_identifier(schema))),
            create = literal(&create)
        );
        block(&body)
    }

    /// Writes Drizzle's row, if the table is there and lacks it.
    pub fn record_sql(&self, row: &DrizzleRow) -> String {
        let table = self.table.quoted();
        let (hash, when) = (literal(&row.hash), row.created_at_ms);
        let (columns, values, same) = match self.named {
            true => {
                let name = literal(&row.name);
                (", name", format!(", {name}"), format!("name OPERATOR(pg_catalog.=) {name}"))
            }
            false => (
                "",
                String::new(),
                format!("created_at OPERATOR(pg_catalog.=) {when} AND hash OPERATOR(pg_catalog.=) {hash}"),
            ),
        };
        let body = format!(
            "BEGIN IF pg_catalog.to_regclass({name}) IS NOT NULL THEN \
             INSERT INTO {table} (hash, created_at{columns}) SELECT {hash}, {when}{values} \
             WHERE NOT EXISTS (SELECT FROM {table} WHERE {same}); END IF; END",
            name = literal(&table)
        );
        block(&body)
    }
}

fn block(body: &str) -> String {
    let tag = block_tag(body);
    format!("DO {tag}{body}{tag}")
}
