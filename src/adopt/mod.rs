//! Records as applied, without running, what another tool has applied. In: migrations, a history, Drizzle's rows, what
//! people decided. Out: what is to be recorded, or everything that is ambiguous, at once. Writes nothing by itself.

mod baseline;
mod matching;
mod record;
mod renumber;

use std::fmt;

use crate::history::{AppliedMigration, DrizzleHistory, Reading};
use crate::migrations::{Migration, MigrationSet};
use crate::settings::TableName;

pub use baseline::{Baseline, missing};
pub use matching::find;
pub use record::{decisions, record_sql};
pub use renumber::renumber;

/// Why a migration is recorded without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Drizzle recorded it.
    Recorded {
        /// Drizzle's row.
        row: String,
    },
    /// Somebody said that it is applied.
    Marked,
    /// Somebody said that it is never to be run.
    Skipped,
    /// Somebody said that the database had it already.
    Baseline,
}

impl Reason {
    /// The word that is written down.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Recorded { .. } => "recorded",
            Self::Marked => "marked",
            Self::Skipped => "skipped",
            Self::Baseline => "baseline",
        }
    }
}

/// One migration to be recorded.
#[derive(Debug, Clone)]
pub struct Adopted<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// Why.
    pub reason: Reason,
}

/// What is to be recorded.
#[derive(Debug, Clone, Default)]
pub struct Adoption<'a> {
    /// Migrations, by version.
    pub adopted: Vec<Adopted<'a>>,
    /// Rows of Drizzle's that somebody said to pass over.
    pub passed_over: Vec<String>,
    /// Rows newer than every entry: Drizzle has applied what a later release has.
    pub newer: Vec<String>,
    /// Files whose line ends differ from what Drizzle hashed.
    pub other_line_ends: Vec<&'a str>,
}

/// What of Drizzle's table and the folder does not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ambiguity {
    /// A row without an entry.
    NoEntry {
        /// The row.
        row: String,
        /// When the migration was generated, as the row says it.
        when: String,
        /// Its hash, shortened, or its name.
        hash: String,
    },
    /// A row of an entry's time with another hash.
    OtherHash {
        /// The entry's file.
        file: String,
        /// The row.
        row: String,
        /// The hash recorded, shortened.
        recorded: String,
        /// The hash of the file, shortened.
        found: String,
    },
    /// A row of an entry's hash with another time.
    OtherTime {
        /// The entry's file.
        file: String,
        /// The row.
        row: String,
        /// The time recorded.
        recorded: String,
        /// The time of the entry.
        found: String,
    },
    /// An entry without a row, although a later one has one.
    NoRow {
        /// The entry's file.
        file: String,
        /// The later entry's file.
        later: String,
        /// Whether Drizzle goes by the newest row alone, as 0.x does; version 1 would run the file.
        for_ever: bool,
    },
}

impl Ambiguity {
    /// What is named to decide it: the entry, or the row.
    pub fn subject(&self) -> &str {
        match self {
            Self::NoEntry { row, .. } => row,
            Self::OtherHash { file, .. } | Self::OtherTime { file, .. } | Self::NoRow { file, .. } => file,
        }
    }
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntry { row, when, hash } => {
                write!(f, "{row}: no entry of the folder matches it (generated {when}, {hash})")
            }
            Self::OtherHash { file, row, recorded, found } => {
                write!(f, "{file}: {row} is of its time, but of another text (hash {recorded}, file {found})")
            }
            Self::OtherTime { file, row, recorded, found } => {
                write!(f, "{file}: {row} is of its text, but of another time ({recorded}, entry {found})")
            }
            Self::NoRow { file, later, for_ever } => {
                let why = match for_ever {
                    true => "; Drizzle passes such a file over for ever",
                    false => ": it was merged late, or its row is lost",
                };
                write!(f, "{file}: no row, although the later {later} has one{why}")
            }
        }
    }
}

/// What people decided about single entries and rows.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    /// Entries that count as applied, by tag.
    pub mark: Vec<String>,
    /// Entries that are never to be run, by tag; rows to be passed over, as `row-7`.
    pub skip: Vec<String>,
}

impl Decisions {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.mark.is_empty() && self.skip.is_empty()
    }
}

