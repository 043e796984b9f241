//! The history table: where it is found or made, its width and rows, tables of someone else's shape, privileges.

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;

const SHAPE: &str = "(version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))";

fn job(database: &Database, folder: &Migrations) -> Job {
    Job::on(database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text")
}

fn up(database: &Database, folder: &Migrations) -> Outcome {
    job(database, folder).run()
}

fn one() -> Migrations {
    Migrations::new().file("V1__a.sql", "create table a ();")
}

fn columns(database: &Database, table: &str) -> String {
    let sql = format!(
        "select string_agg(attname || ' ' || format_type(atttypid, atttypmod)
                           || case when attnotnull then ' not null' else '' end, ', ' order by attnum)
         from pg_attribute where attrelid = '{table}'::regclass and attnum > 0"
    );
    database.value(&sql).unwrap()
}

/// The checksum that refinery records with versions of eight bytes: the version is hashed at its width.
fn wide_checksum(name: &str, version: i64, sql: &str) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = siphasher::sip::SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    sql.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn a_new_history_has_refinerys_columns_and_times_of_six_digits_by_the_servers_clock() {
    let (database, folder) = (Database::new(), one());
    let before = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let start = database.value(before).unwrap();
    up(&database, &folder).assert_code(0);
    let end = database.value(before).unwrap();
    assert_eq!(
        columns(&database, "drizzle.__migrations__"),
        "version integer not null, name character varying(255), applied_on character varying(255), \
         checksum character varying(255)"
    );
    let rows = database.query_strings("select version, name, applied_on, checksum from drizzle.__migrations__");
    let [version, name, applied_on, checksum] = rows[0].clone().try_into().unwrap();
    let applied_on = applied_on.unwrap();
    let theirs = refinery::Migration::unapplied("V1__a", "create table a ();").unwrap().checksum().to_string();
    assert_eq!((version.as_deref(), name.as_deref(), checksum), (Some("1"), Some("a"), Some(theirs)));
    let format = regex::Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$").unwrap();
    assert!(format.is_match(&applied_on), "{applied_on}");
    assert!(start <= applied_on && applied_on <= end, "{start} {applied_on} {end}");
    assert_eq!(rows.len(), 1);
}

