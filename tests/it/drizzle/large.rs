//! A folder as a large project has it after years: 300 migrations with everything odd that Drizzle lets pass.

use std::fmt::Write as _;

use super::{drizzle_rows, history};
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

const FILES: usize = 300;

/// One entry of the journal.
struct Entry {
    idx: usize,
    tag: String,
    when: i64,
    text: String,
}

/// Every twelfth leaves its transaction: 24 of them, behind the first.
fn leaves(number: usize) -> bool {
    number % 12 == 11 && number < 288
}

/// 17 have `BEGIN` in a body, which is no transaction control.
fn has_body(number: usize) -> bool {
    number % 16 == 2 && number < 260
}

/// Whether the body is a function's, or that of a `DO`.
fn is_function(number: usize) -> bool {
    number % 32 == 2
}

/// Left as `drizzle-kit generate --custom` makes it.
fn is_empty(number: usize) -> bool {
    number % 40 == 25
}

fn text(number: usize) -> String {
    let table = format!("t{}", number / 4 * 4);
    if number.is_multiple_of(4) {
        return format!(
            "CREATE TABLE \"{table}\" (\n\t\"id\" serial PRIMARY KEY NOT NULL,\n\t\"name\" text\n);\n\
             --> statement-breakpoint\nINSERT INTO \"{table}\" (\"name\") VALUES ('--> statement-breakpoint'), ('COMMIT;');"
        );
    }
    if leaves(number) {
        return format!(
            "ALTER TABLE \"{table}\" ADD COLUMN \"c{number}\" integer;\n--> statement-breakpoint\nCOMMIT;\n\
             --> statement-breakpoint\nSET lock_timeout = 0;\n--> statement-breakpoint\n\
             DROP INDEX CONCURRENTLY IF EXISTS \"i{number}\";\n--> statement-breakpoint\n\
             CREATE INDEX CONCURRENTLY IF NOT EXISTS \"i{number}\" ON \"{table}\" USING btree (\"c{number}\");\n\
             --> statement-breakpoint\nSET lock_timeout = '5s';"
        );
    }
    if has_body(number) && is_function(number) {
        return format!(
            "CREATE OR REPLACE FUNCTION f{number}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  \
             NEW.name := lower(NEW.name);\n  RETURN NEW;\nEND;\n$$;\n--> statement-breakpoint\n\
             CREATE TRIGGER f{number} BEFORE INSERT ON \"{table}\" FOR EACH ROW EXECUTE FUNCTION f{number}();"
        );
    }
    if has_body(number) {
        return format!(
            "DO $$ BEGIN\n CREATE TYPE \"public\".\"e{number}\" AS ENUM('a', 'b');\nEXCEPTION\n \
             WHEN duplicate_object THEN null;\nEND $$;\n--> statement-breakpoint\n\
             ALTER TABLE \"{table}\" ADD COLUMN \"c{number}\" \"e{number}\" DEFAULT 'a' NOT NULL;"
        );
    }
    if is_empty(number) {
        return "-- Custom SQL migration file, put your code below! --".to_owned();
    }
    // Windows line ends, too.
    let end = if number % 10 == 1 { "\r\n" } else { "\n" };
    format!(
        "ALTER TABLE \"{table}\" ADD COLUMN \"c{number}\" text DEFAULT 'x';--> statement-breakpoint{end}\
         CREATE INDEX \"i{number}\" ON \"{table}\" USING btree (\"c{number}\");"
    )
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for number in 0..FILES {
        // Two gaps in `idx`, where migrations were dropped.
        let idx = number + usize::from(number >= 100) + 2 * usize::from(number >= 200);
        let when = 1_600_000_000_000 + 86_400_000 * i64::try_from(number).unwrap();
        // Out of order every fiftieth: a branch that was merged late.
        let when = if number % 50 == 49 { when - 10 * 86_400_000 } else { when };
        let name = if is_empty(number) { "custom".to_owned() } else { format!("step_{number}") };
        let tag = match number {
            // The prefix styles that the project had, one after the other.
            250..260 => format!("{}_{name}", 20_240_101_120_000 + number),
            260..270 => format!("{}_{name}", 1_700_000_000 + number),
            270..280 => format!("plain-{number}"),
            // A tag whose number is not its idx.
            290..300 => format!("{:04}_{name}", idx - 7),
            _ => format!("{idx:04}_{name}"),
        };
        entries.push(Entry { idx, tag, when, text: text(number) });
    }
    entries
}

