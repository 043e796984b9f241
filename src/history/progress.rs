//! The table of migrations that are half done: the part before its COMMIT is done, what follows is not yet. In: the
//! history table, beside which it is. Out: SQL. A row lives from that COMMIT until the migration's own row is written.

use super::HistoryTable;
use crate::migrations::{Migration, Version};
use crate::postgres::literal;
use crate::settings::TableName;

/// The table's name, in the history's schema.
pub const TABLE: &str = "__migration_progress__";

impl HistoryTable {
    pub(crate) fn progress(&self) -> TableName {
        TableName::new(self.name.schema(), TABLE)
    }

    /// Whether there is such a table.
    pub fn find_progress_sql(&self) -> String {
        format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", literal(&self.progress().quoted()))
    }

    /// Makes the table; its schema is the history's.
    pub fn create_progress_sql(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (version pg_catalog.int8 PRIMARY KEY, checksum pg_catalog.text NOT NULL, \
             committed_on pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp())",
            self.progress().quoted()
        )
    }

    /// Reads the checksum of the text whose first part is done.
    pub fn read_part_sql(&self, version: Version) -> String {
        format!("SELECT checksum FROM {} WHERE version = {version}", self.progress().quoted())
    }

    /// Records that the first part, of this text, is done.
    pub fn record_part_sql(&self, migration: &Migration, part: &str) -> String {
        format!(
            "INSERT INTO {} (version, checksum) VALUES ({}, {})",
            self.progress().quoted(),
            migration.version(),
            literal(&migration.part_checksum(part))
        )
    }

    /// Takes the record back, with the migration's own row.
    pub fn forget_part_sql(&self, version: Version) -> String {
        format!("DELETE FROM {} WHERE version = {version}", self.progress().quoted())
    }
}
