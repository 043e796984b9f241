//! The database that is qualified on: made and dropped, or given and emptied again. In: where a server is. Out: a dialer
//! for it. Never opens a session in the database that the target URL names, unless there is no other to make one from.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::postgres::attempt::{AttemptError, ConnectError};
use crate::postgres::catalogue::Snapshot;
use crate::postgres::connect::{Dialer, Need};
use crate::postgres::literal;
use crate::postgres::session::{Rows, Session};
use crate::settings::quote_identifier;
use crate::stop::Stop;

use super::bench;

use crate::protocol::QualificationError;

/// What the name of every scratch database begins with.
pub const PREFIX: &str = "schemagate_qualify_";
/// First half of the key by which a run says that its scratch database is in use: "SGAQ".
const CLASS: i32 = 0x5347_4151;
/// From where databases are made, unless the target's own is the only one to be had.
const MAINTENANCE: &str = "postgres";
const LEFTOVERS_SQL: &str = include_str!("leftovers.sql");
const SIBLING_SQL: &str = include_str!("sibling.sql");
const EMPTY_SQL: &str = include_str!("empty.sql");
const SERVER_SQL: &str = include_str!("server.sql");
const SUITABLE_SQL: &str = include_str!("suitable.sql");
/// How long the last session may take to drop a database: a run that is told to stop has 5 s.
const LONGEST_DROP: Duration = Duration::from_secs(4);

/// The database, and how it is got rid of.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) dialer: Arc<Dialer>,
    pub(super) name: String,
    /// Scratch databases that earlier runs left behind.
    pub(super) leftovers: Vec<String>,
    /// The session that made it and holds its lock; none where it was given.
    maker: Option<(Session, Arc<Dialer>)>,
    /// What was in it when it was given.
    given: Snapshot,
    /// The session that holds a given database for this run.
    holder: Option<Session>,
}

/// How to connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) limit: Duration,
    pub(super) stop: &'a Stop,
}

impl Patience<'_> {
    async fn connect(self, dialer: &Dialer) -> Result<Session, ConnectError> {
        dialer.connect(Need::Write, self.limit, &mut self.stop.clone()).await
    }
}

impl Scratch {
    /// Makes a database beside the one that `server` names.
    ///
    /// # Errors
    /// [`Error`] of the connection, or of the server where the role may not make databases.
    pub(super) async fn make(server: &Dialer, name: &str, patience: Patience<'_>) -> Result<Self, Error> {
        let (session, maker) = maintenance(server, patience).await?;
        let leftovers = query(&session, LEFTOVERS, &LEFTOVERS_SQL.replace("{class}", &CLASS.to_string())).await?;
        let claim = format!("SELECT pg_catalog.pg_advisory_lock({CLASS}, pg_catalog.hashtext({}))", literal(name));
        let sibling = SIBLING_SQL.replace("{name}", &literal(&server.target().dbname));
        let facts = query(&session, MAKING, &format!("{claim}; {sibling}")).await?;
        let locale = facts.get(1).and_then(|rows| rows.first()?.first().cloned().flatten());
        let Some(locale) = locale.or_else(|| is_made_first(server, name).then(String::new)) else {
            return Err(QualificationError::NoTarget { database: server.target().dbname.clone() }.into());
        };
        let create = format!("CREATE DATABASE {} TEMPLATE template0 {locale}", quote_identifier(name));
        session.query(&create).await.map_err(|source| match source.server() {
            Some(refusal) if refusal.sqlstate == "42501" => {
                let (role, reason) = (server.target().user.clone(), refusal.to_string());
                QualificationError::MayNotMake { role, reason }.into()
            }
            _ => Error::Query { doing: MAKING, source },
        })?;
        tracing::info!("scratch database {name} made");
        Ok(Self {
            dialer: Arc::new(server.to_database(name)),
            name: name.to_owned(),
            leftovers: leftovers.first().map(first_column).unwrap_or_default(),
            maker: Some((session, maker)),
            given: Snapshot::default(),
            holder: None,
        })
    }

    /// Takes the database that `dialer` names, which must be empty and nobody else's; one that does not exist is made.
    ///
    /// # Errors
    /// [`QualificationError::NotEmpty`], [`QualificationError::Unsuitable`], or [`Error`] of the connection.
    pub(super) async fn take(
        dialer: Arc<Dialer>,
        target: Option<&Dialer>,
        patience: Patience<'_>,
    ) -> Result<Self, Error> {
        let name = dialer.target().dbname.clone();
        let session = match patience.connect(&dialer).await {
            Err(ConnectError::Refused(attempt)) if is_unknown_database(&attempt.error) => {
                return Self::make(&dialer, &name, patience).await;
            }
            session => session?,
        };
        if let Some(reason) = unsuitable(&session, &dialer, target, patience).await? {
            session.close().await;
            return Err(QualificationError::Unsuitable { database: name, reason }.into());
        }
        let given = snapshot(&session).await?;
        let held: Vec<String> = given.lines().filter(|line| !is_of_every_database(line)).map(short).collect();
        if !held.is_empty() {
            session.close().await;
            return Err(QualificationError::NotEmpty { database: name, held }.into());
        }
        tracing::info!("scratch database {name} is empty and is used");
        Ok(Self { dialer, name, leftovers: Vec::new(), maker: None, given, holder: Some(session) })
    }

