//! IQ-001: an empty database takes all migrations.

use std::time::Instant;

use super::{Definition, case, check, listed};
use crate::error::Error;
use crate::postgres::counted;
use crate::protocol::{Case, Verdict};
use crate::qualification::bench::{Bench, Ran, query};
use crate::qualification::expected::Expected;
use crate::qualification::witness::Witness;

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-001",
    title: "Fresh database",
    requirement: "All migrations apply to an empty database.",
    expected: "The job ends with exit code 0 and every migration applied; every object that the statements of the files name exists; no \
               warning and no error is logged.",
};

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let clock = Instant::now();
    let witness = Witness::listen();
    let ran = bench.up(bench.set).await;
    let (heard, skipped) = (witness.heard(), witness.skipped());
    drop(witness);
    if !ran.progress.applied.is_empty() {
        // Set once; a second run of this step there is none.
        let _ = bench.installed.set(bench.snapshot().await?);
    }
    let mut cases = vec![check("installation", clock, installation(bench, &ran))];
    if ran.result.is_ok() {
        cases.push(objects(bench).await?);
        cases.extend(not_as_written(&skipped));
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

/// Definitions that the server passed over on an empty database, because an earlier file had made an object of that name:
/// whether it is as the later one defines it, nobody has looked.
fn not_as_written(skipped: &[String]) -> Option<Case> {
    let words = || {
        let count = counted(skipped.len(), "definition");
        format!("{count} passed over, as an object of the name was there already; not compared: {}", listed(skipped))
    };
    (!skipped.is_empty()).then(|| case("definitions made twice", Verdict::NotExecuted, words()))
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
