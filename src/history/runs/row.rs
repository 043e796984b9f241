//! One row of the audit trail: its columns, its fields as they are hashed, its hash. In: fields. Out: a typed row, the
//! text that is hashed. The one list of columns is here; never sends anything.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ChainFault;

/// A column of the table.
pub(super) struct Column {
    pub(super) name: &'static str,
    kind: Kind,
    pub(super) required: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int4,
    Int8,
    Text,
    Json,
    Time,
}

const fn column(name: &'static str, kind: Kind, required: bool) -> Column {
    Column { name, kind, required }
}

/// Every column but the last two, which make the chain, in the order of the table and of the hash.
pub(super) const FIELDS: &[Column] = &[
    column("sequence", Kind::Int8, true),
    column("run_id", Kind::Text, true),
    column("command", Kind::Text, true),
    column("history_table", Kind::Text, true),
    column("started_at", Kind::Time, true),
    column("finished_at", Kind::Time, true),
    column("outcome", Kind::Text, true),
    column("exit_code", Kind::Int4, true),
    column("migrations", Kind::Json, true),
    column("database_role", Kind::Text, true),
    column("client_address", Kind::Text, false),
    column("schemagate_version", Kind::Text, true),
    column("git_commit", Kind::Text, false),
    column("deployment_id", Kind::Text, false),
    column("error", Kind::Text, false),
];
/// What makes the chain of the rows.
pub(super) const CHAIN: &[Column] = &[column("previous_hash", Kind::Text, false), column("hash", Kind::Text, true)];

impl Column {
    /// The type as a CREATE TABLE has it, whatever the search_path.
    pub(super) fn type_sql(&self) -> &'static str {
        match self.kind {
            Kind::Int4 => "pg_catalog.int4",
            Kind::Int8 => "pg_catalog.int8",
            Kind::Text => "pg_catalog.text",
            Kind::Json => "pg_catalog.json",
            Kind::Time => "pg_catalog.timestamptz",
        }
    }

    /// The type as the catalogue shows it.
    fn type_shown(&self) -> &'static str {
        match self.kind {
            Kind::Int4 => "integer",
            Kind::Int8 => "bigint",
            Kind::Text => "text",
            Kind::Json => "json",
            Kind::Time => "timestamp with time zone",
        }
    }

    /// The value as it is hashed and read: times in one form, whatever DateStyle and time zone say.
    pub(super) fn value_sql(&self) -> String {
        let name = self.name;
        match self.kind {
            Kind::Time => format!("pg_catalog.to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
            Kind::Json => format!("{name}::pg_catalog.text"),
            Kind::Int4 | Kind::Int8 | Kind::Text => name.to_owned(),
        }
    }
}

/// The columns and types of the table, as the catalogue lists them.
pub(super) fn shape() -> String {
    let shown: Vec<String> =
        FIELDS.iter().chain(CHAIN).map(|column| format!("{} {}", column.name, column.type_shown())).collect();
    shown.join(", ")
}

/// The hash of a row, as the server computes it.
pub(super) fn hash_sql() -> String {
    let values: Vec<String> = CHAIN.iter().take(1).chain(FIELDS).map(Column::value_sql).collect();
    format!(
        "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.json_build_array({})::pg_catalog.text, \
         'UTF8')), 'hex')",
        values.join(", ")
    )
}

/// One row, its fields exactly as they are hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its number, from 1 and without a gap.
    pub sequence: i64,
    /// The run. One that adopts and applies has two rows.
    pub run_id: String,
    /// `up` or `adopt`.
    pub command: String,
    /// The history table of the run.
    pub history_table: String,
    /// The server's clock when the run first looked.
    pub started_at: String,
    /// The server's clock when the row was written.
    pub finished_at: String,
    /// `applied`, `adopted` or `failed`.
    pub outcome: String,
    /// What the process exits with.
    pub exit_code: i64,
    /// What the run has applied or adopted, as JSON text.
    pub migrations: String,
    /// The role that logged in.
    pub database_role: String,
    /// Where the connection came from; none over a Unix socket.
    pub client_address: Option<String>,
    /// schemagate's own version.
    pub schemagate_version: String,
    /// The commit of the release.
    pub git_commit: Option<String>,
    /// The deployment.
    pub deployment_id: Option<String>,
    /// Why a run failed, in short.
    pub error: Option<String>,
    /// The hash of the row before.
    pub previous_hash: Option<String>,
    /// SHA-256 over the row before and all other fields, in hexadecimal.
    pub hash: String,
}

