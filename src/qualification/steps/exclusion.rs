//! IQ-006: of two runs at once, one applies.

use std::time::{Duration, Instant};

use super::{Definition, case, check};
use crate::error::Error;
use crate::migrations::{MigrationSet, Version};
use crate::postgres::session::Session;
use crate::protocol::{Case, Verdict};
use crate::qualification::bench::{Bench, Ran, query};
use crate::qualification::probe;
use crate::settings::quote_identifier;

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-006",
    title: "Mutual exclusion",
    requirement: "Two runs at once apply each migration once.",
    expected: "While one run is within a migration, the other waits for its lock; both end with exit code 0, one has \
               applied the migration and the other nothing; the history holds one row of it.",
};

const DOING: &str = "holding two runs against each other";
/// The gate inside the appended migration: held by the qualification until the second run waits.
const GATE: &str = "1397178740, 6";
/// How long the two may take to meet.
const LONGEST_MEETING: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// One session waits at the gate; another one asks for the lock of runs.
const MEETING_SQL: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND NOT granted \
    AND classid = 1397178740 AND objid = 6) AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity \
    WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND state = 'idle' \
    AND query LIKE '%pg_try_advisory_lock%')";

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let text = format!("SELECT pg_catalog.pg_advisory_xact_lock({GATE}); CREATE TABLE schemagate_probe (id int);\n");
    let (Some(set), Some(version)) = (probe::append(bench, &text).await?, probe::version(bench).await?) else {
        return Ok(vec![case("two runs", Verdict::NotExecuted, probe::NO_VERSION)]);
    };
    let clock = Instant::now();
    let session = bench.session().await?;
    query(&session, DOING, &format!("SELECT pg_catalog.pg_advisory_lock({GATE})")).await?;
    let (first, second, met) = race(bench, &set, &session).await?;
    let table = bench.reading().await?.table.name.quoted();
    let rows =
        query(&session, DOING, &format!("SELECT pg_catalog.count(*) FROM {table} WHERE version = {version}")).await?;
    let rows = rows.first().and_then(|rows| rows.first()?.first().cloned().flatten()).unwrap_or_default();
    let seen = verdict(&first, &second, met, &rows);
    remove(&session, &table, version).await?;
    session.close().await;
    Ok(vec![check("two runs", clock, seen)])
}

/// Two runs, of which one is held inside the migration until the other one waits for the lock.
async fn race(bench: &Bench<'_>, set: &MigrationSet, session: &Session) -> Result<(Ran, Ran, bool), Error> {
    let mut runs = std::pin::pin!(async { tokio::join!(bench.up(set), bench.up(set)) });
    let meeting = tokio::time::timeout(LONGEST_MEETING, meet(session));
    let (early, met) = tokio::select! {
        ended = &mut runs => (Some(ended), false),
        met = meeting => (None, met.unwrap_or(Ok(false))?),
    };
    query(session, DOING, &format!("SELECT pg_catalog.pg_advisory_unlock({GATE})")).await?;
    let (first, second) = match early {
        Some(ended) => ended,
        None => runs.await,
    };
    Ok((first, second, met))
}

async fn meet(session: &Session) -> Result<bool, Error> {
    loop {
        let answer = query(session, DOING, MEETING_SQL).await?;
        if answer.first().and_then(|rows| rows.first()?.first()?.as_deref()) == Some("t") {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn verdict(first: &Ran, second: &Ran, met: bool, rows: &str) -> Result<String, String> {
    if let Some(failure) = first.failure().or_else(|| second.failure()) {
        return Err(format!("a run failed: {failure}"));
    }
    let applied = [first.progress.applied.len(), second.progress.applied.len()];
    match (met, applied, rows) {
        (false, _, _) => Err("the second run did not wait for the first".to_owned()),
        (true, [1, 0] | [0, 1], "1") => {
            Ok("one run applied the migration while the other waited for the lock; one row, both exit code 0"
                .to_owned())
        }
        (true, [a, b], rows) => {
            Err(format!("the runs applied {a} and {b} migrations; the history holds {rows} rows of it"))
        }
    }
}

/// Takes the migration back, so that the later steps find the release alone.
async fn remove(session: &Session, history: &str, version: Version) -> Result<(), Error> {
    let table = quote_identifier("schemagate_probe");
    let sql = format!("DROP TABLE IF EXISTS {table}; DELETE FROM {history} WHERE version = {version}");
    query(session, DOING, &sql).await.map(drop)
}
