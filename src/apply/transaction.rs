//! One transactional batch: fence, files and history rows pipelined, COMMIT with the rows read back. In: a batch.
//! Out: all of it committed, or nothing of it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::history::FENCE_SETTING;
use crate::migrations::{Migration, ReadError, Version, script};
use crate::plan::Batch;
use crate::postgres::server_error::{QueryError, ServerError};
use crate::postgres::session::{Reply, Rows};
use crate::stop::StopReason;

use super::wait::{Awaited, Ended, STOP_PATIENCE, Wait};
use super::{
    Applied, ApplyError, Cause, Context, DatabaseState, MigrationFailure, Phase, Progress, RESET, RESTORE,
    RecoveryPoint, Statement,
};

/// How much may be on its way to the server before an answer is awaited, unless one file alone is larger.
const IN_FLIGHT_BYTES: usize = 4 * 1024 * 1024;
/// Of the record message, the statements before the check of deferred constraints.
const BEFORE_CONSTRAINTS: usize = 2;

/// What a message in flight is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    CreateTable,
    File(usize),
    Record(usize),
    Commit,
}

/// A message whose answer is not read yet.
struct InFlight {
    part: Part,
    reply: Reply,
    bytes: usize,
}

/// How a message ended, where it did not end well.
struct Failed {
    part: Part,
    completed: usize,
    error: QueryError,
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

struct Transaction<'run, 'context> {
    context: &'run mut Context<'context>,
    batch: &'run Batch<'run>,
    queue: VecDeque<InFlight>,
    in_flight_bytes: usize,
    wait: Wait,
    /// When the answer that is awaited now became due.
    turn: Instant,
    elapsed: Vec<Duration>,
    /// Whether COMMIT is on its way.
    commit_sent: bool,
    committed: Option<Vec<Rows>>,
}

/// Runs one batch in one transaction.
pub(super) async fn run(
    context: &mut Context<'_>,
    batch: &Batch<'_>,
    progress: &mut Progress,
) -> Result<(), ApplyError> {
    let (id, before) = begin(context, progress).await?;
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
        commit_sent: false,
        committed: None,
    };
    match transaction.pipeline(&id).await {
        Ok(()) => transaction.finish(progress),
        Err(halt) => Err(transaction.roll_back(halt, progress).await),
    }
}

/// Opens the transaction behind the fence and awaits its answer: were it to fail unseen, the files that follow in the
/// pipeline would run without a transaction.
pub(super) async fn begin(context: &Context<'_>, progress: &Progress) -> Result<(String, RecoveryPoint), ApplyError> {
    let own = |error| ApplyError::own("opening the transaction", error);
    let answer = context.session.query(&context.key.begin_sql()).await.map_err(own)?;
    let field = |statement: usize, column: usize| {
        answer.get(statement).and_then(|rows| rows.first()).and_then(|row| row.get(column)).cloned().flatten()
    };
    match (field(1, 0).as_deref(), field(2, 0), field(2, 1), field(2, 2)) {
        (Some("t"), Some(id), Some(wal), Some(time)) => Ok((id, RecoveryPoint { wal, time })),
        _ => {
            context.session.query("ROLLBACK").await.map_err(own)?;
            Err(ApplyError::LockLost { state: DatabaseState::between(progress) })
        }
    }
}

/// The message that puts the session back and records a migration, in the transaction `id` or not at all.
pub(super) fn record_message(context: &Context<'_>, migration: &Migration, id: &str) -> String {
    format!(
        "{RESTORE}{RESET}{settings}{record}; {renew}",
        settings = context.settings_sql,
        record = context.table.record_sql(migration, id),
        renew = context.key.renew_sql()
    )
}

