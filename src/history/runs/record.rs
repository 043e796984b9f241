//! The statements that write the audit trail: its table with what keeps it, and a row. In: what a run did. Out: SQL for a
//! transaction that is open. The server numbers, times and hashes the row; nobody else can between the two statements.

use super::row::{CHAIN, FIELDS, hash_sql};
use super::{Found, REFUSE, REFUSE_BODY, RunMigration, TrailTable};
use crate::history::{HistoryError, block_tag};
use crate::postgres::literal;
use crate::postgres::lock::LockKey;
use crate::settings::{TableName, quote_identifier};

/// What a migration whose time the server is to fill in ends with.
const UNMEASURED: &str = "null}";
/// A reason needs no more.
const REASON_CHARS: usize = 500;

/// What every row of a run says of it.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Tells the run from every other.
    pub run_id: String,
    /// The server's clock at its first look, as text.
    pub started_at: Option<String>,
    /// The commit of the release.
    pub git_commit: Option<String>,
    /// The deployment.
    pub deployment_id: Option<String>,
}

/// What a run was told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunCommand {
    /// Apply what is pending.
    Up,
    /// Record what another tool has applied.
    Adopt,
}

impl RunCommand {
    fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Adopt => "adopt",
        }
    }
}

/// How a run ended, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// It did what it was told.
    Done,
    /// It did not.
    Failed {
        /// What the process exits with.
        exit_code: u8,
        /// Why, in short.
        reason: String,
    },
}

/// Writes the rows of one run.
#[derive(Debug, Clone)]
pub struct TrailWriter {
    table: TrailTable,
    facts: RunFacts,
}

impl TrailTable {
    /// What writes the rows of a run; none where there is no table and the role may not make one.
    ///
    /// # Errors
    /// [`HistoryError::TrailShape`], [`HistoryError::TrailNotWritable`].
    pub fn writer(&self, facts: &RunFacts) -> Result<Option<TrailWriter>, HistoryError> {
        let table = self.name.clone();
        match &self.found {
            Found::Other { columns } => Err(HistoryError::TrailShape { table, columns: columns.clone() }),
            Found::There { may_write: false, .. } => Err(HistoryError::TrailNotWritable { table }),
            Found::Missing { may_create: false } => Ok(None),
            Found::There { .. } | Found::Missing { .. } => {
                Ok(Some(TrailWriter { table: self.clone(), facts: facts.clone() }))
            }
        }
    }
}

impl TrailWriter {
    /// The table that the rows go to.
    pub fn table(&self) -> &TableName {
        &self.table.name
    }

    /// The statements that write a row, unless the run has one for this command, and make the table where it is missing.
    /// `measured` are migrations of the open transaction: how long each took, the rows of the history say.
    pub fn record_sql(
        &self,
        command: RunCommand,
        outcome: &RunOutcome,
        migrations: &[RunMigration],
        measured: &[RunMigration],
    ) -> String {
        // Histories of one schema share the table, and each of them has a lock of its own.
        let lock = LockKey::for_table(&self.table.name).take_in_transaction_sql();
        let create = match self.table.found {
            Found::Missing { .. } => format!("{}; ", self.create_sql()),
            Found::There { .. } | Found::Other { .. } => String::new(),
        };
        let migrations = self.migrations_sql(migrations, measured);
        format!("{lock}; {create}{}", self.insert_sql(command, outcome, &migrations))
    }

    fn insert_sql(&self, command: RunCommand, outcome: &RunOutcome, migrations: &str) -> String {
        let facts = &self.facts;
        let (word, exit_code, error) = match (outcome, command) {
            (RunOutcome::Done, RunCommand::Up) => ("applied", 0, None),
            (RunOutcome::Done, RunCommand::Adopt) => ("adopted", 0, None),
            (RunOutcome::Failed { exit_code, reason }, _) => {
                ("failed", *exit_code, Some(reason.chars().take(REASON_CHARS).collect::<String>()))
            }
        };
        let columns: Vec<&str> = FIELDS.iter().chain(CHAIN).map(|column| column.name).collect();
        let taken: Vec<&str> = FIELDS.iter().chain(CHAIN.iter().take(1)).map(|column| column.name).collect();
        format!(
            "WITH last AS MATERIALIZED (SELECT sequence, hash FROM {table} ORDER BY sequence DESC LIMIT 1), \
             run AS MATERIALIZED (SELECT \
             COALESCE((SELECT sequence FROM last), 0) OPERATOR(pg_catalog.+) 1::pg_catalog.int8 AS sequence, \
             {run_id} AS run_id, {command} AS command, {history} AS history_table, \
             COALESCE({started_at}::pg_catalog.timestamptz, pg_catalog.clock_timestamp()) AS started_at, \
             pg_catalog.clock_timestamp() AS finished_at, {outcome} AS outcome, {exit_code}::pg_catalog.int4 AS exit_code, \
             {migrations}::pg_catalog.json AS migrations, session_user::pg_catalog.text AS database_role, \
             pg_catalog.host(pg_catalog.inet_client_addr()) AS client_address, {version} AS schemagate_version, \
             {git_commit} AS git_commit, {deployment_id} AS deployment_id, {error} AS error, \
             (SELECT hash FROM last) AS previous_hash \
             WHERE NOT EXISTS (SELECT FROM {table} WHERE run_id OPERATOR(pg_catalog.=) {run_id} \
             AND command OPERATOR(pg_catalog.=) {command})) \
             INSERT INTO {table} ({columns}) SELECT {taken}, {hash} FROM run",
            table = self.table.name.quoted(),
            run_id = text(Some(&facts.run_id)),
            command = text(Some(command.word())),
            history = text(Some(&self.table.history.to_string())),
            started_at = text(facts.started_at.as_deref()),
            outcome = text(Some(word)),
            version = text(Some(env!("CARGO_PKG_VERSION"))),
            git_commit = self.safe(facts.git_commit.as_deref()),
            deployment_id = self.safe(facts.deployment_id.as_deref()),
            error = self.safe(error.as_deref()),
            columns = columns.join(", "),
            taken = taken.join(", "),
            hash = hash_sql(),
        )
    }

