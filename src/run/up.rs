//! `up`: from the first look to the last commit, over as many sessions as it takes. In: a run, a target. Out: what was done.
//! Owns the decision to connect again.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::lock::Locked;
use super::outcome::{after, tell_connected, tell_pending, up_to_date, warn_of, warn_of_newer};
use super::{Looked, Run, UpToDate, leave, plan_for};
use crate::adopt::with_adopted;
use crate::apply::{self, Applied, DatabaseState, Progress, RecoveryPoint};
use crate::error::Error;
use crate::existing;
use crate::history::runs::{RunCommand, TrailWriter};
use crate::history::{HalfDone, Reading};
use crate::migrations::{Migration, Version};
use crate::plan::{self, Plan};
use crate::postgres::attempt::ConnectError;
use crate::postgres::connect::Need;
use crate::postgres::lock::LockKey;
use crate::postgres::session::Session;
use crate::postgres::watch::Watcher;
use crate::review::{self, Reviewed};

/// A session lost so often without a newly recorded migration is lost for good: a migration that crashes its server
/// must not crash it in a loop.
const RESUMPTIONS: u32 = 3;
/// How long a good-bye may take, and where the run must be gone within 5 s.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);
const STOPPED_CLOSE: Duration = Duration::from_millis(200);

/// What outlives a session.
struct Task<'p> {
    target: Option<Version>,
    progress: &'p mut Progress,
    /// What a lost session was about to commit.
    planned: Vec<Applied>,
    /// What the audit trail is to say of it.
    account: Account,
}

/// How one pass ended.
enum Pass {
    Done(UpToDate),
    /// Something is pending and the server is a standby.
    Standby,
}