impl Transaction<'_, '_> {
    /// Sends everything, reading answers only as the window asks for it.
    async fn pipeline(&mut self, id: &str) -> Result<(), Halt> {
        if !self.context.table.exists {
            let sql = self.context.table.create_sql();
            self.send(Part::CreateTable, &sql).await?;
        }
        for (index, reviewed) in self.batch.migrations.iter().enumerate() {
            let text = reviewed.migration.read().map_err(Halt::Changed)?;
            self.send(Part::File(index), Migration::statements_text(&text)).await?;
            drop(text);
            let record = record_message(self.context, reviewed.migration, id);
            self.send(Part::Record(index), &record).await?;
            if reviewed.judgement.uncertain {
                // What the scan could not read may end the transaction: nothing may follow it unawaited.
                self.drain().await?;
            }
        }
        let (first, last) = self.bounds();
        let commit = format!(
            "COMMIT; {}; SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.clock_timestamp()",
            self.context.table.versions_sql(first, last)
        );
        self.send(Part::Commit, &commit).await?;
        self.commit_sent = true;
        self.drain().await
    }

    fn bounds(&self) -> (Version, Version) {
        let versions = || self.batch.migrations.iter().map(|reviewed| reviewed.migration.version());
        let zero = Version::new(0);
        (versions().min().unwrap_or(zero), versions().max().unwrap_or(zero))
    }

    async fn send(&mut self, part: Part, sql: &str) -> Result<(), Halt> {
        while !self.queue.is_empty() && self.in_flight_bytes + sql.len() > IN_FLIGHT_BYTES {
            self.read_oldest().await?;
        }
        if self.wait.heed(self.context).is_some() {
            return Err(Halt::Stopped);
        }
        let sent = self.context.session.send(sql).await;
        let reply = sent.map_err(|error| Halt::Failed(Box::new(Failed { part, completed: 0, error })))?;
        if self.queue.is_empty() {
            self.turn = Instant::now();
        }
        self.in_flight_bytes += sql.len();
        self.queue.push_back(InFlight { part, reply, bytes: sql.len() });
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
            Ended::Failed { completed, error } => Halt::Failed(Box::new(Failed { part, completed, error })),
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
            Part::CreateTable => {}
        }
        Ok(())
    }

    fn file(&self, index: usize) -> &str {
        self.batch.migrations.get(index).map_or("", |reviewed| reviewed.migration.file())
    }

    fn describe(&self, part: Part) -> String {
        match part {
            Part::File(index) => self.file(index).to_owned(),
            Part::Record(index) => format!("recording {}", self.file(index)),
            Part::CreateTable => "creating the history table".to_owned(),
            Part::Commit => "COMMIT".to_owned(),
        }
    }

    /// The COMMIT is answered: the history, not the command tag, says whether it took place.
    fn finish(self, progress: &mut Progress) -> Result<(), ApplyError> {
        let answer = self.committed.unwrap_or_default();
        let held: std::collections::HashSet<&str> =
            answer.get(1).into_iter().flatten().filter_map(|row| row.first()?.as_deref()).collect();
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
            answer.get(2).and_then(|rows| rows.first()).and_then(|row| row.get(column)).cloned().flatten()
        };
        progress.after = fact(0).zip(fact(1)).map(|(wal, time)| RecoveryPoint { wal, time });
        progress.applied.extend(self.batch.migrations.iter().zip(self.elapsed).map(|(reviewed, elapsed)| Applied {
            version: reviewed.migration.version(),
            file: reviewed.migration.file().to_owned(),
            elapsed,
        }));
        Ok(())
    }

    /// Ends the transaction without a COMMIT and says what happened.
    async fn roll_back(&mut self, halt: Halt, progress: &Progress) -> ApplyError {
        if let Halt::Failed(failed) = &halt
            && matches!(failed.error, QueryError::Lost { .. })
        {
            return ApplyError::own("applying the batch", failed.error.clone());
        }
        let undone = match halt {
            Halt::Abandoned => false,
            _ => matches!(tokio::time::timeout(STOP_PATIENCE, self.discard()).await, Ok(Ok(_))),
        };
        let state = if undone {
            DatabaseState::between(progress)
        } else {
            DatabaseState::RollingBack { migrations: progress.applied.len() }
        };
        match (halt, self.wait.stopping()) {
            (Halt::Changed(source), _) => ApplyError::Changed { source, state },
            (_, Some(reason)) => ApplyError::Stopped { reason, state },
            (Halt::Failed(failed), None) => self.failure(*failed, state),
            // Both are made only once there is a reason.
            (Halt::Stopped | Halt::Abandoned, None) => ApplyError::Stopped { reason: StopReason::Terminate, state },
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
        if self.commit_sent {
            // After an error that COMMIT is a ROLLBACK already.
            return Ok(Vec::new());
        }
        self.context.session.query("ROLLBACK").await
    }

    fn failure(&self, failed: Failed, state: DatabaseState) -> ApplyError {
        let Failed { part, completed, error } = failed;
        let server = match error {
            QueryError::Server(server) => *server,
            QueryError::Protocol { reason } => broken_protocol(reason),
            QueryError::Lost { .. } => return ApplyError::own("applying the batch", error),
        };
        match part {
            Part::File(index) => {
                let statement = self.statement(index, completed, &server);
                self.migration_failure(index, Phase::Statement, statement, server, state)
            }
            Part::Record(index) if completed == BEFORE_CONSTRAINTS => {
                self.migration_failure(index, Phase::DeferredConstraints, None, server, state)
            }
            Part::Record(index) if server.message.contains(FENCE_SETTING) => {
                let file = self.file(index).to_owned();
                ApplyError::Unrecordable {
                    state: DatabaseState::PartlyKept { file: file.clone() },
                    file,
                    cause: Cause::EndedItsTransaction,
                }
            }
            Part::Commit => {
                let last = self.batch.migrations.len().saturating_sub(1);
                self.migration_failure(last, Phase::Commit, None, server, state)
            }
            Part::Record(_) => ApplyError::own("recording a migration", QueryError::Server(Box::new(server))),
            Part::CreateTable => ApplyError::own("creating the history table", QueryError::Server(Box::new(server))),
        }
    }

    fn migration_failure(
        &self,
        index: usize,
        phase: Phase,
        statement: Option<Statement>,
        error: ServerError,
        state: DatabaseState,
    ) -> ApplyError {
        ApplyError::Migration(Box::new(MigrationFailure {
            file: self.file(index).to_owned(),
            phase,
            statement,
            error,
            state,
            blocked: None,
            attempts: 1,
        }))
    }

    fn statement(&self, index: usize, completed: usize, error: &ServerError) -> Option<Statement> {
        let migration = self.batch.migrations.get(index)?.migration;
        locate(migration, completed, error)
    }
}

