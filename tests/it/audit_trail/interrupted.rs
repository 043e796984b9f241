//! Runs that are stopped, lose to locks or lose their session: one row each, that says so.

use std::time::Duration;

use super::{assert_intact, one_row, said, seen};
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Signal};
use crate::support::proxy::{Cut, Proxy};

const SOON: Duration = Duration::from_secs(20);
const DIRECTIVE: &str = "-- schemagate: no-transaction\n";

fn three() -> Migrations {
    Migrations::new()
        .file("V1__a.sql", "create table a (n int);")
        .file("V2__b.sql", "create table b ();")
        .file("V3__c.sql", "create table c ();")
}

/// Waits until a session of the job sleeps.
fn wait_for_sleep(database: &Database) {
    database.wait_until(
        "select exists (select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database())",
        SOON,
    );
}

#[test]
fn a_run_that_is_stopped_is_on_record_with_what_it_exits_with() {
    let outside = format!("{DIRECTIVE}call pause();");
    let procedure = "create procedure pause() language plpgsql as $$begin commit; perform pg_sleep(60); end$$";
    for (signal, code, name) in [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")] {
        for sql in ["select pg_sleep(60);", &outside] {
            let database = Database::new();
            database.execute(procedure);
            let folder = Migrations::new().file("V1__a.sql", "create table a ();").file("V2__x.sql", sql);
            let job = Job::on(&database).env("SCHEMAGATE_ATOMICITY", "migration").migrations(folder.path());
            let run = job.spawn();
            wait_for_sleep(&database);
            run.signal(signal);
            let outcome = run.wait();
            outcome.assert_code(code).assert_nowhere("audit trail");
            assert!(outcome.elapsed < Duration::from_secs(20), "{outcome}");
            assert_eq!(said(&database), [format!("up failed {code} 1 {name} V2__x.sql")]);
            assert_intact(&database);
        }
    }
}

#[test]
fn a_deadline_that_passes_is_on_record() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__x.sql", "select pg_sleep(60);"));
    let job = Job::on(&database).env("SCHEMAGATE_DEADLINE", "1s").migrations(folder.path());
    job.run().assert_code(75);
    assert_eq!(said(&database), ["up failed 75 - SCHEMAGATE_DEADLINE V1__x.sql"]);
    assert_intact(&database);
}

#[test]
fn attempts_that_lose_to_a_lock_are_one_row() {
    let database = Database::new();
    database.execute("create table orders ()");
    let folder = Migrations::new().file("V1__x.sql", "alter table orders add total int;");
    let job = |attempts: &str| {
        let job = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "100ms");
        job.env("SCHEMAGATE_LOCK_ATTEMPTS", attempts)
    };
    let mut reader = database.connect();
    reader.execute("begin; select from orders");
    job("2").run().assert_code(75);
    assert_eq!(said(&database), ["up failed 75 - 55P03 V1__x.sql"]);
    let mut run = job("50").spawn();
    run.wait_for_line("attempt 3 of 50 follows", SOON);
    reader.execute("commit");
    run.wait().assert_code(0);
    assert_eq!(said(&database)[1..], ["up applied 0 1"]);
    assert_intact(&database);
}

#[test]
fn a_commit_whose_answer_is_lost_leaves_exactly_one_row() {
    let index = format!("{DIRECTIVE}create index concurrently i on a (n);");
    for cut in [
        Cut::After("; COMMIT;"),
        Cut::Before("; COMMIT;"),
        Cut::After("INSERT INTO \"drizzle\".\"__migration_runs__\""),
        Cut::After("BEGIN"),
    ] {
        for (atomicity, outside) in [("release", false), ("migration", false), ("release", true), ("migration", true)] {
            let database = Database::new();
            let proxy = Proxy::cutting(database.address().port, cut);
            let folder = three();
            if outside {
                folder.write("V3__c.sql", &index);
            }
            let outcome = Job::new()
                .env("DATABASE_URL", proxy.url(database.name()))
                .env("SCHEMAGATE_ATOMICITY", atomicity)
                .migrations(folder.path())
                .run();
            outcome.assert_code(0).assert_stdout("connection lost");
            assert!(proxy.has_cut(), "{cut:?}");
            assert_eq!(said(&database), ["up applied 0 1,2,3"], "{cut:?} {atomicity} {outside}\n{outcome}");
            let row = one_row(&database);
            assert!(row["migrations"][1]["sha256"].is_string(), "{row:#}");
            assert_intact(&database);
        }
    }
}

