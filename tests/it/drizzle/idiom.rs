//! Files that leave Drizzle's transaction by a chunk that is just `COMMIT;`.

use std::time::Duration;

use super::{Journal, history};
use crate::support::database::Database;
use crate::support::job::Signal;

const SOON: Duration = Duration::from_secs(20);
const INIT: (&str, &str) =
    ("0000_init", "CREATE TABLE t (a int, b int);\nINSERT INTO t SELECT n, n FROM generate_series(1, 100) n;");
/// As large projects write it.
const IDIOM: &str = "ALTER TABLE t ADD COLUMN c int;\n--> statement-breakpoint\nCOMMIT;\n--> statement-breakpoint\n\
    SET lock_timeout = 0;\n--> statement-breakpoint\nDROP INDEX CONCURRENTLY IF EXISTS i;\n--> statement-breakpoint\n\
    CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);\n--> statement-breakpoint\nSET lock_timeout = '5s';\n";

fn valid(database: &Database) -> Option<String> {
    database.value("select indisvalid from pg_index where indexrelid = to_regclass('i')")
}

fn parts(database: &Database) -> Option<String> {
    database.value("select count(*) from drizzle.__migration_progress__")
}

#[test]
fn the_idiom_works_unchanged() {
    let database = Database::new();
    let journal = Journal::of(&[INIT, ("0001_index", IDIOM), ("0002_after", "ALTER TABLE t ADD COLUMN d int;")]);
    let plan = journal.job(&database).arg("plan").run();
    plan.assert_code(0).assert_stdout("batch 2: not all or nothing: a transaction up to its COMMIT");
    let outcome = journal.up(&database);
    outcome.assert_code(0).assert_stdout("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ran outside");
    assert_eq!(history(&database), ["0 init", "1 index", "2 after"]);
    assert_eq!(valid(&database).as_deref(), Some("t"));
    assert_eq!(parts(&database).as_deref(), Some("0"));
    journal.up(&database).assert_code(0).assert_stdout("\"up_to_date\"");
}

#[test]
fn a_failure_behind_the_commit_is_gone_on_from() {
    let database = Database::new();
    let journal = Journal::of(&[INIT, ("0001_index", IDIOM)]);
    database.execute("create table t (a int, b int); insert into t values (1, 1), (1, 1)");
    journal.folder.write("0000_init.sql", "CREATE TABLE IF NOT EXISTS t (a int, b int);");
    let job = || journal.job(&database).env("SCHEMAGATE_WHEN_EXISTING", "allow").env("SCHEMAGATE_LOG_FORMAT", "text");
    let outcome = job().run();
    outcome
        .assert_code(1)
        .assert_stdout("0001_index.sql:9")
        .assert_stdout("could not create unique index")
        .assert_stdout(
            "what 0001_index.sql does before its COMMIT is done and stays, and the next run goes on after it",
        )
        .assert_stdout("invalid index public.i");
    assert_eq!((valid(&database).as_deref(), parts(&database).as_deref()), (Some("f"), Some("1")));
    assert_eq!(history(&database), ["0 init"]);
    // The point to recover to lies behind the part that stays.
    let point = outcome
        .stdout
        .lines()
        .find_map(|line| line.split_once("recovery point after the last change: WAL "))
        .unwrap()
        .1;
    let time = point.split_once(" at ").unwrap().1;
    let later = format!("select bool_and(committed_on <= '{time}') from drizzle.__migration_progress__");
    assert_eq!(database.value(&later).as_deref(), Some("t"), "{time}");
    database.execute("delete from t where ctid = '(0,2)'");
    let outcome = job().run();
    outcome.assert_code(0).assert_stdout("what stands before its COMMIT was done by an earlier run");
    assert_eq!((valid(&database).as_deref(), parts(&database).as_deref()), (Some("t"), Some("0")));
    assert_eq!(history(&database), ["0 init", "1 index"]);
}

