//! What is read of a folder of drizzle-kit, and what of it is refused.

use super::{Journal, history};
use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::Job;

#[test]
fn a_journal_is_applied_in_its_order_and_the_second_run_has_nothing_to_do() {
    let database = Database::new();
    let mut journal = Journal::of(&[
        ("0000_init", "CREATE TABLE \"a\" (\"id\" int);\n--> statement-breakpoint\nCREATE TABLE \"b\" (\"id\" int);"),
        (
            "0001_with-dash",
            "ALTER TABLE \"a\" ADD COLUMN \"x\" text;--> statement-breakpoint\nINSERT INTO a VALUES (1, 'x');",
        ),
    ]);
    journal.up(&database).assert_code(0).assert_stdout("0001_with-dash.sql ran in");
    assert_eq!(history(&database), ["0 init", "1 with-dash"]);
    journal.up(&database).assert_code(0).assert_stdout("\"up_to_date\"");
    journal.add("0002_custom", "-- Custom SQL migration file, put your code below! --");
    journal.up(&database).assert_code(0).assert_nowhere("warn");
    assert_eq!(history(&database), ["0 init", "1 with-dash", "2 custom"]);
    let status = journal.job(&database).args(["status", "--check"]).run();
    status.assert_code(0).assert_stdout("0002_custom.sql");
}

#[test]
fn folders_of_version_1_are_applied_by_name() {
    let database = Database::new();
    let folder = Migrations::new()
        .file("20261122142500_second/migration.sql", "INSERT INTO a VALUES (2);")
        .file("20261122142459_first/migration.sql", "CREATE TABLE a (id int PRIMARY KEY);")
        .file("20261122142459_first/snapshot.json", "{}");
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    assert_eq!(history(&database), ["20261122142459 first", "20261122142500 second"]);
    Job::on(&database).migrations(folder.path()).args(["status", "--check"]).run().assert_code(0);
}

#[test]
fn an_edited_file_is_divergent() {
    let database = Database::new();
    let journal = Journal::of(&[("0000_init", "CREATE TABLE a ();")]);
    journal.up(&database).assert_code(0);
    journal.folder.write("0000_init.sql", "CREATE TABLE a (id int);");
    journal.up(&database).assert_code(65).assert_stdout("0000_init.sql: changed after it was applied");
}

#[test]
fn what_drizzle_lets_pass_is_told_and_applied() {
    let database = Database::new();
    let journal = Journal::of(&[("0000_init", "CREATE TABLE a ();"), ("0007_b", " ")]);
    journal.folder.write("0005_forgotten.sql", "CREATE TABLE forgotten ();");
    let outcome = journal.up(&database);
    outcome
        .assert_code(0)
        .assert_stdout("0005_forgotten.sql: not run, because Drizzle does not know it either")
        .assert_stdout("0007_b (idx 1): the number in the tag is not the entry's idx; the idx counts")
        .assert_stdout("0007_b.sql: an empty file; recorded without running anything");
    assert_eq!(history(&database), ["0 init", "1 b"]);
    assert_eq!(database.value("select to_regclass('forgotten')::text"), None);
}

#[test]
fn every_fault_of_a_journal_is_named_before_a_connection() {
    let journal = Journal::of(&[("0000_init", "x"), ("0001_a", "x"), ("0002_b", "x")]);
    journal.folder.remove("0001_a.sql");
    journal.folder.write("20240501120000_new/migration.sql", "x");
    let outcome = Job::new()
        .env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        .env("SCHEMAGATE_LOG_FORMAT", "text")
        .migrations(journal.folder.path())
        .run();
    outcome
        .assert_code(65)
        .assert_stdout("2 problems in the drizzle-kit folder")
        .assert_stdout("0001_a.sql: the journal lists it, but the file does not exist")
        .assert_stdout("hint: restore the file, or take the entry out of meta/_journal.json if it was never applied")
        .assert_stdout("20240501120000_new/migration.sql: a mix of layouts");
    journal.folder.write("meta/_journal.json", "<<<<<<< HEAD");
    let outcome =
        Job::new().env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none").migrations(journal.folder.path()).run();
    outcome.assert_code(65).assert_stdout("not a journal of drizzle-kit: expected value at line 1 column 1");
}

#[test]
fn chunks_need_no_semicolon() {
    let database = Database::new();
    let journal = Journal::of(&[(
        "0000_init",
        "CREATE TABLE a (id int)\n--> statement-breakpoint\nCREATE TABLE b (id int) -- b\n--> statement-breakpoint\n\
         SELECT 'x'\n--> statement-breakpoint\nCREATE TABLE c (idd int REFERENCES nowhere)",
    )]);
    let outcome = journal.job(&database).env("SCHEMAGATE_LOG_FORMAT", "text").run();
    outcome.assert_code(1).assert_stdout("0000_init.sql:7").assert_stdout("relation \"nowhere\" does not exist");
    journal.folder.write(
        "0000_init.sql",
        "CREATE TABLE a (id int)\n--> statement-breakpoint\nCREATE TABLE b (id int)--> statement-breakpoint\nSELECT 1",
    );
    journal.up(&database).assert_code(0);
    assert_eq!(
        database.tables(),
        ["drizzle.__drizzle_migrations", TRAIL, "drizzle.__migrations__", "public.a", "public.b"]
    );
}

#[test]
fn text_behind_a_breakpoint_is_not_swallowed() {
    let database = Database::new();
    let journal = Journal::of(&[("0000_init", "CREATE TABLE a (); --> statement-breakpoint CREATE TABLE b ();\n")]);
    let outcome = journal.up(&database);
    outcome.assert_code(65).assert_stdout("0000_init.sql:1:20").assert_stdout("text behind the breakpoint on its line");
}

#[test]
fn new_leaves_the_numbering_to_drizzle_kit() {
    let journal = Journal::of(&[("0000_init", "CREATE TABLE a ();")]);
    let outcome = Job::new().migrations(journal.folder.path()).args(["new", "orders"]).run();
    outcome.assert_code(65).assert_stderr("is a folder of drizzle-kit").assert_stderr("drizzle-kit generate --custom");
}

#[test]
fn the_directive_works_in_a_drizzle_file() {
    let database = Database::new();
    let journal = Journal::of(&[
        ("0000_init", "CREATE TABLE a (id int);"),
        ("0001_index", "-- schemagate: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (id);"),
    ]);
    journal.up(&database).assert_code(0).assert_stdout("0001_index.sql ran outside a transaction");
}

#[test]
fn a_journal_that_was_not_shipped_is_missed_by_name() {
    let folder = Migrations::new().file("0000_init.sql", "SELECT 1;").file("meta/0000_snapshot.json", "{}");
    let outcome =
        Job::new().env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none").migrations(folder.path()).run();
    outcome.assert_code(65).assert_stdout("meta/_journal.json: the journal is missing").assert_nowhere("prefix V");
}