    /// Whether the run made it, and can make more beside it.
    pub(super) fn is_made(&self) -> bool {
        self.maker.is_some()
    }

    /// What belongs to the whole server, a line each; nothing where the connection for it is gone.
    pub(super) async fn server_state(&self) -> BTreeSet<String> {
        let session = self.maker.as_ref().map(|(session, _)| session).or(self.holder.as_ref());
        let Some(session) = session else { return BTreeSet::new() };
        let answer = session.query(&SERVER_SQL.replace("{scratch}", &literal(&self.name))).await;
        answer.ok().and_then(|answer| answer.first().map(first_column)).unwrap_or_default().into_iter().collect()
    }

    /// Drops it, or empties it where it was given; says whether nothing is left. `installed` is what a given database held
    /// once the release was in it: if it holds anything else now, that is somebody else's, and it is left alone.
    pub(super) async fn discard(self, installed: Option<Snapshot>) -> bool {
        let (name, given) = (self.name.clone(), self.maker.is_none());
        let discarded = tokio::time::timeout(LONGEST_DROP, self.try_discard(installed)).await;
        let left = match discarded {
            Ok(Ok(left)) if left.is_empty() => return true,
            Ok(Ok(left)) => left,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server does not answer".to_owned(),
        };
        let by_hand =
            if given { "empty it by hand".to_owned() } else { format!("drop it by hand: {}", drop_sql(&name)) };
        tracing::warn!("the scratch database {name} could not be cleaned up: {left}; {by_hand}");
        false
    }

    /// What is left, in words; nothing, as a rule.
    async fn try_discard(self, installed: Option<Snapshot>) -> Result<String, Error> {
        let Some((session, dialer)) = self.maker else {
            return empty(&self.dialer, self.holder, &self.given, installed).await;
        };
        let dropped = match session.query(&drop_sql(&self.name)).await {
            Err(error) if error.server().is_none() => {
                // The session that made it is gone: another one drops it.
                let session = last_session(&dialer).await?;
                query(&session, DROPPING, &drop_sql(&self.name)).await?;
                Ok(session)
            }
            Err(source) => Err(Error::Query { doing: DROPPING, source }),
            Ok(_) => Ok(session),
        };
        dropped?.close().await;
        tracing::info!("scratch database {} dropped", self.name);
        Ok(String::new())
    }
}

/// Drops what the run has made, and nothing else.
async fn empty(
    dialer: &Dialer,
    holder: Option<Session>,
    given: &Snapshot,
    installed: Option<Snapshot>,
) -> Result<String, Error> {
    let session = match holder {
        Some(session) if session.query("SELECT 1").await.is_ok() => session,
        _ => last_session(dialer).await?,
    };
    let held = snapshot(&session).await?;
    let ours = installed.as_ref().unwrap_or(given);
    let foreign: Vec<String> = ours
        .changes(&held)
        .iter()
        .filter(|change| change.starts_with("+ ") && !is_own(change))
        .map(|it| named(it))
        .collect();
    if !foreign.is_empty() {
        session.close().await;
        return Ok(format!("it holds what the release did not make, so nothing was dropped ({})", foreign.join(", ")));
    }
    query(&session, EMPTYING, EMPTY_SQL).await?;
    let left: Vec<String> = given.changes(&snapshot(&session).await?);
    session.close().await;
    tracing::info!("scratch database {} emptied", dialer.target().dbname);
    Ok(left.join("; "))
}

/// Whether a change is of what schemagate itself writes: rows, the trail, the schema of the history, the probe.
fn is_own(change: &str) -> bool {
    let line = change.trim_start_matches("+ ");
    bench::is_trail(line)
        || ["rows ", "schema ", "comment ", "internal triggers "].iter().any(|start| line.starts_with(start))
        || line.contains("schemagate_probe")
}

