//! Reads what pending files contain, before anything is written. In: pending migrations. Out: each with its judgement,
//! or everything that is forbidden in any of them, at once. One file is in memory at a time.

use std::fmt;

use crate::history::HalfDone;
use crate::migrations::script::{self, Judgement};
use crate::migrations::{Migration, ReadError};
use crate::postgres::counted;
use crate::settings::TableName;

/// A pending migration and what its text was found to hold.
#[derive(Debug, Clone)]
pub struct Reviewed<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// What its text holds.
    pub judgement: Judgement,
    /// Whether an earlier run did what stands before its COMMIT.
    pub half_done: bool,
}

impl Reviewed<'_> {
    /// Whether it runs in one transaction as a whole.
    pub fn transactional(&self) -> bool {
        !self.judgement.leaves_transaction()
    }
}

/// One thing that a pending file must not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What it is.
    pub message: String,
    /// The way out.
    pub hint: String,
    /// The source line.
    pub excerpt: String,
    /// Where the caret goes under it, from 0.
    pub caret: usize,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Why the pending files cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A file is not the one that was taken in.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Files hold what must not be in them.
    #[error("pending files hold what cannot be run, in {}", counted(.0.len(), "place"))]
    Forbidden(Vec<Finding>),
}

/// Reads every pending file.
///
/// # Errors
/// [`ReviewError`] with everything forbidden in any of them.
pub fn review<'a>(pending: &[&'a Migration], half_done: &[HalfDone]) -> Result<Vec<Reviewed<'a>>, ReviewError> {
    let mut reviewed = Vec::with_capacity(pending.len());
    let mut findings = Vec::new();
    for migration in pending {
        let text = migration.read()?;
        let sql = Migration::statements_text(&text);
        let judgement = migration.judge(sql);
        findings.extend(judgement.refusals.iter().map(|refusal| finding(migration, sql, refusal)));
        if let Some(line) = judgement.sets_lock_timeout {
            tracing::warn!(
                migration = migration.file(),
                "{}:{line}: sets lock_timeout itself, so SCHEMAGATE_LOCK_TIMEOUT does not hold from there on",
                migration.file()
            );
        }
        let done = half_done.iter().find(|done| done.version == migration.version());
        findings.extend(done.and_then(|done| changed_part(migration, sql, &judgement, done)));
        reviewed.push(Reviewed { migration, judgement, half_done: done.is_some() });
    }
    if findings.is_empty() { Ok(reviewed) } else { Err(ReviewError::Forbidden(findings)) }
}

/// What an earlier run did of a file must not be done again in other words.
fn changed_part(migration: &Migration, sql: &str, judgement: &Judgement, done: &HalfDone) -> Option<Finding> {
    let part = judgement.commit.as_ref().map(|commit| judgement.sent(sql).get(..commit.start).map(ToOwned::to_owned));
    let same = part.flatten().is_some_and(|part| migration.part_checksum(&part) == done.checksum);
    let refusal = script::Refusal { line: 1, column: 1, range: 0..0, rule: script::Rule::HalfDone };
    (!same).then(|| finding(migration, sql, &refusal))
}

fn finding(migration: &Migration, sql: &str, refusal: &script::Refusal) -> Finding {
    let excerpt = script::excerpt(sql, refusal.range.start);
    Finding {
        file: migration.file().to_owned(),
        line: refusal.line,
        column: refusal.column,
        message: refusal.rule.message(),
        hint: refusal.rule.hint(),
        excerpt: excerpt.text,
        caret: excerpt.caret,
    }
}

/// The tables that the pending files create, each once.
pub fn created_tables(reviewed: &[Reviewed<'_>]) -> Vec<TableName> {
    let mut seen = std::collections::HashSet::new();
    reviewed
        .iter()
        // Outside a transaction a statement can be repeated: a run that ended before the row was written left its table.
        .filter(|reviewed| reviewed.transactional())
        .flat_map(|reviewed| &reviewed.judgement.creates)
        .filter(|table| seen.insert((*table).clone()))
        .cloned()
        .collect()
}
