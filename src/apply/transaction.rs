//! One transactional batch: fence, files and history rows pipelined, COMMIT with the rows read back. In: a batch.
//! Out: all of it committed, or nothing of it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::history::runs::{RunMigration, sha256};
use crate::migrations::{Migration, ReadError};
use crate::plan::Batch;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::{Reply, Rows};
use crate::stop::StopReason;

use super::blame::{blame, left_its_transaction};
use super::message::{Closing, FENCE, Opened, begin, prove_sql, read_back_sql, trail_sql};
use super::wait::{Awaited, Ended, Wait, ask};
use super::{Applied, ApplyError, Cause, Context, DatabaseState, Progress, RecoveryPoint, WRITING_TRAIL};

/// How much may be on its way to the server before an answer is awaited, unless one file alone is larger.
const IN_FLIGHT_BYTES: usize = 4 * 1024 * 1024;
/// What the driver keeps of a message in flight beside its text, about.
const MESSAGE_BYTES: usize = 1024;
/// How often the history is asked whether a COMMIT took place: a request to cancel that comes late may end the asking.
const READ_BACKS: usize = 5;

/// Of the last message, the statements up to the COMMIT: the proof that the history holds the rows, and the COMMIT.
const PROVEN_AND_COMMITTED: usize = 2;

/// What a message in flight is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    CreateTable,
    File(usize),
    Encoding(usize),
    Record(usize),
    Trail,
    Commit,
}

/// A message whose answer is not read yet.
struct InFlight {
    part: Part,
    reply: Reply,
    bytes: usize,
}

/// How a message ended, where it did not end well.
pub(crate) struct Failed {
    pub(crate) part: Part,
    pub(crate) completed: usize,
    pub(crate) statements: Vec<Rows>,
    pub(crate) error: QueryError,
}

/// Why the batch ends without a COMMIT.
enum Halt {
    /// A message failed.
    Failed(Box<Failed>),
    /// The run was to end; `Wait` knows why.
    Stopped,
    /// The run was to end, and the server did not answer in time.
    Abandoned,
    /// A file is not the one planned.
    Changed(ReadError),
}

pub(super) struct Transaction<'run, 'context> {
    context: &'run mut Context<'context>,
    pub(super) batch: &'run Batch<'run>,
    queue: VecDeque<InFlight>,
    in_flight_bytes: usize,
    wait: Wait,
    /// When the answer that is awaited now became due.
    turn: Instant,
    elapsed: Vec<Duration>,
    /// SHA-256 of the files sent, for the audit trail.
    hashes: Vec<Option<String>>,
    closing: Closing,
    /// Whether COMMIT is on its way.
    commit_sent: bool,
    /// Whether the COMMIT itself failed, which ends the transaction.
    over: bool,
    committed: Option<Vec<Rows>>,
}

/// Runs one batch in one transaction.
pub(super) async fn run(
    context: &mut Context<'_>,
    batch: &Batch<'_>,
    progress: &mut Progress,
) -> Result<(), ApplyError> {
    let opened = begin(context, progress).await?;
    let closing = Closing::new(&opened);
    let Opened { id, before, .. } = opened;
    progress.begin(before);
    let wait = Wait::new(&context.stop);
    let mut transaction = Transaction {
        context,
        batch,
        queue: VecDeque::new(),
        in_flight_bytes: 0,
        wait,
        turn: Instant::now(),
        elapsed: Vec::with_capacity(batch.migrations.len()),
        hashes: Vec::with_capacity(batch.migrations.len()),
        closing,
        commit_sent: false,
        over: false,
        committed: None,
    };
    match transaction.pipeline(&id, progress).await {
        Ok(()) => transaction.finish(progress),
        Err(Halt::Failed(failed)) if failed.committed() => {
            transaction.committed = Some(transaction.read_back(*failed).await?);
            transaction.finish(progress)
        }
        Err(halt) => Err(transaction.roll_back(halt, progress).await),
    }
}

impl Failed {
    /// Whether the COMMIT itself was answered: it is sent last and answers are read in order, so nothing before it had
    /// failed and it was no ROLLBACK. What failed is the reading back.
    fn committed(&self) -> bool {
        self.part == Part::Commit
            && self.completed >= PROVEN_AND_COMMITTED
            && !matches!(self.error, QueryError::Lost { .. })
    }

    /// Whether the record's fence found another transaction than the batch's.
    pub(crate) fn outside(&self) -> bool {
        let inside = self.statements.get(FENCE).and_then(|rows| rows.first()).and_then(|row| row.first());
        matches!(self.part, Part::Record(_)) && inside.and_then(Option::as_deref) == Some("f")
    }
}