/// Why nothing can be adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Rows and entries do not fit together.
    #[error("{table} and the migrations do not fit together, in {}{}",
            crate::postgres::counted(.ambiguities.len(), "place"), list(.ambiguities))]
    Ambiguous {
        /// Drizzle's table.
        table: TableName,
        /// One line each.
        ambiguities: Vec<Ambiguity>,
    },
    /// A decision names nothing.
    #[error("nothing that could be decided is called {name:?}")]
    Unknown {
        /// The name, as given.
        name: String,
    },
    /// One name is both marked and skipped.
    #[error("{name:?} is both marked and skipped")]
    Twice {
        /// The name, as given.
        name: String,
    },
    /// There is no table of Drizzle's, and no baseline was given.
    #[error("there is nothing to adopt: {table} does not exist")]
    NoTable {
        /// Drizzle's table.
        table: TableName,
    },
    /// The migrations are not drizzle-kit's, and no baseline was given.
    #[error("there is nothing to adopt: the migrations are not drizzle-kit's")]
    NotDrizzle,
    /// A baseline for a history that has rows.
    #[error("{table} has {rows} rows already: a baseline is for a history without any")]
    HistoryHasRows {
        /// The history table.
        table: TableName,
        /// How many rows.
        rows: usize,
    },
    /// A baseline for a database whose Drizzle history has rows.
    #[error("{table} has {rows} rows: what is applied is known, and a baseline would pass them over")]
    DrizzleHasRows {
        /// Drizzle's table.
        table: TableName,
        /// How many rows.
        rows: usize,
    },
    /// Tables that the migrations up to the baseline create do not exist.
    #[error("the database is not at version {version}: missing are {}", .tables.join(", "))]
    TablesMissing {
        /// The baseline.
        version: i64,
        /// The tables.
        tables: Vec<String>,
    },
}

fn list(ambiguities: &[Ambiguity]) -> String {
    ambiguities.iter().map(|ambiguity| format!("\n  {ambiguity}")).collect()
}

impl AdoptError {
    /// Gives the way out.
    pub fn hints(&self) -> Vec<&'static str> {
        match self {
            Self::Ambiguous { .. } => vec![
                "look at each in the database, then decide it: `schemagate adopt --mark TAG` for one that is applied, \
                 `--skip TAG` for one that is never to be run, `--skip row-7` for a row to pass over; all in one call",
            ],
            Self::Unknown { .. } => vec!["`schemagate adopt --dry-run` shows what there is to decide"],
            Self::Twice { .. } => vec!["give it once"],
            Self::NoTable { .. } => vec![
                "name Drizzle's table in SCHEMAGATE_DRIZZLE_TABLE if it has another name",
                "for a database without a history, say at which version it is: `schemagate adopt --baseline VERSION`",
            ],
            Self::NotDrizzle => {
                vec!["say at which version the database is: `schemagate adopt --baseline VERSION`"]
            }
            Self::HistoryHasRows { .. } => vec!["`schemagate status` shows them; there is nothing left to take over"],
            Self::DrizzleHasRows { .. } => vec!["`schemagate adopt` without --baseline goes by the rows"],
            Self::TablesMissing { .. } => vec![
                "give the last version whose tables all exist; `schemagate up` applies the rest",
                "names without a schema are looked for in the first schema of the search_path",
            ],
        }
    }
}

/// What the history is going to hold once `adoption` is recorded.
pub fn with_adopted(reading: &Reading, adoption: &Adoption<'_>) -> Reading {
    let mut reading = reading.clone();
    let width = reading.table.width;
    reading.applied.extend(adoption.adopted.iter().filter_map(|adopted| {
        let migration = adopted.migration;
        let checksum = migration.checksum(width)?;
        let (version, name) = (migration.version(), migration.name().to_owned());
        Some(AppliedMigration { version, name, applied_on: None, checksum })
    }));
    reading.applied.sort_by_key(|row| row.version);
    reading
}

/// What `up` adopts by itself: what Drizzle recorded, at the take-over and, in step, later.
///
/// # Errors
/// [`AdoptError::Ambiguous`].
pub fn by_itself<'a>(set: &'a MigrationSet, reading: &Reading, in_step: bool) -> Result<Adoption<'a>, AdoptError> {
    match &reading.drizzle {
        Some(drizzle) if in_step || reading.applied.is_empty() => find(set, reading, drizzle, &Decisions::default()),
        _ => Ok(Adoption::default()),
    }
}

impl Adoption<'_> {
    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.adopted.is_empty() && self.passed_over.is_empty()
    }

    /// What was adopted, in one line.
    pub fn describe(&self, from: &str) -> String {
        let files = match self.adopted.as_slice() {
            [] => String::new(),
            [one] => format!(" ({})", one.migration.file()),
            [first, .., last] => format!(" ({} to {})", first.migration.file(), last.migration.file()),
        };
        let skipped = self.adopted.iter().filter(|adopted| adopted.reason == Reason::Skipped).count();
        let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} of them as never to be run") };
        format!(
            "{} of {from} adopted as applied{skipped}{files}",
            crate::postgres::counted(self.adopted.len(), "migration")
        )
    }
}

/// Where the rows came from, in words.
pub fn source_of(drizzle: Option<&DrizzleHistory>) -> String {
    drizzle.map_or_else(|| "the database".to_owned(), |drizzle| drizzle.table.to_string())
}
