//! What the pending files do to tables that exist, weighed by how large these are. In: reviewed files, a session. Out: the
//! statements in short, the tables touched, a judgement of what may block for long. Reads only; a size that is not to be
//! had stays unknown.

mod findings;
mod tables;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::effects::{Blocks, Claim, Effect, effects};
use crate::migrations::script::{Place, Statements, brief, place_of};
use crate::migrations::{Migration, MigrationSet, ReadError};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::review::Reviewed;
use crate::settings::{Atomicity, TableName};

pub use findings::Weighted;
pub use tables::Table;

/// A table of this size is written or read for minutes: who waits that long counts as an outage.
pub const ERROR_BYTES: u64 = 1 << 30;
/// A table of this size is written or read for seconds.
pub const WARNING_BYTES: u64 = 100 << 20;
/// How much of each statement is shown.
const BRIEF_CHARS: usize = 48;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Weighed {
    /// The statements of each migration in short, in the order of the migrations.
    pub statements: Vec<Vec<String>>,
    /// The tables that exist and are touched, by name.
    pub tables: Vec<Touched>,
    /// What may block for long, the worst first.
    pub judgements: Vec<Judgement>,
    /// What lint finds besides, the worst first.
    pub findings: Vec<Weighted>,
}

/// A table that is touched.
#[derive(Debug, Clone)]
pub struct Touched {
    /// The table.
    pub table: Table,
    /// The files that touch it.
    pub by: Vec<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Others wait for a moment.
    Note,
    /// Others wait for seconds, or it is not known how long.
    Warning,
    /// Others wait for minutes or longer.
    Error,
}

impl Level {
    /// The word users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// By the bytes that are written or read while others wait.
    fn of(bytes: Option<u64>) -> Self {
        match bytes {
            Some(bytes) if bytes >= ERROR_BYTES => Self::Error,
            Some(bytes) if bytes < WARNING_BYTES => Self::Note,
            Some(_) | None => Self::Warning,
        }
    }
}

/// A statement that takes the longer the larger its table is, while others wait.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// How bad it is.
    pub level: Level,
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The table.
    pub table: Table,
    /// Whether the table is written anew; else it is read.
    pub rewrite: Claim,
    /// Whether it is read.
    pub scan: Claim,
    /// What waits.
    pub blocks: Blocks,
    /// What PostgreSQL does.
    pub why: &'static str,
    /// The same without standing in the way, as SQL.
    pub safe: Option<String>,
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = match (self.rewrite, self.scan) {
            (Claim::Yes, _) => "writes anew all of",
            (Claim::Perhaps, _) => "may write anew all of",
            (Claim::No, Claim::Yes) => "reads all of",
            (Claim::No, _) => "may read all of",
        };
        let Self { file, line, column, table, blocks, why, .. } = self;
        write!(f, "{file}:{line}:{column}: {does} {} and {} meanwhile: {why}", table.name, blocks.words())
    }
}

/// One statement's effect, before the table is known.
struct Found {
    migration: usize,
    /// The line on which its statement starts.
    starts: usize,
    line: usize,
    column: usize,
    effect: Effect,
}

/// Weighs what the files do against this database. What a comment in a file allows is weighed all the same: who wrote it did
/// not see this table.
///
/// # Errors
/// [`WeighError`] where a file cannot be read again, or the connection is gone.
pub async fn weigh(
    session: &Session,
    set: &MigrationSet,
    migrations: &[&Reviewed<'_>],
    atomicity: Atomicity,
) -> Result<Weighed, WeighError> {
    let mut weighed = Weighed::default();
    let version = session.server.major_version;
    let mut found = Vec::new();
    for (at, reviewed) in migrations.iter().enumerate() {
        weighed.statements.push(read(reviewed, at, version, &mut found)?);
    }
    let names: Vec<_> = found.iter().map(|found| &found.effect.relation).collect();
    let tables = tables::look(session, &names).await?;
    let file = |at: usize| migrations.get(at).map_or("", |reviewed| reviewed.migration.file());
    let worked_on = |at_file: &str, line: usize| {
        let here = found.iter().filter(|found| file(found.migration) == at_file && found.starts == line);
        here.filter_map(|found| tables.get(&found.effect.relation)).max_by_key(|table| table.bytes).cloned()
    };
    let versions: Vec<_> = migrations.iter().map(|reviewed| reviewed.migration.version()).collect();
    weighed.findings = findings::find(&set.only(&versions), version, atomicity, worked_on)?;
    let mut touched: BTreeMap<String, Touched> = BTreeMap::new();
    let mut validated: HashSet<TableName> = HashSet::new();
    for Found { migration, line, column, effect, .. } in found {
        let Some(table) = tables.get(&effect.relation) else { continue };
        let file = file(migration);
        let entry = touched.entry(table.name.clone());
        let entry = entry.or_insert_with(|| Touched { table: table.clone(), by: Vec::new() });
        if entry.by.last().is_none_or(|last| last != file) {
            entry.by.push(file.to_owned());
        }
        if effect.fact.name == "VALIDATE" {
            validated.insert(effect.relation.clone());
        }
        // It finds the constraint that is valid by then, and reads nothing.
        let proven = effect.fact.name == "SET_NOT_NULL" && validated.contains(&effect.relation);
        if effect.blocks_long() && !proven {
            weighed.judgements.push(judged(file, line, column, table, effect));
        }
    }
    weighed.tables = touched.into_values().collect();
    // The order of the files stays among those that are as bad.
    weighed.judgements.sort_by_key(|judgement| std::cmp::Reverse(judgement.level));
    Ok(weighed)
}

fn judged(file: &str, line: usize, column: usize, table: &Table, effect: Effect) -> Judgement {
    Judgement {
        level: Level::of(table.bytes),
        file: file.to_owned(),
        line,
        column,
        table: table.clone(),
        rewrite: effect.rewrite,
        scan: effect.scan,
        blocks: effect.lock.blocks(),
        why: effect.why,
        safe: effect.safe,
    }
}

/// The statements of one file in short; their effects go into `found`.
fn read(reviewed: &Reviewed<'_>, at: usize, version: u32, found: &mut Vec<Found>) -> Result<Vec<String>, ReadError> {
    let text = reviewed.migration.read()?;
    let sql = reviewed.judgement.sent(Migration::statements_text(&text));
    let mut short = Vec::new();
    for statement in Statements::new(&sql) {
        let part = sql.get(statement.range.clone()).unwrap_or_default();
        short.push(brief(part, BRIEF_CHARS));
        for effect in effects(part, version) {
            let place = place_of(&sql, statement.range.start + effect.at);
            let Place { line, column, .. } = place;
            found.push(Found { migration: at, starts: statement.line, line, column, effect });
        }
    }
    Ok(short)
}

/// Why nothing could be weighed.
#[derive(Debug)]
pub enum WeighError {
    /// A file cannot be read again.
    Read(ReadError),
    /// The connection is gone, or the catalogue is not to be read.
    Query(QueryError),
}

impl From<ReadError> for WeighError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<QueryError> for WeighError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_grows_with_the_size_and_an_unknown_size_is_a_warning() {
        let levels =
            [Some(0), Some(WARNING_BYTES - 1), Some(WARNING_BYTES), Some(ERROR_BYTES - 1), Some(ERROR_BYTES), None];
        let expected = [Level::Note, Level::Note, Level::Warning, Level::Warning, Level::Error, Level::Warning];
        assert_eq!(levels.map(Level::of), expected);
    }
}
