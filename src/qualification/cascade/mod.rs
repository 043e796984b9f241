//! IQ-004: what every foreign key does to real rows. In: a session on a scratch database. Out: a case for each action
//! that a key declares. Never keeps a row: whatever it inserts is rolled back; only sequences have moved on.

mod delete;
mod trial;
mod update;

use std::time::Instant;

use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;

use crate::protocol::{Case, Verdict};
use crate::qualification::rows::catalogue::{Catalogue, Key, Reaction};
use crate::qualification::rows::probe::{Probe, Stumble};
use crate::qualification::rows::solve::Solved;
use delete::Seen;
use trial::Trial;

/// Tries every foreign key of the database on a parent and a child row, and rolls both back. A key has a case for what
/// it does on a deletion, and one more for what it does on an update, where it does anything. Without any foreign key
/// there is one case that says so.
///
/// # Errors
/// [`QueryError`] where the connection is lost, or the catalogue cannot be read.
pub async fn run(session: &Session) -> Result<Vec<Case>, QueryError> {
    let catalogue = Catalogue::read(session).await?;
    let role = session.query("SELECT pg_catalog.current_setting('session_replication_role')").await?;
    let role = role.into_iter().flatten().flatten().flatten().next().unwrap_or_default();
    let solved = Solved::default();
    let mut cases = Vec::new();
    for key in catalogue.keys.iter().filter(|key| !key.inherited) {
        for event in events(&catalogue, key) {
            let started = Instant::now();
            let seen = case(session, &catalogue, key, event, &solved).await?;
            let action = event.action(key).words();
            let table = catalogue.tables[catalogue.child(key)].words();
            cases.push(Case {
                name: format!("{table}.{} ({} {action})", key.name, event.words()),
                verdict: seen.verdict,
                actual: format!("{}{}", seen.actual, remarks(key, &role)),
                duration: started.elapsed(),
            });
        }
    }
    if cases.is_empty() {
        let actual = "the schema has no foreign key".to_owned();
        let name = "foreign keys".to_owned();
        cases.push(Case { name, verdict: Verdict::NotExecuted, actual, duration: std::time::Duration::ZERO });
    }
    Ok(cases)
}

/// What happens to the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Delete,
    Update,
}

impl Event {
    fn words(self) -> &'static str {
        match self {
            Self::Delete => "ON DELETE",
            Self::Update => "ON UPDATE",
        }
    }

    fn action(self, key: &Key) -> Reaction {
        match self {
            Self::Delete => key.on_delete,
            Self::Update => key.on_update,
        }
    }
}

fn events(catalogue: &Catalogue, key: &Key) -> Vec<Event> {
    let updates = key.on_update != Reaction::NoAction && !update::changeable(catalogue, key).is_empty();
    if updates { vec![Event::Delete, Event::Update] } else { vec![Event::Delete] }
}

/// What one key does, in transactions of its own.
async fn case(
    session: &Session,
    catalogue: &Catalogue,
    key: &Key,
    event: Event,
    solved: &Solved,
) -> Result<Seen, QueryError> {
    if !key.enforced {
        let actual = "the key is declared NOT ENFORCED, so that the server does not act on it".to_owned();
        return Ok(Seen { verdict: Verdict::NotExecuted, actual });
    }
    let mut seen = tried(session, catalogue, key, event, Some(solved)).await?;
    if seen.verdict != Verdict::Passed {
        // It may have been for a row that served twice, or for values that were good before.
        seen = tried(session, catalogue, key, event, None).await?;
    }
    Ok(seen)
}

/// One transaction.
async fn tried(
    session: &Session,
    catalogue: &Catalogue,
    key: &Key,
    event: Event,
    solved: Option<&Solved>,
) -> Result<Seen, QueryError> {
    let probe = Probe::begin(session).await?;
    let seen = match Trial::prepare(catalogue, key, &probe, solved).await {
        Ok(trial) if event == Event::Delete => delete::on_delete(trial).await,
        Ok(trial) => update::on_update(trial).await,
        Err(stumble) => Err(stumble),
    };
    if let Err(Stumble::Lost(error)) = seen {
        return Err(error);
    }
    probe.end().await?;
    seen.or_else(|stumble| match stumble {
        Stumble::Cannot(actual) => Ok(Seen { verdict: Verdict::NotExecuted, actual }),
        Stumble::Lost(error) => Err(error),
    })
}

/// What explains a verdict, or qualifies it.
fn remarks(key: &Key, replication_role: &str) -> String {
    let mut remarks = String::new();
    if !key.validated && key.enforced {
        remarks.push_str("; the key is NOT VALID: rows that were there before it were never checked");
    }
    if key.disabled {
        remarks.push_str("; triggers of the key are disabled");
    }
    if replication_role == "replica" {
        remarks.push_str("; session_replication_role is replica, which passes keys by");
    }
    remarks
}
