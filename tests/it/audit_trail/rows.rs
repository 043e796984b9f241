//! What a row says of a run.

use serde_json::json;

use super::{assert_intact, one_row, rows, said};
use crate::support::auditor;
use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

const DIRECTIVE: &str = "-- schemagate: no-transaction\n";

fn up(database: &Database, folder: &Migrations) -> Outcome {
    Job::on(database).migrations(folder.path()).run()
}

fn two() -> Migrations {
    Migrations::new().file("V1__a.sql", "create table a ();").file("V2__b.sql", "create table b ();")
}

fn sha256(text: &str) -> String {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_row_says_all_of_its_run_by_the_servers_clock() {
    let database = Database::new();
    let slow = "\u{feff}create table a ();\r\nselect pg_sleep(0.3);";
    let folder = Migrations::new().file("V1__slow.sql", slow).file("sub/V2__b.sql", "create table b ();");
    let before = database.value("select clock_timestamp()").unwrap();
    Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_GIT_COMMIT", "0123abcd")
        .env("SCHEMAGATE_DEPLOYMENT_ID", "deploy-7")
        .run()
        .assert_code(0);
    let row = one_row(&database);
    for (field, value) in [
        ("sequence", json!(1)),
        ("command", json!("up")),
        ("history_table", json!("drizzle.__migrations__")),
        ("outcome", json!("applied")),
        ("exit_code", json!(0)),
        ("database_role", json!("postgres")),
        ("client_address", json!("127.0.0.1")),
        ("schemagate_version", json!(env!("CARGO_PKG_VERSION"))),
        ("git_commit", json!("0123abcd")),
        ("deployment_id", json!("deploy-7")),
        ("error", json!(null)),
        ("previous_hash", json!(null)),
    ] {
        assert_eq!(row[field], value, "{field}: {row:#}");
    }
    let migrations = &row["migrations"];
    assert_eq!((&migrations[0]["version"], &migrations[0]["file"]), (&json!(1), &json!("V1__slow.sql")));
    assert_eq!((&migrations[1]["version"], &migrations[1]["file"]), (&json!(2), &json!("sub/V2__b.sql")));
    assert_eq!(migrations[0]["sha256"], sha256(slow).as_str());
    assert_eq!(migrations[1]["sha256"], sha256("create table b ();").as_str());
    assert!((300..5000).contains(&migrations[0]["duration_ms"].as_u64().unwrap()), "{migrations}");
    assert!(migrations[1]["duration_ms"].as_u64().unwrap() < 300, "{migrations}");
    let in_order = format!(
        "select '{before}' <= started_at and started_at + '300 ms' <= finished_at and finished_at <= clock_timestamp()
         and started_at <= (select min(applied_on::timestamptz) from drizzle.__migrations__) from {TRAIL}"
    );
    assert_eq!(database.value(&in_order).as_deref(), Some("t"), "{row:#}");
    assert_intact(&database);
}

#[test]
fn a_connection_over_a_socket_has_no_address() {
    let (database, folder) = (Database::new(), two());
    Job::new().env("DATABASE_URL", database.socket_url()).migrations(folder.path()).run().assert_code(0);
    assert_eq!(one_row(&database)["client_address"], json!(null));
    assert_intact(&database);
}

#[test]
fn a_run_that_finds_nothing_to_do_writes_nothing() {
    let (database, folder) = (Database::new(), two());
    up(&database, &folder).assert_code(0);
    up(&database, &folder).assert_code(0);
    Job::on(&database).migrations(folder.path()).arg("plan").run().assert_code(0);
    assert_eq!(said(&database), ["up applied 0 1,2"]);
    folder.write("V3__c.sql", "create table c ();");
    up(&database, &folder).assert_code(0);
    assert_eq!(said(&database), ["up applied 0 1,2", "up applied 0 3"]);
    let rows = rows(&database);
    assert_eq!(rows[1]["previous_hash"], rows[0]["hash"]);
    assert_ne!(rows[1]["run_id"], rows[0]["run_id"]);
    assert_intact(&database);
}

#[test]
fn ten_copies_at_once_leave_the_row_of_the_one_that_applied() {
    let (database, folder) = (Database::new(), two().file("V3__c.sql", "select pg_sleep(0.2);"));
    let copies: Vec<_> = (0..10).map(|_| Job::on(&database).migrations(folder.path()).spawn()).collect();
    for copy in copies {
        copy.wait().assert_code(0);
    }
    assert_eq!(said(&database), ["up applied 0 1,2,3"]);
    assert_intact(&database);
}

#[test]
fn a_failed_run_leaves_its_row_and_nothing_else() {
    let database = Database::new();
    let folder = two().file("V3__bad.sql", "select missing;");
    up(&database, &folder).assert_code(1).assert_nowhere("audit trail");
    assert_eq!(database.tables(), [TRAIL]);
    assert_eq!(said(&database), ["up failed 1 - 42703 V3__bad.sql"]);
    folder.write("V3__bad.sql", "select 3;");
    up(&database, &folder).assert_code(0);
    assert_eq!(said(&database)[1], "up applied 0 1,2,3");
    assert_intact(&database);
}

#[test]
fn a_failed_run_says_what_it_had_applied_before() {
    let database = Database::new();
    let folder = two().file("V3__bad.sql", "select 1/0;");
    let job = Job::on(&database).env("SCHEMAGATE_ATOMICITY", "migration").migrations(folder.path());
    job.run().assert_code(1);
    assert_eq!(said(&database), ["up failed 1 1,2 22012 V3__bad.sql"]);
    let row = one_row(&database);
    assert_eq!(row["migrations"][1]["sha256"], sha256("create table b ();").as_str());
    assert!(row["migrations"][1]["duration_ms"].is_u64(), "{row:#}");
    assert_intact(&database);
}

#[test]
fn a_refusal_under_the_lock_is_on_record_and_one_before_it_is_not() {
    let (database, folder) = (Database::new(), two());
    database.execute("create table b ()");
    up(&database, &folder).assert_code(65);
    assert_eq!(said(&database), ["up failed 65 - tables exist"]);
    folder.write("V3__c.sql", "begin;");
    up(&database, &folder).assert_code(65);
    assert_eq!(said(&database).len(), 1);
    assert_intact(&database);
}

#[test]
fn a_run_of_several_batches_is_one_row() {
    let index = format!("{DIRECTIVE}create index concurrently i on a (n);");
    for (atomicity, last) in [("release", false), ("release", true), ("migration", false), ("migration", true)] {
        let database = Database::new();
        let folder = Migrations::new()
            .file("V1__a.sql", "create table a (n int);")
            .file("V2__b.sql", "create table b ();")
            .file("V3__i.sql", &index);
        if !last {
            folder.write("V4__c.sql", "create table c ();");
        }
        let job = Job::on(&database).env("SCHEMAGATE_ATOMICITY", atomicity).migrations(folder.path());
        job.run().assert_code(0);
        let row = one_row(&database);
        let migrations = row["migrations"].as_array().unwrap();
        assert_eq!(migrations.len(), if last { 3 } else { 4 }, "{row:#}");
        for migration in migrations {
            assert!(migration["duration_ms"].is_u64() && migration["sha256"].is_string(), "{row:#}");
        }
        assert_eq!(migrations[2]["sha256"], sha256(&index).as_str());
        assert_intact(&database);
    }
}

#[test]
fn what_files_do_to_the_session_does_not_reach_the_row() {
    let database = Database::new();
    let role = database.role("nologin");
    let folder = Migrations::new().file(
        "V1__mess.sql",
        format!(
            "create schema mine; create function mine.clock_timestamp() returns timestamptz language sql as 'select null::timestamptz';
             create function mine.sha256(bytea) returns bytea language sql as 'select null::bytea'; create table a ();
             grant usage on schema mine to {role};
             set search_path = mine, pg_catalog; set datestyle = 'German'; set timezone = 'Asia/Tokyo';
             set client_encoding = 'latin1'; set standard_conforming_strings = off; set role {role};"
        ),
    );
    for (file, sql) in [("V2__bad.sql", "set datestyle = 'German'; select 1/0;"), ("V2__bad.sql", "select 2;")] {
        folder.write(file, sql);
        Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_GIT_COMMIT", "größe \\ '").run();
    }
    assert_eq!(said(&database), ["up failed 1 - 22012 V2__bad.sql", "up applied 0 1,2"]);
    let row = &rows(&database)[1];
    assert_eq!((&row["database_role"], &row["git_commit"]), (&json!("postgres"), &json!("größe \\ '")));
    assert_intact(&database);
}

#[test]
fn odd_names_and_values_hash_alike_on_the_server_and_here() {
    let database = Database::new();
    let role = format!("we\"ird 'röle\\ {}", std::process::id());
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    database.execute(&format!(
        "create role {quoted} login; grant create on database {} to {quoted}; grant create on schema public to {quoted}",
        database.name()
    ));
    let folder = Migrations::new()
        .file("sü\"ß\\ \u{7f}/V1__日本.sql", "create table a ();")
        .file("a\tb\u{1}\u{2028}🙂/V2__b.sql", "select 1/0;");
    let encoded: String = role.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let job = || {
        Job::new()
            .env("DATABASE_URL", database.url_as(&encoded))
            .env("SCHEMAGATE_GIT_COMMIT", "zwei\nZeilen\t\"und\" \\ 🙂 \u{85}")
            .env("SCHEMAGATE_DEPLOYMENT_ID", "'; drop table a; --")
            .migrations(folder.path())
    };
    job().run().assert_code(1);
    folder.write("a\tb\u{1}\u{2028}🙂/V2__b.sql", "select 2;");
    job().run().assert_code(0);
    let rows = rows(&database);
    assert_eq!(rows[1]["migrations"][0]["file"], "sü\"ß\\ \u{7f}/V1__日本.sql");
    assert_eq!(rows[0]["error"], "22012 a\tb\u{1}\u{2028}🙂/V2__b.sql");
    assert_eq!(rows[1]["git_commit"], "zweiZeilen\"und\" \\ 🙂");
    assert_eq!(rows[1]["database_role"], role.as_str());
    assert_intact(&database);
    database.execute(&format!("drop owned by {quoted} cascade; drop role {quoted}"));
}

#[test]
fn a_commit_that_the_database_cannot_write_down_keeps_no_release_out() {
    let database = Database::new();
    let latin = format!("{}_latin", database.name());
    database.execute(&format!("create database {latin} template template0 encoding 'LATIN1' locale 'C'"));
    let folder = Migrations::new().file("日本/V1__a.sql", "create table a ();");
    let url = database.address().url(&latin);
    let outcome =
        Job::new().env("DATABASE_URL", url).env("SCHEMAGATE_GIT_COMMIT", "日本1").migrations(folder.path()).run();
    let mut session = database.address().connect(&latin);
    let commit = session.value(&format!("select git_commit from {TRAIL}"));
    let text = session.value(&format!("select migrations::text from {TRAIL}"));
    let intact = session.value(&format!("select bool_and(intact) from ({}) q", auditor::query()));
    drop(session);
    database.execute(&format!("drop database {latin} with (force)"));
    outcome.assert_code(0);
    assert_eq!(commit.as_deref(), Some("??1"));
    let text = text.unwrap();
    assert!(text.contains("\\u65e5\\u672c/V1__a.sql") && text.contains(&sha256("create table a ();")), "{text}");
    assert_eq!(intact.as_deref(), Some("t"));
}

#[test]
fn histories_of_one_schema_share_a_trail_without_getting_in_each_others_way() {
    let database = Database::new();
    let folders: Vec<Migrations> = (0..6)
        .map(|n| Migrations::new().file("V1__a.sql", format!("create table t{n} (); select pg_sleep(0.1);")))
        .collect();
    database.execute("create schema drizzle");
    let runs: Vec<_> = folders
        .iter()
        .enumerate()
        .map(|(n, folder)| {
            let table = format!("drizzle.history{n}");
            Job::on(&database).env("SCHEMAGATE_HISTORY_TABLE", table).migrations(folder.path()).spawn()
        })
        .collect();
    for run in runs {
        run.wait().assert_code(0);
    }
    assert_eq!(rows(&database).len(), 6);
    assert_eq!(super::broken_by_sql(&database), None);
    let status = |n| {
        let job = Job::on(&database).env("SCHEMAGATE_HISTORY_TABLE", format!("drizzle.history{n}"));
        job.args(["status", "--format", "json"]).run().json()["audit_trail"].clone()
    };
    let seen = status(3);
    assert_eq!((&seen["intact"], &seen["not_accounted_for"]), (&json!(true), &json!([])), "{seen:#}");
}

#[test]
fn what_was_applied_before_the_trail_began_is_said_to_be_unaccounted_for() {
    let (database, folder) = (Database::new(), two());
    up(&database, &folder).assert_code(0);
    database.execute(&format!("drop table {TRAIL}"));
    folder.write("V3__c.sql", "create table c ();");
    up(&database, &folder).assert_code(0);
    assert_eq!(super::seen(&database)["not_accounted_for"], json!([1, 2]));
    let text = Job::on(&database).args(["status"]).run();
    text.assert_code(0).assert_stdout("2 migrations of the history not accounted for by it");
    assert_intact(&database);
}

#[test]
fn ten_thousand_migrations_are_one_row() {
    let database = Database::new();
    let folder = Migrations::new();
    for version in 1..=10_000 {
        folder.write(&format!("V{version}__x.sql"), format!("select {version};"));
    }
    let outcome = up(&database, &folder);
    outcome.assert_code(0);
    let row = one_row(&database);
    assert_eq!(row["migrations"].as_array().unwrap().len(), 10_000);
    assert_eq!(row["migrations"][9_999]["sha256"], sha256("select 10000;").as_str());
    assert_intact(&database);
}
