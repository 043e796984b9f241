//! `status`: the state of every migration, the check, the wait; and that neither it nor `plan` writes.

use std::time::{Duration, Instant};

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;
use crate::support::server::Server;

fn two() -> Migrations {
    Migrations::new().file("V1__a.sql", "create table a ();").file("V2__b.sql", "create table b ();")
}

fn job(database: &Database, folder: &Migrations, arguments: &[&str]) -> Outcome {
    Job::on(database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text").args(arguments).run()
}

/// A database in which every state occurs, and the folder it is held against.
fn every_state() -> (Database, Migrations) {
    let database = Database::new();
    let folder = two()
        .file("V3__missing.sql", "select 3;")
        .file("V4__line_ends.sql", "select 4;\n")
        .file("V1000__ahead.sql", "select 1000;");
    job(&database, &folder, &["up"]).assert_code(0);
    folder.remove("V3__missing.sql");
    folder.remove("V1000__ahead.sql");
    folder.write("V2__b.sql", "create table b (id int);");
    folder.write("V4__line_ends.sql", "select 4;\r\n");
    folder.write("sub/V5__pending.sql", "select 5;");
    (database, folder)
}

#[test]
fn a_fresh_database_has_everything_pending() {
    let (database, folder) = (Database::new(), two());
    let outcome = job(&database, &folder, &["status"]);
    outcome.assert_code(0);
    insta::assert_snapshot!(redact(&outcome.stdout), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__ (does not exist yet)

    VERSION  STATE    APPLIED ON  CHECKSUM  MIGRATION
    1        pending  –           –         V1__a.sql
    2        pending  –           –         V2__b.sql

    0 applied, 2 pending, 0 divergent, 0 missing, 0 ahead

    audit trail: drizzle.__migration_runs__ does not exist yet
    ");
}

#[test]
fn every_state_is_shown_and_is_no_failure_without_check() {
    let (database, folder) = every_state();
    let outcome = job(&database, &folder, &["status"]);
    outcome.assert_code(0);
    assert_eq!(outcome.stderr, "");
    insta::assert_snapshot!(redact(&outcome.stdout), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__

    VERSION  STATE                      APPLIED ON                   CHECKSUM              MIGRATION
    1        applied                    [time]  17658790441227580031  V1__a.sql
    2        divergent                  [time]  16336202581777519375  V2__b.sql
    3        missing                    [time]  4397773165749808368   V3__missing
    4        applied (other line ends)  [time]  9112002455354901286   V4__line_ends.sql
    5        pending                    –                            –                     sub/V5__pending.sql
    1000     ahead                      [time]  7584721419937347178   V1000__ahead

    2 applied, 1 pending, 1 divergent, 1 missing, 1 ahead

    audit trail: 1 run, last [time] (applied, exit 0, V1–V1000), chain intact

    RUN  FINISHED                     OUTCOME  EXIT  MIGRATIONS  ROLE      COMMIT
    1    [time]  applied  0     V1–V1000    postgres  –
    ");
}

#[test]
fn the_status_as_json_is_one_document() {
    let (database, folder) = every_state();
    let outcome = job(&database, &folder, &["status", "--format", "json"]);
    outcome.assert_code(0);
    let mut document = outcome.json();
    let last = document["audit_trail"]["last"].take();
    assert_eq!((last[0]["outcome"].as_str(), last[1].as_str()), (Some("applied"), None), "{last}");
    insta::assert_snapshot!(redact(&serde_json::to_string_pretty(&document).unwrap()), @r#"
    {
      "audit_trail": {
        "append_only": true,
        "broken_at": null,
        "exists": true,
        "intact": true,
        "last": null,
        "not_accounted_for": [],
        "reason": null,
        "runs": 1,
        "table": "drizzle.__migration_runs__"
      },
      "counts": {
        "ahead": 1,
        "applied": 2,
        "divergent": 1,
        "missing": 1,
        "pending": 1
      },
      "database": "127.0.0.1:[port]/[database] as user postgres",
      "history_exists": true,
      "history_table": "drizzle.__migrations__",
      "invalid_indexes": [],
      "migrations": [
        {
          "applied_on": "[time]",
          "checksum": "17658790441227580031",
          "half_done": false,
          "migration": "V1__a.sql",
          "other_line_ends": false,
          "state": "applied",
          "version": 1
        },
        {
          "applied_on": "[time]",
          "checksum": "16336202581777519375",
          "half_done": false,
          "migration": "V2__b.sql",
          "other_line_ends": false,
          "state": "divergent",
          "version": 2
        },
        {
          "applied_on": "[time]",
          "checksum": "4397773165749808368",
          "half_done": false,
          "migration": "V3__missing",
          "other_line_ends": false,
          "state": "missing",
          "version": 3
        },
        {
          "applied_on": "[time]",
          "checksum": "9112002455354901286",
          "half_done": false,
          "migration": "V4__line_ends.sql",
          "other_line_ends": true,
          "state": "applied",
          "version": 4
        },
        {
          "applied_on": null,
          "checksum": null,
          "half_done": false,
          "migration": "sub/V5__pending.sql",
          "other_line_ends": false,
          "state": "pending",
          "version": 5
        },
        {
          "applied_on": "[time]",
          "checksum": "7584721419937347178",
          "half_done": false,
          "migration": "V1000__ahead",
          "other_line_ends": false,
          "state": "ahead",
          "version": 1000
        }
      ],
      "server_version": "[version]",
      "unvalidated_constraints": [],
      "up_to_date": false
    }
    "#);
}

#[test]
fn check_exits_3_unless_exactly_up_to_date_and_says_the_way_out_of_each_state() {
    let (database, folder) = every_state();
    let outcome = job(&database, &folder, &["status", "--check"]);
    outcome.assert_code(3).assert_stdout("V5__pending.sql");
    insta::assert_snapshot!(redact(&outcome.stderr), @r#"
    [time] error not up to date: 1 pending, 1 divergent, 1 missing, 1 ahead
    hint: `schemagate plan` says what does not fit and the way out
    hint: `schemagate up` applies what is pending
    hint: a newer release has migrated this database: deploy that one, or check with its files
    "#);

    let (database, folder) = (Database::new(), two());
    job(&database, &folder, &["status", "--check"]).assert_code(3).assert_stderr("hint: `schemagate up` applies");
    job(&database, &folder, &["up"]).assert_code(0);
    job(&database, &folder, &["status", "--check"]).assert_code(0);
    folder.remove("V2__b.sql");
    let ahead = job(&database, &folder, &["status", "--check"]);
    ahead.assert_code(3).assert_stderr("0 missing, 1 ahead").assert_nowhere("`schemagate up`");
}

#[test]
fn a_wait_ends_when_another_process_brings_the_database_up_to_date() {
    let (database, folder) = (Database::new(), two());
    let mut waiting = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_LOG_FORMAT", "text")
        .args(["status", "--check", "--wait", "60s"])
        .spawn();
    waiting.wait_for_error_line("waiting until up to date: 0 applied, 2 pending", Duration::from_secs(20));
    job(&database, &folder, &["up"]).assert_code(0);
    let outcome = waiting.wait();
    outcome.assert_code(0).assert_stdout("2 applied, 0 pending");
    // Said once, not every second.
    assert_eq!(outcome.stderr.matches("waiting until up to date").count(), 1, "{outcome}");
}

#[test]
fn a_wait_that_passes_exits_3_with_the_status() {
    let (database, folder) = (Database::new(), two());
    let start = Instant::now();
    let outcome = job(&database, &folder, &["status", "--check", "--wait", "1500ms"]);
    assert!(start.elapsed() >= Duration::from_millis(1500));
    outcome.assert_code(3).assert_stdout("0 applied, 2 pending");
    assert_eq!(outcome.stderr.matches("waiting until up to date").count(), 1, "{outcome}");
    job(&database, &folder, &["status", "--check", "--wait", "0"]).assert_code(3);
}

#[test]
fn a_wait_without_check_or_with_no_duration_is_a_wrong_argument() {
    let (database, folder) = (Database::new(), two());
    job(&database, &folder, &["status", "--wait", "5m"]).assert_code(2).assert_stderr("--check");
    job(&database, &folder, &["status", "--check", "--wait", "soon"]).assert_code(2).assert_stderr("500ms, 30s or 5m");
}

/// Everything that a statement of ours could have changed, transaction ids included.
const WRITTEN: &str = "select pg_snapshot_xmax(pg_current_snapshot())::text, (select count(*) from pg_class)::text,
    (select count(*) from pg_namespace)::text";

#[test]
fn plan_and_status_write_nothing_and_need_only_select() {
    let server = Server::builder().setting("autovacuum", "off").setting("bgwriter_lru_maxpages", "0").start();
    let database = server.database();
    let folder = two();
    let role = database.role("login");
    let url = database.url_as(&role);
    let read =
        |arguments: &[&str]| Job::new().env("DATABASE_URL", &url).migrations(folder.path()).args(arguments).run().code;
    for applied in [false, true] {
        if applied {
            job(&database, &folder, &["up", "--target", "1"]).assert_code(0);
            let grants = "grant usage on schema drizzle to ROLE; grant select on drizzle.__migrations__ to ROLE";
            database.execute(&grants.replace("ROLE", &role));
        }
        let xmax = || database.query_strings(WRITTEN)[0].clone();
        let before = xmax();
        assert_eq!(read(&["plan"]), Some(0));
        assert_eq!(read(&["plan", "--format", "json"]), Some(0));
        assert_eq!(read(&["status"]), Some(0));
        assert_eq!(read(&["status", "--check"]), Some(3));
        assert_eq!(read(&["status", "--check", "--wait", "100ms"]), Some(3));
        assert_eq!(xmax(), before);
    }
    database.execute(&format!("drop owned by {role}"));
}

#[test]
fn the_check_fails_on_an_invalid_index_and_on_a_constraint_that_was_never_validated() {
    let (database, folder) = (Database::new(), two());
    job(&database, &folder, &["up"]).assert_code(0);
    job(&database, &folder, &["status", "--check"]).assert_code(0);
    database.execute("insert into a default values; alter table a add column x int; insert into a values (1), (1)");
    // A unique index over what is not unique: what a concurrent build leaves.
    database.connect().try_query("create unique index concurrently i on a (x)").unwrap_err();
    let outcome = job(&database, &folder, &["status", "--check"]);
    outcome.assert_code(3).assert_stdout("invalid index: public.i").assert_stderr("REINDEX INDEX CONCURRENTLY");
    // Without the check it is shown, and is no failure.
    job(&database, &folder, &["status"]).assert_code(0).assert_stdout("invalid index: public.i");
    database.execute("drop index i; alter table a add constraint c check (x > 5) not valid");
    let outcome = job(&database, &folder, &["status", "--check"]);
    outcome
        .assert_code(3)
        .assert_stdout("constraint not validated: c of public.a")
        .assert_stderr("VALIDATE CONSTRAINT");
    let json = job(&database, &folder, &["status", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["unvalidated_constraints"], serde_json::json!(["c of public.a"]));
    assert_eq!(document["invalid_indexes"], serde_json::json!([]));
    // What is pending counts first.
    folder.write("V3__c.sql", "select 1");
    job(&database, &folder, &["status", "--check"]).assert_code(3).assert_stderr("1 pending");
}

#[test]
fn a_constraint_that_is_declared_as_not_enforced_is_sound() {
    let (database, folder) = (Database::new(), two());
    job(&database, &folder, &["up"]).assert_code(0);
    database.execute("alter table a add column x int");
    let declared = database.connect().try_query("alter table a add constraint c check (x > 5) not enforced");
    if declared.is_err() {
        // Only PostgreSQL 18 has such constraints.
        assert!(database.value("show server_version_num").unwrap().as_str() < "180000");
        return;
    }
    job(&database, &folder, &["status", "--check"]).assert_code(0);
}
