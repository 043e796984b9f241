//! The run, as the data flows: connect, history, plan, lock, apply. In: settings, a set, a word to stop. Out: what was
//! done. Owns the decision to connect again; never prints.

mod lock;
mod outcome;
mod take_over;

use std::sync::Arc;
use std::time::Duration;

use crate::adopt::{renumber, with_adopted};
use crate::apply::{self, Applied, ApplyError, DatabaseState, Progress};
use crate::error::Error;
use crate::existing;
use crate::history::{self, HistoryError, Reading};
use crate::migrations::{Migration, MigrationSet, Origin, Version, VersionWidth};
use crate::plan::{self, Plan, Rules};
use crate::postgres::attempt::ConnectError;
use crate::postgres::connect::{Dialer, Need};
use crate::postgres::counted;
use crate::postgres::lock::LockKey;
use crate::postgres::pooler::{Pooling, probe};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::{Rows, Session};
use crate::postgres::startup::Route;
use crate::postgres::watch::{Watcher, patience};
use crate::review::{self, Reviewed};
use crate::settings::Settings;
use crate::stop::Stop;

pub use outcome::UpToDate;
pub use take_over::{AdoptReport, Wanted};

use lock::Locked;
use outcome::{after, tell_connected, up_to_date, warn_of};

/// A session lost so often without a newly recorded migration is lost for good: a migration that crashes its server
/// must not crash it in a loop.
const RESUMPTIONS: u32 = 3;
/// How long a good-bye may take, and where the run must be gone within 5 s.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);
const STOPPED_CLOSE: Duration = Duration::from_millis(200);
/// The least that a server gets for the first answer; our own `lock_timeout` ends before.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// The oldest server that has what the fence asks for.
const OLDEST_MAJOR: u32 = 13;

/// One run against one database.
#[derive(Debug)]
pub struct Run<'a> {
    /// What the run was told.
    pub settings: &'a Settings,
    /// The release's migrations.
    pub set: &'a MigrationSet,
    /// Opens sessions.
    pub dialer: Arc<Dialer>,
    /// The word that ends it early.
    pub stop: Stop,
}

/// A session and what it read.
#[derive(Debug)]
pub struct Looked {
    /// The session.
    pub session: Session,
    /// What it read of the history.
    pub reading: Reading,
}

/// How one pass ended.
enum Pass {
    Done(UpToDate),
    /// Something is pending and the server is a standby.
    Standby,
}

