//! What `plan` says of the tables that exist: their size, and what may block for long because of it.

use std::fs::File;

use serde_json::{Value, json};

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::server::Server;

fn plan(database: &Database, folder: &Migrations, arguments: &[&str]) -> Outcome {
    let outcome = Job::on(database).migrations(folder.path()).arg("plan").args(arguments).run();
    outcome.assert_code(0);
    outcome
}

fn document(database: &Database, folder: &Migrations) -> Value {
    plan(database, folder, &["--format", "json"]).json()
}

/// Makes a table's file as large as that, without a row in it: what counts is the file.
fn grow(database: &Database, table: &str, bytes: u64) {
    let mut session = database.connect();
    let path = session.value(&format!("select pg_relation_filepath('{table}')")).unwrap();
    File::options().write(true).open(database.address().data().join(path)).unwrap().set_len(bytes).unwrap();
}

fn three_sizes() -> Database {
    let database = Database::new();
    database.execute(
        "create table large (id int primary key, v int); create table middle (id int, v int);
         create table small (id int, v int); insert into small select n from generate_series(1, 100) n; analyze small",
    );
    grow(&database, "large", 1 << 30);
    grow(&database, "middle", 100 << 20);
    database
}

fn rewrites() -> Migrations {
    Migrations::new()
        .file("V1__small.sql", "alter table small\n  alter column v type bigint;")
        .file("V2__middle.sql", "create index on middle (v);")
        .file("V3__large.sql", "create table fresh (id int); alter table fresh alter column id type bigint;\nalter table large add column k uuid default gen_random_uuid();")
        .file("V4__brief.sql", "alter table large add column b int; comment on table small is 'x'; insert into small values (1);")
}