impl Transaction<'_, '_> {
    /// Sends everything, reading answers only as the window asks for it.
    async fn pipeline(&mut self, id: &str, progress: &Progress) -> Result<(), Halt> {
        if let Some(sql) = self.closing.create_sql(self.context) {
            self.send(Part::CreateTable, &sql).await?;
        }
        for (index, reviewed) in self.batch.migrations.iter().enumerate() {
            if reviewed.judgement.uncertain || self.context.quotes_differ {
                // After an error in the transaction, a ROLLBACK that the scan could not see would let it run outside.
                self.drain().await?;
            }
            let text = reviewed.migration.read().map_err(Halt::Changed)?;
            self.send(Part::File(index), &reviewed.judgement.sent(Migration::statements_text(&text))).await?;
            self.hashes.push(self.context.trail.as_ref().map(|_| sha256(&text)));
            drop(text);
            let record = self.closing.record_message(self.context, reviewed, id);
            if !record.is_ascii() {
                // The server reads a message in the encoding that the file may have set.
                self.send(Part::Encoding(index), "RESET client_encoding").await?;
            }
            self.send(Part::Record(index), &record).await?;
            if reviewed.judgement.uncertain || self.context.quotes_differ {
                // What the scan could not read may end the transaction: nothing may follow it unawaited.
                self.drain().await?;
            }
        }
        if let Some(sql) = trail_sql(self.context, progress, None, &self.unmeasured()) {
            self.send(Part::Trail, &sql).await?;
        }
        let commit =
            format!("{}; COMMIT; {}", prove_sql(self.context, self.batch), read_back_sql(self.context, self.batch));
        self.send(Part::Commit, &commit).await?;
        self.commit_sent = true;
        self.drain().await
    }

    /// The migrations of the batch, whose times only the server knows while they are on their way.
    fn unmeasured(&self) -> Vec<RunMigration> {
        let applied = self.batch.migrations.iter().zip(&self.hashes);
        applied
            .map(|(reviewed, sha256)| Applied::of(reviewed.migration, Duration::ZERO, sha256.clone()).recorded())
            .collect()
    }

    /// Reads the history again where the COMMIT was answered and the reading back was not: cancelled, as a rule, by a
    /// word to stop that came as it succeeded.
    async fn read_back(&mut self, failed: Failed) -> Result<Vec<Rows>, ApplyError> {
        const DOING: &str = "reading the history after the COMMIT";
        let mut error = failed.error;
        let sql = format!("SELECT 'proven'; SELECT 'COMMIT'; {}", read_back_sql(self.context, self.batch));
        for _ in 0..READ_BACKS {
            let mut wait = Wait::deaf(&self.context.stop);
            match ask(self.context, &mut wait, DOING, &sql).await {
                Ok(answer) => return Ok(answer),
                Err(Ended::Failed { error: QueryError::Server(server), .. })
                    if server.sqlstate == "57014" || server.lost_to_other_sessions() =>
                {
                    error = QueryError::Server(server);
                }
                Err(Ended::Failed { error, .. }) => return Err(ApplyError::own(DOING, error)),
                Err(Ended::Abandoned) => {
                    let reason = wait.told().unwrap_or(StopReason::Terminate);
                    return Err(ApplyError::Stopped { reason, during: None, state: DatabaseState::Unknown });
                }
            }
        }
        Err(ApplyError::own(DOING, error))
    }

    async fn send(&mut self, part: Part, sql: &str) -> Result<(), Halt> {
        let bytes = sql.len() + MESSAGE_BYTES;
        while !self.queue.is_empty() && self.in_flight_bytes + bytes > IN_FLIGHT_BYTES {
            self.read_oldest().await?;
        }
        if self.wait.heed(self.context).is_some() {
            return Err(Halt::Stopped);
        }
        let sent = self.context.session.send(sql).await;
        let reply =
            sent.map_err(|error| Halt::Failed(Box::new(Failed { part, completed: 0, statements: Vec::new(), error })))?;
        if self.queue.is_empty() {
            self.turn = Instant::now();
        }
        self.in_flight_bytes += bytes;
        self.queue.push_back(InFlight { part, reply, bytes });
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), Halt> {
        while !self.queue.is_empty() {
            self.read_oldest().await?;
        }
        Ok(())
    }

    /// Reads the answer to the oldest message in flight, to its end.
    async fn read_oldest(&mut self) -> Result<(), Halt> {
        let Some(oldest) = self.queue.pop_front() else { return Ok(()) };
        self.in_flight_bytes -= oldest.bytes;
        let part = oldest.part;
        let name = self.describe(part);
        let awaited = Awaited { name: &name, keep_rows: !matches!(part, Part::File(_)) };
        let mut reply = oldest.reply;
        let answer = self.wait.answer(self.context, &mut reply, awaited).await.map_err(|ended| match ended {
            Ended::Abandoned => Halt::Abandoned,
            Ended::Failed { completed, statements, error } => {
                Halt::Failed(Box::new(Failed { part, completed, statements, error }))
            }
        })?;
        let took = self.turn.elapsed();
        self.turn = Instant::now();
        match part {
            Part::File(index) => {
                tracing::info!(
                    migration = self.file(index),
                    elapsed_ms = crate::postgres::milliseconds(took),
                    "{} ran in {}",
                    self.file(index),
                    crate::postgres::duration_text(took)
                );
                self.elapsed.push(took);
            }
            Part::Record(index) => {
                let renewed = answer.last().and_then(|rows| rows.first()).and_then(|row| row.first());
                if renewed.and_then(Option::as_deref) == Some("f") {
                    tracing::warn!("{} freed schemagate's advisory lock; it was taken again", self.file(index));
                }
            }
            Part::Commit => self.committed = Some(answer),
            Part::CreateTable | Part::Encoding(_) | Part::Trail => {}
        }
        Ok(())
    }