impl Run<'_> {
    /// Opens a session and reads the history: one round trip after the handshake.
    ///
    /// # Errors
    /// [`Error`] of the connection or the history.
    pub async fn look(&mut self, need: Need) -> Result<Looked, Error> {
        let mut session = self.dialer.connect(need, self.settings.connect_deadline, &mut self.stop).await?;
        if (1..OLDEST_MAJOR).contains(&session.server.major_version) {
            return Err(Error::OldServer { version: session.server.version.clone() });
        }
        let limit = self.settings.connect_deadline.max(FIRST_ANSWER);
        let sql = self.read_sql();
        let answer = match tokio::time::timeout(limit, self.ask(&session, &sql)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(ConnectError::unanswered(&session.server.address, limit).into()),
        };
        let reading = self.reading(&answer.map_err(|source| self.unreadable(source))?)?;
        if reading.nonce.as_deref() != Some(self.dialer.parameters().nonce()) {
            session.route = Route::Pooled;
        }
        tracing::debug!(server = session.server.address, version = session.server.version, "connected");
        Ok(Looked { session, reading })
    }

    /// One message and its answer, unless the run is to end first. Nothing is open that would have to be undone.
    async fn ask(&mut self, session: &Session, sql: &str) -> Result<Result<Vec<Rows>, QueryError>, Error> {
        tokio::select! {
            biased;
            reason = self.stop.wait() => {
                // It may wait for a lock on the history table, and would go on waiting there.
                session.canceller().cancel().await;
                Err(Error::Stopped { reason, state: DatabaseState::Unchanged })
            }
            answer = session.query(sql) => Ok(answer),
        }
    }

    fn unreadable(&self, source: QueryError) -> HistoryError {
        HistoryError::Query { table: self.settings.history_table.clone(), source }
    }

    /// The message that reads the history, and Drizzle's own where the migrations are drizzle-kit's.
    fn read_sql(&self) -> String {
        let history = history::read_sql(&self.settings.history_table);
        if self.read_statements() == history::READ_STATEMENTS {
            return history;
        }
        format!("{}; {history}", history::drizzle::read_sql(&self.settings.drizzle_table))
    }

    fn read_statements(&self) -> usize {
        let drizzle = matches!(self.set.origin(), Origin::Drizzle { .. });
        history::READ_STATEMENTS + if drizzle { history::drizzle::DRIZZLE_STATEMENTS } else { 0 }
    }

    fn reading(&self, answer: &[Rows]) -> Result<Reading, Error> {
        let mut reading = history::read(&self.settings.history_table, answer)?;
        let before = answer.len().saturating_sub(history::READ_STATEMENTS);
        let from = answer.len().saturating_sub(self.read_statements());
        if from < before {
            reading.drizzle = history::drizzle::read(&self.settings.drizzle_table, &answer[from..before])?;
        }
        // Drizzle's next layout numbers by time: the table of a journal's database is to hold those versions too.
        let drizzle = matches!(self.set.origin(), Origin::Drizzle { .. });
        if !reading.table.exists && (drizzle || self.set.iter().any(|migration| !migration.version().fits_int4())) {
            reading.table.width = VersionWidth::Int8;
        }
        renumber(self.set, &mut reading.applied, reading.table.width)?;
        Ok(reading)
    }

    /// Applies what is pending.
    ///
    /// # Errors
    /// [`Error`], whatever kept the release out; `progress` holds what was committed.
    pub async fn up(&mut self, target: Option<Version>, progress: &mut Progress) -> Result<UpToDate, Error> {
        let mut need = Need::Read;
        let mut resumptions = 0;
        let mut planned: Vec<Applied> = Vec::new();
        let mut heard: Option<String> = None;
        loop {
            let before = progress.applied.len();
            let lost = match self.pass(target, need, progress, &mut planned).await {
                Ok(Pass::Done(up_to_date)) => return Ok(up_to_date),
                Ok(Pass::Standby) if need == Need::Read => {
                    tracing::warn!("migrations are pending and the server is in recovery: waiting for a primary");
                    None
                }
                // It was none a moment ago: something in between hands out one server after another.
                Ok(Pass::Standby) => Some("the session is in recovery all of a sudden".to_owned()),
                Err(error) => match error.lost() {
                    Some(reason) => Some(reason),
                    None => return Err(since_then(error, progress, &planned, heard)),
                },
            };
            if let Some(reason) = lost {
                heard = Some(reason.clone());
                resumptions = if progress.applied.len() > before { 1 } else { resumptions + 1 };
                if resumptions > RESUMPTIONS {
                    // The last loss may have hit the answer to a COMMIT that took place.
                    let done = self.read_once_more(target, progress, &mut planned).await;
                    return done.ok_or(Error::SessionLost { reason, resumptions: RESUMPTIONS });
                }
                tracing::warn!(resumptions, "connection lost ({reason}): connecting again to read what is done");
            }
            need = Need::Write;
        }
    }

    /// What the history says after the last attempt; something only if nothing is pending any more.
    async fn read_once_more(
        &mut self,
        target: Option<Version>,
        progress: &mut Progress,
        planned: &mut Vec<Applied>,
    ) -> Option<UpToDate> {
        let Looked { session, reading } = self.look(Need::Read).await.ok()?;
        credit(&reading, planned, progress);
        let plan = plan_for(self.settings, self.set, &reading, target).ok()?;
        let done = plan.pending.is_empty().then(|| up_to_date(&plan));
        session.close().await;
        done
    }

    async fn pass(
        &mut self,
        target: Option<Version>,
        need: Need,
        progress: &mut Progress,
        planned: &mut Vec<Applied>,
    ) -> Result<Pass, Error> {
        let Looked { session, reading } = self.look(need).await?;
        let (set, settings) = (self.set, self.settings);
        tell_connected(&session);
        credit(&reading, planned, progress);
        let adoption = self.adoption(&reading)?;
        let reading = with_adopted(&reading, &adoption);
        let plan = plan_for(settings, set, &reading, target)?;
        warn_of(&plan);
        if plan.pending.is_empty() && adoption.is_empty() {
            let done = up_to_date(&plan);
            session.close().await;
            return Ok(Pass::Done(done));
        }
        tracing::info!(
            pending = plan.pending.len(),
            applied = plan.applied,
            "{} of {} pending in {}",
            plan.pending.len(),
            counted(plan.pending.len() + plan.applied + plan.held_back, "migration"),
            reading.table.name
        );
        let reviewed = review::review(&plan.pending)?;
        if reading.in_recovery {
            session.close().await;
            return Ok(Pass::Standby);
        }
        if reading.read_only {
            return Err(Error::ReadOnlySession);
        }
        self.refuse_transaction_pooler(&session).await?;
        let key = LockKey::for_table(&reading.table.name);
        let existing = existing::wanted(settings, &reading, &reviewed);
        let mut locked = self.lock(&session, key, &existing, |run, reading| run.nothing_to_do(reading, target)).await?;
        let adopted = self.adopt_by_itself(&session, key, &mut locked.reading).await?;
        let plan = plan_for(settings, set, &locked.reading, target)?;
        if plan.pending.is_empty() {
            if !adopted {
                tracing::info!("another run applied what was pending");
            }
            let done = up_to_date(&plan);
            session.close().await;
            return Ok(Pass::Done(done));
        }
        if !locked.existing.is_empty() && locked.reading.applied.is_empty() {
            return Err(Error::TablesExist { tables: locked.existing });
        }
        let reviewed = still_pending(&plan, reviewed)?;
        *planned = plan.pending.iter().map(|migration| applied_of(migration)).collect();
        let done = after(&plan);
        let applied = self.apply(&session, &locked, key, reviewed, progress).await;
        if applied.as_ref().err().is_none_or(|error| error.lost().is_none()) {
            planned.clear();
        }
        // Also after a failure: the server is not to log a lost connection. One that does not answer is left.
        let patience = if self.stop.reason().is_some() { STOPPED_CLOSE } else { LONGEST_CLOSE };
        let _ = tokio::time::timeout(patience, leave(session, key)).await;
        applied.map(|()| Pass::Done(done))
    }

    /// Whether nothing is pending and nothing is to be adopted.
    fn nothing_to_do(&self, reading: &Reading, target: Option<Version>) -> Result<bool, Error> {
        let adoption = self.adoption(reading)?;
        Ok(adoption.is_empty() && plan_for(self.settings, self.set, reading, target)?.pending.is_empty())
    }

    async fn refuse_transaction_pooler(&mut self, session: &Session) -> Result<(), Error> {
        if session.route == Route::Direct {
            return Ok(());
        }
        let seen = probe(&self.dialer, session, &mut self.stop).await;
        match seen.map_err(|source| Error::Query { doing: "telling what kind of pooler is in the way", source })? {
            Pooling::Transaction => Err(Error::TransactionPooler { unpooled_url_set: self.settings.has_unpooled_url }),
            Pooling::Session => {
                tracing::info!("a session pooler stands in between; settings travel by statement");
                Ok(())
            }
        }
    }

    fn settings_sql(&self, session: &Session) -> String {
        self.dialer.parameters().statements(session.route, session.server.major_version)
    }

    async fn apply(
        &mut self,
        session: &Session,
        locked: &Locked,
        key: LockKey,
        reviewed: Vec<Reviewed<'_>>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let watcher = Watcher::start(Arc::clone(&self.dialer), locked.reading.backend_pid, self.stop.clone());
        let mut context = apply::Context {
            session,
            table: locked.reading.table.clone(),
            rows: locked.reading.applied.len(),
            mirror: self.mirror(&locked.reading),
            mirror_is_new: locked.reading.drizzle.is_none(),
            key,
            settings_sql: self.settings_sql(session),
            quotes_differ: self.dialer.parameters().url_names("standard_conforming_strings"),
            watcher: &watcher,
            patience: patience(locked.lock_timeout),
            attempts: self.settings.lock_attempts,
            stop: self.stop.clone(),
        };
        let batches = plan::batches(reviewed, self.settings.atomicity);
        let applied = apply::apply(&mut context, &batches, progress).await;
        watcher.close().await;
        applied.map_err(Error::from)
    }
}

