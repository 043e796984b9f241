//! Connections that are lost: what is committed is read from the history, and the run goes on from there.

use std::time::Duration;

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::Job;
use crate::support::poll;
use crate::support::proxy::{Cut, Proxy};
use crate::support::server::{Server, Stop};

const SOON: Duration = Duration::from_secs(20);

fn log_three() -> Migrations {
    Migrations::new()
        .file("V1__log.sql", "create table log (n int);")
        .file("V2__row.sql", "insert into log values (2);")
        .file("V3__row.sql", "insert into log values (3);")
}

#[track_caller]
fn assert_each_once(database: &Database) {
    assert_eq!(database.connect().column("select n from log order by n"), ["2", "3"]);
    assert_eq!(database.connect().column("select version from drizzle.__migrations__ order by 1"), ["1", "2", "3"]);
    database.assert_no_advisory_lock();
    database.assert_no_session();
}

#[test]
fn a_terminated_session_is_taken_up_again_and_each_migration_runs_once() {
    for atomicity in ["release", "migration"] {
        let database = Database::new();
        let folder = log_three().file("V3__row.sql", "insert into log values (3); select pg_advisory_lock(7);");
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
        let outcome = run.wait();
        outcome.assert_code(0);
        assert!(outcome.last_line().contains("applied 3 migrations"), "{outcome}");
        assert_each_once(&database);
    }
}

#[test]
fn a_migration_that_ends_its_own_session_is_tried_four_times_and_no_more() {
    let database = Database::new();
    database.execute("create sequence tries");
    let folder = Migrations::new()
        .file("V1__a.sql", "create table a ();")
        .file("V2__x.sql", "select nextval('tries'); select pg_terminate_backend(pg_backend_pid());");
    let outcome = Job::on(&database).migrations(folder.path()).run();
    outcome.assert_code(69).assert_stdout("the connection was lost 4 times without progress");
    outcome.assert_stdout("57P01");
    assert_eq!(database.value("select last_value from tries").as_deref(), Some("4"));
    assert_eq!(database.tables(), [TRAIL]);
    database.assert_no_advisory_lock();
}

#[test]
fn a_commit_whose_answer_is_lost_is_read_from_the_history() {
    for cut in
        [Cut::After("; COMMIT;"), Cut::Before("; COMMIT;"), Cut::After("INSERT INTO \"drizzle\""), Cut::After("BEGIN")]
    {
        for atomicity in ["release", "migration"] {
            let database = Database::new();
            let proxy = Proxy::cutting(database.address().port, cut);
            let outcome = Job::new()
                .env("DATABASE_URL", proxy.url(database.name()))
                .env("SCHEMAGATE_ATOMICITY", atomicity)
                .migrations(log_three().path())
                .run();
            outcome.assert_code(0).assert_stdout("connection lost");
            assert!(proxy.has_cut(), "{cut:?}");
            assert!(outcome.last_line().contains("applied 3 migrations"), "{cut:?} {atomicity}\n{outcome}");
            assert_each_once(&database);
        }
    }
}

#[test]
fn a_commit_that_ends_only_after_the_history_was_read_again_is_told_as_applied() {
    // Nobody answers to that name, so that the job's COMMIT waits.
    let waits = [("synchronous_standby_names", "nobody"), ("synchronous_commit", "local")];
    let server = waits.into_iter().fold(Server::builder(), |builder, (n, v)| builder.setting(n, v)).start();
    let database = server.database();
    let proxy = Proxy::before(server.port());
    let url = proxy.url(database.name()) + "&options=-c%20synchronous_commit%3Don";
    let folder = log_three();
    let mut run = Job::new().env("DATABASE_URL", url).migrations(folder.path()).spawn();
    database.wait_until("select exists (select from pg_stat_activity where wait_event = 'SyncRep')", SOON);
    proxy.hang_up();
    run.wait_for_line("waiting for the lock", SOON);
    server.configure(&[("synchronous_standby_names", "")]);
    server.reload();
    let outcome = run.wait();
    outcome.assert_code(0).assert_stdout("V3__row.sql is in the history: it was committed");
    outcome.assert_nowhere("another run applied");
    assert!(outcome.last_line().contains("applied 3 migrations"), "{outcome}");
    assert_each_once(&database);
}

#[test]
fn an_index_whose_row_was_lost_on_the_way_is_recorded() {
    for cut in
        [Cut::Before("INSERT INTO \"drizzle\""), Cut::After("INSERT INTO \"drizzle\""), Cut::After("create index")]
    {
        let database = Database::new();
        database.execute("create table t (a int)");
        let folder =
            Migrations::new().file("V1__i.sql", "-- schemagate: no-transaction\ncreate index concurrently i on t (a);");
        let proxy = Proxy::cutting(database.address().port, cut);
        let outcome = Job::new().env("DATABASE_URL", proxy.url(database.name())).migrations(folder.path()).run();
        outcome.assert_code(0).assert_stdout("connection lost");
        assert_eq!(
            database.value("select indisvalid from pg_index where indexrelid = 'i'::regclass").as_deref(),
            Some("t")
        );
        assert_eq!(database.value("select count(*) from drizzle.__migrations__").as_deref(), Some("1"));
        database.assert_no_advisory_lock();
    }
}

