//! The state of every migration. In: entries. Out: a table, or a JSON document.

use serde_json::{Value, json};

use super::table::align;
use super::trail;
use crate::history::runs::Trail;
use crate::history::{HalfDone, HistoryError, HistoryTable};
use crate::plan::{Entry, State};
use crate::postgres::soundness::Unsound;

/// How many entries are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Applied, as recorded.
    pub applied: usize,
    /// Not applied.
    pub pending: usize,
    /// Edited after they were applied.
    pub divergent: usize,
    /// Applied, file gone.
    pub missing: usize,
    /// Newer than every file.
    pub ahead: usize,
}

impl Counts {
    /// Counts `entries`.
    pub fn of(entries: &[Entry<'_>]) -> Self {
        let mut counts = Self::default();
        for entry in entries {
            let count = match entry.state {
                State::Applied | State::AppliedOtherLineEnds => &mut counts.applied,
                State::Pending => &mut counts.pending,
                State::Divergent => &mut counts.divergent,
                State::Missing => &mut counts.missing,
                State::Ahead => &mut counts.ahead,
            };
            *count += 1;
        }
        counts
    }

    /// All of them in words.
    pub fn words(&self) -> String {
        let Self { applied, pending, divergent, missing, ahead } = self;
        format!("{applied} applied, {pending} pending, {divergent} divergent, {missing} missing, {ahead} ahead")
    }

    /// Whether there is nothing but applied migrations.
    pub fn up_to_date(&self) -> bool {
        self.pending + self.divergent + self.missing + self.ahead == 0
    }
}

/// Where the status was read.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Host, port and database, without secrets.
    pub target: &'a str,
    /// The server's version.
    pub server_version: &'a str,
    /// The history table.
    pub table: &'a HistoryTable,
    /// Migrations of which only a part is done.
    pub half_done: &'a [HalfDone],
}

/// The status as lines.
pub fn text(
    place: Place<'_>,
    entries: &[Entry<'_>],
    unsound: &Unsound,
    runs: &Result<Trail, HistoryError>,
) -> Vec<String> {
    let exists = if place.table.exists { "" } else { " (does not exist yet)" };
    let mut lines = vec![
        format!("database  {} (PostgreSQL {})", place.target, place.server_version),
        format!("history   {}{exists}", place.table.name),
        String::new(),
    ];
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.version.to_string(),
                state_word(place, entry).to_owned(),
                entry.row.and_then(|row| row.applied_on.clone()).unwrap_or_else(|| "–".to_owned()),
                entry.row.map_or_else(|| "–".to_owned(), |row| row.checksum.to_string()),
                entry.to_string(),
            ]
        })
        .collect();
    lines.extend(align(&["VERSION", "STATE", "APPLIED ON", "CHECKSUM", "MIGRATION"], &rows));
    let counts = Counts::of(entries);
    lines.push(String::new());
    lines.push(counts.words());
    lines.extend(unsound.invalid_indexes.iter().map(|index| format!("invalid index: {index}")));
    lines.extend(unsound.unvalidated_constraints.iter().map(|it| format!("constraint not validated: {it}")));
    lines.push(String::new());
    lines.extend(trail::lines(runs));
    lines
}

fn is_half_done(place: Place<'_>, entry: &Entry<'_>) -> bool {
    entry.state == State::Pending && place.half_done.iter().any(|done| done.version == entry.version)
}

fn state_word(place: Place<'_>, entry: &Entry<'_>) -> &'static str {
    match entry.state {
        State::Pending if is_half_done(place, entry) => "pending (half done)",
        State::AppliedOtherLineEnds => "applied (other line ends)",
        state => state.name(),
    }
}

/// The status as a document.
pub fn json(place: Place<'_>, entries: &[Entry<'_>], unsound: &Unsound, runs: &Result<Trail, HistoryError>) -> Value {
    let counts = Counts::of(entries);
    let migrations: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "version": entry.version.get(),
                "migration": entry.to_string(),
                "state": entry.state.name(),
                "applied_on": entry.row.and_then(|row| row.applied_on.clone()),
                "checksum": entry.row.map(|row| row.checksum.to_string()),
                "half_done": is_half_done(place, entry),
                "other_line_ends": entry.state == State::AppliedOtherLineEnds,
            })
        })
        .collect();
    json!({
        "database": place.target,
        "server_version": place.server_version,
        "history_table": place.table.name.to_string(),
        "history_exists": place.table.exists,
        "up_to_date": counts.up_to_date(),
        "counts": {
            "applied": counts.applied,
            "pending": counts.pending,
            "divergent": counts.divergent,
            "missing": counts.missing,
            "ahead": counts.ahead,
        },
        "invalid_indexes": unsound.invalid_indexes,
        "unvalidated_constraints": unsound.unvalidated_constraints,
        "migrations": migrations,
        "audit_trail": trail::json(runs),
    })
}