/// What the server does when it breaks the protocol counts as the file's failure: it must not be tried in a loop.
pub(super) fn broken_protocol(reason: String) -> ServerError {
    ServerError {
        severity: "ERROR".to_owned(),
        sqlstate: "08P01".to_owned(),
        message: format!("unexpected protocol message: {reason}"),
        detail: None,
        hint: None,
        position: None,
        internal: None,
        context: None,
        table: None,
        constraint: None,
    }
}

/// The failing statement: by the error's position, or, where it has none, by counting those that completed.
pub(super) fn locate(migration: &Migration, completed: usize, error: &ServerError) -> Option<Statement> {
    let text = migration.read().ok()?;
    let sql = Migration::statements_text(&text);
    let number = completed + 1;
    if let Some(position) = error.position {
        let place = script::position_of(sql, usize::try_from(position).ok()?);
        let excerpt = script::excerpt(sql, place.byte);
        return Some(Statement {
            line: place.line,
            column: Some(place.column),
            number,
            excerpt: excerpt.text,
            caret: Some(excerpt.caret),
        });
    }
    let statement = script::nth_statement(sql, number)?;
    let excerpt = script::excerpt(sql, statement.range.start).text;
    Some(Statement { line: statement.line, column: None, number, excerpt, caret: None })
}