/// Says good-bye. Behind a pooler the server's session goes on, so that lock and settings are given back first.
async fn leave(session: Session, key: LockKey) {
    if session.route == Route::Pooled {
        // A pooler that resets sessions by itself has nothing left to do; a session that is gone has no lock.
        let _ = session.query(&format!("{}; RESET ALL", key.unlock_sql())).await;
    }
    session.close().await;
}

/// The plan for what was read.
///
/// # Errors
/// [`Error`] where files and history do not fit together, or the history is under another name.
pub fn plan_for<'b>(
    settings: &Settings,
    set: &'b MigrationSet,
    reading: &'b Reading,
    target: Option<Version>,
) -> Result<Plan<'b>, Error> {
    if reading.refinery_has_rows {
        return Err(HistoryError::Elsewhere { table: settings.history_table.clone() }.into());
    }
    let rules = Rules { target, out_of_order: settings.out_of_order, when_ahead: settings.when_ahead };
    let entries = plan::compare(set, &reading.applied)?;
    Ok(Plan::compute(&entries, &reading.table, rules)?)
}

/// A later pass that ends before it changes anything says "nothing was changed": by itself, but not by this run.
fn since_then(error: Error, progress: &Progress, planned: &[Applied], lost: Option<String>) -> Error {
    // Whether what was planned is committed is not known before the history is read again.
    let state = if planned.is_empty() { DatabaseState::between(progress) } else { DatabaseState::Unknown };
    match (error, lost) {
        (Error::Stopped { reason, .. }, _) => Error::Stopped { reason, state },
        (Error::LockHeld { holder, waited, .. }, _) => Error::LockHeld { holder, waited, state },
        (Error::Connect(ConnectError::Stopped(reason)), Some(_)) => Error::Stopped { reason, state },
        (Error::Connect(source), Some(reason)) => Error::NotBack { reason, source: Box::new(source), state },
        (error, _) => error,
    }
}