#[test]
fn the_same_statement_is_an_error_on_a_large_table_and_a_note_on_a_small_one() {
    let database = three_sizes();
    let document = document(&database, &rewrites());
    let judged: Vec<Value> = document["judgements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| json!([it["level"], it["file"], it["line"], it["column"], it["table"]]))
        .collect();
    assert_eq!(
        judged,
        [
            json!(["error", "V3__large.sql", 2, 19, "public.large"]),
            json!(["warning", "V2__middle.sql", 1, 1, "public.middle"]),
            json!(["note", "V1__small.sql", 2, 3, "public.small"]),
        ]
    );
    let tables: Vec<Value> = document["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| json!([it["table"], it["rows"], it["touched_by"]]))
        .collect();
    assert_eq!(
        tables,
        [
            json!(["public.large", null, ["V3__large.sql", "V4__brief.sql"]]),
            json!(["public.middle", null, ["V2__middle.sql"]]),
            json!(["public.small", 100, ["V1__small.sql", "V4__brief.sql"]]),
        ]
    );
    assert!(document["tables"][0]["bytes"].as_u64().unwrap() >= 1 << 30);
    let text = plan(&database, &rewrites(), &[]);
    text.assert_stdout(
        "  error    V3__large.sql:2:19: writes anew all of public.large and blocks reads and writes meanwhile: ",
    )
    .assert_stdout("  warning  V2__middle.sql:1:1: reads all of public.middle and blocks writes meanwhile: ")
    .assert_stdout(
        "  note     V1__small.sql:2:3: may write anew all of public.small and blocks reads and writes meanwhile: ",
    )
    .assert_stdout("public.small   about 100")
    .assert_stdout("create table fresh (id int); alter table fresh alter column id type bigint;");
}

#[test]
fn a_partitioned_table_is_as_large_as_its_partitions_and_names_follow_the_search_path() {
    let database = Database::new();
    database.execute(
        "create schema s; create table s.p (id int) partition by range (id);
         create table s.p1 partition of s.p for values from (1) to (10);
         create table s.p2 partition of s.p for values from (10) to (20); create index p_idx on s.p (id);
         create table public.t (id int); create table s.t (id int)",
    );
    database.execute(&format!("alter database {} set search_path = s, public", database.name()));
    grow(&database, "s.p1", 600 << 20);
    grow(&database, "s.p2", 600 << 20);
    let folder = Migrations::new()
        .file("V1__a.sql", "alter table p add column k uuid default gen_random_uuid(); truncate t; truncate public.t;")
        .file("V2__b.sql", "reindex index p_idx;");
    let document = document(&database, &folder);
    let names: Vec<&str> =
        document["tables"].as_array().unwrap().iter().map(|it| it["table"].as_str().unwrap()).collect();
    assert_eq!(names, ["public.t", "s.p", "s.t"]);
    assert_eq!(document["judgements"][0]["level"], "error");
}

#[test]
fn a_role_that_may_only_look_gets_a_plan_and_sizes_that_it_may_not_see_are_unknown() {
    let database = three_sizes();
    let role = database.role("login");
    let folder = rewrites();
    let look = || {
        let job = Job::new().env("DATABASE_URL", database.url_as(&role)).migrations(folder.path());
        let outcome = job.args(["plan", "--format", "json"]).run();
        outcome.assert_code(0);
        outcome.json()
    };
    assert_eq!(look()["judgements"][0]["level"], "error");
    database.execute("revoke execute on function pg_total_relation_size(regclass) from public");
    let document = look();
    assert_eq!((&document["tables"][0]["bytes"], &document["tables"][2]["rows"]), (&Value::Null, &json!(100)));
    let levels: Vec<&str> =
        document["judgements"].as_array().unwrap().iter().map(|it| it["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["warning"; 3]);
}

#[test]
fn what_lint_finds_besides_is_in_the_plan_and_long_work_is_as_bad_as_its_table_is_large() {
    let database = three_sizes();
    let folder = Migrations::new()
        .file("V1__small.sql", "alter table small add column x int;\nupdate small set x = 1;")
        .file("V2__large.sql", "-- schemagate: allow table-rewrite because it is small\nalter table large alter v type bigint;\nset lock_timeout = '1s'; alter table middle rename v to w;")
        .file("V3__i.sql", "-- schemagate: no-transaction\nvacuum small")
        .file("V4__large.sql", "alter table large add column b int;\nupdate large set b = 1;");
    let document = document(&database, &folder);
    let found: Vec<Value> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| json!([it["level"], it["rule"], it["file"], it["line"], it["table"]]))
        .collect();
    assert_eq!(
        found,
        [
            json!(["error", "strong-lock-then-long-work", "V4__large.sql", 2, "public.large"]),
            json!(["warning", "sets-lock-timeout", "V2__large.sql", 3, null]),
            json!(["warning", "renaming-column", "V2__large.sql", 3, null]),
            json!(["note", "strong-lock-then-long-work", "V1__small.sql", 2, "public.small"]),
        ]
    );
    // Who wrote the comment did not see this table.
    assert_eq!(document["judgements"][0]["level"], "error");
    plan(&database, &folder, &[])
        .assert_stdout("  error    V4__large.sql:2:1: strong-lock-then-long-work: large: ")
        .assert_stdout("(public.large: 1.0 GB)");
}

#[test]
fn a_column_that_is_proven_to_have_no_null_is_not_read_again() {
    let database = Database::new();
    database.execute("create table t (a int, b int)");
    let folder = Migrations::new()
        .file("V1__a.sql", "alter table t add constraint k check (a is not null) not valid;")
        .file("V2__b.sql", "-- schemagate: no-transaction\nalter table t validate constraint k;")
        .file("V3__c.sql", "alter table t alter a set not null;");
    assert_eq!(document(&database, &folder)["judgements"], json!([]));
}

#[test]
fn a_table_in_a_schema_that_the_role_may_not_use_is_weighed_all_the_same() {
    let database = three_sizes();
    let role = database.role("login");
    database.execute("revoke all on schema public from public");
    let job = Job::new().env("DATABASE_URL", database.url_as(&role)).migrations(rewrites().path()).arg("plan").run();
    job.assert_code(0).assert_stdout("  error    V3__large.sql:2:19: writes anew all of public.large");
}

#[test]
fn a_plan_holds_no_lock_that_keeps_anybody_waiting_and_is_not_kept_waiting_for_long() {
    let database = three_sizes();
    let mut holder = database.connect();
    holder.execute("begin; lock table large");
    let outcome = Job::on(&database)
        .migrations(rewrites().path())
        .env("SCHEMAGATE_LOCK_TIMEOUT", "300ms")
        .args(["plan", "--format", "json"])
        .run();
    outcome.assert_code(0);
    assert_eq!(outcome.json()["judgements"][0]["bytes"], Value::Null);
    holder.execute("rollback");
    database.assert_no_session();
}

#[test]
fn a_standby_gives_the_same_plan_and_the_same_script() {
    let primary = Server::builder().start();
    let database = primary.database();
    database.execute("create table t (id int); insert into t values (1)");
    let standby = primary.standby();
    standby.wait_until_caught_up(&primary);
    let folder = Migrations::new().file("V1__a.sql", "alter table t alter column id type bigint;");
    let job = |arguments: &[&str]| {
        let job = Job::new().env("DATABASE_URL", standby.url(database.name())).migrations(folder.path());
        let outcome = job.arg("plan").args(arguments).run();
        outcome.assert_code(0);
        outcome
    };
    assert_eq!(job(&["--format", "json"]).json()["judgements"][0]["table"], "public.t");
    job(&["--sql"]).assert_stdout("alter table t alter column id type bigint;");
}
