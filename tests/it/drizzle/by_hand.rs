//! `plan --sql` of a folder of drizzle-kit: the script leaves both histories as `up` does.

use super::{Journal, drizzle_rows, history};
use crate::support::database::Database;
use crate::support::psql::psql;

const IDIOM: &str = "ALTER TABLE a ADD COLUMN c int\n--> statement-breakpoint\nCOMMIT;\n--> statement-breakpoint\n\
    SET lock_timeout = 0;\n--> statement-breakpoint\n\
    CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (id);\n--> statement-breakpoint\nSET lock_timeout = '5s';\n";

fn journal() -> Journal {
    Journal::of(&[
        ("0000_init", "CREATE TABLE a (id int)\n--> statement-breakpoint\nCREATE TABLE b (id int)"),
        ("0001_index", IDIOM),
        ("0002_last", "ALTER TABLE a ADD COLUMN d int;"),
    ])
}

#[track_caller]
fn run_by_hand(journal: &Journal, database: &Database) {
    let plan = journal.job(database).args(["plan", "--sql"]).run();
    plan.assert_code(0);
    let output = psql(database, &plan.stdout);
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), plan.stdout);
    journal.job(database).args(["status", "--check"]).run().assert_code(0);
    let status = journal.job(database).args(["status", "--format", "json"]).run().json();
    assert_eq!(status["audit_trail"]["not_accounted_for"], serde_json::json!([]), "{status:#}");
    journal.up(database).assert_code(0).assert_stdout("up_to_date");
}

#[test]
fn a_new_database_has_both_histories() {
    let (database, journal) = (Database::new(), journal());
    run_by_hand(&journal, &database);
    assert_eq!(history(&database), ["0 init", "1 index", "2 last"]);
    let expected: Vec<(String, u64)> = (0..3).map(|at| journal.drizzle_row(at)).collect();
    assert_eq!(drizzle_rows(&database), expected);
    assert_eq!(database.value("select count(*) from drizzle.__migration_progress__").as_deref(), Some("0"));
    assert_eq!(
        database.value("select indisvalid from pg_index where indexrelid = 'i'::regclass").as_deref(),
        Some("t")
    );
}

#[test]
fn a_database_of_drizzles_is_taken_over_by_the_script() {
    let (database, mut journal) = (Database::new(), Journal::of(&[("0000_init", "CREATE TABLE a (id int);")]));
    journal.add("0001_index", IDIOM);
    journal.add("0002_last", "ALTER TABLE a ADD COLUMN d int;");
    journal.by_drizzle(&database, &[0]);
    run_by_hand(&journal, &database);
    assert_eq!(history(&database), ["0 init", "1 index", "2 last"]);
    assert_eq!(drizzle_rows(&database).len(), 3);
    let outcomes = database.query_strings("select outcome from drizzle.__migration_runs__ order by sequence");
    assert_eq!(outcomes.into_iter().flatten().flatten().collect::<Vec<_>>(), ["adopted", "applied"]);
}