impl Run<'_> {
    /// Applies what is pending.
    ///
    /// # Errors
    /// [`Error`], whatever kept the release out; `progress` holds what was committed.
    pub async fn up(&mut self, target: Option<Version>, progress: &mut Progress) -> Result<UpToDate, Error> {
        let mut task = Task { target, progress, planned: Vec::new(), account: Account::new(self.settings) };
        let ended = self.passes(&mut task).await;
        self.settle(&mut task.account, task.progress, ended.as_ref().err()).await;
        ended
    }

    /// One session after another, until what is pending is applied or cannot be.
    async fn passes(&mut self, task: &mut Task<'_>) -> Result<UpToDate, Error> {
        let mut need = Need::Read;
        let mut resumptions = 0;
        let mut heard: Option<String> = None;
        loop {
            let before = task.progress.applied.len();
            let lost = match self.pass(need, task).await {
                Ok(Pass::Done(up_to_date)) => return Ok(up_to_date),
                Ok(Pass::Standby) if need == Need::Read => {
                    tracing::warn!("migrations are pending and the server is in recovery: waiting for a primary");
                    None
                }
                // It was none a moment ago: something in between hands out one server after another.
                Ok(Pass::Standby) => Some("the session is in recovery all of a sudden".to_owned()),
                Err(error) => match error.lost() {
                    Some(reason) => Some(reason),
                    None => return Err(task.since_then(error, heard)),
                },
            };
            if let Some(reason) = lost {
                heard = Some(reason.clone());
                resumptions = if task.progress.applied.len() > before { 1 } else { resumptions + 1 };
                if resumptions > RESUMPTIONS {
                    // The last loss may have hit the answer to a COMMIT that took place.
                    let done = self.read_once_more(task).await;
                    let during = task.during();
                    return done.ok_or(Error::SessionLost { during, reason, resumptions: RESUMPTIONS });
                }
                tracing::warn!(resumptions, "connection lost ({reason}): connecting again to read what is done");
            }
            need = Need::Write;
        }
    }

    /// What the history says after the last attempt; something only if nothing is pending any more.
    async fn read_once_more(&mut self, task: &mut Task<'_>) -> Option<UpToDate> {
        let Looked { session, reading } = self.look(Need::Read).await.ok()?;
        self.credit(task, &reading);
        let plan = plan_for(self.settings, self.set, &reading, task.target).ok()?;
        let done = plan.pending.is_empty().then(|| up_to_date(&plan));
        session.close().await;
        done
    }

    /// One session: looks, and changes what is to be changed.
    async fn pass(&mut self, need: Need, task: &mut Task<'_>) -> Result<Pass, Error> {
        let Looked { session, reading } = self.look(need).await?;
        tell_connected(&session);
        task.account.began(&reading);
        self.credit(task, &reading);
        let adoption = self.adoption(&reading)?;
        let reading = with_adopted(&reading, &adoption);
        let plan = plan_for(self.settings, self.set, &reading, task.target)?;
        warn_of(&plan);
        warn_of_newer(&adoption);
        if plan.pending.is_empty() && adoption.is_empty() {
            let done = up_to_date(&plan);
            session.close().await;
            return Ok(Pass::Done(done));
        }
        tell_pending(&plan, &reading);
        let reviewed = review::review(&plan.pending, &reading.half_done)?;
        if reading.in_recovery {
            session.close().await;
            return Ok(Pass::Standby);
        }
        if reading.read_only {
            return Err(Error::ReadOnlySession);
        }
        self.refuse_transaction_pooler(&session).await?;
        let key = LockKey::for_table(&reading.table.name);
        let existing = existing::wanted(self.settings, &reading, &reviewed);
        let target = task.target;
        let locked = self.lock(&session, key, &existing, |run, reading| run.nothing_to_do(reading, target)).await?;
        task.account.took_lock |= locked.ours;
        let (ours, trail) = (locked.ours, locked.reading.trail.clone());
        let done = self.change(&session, key, locked, reviewed, task).await;
        if let (Err(error), true) = (&done, ours) {
            self.record_failure(&session, &trail, &mut task.account, RunCommand::Up, task.progress, error).await;
        }
        // Also after a failure: the server is not to log a lost connection. One that does not answer is left.
        let patience = if self.stop.reason().is_some() { STOPPED_CLOSE } else { LONGEST_CLOSE };
        let _ = tokio::time::timeout(patience, leave(session, key)).await;
        done.map(Pass::Done)
    }

    /// Adopts and applies, under the lock. The plan made here is the one that counts.
    async fn change(
        &mut self,
        session: &Session,
        key: LockKey,
        mut locked: Locked,
        reviewed: Vec<Reviewed<'_>>,
        task: &mut Task<'_>,
    ) -> Result<UpToDate, Error> {
        // The session that was lost may have ended its COMMIT only after the first look; it held the lock until then.
        let credited = self.credit(task, &locked.reading);
        task.forget(&locked.reading);
        let adopted = self.adopt_by_itself(session, key, &mut locked.reading, &mut task.account).await?;
        task.progress.adopted += adopted;
        let plan = plan_for(self.settings, self.set, &locked.reading, task.target)?;
        if plan.pending.is_empty() {
            if adopted == 0 && !credited {
                tracing::info!("another run applied what was pending");
            }
            return Ok(up_to_date(&plan));
        }
        if !locked.existing.is_empty() && locked.reading.applied.is_empty() {
            return Err(Error::TablesExist { tables: locked.existing });
        }
        let reviewed = still_pending(&plan, reviewed, &locked.reading.half_done)?;
        task.planned = plan.pending.iter().map(|migration| applied_of(migration)).collect();
        let done = after(&plan);
        let trail = task.account.writer(&locked.reading.trail)?;
        let applied = self.apply(session, &locked, key, trail, reviewed, task.progress).await;
        // The last thing that was committed holds its row.
        task.account.settled |= applied.is_ok();
        if applied.as_ref().err().is_none_or(|error| error.lost().is_none()) {
            task.planned.clear();
        }
        applied.map(|()| done)
    }

    /// As [`Task::credit`], with the hashes of the files.
    fn credit(&self, task: &mut Task<'_>, reading: &Reading) -> bool {
        let credited = task.credit(reading);
        if credited {
            self.hash_files(task.progress);
        }
        credited
    }

    /// Whether nothing is pending and nothing is to be adopted.
    fn nothing_to_do(&self, reading: &Reading, target: Option<Version>) -> Result<bool, Error> {
        let adoption = self.adoption(reading)?;
        Ok(adoption.is_empty() && plan_for(self.settings, self.set, reading, target)?.pending.is_empty())
    }

    async fn apply(
        &mut self,
        session: &Session,
        locked: &Locked,
        key: LockKey,
        trail: Option<TrailWriter>,
        reviewed: Vec<Reviewed<'_>>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let watcher = Watcher::start(Arc::clone(&self.dialer), locked.reading.backend_pid, self.stop.clone());
        let mut context = self.context(session, locked, key, trail, &watcher);
        let batches = plan::batches(reviewed, self.settings.atomicity);
        let applied = apply::apply(&mut context, &batches, progress).await;
        progress.note_lock_waits(watcher.lock_waits());
        watcher.close().await;
        applied.map_err(Error::from)
    }
}

