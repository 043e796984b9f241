//! The audit trail of runs: what each row says, that it is kept, that a broken chain shows, what a role needs for it.

use serde_json::Value;

use crate::support::auditor;
use crate::support::database::Database;
use crate::support::job::{Job, Outcome};

mod chain;
mod grants;
mod interrupted;
mod kept;
mod rows;

/// The rows, in order, as objects.
fn rows(database: &Database) -> Vec<Value> {
    let sql = "select to_json(r)::text from drizzle.__migration_runs__ r order by sequence";
    database.connect().column(sql).iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

/// The only row.
#[track_caller]
fn one_row(database: &Database) -> Value {
    let mut rows = rows(database);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows.remove(0)
}

/// What the rows say: command, outcome, exit code, versions, reason.
fn said(database: &Database) -> Vec<String> {
    let sql = "select concat_ws(' ', command, outcome, exit_code,
        coalesce((select string_agg(m ->> 'version', ',') from json_array_elements(migrations) m), '-'), error)
        from drizzle.__migration_runs__ order by sequence";
    database.connect().column(sql)
}

/// What `status` says of the trail.
#[track_caller]
fn seen(database: &Database) -> Value {
    let outcome = status(database);
    outcome.assert_code(0);
    outcome.json()["audit_trail"].clone()
}

fn status(database: &Database) -> Outcome {
    Job::on(database).args(["status", "--format", "json"]).run()
}

/// The first row that the auditor's query finds broken.
fn broken_by_sql(database: &Database) -> Option<i64> {
    let sql = format!("select min(sequence) filter (where intact is not true) from ({}) q", auditor::query());
    database.value(&sql).map(|sequence| sequence.parse().unwrap())
}

/// The chain is whole: by our own reckoning and by the server's.
#[track_caller]
fn assert_intact(database: &Database) {
    let seen = seen(database);
    assert_eq!(seen["intact"], true, "{seen:#}");
    assert_eq!(seen["append_only"], true, "{seen:#}");
    assert_eq!(broken_by_sql(database), None);
}
