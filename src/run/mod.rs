//! One run against one database: how it looks, what it plans. In: settings, a set, a word to stop. Out: sessions, readings,
//! plans. What `up` and `adopt` do with them has files of its own; never prints.

mod account;
mod by_hand;
mod lock;
mod outcome;
mod rehearse;
mod take_over;
mod up;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::adopt::renumber;
use crate::apply::{self, ApplyError, DatabaseState};
use crate::error::Error;
use crate::history::runs::{self, Trail, TrailWriter};
use crate::history::{self, HistoryError, Reading};
use crate::migrations::{MigrationSet, Origin, Version, VersionWidth};
use crate::plan::{self, Plan, Rules};
use crate::postgres::attempt::ConnectError;
use crate::postgres::connect::{Dialer, Need};
use crate::postgres::lock::LockKey;
use crate::postgres::pooler::{Pooling, probe};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::{Rows, Session};
use crate::postgres::startup::Route;
use crate::postgres::watch::{Watcher, patience};
use crate::settings::Settings;
use crate::stop::Stop;
use crate::weight::WeighError;

pub use outcome::UpToDate;
pub use rehearse::{RehearsalWanted, Rehearsed};
pub use take_over::{AdoptReport, Wanted};

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

impl Run<'_> {
    /// Opens a session and reads the history: one round trip after the handshake.
    ///
    /// # Errors
    /// [`Error`] of the connection or the history.
    pub async fn look(&mut self, need: Need) -> Result<Looked, Error> {
        self.look_within(need, self.settings.connect_deadline).await
    }

    async fn look_within(&mut self, need: Need, deadline: Duration) -> Result<Looked, Error> {
        let mut session = self.dialer.connect(need, deadline, &mut self.stop).await?;
        if (1..OLDEST_MAJOR).contains(&session.server.major_version) {
            return Err(Error::OldServer { version: session.server.version.clone() });
        }
        let limit = deadline.max(FIRST_ANSWER);
        let sql = self.read_sql();
        let started = Instant::now();
        let answer = loop {
            let answer = match tokio::time::timeout(limit, self.ask(&session, &sql)).await {
                Ok(answer) => answer?,
                Err(_) => return Err(ConnectError::unanswered(&session.server.address, limit).into()),
            };
            let locked = answer.as_ref().is_err_and(|error| error.sqlstate() == Some("55P03"));
            if !locked || started.elapsed() >= deadline {
                break answer;
            }
            tracing::warn!("another session holds a lock on the history table: trying again");
        };
        let reading = self.reading(&answer.map_err(|source| self.unreadable(source))?)?;
        if reading.nonce.as_deref() != Some(self.dialer.parameters().nonce()) {
            session.route = Route::Pooled;
        }
        tracing::debug!(server = session.server.address, version = session.server.version, "connected");
        Ok(Looked { session, reading })
    }

    /// Reads the whole audit trail.
    ///
    /// # Errors
    /// [`Error`] of the connection or the history; [`HistoryError::TrailShape`], [`HistoryError::TrailNotReadable`].
    pub async fn trail(&mut self) -> Result<Trail, Error> {
        let Looked { session, reading } = self.look(Need::Read).await?;
        let mut trail = runs::read(&session, &reading.trail, reading.table.exists).await?;
        let identifier = runs::system_identifier(&session).await;
        trail.system_identifier =
            identifier.map_err(|source| Error::Query { doing: "reading the server's identifier", source })?;
        session.close().await;
        Ok(trail)
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
        format!("{}; {history}", history::drizzle::read_sql(&self.settings.drizzle_table, &self.settings.history_table))
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
            (reading.drizzle, reading.half_done) =
                history::drizzle::read(&self.settings.drizzle_table, &answer[from..before])?;
        }
        // Drizzle's next layout numbers by time: the table of a journal's database is to hold those versions too.
        let drizzle = matches!(self.set.origin(), Origin::Drizzle { .. });
        if !reading.table.exists && (drizzle || self.set.iter().any(|migration| !migration.version().fits_int4())) {
            reading.table.width = VersionWidth::Int8;
        }
        renumber(self.set, &mut reading.applied, reading.table.width)?;
        Ok(reading)
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

    /// What applying and rehearsing need of a run.
    fn context<'c>(
        &self,
        session: &'c Session,
        locked: &lock::Locked,
        key: LockKey,
        trail: Option<TrailWriter>,
        watcher: &'c Watcher,
    ) -> apply::Context<'c> {
        apply::Context {
            session,
            table: locked.reading.table.clone(),
            rows: locked.reading.applied.len(),
            mirror: self.mirror(&locked.reading),
            mirror_is_new: locked.reading.drizzle.is_none(),
            trail,
            last: false,
            key,
            settings_sql: self.settings_sql(session),
            quotes_differ: self.dialer.parameters().url_names("standard_conforming_strings"),
            watcher,
            patience: patience(locked.lock_timeout),
            attempts: self.settings.lock_attempts,
            stop: self.stop.clone(),
        }
    }

    fn settings_sql(&self, session: &Session) -> String {
        self.dialer.parameters().statements(session.route, session.server.major_version)
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

impl From<ApplyError> for Error {
    fn from(error: ApplyError) -> Self {
        Self::Apply(Box::new(error))
    }
}

impl From<WeighError> for Error {
    fn from(error: WeighError) -> Self {
        match error {
            WeighError::Read(source) => Self::Read(source),
            WeighError::Query(source) => Self::Query { doing: "looking at the tables that are touched", source },
        }
    }
}
