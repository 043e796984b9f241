//! What a database holds, as lines that can be compared: every object with its definition, and how many rows each table
//! has. In: a session. Out: a [`Snapshot`]. Reads only.

use std::collections::BTreeSet;

use super::server_error::QueryError;
use super::session::{Rows, Session};

const OBJECTS_SQL: &str = include_str!("catalogue.sql");
/// Every table that holds rows of its own, by its quoted name.
const TABLES_SQL: &str = "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1";

/// A database at one moment. The values of sequences are no part of it: no transaction takes them back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeSet<String>,
}

impl Snapshot {
    /// Takes one.
    ///
    /// # Errors
    /// [`QueryError`] of the server or the connection.
    pub async fn take(session: &Session) -> Result<Self, QueryError> {
        let answer = session.query(&format!("{OBJECTS_SQL}; {TABLES_SQL}")).await?;
        let mut lines: BTreeSet<String> = answer.first().map(first_column).unwrap_or_default().into_iter().collect();
        let counts: Vec<String> =
            answer.get(1).map(first_column).unwrap_or_default().iter().map(|it| count_sql(it)).collect();
        if !counts.is_empty() {
            let answer = session.query(&counts.join(" UNION ALL ")).await?;
            lines.extend(answer.first().map(first_column).unwrap_or_default());
        }
        Ok(Self { lines })
    }

    /// The snapshot without the lines of which `left_out` says so.
    #[must_use]
    pub fn without(&self, left_out: impl Fn(&str) -> bool) -> Self {
        Self { lines: self.lines.iter().filter(|line| !left_out(line)).cloned().collect() }
    }

    /// What is there `after` and was not, with `+`, and what was and is not any more, with `-`.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let gone = self.lines.difference(&after.lines).map(|line| format!("- {line}"));
        let new = after.lines.difference(&self.lines).map(|line| format!("+ {line}"));
        gone.chain(new).collect()
    }

    /// Its lines, in order.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

fn count_sql(table: &str) -> String {
    let label = super::literal(&format!("rows {table} "));
    format!("SELECT {label} || pg_catalog.count(*)::text FROM {table}")
}

fn first_column(rows: &Rows) -> Vec<String> {
    rows.iter().filter_map(|row| row.first().cloned().flatten()).collect()
}
