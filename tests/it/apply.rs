//! What is kept of a release that fails, and how it gets past other sessions' locks.

use std::time::Duration;

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::Job;
use crate::support::server::Server;

const SOON: Duration = Duration::from_secs(20);

fn failing_third() -> Migrations {
    Migrations::new()
        .file("V1__a.sql", "create table a (b int);")
        .file("V2__b.sql", "create table b (b int);")
        .file("V3__c.sql", "create table c (b int);\nselect 1/0;\n")
}

fn rows(database: &Database) -> String {
    database
        .value("select coalesce(string_agg(version::text, ',' order by version), '') from drizzle.__migrations__")
        .unwrap()
}

#[test]
fn a_release_leaves_nothing_when_the_last_of_three_fails() {
    let database = Database::new();
    let outcome = Job::on(&database).migrations(failing_third().path()).run();
    outcome.assert_code(1).assert_stdout("state: nothing of this run was kept");
    assert_eq!(database.tables(), [TRAIL]);
}

#[test]
fn atomicity_migration_keeps_the_first_two_and_says_so() {
    let database = Database::new();
    let job = || Job::on(&database).env("SCHEMAGATE_ATOMICITY", "migration");
    let folder = failing_third();
    let outcome = job().migrations(folder.path()).run();
    outcome
        .assert_code(1)
        .assert_stdout("state: 2 migrations of this run are kept, up to V2__b.sql; what failed was rolled back");
    assert!(outcome.last_line().contains("this run applied 2 migrations"), "{outcome}");
    assert_eq!(database.tables(), [TRAIL, "drizzle.__migrations__", "public.a", "public.b"]);
    folder.write("V3__c.sql", "create table c (b int);");
    job().migrations(folder.path()).run().assert_code(0);
    assert_eq!(rows(&database), "1,2,3");
}

#[test]
fn a_target_holds_later_migrations_back() {
    let database = Database::new();
    let folder = failing_third();
    let outcome = Job::on(&database).migrations(folder.path()).args(["up", "--target", "2"]).run();
    outcome.assert_code(0).assert_stdout("1 held back by --target");
    assert_eq!(rows(&database), "1,2");
}

#[test]
fn a_file_edited_between_plan_and_its_turn_is_not_run_and_nothing_is_kept() {
    let database = Database::new();
    // The second is too large to be on its way before the first is answered.
    let large = format!("create table b (b int); -- {}", "x".repeat(5 << 20));
    let folder = Migrations::new()
        .file("V1__a.sql", "create table a (b int); select pg_advisory_lock(7);")
        .file("V2__b.sql", &large)
        .file("V3__c.sql", "create table c (b int);");
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    database.wait_until("select exists (select from pg_locks where locktype = 'advisory' and not granted)", SOON);
    folder.write("V3__c.sql", "create table evil (b int);");
    drop(blocker);
    let outcome = run.wait();
    outcome.assert_code(65).assert_stdout("V3__c.sql: the file changed while schemagate was running");
    outcome.assert_stdout("state: nothing of this run was kept");
    assert_eq!(database.tables(), [TRAIL]);
    database.assert_no_session();
}

#[test]
fn a_file_edited_before_its_turn_stops_after_what_is_committed() {
    let database = Database::new();
    let folder = Migrations::new()
        .file("V1__a.sql", "create table a (b int); select pg_advisory_lock(7);")
        .file("V2__b.sql", "create table b (b int);");
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let run = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_LOCK_TIMEOUT", "0")
        .env("SCHEMAGATE_ATOMICITY", "migration")
        .spawn();
    database.wait_until("select exists (select from pg_locks where locktype = 'advisory' and not granted)", SOON);
    folder.write("V2__b.sql", "create table evil (b int);");
    drop(blocker);
    run.wait().assert_code(65).assert_stdout("1 migration of this run is kept, up to V1__a.sql");
    assert_eq!(rows(&database), "1");
}

/// A database with a table, and a folder whose one pending file wants to alter it.
fn altered_table() -> (Database, Migrations) {
    let database = Database::new();
    database.execute("create table orders (id int)");
    let folder = Migrations::new().file("V1__total.sql", "create table first ();\nalter table orders add total int;\n");
    (database, folder)
}

#[test]
fn a_table_lock_is_waited_for_in_attempts_and_the_blocker_is_named() {
    let (database, folder) = altered_table();
    let mut blocker = database.connect();
    blocker.execute("set application_name = 'a report'; begin; select count(*) from orders");
    let pid = blocker.pid();
    let outcome = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_LOCK_TIMEOUT", "200ms")
        .env("SCHEMAGATE_LOCK_ATTEMPTS", "3")
        .run();
    outcome.assert_code(75);
    let retries: Vec<&str> = outcome.stdout.lines().filter(|line| line.contains("of 3 follows")).collect();
    assert_eq!(retries.len(), 2, "{outcome}");
    let seen = format!("blocked by pid {pid} of user postgres, application a report");
    for line in &retries {
        assert!(line.contains(&seen), "{line}");
        assert!(line.contains("waiting for AccessExclusiveLock on orders"), "{line}");
        assert!(line.contains("idle in transaction, transaction age 00:00:0"), "{line}");
        assert!(line.contains("query: select pg_backend_pid()"), "{line}");
    }
    let pause = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["pause_ms"].as_u64().unwrap();
    assert!(pause(retries[1]) > pause(retries[0]), "{retries:?}");
    // The failure names it too: twice in the retries, once in the end.
    assert!(outcome.stdout.matches(&seen).count() >= 3, "{outcome}");
    outcome.assert_stdout(
        "V1__total.sql:2: statement 2: canceling statement due to lock timeout (55P03) after 3 attempts",
    );
    outcome.assert_stdout("state: nothing of this run was kept");
    // The watcher's own line, at half of lock_timeout.
    outcome.assert_stdout("V1__total.sql is still running: waiting for");
    assert_eq!(database.tables(), [TRAIL, "public.orders"]);
    database.assert_no_advisory_lock();
}

