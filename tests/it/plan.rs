//! What `plan` and `up` make of files and history: refusals, what is let through, the target, the batches.

use std::path::Path;

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;

fn three() -> Migrations {
    Migrations::new()
        .file("V1__a.sql", "create table a ();")
        .file("V2__b.sql", "create table b ();")
        .file("V3__c.sql", "create table c ();")
}

fn job(database: &Database, folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let job = Job::on(database).migrations(folder).env("SCHEMAGATE_LOG_FORMAT", "text").args(arguments);
    settings.iter().fold(job, |job, (name, value)| job.env(name, *value)).run()
}

/// A database with the three migrations, and their folder.
fn applied() -> (Database, Migrations) {
    let (database, folder) = (Database::new(), three());
    job(&database, folder.path(), &[], &["up"]).assert_code(0);
    (database, folder)
}

/// `up` and `plan` both refuse with 65 and the same words, and change nothing; the words.
fn refused(database: &Database, folder: &Migrations, settings: &[(&str, &str)]) -> String {
    let tables = || database.tables().into_iter().filter(|table| table != TRAIL).collect::<Vec<_>>();
    let before = (tables(), history(database));
    let (up, plan) =
        (job(database, folder.path(), settings, &["up"]), job(database, folder.path(), settings, &["plan"]));
    up.assert_code(65);
    plan.assert_code(65);
    let words = plan.stderr.split_once(" error ").unwrap_or_else(|| panic!("{plan}")).1.to_owned();
    up.assert_stdout(&words);
    assert_eq!((tables(), history(database)), before);
    redact(&words)
}

fn history(database: &Database) -> Vec<Vec<Option<String>>> {
    match database.value("select to_regclass('drizzle.__migrations__')::text") {
        Some(_) => database.query_strings("select * from drizzle.__migrations__ order by version"),
        None => Vec::new(),
    }
}