#[test]
fn a_server_that_crashes_in_a_migration_is_waited_for() {
    let mut server = Server::builder().start();
    let database = server.database();
    let folder = log_three().file("V3__row.sql", "insert into log values (3); select pg_advisory_lock(7);");
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    database.wait_until("select exists (select from pg_locks where locktype = 'advisory' and not granted)", SOON);
    server.stop(Stop::Immediate);
    run.wait_for_line("connection lost", SOON);
    run.wait_for_line("waiting for the database", SOON);
    server.start();
    run.wait().assert_code(0);
    assert_each_once(&database);
}

#[test]
fn a_commit_at_which_the_server_crashes_is_read_from_the_history() {
    // Nobody but the COMMIT is to find that the server cannot write its log any more.
    let mut server = Server::builder().setting("wal_writer_delay", "10s").setting("autovacuum", "off").start();
    let database = server.database();
    let folder = log_three().file("V3__row.sql", "insert into log values (3); select pg_advisory_lock(7);");
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    database.wait_until("select exists (select from pg_locks where locktype = 'advisory' and not granted)", SOON);
    let (log, away) = (server.address().data().join("pg_wal"), server.address().data().join("away"));
    // The job's server process has no file of the log open that is still written to.
    blocker.execute("select pg_switch_wal()");
    std::fs::rename(&log, &away).unwrap();
    drop(blocker);
    let line = run.wait_for_line("connection lost", SOON);
    assert!(line.contains("pg_wal"), "the COMMIT met it: {line}");
    std::fs::rename(&away, &log).unwrap();
    // The server recovers, or has given up before.
    poll("the run goes on", SOON, || (run.is_over() || server.revive()).then_some(()));
    run.wait().assert_code(0);
    assert_each_once(&database);
}

#[test]
fn a_server_that_stays_away_leaves_the_state_to_the_history() {
    let mut server = Server::builder().start();
    let database = server.database();
    let folder = Migrations::new().file("V1__a.sql", "create table a ();").file("V2__b.sql", "select pg_sleep(60);");
    let run = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_ATOMICITY", "migration")
        .env("SCHEMAGATE_CONNECT_DEADLINE", "1s")
        .spawn();
    database.wait_until(
        "select exists (select from pg_stat_activity where query like 'select pg_sleep%' and state = 'active')",
        SOON,
    );
    server.stop(Stop::Immediate);
    let outcome = run.wait();
    outcome.assert_code(69).assert_stdout("the connection was lost (").assert_stdout("could not be had again");
    // V1 is committed: to say that nothing was changed would be wrong.
    outcome.assert_nowhere("nothing was changed").assert_stdout("what the history records counts");
    outcome.assert_stdout("this run applied 1 migration");
}

#[test]
fn what_is_said_after_a_resumption_is_true_of_the_whole_run() {
    let database = Database::new();
    let folder =
        Migrations::new().file("V1__a.sql", "create table a ();").file("V2__b.sql", "select pg_advisory_lock(7);");
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let run = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_ATOMICITY", "migration")
        .env("SCHEMAGATE_LOCK_TIMEOUT", "0")
        .env("SCHEMAGATE_LOG_FORMAT", "text")
        .spawn();
    let waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted
         and database = (select oid from pg_database where datname = current_database()))";
    database.wait_until(waits, SOON);
    database.execute(&format!("alter database {} set default_transaction_read_only = on", database.name()));
    assert_eq!(database.terminate_backends("schemagate"), 1);
    let outcome = run.wait();
    outcome.assert_code(77).assert_stdout("this run applied 1 migration").assert_nowhere("nothing was changed");
    outcome.assert_stdout("V1__a.sql");
}

#[test]
fn the_recovery_point_lies_behind_a_commit_whose_answer_was_lost() {
    let database = Database::new();
    let proxy = Proxy::cutting(database.address().port, Cut::After("; COMMIT;"));
    let folder = Migrations::new().file("V1__a.sql", "create table a ();");
    let outcome = Job::on(&database)
        .env("DATABASE_URL", proxy.url(database.name()))
        .env("SCHEMAGATE_LOG_FORMAT", "json")
        .migrations(folder.path())
        .run();
    outcome.assert_code(0).assert_stdout("V1__a.sql is in the history: it was committed");
    let point = outcome
        .json_lines()
        .into_iter()
        .find(|line| line["message"].as_str().is_some_and(|message| message.starts_with("recovery point after")));
    let time = point.expect("it is told")["server_time"].as_str().unwrap().to_owned();
    let later = format!("select applied_on::timestamptz <= '{time}' from drizzle.__migrations__");
    assert_eq!(database.value(&later).as_deref(), Some("t"), "{time}");
}
