//! Owns the one history table: its SQL, its rows. In: a table name and a session's answers. Out: what is applied, and
//! the statements that create the table and record a migration. The rows are refinery's own. Never runs a migration.

pub mod drizzle;
mod progress;
pub mod runs;

use std::fmt;

use crate::migrations::{Checksum, Migration, Version, VersionWidth};
use crate::postgres::literal;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Rows;
use crate::postgres::startup::NONCE_SETTING;
use crate::settings::TableName;

pub use drizzle::{DrizzleHistory, DrizzleRecord, HalfDone, Mirror};
pub use runs::TrailTable;

const READ: &str = include_str!("read.sql");
/// How many statements [`read_sql`] holds.
pub const READ_STATEMENTS: usize = 3;

/// One row of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its version.
    pub version: Version,
    /// Its name, without prefix and version.
    pub name: String,
    /// When it was applied, as the row says it.
    pub applied_on: Option<String>,
    /// The checksum recorded.
    pub checksum: Checksum,
}

impl fmt::Display for AppliedMigration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}__{}", self.version, one_line(&self.name))
    }
}

/// The history table as it stands in the database, or as it is going to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryTable {
    /// Its full name.
    pub name: TableName,
    /// Whether it exists.
    pub exists: bool,
    /// Whether its schema exists.
    pub schema_exists: bool,
    /// The width of its version column; of a table to be made, what the migrations need.
    pub width: VersionWidth,
}

/// What one reading found.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The table.
    pub table: HistoryTable,
    /// Its rows, by version.
    pub applied: Vec<AppliedMigration>,
    /// The nonce as the session reads it back.
    pub nonce: Option<String>,
    /// The backend's process id.
    pub backend_pid: i32,
    /// Whether the server is in recovery.
    pub in_recovery: bool,
    /// Whether transactions are read-only by default.
    pub read_only: bool,
    /// Whether the table is absent or empty while `refinery_schema_history` holds rows.
    pub refinery_has_rows: bool,
    /// Migrations of which an earlier run did what stands before their COMMIT.
    pub half_done: Vec<HalfDone>,
    /// WAL position and server time, where the server is not in recovery.
    pub point: Option<(String, String)>,
    /// The server's clock.
    pub time: Option<String>,
    /// The table of the audit trail.
    pub trail: TrailTable,
    /// Drizzle's own table, where the migrations are drizzle-kit's and it exists.
    pub drizzle: Option<DrizzleHistory>,
}

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The query failed.
    #[error("cannot read the history table {table}: {source}")]
    Query {
        /// The table.
        table: TableName,
        /// The failure.
        source: QueryError,
    },
    /// The relation is not a history table.
    #[error("{table} is no history table: {reason}; it has ({columns})")]
    Shape {
        /// The relation.
        table: TableName,
        /// What is wrong with it.
        reason: &'static str,
        /// Its columns and their types.
        columns: String,
    },
    /// A row cannot be read as a migration's.
    #[error("{table} holds a row that is no migration's: version {version}, name {name}, checksum {checksum}")]
    Row {
        /// The table.
        table: TableName,
        /// The version as text.
        version: String,
        /// The name as text.
        name: String,
        /// The checksum as text.
        checksum: String,
    },
    /// Two rows have one version.
    #[error("{table} holds version {version} twice")]
    Twice {
        /// The table.
        table: TableName,
        /// The version.
        version: Version,
    },
    /// The search_path names no schema that exists, and the table's name gives none.
    #[error("no schema to create {table} in: the search_path names none that exists")]
    NoSchema {
        /// The table.
        table: TableName,
    },
    /// The relation that is said to be Drizzle's is not.
    #[error("{table} is not a history table of Drizzle's")]
    NotDrizzle {
        /// The relation.
        table: TableName,
    },
    /// The configured table has no rows, but refinery's own default table has.
    #[error(
        "{table} is absent or empty, but refinery_schema_history has rows: this database was migrated under that name"
    )]
    Elsewhere {
        /// The configured table.
        table: TableName,
    },
    /// The relation of the audit trail's name is something else.
    #[error("{table} is no audit trail of schemagate's; it has ({columns})")]
    TrailShape {
        /// The relation.
        table: TableName,
        /// Its columns and their types.
        columns: String,
    },
    /// The role may not write the audit trail that is there.
    #[error("this role may not write the audit trail {table}")]
    TrailNotWritable {
        /// Its table.
        table: TableName,
    },
    /// The role may not read the audit trail.
    #[error("this role may not read the audit trail {table}")]
    TrailNotReadable {
        /// Its table.
        table: TableName,
    },
    /// The answer is not what the query asks for.
    #[error("the answer about {table} is incomplete")]
    Incomplete {
        /// The table.
        table: TableName,
    },
}

/// The message that reads everything about the history in one round trip; it works on a standby and with SELECT only.
pub fn read_sql(table: &TableName) -> String {
    READ.replace("$schemagate$", &block_tag(&table.quoted()))
        .replace("{history}", &literal(&table.quoted()))
        .replace("{schema}", &table.schema().map_or_else(|| "NULL::text".to_owned(), literal))
        .replace("{runs}", &literal(runs::TABLE))
        .replace("{nonce_setting}", NONCE_SETTING)
}

