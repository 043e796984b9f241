//! IQ-003: a second run changes nothing, and neither does a file that claims so.

use std::time::Instant;

use super::{Definition, case, check, unchanged};
use crate::error::Error;
use crate::migrations::Migration;
use crate::postgres::catalogue::Snapshot;
use crate::postgres::session::Session;
use crate::protocol::{Case, Verdict};
use crate::qualification::bench::{Bench, query};

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-003",
    title: "Idempotency",
    requirement: "The job, and every migration that claims so, can be run again without any change.",
    expected: "A second run ends with exit code 0 and applies nothing; catalogue, row counts and history are the same \
               before and after; so are they after each file that is idempotent by its statements is run by itself.",
};

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let clock = Instant::now();
    let (before, history) = (bench.snapshot().await?, bench.reading().await?.applied);
    let ran = bench.up(bench.set).await;
    let (after, history_after) = (bench.snapshot().await?, bench.reading().await?.applied);
    let second = match ran.failure() {
        Some(failure) => Err(failure),
        None if !ran.progress.applied.is_empty() => Err(format!("it applied {} again", ran.progress.applied.len())),
        None if history != history_after => Err("the history changed".to_owned()),
        None => {
            unchanged(&before.changes(&after), "exit code 0, nothing applied; catalogue, rows and history the same")
        }
    };
    let mut cases = vec![check("second run", clock, second)];
    let session = bench.session().await?;
    for migration in bench.set {
        cases.extend(repeat(&session, migration, &after).await?);
    }
    session.close().await;
    Ok(cases)
}

/// Runs a file by itself once more, if it says that it can be, in a transaction that is taken back.
async fn repeat(session: &Session, migration: &Migration, before: &Snapshot) -> Result<Option<Case>, Error> {
    let clock = Instant::now();
    let text = migration.read()?;
    let sql = Migration::statements_text(&text);
    if !migration.survey(sql).claims_idempotency {
        return Ok(None);
    }
    let judgement = migration.judge(sql);
    if judgement.leaves_transaction() {
        let actual = "it runs outside a transaction and is made to be repeated; it is not run by itself here";
        return Ok(Some(case(migration.file(), Verdict::NotExecuted, actual)));
    }
    query(session, "repeating a file", "BEGIN").await?;
    let seen = match session.query(&judgement.sent(sql)).await {
        Ok(_) => {
            let after =
                Snapshot::take(session).await.map_err(|source| Error::Query { doing: "repeating a file", source })?;
            let after = after.without(crate::qualification::bench::is_trail);
            unchanged(&before.changes(&after), "run again by itself: no error, nothing changed")
        }
        Err(error) => Err(format!("run again by itself, it fails: {error}")),
    };
    query(session, "repeating a file", "ROLLBACK; RESET ALL; RESET ROLE").await?;
    Ok(Some(check(migration.file(), clock, seen)))
}
