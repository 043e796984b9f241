//! The words of a failure, as text and as JSON, in the log and in the termination log.

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;
use crate::support::server::Server;

fn job(database: &Database, folder: &Migrations) -> Job {
    Job::on(database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text")
}

/// Runs one file; the failure as text.
fn words(database: &Database, sql: impl AsRef<[u8]>) -> String {
    let folder = Migrations::new().file("V1__x.sql", sql);
    let outcome = job(database, &folder).run();
    outcome.assert_code(1);
    failure(&outcome)
}

/// The failure's lines, without what differs from run to run.
fn failure(outcome: &Outcome) -> String {
    let at = outcome.stdout.find(" error ").unwrap_or_else(|| panic!("no failure\n{outcome}"));
    redact(outcome.stdout[at + " error ".len()..].trim())
}

#[test]
fn a_parse_error_has_a_caret() {
    let database = Database::new();
    insta::assert_snapshot!(words(&database, "create table a ();\n\ncreate tabel b ();\n"), @r#"
    V1__x.sql:3:8: syntax error at or near "tabel" (42601)
         3 | create tabel b ();
           |        ^
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn an_unknown_column_in_a_later_statement_has_a_caret() {
    let database = Database::new();
    insta::assert_snapshot!(words(&database, "create table a ();;\ninsert into a\n  (total) values (1);"), @r#"
    V1__x.sql:3:4: column "total" of relation "a" does not exist (42703)
         3 |   (total) values (1);
           |    ^
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn a_run_time_error_has_its_statement_and_line() {
    let database = Database::new();
    insta::assert_snapshot!(words(&database, "create table a ();\n;;\nselect 1;\n\nselect\n  1/0;\nselect 2;"), @r#"
    V1__x.sql:5: statement 3: division by zero (22012)
         5 | select
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn queries_that_a_rule_adds_count_as_none() {
    let database = Database::new();
    database.execute(
        "create table t (a int); create table l (a int); create rule r as on insert to t do also insert into l values (new.a)",
    );
    insta::assert_snapshot!(words(&database, "insert into t values (1);\nselect 1/0;"), @r#"
    V1__x.sql:2: statement 2: division by zero (22012)
         2 | select 1/0;
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn an_error_inside_a_function_has_its_query_and_call_stack() {
    let database = Database::new();
    database
        .execute("create function f() returns void language plpgsql as $$begin perform nothing from nowhere; end$$");
    insta::assert_snapshot!(words(&database, "select 1;\nselect f();"), @r#"
    V1__x.sql:2: statement 2: relation "nowhere" does not exist (42P01)
         2 | select f();
      in query: SELECT nothing from nowhere
      context: PL/pgSQL function f() line 1 at PERFORM
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn a_syntax_error_inside_do_is_placed_in_the_file() {
    let database = Database::new();
    insta::assert_snapshot!(words(&database, "-- ñandú 日本\r\nselect 'é';\r\ndo $$\r\nbegin\r\n  perfrom 1;\r\nend$$;\r\n"), @r#"
    V1__x.sql:5:3: syntax error at or near "perfrom" (42601)
         5 |   perfrom 1;
           |   ^
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn positions_count_characters_behind_a_byte_order_mark_and_crlf() {
    let database = Database::new();
    insta::assert_snapshot!(words(&database, "\u{feff}-- é 日本\r\nselect 'ü', nothing;\r\n"), @r#"
    V1__x.sql:2:13: column "nothing" does not exist (42703)
         2 | select 'ü', nothing;
           |             ^
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn an_error_in_the_very_first_and_the_very_last_statement_is_placed() {
    let database = Database::new();
    insta::assert_snapshot!(words(&database, "select 1/0"), @r#"
    V1__x.sql:1: statement 1: division by zero (22012)
         1 | select 1/0
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
    insta::assert_snapshot!(words(&database, "select 1; select 2;\nselect 1/0"), @r#"
    V1__x.sql:2: statement 3: division by zero (22012)
         2 | select 1/0
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn a_deferred_constraint_is_told_with_its_table() {
    let database = Database::new();
    database.execute(
        "create table p (id int primary key); create table c (p int references p deferrable initially deferred)",
    );
    insta::assert_snapshot!(words(&database, "insert into c values (1);"), @r#"
    V1__x.sql: deferred constraints: insert or update on table "c" violates foreign key constraint "c_p_fkey" (23503)
      detail: Key (p)=(1) is not present in table "p".
      table: public.c
      constraint: c_p_fkey
    state: nothing of this run was kept
    hint: the data and the file do not fit together: mend either, then deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn a_unique_violation_has_detail_table_and_constraint() {
    let database = Database::new();
    database.execute("create table t (a int constraint t_a_key unique); insert into t values (1)");
    insta::assert_snapshot!(words(&database, "insert into t\nvalues (1);"), @r#"
    V1__x.sql:1: statement 1: duplicate key value violates unique constraint "t_a_key" (23505)
         1 | insert into t
      detail: Key (a)=(1) already exists.
      table: public.t
      constraint: t_a_key
    state: nothing of this run was kept
    hint: the data and the file do not fit together: mend either, then deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn a_new_enum_value_used_in_its_transaction_is_told_with_the_cure() {
    let database = Database::new();
    database.execute("create type mood as enum ('ok')");
    let folder = Migrations::new()
        .file("V1__x.sql", "alter type mood add value 'happy';")
        .file("V2__y.sql", "create table t (m mood default 'happy');");
    let run = |atomicity| job(&database, &folder).env("SCHEMAGATE_ATOMICITY", atomicity).run();
    insta::assert_snapshot!(failure(run("release").assert_code(1)), @r#"
    V2__y.sql:1:32: unsafe use of new value "happy" of enum type mood (55P04)
         1 | create table t (m mood default 'happy');
           |                                ^
      server hint: New enum values must be committed before they can be used.
    state: nothing of this run was kept
    hint: a new enum value cannot be used in the transaction that adds it: set SCHEMAGATE_ATOMICITY=migration and use it in a later file, or put it into a release of its own
    failed after [duration] with exit code 1: this run applied nothing
    "#);
    run("migration").assert_code(0);
}

#[test]
fn statement_timeout_says_so() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__x.sql", "select 1;\nselect pg_sleep(60);");
    let outcome = job(&database, &folder).env("SCHEMAGATE_STATEMENT_TIMEOUT", "100ms").run();
    insta::assert_snapshot!(failure(outcome.assert_code(1)), @r#"
    V1__x.sql:2: statement 2: canceling statement due to statement timeout (57014)
         2 | select pg_sleep(60);
    state: nothing of this run was kept
    hint: the statement was cancelled: by statement_timeout (SCHEMAGATE_STATEMENT_TIMEOUT) or by a person
    failed after [duration] with exit code 1: this run applied nothing
    "#);
}

#[test]
fn a_privilege_that_a_migration_lacks_is_its_failure() {
    let database = Database::new();
    let role = database.role("login");
    database.execute(&format!("create table t (); grant create on database {} to {role}", database.name()));
    let folder = Migrations::new().file("V1__x.sql", "alter table t add a int;");
    let outcome = job(&database, &folder).env("DATABASE_URL", database.url_as(&role)).run();
    insta::assert_snapshot!(failure(outcome.assert_code(1)), @r#"
    V1__x.sql:1: statement 1: must be owner of table t (42501)
         1 | alter table t add a int;
    state: nothing of this run was kept
    hint: grant the privilege to this role, or run the migration as another one; then deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
    database.execute(&format!("revoke create on database {} from {role}", database.name()));
}

#[test]
fn a_privilege_that_the_history_lacks_is_ours() {
    let database = Database::new();
    let role = database.role("login");
    let folder = Migrations::new().file("V1__x.sql", "select 1;");
    let outcome = job(&database, &folder).env("DATABASE_URL", database.url_as(&role)).run();
    insta::assert_snapshot!(failure(outcome.assert_code(77)), @r#"
    creating the history table: permission denied for database [database] (42501)
    state: nothing of this run was kept
    hint: the schema of the history table is missing: CREATE SCHEMA … AUTHORIZATION this role, or GRANT CREATE ON DATABASE [database] TO this role
    failed after [duration] with exit code 77: this run applied nothing
    "#);
}

#[test]
fn a_transaction_with_more_locks_than_the_server_has_room_for() {
    let server = Server::builder().setting("max_locks_per_transaction", "10").setting("max_connections", "12").start();
    let database = server.database();
    let sql: String = (0..2000).map(|n| format!("create table t{n} ();\n")).collect();
    let folder = Migrations::new().file("V1__x.sql", sql);
    let outcome = job(&database, &folder).run();
    outcome.assert_code(75);
    let text = regex::Regex::new(r"\d+ \|.*|:\d+:|statement \d+|t\d+")
        .unwrap()
        .replace_all(&failure(&outcome), "…")
        // Quoted since PostgreSQL 17.
        .replace("\"max_locks_per_transaction\"", "max_locks_per_transaction");
    insta::assert_snapshot!(text, @r#"
    V1__x.sql… …: out of shared memory (53200)
       …
      server hint: You might need to increase max_locks_per_transaction.
    state: nothing of this run was kept
    hint: the transaction needs more locks than the server has room for: set SCHEMAGATE_ATOMICITY=migration, or raise max_locks_per_transaction
    failed after [duration] with exit code 75: this run applied nothing
    "#);
    assert_eq!(database.tables(), [TRAIL]);
}

#[test]
fn as_json_the_failure_is_one_object_on_the_last_line() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__x.sql", "select 1;\nselect 1/0;");
    let outcome = Job::on(&database).migrations(folder.path()).run();
    outcome.assert_code(1);
    insta::assert_snapshot!(redact(outcome.last_line()), @r#"{"timestamp":"[time]","level":"error","message":"V1__x.sql:2: statement 2: division by zero (22012)\n     2 | select 1/0;\nstate: nothing of this run was kept\nhint: fix the file and deploy again\nfailed after [duration] with exit code 1: this run applied nothing","outcome":"failed","exit_code":1,"migration":"V1__x.sql","sqlstate":"22012","applied":0,"elapsed_ms":[ms]}"#);
}

#[test]
fn the_termination_log_gets_the_same_words_if_it_exists() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__x.sql", "create table a ();\nselect 1/0;");
    let file = folder.path().join("termination-log");
    std::fs::write(&file, "old").unwrap();
    let run = || job(&database, &folder).env("SCHEMAGATE_TERMINATION_LOG", &file).run();
    let outcome = run();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(
        outcome.stdout.contains(&written) && written.starts_with("V1__x.sql:2: statement 2: division by zero"),
        "{written}"
    );
    std::fs::remove_file(&file).unwrap();
    run().assert_code(1);
    assert!(!file.exists());
}

#[test]
fn a_gigantic_message_of_the_server_fits_the_termination_log_and_the_last_line() {
    let database = Database::new();
    for (filler, format) in [("x", "json"), ("\"", "json"), ("\\", "json"), ("\u{1}", "json"), ("日", "text")] {
        for length in [700, 900, 1000, 100_000] {
            let message = format!("chr({}), {length}", u32::from(filler.chars().next().unwrap()));
            let folder = Migrations::new()
                .file("V1__x.sql", format!("do $$begin raise exception '%', repeat({message}); end$$;"));
            let file = folder.path().join("termination-log");
            std::fs::write(&file, "").unwrap();
            let outcome = Job::on(&database)
                .migrations(folder.path())
                .env("SCHEMAGATE_LOG_FORMAT", format)
                .env("SCHEMAGATE_TERMINATION_LOG", &file)
                .run();
            outcome.assert_code(1);
            let written = std::fs::read_to_string(&file).unwrap();
            assert!(written.len() <= 4096 && written.len() > 600);
            assert!(outcome.last_line().len() <= 2048, "{filler:?} {length}: {}", outcome.last_line().len());
            outcome.assert_stdout("failed after");
            assert!(length > 1000 || outcome.stdout.contains("P0001"), "{filler:?} {length}");
        }
    }
}

#[test]
fn a_file_that_writes_its_own_row_is_the_files_fault_and_no_retry_is_advised() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a ();");
    job(&database, &folder).run().assert_code(0);
    folder.write("V2__row.sql", "insert into drizzle.__migrations__ values (2, 'row', 'x', '1');");
    let outcome = job(&database, &folder).run();
    outcome.assert_code(1).assert_stdout("V2__row.sql: ").assert_stdout("(23505)");
    outcome.assert_stdout("a migration must not change the history table");
    assert_eq!(database.value("select count(*) from drizzle.__migrations__").as_deref(), Some("1"));
}

#[test]
fn a_file_that_drops_the_history_is_the_files_fault_and_is_undone() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a ();");
    job(&database, &folder).run().assert_code(0);
    folder.write("V2__drop.sql", "drop table drizzle.__migrations__;");
    let outcome = job(&database, &folder).run();
    outcome.assert_code(1).assert_stdout("V2__drop.sql: ").assert_stdout("(42P01)");
    assert_eq!(database.value("select count(*) from drizzle.__migrations__").as_deref(), Some("1"));
}

#[test]
fn a_run_that_fails_after_a_commit_logs_the_recovery_point_after_it() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a ();").file("V2__b.sql", "select 1/0;");
    let outcome = job(&database, &folder).env("SCHEMAGATE_ATOMICITY", "migration").run();
    outcome.assert_code(1).assert_stdout("recovery point after the last change: WAL ");
}

#[test]
fn an_error_at_the_end_of_the_input_shows_the_last_line_that_says_something() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "select 1;\ncreate table x (a int\n");
    job(&database, &folder)
        .run()
        .assert_code(1)
        .assert_stdout("V1__a.sql:2:22: ")
        .assert_stdout("create table x (a int");
}

#[test]
fn a_history_that_swallows_rows_keeps_the_release_out_and_nothing_of_it_is_kept() {
    for swallow in [
        "create function n() returns trigger language plpgsql as 'begin return null; end';
         create trigger n before insert on drizzle.__migrations__ for each row execute function n()",
        "create function n() returns trigger language plpgsql as 'begin new.version = new.version + 50; return new; end';
         create trigger n before insert on drizzle.__migrations__ for each row execute function n()",
        "create rule n as on insert to drizzle.__migrations__ do instead nothing",
    ] {
        let database = Database::new();
        let first = Migrations::new().file("V1__a.sql", "create table account as select 0 as n;");
        job(&database, &first).run().assert_code(0);
        database.execute(swallow);
        first.write("V2__b.sql", "update account set n = n + 100;");
        for _ in 0..2 {
            job(&database, &first).run().assert_code(1).assert_stdout("V2__b.sql: ").assert_stdout("state: nothing of");
        }
        assert_eq!(database.value("select n from account").as_deref(), Some("0"), "{swallow}");
    }
}

#[test]
fn a_file_that_changes_the_history_is_undone_before_anything_is_committed() {
    for change in [
        "truncate drizzle.__migrations__",
        "delete from drizzle.__migrations__",
        "insert into drizzle.__migrations__ values (99, 'x', 'x', '1')",
        "alter table drizzle.__migrations__ alter column version type text",
        "select set_config('transaction_read_only', 'on', false)",
        "drop schema drizzle cascade",
    ] {
        let database = Database::new();
        let folder = Migrations::new().file("V1__a.sql", "create table a ();");
        job(&database, &folder).run().assert_code(0);
        folder.write("V2__change.sql", format!("create table b (); {change};"));
        let folder = folder.file("V3__c.sql", "create table c ();");
        let outcome = job(&database, &folder).run();
        outcome.assert_code(1).assert_stdout("V2__change.sql").assert_stdout("state: nothing of this run was kept");
        assert_eq!(database.tables(), [TRAIL, "drizzle.__migrations__", "public.a"], "{change}");
        assert_eq!(database.value("select max(version) from drizzle.__migrations__").as_deref(), Some("1"), "{change}");
    }
}
