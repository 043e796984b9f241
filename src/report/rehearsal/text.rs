//! A rehearsal on a terminal.

use std::collections::HashMap;

use super::words::{blocked, plain};
use super::worst::strongest;
use crate::apply::ApplyError;
use crate::effects::{Blocks, LockMode};
use crate::error::Error;
use crate::postgres::{counted, duration_text};
use crate::rehearsal::{Measured, Outcome, RehearsedBatch, RehearsedMigration, Relation, Rewrite, Rows};
use crate::report::failure::Failure;
use crate::report::fit::{cut, harmless};
use crate::report::size::{bytes_text, precise, size_text};
use crate::report::table::align;
use crate::run::Rehearsed;

/// How many notices of a statement are shown; JSON has more.
const SHOWN_NOTICES: usize = 20;
/// How much of each.
const NOTICE_BYTES: usize = 500;

/// The rehearsal as lines.
pub fn text(rehearsed: &Rehearsed) -> Vec<String> {
    let exists = if rehearsed.table.exists { "" } else { " (does not exist yet)" };
    let mut lines = vec![
        format!("database  {} (PostgreSQL {})", rehearsed.place, rehearsed.server_version),
        format!("history   {}{exists}", rehearsed.table.name),
        format!("files     {} applied, {} pending", rehearsed.applied, rehearsed.pending + rehearsed.held_back),
    ];
    if let Some(adopts) = &rehearsed.adopts {
        lines.push(format!("adopted   {adopts}, by `schemagate up` and not in this rehearsal"));
    }
    if !rehearsed.traffic.is_empty() {
        lines.push(format!(
            "traffic   {} connected: times hold their waits and WAL holds their writes",
            counted(rehearsed.traffic.len(), "other session")
        ));
    }
    for (number, batch) in rehearsed.rehearsal.batches.iter().enumerate() {
        lines.push(String::new());
        lines.extend(batch_lines(number + 1, batch));
    }
    lines.push(String::new());
    // Whoever keeps the report does not have the log.
    if let Some(error) = &rehearsed.failed {
        lines.extend(Failure::of_rehearsal(error).lines());
        lines.push(String::new());
    }
    lines.extend(end_lines(rehearsed));
    lines.iter().map(|line| harmless(line)).collect()
}

fn batch_lines(number: usize, batch: &RehearsedBatch) -> Vec<String> {
    let mut lines = vec![if batch.transactional {
        format!("batch {number}: one transaction of {}", precise(batch.elapsed))
    } else {
        format!("batch {number}: not rehearsed")
    }];
    for (relation, mode) in &batch.carried {
        lines.push(format!(
            "  {relation} is locked {} by an earlier batch still, and whether this one locks it again is not seen; \
             `up` lets go of it in between",
            mode.name()
        ));
    }
    let mut told = Told::default();
    lines.extend(batch.migrations.iter().flat_map(|migration| migration_lines(migration, &mut told)));
    let rows: Vec<Vec<String>> = strongest(&batch.held)
        .into_iter()
        .map(|held| {
            let size = held.relation.size_bytes.map_or_else(String::new, bytes_text);
            let (relation, mode) = (held.relation.name.clone(), held.mode.name().to_owned());
            let (blocks, lasts) = (blocked(held.mode.blocks()).to_owned(), precise(held.lasts()));
            vec![format!("  {relation}"), size, mode, blocks, lasts, held.taken_at.clone()]
        })
        .collect();
    if !rows.is_empty() {
        lines.push(String::new());
        lines.extend(align(&["  STRONGEST LOCK ON", "SIZE", "MODE", "BLOCKS", "HELD", "SINCE"], &rows));
    }
    lines
}

fn migration_lines(migration: &RehearsedMigration, told: &mut Told) -> Vec<String> {
    let file = &migration.file;
    let mut lines = vec![match &migration.outcome {
        Outcome::Ran => format!("  {file}"),
        Outcome::Failed => format!("  {file}: failed, see below"),
        Outcome::NotReached => format!("  {file}: not reached"),
        Outcome::NotRehearsed(reason) => format!("  {file}: {}", reason.words()),
    }];
    lines.extend(migration.statements.iter().flat_map(|measured| statement_lines(measured, told)));
    if !migration.creates.is_empty() {
        lines.push(format!("    creates {}", migration.creates.join(", ")));
    }
    lines
}

