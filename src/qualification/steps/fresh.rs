//! IQ-001: an empty database takes all migrations.

use std::time::Instant;

use super::{Definition, check, listed};
use crate::error::Error;
use crate::postgres::counted;
use crate::protocol::Case;
use crate::qualification::bench::{Bench, Ran, query};
use crate::qualification::expected::Expected;
use crate::qualification::witness::Witness;

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-001",
    title: "Fresh database",
    requirement: "All migrations apply to an empty database.",
    expected: "The job ends with exit code 0 and every migration applied; every object that the files make exists; no \
               warning and no error is logged.",
};

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let clock = Instant::now();
    let witness = Witness::listen();
    let ran = bench.up(bench.set).await;
    let heard = witness.heard();
    drop(witness);
    let mut cases = vec![check("installation", clock, installation(bench, &ran))];
    if ran.result.is_ok() {
        cases.push(objects(bench).await?);
    }
    cases.push(check(
        "log",
        Instant::now(),
        if heard.is_empty() {
            Ok("no warning and no error was logged".to_owned())
        } else {
            Err(format!("{} logged: {}", counted(heard.len(), "warning"), listed(&heard)))
        },
    ));
    Ok(cases)
}

fn installation(bench: &Bench<'_>, ran: &Ran) -> Result<String, String> {
    if let Some(failure) = ran.failure() {
        return Err(failure);
    }
    let (applied, all) = (ran.progress.applied.len(), bench.set.len());
    if applied == all {
        Ok(format!("{} applied, exit code 0", counted(applied, "migration")))
    } else {
        Err(format!("{applied} of {} applied", counted(all, "migration")))
    }
}

async fn objects(bench: &Bench<'_>) -> Result<Case, Error> {
    let clock = Instant::now();
    let mut expected = Expected::default();
    for migration in bench.set {
        let text = migration.read()?;
        migration.survey(&text).changes.into_iter().for_each(|change| expected.apply(change));
    }
    let session = bench.session().await?;
    let answer = query(&session, "looking for the objects", &expected.missing_sql()).await?;
    session.close().await;
    let missing: Vec<String> = answer.iter().flatten().filter_map(|row| row.first().cloned().flatten()).collect();
    Ok(check(
        "objects",
        clock,
        match (missing.is_empty(), expected.len()) {
            (true, 0) => Ok("the files make no object that their statements name".to_owned()),
            (true, _) => Ok(format!("all exist: {}", expected.summary())),
            (false, all) => Err(format!("{} of {all} missing: {}", missing.len(), listed(&missing))),
        },
    ))
}
