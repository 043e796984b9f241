//! Holds files against rows. In: a `MigrationSet` and the history. Out: the state of every migration, and what is
//! pending, or every divergence at once. Linear in time; writes nothing.

use std::fmt;

use crate::history::{AppliedMigration, HistoryTable};
use crate::migrations::{Comparison, Migration, MigrationSet, Prefix, ReadError, Version, VersionWidth};
use crate::review::Reviewed;
use crate::settings::{Atomicity, Policy, WhenAhead};

/// How a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In the history, and its file is the one recorded.
    Applied,
    /// In the history; its file differs by line ends or a byte-order mark only.
    AppliedOtherLineEnds,
    /// A file that is not in the history.
    Pending,
    /// In the history with another checksum than its file's.
    Divergent,
    /// In the history, and its file is gone.
    Missing,
    /// In the history, and newer than every file: the database is ahead of this release.
    Ahead,
}

impl State {
    /// The word users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied | Self::AppliedOtherLineEnds => "applied",
            Self::Pending => "pending",
            Self::Divergent => "divergent",
            Self::Missing => "missing",
            Self::Ahead => "ahead",
        }
    }
}

/// One migration: its file, its row, or both.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its version.
    pub version: Version,
    /// Its file.
    pub migration: Option<&'a Migration>,
    /// Its row.
    pub row: Option<&'a AppliedMigration>,
    /// How it stands.
    pub state: State,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.migration, self.row) {
            (Some(migration), _) => f.write_str(migration.file()),
            (None, Some(row)) => write!(f, "{row}"),
            (None, None) => write!(f, "V{}", self.version),
        }
    }
}

/// Merges files and rows, both in the order of their versions.
///
/// # Errors
/// [`ReadError`] where a file that differs cannot be read again to see how.
pub fn compare<'a>(set: &'a MigrationSet, applied: &'a [AppliedMigration]) -> Result<Vec<Entry<'a>>, ReadError> {
    let newest_file = set.newest().map(Migration::version);
    let mut files = set.iter().peekable();
    let mut rows = applied.iter().peekable();
    let mut entries = Vec::with_capacity(set.len().max(applied.len()));
    loop {
        let next_file = files.peek().map(|migration| migration.version());
        let next_row = rows.peek().map(|row| row.version);
        let (migration, row) = match (next_file, next_row) {
            (None, None) => return Ok(entries),
            (Some(file), Some(row)) if file == row => (files.next(), rows.next()),
            (Some(file), Some(row)) if file < row => (files.next(), None),
            (Some(_), None) => (files.next(), None),
            (_, Some(_)) => (None, rows.next()),
        };
        let state = match (migration, row) {
            (Some(migration), Some(row)) => match migration.compare(row.checksum)? {
                Comparison::Exact => State::Applied,
                Comparison::LineEndings => State::AppliedOtherLineEnds,
                Comparison::Different => State::Divergent,
            },
            (Some(_), None) => State::Pending,
            (None, _) if next_row > newest_file => State::Ahead,
            (None, _) => State::Missing,
        };
        let version = next_file.into_iter().chain(next_row).min().unwrap_or(Version::new(0));
        entries.push(Entry { version, migration, row, state });
    }
}

/// What a run is to do with what [`compare`] found.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The last version to apply; `None` is all.
    pub target: Option<Version>,
    /// About pending files below the newest applied one.
    pub out_of_order: Policy,
    /// About rows newer than every file.
    pub when_ahead: WhenAhead,
}

/// What is to be applied, in order.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The pending migrations up to the target.
    pub pending: Vec<&'a Migration>,
    /// How many files are in the history already.
    pub applied: usize,
    /// Pending migrations beyond the target.
    pub held_back: usize,
    /// Rows newer than every file.
    pub ahead: Vec<&'a AppliedMigration>,
    /// Files whose line ends differ from what was applied.
    pub other_line_ends: Vec<&'a str>,
    /// The newest version in the history.
    pub newest_applied: Option<Version>,
}

/// One reason why files and history do not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Divergence {
    /// A file was edited, or renamed, after it was applied.
    Edited {
        /// The file.
        file: String,
        /// The name recorded.
        recorded_name: String,
        /// The checksum recorded.
        recorded: String,
        /// The checksum of the file.
        found: String,
        /// When it was applied.
        applied_on: Option<String>,
    },
    /// An applied migration's file is gone.
    Missing {
        /// The migration as the history names it.
        migration: String,
    },
    /// A pending file is numbered below the newest applied one.
    OutOfOrder {
        /// The file.
        file: String,
        /// The newest version applied.
        newest: Version,
    },
    /// The database is ahead, and that is to be refused.
    Ahead {
        /// The migration as the history names it.
        migration: String,
    },
    /// A version does not fit the history's version column.
    TooWide {
        /// The file.
        file: String,
    },
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { file, recorded_name, recorded, found, applied_on } => {
                let when = applied_on.as_deref().map(|on| format!(" on {on}")).unwrap_or_default();
                write!(
                    f,
                    "{file}: changed after it was applied{when} as {recorded_name} \
                     (checksum recorded {recorded}, file {found})"
                )
            }
            Self::Missing { migration } => write!(f, "{migration}: applied, but its file is missing from this release"),
            Self::OutOfOrder { file, newest } => {
                write!(f, "{file}: pending, but numbered below the newest applied version {newest}")
            }
            Self::Ahead { migration } => write!(f, "{migration}: applied, but newer than every file of this release"),
            Self::TooWide { file } => {
                write!(f, "{file}: its version does not fit the history table, whose version column is int4")
            }
        }
    }
}

