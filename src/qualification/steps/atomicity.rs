//! IQ-005: a migration that fails leaves nothing behind.

use std::time::Instant;

use super::{Definition, case, check, unchanged};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::migrations::MigrationSet;
use crate::postgres::catalogue::Snapshot;
use crate::protocol::{Case, Verdict};
use crate::qualification::bench::{Bench, Ran};
use crate::qualification::probe;
use crate::settings::Atomicity;

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-005",
    title: "Atomicity",
    requirement: "A migration that fails leaves nothing behind, and blocks the release.",
    expected: "With a failing migration appended, the job ends with exit code 1; catalogue, rows and history are what they \
               were. On an empty database the whole release is taken back.",
};

/// As [`DEFINITION`], with what is expected under this setting.
pub(super) fn definition(atomicity: Atomicity) -> Definition {
    match atomicity {
        Atomicity::Release => DEFINITION,
        Atomicity::Migration => Definition {
            expected: "With a failing migration appended, the job ends with exit code 1; catalogue, rows and history are \
                       what they were. On an empty database, with SCHEMAGATE_ATOMICITY=migration, what was applied before \
                       it stays and is in the history, and of the failing migration nothing is left.",
            ..DEFINITION
        },
    }
}

/// It makes a table, writes into it, and fails.
const FAILING: &str = "CREATE TABLE schemagate_probe (id int); INSERT INTO schemagate_probe VALUES (1);\n\
    DO $$ BEGIN RAISE EXCEPTION 'a migration that is meant to fail' USING ERRCODE = 'SGQ05'; END $$;\n";

pub(super) async fn run(bench: &Bench<'_>, second: Option<&Bench<'_>>) -> Result<Vec<Case>, Error> {
    let Some(set) = probe::append(bench, FAILING).await? else {
        return Ok(vec![case("appended migration", Verdict::NotExecuted, probe::NO_VERSION)]);
    };
    let clock = Instant::now();
    let (before, history) = (bench.snapshot().await?, bench.reading().await?.applied);
    let ran = bench.up(&set).await;
    let (after, history_after) = (bench.snapshot().await?, bench.reading().await?.applied);
    let seen = refused(&ran).and_then(|failed| {
        if history != history_after {
            return Err("the history changed".to_owned());
        }
        unchanged(&before.changes(&after), &format!("{failed}; catalogue, rows and history are what they were"))
    });
    let mut cases = vec![check("on the installed schema", clock, seen)];
    cases.extend(on_an_empty_database(second, &set).await?);
    Ok(cases)
}

/// The whole release, with the migration that fails at its end.
async fn on_an_empty_database(second: Option<&Bench<'_>>, set: &MigrationSet) -> Result<Option<Case>, Error> {
    const NAME: &str = "on an empty database";
    let Some(bench) = second else {
        let actual = "the scratch database was given, and no second one can be made";
        return Ok(Some(case(NAME, Verdict::NotExecuted, actual)));
    };
    let mut whole = bench.settings.atomicity == Atomicity::Release;
    for migration in set {
        let text = migration.read()?;
        // What runs outside a transaction stays, and with it what was committed before.
        whole &= !migration.judge(&text).leaves_transaction();
    }
    let clock = Instant::now();
    let before = bench.snapshot().await?;
    let ran = bench.up(set).await;
    let after = bench.snapshot().await?;
    let seen = match refused(&ran) {
        Err(failure) => Err(failure),
        Ok(failed) if whole => taken_back(bench, set, &failed, before.changes(&after)),
        Ok(failed) => what_stays(bench, set, &failed, &after).await?,
    };
    Ok(Some(check(NAME, clock, seen)))
}

/// That nothing of the release is left but the audit trail.
fn taken_back(bench: &Bench<'_>, set: &MigrationSet, failed: &str, mut changes: Vec<String>) -> Result<String, String> {
    // The schema of the audit trail, in which the failed run has its row.
    let schema = bench.settings.history_table.schema().map(|schema| format!("+ schema {schema} "));
    changes.retain(|change| schema.as_ref().is_none_or(|schema| !change.replace('"', "").starts_with(schema)));
    unchanged(&changes, &format!("{failed}; nothing of {} migrations is left but the audit trail's row", set.len()))
}

/// That all but the failing migration is applied, and of that one nothing is left.
async fn what_stays(
    bench: &Bench<'_>,
    set: &MigrationSet,
    failed: &str,
    after: &Snapshot,
) -> Result<Result<String, String>, Error> {
    let (applied, expected) = (bench.reading().await?.applied.len(), set.len() - 1);
    let left = after.lines().any(|line| line.contains("schemagate_probe"));
    Ok(match (left, applied == expected) {
        (true, _) => Err("the failing migration left its table".to_owned()),
        (false, false) => Err(format!("{applied} of the {expected} migrations before it are in the history")),
        (false, true) => Ok(format!("{failed}; the {expected} migrations before it stay, and nothing of it is left")),
    })
}

/// That the run failed by the appended migration's own error.
fn refused(ran: &Ran) -> Result<String, String> {
    match &ran.result {
        Ok(_) => Err("the failing migration was let through".to_owned()),
        Err(error)
            if error.exit_code() == ExitCode::MigrationFailed && error.to_string().contains(probe::FILE_NAME) =>
        {
            Ok("exit code 1".to_owned())
        }
        Err(_) => Err(ran.failure().unwrap_or_default()),
    }
}
