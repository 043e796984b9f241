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
