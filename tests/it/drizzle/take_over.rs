//! A database that Drizzle migrated, taken over: what is adopted, and what stops.

use super::{DRIZZLE_TABLE, Journal, history};
use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

fn three() -> Journal {
    Journal::of(&[
        ("0000_init", "CREATE TABLE a (id int);"),
        ("0001_more", "ALTER TABLE a ADD COLUMN b int;"),
        ("0002_last", "CREATE TABLE c (id int);"),
    ])
}

fn text(journal: &Journal, database: &Database, arguments: &[&str]) -> Outcome {
    journal.job(database).args(arguments).env("SCHEMAGATE_LOG_FORMAT", "text").run()
}

fn decisions(database: &Database) -> Vec<String> {
    let rows = database.query_strings(
        "select concat_ws(' ', d ->> 'version', d ->> 'file', d ->> 'decision', d ->> 'source')
         from drizzle.__migration_runs__, json_array_elements(migrations) d where outcome = 'adopted'
         order by sequence, (d ->> 'version')::int",
    );
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[test]
fn up_adopts_what_drizzle_applied_and_applies_the_rest() {
    let database = Database::new();
    let journal = three();
    journal.by_drizzle(&database, &[0, 1]);
    let plan = journal.job(&database).arg("plan").run();
    plan.assert_code(0)
        .assert_stdout(
            "adopted   2 migrations of Drizzle's history adopted as applied (0000_init.sql to 0001_more.sql)",
        )
        .assert_stdout("would apply 1 migration in 1 batch");
    let outcome = text(&journal, &database, &["up"]);
    outcome
        .assert_code(0)
        .assert_stdout(
            "2 migrations of drizzle.__drizzle_migrations adopted as applied (0000_init.sql to 0001_more.sql)",
        )
        .assert_stdout("0002_last.sql ran in");
    assert_eq!(history(&database), ["0 init", "1 more", "2 last"]);
    assert_eq!(
        decisions(&database),
        [
            "0 0000_init.sql recorded drizzle.__drizzle_migrations row-1",
            "1 0001_more.sql recorded drizzle.__drizzle_migrations row-2"
        ]
    );
    journal.up(&database).assert_code(0).assert_stdout("\"up_to_date\"");
    journal.job(&database).args(["status", "--check"]).run().assert_code(0);
}

#[test]
fn a_database_that_drizzle_brought_up_to_date_is_adopted_whole() {
    let database = Database::new();
    let journal = three();
    journal.by_drizzle(&database, &[0, 1, 2]);
    journal.up(&database).assert_code(0).assert_stdout("\"up_to_date\"").assert_nowhere("ran in");
    assert_eq!(history(&database), ["0 init", "1 more", "2 last"]);
}

#[test]
fn ten_copies_adopt_once() {
    let database = Database::new();
    let journal = three();
    journal.by_drizzle(&database, &[0, 1]);
    let copies: Vec<_> = (0..10).map(|_| journal.job(&database).spawn()).collect();
    for copy in copies {
        copy.wait().assert_code(0);
    }
    assert_eq!(history(&database).len(), 3);
    assert_eq!(decisions(&database).len(), 2);
}

#[test]
fn old_files_that_could_not_run_here_are_adopted_unread() {
    let database = Database::new();
    let journal =
        Journal::of(&[("0000_init", "CREATE TABLE a (id int);"), ("0001_x", "BEGIN; SELECT 1; COMMIT; VACUUM;")]);
    database.execute(DRIZZLE_TABLE);
    for at in [0, 1] {
        let (hash, when) = journal.drizzle_row(at);
        database
            .execute(&format!("insert into drizzle.__drizzle_migrations (hash, created_at) values ('{hash}', {when})"));
    }
    journal.up(&database).assert_code(0);
}

#[test]
fn every_ambiguity_is_one_line_with_its_reason_and_nothing_is_written() {
    let database = Database::new();
    let mut journal = three();
    journal.add("0003_edited", "CREATE TABLE d ();");
    journal.add("0004_moved", "CREATE TABLE e ();");
    journal.add("0005_end", "CREATE TABLE f ();");
    database.execute(DRIZZLE_TABLE);
    let (first, last) = (journal.drizzle_row(0), journal.drizzle_row(5));
    let (edited, moved) = (journal.drizzle_row(3).1, journal.drizzle_row(4).0);
    database.execute(&format!(
        "insert into drizzle.__drizzle_migrations (hash, created_at) values ('{}', {}), ('0123456789abcdef', {edited}), \
         ('{moved}', 1600000000000), ('fedcba9876543210', 1650000000000), ('{}', {})",
        first.0, first.1, last.0, last.1
    ));
    let outcome = text(&journal, &database, &["up"]);
    outcome
        .assert_code(65)
        .assert_stdout("drizzle.__drizzle_migrations and the migrations do not fit together, in 5 places")
        .assert_stdout("  0001_more.sql: no row, although the later 0005_end.sql has one; Drizzle passes such a file over for ever")
        .assert_stdout("  0002_last.sql: no row, although")
        .assert_stdout("  0003_edited.sql: row-2 is of its time, but of another text (hash 0123456789ab, file")
        .assert_stdout("  0004_moved.sql: row-3 is of its text, but of another time (2020-09-13T12:26:40.000Z, entry 2023-11-14T22:13:24.000Z)")
        .assert_stdout("  row-4: no entry of the folder matches it (generated 2022-04-15T05:20:00.000Z, hash fedcba987654)")
        .assert_stdout("state: nothing was changed")
        .assert_stdout("schemagate adopt --mark TAG");
    assert_eq!(database.tables(), ["drizzle.__drizzle_migrations"]);
    // Decided one by one.
    let decided =
        ["adopt", "--mark", "0001_more", "--skip", "0002_last", "--mark", "0003_edited", "--mark", "0004_moved"];
    let open = text(&journal, &database, &decided);
    open.assert_code(65).assert_stderr("in 1 place\n").assert_stderr("row-4: no entry");
    let all: Vec<&str> = decided.into_iter().chain(["--skip", "row-4"]).collect();
    let dry: Vec<&str> = all.iter().copied().chain(["--dry-run"]).collect();
    text(&journal, &database, &dry)
        .assert_code(0)
        .assert_stdout("would record 5 migrations as applied, and 1 as never to be run");
    assert_eq!(database.tables(), ["drizzle.__drizzle_migrations", TRAIL]);
    let outcome = text(&journal, &database, &all);
    outcome
        .assert_code(0)
        .assert_stdout("recorded 5 migrations as applied, and 1 as never to be run")
        .assert_stdout("row-4 of drizzle.__drizzle_migrations is passed over");
    assert_eq!(history(&database).len(), 6);
    assert!(decisions(&database).contains(&"2 0002_last.sql skipped drizzle.__drizzle_migrations".to_owned()));
    journal.up(&database).assert_code(0).assert_stdout("\"up_to_date\"");
}

#[test]
fn a_decision_that_means_nothing_is_a_usage_error() {
    let database = Database::new();
    let journal = three();
    journal.by_drizzle(&database, &[0]);
    text(&journal, &database, &["adopt", "--mark", "0009_nothing"]).assert_code(2).assert_stderr("\"0009_nothing\"");
    let both = text(&journal, &database, &["adopt", "--mark", "0001_more", "--skip", "0001_more"]);
    both.assert_code(2).assert_stderr("both marked and skipped");
    // A pending one may be marked, too: somebody applied it by hand.
    text(&journal, &database, &["adopt", "--mark", "0001_more"]).assert_code(0);
    assert_eq!(history(&database), ["0 init", "1 more"]);
    // The same again is no fault.
    let again = text(&journal, &database, &["adopt", "--mark", "0001_more"]);
    again.assert_code(0).assert_stdout("nothing to adopt").assert_stderr("0001_more is in the history already");
}

#[test]
fn other_line_ends_are_the_same_migration() {
    let database = Database::new();
    let journal = Journal::of(&[("0000_init", "CREATE TABLE a (\r\n  id int\r\n);")]);
    journal.by_drizzle(&database, &[0]);
    journal.folder.write("0000_init.sql", "CREATE TABLE a (\n  id int\n);");
    journal.up(&database).assert_code(0).assert_stdout("differs from what Drizzle ran by line ends only");
}

#[test]
fn a_row_twice_is_no_ambiguity() {
    let database = Database::new();
    let journal = three();
    journal.by_drizzle(&database, &[0, 1, 2]);
    // Two replicas at once: Drizzle takes no lock.
    database.execute("insert into drizzle.__drizzle_migrations (hash, created_at) select hash, created_at from drizzle.__drizzle_migrations");
    journal.up(&database).assert_code(0);
}

#[test]
fn version_1_is_matched_by_name_and_an_old_table_by_its_seconds() {
    let folder = Migrations::new()
        .file("20231114221320_init/migration.sql", "CREATE TABLE a (id int);")
        .file("20231114221321_more/migration.sql", "ALTER TABLE a ADD COLUMN b int;");
    let hash = |name: &str| {
        let text = std::fs::read(folder.path().join(name).join("migration.sql")).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&text);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let old = Database::new();
    old.execute(DRIZZLE_TABLE);
    old.execute(&format!(
        "create table a (id int); insert into drizzle.__drizzle_migrations (hash, created_at) values ('{}', 1700000000123)",
        hash("20231114221320_init")
    ));
    let new = Database::new();
    new.execute(DRIZZLE_TABLE);
    new.execute(&format!(
        "create table a (id int); alter table drizzle.__drizzle_migrations add name text, add applied_at timestamptz default now(); \
         insert into drizzle.__drizzle_migrations (hash, created_at, name) values ('{}', 1700000000000, '20231114221320_init')",
        hash("20231114221320_init")
    ));
    for database in [old, new] {
        Job::on(&database)
            .migrations(folder.path())
            .run()
            .assert_code(0)
            .assert_stdout("adopted as applied (20231114221320_init/migration.sql)");
        assert_eq!(history(&database), ["20231114221320 init", "20231114221321 more"]);
        assert_eq!(database.value("select count(*) from drizzle.__drizzle_migrations").as_deref(), Some("2"));
    }
}

#[test]
fn a_table_that_is_not_drizzles_is_named() {
    let database = Database::new();
    database.execute("create schema drizzle; create view drizzle.__drizzle_migrations as select 1 as id");
    let outcome = text(&three(), &database, &["up"]);
    outcome.assert_code(78).assert_stdout("drizzle.__drizzle_migrations is not a history table of Drizzle's");
}

#[test]
fn a_baseline_records_what_the_database_has_and_checks_its_tables() {
    let database = Database::new();
    database.execute("create table a (id int, b int)");
    let journal = three();
    let outcome = text(&journal, &database, &["up"]);
    outcome.assert_code(65).assert_stdout("schemagate adopt --baseline VERSION");
    let outcome = text(&journal, &database, &["adopt", "--baseline", "2"]);
    outcome.assert_code(65).assert_stderr("the database is not at version 2: missing are c");
    text(&journal, &database, &["adopt", "--baseline", "7"]).assert_code(2).assert_stderr("no migration has version 7");
    text(&journal, &database, &["adopt"]).assert_code(65).assert_stderr("drizzle.__drizzle_migrations does not exist");
    assert_eq!(database.tables(), [TRAIL, "public.a"]);
    text(&journal, &database, &["adopt", "--baseline", "1", "--dry-run"])
        .assert_code(0)
        .assert_stdout("would record 2");
    let done = journal.job(&database).args(["adopt", "--baseline", "1", "--format", "json"]).run();
    done.assert_code(0);
    assert_eq!(done.json()["adopted"][1]["decision"], "baseline");
    text(&journal, &database, &["adopt", "--baseline", "1"]).assert_code(65).assert_stderr("has 2 rows already");
    journal.up(&database).assert_code(0).assert_stdout("0002_last.sql ran in");
    assert_eq!(history(&database), ["0 init", "1 more", "2 last"]);
}

#[test]
fn a_baseline_does_not_pass_over_what_drizzle_recorded() {
    let database = Database::new();
    let journal = three();
    journal.by_drizzle(&database, &[0, 1]);
    let outcome = text(&journal, &database, &["adopt", "--baseline", "1"]);
    outcome.assert_code(65).assert_stderr("drizzle.__drizzle_migrations has 2 rows");
}

#[test]
fn a_failure_after_a_take_over_says_that_the_take_over_stays() {
    let database = Database::new();
    let mut journal = three();
    journal.by_drizzle(&database, &[0, 1, 2]);
    journal.add("0003_bad", "select 1/0;");
    let outcome = text(&journal, &database, &["up"]);
    outcome.assert_code(1).assert_stdout(
        "state: nothing of this run was kept; before that, 3 migrations of Drizzle's history were adopted as applied, and stay so",
    );
    assert_eq!(history(&database).len(), 3);
}

#[test]
fn a_baseline_of_refinery_files_knows_what_was_dropped_again() {
    let database = Database::new();
    database.execute("create table kept (); create table renamed ()");
    let folder = Migrations::new()
        .file("V1__a.sql", "create table kept (); create table gone (); create table old_name ();")
        .file("V2__b.sql", "drop table gone; alter table old_name rename to renamed;")
        .file("V3__c.sql", "create table later ();");
    let job = || Job::on(&database).migrations(folder.path());
    job().arg("adopt").run().assert_code(65).assert_stderr("the migrations are not drizzle-kit's");
    job().args(["adopt", "--baseline", "2"]).run().assert_code(0);
    job().run().assert_code(0);
    assert_eq!(history(&database), ["1 a", "2 b", "3 c"]);
    assert_eq!(database.value("select to_regclass('drizzle.__drizzle_migrations')::text"), None);
}

#[test]
fn a_folder_of_version_1_without_a_row_is_not_called_lost_for_ever() {
    let folder = Migrations::new()
        .file("20231114221320_init/migration.sql", "CREATE TABLE a (id int);")
        .file("20231114221321_late/migration.sql", "CREATE TABLE b (id int);")
        .file("20231114221322_last/migration.sql", "CREATE TABLE c (id int);");
    let database = Database::new();
    database.execute(DRIZZLE_TABLE);
    database
        .execute("alter table drizzle.__drizzle_migrations add name text, add applied_at timestamptz default now()");
    for name in ["20231114221320_init", "20231114221322_last"] {
        let text = std::fs::read(folder.path().join(name).join("migration.sql")).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&text);
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        database.execute(&format!(
            "insert into drizzle.__drizzle_migrations (hash, created_at, name) values ('{hash}', 1700000000000, '{name}')"
        ));
    }
    let outcome = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text").run();
    outcome
        .assert_code(65)
        .assert_stdout(
            "20231114221321_late/migration.sql: no row, although the later 20231114221322_last/migration.sql has one: \
             it was merged late, or its row is lost",
        )
        .assert_nowhere("for ever");
}

#[test]
fn an_invalid_index_that_drizzle_passed_over_is_told_at_the_take_over() {
    let database = Database::new();
    let journal = three();
    journal.by_drizzle(&database, &[0, 1, 2]);
    database.execute("insert into a values (1, 1), (1, 1)");
    let built = database.connect().try_query("create unique index concurrently a_id on a (id)");
    assert!(built.is_err());
    let outcome = text(&journal, &database, &["up"]);
    outcome
        .assert_code(0)
        .assert_stdout("the database has invalid indexes, which slow writes and serve no query: public.a_id");
}