#[test]
fn the_table_is_made_and_found_again_under_every_kind_of_name() {
    for (setting, options, table) in [
        ("history", "", "public.history"),
        ("app.history", "", "app.history"),
        (r#""my.app"."the.history""#, "", r#""my.app"."the.history""#),
        ("Mixed.Case", "", r#""Mixed"."Case""#),
        ("history", "?options=-c%20search_path%3Dnowhere,app,public", "app.history"),
    ] {
        let (database, folder) = (Database::new(), one());
        database.execute("create schema app");
        let run = || {
            let job = Job::new().migrations(folder.path()).env("SCHEMAGATE_HISTORY_TABLE", setting);
            job.env("DATABASE_URL", format!("{}{options}", database.url())).run()
        };
        run().assert_code(0).assert_stdout("applied 1 migration");
        run().assert_code(0).assert_stdout("up to date: 1 applied");
        let rows = database.value(&format!("select count(*) from {table}"));
        assert_eq!(rows.as_deref(), Some("1"), "{setting}");
    }
}

#[test]
fn an_unqualified_name_finds_the_table_anywhere_on_the_search_path() {
    let (database, folder) = (Database::new(), one());
    database.execute(&format!("create schema first; create schema second; create table second.history {SHAPE}"));
    let url = format!("{}?options=-c%20search_path%3Dfirst,second", database.url());
    let job = Job::new().env("DATABASE_URL", url).migrations(folder.path()).env("SCHEMAGATE_HISTORY_TABLE", "history");
    job.run().assert_code(0);
    assert_eq!(database.tables(), ["first.a", "second.__migration_runs__", "second.history"]);
    assert_eq!(database.value("select count(*) from second.history").as_deref(), Some("1"));
}

#[test]
fn a_wide_table_is_read_and_written_as_it_is_with_checksums_of_either_width() {
    let database = Database::new();
    let sql = "create table a ();";
    database.execute(&format!("create schema drizzle; create table drizzle.__migrations__ {SHAPE}"));
    database.execute("alter table drizzle.__migrations__ alter column version type int8");
    let narrow = refinery::Migration::unapplied("V1__a", sql).unwrap().checksum();
    let wide = wide_checksum("a", 2, sql);
    database.execute(&format!(
        "insert into drizzle.__migrations__ values (1, 'a', '2024-01-01T00:00:00Z', '{narrow}'),
                                                   (2, 'a', '2024-01-01T00:00:00Z', '{wide}')"
    ));
    let folder = Migrations::new()
        .file("V1__a.sql", sql)
        .file("V2__a.sql", sql)
        .file("V3__b.sql", "create table b ();")
        .file("V20240501120000__c.sql", "create table c ();");
    up(&database, &folder).assert_code(0).assert_stdout("applied 2 migrations").assert_nowhere("warn");
    let written = database.query_strings("select version, checksum from drizzle.__migrations__ where version > 2");
    let text = |value: String| Some(value);
    assert_eq!(
        written,
        [
            [text("3".to_owned()), text(wide_checksum("b", 3, "create table b ();").to_string())],
            [
                text("20240501120000".to_owned()),
                text(wide_checksum("c", 20_240_501_120_000, "create table c ();").to_string())
            ]
        ]
    );
    assert!(columns(&database, "drizzle.__migrations__").starts_with("version bigint"));
}

#[test]
fn a_narrow_table_takes_checksums_of_either_width() {
    let database = Database::new();
    let sql = "create table a ();";
    let checksum = wide_checksum("a", 1, sql);
    database.execute(&format!("create schema drizzle; create table drizzle.__migrations__ {SHAPE}"));
    database.execute(&format!("insert into drizzle.__migrations__ values (1, 'a', null, '{checksum}')"));
    up(&database, &one()).assert_code(0).assert_stdout("up to date: 1 applied");
}

#[test]
fn versions_that_are_times_make_a_new_table_wide_and_are_refused_for_a_narrow_one() {
    let folder = one().file("V20240501120000__b.sql", "create table b ();");
    let fresh = Database::new();
    up(&fresh, &folder).assert_code(0).assert_stdout("applied 2 migrations");
    assert!(columns(&fresh, "drizzle.__migrations__").starts_with("version bigint"));
    up(&fresh, &folder).assert_code(0).assert_stdout("up to date: 2 applied");

    let narrow = Database::new();
    up(&narrow, &one()).assert_code(0);
    let outcome = job(&narrow, &folder).arg("plan").run();
    outcome.assert_code(65);
    up(&narrow, &folder).assert_code(65);
    assert_eq!(narrow.tables(), [TRAIL, "drizzle.__migrations__", "public.a"]);
    insta::assert_snapshot!(redact(&outcome.stderr), @r#"
    [time] error V20240501120000__b.sql: its version does not fit the history table, whose version column is int4
    state: nothing was changed
    hint: widen the column first: ALTER TABLE … ALTER COLUMN version TYPE bigint
    "#);
}

#[test]
fn a_relation_that_is_no_history_is_refused_and_nothing_is_written() {
    let (database, folder) = (Database::new(), one());
    database.execute("create schema drizzle");
    let row = |values: &str| format!("table _ {SHAPE}; insert into _ values {values}");
    let mut said = String::new();
    for (code, made) in [
        (78, "table _ (id serial primary key, hash text not null, created_at bigint)".to_owned()),
        (78, "table _ (version text, name text, applied_on text, checksum text)".to_owned()),
        (78, "table _ (version int4, name text, applied_on timestamptz, checksum text)".to_owned()),
        (78, "table _ (version int4, name text, checksum text)".to_owned()),
        (78, "view _ as select 1 as version, 'a'::text as name, ''::text as applied_on, '1'::text as checksum".to_owned()),
        (78, "sequence _".to_owned()),
        (78, "unlogged table _ (version int4, name text, applied_on text, checksum text)".to_owned()),
        (65, row("(1, null, 'x', '1')")),
        (65, row("(1, 'a', 'x', null)")),
        (65, row("(1, 'a', 'x', '')")),
        (65, row("(1, e'a\\n\\x1b[31mb', 'x', ' 12')")),
        (65, row("(1, 'a', 'x', '99999999999999999999')")),
        (65, "table _ (version int4, name text, applied_on text, checksum text); insert into _ values (null, 'a', 'x', '1')".to_owned()),
        (65, "table _ (version int4, name text, applied_on text, checksum text); insert into _ values (1, 'a', 'x', '1'), (1, 'b', 'x', '2')".to_owned()),
    ] {
        database.execute(&format!("create {}", made.replace('_', "drizzle.__migrations__").replace("applieddrizzle.__migrations__on", "applied_on").replace("createddrizzle.__migrations__at", "created_at")));
        let outcome = job(&database, &folder).arg("plan").run();
        outcome.assert_code(code);
        said.push_str(&outcome.stderr);
        up(&database, &folder).assert_code(code);
        job(&database, &folder).arg("status").run().assert_code(code);
        assert_eq!(database.value("select to_regclass('a')::text"), None);
        let kind = made.trim_start_matches("unlogged ").split(' ').next().unwrap();
        database.execute(&format!("drop {kind} drizzle.__migrations__"));
    }
    insta::assert_snapshot!(redact(&said), @r#"
    [time] error drizzle.__migrations__ is no history table: it has no column `version`; it has (id integer, hash text, created_at bigint)
    state: nothing was changed
    hint: SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table that does not exist yet
    [time] error drizzle.__migrations__ is no history table: `version` is neither integer nor bigint; it has (version text, name text, applied_on text, checksum text)
    state: nothing was changed
    hint: SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table that does not exist yet
    [time] error drizzle.__migrations__ is no history table: it needs `name`, `applied_on` and `checksum` as text; it has (version integer, name text, applied_on timestamp with time zone, checksum text)
    state: nothing was changed
    hint: SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table that does not exist yet
    [time] error drizzle.__migrations__ is no history table: it needs `name`, `applied_on` and `checksum` as text; it has (version integer, name text, checksum text)
    state: nothing was changed
    hint: SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table that does not exist yet
    [time] error drizzle.__migrations__ is no history table: it is not a table; it has (version integer, name text, applied_on text, checksum text)
    state: nothing was changed
    hint: SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table that does not exist yet
    [time] error drizzle.__migrations__ is no history table: it is not a table; it has (last_value bigint, log_cnt bigint, is_called boolean)
    state: nothing was changed
    hint: SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table that does not exist yet
    [time] error drizzle.__migrations__ is no history table: it is unlogged, so that a crash of the server empties it; it has (version integer, name text, applied_on text, checksum text)
    state: nothing was changed
    hint: SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table that does not exist yet
    [time] error drizzle.__migrations__ holds a row that is no migration's: version "1", name NULL, checksum "1"
    state: nothing was changed
    hint: mend or remove that row by hand: what is applied is not known while one row cannot be read
    [time] error drizzle.__migrations__ holds a row that is no migration's: version "1", name "a", checksum NULL
    state: nothing was changed
    hint: mend or remove that row by hand: what is applied is not known while one row cannot be read
    [time] error drizzle.__migrations__ holds a row that is no migration's: version "1", name "a", checksum ""
    state: nothing was changed
    hint: mend or remove that row by hand: what is applied is not known while one row cannot be read
    [time] error drizzle.__migrations__ holds a row that is no migration's: version "1", name "a\n\u{1b}[31mb", checksum " 12"
    state: nothing was changed
    hint: mend or remove that row by hand: what is applied is not known while one row cannot be read
    [time] error drizzle.__migrations__ holds a row that is no migration's: version "1", name "a", checksum "99999999999999999999"
    state: nothing was changed
    hint: mend or remove that row by hand: what is applied is not known while one row cannot be read
    [time] error drizzle.__migrations__ holds a row that is no migration's: version NULL, name "a", checksum "1"
    state: nothing was changed
    hint: mend or remove that row by hand: what is applied is not known while one row cannot be read
    [time] error drizzle.__migrations__ holds version 1 twice
    state: nothing was changed
    hint: mend or remove that row by hand: what is applied is not known while one row cannot be read
    "#);
}

#[test]
fn a_row_with_odd_text_is_shown_on_one_line() {
    let (database, folder) = (Database::new(), one());
    database.execute(&format!("create schema drizzle; create table drizzle.__migrations__ {SHAPE}"));
    database.execute("insert into drizzle.__migrations__ values (0, e'a\\n\\x1b[31mb', e'yesterday\\r', '12')");
    let outcome = job(&database, &folder).arg("status").run();
    outcome.assert_code(0).assert_stdout(r"V0__a\n\u{1b}[31mb").assert_stdout(r"yesterday\r ").assert_nowhere("\u{1b}");
    up(&database, &folder).assert_code(65).assert_stdout(r"V0__a\n\u{1b}[31mb").assert_nowhere("\u{1b}");
}

#[test]
fn a_table_that_takes_no_row_of_ours_is_a_matter_of_settings_and_no_defect() {
    let (database, folder) = (Database::new(), one());
    database.execute(&format!("create schema drizzle; create table drizzle.__migrations__ {SHAPE}"));
    database.execute("alter table drizzle.__migrations__ add column installed_by text not null");
    let outcome = up(&database, &folder);
    outcome.assert_code(78).assert_stdout("and no other that must be filled").assert_nowhere("defect");
    assert_eq!(database.tables(), [TRAIL, "drizzle.__migrations__"]);
}

#[test]
fn a_role_that_may_not_create_the_schema_is_told_what_to_grant() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "select 1;"));
    let role = database.role("login");
    let run = |arguments: &[&str]| {
        let job = Job::new().env("DATABASE_URL", database.url_as(&role)).migrations(folder.path());
        job.env("SCHEMAGATE_LOG_FORMAT", "text").args(arguments).run()
    };
    let last = |outcome: &Outcome| {
        let from = outcome.stdout.find("error").unwrap_or_else(|| panic!("{outcome}"));
        outcome.stdout[from..].replace(&role, "[role]").replace(database.name(), "[database]")
    };
    let mut said = String::new();
    let outcome = run(&["up"]);
    outcome.assert_code(77);
    said.push_str(&last(&outcome));
    assert_eq!(database.tables(), [""; 0]);

    // The schema is there, but the role may not look into it.
    database.execute("create schema drizzle");
    let outcome = run(&["up"]);
    outcome.assert_code(77);
    said.push_str(&last(&outcome));

    // The role may look, but the table is somebody else's.
    database.execute(&format!("grant usage on schema drizzle to {role}; create table drizzle.__migrations__ {SHAPE}"));
    let outcome = run(&["up"]);
    outcome.assert_code(77);
    said.push_str(&last(&outcome));

    // It may read, but not write.
    database.execute(&format!("grant select on drizzle.__migrations__ to {role}"));
    run(&["status"]).assert_code(0).assert_stdout("0 applied, 1 pending");
    run(&["plan"]).assert_code(0).assert_stdout("`schemagate up` would apply 1 migration in 1 batch");
    let outcome = run(&["up"]);
    outcome.assert_code(77);
    said.push_str(&last(&outcome));

    database.execute(&format!("grant insert on drizzle.__migrations__ to {role}"));
    run(&["up"]).assert_code(0).assert_stdout("applied 1 migration");
    insta::assert_snapshot!(redact(&said), @r#"
    error creating the history table: permission denied for database [database] (42501)
    state: nothing of this run was kept
    hint: the schema of the history table is missing: CREATE SCHEMA … AUTHORIZATION this role, or GRANT CREATE ON DATABASE [database] TO this role
    failed after [duration] with exit code 77: this run applied nothing
    error cannot read the history table drizzle.__migrations__: permission denied for schema drizzle (42501)
    state: nothing was changed
    hint: GRANT USAGE ON SCHEMA drizzle TO this role, and CREATE too where its history table is still to be made
    failed after [duration] with exit code 77: this run applied nothing
    error cannot read the history table drizzle.__migrations__: permission denied for table __migrations__ (42501)
    state: nothing was changed
    hint: GRANT SELECT, INSERT ON "drizzle"."__migrations__" TO this role (to only look, SELECT is enough)
    failed after [duration] with exit code 77: this run applied nothing
    error recording a migration: permission denied for table __migrations__ (42501)
    state: nothing of this run was kept
    hint: GRANT SELECT, INSERT ON the history table (__migrations__) TO this role (to only look, SELECT is enough)
    failed after [duration] with exit code 77: this run applied nothing
    "#);
}

#[test]
fn the_owner_of_the_schema_needs_no_privilege_on_the_database() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table drizzle.a ();"));
    let role = database.role("login");
    database.execute(&format!("create schema drizzle authorization {role}"));
    let run = || Job::new().env("DATABASE_URL", database.url_as(&role)).migrations(folder.path()).run();
    run().assert_code(0).assert_stdout("applied 1 migration");
    run().assert_code(0).assert_stdout("up to date");
    database.execute(&format!("drop schema drizzle cascade; drop owned by {role}"));
}
