//! The database that is qualified on: made and dropped, or given and emptied again. In: where a server is. Out: a dialer
//! for it. Never opens a session in the database that the target URL names, unless there is no other to make one from.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::postgres::attempt::{AttemptError, ConnectError};
use crate::postgres::catalogue::Snapshot;
use crate::postgres::connect::{Dialer, Need};
use crate::postgres::literal;
use crate::postgres::session::{Rows, Session};
use crate::settings::quote_identifier;
use crate::stop::Stop;

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
        let locale = facts.get(1).and_then(|rows| rows.first()?.first().cloned().flatten()).unwrap_or_default();
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
        })
    }

    /// Takes the database that `dialer` names, which must be empty; one that does not exist is made.
    ///
    /// # Errors
    /// [`QualificationError::NotEmpty`], or [`Error`] of the connection.
    pub(super) async fn take(dialer: Arc<Dialer>, patience: Patience<'_>) -> Result<Self, Error> {
        let name = dialer.target().dbname.clone();
        let session = match patience.connect(&dialer).await {
            Err(ConnectError::Refused(attempt)) if is_unknown_database(&attempt.error) => {
                return Self::make(&dialer, &name, patience).await;
            }
            session => session?,
        };
        let given = snapshot(&session).await?;
        session.close().await;
        let held: Vec<String> = given.lines().filter(|line| !is_of_every_database(line)).map(short).collect();
        if !held.is_empty() {
            return Err(QualificationError::NotEmpty { database: name, held }.into());
        }
        tracing::info!("scratch database {name} is empty and is used");
        Ok(Self { dialer, name, leftovers: Vec::new(), maker: None, given })
    }

    /// Whether more databases can be made beside it.
    pub(super) fn maker(&self) -> Option<&Dialer> {
        self.maker.as_ref().map(|(_, dialer)| dialer.as_ref())
    }

    /// Drops it, or empties it where it was given; says whether nothing is left.
    pub(super) async fn discard(self) -> bool {
        let name = self.name.clone();
        let discarded = tokio::time::timeout(LONGEST_DROP, self.try_discard()).await;
        let left = match discarded {
            Ok(Ok(left)) if left.is_empty() => return true,
            Ok(Ok(left)) => format!("it still holds {}", left.join("; ")),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server does not answer".to_owned(),
        };
        tracing::warn!(
            "the scratch database {name} could not be cleaned up: {left}; drop it by hand: {}",
            drop_sql(&name)
        );
        false
    }

    async fn try_discard(self) -> Result<Vec<String>, Error> {
        let Some((session, dialer)) = self.maker else {
            let session = last_session(&self.dialer).await?;
            query(&session, EMPTYING, EMPTY_SQL).await?;
            let left = self.given.changes(&snapshot(&session).await?);
            session.close().await;
            tracing::info!("scratch database {} emptied", self.name);
            return Ok(left);
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
        Ok(Vec::new())
    }
}

const MAKING: &str = "making the scratch database";
const LEFTOVERS: &str = "looking for scratch databases of earlier runs";
const DROPPING: &str = "dropping the scratch database";
const EMPTYING: &str = "emptying the scratch database";

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
fn short(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
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