    fn file(&self, index: usize) -> &str {
        self.batch.file(index)
    }

    fn describe(&self, part: Part) -> String {
        match part {
            Part::File(index) => self.file(index).to_owned(),
            Part::Encoding(index) | Part::Record(index) => format!("recording {}", self.file(index)),
            Part::CreateTable => "creating the history table".to_owned(),
            Part::Trail => WRITING_TRAIL.to_owned(),
            Part::Commit => "COMMIT".to_owned(),
        }
    }

    /// The COMMIT is answered: the history, not the command tag, says whether it took place.
    fn finish(self, progress: &mut Progress) -> Result<(), ApplyError> {
        let answer = self.committed.unwrap_or_default();
        let held: std::collections::HashSet<&str> =
            answer.get(PROVEN_AND_COMMITTED).into_iter().flatten().filter_map(|row| row.first()?.as_deref()).collect();
        for reviewed in &self.batch.migrations {
            if !held.contains(reviewed.migration.version().to_string().as_str()) {
                return Err(ApplyError::Unrecordable {
                    file: reviewed.migration.file().to_owned(),
                    cause: Cause::NotRecorded,
                    state: DatabaseState::Unknown,
                });
            }
        }
        let fact = |column: usize| {
            answer
                .get(PROVEN_AND_COMMITTED + 1)
                .and_then(|rows| rows.first())
                .and_then(|row| row.get(column))
                .cloned()
                .flatten()
        };
        progress.after = fact(0).zip(fact(1)).map(|(wal, time)| RecoveryPoint { wal, time });
        let took = self.elapsed.into_iter().zip(self.hashes);
        let applied = self.batch.migrations.iter().zip(took);
        progress
            .applied
            .extend(applied.map(|(reviewed, (elapsed, sha256))| Applied::of(reviewed.migration, elapsed, sha256)));
        Ok(())
    }

    /// Ends the transaction without a COMMIT and says what happened.
    async fn roll_back(&mut self, halt: Halt, progress: &Progress) -> ApplyError {
        if let Halt::Failed(failed) = &halt {
            self.over = failed.part == Part::Commit && failed.completed + 1 >= PROVEN_AND_COMMITTED;
            if failed.outside() {
                return left_its_transaction(self.batch, failed.part);
            }
            if matches!(failed.error, QueryError::Lost { .. }) {
                return ApplyError::own("applying the batch", failed.error.clone());
            }
        }
        let undone = match halt {
            Halt::Abandoned => false,
            _ => matches!(tokio::time::timeout(self.wait.patience(), self.discard()).await, Ok(Ok(_))),
        };
        let state = match (undone, self.commit_sent, &halt) {
            (true, _, _) => DatabaseState::between(progress),
            // Nobody has heard whether that COMMIT took place; after a failure before it, it could not.
            (false, true, Halt::Abandoned) => DatabaseState::Unknown,
            (false, _, _) => DatabaseState::RollingBack { migrations: progress.applied.len() },
        };
        match (halt, self.wait.stopping()) {
            (Halt::Changed(source), _) => ApplyError::Changed { source, state },
            (_, Some(reason)) => ApplyError::Stopped { reason, during: self.wait.during(), state },
            (Halt::Failed(failed), None) => blame(self.batch, *failed, state),
            // Both are made only once there is a reason.
            (Halt::Stopped | Halt::Abandoned, None) => {
                ApplyError::Stopped { reason: StopReason::Terminate, during: None, state }
            }
        }
    }

    /// Reads what is still in flight and rolls back. After an error each message says 25P02; after the word to stop
    /// the running one is cancelled until it ends.
    async fn discard(&mut self) -> Result<Vec<Rows>, QueryError> {
        while let Some(mut message) = self.queue.pop_front() {
            let awaited = Awaited { name: "rolling back", keep_rows: false };
            // How each of them failed changes nothing; a lost connection shows in the ROLLBACK too.
            let _ = self.wait.answer(self.context, &mut message.reply, awaited).await;
        }
        if self.over {
            return Ok(Vec::new());
        }
        match self.context.session.query("ROLLBACK").await {
            // A request to cancel that came late met the ROLLBACK.
            Err(QueryError::Server(error)) if error.sqlstate == "57014" => self.context.session.query("ROLLBACK").await,
            ended => ended,
        }
    }
}
