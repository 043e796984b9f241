//! What the audit trail is to say of a run that nobody else says: that it failed, or that it ended over another session than
//! the one that committed. In: how the run ended. Out: its row, or a warning; never another end than the run has.

use std::time::Duration;

use super::{Looked, Run};
use crate::apply::{Applied, DatabaseState, Progress, put_back_sql};
use crate::error::Error;
use crate::history::runs::{RunCommand, RunFacts, RunMigration, RunOutcome, TrailWriter, sha256};
use crate::history::{Reading, TrailTable};
use crate::postgres::connect::Need;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::settings::Settings;

/// How long a row may take to write after the run has failed.
const LONGEST_WRITE: Duration = Duration::from_secs(10);
/// How long a session may take to be had for a row alone.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// What the good-bye and the last words of a run that is to stop need.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How often a row is tried again where a request to cancel that came late met it.
const TRIES: usize = 3;

/// What is known of a run for its rows.
#[derive(Debug)]
pub(super) struct Account {
    facts: RunFacts,
    /// Whether the run has held the lock: one that has not is no part of the trail.
    pub(super) took_lock: bool,
    /// Whether its row is written, or cannot be, which was told.
    pub(super) settled: bool,
}

impl Account {
    pub(super) fn new(settings: &Settings) -> Self {
        let facts = RunFacts {
            run_id: format!("{:032x}", rand::random::<u128>()),
            started_at: None,
            git_commit: settings.release.git_commit.clone(),
            deployment_id: settings.release.deployment_id.clone(),
        };
        Self { facts, took_lock: false, settled: false }
    }

    /// Of a run that people do by hand: it begins when the script does.
    pub(super) fn by_hand(settings: &Settings, started_at: &str) -> Self {
        let mut account = Self::new(settings);
        account.facts.started_at = Some(started_at.to_owned());
        account
    }

    pub(super) fn facts(&self) -> &RunFacts {
        &self.facts
    }

    /// The run begins with its first look.
    pub(super) fn began(&mut self, reading: &Reading) {
        if self.facts.started_at.is_none() {
            self.facts.started_at.clone_from(&reading.time);
        }
    }

    /// What writes the rows of this run. Where there is no table and the role may not make one, the run goes on without.
    ///
    /// # Errors
    /// Where there is one that takes no row: a change that is not on record is worse than a late one.
    pub(super) fn writer(&mut self, trail: &TrailTable) -> Result<Option<TrailWriter>, Error> {
        let writer = trail.writer(&self.facts)?;
        if writer.is_none() && !self.settled {
            tracing::warn!(
                "this run is not in the audit trail: {} does not exist, and this role may not create it (GRANT CREATE ON \
                 SCHEMA {} TO this role)",
                trail.name,
                trail.name.schema().unwrap_or_default()
            );
            self.settled = true;
        }
        Ok(writer)
    }
}

impl Run<'_> {
    /// Writes the row of a run that failed under the lock, over the session that holds it.
    pub(super) async fn record_failure(
        &self,
        session: &Session,
        trail: &TrailTable,
        account: &mut Account,
        command: RunCommand,
        progress: &Progress,
        error: &Error,
    ) {
        // What the session is at is not known then, or it is gone.
        let unsure = matches!(
            error.state(),
            Some(DatabaseState::RollingBack { .. } | DatabaseState::Unknown | DatabaseState::PartlyKept { .. })
        );
        if account.settled || unsure || error.lost().is_some() {
            return;
        }
        match trail.writer(&account.facts) {
            Ok(Some(writer)) => {
                let migrations: Vec<RunMigration> = progress.applied.iter().map(Applied::recorded).collect();
                let sql = writer.record_sql(command, &failed(error), &migrations, &[]);
                let written = self.write(session, &sql).await;
                // Over another session it may still be written where it was this one that was at fault.
                account.settled = !matches!(written, Err(QueryError::Lost { .. }));
                if let Err(reason) = written {
                    tracing::warn!("the failure could not be written into the audit trail: {reason}");
                }
            }
            // The failure itself says so, or a warning did.
            Ok(None) | Err(_) => account.settled = true,
        }
    }

    /// Writes, over a session of its own, the row of a run of `up` that ended without one.
    pub(super) async fn settle(&mut self, account: &mut Account, progress: &Progress, failed_with: Option<&Error>) {
        // Where an answer was lost and the rest is done, it may have been another run that did it; the row of ours, if it was
        // ours, is in the transaction whose answer was lost.
        let seen = |applied: &&Applied| failed_with.is_some() || !applied.elapsed.is_zero();
        let migrations: Vec<RunMigration> = progress.applied.iter().filter(seen).map(Applied::recorded).collect();
        let owed = account.took_lock && (failed_with.is_some() || !migrations.is_empty());
        if account.settled || !owed {
            return;
        }
        account.settled = true;
        let outcome = failed_with.map_or(RunOutcome::Done, failed);
        if let Err(reason) = self.write_anew(account, &migrations, &outcome, failed_with).await {
            tracing::warn!("this run is not in the audit trail: {reason}");
        }
    }

    async fn write_anew(
        &mut self,
        account: &Account,
        migrations: &[RunMigration],
        outcome: &RunOutcome,
        failed_with: Option<&Error>,
    ) -> Result<(), String> {
        if self.stop.reason().is_some() || failed_with.is_some_and(is_about_connecting) {
            return Err("there is no session to write it over".to_owned());
        }
        let limit = LONGEST_CONNECT.min(self.settings.connect_deadline);
        let Looked { session, reading } =
            self.look_within(Need::Write, limit).await.map_err(|error| error.to_string())?;
        let written = match reading.trail.writer(&account.facts) {
            Ok(Some(writer)) => {
                let sql = writer.record_sql(RunCommand::Up, outcome, migrations, &[]);
                self.write(&session, &sql).await.map_err(|error| error.to_string())
            }
            Ok(None) => Err("there is none, and this role may not create it".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        session.close().await;
        written
    }

    /// Writes a row in a transaction of its own. There is no BEGIN and no COMMIT: were a transaction of the run still open,
    /// nothing of it would be committed by this.
    async fn write(&self, session: &Session, sql: &str) -> Result<(), QueryError> {
        let limit = self.stop.left().map_or(LONGEST_WRITE, |left| left.saturating_sub(LAST_WORDS));
        let sql = format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE; {}{sql}",
            put_back_sql(&self.settings_sql(session))
        );
        let tried = async {
            let mut tries = 1;
            loop {
                match session.query(&sql).await {
                    Err(QueryError::Server(error)) if error.sqlstate == "57014" && tries < TRIES => tries += 1,
                    ended => return ended.map(drop),
                }
            }
        };
        match tokio::time::timeout(limit, tried).await {
            Ok(ended) => ended,
            Err(_) => {
                session.canceller().cancel().await;
                Err(QueryError::Protocol { reason: "no answer in time".to_owned() })
            }
        }
    }

    /// Hashes the files of migrations whose COMMIT was heard of only later.
    pub(super) fn hash_files(&self, progress: &mut Progress) {
        for applied in progress.applied.iter_mut().filter(|applied| applied.sha256.is_none()) {
            let text = self.set.get(applied.version).and_then(|migration| migration.read().ok());
            applied.sha256 = text.map(|text| sha256(&text));
        }
    }
}

fn failed(error: &Error) -> RunOutcome {
    RunOutcome::Failed { exit_code: error.exit_code().number(), reason: error.reason() }
}

/// Whether it was just tried in vain to have a session.
fn is_about_connecting(error: &Error) -> bool {
    matches!(error, Error::Connect(_) | Error::NotBack { .. })
}