#[test]
fn a_kill_behind_the_commit_is_recovered_by_the_next_run() {
    let database = Database::new();
    let mut journal = Journal::of(&[INIT]);
    journal.up(&database).assert_code(0);
    // The part before the COMMIT must not wait for the writer; without the DROP an invalid index would be passed over.
    let text = IDIOM.replace("ALTER TABLE t ADD COLUMN c int;", "CREATE TABLE u ();");
    let (before, after) = text.split_once("DROP INDEX").unwrap();
    journal.add("0001_index", &format!("{before}{}", after.split_once("--> statement-breakpoint\n").unwrap().1));
    let mut writer = database.connect();
    writer.execute("begin; insert into t values (0, 0)");
    let run = journal.job(&database).spawn();
    // Its first scan waits for the writer, with the index made and invalid.
    database.wait_until(
        "select exists (select from pg_index where indexrelid = to_regclass('i') and not indisvalid)",
        SOON,
    );
    run.signal(Signal::KILL);
    run.wait();
    database.assert_no_advisory_lock();
    drop(writer);
    assert_eq!(parts(&database).as_deref(), Some("1"));
    let outcome = journal.up(&database);
    outcome.assert_code(0).assert_stdout("dropping the invalid index public.i of an earlier attempt");
    assert_eq!((valid(&database).as_deref(), parts(&database).as_deref()), (Some("t"), Some("0")));
}

#[test]
fn a_failure_before_the_commit_leaves_nothing() {
    let database = Database::new();
    let text = IDIOM.replace("ADD COLUMN c int;", "ADD COLUMN c int; ALTER TABLE t DROP COLUMN nothing;");
    let journal = Journal::of(&[INIT, ("0001_index", &text)]);
    let outcome = journal.job(&database).env("SCHEMAGATE_LOG_FORMAT", "text").run();
    outcome
        .assert_code(1)
        .assert_stdout("0001_index.sql:1")
        .assert_stdout("column \"nothing\" of relation \"t\" does not exist");
    assert_eq!(history(&database), ["0 init"]);
    assert_eq!(
        database.value("select count(*) from pg_attribute where attrelid = 't'::regclass and attname = 'c'").as_deref(),
        Some("0")
    );
    assert_eq!(database.value("select to_regclass('drizzle.__migration_progress__')::text"), None);
}

/// A file whose index cannot be built yet, half done: a first run has failed behind its COMMIT.
fn half_done() -> (Database, Journal) {
    let database = Database::new();
    database.execute("create table t (a int, b int); insert into t values (1, 1), (1, 1)");
    let journal = Journal::of(&[("0000_init", "CREATE TABLE IF NOT EXISTS t (a int, b int);"), ("0001_index", IDIOM)]);
    journal.job(&database).env("SCHEMAGATE_WHEN_EXISTING", "allow").run().assert_code(1);
    (database, journal)
}

#[test]
fn a_part_that_is_done_and_has_changed_is_refused_also_without_its_commit() {
    let (database, journal) = half_done();
    for (from, to) in [("ADD COLUMN c int", "ADD COLUMN d int"), ("COMMIT;\n--> statement-breakpoint\n", "")] {
        journal.folder.write(
            "0001_index.sql",
            IDIOM.replace(from, to).replace("CONCURRENTLY ", if to.is_empty() { "" } else { "CONCURRENTLY " }),
        );
        for command in ["plan", "up"] {
            let outcome = journal.job(&database).arg(command).env("SCHEMAGATE_LOG_FORMAT", "text").run();
            outcome.assert_code(65);
            let told = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(
                told.contains("an earlier run did what stood before its COMMIT, and that part has changed since"),
                "{told}"
            );
        }
    }
    // What stands behind the COMMIT may be mended.
    journal.folder.write("0001_index.sql", IDIOM.replace("UNIQUE INDEX", "INDEX"));
    journal.up(&database).assert_code(0).assert_stdout("what stands before its COMMIT was done by an earlier run");
    assert_eq!((valid(&database).as_deref(), parts(&database).as_deref()), (Some("t"), Some("0")));
}

#[test]
fn status_and_plan_tell_what_is_half_done() {
    let (database, journal) = half_done();
    journal.job(&database).arg("status").run().assert_stdout("pending (half done)");
    journal
        .job(&database)
        .arg("plan")
        .run()
        .assert_code(0)
        .assert_stdout("half done: what stands before its COMMIT is committed");
}

