//! What the pending files do to tables that exist, weighed by how large these are. In: reviewed files, a session. Out: the
//! statements in short, the tables touched, a judgement of what may block for long. Reads only; a table that is not found
//! and a size that is not to be had are judged as lint does.

mod findings;
mod names;
mod steps;
mod tables;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::effects::{Blocks, Claim, LockMode, RelationKind};
use crate::migrations::script::brief;
use crate::migrations::{Migration, MigrationSet, ReadError};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::review::Reviewed;
use crate::settings::{Atomicity, TableName};

use names::{Meaning, Names};
use steps::{At, Step, Work};

pub use findings::Weighted;
pub use tables::Table;

/// A table of this size is written or read for minutes: who waits that long counts as an outage.
pub const ERROR_BYTES: u64 = 1 << 30;
/// A table of this size is written or read for seconds.
pub const WARNING_BYTES: u64 = 100 << 20;
/// How much of each statement is kept.
const BRIEF_CHARS: usize = 600;
/// Of these, all partitions and children are a part; anything else works on a table that is not partitioned by itself.
const TO_CHILDREN: [&str; 9] = [
    "ADD_COLUMN_VOLATILE",
    "ADD_COLUMN_FUNCTION",
    "ADD_COLUMN_SERIAL",
    "ADD_COLUMN_STORED",
    "ADD_COLUMN_CHECK",
    "COLUMN_TYPE",
    "SET_NOT_NULL",
    "ADD_CHECK",
    "VALIDATE",
];
const DEFAULT_READ: &str = "its rows may belong in the new partition, unless a valid CHECK says already that none does";

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

    /// By the bytes that are written or read while others wait; where these are not known, as lint has it.
    fn of(bytes: Option<u64>, without: Self) -> Self {
        match bytes {
            Some(bytes) if bytes >= ERROR_BYTES => Self::Error,
            Some(bytes) if bytes < WARNING_BYTES => Self::Note,
            Some(_) => Self::Warning,
            None => without,
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
    /// What is written or read of it, in bytes: partitions and children only where they are a part of it.
    pub bytes: Option<u64>,
    /// What the statement calls it, where the release has renamed it before.
    pub called: Option<String>,
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
        let called = self.called.as_ref().map_or_else(String::new, |called| format!(" (here {called})"));
        write!(f, "{file}:{line}:{column}: {does} {}{called} and {} meanwhile: {why}", table.name, blocks.words())
    }
}

/// What a statement works on, now that its names are known.
enum Found {
    /// The table of this id, or one that the database does not have.
    Work(Option<u32>, Box<Work>),
    /// The default partition of this id is read for a new one.
    Default(u32, At),
}

impl Found {
    fn at(&self) -> At {
        match self {
            Self::Work(_, work) => work.at,
            Self::Default(_, at) => *at,
        }
    }

    fn table(&self) -> Option<u32> {
        match self {
            Self::Work(oid, _) => *oid,
            Self::Default(oid, _) => Some(*oid),
        }
    }
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
    let mut steps = Vec::new();
    for (at, reviewed) in migrations.iter().enumerate() {
        weighed.statements.push(read(reviewed, at, version, &mut steps)?);
    }
    let wanted: Vec<&TableName> = steps.iter().flat_map(Step::names).collect();
    let names = tables::names(session, &wanted).await?;
    let found = find(steps, names);
    let tables = tables::look(session, &found.iter().filter_map(Found::table).collect()).await?;
    let file = |at: At| migrations.get(at.migration).map_or("", |reviewed| reviewed.migration.file());
    let worked_on = |at_file: &str, line: usize| {
        let here = found.iter().filter(|found| file(found.at()) == at_file && found.at().starts == line);
        here.filter_map(|found| tables.get(&found.table()?)).max_by_key(|table| table.bytes).cloned()
    };
    let versions: Vec<_> = migrations.iter().map(|reviewed| reviewed.migration.version()).collect();
    weighed.findings = findings::find(&set.only(&versions), version, atomicity, worked_on)?;
    weighed.tables = touched(&found, &tables, file);
    weighed.judgements = judge(found, &tables, file);
    // The order of the files stays among those that are as bad.
    weighed.judgements.sort_by_key(|judgement| std::cmp::Reverse(judgement.level));
    Ok(weighed)
}

/// The statements of one file in short; what they do goes into `steps`.
fn read(reviewed: &Reviewed<'_>, at: usize, version: u32, steps: &mut Vec<Step>) -> Result<Vec<String>, ReadError> {
    let text = reviewed.migration.read()?;
    let sql = reviewed.judgement.sent(Migration::statements_text(&text));
    let mut short = Vec::new();
    steps::read(&sql, at, version, steps, |statement| short.push(brief(statement, BRIEF_CHARS)));
    Ok(short)
}

