//! What the audit trail says of adoptions, and of folders of drizzle-kit.

use serde_json::{Value, json};

use super::{DRIZZLE_TABLE, Journal};
use crate::support::database::{Database, TRAIL};

fn three() -> Journal {
    Journal::of(&[
        ("0000_init", "CREATE TABLE a (id int);"),
        ("0001_more", "ALTER TABLE a ADD COLUMN b int;"),
        ("0002_last", "CREATE TABLE c (id int);"),
    ])
}

fn rows(database: &Database) -> Vec<Value> {
    if !database.tables().contains(&TRAIL.to_owned()) {
        return Vec::new();
    }
    let sql = format!("select to_json(r)::text from {TRAIL} r order by sequence");
    database.connect().column(&sql).iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

#[track_caller]
fn assert_intact(journal: &Journal, database: &Database) {
    let seen = journal.job(database).args(["status", "--format", "json"]).run().json()["audit_trail"].clone();
    assert_eq!((&seen["intact"], &seen["not_accounted_for"]), (&json!(true), &json!([])), "{seen:#}");
}

#[test]
fn an_up_that_adopts_and_applies_has_a_row_of_each() {
    let (database, journal) = (Database::new(), three());
    journal.by_drizzle(&database, &[0, 1]);
    journal.up(&database).assert_code(0);
    journal.up(&database).assert_code(0);
    let rows = rows(&database);
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert_eq!((&rows[0]["command"], &rows[0]["outcome"]), (&json!("adopt"), &json!("adopted")));
    assert_eq!((&rows[1]["command"], &rows[1]["outcome"]), (&json!("up"), &json!("applied")));
    assert_eq!(rows[0]["run_id"], rows[1]["run_id"]);
    let adopted = &rows[0]["migrations"][1];
    let expected = json!({
        "version": 1,
        "file": "0001_more.sql",
        "sha256": journal.drizzle_row(1).0,
        "duration_ms": null,
        "decision": "recorded",
        "source": "drizzle.__drizzle_migrations row-2",
    });
    assert_eq!(*adopted, expected);
    assert_eq!((&rows[1]["migrations"][0]["version"], &rows[1]["migrations"][1]), (&json!(2), &Value::Null));
    assert_intact(&journal, &database);
}

#[test]
fn a_failure_after_a_take_over_has_a_row_beside_that_of_the_take_over() {
    let (database, mut journal) = (Database::new(), three());
    journal.by_drizzle(&database, &[0, 1, 2]);
    journal.add("0003_bad", "select 1/0;");
    journal.up(&database).assert_code(1);
    let rows = rows(&database);
    let said: Vec<_> = rows.iter().map(|row| (&row["command"], &row["outcome"], &row["exit_code"])).collect();
    let (adopted, failed) =
        ((&json!("adopt"), &json!("adopted"), &json!(0)), (&json!("up"), &json!("failed"), &json!(1)));
    assert_eq!(said, [adopted, failed]);
    assert_intact(&journal, &database);
}

#[test]
fn decisions_of_people_are_on_record_with_the_role_that_made_them() {
    let (database, journal) = (Database::new(), three());
    database.execute(DRIZZLE_TABLE);
    let (hash, when) = journal.drizzle_row(2);
    database.execute(&format!(
        "insert into drizzle.__drizzle_migrations (hash, created_at) values ('fedcba', 1650000000000), ('{hash}', {when})"
    ));
    let adopt = |arguments: &[&str]| journal.job(&database).arg("adopt").args(arguments).run();
    let all = ["--mark", "0000_init", "--skip", "0001_more", "--skip", "row-1"];
    adopt(&[all.as_slice(), &["--dry-run"]].concat()).assert_code(0);
    assert!(rows(&database).is_empty());
    adopt(&all[..2]).assert_code(65);
    adopt(&all).assert_code(0);
    // There is nothing left to decide.
    adopt(&[]).assert_code(0);
    let rows = rows(&database);
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert_eq!((&rows[0]["command"], &rows[0]["outcome"]), (&json!("adopt"), &json!("failed")));
    assert_eq!((&rows[0]["exit_code"], &rows[0]["error"]), (&json!(65), &json!("not to be adopted as it is")));
    let decided: Vec<_> = rows[1]["migrations"].as_array().unwrap().iter().map(|it| it["decision"].clone()).collect();
    assert_eq!(decided, ["marked", "skipped", "recorded", "passed over"]);
    let passed_over = &rows[1]["migrations"][3];
    assert_eq!((&passed_over["version"], &passed_over["file"]), (&Value::Null, &json!("row-1")));
    assert_eq!(rows[1]["database_role"], "postgres");
    assert_intact(&journal, &database);
}

#[test]
fn a_baseline_is_on_record() {
    let (database, journal) = (Database::new(), three());
    database.execute("create table a (id int, b int)");
    journal.job(&database).args(["adopt", "--baseline", "1"]).run().assert_code(0);
    let rows = rows(&database);
    assert_eq!(rows.len(), 1);
    let second = &rows[0]["migrations"][1];
    assert_eq!((&second["decision"], &second["source"]), (&json!("baseline"), &json!("the database")));
    assert_intact(&journal, &database);
}

#[test]
fn versions_that_drizzle_kit_renumbered_stay_accounted_for() {
    let (database, journal) = (Database::new(), three());
    journal.up(&database).assert_code(0);
    let folders = crate::support::folder::Migrations::new();
    for (name, text) in [
        ("20231114221320_init", "CREATE TABLE a (id int);"),
        ("20231114221321_more", "ALTER TABLE a ADD COLUMN b int;"),
        ("20231114221322_last", "CREATE TABLE c (id int);"),
    ] {
        folders.write(&format!("{name}/migration.sql"), text);
    }
    let job = || crate::support::job::Job::on(&database).migrations(folders.path());
    job().run().assert_code(0).assert_stdout("up_to_date");
    let seen = job().args(["status", "--format", "json"]).run().json()["audit_trail"].clone();
    assert_eq!((&seen["runs"], &seen["not_accounted_for"]), (&json!(1), &json!([])), "{seen:#}");
}

#[test]
fn a_file_that_leaves_its_transaction_is_one_row() {
    let database = Database::new();
    let idiom = "CREATE TABLE t (a int);\n--> statement-breakpoint\nCOMMIT;\n--> statement-breakpoint\n\
        CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (missing);";
    let journal = Journal::of(&[("0000_idiom", idiom)]);
    journal.up(&database).assert_code(1);
    journal.folder.write("0000_idiom.sql", idiom.replace("missing", "a"));
    journal.up(&database).assert_code(0);
    let rows = rows(&database);
    assert_eq!((&rows[0]["outcome"], &rows[0]["error"]), (&json!("failed"), &json!("42703 0000_idiom.sql")));
    assert_eq!((&rows[0]["migrations"], &rows[1]["migrations"][0]["version"]), (&json!([]), &json!(0)));
    assert_eq!(rows.len(), 2);
    assert_intact(&journal, &database);
}
