//! Migrations outside a transaction: concurrent indexes, VACUUM, procedures that commit; and what they leave.

use std::time::Duration;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Running, Signal};

const SOON: Duration = Duration::from_secs(20);
const DIRECTIVE: &str = "-- schemagate: no-transaction\n";

/// A database with a table of a thousand rows, and a folder whose one file is `statement`.
fn with(statement: &str) -> (Database, Migrations) {
    let database = Database::new();
    database.execute("create table t (a int, b text); insert into t select n, 'x' from generate_series(1, 1000) n");
    let folder = Migrations::new().file("V1__x.sql", format!("{DIRECTIVE}{statement}\n"));
    (database, folder)
}

fn valid(database: &Database, index: &str) -> Option<String> {
    database.value(&format!("select indisvalid from pg_index where indexrelid = to_regclass('{index}')"))
}

fn rows(database: &Database) -> Option<String> {
    database.value("select count(*) from drizzle.__migrations__")
}

#[test]
fn a_concurrent_index_is_built_beside_six_waiting_copies() {
    let (database, folder) = with("create index concurrently i on t (a);");
    // Holds the build up until all copies wait.
    let mut writer = database.connect();
    writer.execute("begin; insert into t values (0)");
    let mut first = Job::on(&database).migrations(folder.path()).spawn();
    database.wait_until(
        "select exists (select from pg_stat_progress_create_index where datname = current_database())",
        SOON,
    );
    let mut copies: Vec<Running> = (0..6).map(|_| Job::on(&database).migrations(folder.path()).spawn()).collect();
    for copy in &mut copies {
        copy.wait_for_line("waiting for the lock", SOON);
    }
    drop(writer);
    first.wait_for_line("V1__x.sql ran outside a transaction", SOON);
    first.wait().assert_code(0);
    for copy in copies {
        copy.wait().assert_code(0);
    }
    assert_eq!(valid(&database, "i").as_deref(), Some("t"));
    assert_eq!(rows(&database).as_deref(), Some("1"));
    database.assert_no_advisory_lock();
}

#[test]
fn a_waiting_build_is_explained() {
    let (database, folder) = with("create index concurrently i on t (a);");
    let mut writer = database.connect();
    writer.execute("set application_name = 'old writer'; begin; insert into t values (0)");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "100ms").spawn();
    let line = run.wait_for_line("is still running", SOON);
    assert!(line.contains("old writer") && line.contains("index build: waiting for writers"), "{line}");
    drop(writer);
    // Waiting by design is no failed attempt.
    run.wait().assert_code(0).assert_nowhere("follows");
}

#[test]
fn an_invalid_index_of_an_earlier_attempt_is_dropped_and_built_anew() {
    for clause in ["", "if not exists "] {
        let (database, folder) = with(&format!("create unique index concurrently {clause}i on t (a);"));
        database.execute("insert into t values (1)");
        let outcome = Job::on(&database).migrations(folder.path()).run();
        outcome
            .assert_code(1)
            .assert_stdout("could not create unique index")
            .assert_stdout("V1__x.sql left the invalid index public.i");
        assert_eq!(valid(&database, "i").as_deref(), Some("f"));
        database.assert_no_advisory_lock();
        database.execute("delete from t where b is null");
        let healed = Job::on(&database).migrations(folder.path()).run();
        healed.assert_code(0).assert_stdout("dropping the invalid index public.i of an earlier attempt");
        assert_eq!(valid(&database, "i").as_deref(), Some("t"));
    }
}

#[test]
fn sigterm_in_a_build_says_that_the_index_is_invalid_and_the_next_run_heals_it() {
    let (database, folder) = with("create index concurrently i on t (a);");
    let mut writer = database.connect();
    writer.execute("begin; insert into t values (0)");
    let run = Job::on(&database).migrations(folder.path()).spawn();
    database.wait_until("select exists (select from pg_stat_progress_create_index where phase like 'waiting%')", SOON);
    database.wait_until("select to_regclass('i') is not null", SOON);
    run.signal(Signal::TERM);
    let outcome = run.wait();
    outcome.assert_code(143).assert_stdout("V1__x.sql left the invalid index public.i");
    drop(writer);
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    assert_eq!(valid(&database, "i").as_deref(), Some("t"));
}

