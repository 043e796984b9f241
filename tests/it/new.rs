//! `new`: the next number, what it writes, prints and refuses. Never needs a database.

use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;

fn new(folder: &Migrations, name: &str) -> Outcome {
    Job::new().migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text").args(["new", name]).run()
}

/// The file that `new` made, by what it printed.
fn made(folder: &Migrations, name: &str) -> String {
    let outcome = new(folder, name);
    outcome.assert_code(0);
    let path = outcome.stdout.trim_end();
    assert!(std::path::Path::new(path).is_file(), "{outcome}");
    path.strip_prefix(&format!("{}/", folder.path().display())).unwrap_or_else(|| panic!("{outcome}")).to_owned()
}

#[test]
fn the_next_file_has_the_next_number_padded_as_the_newest() {
    let empty = Migrations::new();
    assert_eq!(made(&empty, "first table"), "V0001__first_table.sql");
    assert_eq!(made(&empty, "second-table"), "V0002__second_table.sql");
    assert_eq!(std::fs::read_to_string(empty.path().join("V0001__first_table.sql")).unwrap(), "-- first table\n");
    let unpadded = Migrations::new().file("V1__a.sql", "x").file("sub/U9__b.sql", "x");
    assert_eq!(made(&unpadded, "c"), "V10__c.sql");
    let times = Migrations::new().file("V20240501120000__a.sql", "x");
    let file = made(&times, "b");
    assert!(regex::Regex::new(r"^V20\d{12}__b\.sql$").unwrap().is_match(&file), "{file}");
    assert!(file.as_str() > "V20260101000000__b.sql", "{file}");
}

#[test]
fn a_name_of_several_lines_stays_inside_the_comment() {
    let folder = Migrations::new();
    assert_eq!(made(&folder, "add\ndrop table users"), "V0001__add_drop_table_users.sql");
    let text = std::fs::read_to_string(folder.path().join("V0001__add_drop_table_users.sql")).unwrap();
    assert_eq!(text, "-- add drop table users\n");
}

#[test]
fn names_that_cannot_be_are_wrong_arguments_and_write_nothing() {
    let folder = Migrations::new();
    for name in ["", " - ", "a/b", "../a", "a.b", "a;b", &"a".repeat(256)] {
        let outcome = new(&folder, name);
        outcome.assert_code(2).assert_stderr("hint: ").assert_stderr("no file was written");
    }
    Job::new().migrations(folder.path()).args(["new"]).run().assert_code(2);
    Job::new().migrations(folder.path()).args(["new", "two", "words"]).run().assert_code(2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_with_faults_gets_no_further_file() {
    let folder = Migrations::new().file("V1_a.sql", "x").file("V2__b.sql", "x").file("V02__c.sql", "");
    let outcome = new(&folder, "next");
    outcome.assert_code(65);
    insta::assert_snapshot!(redact(&outcome.stderr), @r#"
    [time] error 2 problems in the migrations folder [tmp]
      V1_a.sql: two underscores must stand between the version and the name
        hint: name it V1__a.sql
      V2__b.sql: version 2 is already that of V02__c.sql
        hint: give one of the two the next free version
    state: no file was written
    "#);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn copies_that_run_at_once_never_write_over_each_other() {
    let folder = Migrations::new();
    let running: Vec<_> = (0..4).map(|_| Job::new().migrations(folder.path()).args(["new", "same"]).spawn()).collect();
    let outcomes: Vec<Outcome> = running.into_iter().map(|run| run.wait()).collect();
    let mut files: Vec<&str> =
        outcomes.iter().filter(|outcome| outcome.code == Some(0)).map(|outcome| outcome.stdout.trim_end()).collect();
    let succeeded = files.len();
    files.sort_unstable();
    files.dedup();
    assert_eq!(files.len(), succeeded);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), succeeded);
    assert!(outcomes.iter().all(|outcome| matches!(outcome.code, Some(0 | 65))), "{outcomes:?}");
}

#[test]
fn the_argument_wins_over_the_variable_and_the_default_is_migrations() {
    let work = tempfile::tempdir().unwrap();
    let run = |job: Job| {
        let outcome = job.current_dir(work.path()).run();
        outcome.assert_code(0);
        outcome.stdout
    };
    assert_eq!(run(Job::new().args(["new", "a"])), "migrations/V0001__a.sql\n");
    assert_eq!(run(Job::new().env("SCHEMAGATE_MIGRATIONS", "db").args(["new", "a"])), "db/V0001__a.sql\n");
    let both = Job::new().env("SCHEMAGATE_MIGRATIONS", "db").args(["--migrations", "sql/files", "new", "a"]);
    assert_eq!(run(both), "sql/files/V0001__a.sql\n");
    let json = Job::new().args(["new", "b", "--format", "json"]);
    assert_eq!(run(json), "{\"file\":\"migrations/V0002__b.sql\"}\n");
    assert!(work.path().join("sql/files/V0001__a.sql").is_file());
}