/// The dollar quotes of a block of ours: a name in it may hold anything, also what ends the block.
pub(crate) fn block_tag(text: &str) -> String {
    let mut tag = "$schemagate$".to_owned();
    // What ends like a tag would, with the first character of its own, end before it.
    while text.contains(&tag) || text.ends_with(&tag[..tag.len() - 1]) {
        tag = tag.replace("$schema", "$_schema");
    }
    tag
}

/// Reads the answer to [`read_sql`], which are the last statements of `answer`.
///
/// # Errors
/// [`HistoryError`] where the table or a row is not a history's.
pub fn read(wanted: &TableName, answer: &[Rows]) -> Result<Reading, HistoryError> {
    let incomplete = || HistoryError::Incomplete { table: wanted.clone() };
    let [_, facts, rows] = answer.last_chunk::<READ_STATEMENTS>().ok_or_else(incomplete)?;
    let facts = facts.first().ok_or_else(incomplete)?;
    let fact = |column: usize| facts.get(column).and_then(Option::as_deref);
    let applied = applied(wanted, rows)?;
    let table = table(wanted, fact(5), fact(6) == Some("t"), fact(7), fact(8), fact(9))?;
    let trail = runs::Facts {
        encoding: fact(12),
        kind: fact(13),
        columns: fact(14),
        may_read: fact(15) == Some("t"),
        may_write: fact(16) == Some("t"),
        may_create: fact(17) == Some("t"),
    };
    Ok(Reading {
        trail: TrailTable::read(&table.name, &trail),
        time: fact(11).map(ToOwned::to_owned),
        table,
        applied,
        nonce: fact(0).map(ToOwned::to_owned),
        backend_pid: fact(1).and_then(|pid| pid.parse().ok()).ok_or_else(incomplete)?,
        in_recovery: fact(2) == Some("t"),
        read_only: fact(3) == Some("on"),
        refinery_has_rows: fact(4) == Some("true"),
        point: fact(10).zip(fact(11)).map(|(wal, time)| (wal.to_owned(), time.to_owned())),
        drizzle: None,
        half_done: Vec::new(),
    })
}

fn table(
    wanted: &TableName,
    current_schema: Option<&str>,
    schema_exists: bool,
    schema: Option<&str>,
    kind: Option<&str>,
    columns: Option<&str>,
) -> Result<HistoryTable, HistoryError> {
    let Some(found) = schema else {
        let schema = wanted.schema().or(current_schema);
        let schema = schema.ok_or_else(|| HistoryError::NoSchema { table: wanted.clone() })?;
        let name = TableName::new(Some(schema), wanted.table());
        return Ok(HistoryTable { name, exists: false, schema_exists, width: VersionWidth::Int4 });
    };
    let name = TableName::new(Some(found), wanted.table());
    let columns = columns.unwrap_or_default();
    let shape = |reason| HistoryError::Shape { table: name.clone(), reason, columns: columns.to_owned() };
    match kind {
        // Permanent.
        Some("p") => {}
        Some("u") => return Err(shape("it is unlogged, so that a crash of the server empties it")),
        Some("t") => return Err(shape("it is a temporary or toast table")),
        _ => return Err(shape("it is not a table")),
    }
    let kind_of = |column: &str| columns.split(", ").find_map(|entry| entry.strip_prefix(column)?.strip_prefix(' '));
    let width = match kind_of("version") {
        Some("integer") => VersionWidth::Int4,
        Some("bigint") => VersionWidth::Int8,
        Some(_) => return Err(shape("`version` is neither integer nor bigint")),
        None => return Err(shape("it has no column `version`")),
    };
    for column in ["name", "applied_on", "checksum"] {
        if !matches!(kind_of(column), Some("character varying" | "text")) {
            return Err(shape("it needs `name`, `applied_on` and `checksum` as text"));
        }
    }
    Ok(HistoryTable { name, exists: true, schema_exists: true, width })
}

fn applied(table: &TableName, rows: &Rows) -> Result<Vec<AppliedMigration>, HistoryError> {
    let mut applied = rows.iter().map(|row| migration_of(table, row)).collect::<Result<Vec<_>, _>>()?;
    applied.sort_by_key(|row| row.version);
    match applied.windows(2).find(|pair| pair[0].version == pair[1].version) {
        Some(pair) => Err(HistoryError::Twice { table: table.clone(), version: pair[0].version }),
        None => Ok(applied),
    }
}

