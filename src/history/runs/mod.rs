//! The audit trail: one row for each run that took the lock, beside the history, append-only, each with the hash of the
//! one before. In: a session's answers, what a run did. Out: SQL that makes the table and writes the row; typed rows and
//! whether their chain is whole. Never decides when a row is due.

mod chain;
mod document;
mod record;
mod row;
mod trail;

pub use chain::{ChainFault, verify};
pub use document::{FORMAT, verify_document};
pub use record::{RunCommand, RunFacts, RunOutcome, TrailWriter};
pub use row::{Row, RunMigration, sha256};
pub use trail::{Trail, read, system_identifier};

use crate::settings::TableName;

/// The table's name, in the history's schema.
pub const TABLE: &str = "__migration_runs__";
/// The function that refuses to change a row, in the same schema.
const REFUSE: &str = "__migration_runs_are_kept__";
/// Its body. Where the catalogue has another, somebody has replaced it: this text is part of what is promised.
const REFUSE_BODY: &str = " BEGIN RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = \
    pg_catalog.format('%I.%I is append-only: a row of the audit trail is never changed or removed', \
    TG_TABLE_SCHEMA, TG_TABLE_NAME); END ";

/// The table as one reading found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailTable {
    /// Its full name.
    pub name: TableName,
    /// The history table that it is about.
    pub history: TableName,
    /// Whether it is there, and what the role may do with it.
    pub found: Found,
    /// Whether the database's encoding is another than UTF-8, so that it may not hold every character.
    pub ascii_only: bool,
}

/// How the table was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It does not exist.
    Missing {
        /// Whether the role may make it.
        may_create: bool,
    },
    /// It exists.
    There {
        /// Whether the role may read it.
        may_read: bool,
        /// Whether the role may write rows.
        may_write: bool,
    },
    /// A relation of that name is something else.
    Other {
        /// Its columns and their types.
        columns: String,
    },
}

/// What the reading of the history asks of the table besides, in the order of [`TrailTable::read`].
pub(super) struct Facts<'a> {
    pub(super) encoding: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) columns: Option<&'a str>,
    pub(super) may_read: bool,
    pub(super) may_write: bool,
    pub(super) may_create: bool,
}

impl TrailTable {
    /// The same, for a role of which nothing is known but that it may write.
    #[must_use]
    pub fn for_another_role(self) -> Self {
        let found = match self.found {
            Found::Missing { .. } => Found::Missing { may_create: true },
            Found::There { .. } => Found::There { may_read: true, may_write: true },
            other @ Found::Other { .. } => other,
        };
        Self { found, ..self }
    }

    pub(super) fn read(history: &TableName, facts: &Facts<'_>) -> Self {
        let columns = facts.columns.unwrap_or_default();
        let found = match facts.kind {
            None => Found::Missing { may_create: facts.may_create },
            // Permanent, and a table.
            Some("p") if columns == row::shape() => {
                Found::There { may_read: facts.may_read, may_write: facts.may_read && facts.may_write }
            }
            Some(_) => Found::Other { columns: columns.to_owned() },
        };
        let ascii_only = facts.encoding != Some("UTF8");
        let name = TableName::new(history.schema(), TABLE);
        Self { name, history: history.clone(), found, ascii_only }
    }
}