fn statement_lines(measured: &Measured, told: &mut Told) -> Vec<String> {
    let failed = if measured.failed { ", failed" } else { "" };
    let wal =
        if measured.wal_bytes > 0 { format!(", {} of WAL", bytes_text(measured.wal_bytes)) } else { String::new() };
    let mut lines = vec![format!(
        "    {}:{}  {}  ({}{wal}{failed})",
        measured.line,
        measured.column,
        measured.text,
        precise(measured.elapsed)
    )];
    let locks = measured.locks.iter().filter(|(relation, mode)| told.is_news(relation, *mode));
    lines.extend(
        locks.map(|(relation, mode)| format!("         locks {} {}: {}", named(relation), mode.name(), plain(*mode))),
    );
    lines.extend(told_rewrites(measured).map(|rewrite| {
        format!(
            "         rewrites {}: {} before, {} after",
            named(&rewrite.relation),
            size_text(rewrite.bytes_before),
            size_text(rewrite.bytes_after)
        )
    }));
    lines.extend(measured.rows.iter().map(|rows| format!("         rows {}", rows_text(rows))));
    lines.extend(notice_lines(measured).iter().map(|line| format!("         {line}")));
    lines
}

/// What the server said first, and how much more it said.
pub(super) fn notice_lines(measured: &Measured) -> Vec<String> {
    let notices = measured.notices.iter().take(SHOWN_NOTICES);
    let mut lines: Vec<String> = notices
        .map(|notice| {
            cut(&format!("{}: {}", notice.severity.to_lowercase(), notice.message.replace('\n', " ")), NOTICE_BYTES)
        })
        .collect();
    let more = measured.notices.len().saturating_sub(SHOWN_NOTICES) + measured.notices_left_out;
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// What a reader of a batch knows already.
#[derive(Default)]
pub(super) struct Told {
    strongest: HashMap<u32, LockMode>,
    all_blocked: bool,
}

impl Told {
    /// Whether a lock says something new: none on the relation was as strong. On an index it goes with that on its table,
    /// unless it blocks more.
    pub(super) fn is_news(&mut self, relation: &Relation, mode: LockMode) -> bool {
        let known = self.strongest.get(&relation.oid).is_some_and(|known| *known >= mode);
        let with_its_table = relation.is_index() && (mode.blocks() == Blocks::Neither || self.all_blocked);
        if known || with_its_table {
            return false;
        }
        self.all_blocked |= !relation.is_index() && mode.blocks() == Blocks::ReadsAndWrites;
        self.strongest.insert(relation.oid, mode);
        true
    }
}

/// The indexes of a table that is written anew are too.
pub(super) fn told_rewrites(measured: &Measured) -> impl Iterator<Item = &Rewrite> {
    let table = measured.rewrites.iter().any(|rewrite| !rewrite.relation.is_index());
    measured.rewrites.iter().filter(move |rewrite| !(table && rewrite.relation.is_index()))
}

/// A relation that is no table with what it is.
pub(super) fn named(relation: &Relation) -> String {
    match relation.kind.name() {
        "table" => relation.name.clone(),
        kind => format!("{kind} {}", relation.name),
    }
}

pub(super) fn rows_text(rows: &Rows) -> String {
    let table = rows.table.as_deref().unwrap_or("of new tables");
    let counts = [(rows.inserted, "inserted"), (rows.updated, "updated"), (rows.deleted, "deleted")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    format!("{table}: {}", counts.join(", "))
}

/// The end: what it came to, and what it left.
pub(super) fn end_lines(rehearsed: &Rehearsed) -> Vec<String> {
    if rehearsed.pending == 0 {
        let what = if rehearsed.held_back > 0 {
            "nothing to rehearse up to the target"
        } else {
            "up to date: nothing to rehearse"
        };
        return vec![what.to_owned()];
    }
    let rehearsal = &rehearsed.rehearsal;
    let outcomes = || rehearsal.batches.iter().flat_map(|batch| &batch.migrations).map(|migration| &migration.outcome);
    let ran = outcomes().filter(|outcome| **outcome == Outcome::Ran).count();
    let skipped = outcomes().filter(|outcome| matches!(outcome, Outcome::NotRehearsed(_))).count();
    let mut lines = Vec::new();
    if skipped > 0 {
        lines.push(format!(
            "{} not rehearsed: what comes after may need what {} would have done",
            counted(skipped, "migration"),
            if skipped == 1 { "it" } else { "they" }
        ));
    }
    let attempts = counted(usize::try_from(rehearsal.attempts).unwrap_or(usize::MAX), "attempt");
    match &rehearsed.failed {
        Some(Error::Apply(error)) if matches!(**error, ApplyError::TableLocks(_)) => {
            lines.push(format!("it did not get its locks in {attempts}"))
        }
        _ if rehearsal.attempts > 1 => lines.push(format!("{attempts} were needed to get its locks")),
        _ => {}
    }
    if rehearsed.held_back > 0 {
        lines.push(format!("{} held back by --target", rehearsed.held_back));
    }
    lines.push(match &rehearsed.failed {
        Some(_) => format!("failed after {} of {}", ran, counted(rehearsed.pending, "migration")),
        None => {
            let elapsed = rehearsal.batches.iter().map(|batch| batch.elapsed).sum();
            format!(
                "rehearsed {} in {} and rolled back; only sequences keep what was drawn from them",
                counted(ran, "migration"),
                duration_text(elapsed)
            )
        }
    });
    lines
}