#[test]
fn sigterm_while_an_invalid_index_is_dropped() {
    let (database, folder) = with("create unique index concurrently i on t (a);");
    database.execute("insert into t values (1)");
    Job::on(&database).migrations(folder.path()).run().assert_code(1);
    let mut reader = database.connect();
    reader.execute("begin isolation level repeatable read; select count(*) from t");
    let run = Job::on(&database).migrations(folder.path()).spawn();
    database.wait_until(
        "select exists (select from pg_stat_activity where query like 'DROP INDEX%' and wait_event_type = 'Lock')",
        SOON,
    );
    let sent = std::time::Instant::now();
    run.signal(Signal::TERM);
    run.wait().assert_code(143).assert_stdout("left the invalid index public.i");
    assert!(sent.elapsed() < Duration::from_secs(5));
}

#[test]
fn maintenance_statements_run_outside_a_transaction() {
    for statement in ["vacuum (analyze) t;", "reindex table concurrently t;", "drop index concurrently if exists none;"]
    {
        let (database, folder) = with(statement);
        Job::on(&database).migrations(folder.path()).run().assert_code(0);
        assert_eq!(rows(&database).as_deref(), Some("1"), "{statement}");
    }
}

#[test]
fn a_procedure_may_commit() {
    let (database, folder) = with("call backfill();");
    database.execute(
        "create procedure backfill() language plpgsql as $$
         begin
            for n in 1..3 loop
                update t set b = 'y' where a = n;
                commit;
            end loop;
         end$$",
    );
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    assert_eq!(database.value("select count(*) from t where b = 'y'").as_deref(), Some("3"));
    assert_eq!(rows(&database).as_deref(), Some("1"));
}

#[test]
fn a_procedure_that_frees_the_lock_is_not_recorded_and_said_not_to_be_undone() {
    let (database, folder) = with("call free();");
    database.execute("create procedure free() language plpgsql as $$begin perform pg_advisory_unlock_all(); end$$");
    let outcome = Job::on(&database).migrations(folder.path()).run();
    outcome.assert_code(78).assert_stdout("what V1__x.sql did outside a transaction is not undone, and not recorded");
}

#[test]
fn a_lock_in_the_way_of_vacuum_is_tried_again() {
    let (database, folder) = with("vacuum t;");
    let mut blocker = database.connect();
    blocker.execute("begin; lock table t");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "100ms").spawn();
    run.wait_for_line("attempt 2 of 10 follows", SOON);
    drop(blocker);
    run.wait().assert_code(0);
}

/// Statements that PostgreSQL writes down in other words.
const INDEXES: &[&str] = &[
    "create index concurrently i on t (a);",
    "create index concurrently if not exists i on public.t using btree (a) ;",
    "create unique index concurrently i on t (a, b) -- the end",
    "CREATE INDEX CONCURRENTLY \"i\" ON ONLY \"t\" (lower(b) text_pattern_ops DESC NULLS LAST) INCLUDE (a) WITH (fillfactor = 70) WHERE (a > 5 AND b IS NOT NULL);",
    "create index concurrently i on t using hash (b);",
    "create index concurrently i on public.t (lower(t.b));",
];

#[test]
fn a_finished_index_whose_row_is_missing_is_recorded_without_a_person() {
    for statement in INDEXES {
        let (database, folder) = with(statement);
        Job::on(&database).migrations(folder.path()).run().assert_code(0);
        let built = database.value("select to_regclass('i')::oid");
        database.execute("delete from drizzle.__migrations__");
        let outcome = Job::on(&database).migrations(folder.path()).run();
        outcome.assert_code(0).assert_stdout("its index is there and valid, only its row was missing");
        assert_eq!(rows(&database).as_deref(), Some("1"), "{statement}");
        assert_eq!(database.value("select to_regclass('i')::oid"), built);
        assert_eq!(
            database.value("select count(*) from pg_class where relname like 'schemagate_twin%'").as_deref(),
            Some("0")
        );
    }
}