    /// The migrations as JSON text, which the server completes with the times of those that it measured.
    fn migrations_sql(&self, migrations: &[RunMigration], measured: &[RunMigration]) -> String {
        let entries = |of: &[RunMigration]| of.iter().map(json_text).collect::<Vec<_>>().join(",");
        let known = entries(migrations);
        if measured.is_empty() {
            return literal(&format!("[{known}]"));
        }
        let known = if known.is_empty() { known } else { format!("{known},") };
        let versions: Vec<String> = measured.iter().filter_map(|it| Some(it.version?.to_string())).collect();
        format!(
            "(SELECT pg_catalog.concat({begin}, pg_catalog.string_agg(pg_catalog.concat(pg_catalog.left(m.entry, -{cut}), \
             COALESCE(m.took_ms::pg_catalog.text, 'null'), '}}'), ',' ORDER BY m.place), ']') FROM \
             (SELECT e.place, e.entry::pg_catalog.text AS entry, \
             GREATEST(0, (pg_catalog.date_part('epoch', h.at OPERATOR(pg_catalog.-) \
             pg_catalog.lag(h.at, 1, pg_catalog.transaction_timestamp()) OVER (ORDER BY e.place)) \
             OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8) AS took_ms \
             FROM ROWS FROM (pg_catalog.json_array_elements({measured}::pg_catalog.json), \
             pg_catalog.unnest({versions})) WITH ORDINALITY AS e (entry, version, place) \
             LEFT JOIN (SELECT version, applied_on::pg_catalog.timestamptz AS at FROM {history} \
             WHERE version OPERATOR(pg_catalog.=) ANY ({versions})) AS h \
             ON h.version OPERATOR(pg_catalog.=) e.version) \
             AS m)",
            begin = literal(&format!("[{known}")),
            cut = UNMEASURED.len(),
            measured = literal(&format!("[{}]", entries(measured))),
            history = self.table.history.quoted(),
            // By their versions and not by what the JSON says: reading a field of it would need every escape decoded. And no
            // other row is looked at, which may hold what is no time.
            versions = format!("'{{{}}}'::pg_catalog.int8[]", versions.join(",")),
        )
    }

    /// A text from outside, in characters that the database can hold: no release is to fail for the name of its commit.
    fn safe(&self, value: Option<&str>) -> String {
        let ascii = |value: &str| value.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect::<String>();
        match value {
            Some(value) if self.table.ascii_only => text(Some(&ascii(value))),
            other => text(other),
        }
    }

    /// One statement that makes the table, its schema where that is missing, and the triggers that keep its rows; nothing
    /// where another run has made it meanwhile.
    fn create_sql(&self) -> String {
        let TrailTable { name, .. } = &self.table;
        let schema = name.schema().unwrap_or_default();
        let columns: Vec<String> = FIELDS
            .iter()
            .chain(CHAIN)
            .map(|column| {
                let required = if column.required { " NOT NULL" } else { "" };
                let key = if column.name == "sequence" { " PRIMARY KEY" } else { required };
                format!("{} {}{key}", column.name, column.type_sql())
            })
            .collect();
        let function = TableName::new(name.schema(), REFUSE).quoted();
        let body = format!(
            "BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) {schema_name}) \
             THEN CREATE SCHEMA {schema}; END IF; \
             IF pg_catalog.to_regclass({name}) IS NULL THEN \
             CREATE TABLE {table} ({columns}); \
             IF pg_catalog.to_regprocedure({function_text}) IS NULL THEN \
             CREATE FUNCTION {function}() RETURNS pg_catalog.trigger LANGUAGE plpgsql \
             SET search_path = pg_catalog, pg_temp AS $refuse${REFUSE_BODY}$refuse$; END IF; \
             CREATE TRIGGER rows_are_kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}(); \
             CREATE TRIGGER table_is_kept BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}(); \
             ALTER TABLE {table} ENABLE ALWAYS TRIGGER rows_are_kept, ENABLE ALWAYS TRIGGER table_is_kept; \
             END IF; END",
            schema_name = literal(schema),
            schema = quote_identifier(schema),
            name = literal(&name.quoted()),
            table = name.quoted(),
            columns = columns.join(", "),
            function_text = literal(&format!("{function}()")),
        );
        let tag = block_tag(&body);
        format!("DO {tag}{body}{tag}")
    }
}

fn text(value: Option<&str>) -> String {
    format!("{}::pg_catalog.text", value.map_or_else(|| "NULL".to_owned(), literal))
}

/// A migration as JSON in ASCII: type json keeps any escape, in a database of any encoding.
fn json_text(migration: &RunMigration) -> String {
    let json = serde_json::to_string(migration).unwrap_or_default();
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            ascii.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_ascii_and_ends_where_its_time_goes() {
        let migration = RunMigration {
            version: Some(1),
            file: "süß/V1__🙂.sql".to_owned(),
            sha256: None,
            duration_ms: None,
            decision: None,
            source: None,
        };
        let text = json_text(&migration);
        assert!(text.is_ascii() && text.ends_with(UNMEASURED), "{text}");
        assert_eq!(serde_json::from_str::<RunMigration>(&text).unwrap(), migration);
    }
}
