//! That rows are kept, and what shows where somebody made the database change them all the same.

use serde_json::json;

use super::{assert_intact, broken_by_sql, said, seen};
use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::Job;

/// A database of four runs.
fn four_runs() -> Database {
    let (database, folder) = (Database::new(), Migrations::new());
    for version in 1..=4 {
        folder.write(&format!("V{version}__x.sql"), format!("select {version};"));
        Job::on(&database).migrations(folder.path()).run().assert_code(0);
    }
    assert_intact(&database);
    database
}

/// Does what the triggers refuse.
fn by_force(database: &Database, sql: &str) {
    let off = format!("alter table {TRAIL} disable trigger user");
    let on = format!("alter table {TRAIL} enable always trigger rows_are_kept, enable always trigger table_is_kept");
    database.execute(&format!("begin; {off}; {sql}; {on}; commit"));
}

#[test]
fn no_row_can_be_changed_or_removed_not_even_by_a_superuser_or_a_replica() {
    let database = four_runs();
    let role = database.role("login");
    database.execute(&format!("grant usage on schema drizzle to {role}; grant all on {TRAIL} to {role}"));
    for setup in ["", "set session_replication_role = replica;", &format!("set role {role};")] {
        for change in [
            format!("update {TRAIL} set outcome = 'applied' where sequence = 2"),
            format!("delete from {TRAIL} where sequence = 4"),
            format!("truncate {TRAIL}"),
            format!("truncate {TRAIL} cascade"),
            format!(
                "insert into {TRAIL} select * from {TRAIL} where sequence = 1 on conflict (sequence) do update set error = 'x'"
            ),
        ] {
            let error = database.connect().try_query(&format!("{setup} {change}")).unwrap_err();
            let error = error.as_db_error().unwrap();
            assert_eq!(error.code().code(), "42501", "{setup} {change}");
            assert!(error.message().contains("append-only"), "{}", error.message());
        }
    }
    assert_eq!(said(&database).len(), 4);
    assert_intact(&database);
    database.execute(&format!("drop owned by {role}"));
}

#[test]
fn the_triggers_do_what_they_say_whatever_the_search_path_is() {
    let database = four_runs();
    database.execute(
        "create schema evil; create function evil.format(text, name, name) returns text language sql as 'select null'",
    );
    let error = database.connect().try_query(&format!("set search_path = evil, pg_catalog; delete from {TRAIL}"));
    assert_eq!(error.unwrap_err().code().unwrap().code(), "42501");
}

#[test]
fn a_row_that_was_altered_removed_added_or_moved_shows_and_is_named() {
    let swap = "update TRAIL set sequence = 9 where sequence = 2; update TRAIL set sequence = 2 where sequence = 3;
        update TRAIL set sequence = 3 where sequence = 9";
    for (change, broken_at, broken_by_query, words) in [
        ("update TRAIL set exit_code = 1 where sequence = 2", 2, 2, "row 2 was altered"),
        ("update TRAIL set migrations = replace(migrations::text, ':', ': ')::json where sequence = 3", 3, 3, "altered"),
        ("update TRAIL set started_at = started_at - interval '1 microsecond' where sequence = 1", 1, 1, "altered"),
        ("delete from TRAIL where sequence = 1", 1, 2, "row 1 is missing"),
        ("delete from TRAIL where sequence = 3", 3, 4, "row 3 is missing"),
        ("insert into TRAIL select 5, run_id, command, history_table, started_at, finished_at, outcome, exit_code, migrations,
            database_role, client_address, schemagate_version, git_commit, deployment_id, error, previous_hash, hash
            from TRAIL where sequence = 4", 5, 5, "row 5 was altered"),
        (swap, 2, 2, "row 2 was altered"),
        ("alter table TRAIL alter hash drop not null; update TRAIL set hash = null where sequence = 2", 2, 2, "cannot be read"),
    ] {
        let database = four_runs();
        by_force(&database, &change.replace("TRAIL", TRAIL));
        let seen = seen(&database);
        assert_eq!((&seen["intact"], &seen["broken_at"]), (&json!(false), &json!(broken_at)), "{change}\n{seen:#}");
        assert_eq!(broken_by_sql(&database), Some(broken_by_query), "{change}");
        // A warning and a line, and no matter of the exit code.
        let folder = Migrations::new();
        for version in 1..=4 {
            folder.write(&format!("V{version}__x.sql"), format!("select {version};"));
        }
        let shown = Job::on(&database).migrations(folder.path()).args(["status", "--check"]).run();
        shown.assert_code(0).assert_stdout("CHAIN BROKEN").assert_stdout(words).assert_stderr(words);
    }
}

#[test]
fn a_row_replaced_with_its_hash_breaks_at_the_next() {
    let database = four_runs();
    let hash = "encode(sha256(convert_to(json_build_array(previous_hash, sequence, run_id, command, history_table,
        to_char(started_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
        to_char(finished_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), outcome, exit_code, migrations::text,
        database_role, client_address, schemagate_version, git_commit, deployment_id, error)::text, 'UTF8')), 'hex')";
    let change = format!(
        "update {TRAIL} set database_role = 'somebody' where sequence = 2; update {TRAIL} set hash = {hash} where sequence = 2"
    );
    by_force(&database, &change);
    let seen = seen(&database);
    assert_eq!(seen["broken_at"], 3, "{seen:#}");
    assert!(seen["reason"].as_str().unwrap().contains("does not follow"), "{seen:#}");
    assert_eq!(broken_by_sql(&database), Some(3));
}

#[test]
fn rows_removed_from_the_end_show_as_migrations_unaccounted_for() {
    let database = four_runs();
    by_force(&database, &format!("delete from {TRAIL} where sequence > 2"));
    let seen = seen(&database);
    assert_eq!((&seen["intact"], &seen["not_accounted_for"]), (&json!(true), &json!([3, 4])), "{seen:#}");
}

#[test]
fn a_trigger_that_is_off_or_gone_is_warned_of() {
    for change in [
        "alter table TRAIL disable trigger rows_are_kept",
        "alter table TRAIL enable trigger table_is_kept",
        "drop trigger table_is_kept on TRAIL",
        "create or replace function drizzle.__migration_runs_are_kept__() returns trigger language plpgsql
         as 'begin return new; end'",
    ] {
        let database = four_runs();
        database.execute(&change.replace("TRAIL", TRAIL));
        let shown = Job::on(&database).arg("status").run();
        shown.assert_code(0).assert_stderr("is not append-only").assert_stdout("its rows can be changed");
        assert_eq!(seen(&database)["append_only"], false, "{change}");
    }
}
