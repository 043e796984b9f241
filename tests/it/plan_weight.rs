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

/// Level, table and bytes of each judgement.
fn judged(document: &Value) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let judgements = document["judgements"].as_array().unwrap();
    judgements.iter().map(|it| [text(&it["level"]), text(&it["table"]), text(&it["bytes"])]).collect()
}

/// The judgements of one file: level, table, whether the size is known.
fn judgements(database: &Database, sql: &str) -> Vec<String> {
    let folder = Migrations::new().file("V1__a.sql", sql);
    let job = Job::on(database).migrations(folder.path()).env("SCHEMAGATE_WHEN_EXISTING", "allow");
    let outcome = job.args(["plan", "--format", "json"]).run();
    outcome.assert_code(0);
    let known = |bytes: &str| if bytes == "null" { "not known" } else { "known" }.to_owned();
    judged(&outcome.json()).iter().map(|[level, table, bytes]| format!("{level} {table} {}", known(bytes))).collect()
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
    // As lint has it; the small one was counted, and is as large as it was then.
    assert_eq!(
        judged(&document),
        [["error", "public.middle", "null"], ["error", "public.large", "null"], ["note", "public.small", "8192"],]
    );
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
    assert_eq!(judged(&outcome.json())[0], ["error", "public.large", "null"]);
    assert_eq!(outcome.json()["judgements"][1]["level"], "warning");
    holder.execute("rollback");
    database.assert_no_session();
}

#[test]
fn a_table_that_another_session_has_for_itself_is_as_large_as_when_it_was_vacuumed_and_nobody_waits() {
    let database = three_sizes();
    database.execute("analyze large; analyze middle");
    grow(&database, "small", 200 << 20);
    let mut holder = database.connect();
    holder.execute("begin; lock table large");
    let folder = rewrites();
    let job = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0");
    let outcome = job.args(["plan", "--format", "json"]).run();
    outcome.assert_code(0);
    let document = outcome.json();
    let found = judged(&document);
    assert_eq!(
        found.iter().map(|it| it[1].as_str()).collect::<Vec<_>>(),
        ["public.large", "public.small", "public.middle"]
    );
    assert!(found.iter().all(|it| it[2] != "null"), "{found:?}");
}

#[test]
fn a_table_is_followed_through_the_names_that_the_release_gives_it() {
    let database = three_sizes();
    for (sql, expected) in [
        (
            "alter table large rename to huge; create index on huge (id); alter table huge alter id type bigint;",
            vec!["error public.large known"; 2],
        ),
        (
            "create schema s; alter table large set schema s; set local search_path to s; create index on large (id);",
            vec!["error public.large known"],
        ),
        ("drop table large; create table large (a int); alter table large alter a type bigint;", vec![]),
        ("drop table large; create table if not exists large (a int); create index on large (a);", vec![]),
        ("create table if not exists large (a int); create index on large (a);", vec!["error public.large known"]),
        ("create temp table large (a int); create index on large (a);", vec![]),
        ("alter table large rename to old; create table large (id int); create index on large (id);", vec![]),
        ("create index i on large (v); reindex index i;", vec!["error public.large known"; 2]),
    ] {
        assert_eq!(judgements(&database, sql), expected, "{sql}");
    }
    let folder = Migrations::new()
        .file("V1__a.sql", "alter table large rename to huge; create temp table middle ();")
        .file("V2__b.sql", "create index on huge (id); create index on middle (id);");
    let text = plan(&database, &folder, &[]);
    text.assert_stdout("error    V2__b.sql:1:1: reads all of public.large (here huge) and blocks writes meanwhile: ");
    text.assert_stdout("warning  V2__b.sql:1:28: reads all of public.middle and blocks");
}

