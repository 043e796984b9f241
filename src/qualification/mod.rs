//! Installation Qualification: proves on a scratch database that the release installs as it is said to. In: a release, a
//! server. Out: a [`Protocol`]. Owns the steps and their verdicts; the record that is made of them has a room of its own.
//! Never touches the target database.

mod append_only;
mod bench;
pub mod cascade;
mod expected;
mod probe;
mod rows;
mod scratch;
mod steps;
mod witness;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;

use crate::apply::DatabaseState;
use crate::error::Error;
use crate::migrations::{MigrationSet, VersionWidth};
use crate::postgres::catalogue::Snapshot;
use crate::postgres::connect::Dialer;
use crate::protocol::{Environment, Installed, Protocol, QualificationError, Step, Subject};
use crate::settings::Settings;
use crate::sha256::sha256_hex;
use crate::stop::Stop;

use bench::{Bench, query};
use scratch::{Patience, Scratch};
use steps::SPARE;

pub use scratch::PREFIX as SCRATCH_PREFIX;

/// A release and where it is to be qualified.
#[derive(Debug)]
pub struct Qualification<'a> {
    /// What the run was told.
    pub settings: &'a Settings,
    /// The release's migrations.
    pub set: &'a MigrationSet,
    /// The target, on whose server the scratch database is made.
    pub target: Option<Arc<Dialer>>,
    /// A scratch database that is given; the target is not connected to then.
    pub scratch: Option<Arc<Dialer>>,
    /// The word that ends it early.
    pub stop: Stop,
}

