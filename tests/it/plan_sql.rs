//! `plan --sql`: the script, run by psql, leaves what `up` leaves.

use serde_json::{Value, json};

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::psql::{psql, psql_with};

fn job(database: &Database, folder: &Migrations, arguments: &[&str], atomicity: &str) -> Outcome {
    Job::on(database).migrations(folder.path()).args(arguments).env("SCHEMAGATE_ATOMICITY", atomicity).run()
}

fn script(database: &Database, folder: &Migrations, atomicity: &str) -> String {
    let outcome = job(database, folder, &["plan", "--sql"], atomicity);
    outcome.assert_code(0);
    outcome.stdout.clone()
}

/// Runs the script, which must end well.
#[track_caller]
fn run(database: &Database, script: &str) {
    let output = psql(database, script);
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
}

/// What must be so after a release, whoever ran it.
#[track_caller]
fn assert_up_to_date(database: &Database, folder: &Migrations) {
    job(database, folder, &["status", "--check"], "release").assert_code(0);
    let trail = job(database, folder, &["status", "--format", "json"], "release").json()["audit_trail"].clone();
    assert_eq!((&trail["intact"], &trail["not_accounted_for"]), (&json!(true), &json!([])), "{trail:#}");
    job(database, folder, &["up"], "release").assert_code(0).assert_stdout("up to date");
}

/// Awkward ends, session state that must not leak, and every kind of batch.
fn awkward() -> Migrations {
    Migrations::new()
        .file(
            "V1__a.sql",
            "set search_path = pg_catalog; set client_encoding = 'LATIN1'; create table public.a (x text)",
        )
        .file("V2__b.sql", "\u{feff}insert into a values ('süß; :x :''y'' \\gexec'); -- the end has no line feed")
        .file("V3__i.sql", "-- schemagate: no-transaction\ncreate index concurrently a_x on a (x) -- here too")
        .file("V4__v.sql", "-- schemagate: no-transaction\nvacuum a;")
        .file(
            "V5__c.sql",
            "create temp table leak (); create table p (id int primary key);
             create table c (p int references p deferrable initially deferred);
             insert into c values (1); insert into p values (1); set role pg_monitor;
             create function pg_temp.f() returns int language sql begin atomic select 1; select 2; end;",
        )
        .file("V6__last.sql", "do $x$begin perform 1; end$x$; create table last ();;")
}

#[test]
fn a_release_run_by_hand_is_up_to_date() {
    for atomicity in ["release", "migration"] {
        let (database, folder) = (Database::new(), awkward());
        let script = script(&database, &folder, atomicity);
        assert!(database.tables().is_empty());
        run(&database, &script);
        assert_up_to_date(&database, &folder);
        assert_eq!(database.value("select x from a").as_deref(), Some("süß; :x :'y' \\gexec"));
        let transactions = if atomicity == "release" { 4 } else { 6 };
        assert_eq!(script.matches("\nCOMMIT;").count(), transactions, "{script}");
        let row: Value =
            serde_json::from_str(&database.value(&format!("select to_json(r)::text from {TRAIL} r")).unwrap()).unwrap();
        assert_eq!((&row["outcome"], row["migrations"].as_array().unwrap().len()), (&json!("applied"), 6), "{row:#}");
        database.assert_no_advisory_lock();
    }
}

#[test]
fn up_and_a_script_can_take_turns() {
    let (database, folder) = (Database::new(), awkward());
    job(&database, &folder, &["up", "--target", "2"], "release").assert_code(0);
    let first = script(&database, &folder, "release");
    assert!(!first.contains("create table public.a"), "{first}");
    run(&database, &first);
    assert_up_to_date(&database, &folder);
    folder.write("V7__g.sql", "create table g ();");
    job(&database, &folder, &["up"], "release").assert_code(0).assert_stdout("applied 1 migration");
    // The same script on another state of the database runs nothing.
    let output = psql(&database, &first);
    assert_eq!(output.status.code(), Some(3));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("the history is not what it was when this script was written"), "{words}");
    assert_up_to_date(&database, &folder);
}