/// Everything that keeps the plan from being made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Files and history do not fit together.
    #[error("{}", list(.0))]
    Divergent(Vec<Divergence>),
    /// No file has the version asked for.
    #[error("no migration has version {target}; the newest is {newest}")]
    UnknownTarget {
        /// The version asked for.
        target: Version,
        /// The newest there is.
        newest: Version,
    },
}

fn list(divergences: &[Divergence]) -> String {
    let lines: Vec<String> = divergences.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl<'a> Plan<'a> {
    /// Makes the plan from what [`compare`] found.
    ///
    /// # Errors
    /// [`PlanError::Divergent`] lists everything that does not fit; [`PlanError::UnknownTarget`].
    pub fn compute(entries: &[Entry<'a>], table: &HistoryTable, rules: Rules) -> Result<Self, PlanError> {
        check_target(entries, rules.target)?;
        let newest_applied = entries.iter().rev().find(|entry| entry.row.is_some()).map(|entry| entry.version);
        let divergences: Vec<Divergence> =
            entries.iter().filter_map(|entry| divergence(entry, table, rules, newest_applied)).collect();
        if !divergences.is_empty() {
            return Err(PlanError::Divergent(divergences));
        }
        let within = |version: Version| rules.target.is_none_or(|target| version <= target);
        let (mut pending, mut held_back) = (Vec::new(), 0);
        for entry in entries.iter().filter(|entry| entry.state == State::Pending) {
            match entry.migration {
                Some(migration) if within(entry.version) => pending.push(migration),
                _ => held_back += 1,
            }
        }
        let count = |wanted: State| entries.iter().filter(|entry| entry.state == wanted).count();
        Ok(Self {
            pending,
            applied: count(State::Applied) + count(State::AppliedOtherLineEnds),
            held_back,
            ahead: entries.iter().filter(|entry| entry.state == State::Ahead).filter_map(|entry| entry.row).collect(),
            other_line_ends: entries
                .iter()
                .filter(|entry| entry.state == State::AppliedOtherLineEnds)
                .filter_map(|entry| entry.migration.map(Migration::file))
                .collect(),
            newest_applied,
        })
    }
}

fn check_target(entries: &[Entry<'_>], target: Option<Version>) -> Result<(), PlanError> {
    let Some(target) = target else { return Ok(()) };
    if entries.iter().any(|entry| entry.version == target) {
        return Ok(());
    }
    let newest = entries.last().map_or(Version::new(0), |entry| entry.version);
    Err(PlanError::UnknownTarget { target, newest })
}

fn divergence(entry: &Entry<'_>, table: &HistoryTable, rules: Rules, newest: Option<Version>) -> Option<Divergence> {
    match (entry.state, entry.migration, entry.row) {
        (State::Divergent, Some(migration), Some(row)) => Some(Divergence::Edited {
            file: migration.file().to_owned(),
            recorded_name: row.to_string(),
            recorded: row.checksum.to_string(),
            found: migration.checksum(table.width).map_or_else(|| "none".to_owned(), |sum| sum.to_string()),
            applied_on: row.applied_on.clone(),
        }),
        (State::Missing, _, Some(row)) => Some(Divergence::Missing { migration: row.to_string() }),
        (State::Ahead, _, Some(row)) if rules.when_ahead == WhenAhead::Refuse => {
            Some(Divergence::Ahead { migration: row.to_string() })
        }
        (State::Pending, Some(migration), _) => {
            if table.exists && table.width == VersionWidth::Int4 && !migration.version().fits_int4() {
                return Some(Divergence::TooWide { file: migration.file().to_owned() });
            }
            let ordered = migration.prefix() == Prefix::Versioned && rules.out_of_order == Policy::Refuse;
            let newest = newest.filter(|newest| ordered && *newest > entry.version)?;
            Some(Divergence::OutOfOrder { file: migration.file().to_owned(), newest })
        }
        _ => None,
    }
}

/// Migrations that stand or fall together.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// The migrations, in order.
    pub migrations: Vec<Reviewed<'a>>,
    /// Whether they run in one transaction.
    pub transactional: bool,
}

impl Batch<'_> {
    /// The file of a migration by its place in the batch.
    pub(crate) fn file(&self, index: usize) -> &str {
        self.migrations.get(index).map_or("", |reviewed| reviewed.migration.file())
    }
}

/// Cuts the pending list: a run of transactional migrations is one batch, or one each; one that runs outside a
/// transaction is a batch of its own.
pub fn batches<'a>(pending: Vec<Reviewed<'a>>, atomicity: Atomicity) -> Vec<Batch<'a>> {
    let mut batches: Vec<Batch<'a>> = Vec::new();
    for migration in pending {
        let transactional = migration.transactional();
        match batches.last_mut() {
            Some(last) if transactional && last.transactional && atomicity == Atomicity::Release => {
                last.migrations.push(migration);
            }
            _ => batches.push(Batch { migrations: vec![migration], transactional }),
        }
    }
    batches
}
