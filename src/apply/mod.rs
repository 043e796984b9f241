//! Runs batches against a session that holds the lock. In: batches, the history table, a session. Out: what was
//! applied, or how it failed and what state that left. Never connects again and never decides whether to.

pub(crate) mod blame;
mod error;
mod index;
pub(crate) mod locate;
pub(crate) mod message;
mod no_transaction;
mod part;
pub(crate) mod transaction;
pub(crate) mod wait;

use std::time::Duration;

use rand::RngExt as _;

use crate::history::runs::{RunMigration, TrailWriter};
use crate::history::{HistoryTable, Mirror};
use crate::migrations::{Migration, Version};
use crate::plan::Batch;
use crate::postgres::lock::LockKey;
use crate::postgres::milliseconds;
use crate::postgres::session::Session;
use crate::postgres::watch::Watcher;
use crate::stop::Stop;

pub use error::{ApplyError, Cause, DatabaseState, MigrationFailure, Phase, Statement};
pub use message::open;

/// Checks deferred constraints as a COMMIT would, and puts them back.
pub(crate) const RESTORE: &str = include_str!("restore.sql");
/// What a reset sends besides: session state that outlives a rollback.
const RESET: &str = "RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; DISCARD TEMP; DISCARD SEQUENCES; ";
/// What is being done when a run is written into the audit trail.
pub const WRITING_TRAIL: &str = "writing the audit trail";
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(250);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What applying needs besides the batches.
#[derive(Debug)]
pub struct Context<'a> {
    /// The session that holds the lock.
    pub session: &'a Session,
    /// The history table; it is made by the first transaction where it does not exist.
    pub table: HistoryTable,
    /// How many rows the history holds.
    pub rows: usize,
    /// Drizzle's own table, which is kept in step.
    pub mirror: Option<Mirror>,
    /// Whether the first transaction makes that table.
    pub mirror_is_new: bool,
    /// Writes the run into the audit trail, with what is committed last; none where there is no trail.
    pub trail: Option<TrailWriter>,
    /// Whether the batch that runs is the last one.
    pub last: bool,
    /// The lock held.
    pub key: LockKey,
    /// Statements that put our own settings back after `RESET ALL`.
    pub settings_sql: String,
    /// Whether the server may split texts by other rules of quoting than the scan: `standard_conforming_strings` is in
    /// the URL's options.
    pub quotes_differ: bool,
    /// Explains long statements.
    pub watcher: &'a Watcher,
    /// How long a statement may run before it is explained.
    pub patience: Duration,
    /// Attempts at a batch.
    pub attempts: u32,
    /// The word that ends the run early.
    pub stop: Stop,
}

impl Context<'_> {
    /// What the first transaction makes before it records anything.
    pub(crate) fn create_sql(&self) -> Option<String> {
        let table = (!self.table.exists).then(|| self.table.create_sql());
        let mirror = self.mirror.as_ref().filter(|_| self.mirror_is_new).map(Mirror::create_sql);
        let statements: Vec<String> = table.into_iter().chain(mirror).collect();
        (!statements.is_empty()).then(|| statements.join("; "))
    }

    /// What [`Self::create_sql`] makes is there from now on.
    pub(crate) fn created(&mut self) {
        self.table.exists = true;
        self.mirror_is_new = false;
    }
}

/// One migration that is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its version.
    pub version: Version,
    /// Its file.
    pub file: String,
    /// How long its statements took; zero where the answer was lost.
    pub elapsed: Duration,
    /// SHA-256 of the file, where it was computed.
    pub sha256: Option<String>,
}

impl Applied {
    /// A migration that is committed, or about to be.
    pub fn of(migration: &Migration, elapsed: Duration, sha256: Option<String>) -> Self {
        Self { version: migration.version(), file: migration.file().to_owned(), elapsed, sha256 }
    }

    /// As the audit trail records it.
    pub fn recorded(&self) -> RunMigration {
        RunMigration {
            version: Some(self.version.get()),
            file: self.file.clone(),
            sha256: self.sha256.clone(),
            duration_ms: (!self.elapsed.is_zero()).then(|| milliseconds(self.elapsed)),
            decision: None,
            source: None,
        }
    }
}

/// A place in the server's log of changes, to recover to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryPoint {
    /// WAL position.
    pub wal: String,
    /// The server's clock.
    pub time: String,
}