#[test]
fn a_script_stops_at_the_first_fault_and_keeps_nothing_of_its_batch() {
    let database = Database::new();
    let folder = Migrations::new()
        .file(
            "V1__a.sql",
            "create table p (id int primary key); create table c (p int references p deferrable initially deferred);",
        )
        .file("V2__b.sql", "insert into c values (1);")
        .file("V3__c.sql", "create table never ();");
    let output = psql(&database, &script(&database, &folder, "release"));
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("violates foreign key constraint"));
    assert!(database.tables().is_empty());
}

#[test]
fn a_script_and_a_run_do_not_meet() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table a ();"));
    let script = script(&database, &folder, "release");
    let slow = Migrations::new().file("V1__slow.sql", "select pg_sleep(60);");
    let run = Job::on(&database).migrations(slow.path()).spawn();
    let busy = "select exists (select from pg_stat_activity where query like '%pg_sleep(60)%' and state = 'active'
        and datname = current_database() and application_name = 'schemagate')";
    database.wait_until(busy, std::time::Duration::from_secs(20));
    let output = psql(&database, &script);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("another run of schemagate holds the lock"), "{words}");
    drop(run);
}

/// What psql would take for its own: a slice that reads like a variable, commands, the end of COPY, quotes by another rule.
fn psqls_own() -> Migrations {
    Migrations::new()
        .file(
            "V1__a.sql",
            "create table a (x text);\r\ninsert into a values ('one\r\ntwo'), ('C:\\q\n\\.\n\\q\n:foo :''foo''');\r\n",
        )
        .file(
            "V2__slice.sql",
            "create table s as select (array[1, 2, 3])[n:PORT] as q, (array[1, 2, 3])[n:foo] as r
             from (select 1 n, 2 port, 3 foo) f -- :foo '",
        )
        .file("V3__quotes.sql", "set standard_conforming_strings = off; insert into a values ('it''s');")
        .file(
            "V4__dollar.sql",
            "insert into a values ($schemagate$:foo$schemagate$), ('$schemagate');select 1;select '\\gset'",
        )
        .file(
            "V5__schemagate_transaction.sql",
            "insert into a values ('schemagate_transaction'), ('{schemagate_transaction}')",
        )
        .file("V6__end.sql", "-- nothing but this: $schemagate")
}

/// Schema, rows, and the history but for its times.
fn left(database: &Database) -> Vec<String> {
    let mut lines = database.connect().column(
        "select format('%s.%s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull) from pg_attribute
         where attnum > 0 and attrelid >= 16384 and attrelid::regclass::text !~ 'pg_toast' order by 1",
    );
    for table in ["a", "s"] {
        lines.extend(database.connect().column(&format!("select t::text from {table} t order by 1")));
    }
    lines.extend(database.connect().column(
        "select concat_ws(' ', version, name, checksum, length(applied_on)) from drizzle.__migrations__ order by version",
    ));
    lines.extend(database.connect().column(&format!(
        "select concat_ws(' ', sequence, command, history_table, outcome, exit_code, database_role, error,
         regexp_replace(migrations::text, '\"duration_ms\":\\d+', '', 'g')) from {TRAIL}"
    )));
    lines
}

#[test]
fn psql_changes_nothing_of_a_file_whatever_it_was_told_before() {
    let folder = psqls_own();
    let (by_up, by_hand) = (Database::new(), Database::new());
    job(&by_up, &folder, &["up"], "release").assert_code(0);
    let psqlrc = Migrations::new().file(
        "psqlrc",
        "\\set ON_ERROR_ROLLBACK on\n\\set SINGLELINE on\n\\set FETCH_COUNT 1\n\\set foo BAD\nset search_path = pg_catalog;\n\
         set lock_timeout = '77s';\nset standard_conforming_strings = off;\n",
    );
    let script = script(&by_hand, &folder, "release");
    let variables = ["-v", "schemagate_transaction=7", "-v", "schemagate_started=x"];
    let output = psql_with(&by_hand.url(), &script, &variables, &psqlrc.path().join("psqlrc"));
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(left(&by_hand), left(&by_up));
    assert_up_to_date(&by_hand, &folder);
}

