//! The one transaction of a rehearsal. In: batches. Out: each statement measured, and a ROLLBACK that the server confirms.
//! Statements travel one by one, in messages that cannot hold a second one.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::apply::blame::left_its_transaction;
use crate::apply::message::{Closing, begin, prove_sql, trail_sql};
use crate::apply::transaction::Part;
use crate::apply::wait::{Ended, Wait, ask};
use crate::apply::{Applied, ApplyError, Context, Progress};
use crate::history::runs::{RunMigration, sha256};
use crate::migrations::Migration;
use crate::migrations::script::{Statements, brief};
use crate::plan::Batch;
use crate::postgres::server_error::ServerError;
use crate::review::Reviewed;

use super::halt::{Halt, changed};
use super::measure::{Sample, created_sql, measure_sql, sizes_sql};
use super::relations::{Relations, number};
use super::timeline::Timeline;
use super::{Measured, Notice, Outcome, Reason, Rehearsal, RehearsedBatch, RehearsedMigration, Relation, Rewrite};

/// How much of a statement is shown.
const SHOWN_CHARS: usize = 120;
/// How many notices of a statement are kept.
const KEPT_NOTICES: usize = 1000;
/// Whose locks are those of the rows that we write.
const OURS: &str = "the history's own rows";
const MEASURING: &str = "measuring";

pub(super) struct Transaction<'run, 'context> {
    pub(super) context: &'run mut Context<'context>,
    pub(super) wait: Wait,
    /// The transaction's id.
    pub(super) id: String,
    closing: Closing,
    relations: Relations,
    timeline: Timeline,
    /// The last look.
    sample: Sample,
    /// What is above it was not there before and is not named yet.
    named: u32,
}

/// Rehearses all batches in one transaction, and rolls back.
pub(super) async fn run(
    context: &mut Context<'_>,
    batches: &[Batch<'_>],
    rehearsal: &mut Rehearsal,
) -> Result<(), ApplyError> {
    rehearsal.batches = batches.iter().map(not_reached).collect();
    let relations = Relations::read(context.session).await;
    let relations = relations.map_err(|error| ApplyError::own("reading the catalogue", error))?;
    let opened = begin(context, &Progress::default()).await?;
    context.session.keep_notices();
    let wait = Wait::new(&context.stop);
    let mut transaction = Transaction {
        context,
        wait,
        closing: Closing::new(&opened),
        id: opened.id,
        named: relations.newest,
        relations,
        timeline: Timeline::default(),
        sample: Sample::default(),
    };
    let ended = transaction.batches(batches, rehearsal).await;
    transaction.roll_back(ended.err()).await
}

fn not_reached(batch: &Batch<'_>) -> RehearsedBatch {
    let migration = |reviewed: &Reviewed<'_>| RehearsedMigration {
        version: reviewed.migration.version().get(),
        file: reviewed.migration.file().to_owned(),
        outcome: match (reviewed.transactional(), &reviewed.judgement.commit) {
            (true, _) => Outcome::NotReached,
            (false, None) => Outcome::NotRehearsed(Reason::OutsideTransaction),
            (false, Some(_)) => Outcome::NotRehearsed(Reason::Commits),
        },
        statements: Vec::new(),
        creates: Vec::new(),
    };
    RehearsedBatch {
        transactional: batch.transactional,
        migrations: batch.migrations.iter().map(migration).collect(),
        elapsed: Duration::ZERO,
        held: Vec::new(),
        carried: Vec::new(),
    }
}