#[test]
fn a_table_that_is_not_found_is_judged_as_by_lint_and_its_size_is_not_known() {
    let database = Database::new();
    database.execute("create schema \"schéma\"; create table \"schéma\".\"täble\" (x int); create table t (x int)");
    let folder =
        Migrations::new().file("V1__a.sql", "create index on nowhere (x); alter table s.t alter x type bigint;");
    plan(&database, &folder, &[])
        .assert_stdout("error    V1__a.sql:1:1: reads all of nowhere and blocks writes meanwhile: ")
        .assert_stdout("(size not known)")
        .assert_stdout("warning  V1__a.sql:1:46: may write anew all of s.t and blocks reads and writes meanwhile: ");
    for path in [
        "set local search_path=\"schéma\"",
        "set search_path to public, 'schéma'",
        "set schema 'schéma'",
        "select set_config('search_path', 'x, \"schéma\"', true)",
    ] {
        let sql = format!("{path}; alter table \"täble\" alter column x type bigint;");
        assert_eq!(judgements(&database, &sql), ["note \"schéma\".\"täble\" known"], "{path}");
    }
    let sql = "set search_path = \"schéma\"; create table t (y int); create index on t (y); reset search_path; create index on t (x)";
    assert_eq!(judgements(&database, sql), ["note public.t known"]);
}

#[test]
fn a_parent_is_as_large_as_its_children_where_they_are_a_part_of_it() {
    let database = Database::new();
    database.execute(
        "create table parent (id int, v int); create table child () inherits (parent);
         create table grandchild () inherits (child)",
    );
    grow(&database, "grandchild", 1200 << 20);
    for (sql, level) in [
        ("alter table parent add column zz uuid default gen_random_uuid();", "error"),
        ("alter table only parent add constraint k check (id > 0) no inherit;", "note"),
        ("create index on parent (id);", "note"),
        ("alter table parent add foreign key (v) references parent (id);", "note"),
        ("alter table parent alter v set not null;", "error"),
    ] {
        assert_eq!(judgements(&database, sql), [format!("{level} public.parent known")], "{sql}");
    }
    // What the server itself reads is the same.
    database.execute(
        "create table p (id int) partition by range (id); create table p1 partition of p for values from (1) to (9)",
    );
    grow(&database, "p1", 1200 << 20);
    assert_eq!(judgements(&database, "create index on only p (id);"), ["note public.p known"]);
    assert_eq!(judgements(&database, "create index on p (id);"), ["error public.p known"]);
}

#[test]
fn the_default_partition_is_read_for_a_new_one() {
    let database = Database::new();
    database.execute(
        "create table part (id int) partition by range (id); create table \"Rest\" partition of part default;
         create table other (id int)",
    );
    grow(&database, "\"Rest\"", 1200 << 20);
    let new = "create table p9 partition of part for values from (90) to (100);";
    let expected = ["error public.\"Rest\" known"];
    assert_eq!(judgements(&database, new), expected);
    let attach = "alter table part attach partition other for values from (90) to (100);";
    assert_eq!(judgements(&database, attach), ["error public.\"Rest\" known", "note public.other known"]);
    plan(&database, &Migrations::new().file("V1__a.sql", new), &[])
        .assert_stdout(
            "error    V1__a.sql:1:14: may read all of public.\"Rest\" and blocks reads and writes meanwhile: ",
        )
        .assert_stdout("(1.1 GB)");
    assert!(judgements(&database, &format!("alter table part detach partition \"Rest\"; {new}")).is_empty());
    assert!(judgements(&database, &format!("drop table \"Rest\"; {new}")).is_empty());
}

#[test]
fn a_column_that_is_not_null_already_is_not_read() {
    let database = three_sizes();
    database.execute("alter table middle alter id set not null; create table kid () inherits (middle)");
    assert!(judgements(&database, "alter table large alter column id set not null;").is_empty());
    assert_eq!(judgements(&database, "alter table large alter column v set not null;"), ["error public.large known"]);
    assert!(judgements(&database, "alter table middle alter id set not null;").is_empty());
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