#[test]
fn a_script_inside_another_transaction_refuses_and_changes_nothing() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table a ();"));
    let script = script(&database, &folder, "release");
    let psqlrc = Migrations::new().file("psqlrc", "\\set AUTOCOMMIT off\nset lock_timeout = 0;\n");
    let nowhere = psqlrc.path().join("none");
    for (arguments, psqlrc) in [(vec![], psqlrc.path().join("psqlrc")), (vec!["--single-transaction"], nowhere)] {
        let output = psql_with(&database.url(), &script, &arguments, &psqlrc);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{words}");
        assert!(words.contains("a transaction is open already") && words.contains("psql -X"), "{words}");
        assert!(database.tables().is_empty());
    }
}

#[test]
fn who_plans_need_only_read_and_the_trail_says_who_ran_it_and_when() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table a ();"));
    job(&database, &folder, &["up"], "release").assert_code(0);
    let reader = database.role("login");
    database.execute(&format!(
        "grant usage on schema drizzle to {reader}; grant select on drizzle.__migrations__, {TRAIL} to {reader}"
    ));
    folder.write("V2__b.sql", "create table b ();");
    let plan = Job::new().env("DATABASE_URL", database.url_as(&reader)).migrations(folder.path());
    let plan = plan.args(["plan", "--sql"]).run();
    plan.assert_code(0);
    database.execute("create table planned as select clock_timestamp() as at");
    run(&database, &plan.stdout);
    assert_up_to_date(&database, &folder);
    let facts = format!("select database_role, started_at > (select at from planned) from {TRAIL} where sequence = 2");
    assert_eq!(database.query_strings(&facts), [[Some("postgres".to_owned()), Some("t".to_owned())]]);
}

#[test]
fn a_role_that_may_not_make_the_trail_runs_the_script_without_it_as_up_does() {
    let database = Database::new();
    let role = database.role("login");
    database.execute(&format!("create schema mine; grant usage, create on schema mine to {role}"));
    let folder = Migrations::new().file("V1__a.sql", "create table mine.a ();");
    job(&database, &folder, &["up"], "release").assert_code(0);
    database.execute(&format!(
        "drop table {TRAIL}; grant usage on schema drizzle to {role};
         grant select, insert on drizzle.__migrations__ to {role}"
    ));
    folder.write("V2__b.sql", "create table mine.b ();");
    let url = database.url_as(&role);
    let plan = Job::new().env("DATABASE_URL", &url).migrations(folder.path()).args(["plan", "--sql"]).run();
    plan.assert_code(0);
    let output = psql_with(&url, &plan.stdout, &["-X"], folder.path());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && words.contains("this run is not in the audit trail"), "{words}");
    job(&database, &folder, &["status", "--check"], "release").assert_code(0);
}

#[test]
fn a_history_of_as_many_rows_that_are_others_is_another_state() {
    let (database, folder) = (Database::new(), awkward());
    job(&database, &folder, &["up", "--target", "1"], "release").assert_code(0);
    let script = script(&database, &folder, "release");
    database.execute("update drizzle.__migrations__ set applied_on = '2026-01-01T00:00:00Z'");
    let output = psql(&database, &script);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("the history is not what it was") && words.contains("plan --sql"), "{words}");
    assert_eq!(database.value("select count(*) from drizzle.__migrations__").as_deref(), Some("1"));
}

#[test]
fn nothing_pending_is_a_script_that_does_nothing() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table a ();"));
    job(&database, &folder, &["up"], "release").assert_code(0);
    let script = script(&database, &folder, "release");
    assert_eq!(script, "-- up to date: nothing to do\n");
    let json = job(&database, &folder, &["plan", "--sql", "--format", "json"], "release").json();
    assert_eq!(json["sql"], script);
}
