//! Takes a database of unknown origin as being at a version. In: reviewed files up to it. Out: what is to be recorded,
//! and the tables that must exist for it. Asks nothing by itself.

use super::{Adopted, Adoption, Reason};
use crate::existing;
use crate::migrations::{Migration, MigrationSet, ReadError, Version};
use crate::postgres::session::Rows;
use crate::settings::TableName;

/// A set up to a version, and the tables that it leaves.
#[derive(Debug, Clone)]
pub struct Baseline<'a> {
    /// What is to be recorded.
    pub adoption: Adoption<'a>,
    /// The tables that the files create and do not drop again.
    pub tables: Vec<TableName>,
}

impl<'a> Baseline<'a> {
    /// Reads the files up to `version`.
    ///
    /// # Errors
    /// [`ReadError`] where a file is not the one that was taken in.
    pub fn at(set: &'a MigrationSet, version: Version) -> Result<Self, ReadError> {
        let mut tables: Vec<TableName> = Vec::new();
        let mut adoption = Adoption::default();
        for migration in set.iter().take_while(|migration| migration.version() <= version) {
            let text = migration.read()?;
            let sql = Migration::statements_text(&text);
            let judgement = migration.judge(sql);
            tables.retain(|table| !judgement.gone.has(table));
            tables.extend(judgement.creates);
            adoption.adopted.push(Adopted { migration, reason: Reason::Baseline });
        }
        tables.dedup();
        Ok(Self { adoption, tables })
    }
}

/// The tables that do not exist, by the answer to [`existing::list_sql`].
pub fn missing(wanted: &[TableName], found: &Rows) -> Vec<String> {
    let found = existing::read(found);
    wanted.iter().map(ToString::to_string).filter(|table| !found.contains(table)).collect()
}
