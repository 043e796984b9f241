//! `rehearse`: from the first look to the ROLLBACK, over one session. In: a run, a target. Out: what was measured, and how
//! it failed, if it did. Never applies anything and never connects again.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::lock::Locked;
use super::outcome::{tell_connected, tell_pending, warn_of};
use super::up::still_pending;
use super::{Looked, Run, leave, plan_for};
use crate::adopt::with_adopted;
use crate::apply::DatabaseState;
use crate::error::Error;
use crate::existing;
use crate::history::HistoryTable;
use crate::migrations::Version;
use crate::plan;
use crate::postgres::connect::Need;
use crate::postgres::lock::LockKey;
use crate::postgres::session::Session;
use crate::postgres::watch::Watcher;
use crate::rehearsal::{LOOK_AGAIN, OtherSession, Rehearsal, rehearse, traffic};
use crate::review::{self, Reviewed};

/// How long a good-bye may take.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);

/// What `rehearse` was told.
#[derive(Debug, Clone, Copy)]
pub struct RehearsalWanted {
    /// The last version to rehearse; none is all.
    pub target: Option<Version>,
    /// Whether it may go on beside other sessions.
    pub with_traffic: bool,
}

/// What a rehearsal found, as far as it came.
#[derive(Debug)]
pub struct Rehearsed {
    /// The database, without secrets.
    pub place: String,
    /// The server's version.
    pub server_version: String,
    /// The history table.
    pub table: HistoryTable,
    /// Migrations in the history.
    pub applied: usize,
    /// How many migrations were pending, up to the target.
    pub pending: usize,
    /// Pending migrations beyond the target.
    pub held_back: usize,
    /// What `up` would adopt first, in words.
    pub adopts: Option<String>,
    /// The other sessions that were connected.
    pub traffic: Vec<OtherSession>,
    /// What was measured.
    pub rehearsal: Rehearsal,
    /// How it failed.
    pub failed: Option<Error>,
}

impl Run<'_> {
    /// Rehearses what is pending, beside other sessions only where that is allowed.
    ///
    /// # Errors
    /// [`Error`], whatever kept the rehearsal from beginning; how it failed later is in the result.
    pub async fn rehearse(&mut self, wanted: RehearsalWanted) -> Result<Rehearsed, Error> {
        let Looked { session, reading } = self.look(Need::Write).await?;
        tell_connected(&session);
        let adoption = self.adoption(&reading)?;
        let known = with_adopted(&reading, &adoption);
        let plan = plan_for(self.settings, self.set, &known, wanted.target)?;
        warn_of(&plan);
        let mut rehearsed = Rehearsed {
            place: session.server.place.clone(),
            server_version: session.server.version.clone(),
            table: reading.table.clone(),
            applied: plan.applied,
            pending: plan.pending.len(),
            held_back: plan.held_back,
            adopts: (!adoption.is_empty()).then(|| adoption.describe("Drizzle's history")),
            traffic: Vec::new(),
            rehearsal: Rehearsal::default(),
            failed: None,
        };
        if plan.pending.is_empty() {
            session.close().await;
            return Ok(rehearsed);
        }
        tell_pending(&plan, &reading);
        let reviewed = review::review(&plan.pending, &reading.half_done)?;
        if reading.read_only {
            return Err(Error::ReadOnlySession);
        }
        self.refuse_transaction_pooler(&session).await?;
        let key = LockKey::for_table(&reading.table.name);
        let existing = existing::wanted(self.settings, &known, &reviewed);
        let locked = self.lock(&session, key, &existing, |_, _| Ok(false)).await?;
        let done = self.rehearse_locked(&session, key, &locked, reviewed, wanted, &mut rehearsed).await;
        let _ = tokio::time::timeout(LONGEST_CLOSE, leave(session, key)).await;
        done.map(|()| rehearsed)
    }

    /// The plan made under the lock is the one that counts.
    async fn rehearse_locked(
        &mut self,
        session: &Session,
        key: LockKey,
        locked: &Locked,
        reviewed: Vec<Reviewed<'_>>,
        wanted: RehearsalWanted,
        rehearsed: &mut Rehearsed,
    ) -> Result<(), Error> {
        let known = with_adopted(&locked.reading, &self.adoption(&locked.reading)?);
        let plan = plan_for(self.settings, self.set, &known, wanted.target)?;
        rehearsed.pending = plan.pending.len();
        if plan.pending.is_empty() {
            return Ok(());
        }
        if !locked.existing.is_empty() && known.applied.is_empty() {
            return Err(Error::TablesExist { tables: locked.existing.clone() });
        }
        let reviewed = still_pending(&plan, reviewed, &locked.reading.half_done)?;
        rehearsed.traffic = self.others(session).await?;
        if !wanted.with_traffic && !rehearsed.traffic.is_empty() {
            return Err(Error::Traffic { sessions: rehearsed.traffic.clone() });
        }
        let trail = Account::new(self.settings).writer(&locked.reading.trail)?;
        let watcher = Watcher::start(Arc::clone(&self.dialer), locked.reading.backend_pid, self.stop.clone());
        let mut context = self.context(session, locked, key, trail, &watcher);
        let batches = plan::batches(reviewed, self.settings.atomicity);
        let ended = rehearse(&mut context, &batches, &mut rehearsed.rehearsal).await;
        watcher.close().await;
        rehearsed.failed = ended.err().map(Error::from);
        Ok(())
    }

    /// The other sessions, where there are any now and a second later: one that is only passing is none.
    async fn others(&mut self, session: &Session) -> Result<Vec<OtherSession>, Error> {
        let query = |source| Error::Query { doing: "looking for other sessions", source };
        if traffic(session).await.map_err(query)?.is_empty() {
            return Ok(Vec::new());
        }
        tracing::debug!("other sessions are connected: another look at them follows");
        let state = DatabaseState::Unchanged;
        self.stop.pause(LOOK_AGAIN).await.map_err(|reason| Error::Stopped { reason, state })?;
        traffic(session).await.map_err(query)
    }
}