/// After a lost connection: what was planned and is in the history now was committed, though its answer was lost.
fn credit(reading: &Reading, planned: &mut Vec<Applied>, progress: &mut Progress) {
    for migration in planned.drain(..) {
        let held = reading.applied.binary_search_by_key(&migration.version, |row| row.version).is_ok();
        let known = progress.applied.iter().any(|applied| applied.version == migration.version);
        if held && !known {
            tracing::info!(migration = migration.file, "{} is in the history: it was committed", migration.file);
            progress.applied.push(migration);
        }
    }
}

fn applied_of(migration: &Migration) -> Applied {
    Applied { version: migration.version(), file: migration.file().to_owned(), elapsed: Duration::ZERO }
}

/// The plan under the lock is the one that counts; what was reviewed for the first one is not read again.
fn still_pending<'a>(plan: &Plan<'a>, reviewed: Vec<Reviewed<'a>>) -> Result<Vec<Reviewed<'a>>, Error> {
    let wanted: Vec<Version> = plan.pending.iter().map(|migration| migration.version()).collect();
    let kept: Vec<Reviewed<'a>> =
        reviewed.into_iter().filter(|reviewed| wanted.binary_search(&reviewed.migration.version()).is_ok()).collect();
    if kept.len() == wanted.len() { Ok(kept) } else { Ok(review::review(&plan.pending)?) }
}

impl From<ApplyError> for Error {
    fn from(error: ApplyError) -> Self {
        Self::Apply(Box::new(error))
    }
}
