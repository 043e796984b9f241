//! Runs take turns: the advisory lock, seen through a second connection.

use std::time::Duration;

use crate::support::connection::Connection;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Running, Signal};

const SOON: Duration = Duration::from_secs(20);

fn one() -> Migrations {
    Migrations::new().file("V1__a.sql", "create table a (b int);")
}

/// A session that holds the lock of this database's history, as a running job shows its key.
fn hold(database: &Database) -> Connection {
    // It fails in the end: the COMMIT of a run that is killed here is on its way already.
    let folder = Migrations::new().file("V1__slow.sql", "select pg_advisory_lock(7); select 1/0;");
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let run = Job::on(database).migrations(folder.path()).spawn();
    let sql = "select classid::int || ',' || objid::bigint from pg_locks
        where locktype = 'advisory' and objsubid = 2 and database = (select oid from pg_database where datname = current_database())";
    database.wait_until(&format!("select exists ({sql})"), SOON);
    let key = database.value(sql).unwrap();
    let (class, object) = key.split_once(',').unwrap();
    drop(run);
    drop(blocker);
    database.assert_no_session();
    let mut holder = database.connect();
    let object: u32 = object.parse().unwrap();
    holder.execute(&format!(
        "set application_name = 'the holder'; select pg_advisory_lock({class}, {})",
        object.cast_signed()
    ));
    holder
}

fn waiting(database: &Database, folder: &Migrations) -> Running {
    let mut run = Job::on(database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "1s").spawn();
    run.wait_for_line("waiting for the lock", SOON);
    run
}

#[test]
fn fifty_copies_at_once_apply_each_migration_once_and_all_succeed() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__log.sql", "create table log (n int);");
    for number in 2..=20 {
        folder.write(&format!("V{number}__row.sql"), format!("insert into log values ({number});"));
    }
    let runs: Vec<Running> = (0..50)
        .map(|_| Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn())
        .collect();
    for run in runs {
        run.wait().assert_code(0);
    }
    assert_eq!(database.value("select count(*) from log").as_deref(), Some("19"));
    assert_eq!(database.value("select count(distinct n) from log").as_deref(), Some("19"));
    assert_eq!(database.value("select count(*) from drizzle.__migrations__").as_deref(), Some("20"));
    database.assert_no_advisory_lock();
    database.assert_no_session();
}

#[test]
fn the_holder_is_named_while_waiting_and_when_the_wait_is_over() {
    let database = Database::new();
    let mut holder = hold(&database);
    let pid = holder.pid();
    let folder = one();
    let outcome = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_WAIT", "700ms").run();
    outcome.assert_code(75);
    let waiting = outcome.stdout.lines().find(|line| line.contains("waiting for the lock")).unwrap();
    assert!(waiting.contains(&format!("pid {pid} (the holder) of user postgres since 20")), "{waiting}");
    outcome
        .assert_stdout("another run holds the lock")
        .assert_stdout(&format!("the lock is held by pid {pid} (the holder) of user postgres"))
        .assert_stdout("nothing was changed");
    assert!(database.tables().is_empty());
    drop(holder);
    database.assert_no_session();
}

#[test]
fn a_lock_wait_of_zero_is_one_try() {
    let database = Database::new();
    let _holder = hold(&database);
    let outcome = Job::on(&database).migrations(one().path()).env("SCHEMAGATE_LOCK_WAIT", "0").run();
    outcome.assert_code(75).assert_nowhere("waiting for the lock");
    assert!(outcome.elapsed < Duration::from_secs(3), "{outcome}");
}

#[test]
fn a_waiter_that_gets_the_lock_goes_on() {
    let database = Database::new();
    let holder = hold(&database);
    let folder = one();
    let run = waiting(&database, &folder);
    drop(holder);
    run.wait().assert_code(0);
    assert!(database.tables().contains(&"public.a".to_owned()));
    database.assert_no_advisory_lock();
}

#[test]
fn a_waiter_that_finds_nothing_pending_leaves_without_the_lock() {
    let database = Database::new();
    let folder = one();
    // The row of a finished run, copied: the checksum is refinery's.
    let other = Database::new();
    Job::on(&other).migrations(folder.path()).run().assert_code(0);
    let row = other.query_strings("select name, checksum from drizzle.__migrations__").remove(0);
    let holder = hold(&database);
    let run = waiting(&database, &folder);
    database.execute(&format!(
        "create schema drizzle; create table drizzle.__migrations__ (version int4 primary key, name varchar(255),
         applied_on varchar(255), checksum varchar(255));
         insert into drizzle.__migrations__ values (1, '{}', '2026-11-22T00:00:00.000000Z', '{}')",
        row[0].as_deref().unwrap(),
        row[1].as_deref().unwrap()
    ));
    run.wait().assert_code(0).assert_stdout("another run applied what was pending");
    assert!(!database.tables().contains(&"public.a".to_owned()));
    // The holder's lock is there still.
    assert_eq!(database.advisory_locks().len(), 1);
    drop(holder);
}

#[test]
fn two_history_tables_do_not_wait_for_each_other() {
    let database = Database::new();
    let _holder = hold(&database);
    Job::on(&database)
        .migrations(one().path())
        .env("SCHEMAGATE_HISTORY_TABLE", "public.other_history")
        .env("SCHEMAGATE_LOCK_WAIT", "0")
        .run()
        .assert_code(0);
}

#[test]
fn no_lock_and_no_session_is_left_after_a_failure() {
    let database = Database::new();
    let folder = one().file("V2__b.sql", "select 1/0;");
    Job::on(&database).migrations(folder.path()).run().assert_code(1);
    database.assert_no_advisory_lock();
    database.assert_no_session();
}

#[test]
fn a_waiter_under_a_stricter_isolation_reads_what_the_holder_committed() {
    let database = Database::new();
    database.execute(&format!("alter database {} set default_transaction_isolation = 'serializable'", database.name()));
    let folder = Migrations::new().file("V1__a.sql", "create table a (b int); select pg_sleep(0.3);");
    let url = format!("{}?options=-c%20default_transaction_isolation%3Dserializable", database.url());
    let runs: Vec<Running> =
        (0..8).map(|_| Job::on(&database).env("DATABASE_URL", &url).migrations(folder.path()).spawn()).collect();
    for run in runs {
        run.wait().assert_code(0);
    }
}

#[test]
fn the_lock_of_a_killed_run_is_free_long_before_its_statement_would_end() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__slow.sql", "select pg_sleep(60);");
    let run = Job::on(&database).migrations(folder.path()).spawn();
    database.wait_until(
        "select exists (select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database())",
        Duration::from_secs(20),
    );
    run.signal(Signal::KILL);
    run.wait();
    // By client_connection_check_interval; within the harness' limit of 10 s.
    database.assert_no_session();
    database.assert_no_advisory_lock();
}