impl Qualification<'_> {
    /// Runs the protocol. The scratch database is dropped in the end, whatever happens.
    ///
    /// # Errors
    /// [`Error`] where the protocol could not be carried out; a step that failed is a verdict and no error.
    pub async fn run(&self) -> Result<Protocol, Error> {
        let started = SystemTime::now();
        let own = steps::own_steps(self.set)?;
        if self.scratch.is_none() {
            self.refuse_beyond()?;
        }
        let run_id = format!("{:016x}", rand::random::<u64>());
        let (scratch, spare) = self.open(&run_id).await?;
        let installed = Rc::default();
        let before = scratch.server_state().await;
        let mut stop = self.stop.clone();
        let done = tokio::select! {
            biased;
            reason = stop.wait() => Err(Error::Stopped { reason, state: DatabaseState::Unchanged }),
            done = self.carry_out(&scratch, &spare, &own, &installed) => done,
        };
        let leftovers = scratch.leftovers.clone();
        let server_changes = if done.is_ok() { changes(&before, &scratch.server_state().await) } else { Vec::new() };
        let discard_spare = join_all(spare.into_iter().flatten().map(|it| it.discard(None)));
        let (first, others) = tokio::join!(scratch.discard(installed.get().cloned()), discard_spare);
        let cleaned_up = first && others.into_iter().all(|discarded| discarded);
        let (steps, environment) = done?;
        let environment = Environment { leftovers, cleaned_up, server_changes, ..environment };
        let subject = self.subject()?;
        Ok(Protocol { run_id, subject, environment, started, finished: SystemTime::now(), steps })
    }

    /// The scratch database, and those that steps need besides where they can be made.
    async fn open(&self, run_id: &str) -> Result<(Scratch, Option<[Scratch; SPARE]>), Error> {
        let patience = Patience { limit: self.settings.connect_deadline, stop: &self.stop };
        let name = format!("{SCRATCH_PREFIX}{run_id}");
        let (scratch, server) = match (&self.scratch, &self.target) {
            (Some(given), target) => (Scratch::take(Arc::clone(given), target.as_deref(), patience).await?, given),
            (None, Some(target)) => (Scratch::make(target, &name, patience).await?, target),
            (None, None) => return Err(Error::NoDatabaseUrl),
        };
        for leftover in &scratch.leftovers {
            tracing::warn!(
                "an earlier qualification was killed and left its scratch database: DROP DATABASE {leftover};"
            );
        }
        if !scratch.is_made() {
            return Ok((scratch, None));
        }
        let mut spare = Vec::with_capacity(SPARE);
        for number in 2..SPARE + 2 {
            match Scratch::make(server, &format!("{name}_{number}"), patience).await {
                Ok(made) => spare.push(made),
                Err(error) => {
                    join_all(spare.into_iter().chain([scratch]).map(|it| it.discard(None))).await;
                    return Err(error);
                }
            }
        }
        Ok((scratch, spare.try_into().ok()))
    }

    async fn carry_out(
        &self,
        scratch: &Scratch,
        spare: &Option<[Scratch; SPARE]>,
        own: &[steps::OwnStep],
        installed: &Rc<OnceCell<Snapshot>>,
    ) -> Result<(Vec<Step>, Environment), Error> {
        let bench = self.bench(scratch, installed);
        let environment = self.environment(&bench, scratch).await?;
        let spare = spare.as_ref().map(|spare| spare.each_ref().map(|it| self.bench(it, &Rc::default())));
        let steps = steps::run_all(&bench, spare.as_ref(), own).await?;
        Ok((steps, environment))
    }

    fn bench(&self, scratch: &Scratch, installed: &Rc<OnceCell<Snapshot>>) -> Bench<'_> {
        Bench {
            settings: self.settings,
            set: self.set,
            dialer: Arc::clone(&scratch.dialer),
            stop: self.stop.clone(),
            installed: Rc::clone(installed),
        }
    }

    /// Roles, tablespaces and databases are the server's: a scratch database does not hold them.
    fn refuse_beyond(&self) -> Result<(), Error> {
        let mut statements = Vec::new();
        for migration in self.set {
            let text = migration.read()?;
            let beyond = migration.survey(&text).beyond;
            statements.extend(beyond.iter().map(|it| format!("{}:{}: {}", migration.file(), it.line, it.statement)));
        }
        if statements.is_empty() { Ok(()) } else { Err(QualificationError::Beyond { statements }.into()) }
    }

    fn subject(&self) -> Result<Subject, Error> {
        let mut migrations = Vec::with_capacity(self.set.len());
        for migration in self.set {
            let checksum = [VersionWidth::Int4, VersionWidth::Int8].into_iter().find_map(|it| migration.checksum(it));
            migrations.push(Installed {
                version: migration.version().get(),
                file: migration.file().to_owned(),
                sha256: sha256_hex(migration.read()?.as_bytes()),
                checksum: checksum.map(|checksum| checksum.to_string()).unwrap_or_default(),
                size_bytes: migration.size_bytes(),
            });
        }
        Ok(Subject {
            ids: self.settings.evidence.clone(),
            release: self.settings.release.clone(),
            origin: self.set.origin().to_string(),
            migrations,
            history_table: self.settings.history_table.to_string(),
            atomicity: self.settings.atomicity.name(),
        })
    }

    async fn environment(&self, bench: &Bench<'_>, scratch: &Scratch) -> Result<Environment, Error> {
        const DOING: &str = "reading what the server is";
        const SQL: &str = "SELECT pg_catalog.current_setting('server_version'), session_user, \
            pg_catalog.pg_encoding_to_char(encoding), datcollate FROM pg_catalog.pg_database \
            WHERE datname = pg_catalog.current_database()";
        let session = bench.session().await?;
        let answer = query(&session, DOING, SQL).await?;
        let fact =
            |column: usize| answer.first().and_then(|rows| rows.first()?.get(column)?.clone()).unwrap_or_default();
        // Some platforms take the right to it away.
        let identifier = session.query("SELECT system_identifier FROM pg_catalog.pg_control_system()").await;
        let identifier = identifier.ok().and_then(|answer| answer.first()?.first()?.first()?.clone());
        let environment = Environment {
            server_version: fact(0),
            system_identifier: identifier,
            host: session.server.address.clone(),
            target_database: self.target.as_ref().map_or_else(String::new, |target| target.target().dbname.clone()),
            scratch_database: scratch.name.clone(),
            role: fact(1),
            encoding: fact(2),
            collation: fact(3),
            encrypted: session.server.encrypted,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            tool_sha256: std::fs::read("/proc/self/exe").ok().map(|bytes| sha256_hex(&bytes)),
            leftovers: Vec::new(),
            cleaned_up: false,
            server_changes: Vec::new(),
        };
        session.close().await;
        Ok(environment)
    }
}

/// What of the server is not as it was.
fn changes(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    let gone = before.difference(after).map(|line| format!("- {line}"));
    gone.chain(after.difference(before).map(|line| format!("+ {line}"))).collect()
}