#[test]
fn a_lock_released_meanwhile_lets_the_next_attempt_through() {
    let (database, folder) = altered_table();
    let mut blocker = database.connect();
    blocker.execute("begin; select count(*) from orders");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "200ms").spawn();
    run.wait_for_line("attempt 2 of 10 follows", SOON);
    drop(blocker);
    run.wait().assert_code(0);
    assert_eq!(rows(&database), "1");
}

#[test]
fn a_lock_timeout_of_zero_waits_and_explains() {
    let (database, folder) = altered_table();
    let mut blocker = database.connect();
    blocker.execute("begin; select count(*) from orders");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    run.wait_for_line("V1__total.sql is still running: waiting for AccessExclusiveLock on orders", SOON);
    // The wait goes on for a second after the first look, and is known to its end.
    std::thread::sleep(Duration::from_secs(1));
    drop(blocker);
    let outcome = run.wait();
    outcome.assert_code(0).assert_nowhere("follows");
    let words = outcome.last_line().split_once("waited for locks: V1__total.sql ").expect("the summary has it").1;
    let seconds: f64 = words.split(' ').next().unwrap().parse().unwrap();
    assert!((5.5..outcome.elapsed.as_secs_f64()).contains(&seconds), "{seconds} s\n{outcome}");
}

#[test]
fn a_lock_on_the_history_table_is_waited_for_in_attempts_too() {
    let (database, folder) = altered_table();
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let folder = folder.file("V2__b.sql", "create table b ();");
    let mut blocker = database.connect();
    blocker.execute("begin; lock table drizzle.__migrations__ in share mode");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "200ms").spawn();
    run.wait_for_line("attempt 2 of 10 follows", SOON);
    drop(blocker);
    run.wait().assert_code(0);
    assert_eq!(rows(&database), "1,2");
}

#[test]
fn a_deadlock_is_tried_again() {
    let database = Database::new();
    database.execute("create table a (); create table b ()");
    let folder = Migrations::new().file("V1__x.sql", "set deadlock_timeout = '1500ms'; lock table a; lock table b;");
    let mut other = database.connect();
    // The server looks for a deadlock once, when a wait has lasted so long: the job's has by then, the other's never.
    other.execute("begin; set local deadlock_timeout = '60s'; lock table b");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    let watching = std::thread::spawn(move || {
        other.wait_until("select exists (select from pg_locks where granted and mode = 'AccessExclusiveLock' and relation = 'a'::regclass)", SOON);
        other.execute("lock table a; commit");
    });
    let line = run.wait_for_line("attempt 2 of 10 follows", SOON);
    assert!(line.contains("40P01"), "{line}");
    watching.join().unwrap();
    run.wait().assert_code(0);
}

#[test]
fn a_serialization_failure_is_tried_again() {
    let database = Database::new();
    database.execute("create sequence tries");
    let folder = Migrations::new().file(
        "V1__x.sql",
        "do $$begin if nextval('tries') < 3 then raise serialization_failure; end if; end$$; create table a ();",
    );
    Job::on(&database).migrations(folder.path()).run().assert_code(0).assert_stdout("attempt 3 of 10 follows");
    assert_eq!(rows(&database), "1");
}

#[test]
fn names_outside_ascii_are_recorded_as_they_are_whatever_encoding_a_file_sets() {
    let database = Database::new();
    database.execute(&format!(
        "drop schema public cascade; create schema public; comment on database {} is 'x'",
        database.name()
    ));
    let folder = Migrations::new()
        .file("V1__añadir.sql", "set client_encoding = 'LATIN1'; create table a (b text default 'é');")
        .file("V2__é.sql", "create table \"ü\" ();");
    if database.value("show server_encoding").as_deref() != Some("UTF8") {
        return;
    }
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    Job::on(&database).migrations(folder.path()).run().assert_code(0).assert_stdout("nothing to do");
    assert_eq!(database.value("select name from drizzle.__migrations__ where version = 1").as_deref(), Some("añadir"));
}

#[test]
fn a_prepared_transaction_in_the_way_is_named() {
    let server = Server::builder().setting("max_prepared_transactions", "2").start();
    let database = server.database();
    database.execute("create table orders (id int)");
    database.execute("begin; lock table orders; prepare transaction 'forgotten'");
    let folder = Migrations::new().file("V1__total.sql", "alter table orders add column total numeric;");
    let outcome = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_LOCK_TIMEOUT", "500ms")
        .env("SCHEMAGATE_LOCK_ATTEMPTS", "2")
        .run();
    outcome.assert_code(75).assert_stdout(
        "blocked by a prepared transaction, which only COMMIT PREPARED or ROLLBACK PREPARED ends: 'forgotten' of user postgres since",
    );
    database.execute("rollback prepared 'forgotten'");
}

#[test]
fn a_lock_on_the_history_table_is_waited_for_by_the_first_look() {
    let (database, folder) = altered_table();
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let mut blocker = database.connect();
    blocker.execute("begin; lock table drizzle.__migrations__");
    let job = || Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "200ms");
    let outcome = job().env("SCHEMAGATE_CONNECT_DEADLINE", "0").run();
    outcome.assert_code(75).assert_stdout("another session holds a lock on the history table: end it");
    let mut run = job().spawn();
    run.wait_for_line("another session holds a lock on the history table: trying again", SOON);
    drop(blocker);
    run.wait().assert_code(0);
}