/// A migration as a row records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMigration {
    /// Its version; none for a row of another tool that was passed over.
    pub version: Option<i64>,
    /// Its file, or the row that was passed over.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
    /// How long it took; none where it was not run, or where the answer was lost.
    pub duration_ms: Option<u64>,
    /// Why it was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// What it was adopted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Row {
    /// A row from the server's answer.
    pub(super) fn read(values: &[Option<String>], number: i64) -> Result<Self, ChainFault> {
        let unreadable = |reason: String| ChainFault::Unreadable { sequence: number, reason };
        let mut fields = serde_json::Map::new();
        for (column, value) in FIELDS.iter().chain(CHAIN).zip(values) {
            let value = match (column.kind, value) {
                (_, None) => serde_json::Value::Null,
                (Kind::Int4 | Kind::Int8, Some(text)) => {
                    text.parse::<i64>().map_err(|error| unreadable(error.to_string()))?.into()
                }
                (Kind::Text | Kind::Json | Kind::Time, Some(text)) => text.clone().into(),
            };
            fields.insert(column.name.to_owned(), value);
        }
        serde_json::from_value(fields.into()).map_err(|error| unreadable(error.to_string()))
    }

    /// The hash that its fields have.
    pub fn computed_hash(&self) -> String {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let or_null = |value: &Option<String>| value.as_deref().map_or_else(|| "null".to_owned(), text);
        let fields = [
            or_null(&self.previous_hash),
            self.sequence.to_string(),
            text(&self.run_id),
            text(&self.command),
            text(&self.history_table),
            text(&self.started_at),
            text(&self.finished_at),
            text(&self.outcome),
            self.exit_code.to_string(),
            text(&self.migrations),
            text(&self.database_role),
            or_null(&self.client_address),
            text(&self.schemagate_version),
            or_null(&self.git_commit),
            or_null(&self.deployment_id),
            or_null(&self.error),
        ];
        hex(&Sha256::digest(format!("[{}]", fields.join(", "))))
    }

    /// What it says was applied or adopted; nothing where that cannot be read.
    pub fn migrations(&self) -> Vec<RunMigration> {
        serde_json::from_str(&self.migrations).unwrap_or_default()
    }
}

/// The SHA-256 of a file's text.
pub fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A chain of `count` rows.
    pub(in super::super) fn chain(count: i64) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for sequence in 1..=count {
            let mut row = Row {
                sequence,
                run_id: format!("run{sequence}"),
                command: "up".to_owned(),
                history_table: "drizzle.__migrations__".to_owned(),
                started_at: "2026-11-22T10:00:00.000000Z".to_owned(),
                finished_at: "2026-11-22T10:00:01.000000Z".to_owned(),
                outcome: "applied".to_owned(),
                exit_code: 0,
                migrations: format!(
                    r#"[{{"version":{sequence},"file":"V{sequence}__a.sql","sha256":"00","duration_ms":1}}]"#
                ),
                database_role: "deploy".to_owned(),
                client_address: None,
                schemagate_version: "0.1.0".to_owned(),
                git_commit: Some("abc".to_owned()),
                deployment_id: None,
                error: None,
                previous_hash: rows.last().map(|row| row.hash.clone()),
                hash: String::new(),
            };
            row.hash = row.computed_hash();
            rows.push(row);
        }
        rows
    }

    #[test]
    fn the_list_of_columns_is_the_row() {
        let value = serde_json::to_value(&chain(1)[0]).unwrap();
        let mut named: Vec<&str> = FIELDS.iter().chain(CHAIN).map(|column| column.name).collect();
        named.sort_unstable();
        let mut held: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        held.sort_unstable();
        assert_eq!(named, held);
    }

    #[test]
    fn every_field_is_hashed() {
        let row = chain(2).remove(1);
        let whole = serde_json::to_value(&row).unwrap();
        for name in FIELDS.iter().map(|column| column.name).chain(["previous_hash"]) {
            let mut altered = whole.clone();
            altered[name] = if whole[name].is_i64() { 77.into() } else { "other".into() };
            let altered: Row = serde_json::from_value(altered).unwrap();
            assert_ne!(altered.computed_hash(), row.hash, "{name}");
        }
    }

    #[test]
    fn an_absent_value_is_not_hashed_as_the_word_null() {
        let mut row = chain(1).remove(0);
        row.git_commit = None;
        let absent = row.computed_hash();
        row.git_commit = Some("null".to_owned());
        assert_ne!(row.computed_hash(), absent);
    }
}
