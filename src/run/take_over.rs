//! Takes a database over. In: a reading, what people decided. Out: the history holds what another tool has applied, under
//! the lock and in one transaction. Runs no migration.

use super::account::Account;
use super::{Looked, Run};
use crate::adopt::{self, AdoptError, Adoption, Baseline, Decisions};
use crate::apply::{ApplyError, DatabaseState, Progress, open};
use crate::error::Error;
use crate::existing;
use crate::history::runs::{RunCommand, RunOutcome};
use crate::history::{Mirror, Reading};
use crate::migrations::{Origin, Version};
use crate::plan::{Divergence, PlanError};
use crate::postgres::connect::Need;
use crate::postgres::lock::LockKey;
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::postgres::soundness::Unsound;
use crate::settings::{TableName, WhenAhead};

const DOING: &str = "recording what is adopted";

/// What `adopt` was told.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What people decided about single entries.
    pub decisions: Decisions,
    /// Take the database as being at this version.
    pub baseline: Option<Version>,
    /// Only say what would be recorded.
    pub dry_run: bool,
}

/// What `adopt` found, or did.
#[derive(Debug, Clone)]
pub struct AdoptReport<'a> {
    /// What was, or would be, recorded.
    pub adoption: Adoption<'a>,
    /// Where it comes from.
    pub source: String,
    /// The history table.
    pub table: TableName,
    /// The database, without secrets.
    pub place: String,
}