#[test]
fn edited_and_missing_files_and_files_out_of_order_are_told_at_once() {
    let (database, folder) = applied();
    folder.write("V1__a.sql", "create table a (id int);");
    folder.remove("V2__b.sql");
    folder.write("V4__d.sql", "create table d ();");
    folder.write("V0__before.sql", "create table before ();");
    insta::assert_snapshot!(refused(&database, &folder, &[]), @r#"
    V0__before.sql: pending, but numbered below the newest applied version 3
    V1__a.sql: changed after it was applied on [time] as V1__a (checksum recorded 17658790441227580031, file 8734675930262167353)
    V2__b: applied, but its file is missing from this release
    state: nothing was changed
    hint: restore the file as it was applied, and put the change into a new migration
    hint: bring the missing file back into the release: it was applied to this database
    hint: give the file a new number above the newest, or set SCHEMAGATE_OUT_OF_ORDER=allow
    "#);
}

#[test]
fn a_renamed_file_is_divergent_and_both_names_are_told() {
    let (database, folder) = applied();
    folder.remove("V2__b.sql");
    folder.write("V2__better_name.sql", "create table b ();");
    let words = refused(&database, &folder, &[]);
    assert!(words.starts_with("V2__better_name.sql: changed after it was applied on [time] as V2__b ("), "{words}");
}

#[test]
fn a_database_that_is_ahead_is_let_through_with_a_warning_or_refused() {
    let (database, folder) = applied();
    folder.remove("V3__c.sql");
    folder.remove("V2__b.sql");
    let outcome = job(&database, folder.path(), &[], &["up"]);
    outcome.assert_code(0).assert_stdout("ahead of this release by 2 migrations (V2__b to V3__c)");
    assert!(outcome.last_line().contains("; the database is ahead by 2"), "{outcome}");
    job(&database, folder.path(), &[], &["plan"]).assert_code(0).assert_stdout("ahead of this release by 2");
    insta::assert_snapshot!(refused(&database, &folder, &[("SCHEMAGATE_WHEN_AHEAD", "refuse")]), @r#"
    V2__b: applied, but newer than every file of this release
    V3__c: applied, but newer than every file of this release
    state: nothing was changed
    hint: deploy a release that has these migrations, or set SCHEMAGATE_WHEN_AHEAD=allow
    "#);
}

#[test]
fn a_file_below_the_newest_applied_is_refused_or_allowed_and_u_files_are_exempt() {
    let (database, folder) = applied();
    folder.write("U0__undated.sql", "create table undated ();");
    job(&database, folder.path(), &[], &["up"]).assert_code(0).assert_stdout("applied 1 migration (U0__undated.sql)");
    folder.remove("V2__b.sql");
    folder.remove("V3__c.sql");
    database.execute("delete from drizzle.__migrations__ where version = 2; drop table b");
    folder.write("V2__b.sql", "create table b ();");
    folder.write("V3__c.sql", "create table c ();");
    insta::assert_snapshot!(refused(&database, &folder, &[]), @r#"
    V2__b.sql: pending, but numbered below the newest applied version 3
    state: nothing was changed
    hint: give the file a new number above the newest, or set SCHEMAGATE_OUT_OF_ORDER=allow
    "#);
    let allowed = job(&database, folder.path(), &[("SCHEMAGATE_OUT_OF_ORDER", "allow")], &["up"]);
    allowed.assert_code(0).assert_stdout("applied 1 migration (V2__b.sql)");
}

#[test]
fn tables_without_a_history_are_refused_by_name_or_allowed() {
    let (database, folder) = (Database::new(), three().file("V4__d.sql", "create table if not exists \"App\".d ();"));
    database.execute("create schema \"App\"; create table \"App\".d (); create table b (); create table other ()");
    insta::assert_snapshot!(refused(&database, &folder, &[]), @"
    the history is empty, but tables that pending files create exist: b, App.d
    state: nothing was changed
    hint: if refinery applied these migrations, name its history in SCHEMAGATE_HISTORY_TABLE; if another tool did, record them with `schemagate adopt --baseline VERSION`
    hint: if Drizzle applied them and its own history has another name than drizzle.__drizzle_migrations, name it in SCHEMAGATE_DRIZZLE_TABLE
    hint: if the tables are to be left as they are and every file is safe to run on them, set SCHEMAGATE_WHEN_EXISTING=allow
    ");
    assert_eq!(database.tables(), ["App.d", TRAIL, "public.b", "public.other"]);
    database.execute("drop table b");
    let allowed = job(&database, folder.path(), &[("SCHEMAGATE_WHEN_EXISTING", "allow")], &["up"]);
    allowed.assert_code(0).assert_stdout("applied 4 migrations");
}

#[test]
fn existing_tables_are_found_without_a_privilege_on_their_schema() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table secret.a ();"));
    let role = database.role("login");
    database.execute("create schema secret");
    let plan = || Job::new().env("DATABASE_URL", database.url_as(&role)).migrations(folder.path()).arg("plan").run();
    plan().assert_code(0);
    database.execute("create table secret.a ()");
    plan().assert_code(65).assert_stderr("tables that pending files create exist: secret.a");
}

#[test]
fn tables_that_a_file_drops_first_or_makes_in_another_schema_do_not_stand_in_the_way() {
    let database = Database::new();
    database.execute("create table a (); create schema s; create table b ();");
    let folder = Migrations::new()
        .file("V1__a.sql", "drop table a; create table a (id int);")
        .file("V2__b.sql", "create table s.b (); create temp table b ();");
    job(&database, folder.path(), &[], &["up"]).assert_code(0).assert_stdout("applied 2 migrations");
}

#[test]
fn copies_that_race_on_a_fresh_database_are_not_refused_for_each_others_tables() {
    let (database, folder) = (Database::new(), three());
    folder.write("V4__slow.sql", "select pg_sleep(0.5);");
    let running: Vec<_> = (0..4)
        .map(|_| Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text").spawn())
        .collect();
    let outcomes: Vec<Outcome> = running.into_iter().map(|run| run.wait()).collect();
    for outcome in &outcomes {
        outcome.assert_code(0);
    }
    let applied = outcomes.iter().filter(|outcome| outcome.last_line().contains("applied 4 migrations")).count();
    assert_eq!(applied, 1);
}

#[test]
fn a_target_stops_there_and_what_is_held_back_is_counted() {
    let (database, folder) = (Database::new(), three());
    let outcome = job(&database, folder.path(), &[], &["up", "--target", "2"]);
    outcome.assert_code(0);
    assert!(outcome.last_line().ends_with("2 applied in all, newest version 2; 1 held back by --target"), "{outcome}");
    assert_eq!(database.tables(), [TRAIL, "drizzle.__migrations__", "public.a", "public.b"]);
    let plan = job(&database, folder.path(), &[], &["plan", "--target", "1"]);
    plan.assert_code(0);
    insta::assert_snapshot!(redact(&plan.stdout), @r#"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__
    files     2 applied, 1 pending

    nothing to do up to the target
    1 held back by --target
    "#);
    for command in ["up", "plan"] {
        let outcome = job(&database, folder.path(), &[], &[command, "--target", "7"]);
        outcome.assert_code(2);
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(all.contains("no migration has version 7; the newest is 3"), "{outcome}");
    }
    for wrong in ["-1", "x", "1.0", "99999999999999999999"] {
        job(&database, folder.path(), &[], &["up", &format!("--target={wrong}")]).assert_code(2);
    }
}

fn mixed() -> Migrations {
    three()
        .file("V4__index.sql", "-- schemagate: no-transaction\ncreate index concurrently c_idx on c ((1));")
        .file("V5__d.sql", "create table d (); insert into d default values;")
        .file("sub/V6__longer_name.sql", "create table e ();")
}

#[test]
fn the_plan_shows_the_batches_of_a_release() {
    let (database, folder) = (Database::new(), mixed());
    let plan = job(&database, folder.path(), &[], &["plan"]);
    plan.assert_code(0);
    assert_eq!(plan.stderr, "");
    insta::assert_snapshot!(redact(&plan.stdout), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__ (will be created)
    files     0 applied, 6 pending

    batch 1: one transaction, all or nothing
      MIGRATION  STATEMENTS  BYTES  WHAT
      V1__a.sql  1           18     create table a ()
      V2__b.sql  1           18     create table b ()
      V3__c.sql  1           18     create table c ()

    batch 2: outside a transaction: not undone when it fails, repeated by the next run
      MIGRATION      STATEMENTS  BYTES  WHAT
      V4__index.sql  1           73     create index concurrently c_idx on c ((1))

    batch 3: one transaction, all or nothing
      MIGRATION                STATEMENTS  BYTES  WHAT
      V5__d.sql                2           48     create table d (); insert into d default values
      sub/V6__longer_name.sql  1           18     create table e ()

    `schemagate up` would apply 6 migrations in 3 batches
    ");
    assert_eq!(database.tables(), [""; 0]);
}

#[test]
fn the_plan_shows_a_batch_for_each_migration_where_that_is_set() {
    let (database, folder) = (Database::new(), three());
    let plan = job(&database, folder.path(), &[("SCHEMAGATE_ATOMICITY", "migration")], &["plan", "--target", "2"]);
    plan.assert_code(0);
    insta::assert_snapshot!(redact(&plan.stdout), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__ (will be created)
    files     0 applied, 3 pending

    batch 1: one transaction, all or nothing
      MIGRATION  STATEMENTS  BYTES  WHAT
      V1__a.sql  1           18     create table a ()

    batch 2: one transaction, all or nothing
      MIGRATION  STATEMENTS  BYTES  WHAT
      V2__b.sql  1           18     create table b ()

    `schemagate up` would apply 2 migrations in 2 batches
    1 held back by --target
    ");
}

#[test]
fn a_plan_shows_all_of_a_few_statements_and_json_shows_six_hundred_characters_of_each() {
    let database = Database::new();
    let columns: Vec<String> = (0..20).map(|number| format!("column_{number} text not null")).collect();
    let create = format!("create table a ({})", columns.join(", "));
    let long = format!("select '{}'", "x".repeat(900));
    let drops: Vec<String> = (0..9).map(|number| format!("drop table if exists old_{number}")).collect();
    let folder = Migrations::new()
        .file("V1__a.sql", format!("{create};{long};"))
        .file(
            "V2__b.sql",
            "create table orders (id bigint primary key, customer bigint not null, total numeric(12, 2));",
        )
        .file("V3__c.sql", format!("{};", drops.join(";")));
    let text = job(&database, folder.path(), &[], &["plan"]);
    text.assert_code(0)
        .assert_stdout("create table orders (id bigint primary key, customer bigint not null, total numeric(12, 2))\n")
        .assert_stdout("drop table if exists old_0; drop table if exists old_1; drop table if exists old_2; ");
    let json = job(&database, folder.path(), &[], &["plan", "--format", "json"]).json();
    let what = |at: usize| json["batches"][0]["migrations"][at]["what"].as_array().unwrap().clone();
    assert_eq!(what(0)[0], create);
    assert_eq!(what(0)[1].as_str().unwrap().chars().count(), 600);
    assert_eq!(what(2).len(), 9);
}

#[test]
fn the_plan_as_json_is_one_document() {
    let (database, folder) = (Database::new(), mixed());
    job(&database, folder.path(), &[], &["up", "--target", "2"]).assert_code(0);
    let plan = job(&database, folder.path(), &[], &["plan", "--format", "json", "--target", "5"]);
    plan.assert_code(0);
    let pretty = serde_json::to_string_pretty(&plan.json()).unwrap();
    insta::assert_snapshot!(redact(&pretty), @r#"
    {
      "adopted": [],
      "ahead": [],
      "applied": 2,
      "batches": [
        {
          "migrations": [
            {
              "file": "V3__c.sql",
              "half_done": false,
              "size_bytes": 18,
              "statements": 1,
              "version": 3,
              "what": [
                "create table c ()"
              ]
            }
          ],
          "promise": "one transaction, all or nothing",
          "transactional": true
        },
        {
          "migrations": [
            {
              "file": "V4__index.sql",
              "half_done": false,
              "size_bytes": 73,
              "statements": 1,
              "version": 4,
              "what": [
                "create index concurrently c_idx on c ((1))"
              ]
            }
          ],
          "promise": "outside a transaction: not undone when it fails, repeated by the next run",
          "transactional": false
        },
        {
          "migrations": [
            {
              "file": "V5__d.sql",
              "half_done": false,
              "size_bytes": 48,
              "statements": 2,
              "version": 5,
              "what": [
                "create table d ()",
                "insert into d default values"
              ]
            }
          ],
          "promise": "one transaction, all or nothing",
          "transactional": true
        }
      ],
      "database": "127.0.0.1:[port]/[database] as user postgres",
      "findings": [],
      "held_back": 1,
      "history_exists": true,
      "history_table": "drizzle.__migrations__",
      "judgements": [],
      "pending": 3,
      "server_version": "[version]",
      "tables": [],
      "up_to_date": false
    }
    "#);
}