#[test]
fn what_drizzle_did_of_a_half_done_file_meanwhile_is_gone_on_with_and_its_index_repaired() {
    let (database, journal) = half_done();
    // Drizzle passes over the invalid index and records the file.
    let (hash, when) = journal.drizzle_row(1);
    database.execute(&format!(
        "insert into drizzle.__drizzle_migrations (hash, created_at) values ('{hash}', {when}); delete from t"
    ));
    journal.folder.write("0001_index.sql", IDIOM);
    let outcome = journal.up(&database);
    outcome.assert_code(0).assert_nowhere("adopted as applied");
    assert_eq!((valid(&database).as_deref(), parts(&database).as_deref()), (Some("t"), Some("0")));
    assert_eq!(history(&database), ["0 init", "1 index"]);
    assert_eq!(database.value("select count(*) from drizzle.__drizzle_migrations").as_deref(), Some("2"));
}

#[test]
fn a_half_done_file_may_be_given_up() {
    let (database, journal) = half_done();
    journal
        .job(&database)
        .args(["adopt", "--skip", "0001_index"])
        .run()
        .assert_code(0)
        .assert_stdout("1 as never to be run");
    assert_eq!(parts(&database).as_deref(), Some("0"));
    journal.up(&database).assert_code(0).assert_stdout("\"up_to_date\"");
}

#[test]
fn what_is_set_before_the_commit_holds_behind_it() {
    let database = Database::new();
    let init = "CREATE TABLE t (a int); CREATE SCHEMA app; CREATE TABLE app.t (a int);";
    let text = "SET search_path = app;\n--> statement-breakpoint\nSET LOCAL work_mem = '5MB';\n--> statement-breakpoint\n\
                ALTER TABLE t ADD COLUMN b int;\n--> statement-breakpoint\nCOMMIT;\n--> statement-breakpoint\n\
                CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);";
    let journal = Journal::of(&[("0000_init", init), ("0001_index", text), ("0002_after", "CREATE TABLE after ();")]);
    journal.up(&database).assert_code(0);
    assert_eq!(database.value("select to_regclass('app.i')::text").as_deref(), Some("app.i"));
    assert_eq!(database.value("select to_regclass('public.i')::text"), None);
    // And no further.
    assert_eq!(database.value("select to_regclass('public.after')::text").as_deref(), Some("after"));
}

#[test]
fn a_commit_first_and_a_begin_last_are_part_of_the_idiom() {
    let database = Database::new();
    let text = "-- leaves the transaction\nCOMMIT;--> statement-breakpoint\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);\
                --> statement-breakpoint\nBEGIN;";
    let journal = Journal::of(&[INIT, ("0001_index", text)]);
    journal.up(&database).assert_code(0);
    assert_eq!(valid(&database).as_deref(), Some("t"));
}

#[test]
fn begin_in_a_body_is_no_transaction_control() {
    let database = Database::new();
    let text = "DO $$ BEGIN\n CREATE TYPE mood AS ENUM ('a');\nEXCEPTION WHEN duplicate_object THEN null;\nEND $$;\n\
                --> statement-breakpoint\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;";
    Journal::of(&[("0000_init", text)]).up(&database).assert_code(0);
    assert_eq!(database.value("select f()").as_deref(), Some("1"));
}

#[test]
fn what_is_no_idiom_is_refused_with_the_way_out() {
    let database = Database::new();
    for (text, place, message) in [
        ("CREATE TABLE a ();\nCOMMIT;", "0000_x.sql:2:1", "COMMIT that is not a chunk of its own"),
        ("ROLLBACK;", "0000_x.sql:1:1", "ROLLBACK inside a migration"),
        (
            "COMMIT;--> statement-breakpoint\nCREATE TABLE a ();",
            "0000_x.sql:2:1",
            "CREATE TABLE cannot safely be repeated after a crash outside a transaction",
        ),
        (
            "COMMIT;--> statement-breakpoint\nVACUUM;--> statement-breakpoint\nCOMMIT;",
            "0000_x.sql:3:1",
            "COMMIT that is not a chunk of its own",
        ),
        (
            "COMMIT;--> statement-breakpoint\nSET lock_timeout = 0; VACUUM;",
            "0000_x.sql:2:23",
            "2 statements in one chunk behind the COMMIT",
        ),
        (
            "COMMIT;--> statement-breakpoint\nBEGIN;--> statement-breakpoint\nVACUUM;",
            "0000_x.sql:2:1",
            "BEGIN inside a migration",
        ),
    ] {
        let journal = Journal::of(&[("0000_x", text)]);
        let outcome = journal.up(&database);
        outcome.assert_code(65).assert_stdout(place).assert_stdout(message);
    }
    assert_eq!(database.tables(), Vec::<String>::new());
}
