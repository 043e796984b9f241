//! IQ-003: a second run changes nothing, and neither does a file that claims so.

use std::time::Instant;

use super::{Definition, case, check, unchanged};
use crate::error::Error;
use crate::migrations::Migration;
use crate::postgres::catalogue::Snapshot;
use crate::postgres::session::Session;
use crate::protocol::{Case, Verdict};
use crate::qualification::bench::{Bench, is_trail, query};

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-003",
    title: "Idempotency",
    requirement: "The job, and every migration that claims so, can be run again without any change.",
    expected: "A second run ends with exit code 0 and applies nothing; catalogue, row counts and history are the same \
               before and after; so are they after each file that is idempotent by its statements is run by itself, \
               on the installed schema or right after it was applied.",
};

pub(super) async fn run(bench: &Bench<'_>, spare: Option<&Bench<'_>>) -> Result<Vec<Case>, Error> {
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
        cases.extend(file(&session, migration, &after, spare).await?);
    }
    session.close().await;
    Ok(cases)
}

/// A file by itself once more, if it says that it can be: on the installed schema, and, where a later file has changed what
/// it makes, on the schema as it was right after it.
async fn file(
    session: &Session,
    migration: &Migration,
    installed: &Snapshot,
    spare: Option<&Bench<'_>>,
) -> Result<Option<Case>, Error> {
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
    let sql = judgement.sent(sql);
    let later = match repeat(session, &sql, installed).await? {
        Ok(()) => return Ok(Some(check(migration.file(), clock, Ok(SAME.to_owned())))),
        Err(later) => later,
    };
    let Some(spare) = spare else {
        let actual = format!("on the installed schema, which later files may have changed: {later}");
        return Ok(Some(case(migration.file(), Verdict::NotExecuted, actual)));
    };
    spare.up_to(migration.version()).await?;
    let before = spare.snapshot().await?;
    let session = spare.session().await?;
    let right_after = repeat(&session, &sql, &before).await?;
    session.close().await;
    let seen = match right_after {
        Ok(()) => Ok(format!("{SAME}, right after it was applied; later files have changed what it makes")),
        Err(otherwise) => Err(otherwise),
    };
    Ok(Some(check(migration.file(), clock, seen)))
}

const SAME: &str = "run again by itself: no error, nothing changed";

/// Runs a text in a transaction that is taken back: that nothing changed, or what did.
async fn repeat(session: &Session, sql: &str, before: &Snapshot) -> Result<Result<(), String>, Error> {
    const DOING: &str = "repeating a file";
    query(session, DOING, "BEGIN").await?;
    let seen = match session.query(sql).await {
        Ok(_) => {
            let after = Snapshot::take(session).await.map_err(|source| Error::Query { doing: DOING, source })?;
            unchanged(&before.changes(&after.without(is_trail)), "").map(drop)
        }
        Err(error) => Err(format!("run again by itself, it fails: {error}")),
    };
    query(session, DOING, "ROLLBACK; RESET ALL; RESET ROLE").await?;
    Ok(seen)
}