fn folder(entries: &[Entry]) -> Migrations {
    let mut journal = String::new();
    let mut folder = Migrations::new().file("0099_never_listed.sql", "SELECT nothing;");
    for Entry { idx, tag, when, text } in entries {
        let comma = if journal.is_empty() { "" } else { "," };
        write!(journal, r#"{comma}{{"idx":{idx},"version":"7","when":{when},"tag":"{tag}","breakpoints":true}}"#)
            .unwrap();
        folder = folder.file(&format!("{tag}.sql"), text);
    }
    folder.file("meta/_journal.json", format!(r#"{{"version":"7","dialect":"postgresql","entries":[{journal}]}}"#))
}

fn job(database: &Database, folder: &Migrations, arguments: &[&str]) -> Outcome {
    Job::on(database).migrations(folder.path()).args(arguments).env("SCHEMAGATE_LOG_FORMAT", "text").run()
}

#[test]
fn three_hundred_migrations_with_every_oddity_are_installed() {
    let entries = entries();
    let count = |what: fn(usize) -> bool| (0..FILES).filter(|number| what(*number)).count();
    assert_eq!((count(leaves), count(has_body)), (24, 17));
    let (database, folder) = (Database::new(), folder(&entries));
    let outcome = job(&database, &folder, &["up"]);
    outcome
        .assert_code(0)
        .assert_stdout("0099_never_listed.sql: not run, because Drizzle does not know it either")
        .assert_stdout("idx 100, idx 201 to 202: left out of meta/_journal.json")
        .assert_stdout("the number in the tag is not the entry's idx; the idx counts")
        .assert_stdout("`when` is not later than that of the entry before it; the journal's order counts")
        .assert_stdout("applied 300 migrations");
    let rows = history(&database);
    assert_eq!(rows.len(), FILES);
    assert_eq!(
        [&rows[0], &rows[25], &rows[250], &rows[270]],
        ["0 step_0", "25 custom", "253 step_250", "273 plain-270"]
    );
    let expected: Vec<u64> = entries.iter().map(|entry| u64::try_from(entry.when).unwrap()).collect();
    assert_eq!(drizzle_rows(&database).into_iter().map(|row| row.1).collect::<Vec<_>>(), expected);
    let made = "select concat_ws(' ', (select count(*) from pg_class where relkind = 'r' and relname ~ '^t[0-9]+$'),
        (select count(*) from pg_index join pg_class on oid = indexrelid where relname ~ '^i[0-9]+$' and indisvalid),
        (select count(*) from pg_trigger where tgname ~ '^f[0-9]+$'), (select count(*) from t0))";
    let indexes = (0..FILES).filter(|at| at % 4 != 0 && (leaves(*at) || !has_body(*at) && !is_empty(*at))).count();
    let triggers = (0..FILES).filter(|at| has_body(*at) && is_function(*at)).count();
    assert_eq!(database.value(made), Some(format!("75 {indexes} {triggers} 2")));
    job(&database, &folder, &["up"]).assert_code(0).assert_stdout("up to date: 300 applied");
    job(&database, &folder, &["status", "--check"]).assert_code(0);
}

#[test]
fn three_hundred_migrations_that_drizzle_applied_are_adopted() {
    let entries = entries();
    let (database, folder) = (Database::new(), folder(&entries));
    database.execute(super::DRIZZLE_TABLE);
    let hash = |text: &str| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let rows: Vec<String> = entries.iter().map(|entry| format!("('{}', {})", hash(&entry.text), entry.when)).collect();
    database.execute(&format!(
        "insert into drizzle.__drizzle_migrations (hash, created_at) values {}",
        rows[..280].join(", ")
    ));
    // What is left needs the tables of the last of them.
    database.execute("create table t276 (id int, name text); create table t268 ()");
    job(&database, &folder, &["up"])
        .assert_code(0)
        .assert_stdout("280 migrations of drizzle.__drizzle_migrations adopted as applied")
        .assert_stdout("applied 20 migrations");
    assert_eq!((history(&database).len(), drizzle_rows(&database).len()), (FILES, FILES));
}
