//! What every step works with: the release, the scratch database, runs of `up` on it. In: settings, a set, a dialer. Out:
//! how a run went, what the database held. Knows nothing of verdicts.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::apply::Progress;
use crate::error::Error;
use crate::history::Reading;
use crate::migrations::{MigrationSet, Version};
use crate::postgres::catalogue::Snapshot;
use crate::postgres::connect::{Dialer, Need};
use crate::postgres::session::{Rows, Session};
use crate::run::{Run, UpToDate};
use crate::settings::Settings;
use crate::stop::Stop;

/// The release on one scratch database.
pub(super) struct Bench<'a> {
    pub(super) settings: &'a Settings,
    pub(super) set: &'a MigrationSet,
    pub(super) dialer: Arc<Dialer>,
    pub(super) stop: Stop,
    /// What the database held once the release was in it.
    pub(super) installed: Rc<OnceCell<Snapshot>>,
}

/// How a run of `up` went.
pub(super) struct Ran {
    pub(super) result: Result<UpToDate, Error>,
    pub(super) progress: Progress,
}

impl Ran {
    /// How it failed, in one line with its exit code.
    pub(super) fn failure(&self) -> Option<String> {
        let error = self.result.as_ref().err()?;
        let first = error.to_string().lines().take(2).collect::<Vec<_>>().join(" ");
        Some(format!("{first} (exit code {})", error.exit_code().number()))
    }
}

impl Bench<'_> {
    /// The job itself, with these migrations.
    pub(super) async fn up(&self, set: &MigrationSet) -> Ran {
        let mut progress = Progress::default();
        let result = self.run(set).up(None, &mut progress).await;
        Ran { result, progress }
    }

    /// As [`Self::up`], up to a version.
    pub(super) async fn up_to(&self, version: Version) -> Result<(), Error> {
        self.run(self.set).up(Some(version), &mut Progress::default()).await.map(drop)
    }

    fn run<'b>(&'b self, set: &'b MigrationSet) -> Run<'b> {
        Run { settings: self.settings, set, dialer: Arc::clone(&self.dialer), stop: self.stop.clone() }
    }

    /// A session of the qualification's own.
    pub(super) async fn session(&self) -> Result<Session, Error> {
        let limit = self.settings.connect_deadline;
        Ok(self.dialer.connect(Need::Write, limit, &mut self.stop.clone()).await?)
    }

    /// What the history says.
    pub(super) async fn reading(&self) -> Result<Reading, Error> {
        let looked = self.run(self.set).look(Need::Read).await?;
        looked.session.close().await;
        Ok(looked.reading)
    }

    /// What the database holds, history and all, but for the audit trail of runs: a run may add to that.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, Error> {
        let session = self.session().await?;
        let taken = Snapshot::take(&session).await;
        session.close().await;
        let taken = taken.map_err(|source| Error::Query { doing: "reading the catalogue", source })?;
        Ok(taken.without(is_trail))
    }
}

/// Whether a line of a snapshot is of the audit trail of runs.
pub(super) fn is_trail(line: &str) -> bool {
    line.contains("__migration_run")
}

/// Asks one thing of the scratch database.
pub(super) async fn query(session: &Session, doing: &'static str, sql: &str) -> Result<Vec<Rows>, Error> {
    session.query(sql).await.map_err(|source| Error::Query { doing, source })
}
