//! Holds Drizzle's rows against the folder's entries. In: both, and what our history has. Out: which entries Drizzle
//! applied, or every ambiguity. Linear in time.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, UNIX_EPOCH};

use super::{AdoptError, Adopted, Adoption, Ambiguity, Decisions, Reason};
use crate::history::{DrizzleHistory, DrizzleRecord, Reading};
use crate::migrations::{DrizzleRow, Layout, Migration, MigrationSet, Origin};

/// An entry of the folder.
struct Entry<'a> {
    migration: &'a Migration,
    row: &'a DrizzleRow,
    /// Whether our own history has it.
    known: bool,
    /// Whether an earlier run of ours did a part of it: that is gone on with, whatever Drizzle did since.
    half_done: bool,
    /// Drizzle's row of it.
    matched: Option<String>,
}

impl Entry<'_> {
    /// Whether Drizzle's rows say anything new of it.
    fn is_open(&self) -> bool {
        !self.known && !self.half_done
    }
}

/// The entries by all that a row may know of them.
struct Index<'a> {
    by_name: HashMap<&'a str, usize>,
    by_time: HashMap<i64, Vec<usize>>,
    by_hash: HashMap<&'a str, Vec<usize>>,
    /// The time of the youngest entry.
    newest: Option<i64>,
    /// How many milliseconds one unit of time has: a folder's name knows seconds only.
    unit_ms: i64,
}

/// What a row was found to be.
enum Found {
    Entry(usize),
    /// As [`Found::Entry`], with other line ends.
    OtherLineEnds(usize),
    OtherText(usize),
    OtherTime(usize),
    Nothing,
}

/// Finds what Drizzle applied and our history does not know.
///
/// # Errors
/// [`AdoptError::Ambiguous`] with all that nobody decided; [`AdoptError::Unknown`], [`AdoptError::Twice`].
pub fn find<'a>(
    set: &'a MigrationSet,
    reading: &Reading,
    drizzle: &DrizzleHistory,
    decisions: &Decisions,
) -> Result<Adoption<'a>, AdoptError> {
    let applied = &reading.applied;
    let mut entries = entries(set, reading);
    let index = Index::of(&entries, set.origin());
    let mut adoption = Adoption::default();
    let mut ambiguities = Vec::new();
    for row in &drizzle.rows {
        match index.find(&entries, row) {
            Found::Entry(at) => entries[at].matched = Some(row_name(row)),
            Found::OtherLineEnds(at) => {
                entries[at].matched = Some(row_name(row));
                adoption.other_line_ends.push(entries[at].migration.file());
            }
            Found::OtherText(at) if entries[at].is_open() => ambiguities.push(other_hash(&entries[at], row)),
            Found::OtherTime(at) if entries[at].is_open() => ambiguities.push(other_time(&entries[at], row)),
            // Once the history is ours, a row without an entry is one of a newer release, or was decided long ago.
            Found::Nothing if applied.is_empty() => ambiguities.push(no_entry(row)),
            Found::Nothing if index.is_newer(row) => adoption.newer.push(row_name(row)),
            Found::OtherText(_) | Found::OtherTime(_) | Found::Nothing => {}
        }
    }
    ambiguities.extend(left_out(&entries, &ambiguities, !drizzle.named));
    decide(&entries, decisions, ambiguities, &mut adoption, drizzle)?;
    Ok(adoption)
}

fn entries<'a>(set: &'a MigrationSet, reading: &Reading) -> Vec<Entry<'a>> {
    let known: HashSet<i64> = reading.applied.iter().map(|row| row.version.get()).collect();
    let half: HashSet<i64> = reading.half_done.iter().map(|done| done.version.get()).collect();
    set.iter()
        .filter_map(|migration| {
            let row = migration.drizzle()?;
            let version = migration.version().get();
            let (known, half_done) = (known.contains(&version), half.contains(&version));
            Some(Entry { migration, row, known, half_done, matched: None })
        })
        .collect()
}