#[test]
fn a_valid_index_of_another_definition_is_a_failure_that_explains() {
    for there in ["(b)", "(a) where a > 1", "(a desc)"] {
        for clause in ["", "if not exists "] {
            let (database, folder) = with(&format!("create index concurrently {clause}i on t (a);"));
            database.execute(&format!("create index i on t {there}"));
            let outcome = Job::on(&database).migrations(folder.path()).run();
            outcome
                .assert_code(1)
                .assert_stdout(
                    "V1__x.sql: an index of that name exists, and it is not the one that this file describes",
                )
                .assert_stdout("hint: compare the two");
            assert_eq!(database.value("select to_regclass('drizzle.__migrations__')"), None);
            database.assert_no_session();
        }
    }
}

#[test]
fn an_index_of_that_name_on_another_table_is_left_alone() {
    let (database, folder) = with("create index concurrently if not exists i on t (a);");
    database.execute("create table u (a int); create index i on u (a)");
    Job::on(&database).migrations(folder.path()).run().assert_code(1).assert_stdout("it is not the one");
    assert_eq!(valid(&database, "i").as_deref(), Some("t"));
}

#[test]
fn what_runs_before_it_is_kept_and_what_runs_after_is_not_when_that_fails() {
    let (database, folder) = with("vacuum t;");
    let folder = folder.file("V2__b.sql", "create table b (); select 1/0;");
    let outcome = Job::on(&database).migrations(folder.path()).run();
    outcome.assert_code(1).assert_stdout("1 migration of this run is kept, up to V1__x.sql");
    assert_eq!(rows(&database).as_deref(), Some("1"));
}

#[test]
fn an_index_that_cannot_be_compared_is_not_said_to_be_another_one() {
    let (database, folder) = with("create index concurrently i on t (a);");
    let role = database.role("login");
    database.execute(&format!(
        "revoke temporary on database {} from public; grant create on database {0} to {role};
         alter table t owner to {role}; alter schema public owner to {role}",
        database.name()
    ));
    let job = || Job::on(&database).env("DATABASE_URL", database.url_as(&role)).migrations(folder.path());
    job().run().assert_code(0);
    database.execute("delete from drizzle.__migrations__");
    let outcome = job().run();
    outcome
        .assert_code(1)
        .assert_stdout("its index is there and valid, and could not be compared with this file")
        .assert_stdout("grant TEMPORARY on the database");
}

#[test]
fn what_an_interrupted_reindex_left_is_named_and_dropped_by_the_next_run() {
    for target in
        ["index concurrently i", "table concurrently t", "(concurrently) table t", "schema concurrently public"]
    {
        let (database, folder) = with(&format!("reindex {target};"));
        database.execute("create index i on t (a)");
        let mut writer = database.connect();
        writer.execute("begin; insert into t values (0)");
        let run = Job::on(&database).migrations(folder.path()).spawn();
        database.wait_until("select to_regclass('i_ccnew') is not null", SOON);
        run.signal(Signal::TERM);
        run.wait().assert_code(143).assert_stdout("left the invalid index public.i_ccnew");
        drop(writer);
        assert_eq!(valid(&database, "i_ccnew").as_deref(), Some("f"), "{target}");
        let healed = Job::on(&database).migrations(folder.path()).run();
        healed.assert_code(0).assert_stdout("dropping the invalid index public.i_ccnew of an earlier attempt");
        assert_eq!((valid(&database, "i_ccnew"), valid(&database, "i").as_deref()), (None, Some("t")), "{target}");
    }
}