/// What works on tables that the release does not make itself.
fn find(steps: Vec<Step>, mut names: Names) -> Vec<Found> {
    let mut found = Vec::new();
    for step in steps {
        names.follow(&step);
        match step {
            Step::Work(work) => match names.meaning(&work.effect.relation) {
                Some(Meaning::New) => {}
                Some(Meaning::Exists(oid)) => found.push(Found::Work(Some(oid), work)),
                None => found.push(Found::Work(None, work)),
            },
            Step::Partition { parent, default: false, at, .. } => {
                found.extend(names.default_of(&parent).map(|default| Found::Default(default, at)));
            }
            _ => {}
        }
    }
    found
}

fn touched<'f>(found: &[Found], tables: &HashMap<u32, Table>, file: impl Fn(At) -> &'f str) -> Vec<Touched> {
    let mut touched: BTreeMap<String, Touched> = BTreeMap::new();
    for found in found {
        let Some(table) = found.table().and_then(|oid| tables.get(&oid)) else { continue };
        let file = file(found.at());
        let entry = touched.entry(table.name.clone());
        let entry = entry.or_insert_with(|| Touched { table: table.clone(), by: Vec::new() });
        if entry.by.last().is_none_or(|last| last != file) {
            entry.by.push(file.to_owned());
        }
    }
    touched.into_values().collect()
}

fn judge<'f>(found: Vec<Found>, tables: &HashMap<u32, Table>, file: impl Fn(At) -> &'f str) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    let mut validated: HashSet<String> = HashSet::new();
    for found in found {
        let (at, known) = (found.at(), found.table().and_then(|oid| tables.get(&oid)));
        match found {
            Found::Default(..) => judgements.extend(known.map(|table| default_read(file(at), at, table))),
            Found::Work(_, work) => {
                let table = known.cloned().unwrap_or_else(|| Table::unknown(&work.effect.relation));
                if work.effect.fact.name == "VALIDATE" {
                    validated.insert(table.name.clone());
                }
                // It finds the constraint that is valid by then, or that there can be no NULL, and reads nothing.
                let not_null = work.column.as_ref().is_some_and(|column| table.not_null.contains(column));
                let proven = work.effect.fact.name == "SET_NOT_NULL" && (not_null || validated.contains(&table.name));
                if work.effect.blocks_long() && !proven {
                    judgements.push(judged(file(at), table, *work));
                }
            }
        }
    }
    judgements
}

fn judged(file: &str, table: Table, work: Work) -> Judgement {
    let Work { at, effect, only, .. } = work;
    let all = !only && (table.partitioned || TO_CHILDREN.contains(&effect.fact.name));
    let bytes = if all { table.bytes } else { table.own_bytes };
    let certain = effect.rewrite.max(effect.scan) == Claim::Yes;
    let renamed = effect.kind != RelationKind::Index && table.bare != effect.relation.table();
    Judgement {
        level: Level::of(bytes, if certain { Level::Error } else { Level::Warning }),
        file: file.to_owned(),
        line: at.line,
        column: at.column,
        bytes,
        called: renamed.then(|| effect.relation.to_string()),
        table,
        rewrite: effect.rewrite,
        scan: effect.scan,
        blocks: effect.lock.blocks(),
        why: effect.why,
        safe: effect.safe,
    }
}

fn default_read(file: &str, at: At, table: &Table) -> Judgement {
    Judgement {
        level: Level::of(table.bytes, Level::Warning),
        file: file.to_owned(),
        line: at.line,
        column: at.column,
        table: table.clone(),
        bytes: table.bytes,
        called: None,
        rewrite: Claim::No,
        scan: Claim::Perhaps,
        blocks: LockMode::AccessExclusive.blocks(),
        why: DEFAULT_READ,
        safe: None,
    }
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
    use crate::effects::FACTS;

    #[test]
    fn the_level_grows_with_the_size_and_is_that_of_lint_where_that_is_not_known() {
        let sizes = [0, WARNING_BYTES - 1, WARNING_BYTES, ERROR_BYTES - 1, ERROR_BYTES];
        let expected = [Level::Note, Level::Note, Level::Warning, Level::Warning, Level::Error];
        assert_eq!(sizes.map(|size| Level::of(Some(size), Level::Warning)), expected);
        assert_eq!([Level::Warning, Level::Error].map(|lints| Level::of(None, lints)), [Level::Warning, Level::Error]);
    }

    #[test]
    fn the_facts_that_are_named_here_are_facts() {
        for name in TO_CHILDREN.iter().chain(&["VALIDATE", "SET_NOT_NULL"]) {
            assert!(FACTS.iter().any(|fact| fact.name == *name), "{name}");
        }
    }
}