/// What a run has done so far; it outlives a failure.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// What is committed, in order.
    pub applied: Vec<Applied>,
    /// Before the first change.
    pub before: Option<RecoveryPoint>,
    /// After the last commit.
    pub after: Option<RecoveryPoint>,
    /// How many migrations were adopted as applied.
    pub adopted: usize,
    /// How long migrations waited for locks, by file; those of over a few seconds.
    pub lock_waits: Vec<(String, Duration)>,
}

impl Progress {
    /// Adds the waits of one session.
    pub fn note_lock_waits(&mut self, waits: Vec<(String, Duration)>) {
        for (what, waited) in waits {
            match self.lock_waits.iter_mut().find(|(known, _)| *known == what) {
                Some((_, known)) => *known += waited,
                None => self.lock_waits.push((what, waited)),
            }
        }
    }

    /// Notes and logs the recovery point before the first change; of a later batch it changes nothing.
    fn begin(&mut self, before: RecoveryPoint) {
        if self.before.is_none() {
            let RecoveryPoint { wal, time } = &before;
            tracing::info!(wal, server_time = time, "recovery point before the first change: WAL {wal} at {time}");
            self.before = Some(before);
        }
    }
}

/// Applies the batches in order.
///
/// # Errors
/// [`ApplyError`], with the state that the database is left in; what was committed before is in `progress`.
pub async fn apply(
    context: &mut Context<'_>,
    batches: &[Batch<'_>],
    progress: &mut Progress,
) -> Result<(), ApplyError> {
    for (number, batch) in batches.iter().enumerate() {
        if let Some(reason) = context.stop.reason() {
            return Err(ApplyError::Stopped { reason, during: None, state: DatabaseState::between(progress) });
        }
        context.last = number + 1 == batches.len();
        tracing::debug!(batch = number + 1, migrations = batch.migrations.len(), "batch begins");
        run_batch(context, batch, progress).await?;
        context.created();
        context.rows += batch.migrations.len();
    }
    Ok(())
}

/// One batch, tried again while it loses to other sessions' locks.
async fn run_batch(context: &mut Context<'_>, batch: &Batch<'_>, progress: &mut Progress) -> Result<(), ApplyError> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        // What was seen of an earlier attempt is no reason of this one.
        context.watcher.take_blocked();
        let ran = if batch.transactional {
            transaction::run(context, batch, progress).await
        } else {
            no_transaction::run(context, batch, progress).await
        };
        let mut failure = match ran {
            Err(ApplyError::Migration(failure)) if failure.error.lost_to_other_sessions() => failure,
            other => return other,
        };
        failure.blocked = context.watcher.take_blocked();
        if attempt >= context.attempts {
            failure.attempts = attempt;
            return Err(ApplyError::TableLocks(failure));
        }
        pause_before_another(context, &failure, pause, attempt, DatabaseState::between(progress)).await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
        attempt += 1;
    }
}

/// Says that an attempt was lost, puts the session back and pauses.
pub(crate) async fn pause_before_another(
    context: &mut Context<'_>,
    failure: &MigrationFailure,
    pause: Duration,
    attempt: u32,
    state: DatabaseState,
) -> Result<(), ApplyError> {
    let jittered = pause.mul_f64(rand::rng().random_range(0.75..1.25));
    tracing::warn!(
        attempt,
        sqlstate = failure.error.sqlstate,
        pause_ms = milliseconds(jittered),
        "{}: {}{}; rolled back, attempt {} of {} follows",
        failure.file,
        failure.error.message,
        failure.blocked.as_ref().map(|seen| format!(" ({})", seen.describe())).unwrap_or_default(),
        attempt + 1,
        context.attempts
    );
    put_back(context).await?;
    context.stop.pause(jittered).await.map_err(|reason| ApplyError::Stopped { reason, during: None, state })
}

/// The statements that put a session back, and our own settings after that.
pub fn put_back_sql(settings_sql: &str) -> String {
    format!("RESET SESSION AUTHORIZATION; RESET ROLE; {RESET}{settings_sql}")
}

/// Puts the session back outside a transaction: prepared statements and temporary tables outlive a rollback.
pub(crate) async fn put_back(context: &Context<'_>) -> Result<(), ApplyError> {
    context
        .session
        .query(&put_back_sql(&context.settings_sql))
        .await
        .map_err(|error| ApplyError::own("putting the session back", error))?;
    Ok(())
}