/// Why a database cannot be the scratch database of this run; nothing where it can.
async fn unsuitable(
    session: &Session,
    dialer: &Dialer,
    target: Option<&Dialer>,
    patience: Patience<'_>,
) -> Result<Option<String>, Error> {
    let started = Instant::now();
    loop {
        match reason(session).await? {
            // One that has just said good-bye is shown for a moment.
            Some(OTHERS) if started.elapsed() < LONGEST_GOODBYE => tokio::time::sleep(LOOK_AGAIN).await,
            Some(reason) => return Ok(Some(reason.to_owned())),
            None => break,
        }
    }
    let Some(target) = target.filter(|target| target.target().dbname == dialer.target().dbname) else {
        return Ok(None);
    };
    let same_place = target.target().hosts == dialer.target().hosts;
    let same_server = match maintenance(target, patience).await {
        Ok((other, _)) => {
            let same = identity(&other).await.is_some() && identity(&other).await == identity(session).await;
            other.close().await;
            same
        }
        Err(_) => false,
    };
    Ok((same_place || same_server).then(|| "it is the target, which DATABASE_URL names".to_owned()))
}

const OTHERS: &str = "other sessions are connected to it";
/// How long a session that ends may still be shown.
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What of the database itself speaks against it; claims it for this run.
async fn reason(session: &Session) -> Result<Option<&'static str>, Error> {
    let claim = format!("SELECT pg_catalog.pg_try_advisory_lock({CLASS}, 0)");
    let answer = query(session, "looking at the scratch database", &format!("{claim}; {SUITABLE_SQL}")).await?;
    let fact = |statement: usize, column: usize| answer.get(statement)?.first()?.get(column)?.clone();
    Ok(match (fact(0, 0).as_deref(), fact(1, 0).as_deref(), fact(1, 1), fact(1, 2)) {
        (Some("f"), ..) => Some("another qualification is using it"),
        (_, Some("t"), ..) => Some("it is a template, or the database from which others are made"),
        (_, _, None, _) => Some("it has no schema to create tables in: the search_path names none that exists"),
        (_, _, _, Some(others)) if others != "0" => Some(OTHERS),
        _ => None,
    })
}

/// What tells one cluster from another, where the role may read it.
async fn identity(session: &Session) -> Option<String> {
    let answer = session.query("SELECT system_identifier FROM pg_catalog.pg_control_system()").await.ok()?;
    answer.first()?.first()?.first()?.clone()
}

const MAKING: &str = "making the scratch database";
const LEFTOVERS: &str = "looking for scratch databases of earlier runs";
const DROPPING: &str = "dropping the scratch database";
const EMPTYING: &str = "emptying the scratch database";

/// Whether the database to be made is the one that the URL names: it has no sibling to be like.
fn is_made_first(server: &Dialer, name: &str) -> bool {
    server.target().dbname == name
}

fn drop_sql(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(name))
}

/// A session to make databases from.
async fn maintenance(server: &Dialer, patience: Patience<'_>) -> Result<(Session, Arc<Dialer>), Error> {
    let dialer = server.to_database(MAINTENANCE);
    match patience.connect(&dialer).await {
        // No such database, or not for this role: the one that the URL names is there for it.
        Err(ConnectError::Refused(refused)) if matches!(refused.error, AttemptError::Server(_)) => {
            let dialer = server.to_database(&server.target().dbname);
            let session = patience.connect(&dialer).await?;
            Ok((session, Arc::new(dialer)))
        }
        session => Ok((session?, Arc::new(dialer))),
    }
}

/// A session for the end: also of a run that was told to stop.
async fn last_session(dialer: &Dialer) -> Result<Session, Error> {
    Ok(dialer.connect(Need::Write, LONGEST_DROP, &mut Stop::never()).await?)
}

fn is_unknown_database(error: &AttemptError) -> bool {
    matches!(error, AttemptError::Server(error) if error.sqlstate == "3D000")
}

/// Extensions that a platform puts into every database, and the rights on the schema `public`.
fn is_of_every_database(line: &str) -> bool {
    ["schema public ", "extension "].iter().any(|start| line.starts_with(start))
}

/// The kind and the name of an object.
pub(super) fn short(line: &str) -> String {
    const KINDS_OF_TWO: &[&str] = &[
        // With their number.
        "rows ",
        "partitioned table",
        "materialized view",
        "foreign table",
        "composite type",
        "internal triggers",
        "event trigger",
    ];
    let words = if KINDS_OF_TWO.iter().any(|kind| line.starts_with(kind)) { 3 } else { 2 };
    line.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
}

/// A change as people read it: `+ table public.a`.
pub(super) fn named(change: &str) -> String {
    let (sign, line) = change.split_at(change.len().min(2));
    format!("{sign}{}", short(line))
}

async fn snapshot(session: &Session) -> Result<Snapshot, Error> {
    Snapshot::take(session).await.map_err(|source| Error::Query { doing: "reading the catalogue", source })
}

async fn query(session: &Session, doing: &'static str, sql: &str) -> Result<Vec<Rows>, Error> {
    session.query(sql).await.map_err(|source| Error::Query { doing, source })
}

fn first_column(rows: &Rows) -> Vec<String> {
    rows.iter().filter_map(|row| row.first().cloned().flatten()).collect()
}
