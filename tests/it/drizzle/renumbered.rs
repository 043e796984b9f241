//! A journal that `drizzle-kit up` has turned into folders: what was applied under the journal's numbers stays applied.

use super::{Journal, history};
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

/// Tag and text; two custom files of one name have one text, as when both were left empty.
const FILES: [(&str, &str); 5] = [
    ("0000_init", "CREATE TABLE a (id int);\r\n"),
    ("0001_custom", "-- empty\n"),
    ("0002_more", "ALTER TABLE a ADD COLUMN b int;"),
    ("0003_custom", "-- empty\n"),
    ("0004_last", "CREATE TABLE c (id int);"),
];

fn journal() -> Journal {
    Journal::of(&FILES)
}

/// What `drizzle-kit up` makes of it: each entry's time before the name, the text as it is.
fn folders() -> Migrations {
    let mut folders = Migrations::new();
    for (second, (tag, text)) in FILES.iter().enumerate() {
        folders = folders.file(&format!("2023111422132{second}_{}/migration.sql", &tag[5..]), text);
    }
    folders
}

fn up(database: &Database, folders: &Migrations) -> Outcome {
    Job::on(database).migrations(folders.path()).run()
}

#[test]
fn folders_are_up_to_date_where_the_journal_was_and_go_on_from_there() {
    let database = Database::new();
    let (journal, folders) = (journal(), folders());
    journal.up(&database).assert_code(0);
    let before = history(&database);
    up(&database, &folders).assert_code(0).assert_stdout("\"up_to_date\"");
    Job::on(&database).migrations(folders.path()).args(["status", "--check"]).run().assert_code(0);
    assert_eq!(history(&database), before);
    folders.write("20231114221325_next/migration.sql", "CREATE TABLE d ();");
    up(&database, &folders).assert_code(0).assert_stdout("\"applied\":1");
    assert_eq!(history(&database).last().map(String::as_str), Some("20231114221325 next"));
    // The release before, whose folder has the journal still.
    journal.up(&database).assert_code(0).assert_stdout("ahead of this release by 1 migration");
}

#[test]
fn folders_apply_what_the_journal_had_pending() {
    let database = Database::new();
    Journal::of(&FILES[..3]).up(&database).assert_code(0);
    up(&database, &folders()).assert_code(0).assert_stdout("\"applied\":2");
    assert_eq!(history(&database), ["0 init", "1 custom", "2 more", "20231114221323 custom", "20231114221324 last"]);
}

#[test]
fn a_folder_whose_text_was_edited_on_the_way_is_refused() {
    let database = Database::new();
    journal().up(&database).assert_code(0);
    let folders = folders();
    folders.write("20231114221322_more/migration.sql", "ALTER TABLE a ADD COLUMN b text;");
    up(&database, &folders)
        .assert_code(65)
        .assert_stdout("20231114221322_more/migration.sql: changed after it was applied");
    folders.write("20231114221322_more/migration.sql", FILES[2].1);
    // Other line ends are no edit.
    folders.write("20231114221320_init/migration.sql", "CREATE TABLE a (id int);\n");
    up(&database, &folders).assert_code(0).assert_stdout("\"up_to_date\"");
}