impl<'a> Run<'a> {
    /// What `up` adopts by itself.
    pub fn adoption(&self, reading: &Reading) -> Result<Adoption<'a>, Error> {
        let mut adoption = adopt::by_itself(self.set, reading, self.settings.drizzle_in_step)?;
        // Those that were applied here have a row in both tables.
        let newest = self.set.newest().map(|newest| newest.version());
        let ours = reading.applied.iter().filter(|row| Some(row.version) > newest).count();
        adoption.newer.drain(..ours.min(adoption.newer.len()));
        if self.settings.when_ahead == WhenAhead::Allow || adoption.newer.is_empty() {
            return Ok(adoption);
        }
        let from = adopt::source_of(reading.drizzle.as_ref());
        let ahead = |row: &String| Divergence::Ahead { migration: format!("{row} of {from}") };
        Err(PlanError::Divergent(adoption.newer.iter().map(ahead).collect()).into())
    }

    /// Adopts, under the lock, what Drizzle recorded; says how many migrations.
    pub(super) async fn adopt_by_itself(
        &self,
        session: &Session,
        key: LockKey,
        reading: &mut Reading,
        account: &mut Account,
    ) -> Result<usize, Error> {
        let adoption = self.adoption(reading)?;
        if adoption.is_empty() {
            return Ok(0);
        }
        let source = adopt::source_of(reading.drizzle.as_ref());
        self.record_adoption(session, key, reading, &adoption, &source, account).await?;
        Ok(adoption.adopted.len())
    }

    /// Drizzle's table as it is to be kept in step: as it stands, or as it is made with a new database.
    pub(super) fn mirror(&self, reading: &Reading) -> Option<Mirror> {
        let Origin::Drizzle { layout, .. } = self.set.origin() else { return None };
        match &reading.drizzle {
            _ if !self.settings.drizzle_in_step => None,
            Some(drizzle) => Some(Mirror::of(drizzle)),
            None => reading.applied.is_empty().then(|| Mirror::new(&self.settings.drizzle_table, *layout)),
        }
    }

    async fn record_adoption(
        &self,
        session: &Session,
        key: LockKey,
        reading: &mut Reading,
        adoption: &Adoption<'_>,
        source: &str,
        account: &mut Account,
    ) -> Result<(), Error> {
        let query = |source| Error::Query { doing: DOING, source };
        let trail = account.writer(&reading.trail)?.map(|writer| {
            writer.record_sql(RunCommand::Adopt, &RunOutcome::Done, &adopt::decisions(adoption, source), &[])
        });
        let opened = open(session, key).await.map_err(query)?;
        let id = opened.map(|opened| opened.id).ok_or(ApplyError::LockLost { state: DatabaseState::Unchanged })?;
        let mirror = self.mirror(reading);
        let sql = adopt::record_sql(adoption, reading, mirror.as_ref(), &id, trail.as_deref());
        if let Err(error) = session.query(&sql).await {
            // The failure is what counts; a lost connection rolls back by itself.
            let _ = session.query("ROLLBACK").await;
            return Err(query(error));
        }
        *reading = adopt::with_adopted(reading, adoption);
        reading.table.exists = true;
        tracing::info!(adopted = adoption.adopted.len(), "{}", adoption.describe(source));
        warn_of_invalid_indexes(session).await.map_err(query)?;
        if let Some(file) = adoption.other_line_ends.first() {
            let more = adoption.other_line_ends.len() - 1;
            tracing::warn!(
                "{file} (and {more} more): differs from what Drizzle ran by line ends only; taken as the same"
            );
        }
        Ok(())
    }

    /// Records as applied what people say, or what Drizzle recorded.
    ///
    /// # Errors
    /// [`Error`], whatever is in the way; nothing is recorded then.
    pub async fn adopt(&mut self, wanted: &Wanted) -> Result<AdoptReport<'a>, Error> {
        let need = if wanted.dry_run { Need::Read } else { Need::Write };
        let Looked { session, mut reading } = self.look(need).await?;
        let key = LockKey::for_table(&reading.table.name);
        let mut account = Account::new(self.settings);
        account.began(&reading);
        if !wanted.dry_run {
            self.refuse_transaction_pooler(&session).await?;
            reading = self.lock(&session, key, &[], |_, _| Ok(false)).await?.reading;
        }
        let trail = reading.trail.clone();
        let done = self.adopt_wanted(&session, key, &mut reading, wanted, &mut account).await;
        if let (Err(error), false) = (&done, wanted.dry_run) {
            let nothing = Progress::default();
            self.record_failure(&session, &trail, &mut account, RunCommand::Adopt, &nothing, error).await;
        }
        let place = session.server.place.clone();
        super::leave(session, key).await;
        done.map(|(adoption, source)| AdoptReport { adoption, source, table: reading.table.name, place })
    }

    /// Finds what is to be recorded, and records it unless that is only to be shown.
    async fn adopt_wanted(
        &self,
        session: &Session,
        key: LockKey,
        reading: &mut Reading,
        wanted: &Wanted,
        account: &mut Account,
    ) -> Result<(Adoption<'a>, String), Error> {
        let adoption = match wanted.baseline {
            Some(version) => self.baseline(session, reading, version).await?,
            None => self.decided(reading, &wanted.decisions)?,
        };
        let source = match wanted.baseline {
            Some(_) => "the database".to_owned(),
            None => adopt::source_of(reading.drizzle.as_ref()),
        };
        if !wanted.dry_run && !adoption.is_empty() {
            self.record_adoption(session, key, reading, &adoption, &source, account).await?;
        }
        Ok((adoption, source))
    }

    fn decided(&self, reading: &Reading, decisions: &Decisions) -> Result<Adoption<'a>, Error> {
        let drizzle = match (&reading.drizzle, self.set.origin()) {
            (Some(drizzle), _) => drizzle,
            (None, Origin::Drizzle { .. }) => {
                return Err(AdoptError::NoTable { table: self.settings.drizzle_table.clone() }.into());
            }
            (None, _) => return Err(AdoptError::NotDrizzle.into()),
        };
        Ok(adopt::find(self.set, reading, drizzle, decisions)?)
    }

    async fn baseline(&self, session: &Session, reading: &Reading, version: Version) -> Result<Adoption<'a>, Error> {
        if !reading.applied.is_empty() {
            let (table, rows) = (reading.table.name.clone(), reading.applied.len());
            return Err(AdoptError::HistoryHasRows { table, rows }.into());
        }
        if let Some(drizzle) = reading.drizzle.as_ref().filter(|drizzle| !drizzle.rows.is_empty()) {
            return Err(AdoptError::DrizzleHasRows { table: drizzle.table.clone(), rows: drizzle.rows.len() }.into());
        }
        if self.set.get(version).is_none() {
            let newest = self.set.newest().map_or(Version::new(0), |newest| newest.version());
            return Err(PlanError::UnknownTarget { target: version, newest }.into());
        }
        let Baseline { adoption, tables } = Baseline::at(self.set, version)?;
        let answer = session.query(&existing::list_sql(&tables)).await;
        let answer = answer.map_err(|source| Error::Query { doing: "looking for existing tables", source })?;
        let missing = adopt::missing(&tables, answer.first().unwrap_or(&Vec::new()));
        if missing.is_empty() {
            return Ok(adoption);
        }
        Err(AdoptError::TablesMissing { version: version.get(), tables: missing }.into())
    }
}

/// What another tool may have passed over: an index whose concurrent build failed, and that `IF NOT EXISTS` then found.
async fn warn_of_invalid_indexes(session: &Session) -> Result<(), QueryError> {
    let names = Unsound::look(session).await?.invalid_indexes;
    if !names.is_empty() {
        tracing::warn!(
            "the database has invalid indexes, which slow writes and serve no query: {}; build them anew with REINDEX \
             INDEX CONCURRENTLY, or drop them",
            names.join(", ")
        );
    }
    Ok(())
}