fn migration_of(table: &TableName, row: &[Option<String>]) -> Result<AppliedMigration, HistoryError> {
    let field = |column: usize| row.get(column).and_then(Option::as_deref);
    let read = || {
        Some(AppliedMigration {
            version: Version::new(field(0)?.parse().ok()?),
            name: field(1)?.to_owned(),
            applied_on: field(2).map(one_line),
            checksum: field(3)?.parse().ok()?,
        })
    };
    read().ok_or_else(|| {
        let cut = |text: &str| one_line(text).chars().take(80).collect::<String>();
        let shown = |column| field(column).map_or_else(|| "NULL".to_owned(), |text| format!("\"{}\"", cut(text)));
        HistoryError::Row { table: table.clone(), version: shown(0), name: shown(1), checksum: shown(3) }
    })
}

/// Text of a row as it can be shown: a line feed or an escape sequence in it must not break a table or a terminal.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

impl HistoryTable {
    /// Statements that create the table, and its schema where that is missing: `CREATE SCHEMA IF NOT EXISTS` wants a
    /// privilege even where the schema exists, so it is sent only where it does not.
    pub fn create_sql(&self) -> String {
        let schema = match self.name.schema() {
            Some(schema) if !self.schema_exists => {
                format!("CREATE SCHEMA IF NOT EXISTS {}; ", crate::settings::quote_identifier(schema))
            }
            _ => String::new(),
        };
        let width = match self.width {
            VersionWidth::Int4 => "int4",
            VersionWidth::Int8 => "int8",
        };
        format!(
            "{schema}CREATE TABLE IF NOT EXISTS {} (version pg_catalog.{width} PRIMARY KEY, \
             name pg_catalog.varchar(255), applied_on pg_catalog.varchar(255), checksum pg_catalog.varchar(255))",
            self.name.quoted()
        )
    }

    /// The statement that records `migration`; it fails unless it runs in the transaction `transaction_id`, so that a
    /// file that ended its transaction is never recorded, and unless the row is written.
    pub fn record_sql(&self, migration: &Migration, transaction_id: &str) -> String {
        format!(
            "WITH written AS ({insert} RETURNING version) \
             SELECT CASE WHEN (SELECT pg_catalog.count(*) FROM written WHERE version OPERATOR(pg_catalog.=) {version}) \
             OPERATOR(pg_catalog.=) 1 THEN true ELSE pg_catalog.current_setting('{ROW_SETTING}')::pg_catalog.bool END",
            insert = self.insert_sql(migration, transaction_id),
            version = migration.version(),
        )
    }

    /// As [`Self::record_sql`], but that it does not look whether the row is written: [`Self::prove_sql`] does, with the
    /// COMMIT.
    pub fn insert_sql(&self, migration: &Migration, transaction_id: &str) -> String {
        let checksum = migration.checksum(self.width).map_or_else(String::new, |checksum| checksum.to_string());
        format!(
            "INSERT INTO {table} (version, name, applied_on, checksum) VALUES (\
             CASE WHEN pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text OPERATOR(pg_catalog.=) {id} \
             THEN {version} ELSE pg_catalog.current_setting('{FENCE_SETTING}')::pg_catalog.int4 END, {name}, \
             pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
             '{checksum}')",
            table = self.name.quoted(),
            id = literal(transaction_id),
            version = migration.version(),
            name = literal(migration.name()),
        )
    }

    /// The statement that fails unless the table holds `rows` rows and, of them, those of `migrations`: to be sent with
    /// the COMMIT and before it, so that nothing is committed that the history does not say.
    pub fn prove_sql<'a>(&self, migrations: impl Iterator<Item = &'a Migration>, rows: usize) -> String {
        let (mut versions, mut checksums, mut count) = (Vec::new(), Vec::new(), 0_usize);
        for migration in migrations {
            versions.push(migration.version().to_string());
            checksums.push(migration.checksum(self.width).map_or_else(String::new, |checksum| checksum.to_string()));
            count += 1;
        }
        format!(
            "SELECT CASE WHEN (SELECT pg_catalog.count(*) FROM {table}) OPERATOR(pg_catalog.=) {rows} \
             AND (SELECT pg_catalog.count(*) FROM {table} h \
             JOIN ROWS FROM (pg_catalog.unnest('{{{versions}}}'::pg_catalog.int8[]), \
             pg_catalog.unnest('{{{checksums}}}'::pg_catalog.text[])) AS e (version, checksum) ON h.version OPERATOR(pg_catalog.=) e.version \
             AND h.checksum::pg_catalog.text OPERATOR(pg_catalog.=) e.checksum) OPERATOR(pg_catalog.=) {count} \
             THEN true ELSE pg_catalog.current_setting('{ROW_SETTING}')::pg_catalog.bool END",
            table = self.name.quoted(),
            versions = versions.join(","),
            checksums = checksums.join(","),
        )
    }

    /// The statement that reads back the versions from `first` to `last`.
    pub fn versions_sql(&self, first: Version, last: Version) -> String {
        format!("SELECT version FROM {} WHERE version BETWEEN {first} AND {last}", self.name.quoted())
    }
}

/// A setting that never exists: reading it is how the record statement fails outside its transaction.
pub const FENCE_SETTING: &str = "schemagate.transaction_has_ended";
/// Another one: how a statement fails where the history does not hold what it must.
pub const ROW_SETTING: &str = "schemagate.history_has_been_changed";
