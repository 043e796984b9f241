//! What a run costs in round trips, counted by a proxy that lets the client send all it can before it answers.

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::proxy::{Proxy, Traffic};

/// Runs the job through a proxy; how it ended and what it sent.
fn through_proxy(database: &Database, folder: &Migrations) -> (Outcome, Traffic) {
    let proxy = Proxy::before(database.address().port);
    let outcome = Job::new().env("DATABASE_URL", proxy.url(database.name())).migrations(folder.path()).run();
    (outcome, proxy.traffic())
}

fn tables(count: usize) -> Migrations {
    let folder = Migrations::new();
    for number in 1..=count {
        folder.write(&format!("V{number}__t.sql"), format!("create table t{number} (a int);"));
    }
    folder
}

#[test]
fn an_up_to_date_run_issues_one_query_after_the_handshake_and_takes_no_lock() {
    let database = Database::new();
    let folder = tables(3);
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let (outcome, traffic) = through_proxy(&database, &folder);
    outcome.assert_code(0).assert_stdout("nothing to do");
    assert_eq!(traffic.queries.len(), 1, "{traffic:?}");
    assert_eq!((traffic.waits, traffic.connections), (2, 1), "{traffic:?}");
    assert!(!traffic.queries[0].contains("advisory"), "{traffic:?}");
}

#[test]
fn a_pending_run_of_any_length_costs_four_waits_after_the_handshake() {
    for count in [1, 40] {
        let database = Database::new();
        let (outcome, traffic) = through_proxy(&database, &tables(count));
        outcome.assert_code(0);
        // The handshake; history; lock and history; the fence; everything up to the COMMIT.
        assert_eq!(traffic.waits, 1 + 4, "{count} migrations\n{traffic:#?}");
        assert_eq!(traffic.connections, 1);
        // Beside them the history and the audit trail.
        assert_eq!(database.tables().len(), count + 2);
    }
}

#[test]
fn a_file_of_definitions_is_followed_by_its_row_alone() {
    let database = Database::new();
    let folder = tables(3).file("V4__data.sql", "insert into t1 values (1)").file("V5__t.sql", "create table t5 ()");
    let (outcome, traffic) = through_proxy(&database, &folder);
    outcome.assert_code(0);
    let resets = traffic.queries.iter().filter(|query| query.contains("RESET ALL")).count();
    let rows = traffic.queries.iter().filter(|query| query.contains("(version, name, applied_on, checksum)")).count();
    assert_eq!((resets, rows), (1, 5), "{traffic:#?}");
}
