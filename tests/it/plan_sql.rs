//! `plan --sql`: the script, run by psql, leaves what `up` leaves.

use serde_json::{Value, json};

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::psql::psql;

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

#[test]
fn nothing_pending_is_a_script_that_does_nothing() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table a ();"));
    job(&database, &folder, &["up"], "release").assert_code(0);
    let script = script(&database, &folder, "release");
    assert_eq!(script, "-- up to date: nothing to do\n");
    let json = job(&database, &folder, &["plan", "--sql", "--format", "json"], "release").json();
    assert_eq!(json["sql"], script);
}