#[test]
fn a_session_that_is_ended_in_a_migration_is_one_row_in_the_end() {
    for atomicity in ["release", "migration"] {
        let database = Database::new();
        let folder = three().file("V3__c.sql", "select pg_advisory_lock(7);");
        let mut blocker = database.connect();
        blocker.execute("select pg_advisory_lock(7)");
        let mut run = Job::on(&database)
            .migrations(folder.path())
            .env("SCHEMAGATE_ATOMICITY", atomicity)
            .env("SCHEMAGATE_LOCK_TIMEOUT", "0")
            .spawn();
        let waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted
             and database = (select oid from pg_database where datname = current_database()))";
        database.wait_until(waits, SOON);
        assert_eq!(database.terminate_backends("schemagate"), 1);
        run.wait_for_line("connection lost", SOON);
        drop(blocker);
        run.wait().assert_code(0);
        assert_eq!(said(&database), ["up applied 0 1,2,3"]);
        assert_intact(&database);
    }
}

#[test]
fn what_others_did_while_the_session_was_lost_is_not_on_record_as_the_runs() {
    let folder = three().file("V2__b.sql", "select pg_advisory_lock(7);");
    let elsewhere = Database::new();
    Job::on(&elsewhere).migrations(folder.path()).run().assert_code(0);
    let rest = elsewhere.connect().column(
        "select format('(%s, %L, %L, %L)', version, name, applied_on, checksum) from drizzle.__migrations__
         where version > 1",
    );
    let database = Database::new();
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let job = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_ATOMICITY", "migration");
    let mut run = job.env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    let waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted
         and database = (select oid from pg_database where datname = current_database()))";
    database.wait_until(waits, SOON);
    // Its next look waits for this.
    let mut other = database.connect();
    other.execute("begin; lock table drizzle.__migrations__");
    assert_eq!(database.terminate_backends("schemagate"), 1);
    run.wait_for_line("connection lost", SOON);
    other.execute(&format!("insert into drizzle.__migrations__ values {}; commit", rest.join(", ")));
    run.wait().assert_code(0);
    assert_eq!(said(&database), ["up applied 0 1"]);
    assert_eq!(seen(&database)["not_accounted_for"], serde_json::json!([2, 3]));
}

#[test]
fn a_session_lost_for_good_is_on_record_over_another() {
    let database = Database::new();
    let folder = three().file("V2__b.sql", "select pg_terminate_backend(pg_backend_pid());");
    let job = Job::on(&database).env("SCHEMAGATE_ATOMICITY", "migration").migrations(folder.path());
    job.run().assert_code(69).assert_nowhere("audit trail");
    assert_eq!(said(&database), ["up failed 69 1 the session was lost"]);
    assert_intact(&database);
}

#[test]
fn a_file_that_ends_its_own_transaction_is_on_record_over_another_session() {
    let database = Database::new();
    // With these rules of quoting the server sees a COMMIT where the scan sees a string.
    let folder = Migrations::new().file("V1__x.sql", r"create table a (); select '\'', 'x'; commit; select 'y', '\'';");
    let url = format!("{}?options=-c%20standard_conforming_strings%3Doff", database.url());
    let outcome = Job::new().env("DATABASE_URL", url).migrations(folder.path()).run();
    outcome.assert_code(1).assert_stdout("it ended the transaction it ran in").assert_nowhere("audit trail");
    assert_eq!(said(&database), ["up failed 1 - cannot be recorded V1__x.sql"]);
    assert_intact(&database);
}

#[test]
fn a_run_that_is_killed_has_no_row_and_what_it_had_committed_is_unaccounted_for() {
    let (database, folder) = (Database::new(), three().file("V2__b.sql", "select pg_sleep(60);"));
    let run = Job::on(&database).env("SCHEMAGATE_ATOMICITY", "migration").migrations(folder.path()).spawn();
    wait_for_sleep(&database);
    run.signal(Signal::KILL);
    run.wait();
    database.assert_no_session();
    folder.write("V2__b.sql", "select 2;");
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    assert_eq!(said(&database), ["up applied 0 2,3"]);
    assert_eq!(seen(&database)["not_accounted_for"], serde_json::json!([1]));
    assert_intact(&database);
}