impl Transaction<'_, '_> {
    async fn batches(&mut self, batches: &[Batch<'_>], rehearsal: &mut Rehearsal) -> Result<(), Halt> {
        self.look(MEASURING).await?;
        for (number, (batch, out)) in batches.iter().zip(&mut rehearsal.batches).enumerate() {
            if !batch.transactional {
                continue;
            }
            self.context.last = number + 1 == batches.len();
            out.carried = self.timeline.carried();
            let ended = self.batch(batch, out).await;
            (out.held, out.elapsed) = self.timeline.end_batch();
            ended?;
            self.context.created();
            self.context.rows += batch.migrations.len();
        }
        Ok(())
    }

    async fn batch(&mut self, batch: &Batch<'_>, out: &mut RehearsedBatch) -> Result<(), Halt> {
        if let Some(sql) = self.closing.create_sql(self.context) {
            self.own(batch, Part::CreateTable, &sql).await?;
        }
        let mut hashes = Vec::new();
        for (index, (reviewed, out)) in batch.migrations.iter().zip(&mut out.migrations).enumerate() {
            out.outcome = Outcome::Failed;
            let text = reviewed.migration.read().map_err(changed)?;
            self.file(batch, index, &text, out).await?;
            let record = self.closing.record_message(self.context, reviewed, &self.id);
            if !record.is_ascii() {
                self.own(batch, Part::Encoding(index), "RESET client_encoding").await?;
            }
            self.own(batch, Part::Record(index), &record).await?;
            out.creates = self.created().await?;
            out.outcome = Outcome::Ran;
            hashes.push(Applied::of(reviewed.migration, Duration::ZERO, Some(sha256(&text))).recorded());
        }
        self.finish(batch, &hashes).await
    }

    /// What is sent last before the COMMIT that never comes: the run's row, and the proof that the history holds all.
    async fn finish(&mut self, batch: &Batch<'_>, applied: &[RunMigration]) -> Result<(), Halt> {
        if let Some(sql) = trail_sql(self.context, &Progress::default(), None, applied) {
            self.own(batch, Part::Trail, &sql).await?;
        }
        self.own(batch, Part::Commit, &prove_sql(self.context, batch)).await
    }

    /// Runs a file, statement by statement where it is sure how the server would split it.
    async fn file(
        &mut self,
        batch: &Batch<'_>,
        index: usize,
        text: &str,
        out: &mut RehearsedMigration,
    ) -> Result<(), Halt> {
        let Some(reviewed) = batch.migrations.get(index) else { return Ok(()) };
        let sql = reviewed.judgement.sent(Migration::statements_text(text));
        if as_a_whole(reviewed, &sql) && !self.context.quotes_differ {
            let measured = blank(1, 1, "the whole file, which is not to be split");
            return self.statement(batch, index, &sql, None, measured, out).await;
        }
        for statement in Statements::new(&sql) {
            let part = sql.get(statement.range.clone()).unwrap_or_default();
            let measured = blank(statement.line, statement.column, &brief(part, SHOWN_CHARS));
            self.statement(batch, index, part, Some(statement.range), measured, out).await?;
        }
        Ok(())
    }

    /// Runs and measures one statement, or a whole file where `range` is none.
    async fn statement(
        &mut self,
        batch: &Batch<'_>,
        index: usize,
        sql: &str,
        range: Option<Range<usize>>,
        mut measured: Measured,
        out: &mut RehearsedMigration,
    ) -> Result<(), Halt> {
        if self.wait.heed(self.context).is_some() {
            return Err(Halt::Stopped);
        }
        let place = format!("{}:{}:{}", out.file, measured.line, measured.column);
        self.context.session.take_notices();
        measured.start = self.timeline.clock();
        let started = Instant::now();
        let ran = match range {
            Some(_) => {
                let session = self.context.session;
                let ran = self.wait.done(self.context, &place, session.execute_one(sql)).await;
                ran.map(|ran| ran.map(drop).map_err(|error| (0, error)))
            }
            None => match ask(self.context, &mut self.wait, &place, sql).await {
                Ok(_) => Some(Ok(())),
                Err(Ended::Failed { error, completed, .. }) => Some(Err((completed, error))),
                Err(Ended::Abandoned) => None,
            },
        };
        measured.elapsed = started.elapsed();
        self.timeline.advance(measured.elapsed);
        (measured.notices, measured.notices_left_out) = self.notices();
        match ran {
            None => Err(Halt::Abandoned),
            Some(Err((completed, error))) => {
                measured.failed = true;
                out.statements.push(measured);
                Err(self.failed(batch, index, range, completed, error))
            }
            Some(Ok(())) => {
                let measuring = self.measure(batch, index, &mut measured, &place).await;
                out.statements.push(measured);
                measuring
            }
        }
    }

    /// Adds what a statement that ran has taken and changed.
    async fn measure(
        &mut self,
        batch: &Batch<'_>,
        index: usize,
        measured: &mut Measured,
        place: &str,
    ) -> Result<(), Halt> {
        let before = self.look(place).await?;
        if self.sample.transaction.as_deref() != Some(self.id.as_str()) {
            return Err(Halt::Left(Box::new(left_its_transaction(batch, Part::Record(index)))));
        }
        let shown = self.sample.locks(&self.relations);
        measured.locks = self.timeline.note(shown, measured.start, place);
        measured.wal_bytes = self.sample.wal.saturating_sub(before.wal);
        measured.rows = self.sample.rows_since(&before, &self.relations);
        let moved = self.sample.moved(&mut self.relations);
        measured.rewrites = self.sized(moved).await?;
        Ok(())
    }

    /// Looks again, and gives the look before.
    async fn look(&mut self, name: &str) -> Result<Sample, Halt> {
        let answer = ask(self.context, &mut self.wait, name, &measure_sql(&self.relations)).await;
        let answer = answer.map_err(|ended| self.own_halt(MEASURING, ended))?;
        Ok(std::mem::replace(&mut self.sample, Sample::read(&answer)))
    }

    async fn sized(&mut self, moved: Vec<Arc<Relation>>) -> Result<Vec<Rewrite>, Halt> {
        if moved.is_empty() {
            return Ok(Vec::new());
        }
        let answer = ask(self.context, &mut self.wait, MEASURING, &sizes_sql(&moved)).await;
        let answer = answer.map_err(|ended| self.own_halt(MEASURING, ended))?;
        let sizes: Vec<(u32, u64)> =
            answer.iter().flatten().filter_map(|row| Some((number(row, 0)?, number(row, 1)?))).collect();
        let after = |oid: u32| sizes.iter().find(|(known, _)| *known == oid).map(|(_, bytes)| *bytes);
        let rewrite = |relation: Arc<Relation>| Rewrite {
            bytes_before: relation.size_bytes,
            bytes_after: after(relation.oid),
            relation,
        };
        Ok(moved.into_iter().map(rewrite).collect())
    }

    /// The relations that a file has made, once its session state is put back.
    async fn created(&mut self) -> Result<Vec<String>, Halt> {
        let answer = ask(self.context, &mut self.wait, MEASURING, &created_sql(self.named)).await;
        let answer = answer.map_err(|ended| self.own_halt(MEASURING, ended))?;
        let mut created = Vec::new();
        for row in answer.iter().flatten() {
            self.named = number(row, 0).map_or(self.named, |oid| self.named.max(oid));
            created.extend(row.get(1).cloned().flatten());
        }
        Ok(created)
    }

    /// Sends a message of ours that `up` sends too; its time counts, its locks are nobody's statement.
    async fn own(&mut self, batch: &Batch<'_>, part: Part, sql: &str) -> Result<(), Halt> {
        let (started, from) = (Instant::now(), self.timeline.clock());
        let answer = ask(self.context, &mut self.wait, OURS, sql).await;
        self.timeline.advance(started.elapsed());
        if let Err(ended) = answer {
            return Err(self.part_failed(batch, part, ended));
        }
        self.look(OURS).await?;
        let shown = self.sample.locks(&self.relations);
        self.timeline.note(shown, from, OURS);
        if part == Part::CreateTable {
            self.created().await?;
        }
        Ok(())
    }

    /// The first of what the server said, and how much more it was.
    fn notices(&self) -> (Vec<Notice>, usize) {
        let notices = self.context.session.take_notices().into_iter();
        let mut told = notices.filter(|notice| matches!(notice.severity.as_str(), "WARNING" | "NOTICE" | "INFO"));
        let kept = told.by_ref().take(KEPT_NOTICES);
        let kept = kept
            .map(|ServerError { severity, sqlstate, message, .. }| Notice { severity, sqlstate, message })
            .collect();
        (kept, told.count())
    }
}

fn blank(line: usize, column: usize, text: &str) -> Measured {
    Measured {
        line,
        column,
        text: text.to_owned(),
        start: Duration::ZERO,
        elapsed: Duration::ZERO,
        failed: false,
        locks: Vec::new(),
        rewrites: Vec::new(),
        rows: Vec::new(),
        wal_bytes: 0,
        notices: Vec::new(),
        notices_left_out: 0,
    }
}

/// Whether `up`, which sends a file in one message, would have it read otherwise than statement by statement: the message is
/// split and decoded before any of it runs, by the settings that hold then.
fn as_a_whole(reviewed: &Reviewed<'_>, sql: &str) -> bool {
    let encodes = || {
        let text = sql.to_ascii_lowercase();
        text.contains("client_encoding") || text.contains("set names")
    };
    reviewed.judgement.uncertain || (!sql.is_ascii() && encodes())
}