impl<'a> Index<'a> {
    fn of(entries: &[Entry<'a>], origin: &Origin) -> Self {
        let unit_ms = if matches!(origin, Origin::Drizzle { layout: Layout::Folders, .. }) { 1000 } else { 1 };
        let mut index =
            Self { by_name: HashMap::new(), by_time: HashMap::new(), by_hash: HashMap::new(), newest: None, unit_ms };
        for (at, entry) in entries.iter().enumerate() {
            index.by_name.insert(&entry.row.name, at);
            index.by_time.entry(entry.row.created_at_ms.div_euclid(unit_ms)).or_default().push(at);
            index.newest = index.newest.max(Some(entry.row.created_at_ms.div_euclid(unit_ms)));
            index.by_hash.entry(&entry.row.hash).or_default().push(at);
        }
        index
    }

    /// Whether a row is younger than every entry.
    fn is_newer(&self, row: &DrizzleRecord) -> bool {
        row.created_at_ms.map(|when| when.div_euclid(self.unit_ms)) > self.newest
    }

    fn find(&self, entries: &[Entry<'_>], row: &DrizzleRecord) -> Found {
        if let Some(name) = &row.name {
            return match self.by_name.get(name.as_str()) {
                Some(at) => compare(&entries[*at], *at, row),
                None => Found::Nothing,
            };
        }
        let at_time = row.created_at_ms.and_then(|when| self.by_time.get(&when.div_euclid(self.unit_ms)));
        let at_time = at_time.map(Vec::as_slice).unwrap_or_default();
        if let Some(at) = at_time.iter().find(|at| entries[**at].row.hash == row.hash) {
            return Found::Entry(*at);
        }
        let other = at_time.iter().map(|at| compare(&entries[*at], *at, row));
        let other = other.reduce(|first, next| if matches!(first, Found::OtherText(_)) { next } else { first });
        let of_hash = || self.by_hash.get(row.hash.as_str()).and_then(|found| found.first());
        match other {
            Some(found) => found,
            None => of_hash().map_or(Found::Nothing, |at| Found::OtherTime(*at)),
        }
    }
}

/// The text of an entry against the hash of its row.
fn compare(entry: &Entry<'_>, at: usize, row: &DrizzleRecord) -> Found {
    if entry.row.hash == row.hash {
        Found::Entry(at)
    } else if entry.migration.has_drizzle_hash(&row.hash) {
        Found::OtherLineEnds(at)
    } else {
        Found::OtherText(at)
    }
}

/// Entries without a row, although a later one has one.
fn left_out(entries: &[Entry<'_>], told: &[Ambiguity], for_ever: bool) -> Vec<Ambiguity> {
    let told: HashSet<&str> = told.iter().map(Ambiguity::subject).collect();
    let Some(last) = entries.iter().rposition(|entry| entry.is_open() && entry.matched.is_some()) else {
        return Vec::new();
    };
    let later = entries[last].migration.file();
    let before = entries[..last].iter().filter(|entry| entry.is_open() && entry.matched.is_none());
    before
        .map(|entry| entry.migration.file())
        .filter(|file| !told.contains(file))
        .map(|file| Ambiguity::NoRow { file: file.to_owned(), later: later.to_owned(), for_ever })
        .collect()
}

/// Settles what people decided; what they did not is an error.
fn decide<'a>(
    entries: &[Entry<'a>],
    decisions: &Decisions,
    ambiguities: Vec<Ambiguity>,
    adoption: &mut Adoption<'a>,
    drizzle: &DrizzleHistory,
) -> Result<(), AdoptError> {
    let mut settled: HashMap<&str, Reason> = HashMap::new();
    let named = decisions.mark.iter().map(|name| (name, Reason::Marked));
    for (name, reason) in named.chain(decisions.skip.iter().map(|name| (name, Reason::Skipped))) {
        if entries.iter().any(|entry| entry.known && is_called(entry.migration.file(), name)) {
            tracing::info!("{name} is in the history already");
            continue;
        }
        let subject = subject(entries, &ambiguities, name, &reason);
        let subject = subject.ok_or_else(|| AdoptError::Unknown { name: name.clone() })?;
        if settled.insert(subject, reason.clone()).is_some_and(|before| before != reason) {
            return Err(AdoptError::Twice { name: name.clone() });
        }
    }
    let (open, rows): (Vec<&Ambiguity>, Vec<&Ambiguity>) =
        ambiguities.iter().partition(|ambiguity| !settled.contains_key(ambiguity.subject()));
    if !open.is_empty() {
        let ambiguities = open.into_iter().cloned().collect();
        return Err(AdoptError::Ambiguous { table: drizzle.table.clone(), ambiguities });
    }
    adoption.passed_over.extend(rows.into_iter().filter_map(|ambiguity| match ambiguity {
        Ambiguity::NoEntry { row, .. } => Some(row.clone()),
        _ => None,
    }));
    for entry in entries.iter().filter(|entry| !entry.known) {
        let reason = match (settled.remove(entry.migration.file()), &entry.matched) {
            (Some(reason), _) => reason,
            (None, Some(row)) if !entry.half_done => Reason::Recorded { row: row.clone() },
            (None, _) => continue,
        };
        adoption.adopted.push(Adopted { migration: entry.migration, reason });
    }
    Ok(())
}

/// What a decision means: an entry by its tag, its folder or its file, or an ambiguous row.
fn subject<'a>(entries: &[Entry<'a>], ambiguities: &'a [Ambiguity], name: &str, reason: &Reason) -> Option<&'a str> {
    let mut files = entries.iter().filter(|entry| !entry.known).map(|entry| entry.migration.file());
    let of_entry = files.find(|file| is_called(file, name));
    let of_row = || {
        let rows = ambiguities.iter().filter(|ambiguity| matches!(ambiguity, Ambiguity::NoEntry { .. }));
        rows.map(Ambiguity::subject).find(|row| *row == name && *reason == Reason::Skipped)
    };
    of_entry.or_else(of_row)
}

/// Whether a decision's name is that of a file: its path, its tag, or its folder.
fn is_called(file: &str, name: &str) -> bool {
    let stem = file.strip_suffix(".sql").unwrap_or(file);
    [file, stem].contains(&name) || stem.strip_suffix("/migration") == Some(name)
}

fn row_name(row: &DrizzleRecord) -> String {
    format!("row-{}", row.id)
}

fn other_hash(entry: &Entry<'_>, row: &DrizzleRecord) -> Ambiguity {
    Ambiguity::OtherHash {
        file: entry.migration.file().to_owned(),
        row: row_name(row),
        recorded: short(&row.hash),
        found: short(&entry.row.hash),
    }
}

fn other_time(entry: &Entry<'_>, row: &DrizzleRecord) -> Ambiguity {
    Ambiguity::OtherTime {
        file: entry.migration.file().to_owned(),
        row: row_name(row),
        recorded: time(row.created_at_ms),
        found: time(Some(entry.row.created_at_ms)),
    }
}

fn no_entry(row: &DrizzleRecord) -> Ambiguity {
    let hash = row.name.as_ref().map_or_else(|| format!("hash {}", short(&row.hash)), |name| format!("name {name:?}"));
    Ambiguity::NoEntry { row: row_name(row), when: time(row.created_at_ms), hash }
}

/// Enough of a hash to find it by.
fn short(hash: &str) -> String {
    hash.chars().take(12).flat_map(char::escape_debug).collect()
}

fn time(ms: Option<i64>) -> String {
    let since = ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    // Beyond the year 9999 there is no such date.
    match since.filter(|since| since.as_secs() < 253_402_300_800) {
        Some(since) => humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string(),
        None => ms.map_or_else(|| "at no time".to_owned(), |ms| format!("{ms} ms")),
    }
}