impl Task<'_> {
    /// The migrations that were being applied when the session was lost.
    fn during(&self) -> Option<String> {
        match self.planned.as_slice() {
            [] => None,
            [one] => Some(one.file.clone()),
            [first, .., last] => Some(format!("{} to {}", first.file, last.file)),
        }
    }

    /// A later pass that ends before it changes anything says "nothing was changed": by itself, but not by this run.
    fn since_then(&self, error: Error, lost: Option<String>) -> Error {
        // Whether what was planned is committed is not known before the history is read again.
        let state =
            if self.planned.is_empty() { DatabaseState::between(self.progress) } else { DatabaseState::Unknown };
        match (error, lost) {
            (Error::Stopped { reason, .. }, _) => Error::Stopped { reason, state },
            (Error::LockHeld { holder, waited, .. }, _) => Error::LockHeld { holder, waited, state },
            (Error::Connect(ConnectError::Stopped(reason)), Some(_)) => Error::Stopped { reason, state },
            (Error::Connect(source), Some(reason)) => Error::NotBack { reason, source: Box::new(source), state },
            (error, _) => error,
        }
    }

    /// After a lost connection: what was planned and is in the history now was committed, though its answer was lost.
    /// Whether there was any such.
    fn credit(&mut self, reading: &Reading) -> bool {
        let before = self.progress.applied.len();
        for migration in self.planned.extract_if(.., |migration| is_in(reading, migration)) {
            if !self.progress.applied.iter().any(|applied| applied.version == migration.version) {
                tracing::info!(migration = migration.file, "{} is in the history: it was committed", migration.file);
                self.progress.applied.push(migration);
            }
        }
        let credited = self.progress.applied.len() > before;
        if credited && let Some((wal, time)) = reading.point.clone() {
            self.progress.after = Some(RecoveryPoint { wal, time });
        }
        credited
    }

    /// After a failover: what the new primary had not got yet is gone with its row, and is going to be applied again.
    fn forget(&mut self, reading: &Reading) {
        for migration in self.progress.applied.extract_if(.., |migration| !is_in(reading, migration)) {
            tracing::warn!(
                migration = migration.file,
                "{} was committed and is not in the history any more: a failover has lost it",
                migration.file
            );
        }
    }
}

fn is_in(reading: &Reading, migration: &Applied) -> bool {
    reading.applied.binary_search_by_key(&migration.version, |row| row.version).is_ok()
}

fn applied_of(migration: &Migration) -> Applied {
    Applied::of(migration, Duration::ZERO, None)
}

/// The plan under the lock is the one that counts; what was reviewed for the first one is not read again.
pub(super) fn still_pending<'a>(
    plan: &Plan<'a>,
    reviewed: Vec<Reviewed<'a>>,
    half_done: &[HalfDone],
) -> Result<Vec<Reviewed<'a>>, Error> {
    let wanted: Vec<Version> = plan.pending.iter().map(|migration| migration.version()).collect();
    let kept: Vec<Reviewed<'a>> =
        reviewed.into_iter().filter(|reviewed| wanted.binary_search(&reviewed.migration.version()).is_ok()).collect();
    if kept.len() == wanted.len() { Ok(kept) } else { Ok(review::review(&plan.pending, half_done)?) }
}
