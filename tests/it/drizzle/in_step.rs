//! Drizzle's own table beside ours: what either tool applies, the other knows.

use super::{Journal, drizzle_rows, history};
use crate::support::database::Database;

fn two() -> Journal {
    Journal::of(&[("0000_init", "CREATE TABLE a (id int);"), ("0001_more", "ALTER TABLE a ADD COLUMN b int;")])
}

#[test]
fn a_new_database_gets_drizzles_table_with_a_row_for_each() {
    let database = Database::new();
    let journal = two();
    journal.up(&database).assert_code(0);
    assert_eq!(drizzle_rows(&database), [journal.drizzle_row(0), journal.drizzle_row(1)]);
}

#[test]
fn what_drizzle_applies_later_is_adopted_and_the_reverse() {
    let database = Database::new();
    let mut journal = two();
    journal.by_drizzle(&database, &[0]);
    journal.up(&database).assert_code(0);
    for round in 0..4_usize {
        let at = journal.entries.len();
        journal.add(&format!("{at:04}_x{round}"), &format!("CREATE TABLE x{round} ();"));
        if round % 2 == 0 {
            journal.by_drizzle(&database, &[at]);
            journal.up(&database).assert_code(0).assert_stdout("adopted as applied").assert_nowhere("ran in");
        } else {
            journal.up(&database).assert_code(0).assert_stdout("ran in");
        }
        let expected: Vec<_> = (0..=at).map(|at| journal.drizzle_row(at)).collect();
        assert_eq!(drizzle_rows(&database), expected);
        assert_eq!(history(&database).len(), at + 1);
    }
}

#[test]
fn off_writes_nothing_to_drizzles_table() {
    let database = Database::new();
    let journal = two();
    journal.job(&database).env("SCHEMAGATE_DRIZZLE_IN_STEP", "off").run().assert_code(0);
    assert_eq!(database.value("select to_regclass('drizzle.__drizzle_migrations')::text"), None);
    let other = Database::new();
    journal.by_drizzle(&other, &[0]);
    journal.job(&other).env("SCHEMAGATE_DRIZZLE_IN_STEP", "off").run().assert_code(0);
    assert_eq!(drizzle_rows(&other).len(), 1);
    assert_eq!(history(&other).len(), 2);
}

#[test]
fn a_table_of_another_name_is_kept_in_step() {
    let database = Database::new();
    let journal = two();
    let job = || journal.job(&database).env("SCHEMAGATE_DRIZZLE_TABLE", "public.migrations");
    job().run().assert_code(0);
    assert_eq!(database.value("select count(*) from public.migrations").as_deref(), Some("2"));
    job().run().assert_code(0);
    assert_eq!(database.value("select to_regclass('drizzle.__drizzle_migrations')::text"), None);
}

#[test]
fn a_role_that_may_not_make_the_table_goes_without_it() {
    let database = Database::new();
    let role = database.role("login");
    database.execute(&format!("create schema own authorization {role}"));
    let outcome = two()
        .job(&database)
        .env("DATABASE_URL", database.url_as(&role))
        .env("PGOPTIONS", "-c search_path=own")
        .env("SCHEMAGATE_HISTORY_TABLE", "own.history")
        .run();
    outcome.assert_code(0);
    assert_eq!(database.value("select to_regnamespace('drizzle')::text"), None);
}

#[test]
fn a_migration_that_drops_drizzles_table_ends_it() {
    let database = Database::new();
    let mut journal = two();
    journal.up(&database).assert_code(0);
    journal.add("0002_leave", "DROP TABLE drizzle.__drizzle_migrations;");
    journal.add("0003_after", "CREATE TABLE b ();");
    journal.up(&database).assert_code(0);
    assert_eq!(history(&database).len(), 4);
    assert_eq!(database.value("select to_regclass('drizzle.__drizzle_migrations')::text"), None);
}

#[test]
fn a_migration_that_fails_leaves_no_row_of_drizzles() {
    let database = Database::new();
    let mut journal = two();
    journal.up(&database).assert_code(0);
    journal.add("0002_good", "CREATE TABLE b ();");
    journal.add("0003_bad", "CREATE TABLE a ();");
    journal.up(&database).assert_code(1);
    assert_eq!((drizzle_rows(&database).len(), history(&database).len()), (2, 2));
}

#[test]
fn a_rolled_back_release_is_let_through() {
    let database = Database::new();
    let mut journal = two();
    journal.add("0002_new", "CREATE TABLE b ();");
    journal.up(&database).assert_code(0);
    // Also a row that Drizzle wrote for a release that came later still.
    database.execute("insert into drizzle.__drizzle_migrations (hash, created_at) values ('abc', 1800000000000)");
    let older = two();
    older.up(&database).assert_code(0).assert_stdout("ahead of this release by 1 migration");
    older.up(&database).assert_stdout("ahead of this release by 1 row of Drizzle's history (row-4)");
    let refused = older.job(&database).env("SCHEMAGATE_WHEN_AHEAD", "refuse").run();
    refused.assert_code(65).assert_stdout("row-4 of drizzle.__drizzle_migrations: applied, but newer than every file");
}

#[test]
fn what_only_drizzle_applied_of_a_later_release_counts_as_ahead() {
    let database = Database::new();
    let mut journal = two();
    journal.up(&database).assert_code(0);
    journal.add("0002_new", "CREATE TABLE b ();");
    journal.by_drizzle(&database, &[2]);
    let older = || two();
    older().up(&database).assert_code(0).assert_stdout("ahead of this release by 1 row of Drizzle's history (row-3");
    older().job(&database).env("SCHEMAGATE_WHEN_AHEAD", "refuse").run().assert_code(65);
}
