//! What a file does to its session reaches neither the next file nor our own statements.

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

fn run(database: &Database, files: &[&str]) -> Outcome {
    let folder = Migrations::new();
    for (number, text) in (1..).zip(files) {
        folder.write(&format!("V{number}__f.sql"), text);
    }
    Job::on(database).migrations(folder.path()).run()
}

/// Every file of the list runs, in one transaction and in one each.
fn assert_runs(prepare: &str, files: &[&str]) {
    for atomicity in ["release", "migration"] {
        let database = Database::new();
        database.execute(prepare);
        let folder = Migrations::new();
        for (number, text) in (1..).zip(files) {
            folder.write(&format!("V{number}__f.sql"), text);
        }
        let outcome = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_ATOMICITY", atomicity).run();
        outcome.assert_code(0);
        let rows = database.value("select count(*) from drizzle.__migrations__").unwrap();
        assert_eq!(rows, files.len().to_string(), "{atomicity}");
    }
}

#[test]
fn a_search_path_never_reaches_the_next_file() {
    assert_runs(
        "",
        &[
            "select pg_catalog.set_config('search_path', '', false); create table public.a (b int);",
            "alter table a add c int; set search_path = 'nowhere';",
            "alter table a add d int;",
        ],
    );
}

#[test]
fn the_header_of_a_dump_is_undone_after_it() {
    let header = "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n\
        SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\
        SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n\
        SET xmloption = content;\nSET client_min_messages = warning;\nSET row_security = off;\n\
        CREATE TABLE public.a (b int);";
    let check = "do $$begin
        if current_setting('search_path') = '' or current_setting('lock_timeout') <> '5s'
            or current_setting('check_function_bodies') = 'off' or current_setting('row_security') = 'off' then
            raise 'left over';
        end if; end$$; alter table a add c int;";
    assert_runs("", &[header, check]);
}

#[test]
fn roles_and_settings_are_put_back() {
    let database = Database::new();
    let role = database.role("");
    let check =
        "do $$begin if current_user <> 'postgres' or session_user <> 'postgres' then raise 'role'; end if; end$$;";
    run(
        &database,
        &[
            &format!("set role {role};"),
            check,
            &format!("set session authorization {role};"),
            check,
            "set session_replication_role = replica;",
            "do $$begin if current_setting('session_replication_role') <> 'origin' then raise 'replica'; end if; end$$;",
            "set default_transaction_read_only = on;",
            "create table a (b int);",
            "set statement_timeout = '60s'; set lock_timeout = '1s';",
            "do $$begin if current_setting('statement_timeout') <> '0' then raise 'timeout'; end if; end$$;",
        ],
    )
    .assert_code(0)
    .assert_stdout("V9__f.sql:1: sets lock_timeout itself");
}

#[test]
fn prepared_statements_temporary_tables_cursors_and_channels_do_not_outlive_their_file() {
    assert_runs(
        "create sequence s",
        &[
            "prepare p as select 1; create temp table t (a int); declare c cursor with hold for select 1; listen x;
             select nextval('s');",
            "prepare p as select 1; create temp table t (a int); declare c cursor with hold for select 1;",
            "do $$begin
                if exists (select from pg_listening_channels()) then raise 'listening'; end if;
                begin
                    perform currval('s');
                    raise 'currval is left';
                exception when object_not_in_prerequisite_state then null;
                end;
            end$$;",
        ],
    );
}

#[test]
fn a_prepare_can_be_repeated_in_the_next_attempt() {
    let database = Database::new();
    database.execute("create sequence tries");
    let text = "prepare p as select 1; create temp table t (); listen x; declare c cursor with hold for select 1;
        do $$begin if nextval('tries') < 3 then raise serialization_failure; end if; end$$;";
    run(&database, &[text]).assert_code(0).assert_stdout("attempt 3 of 10 follows");
}

#[test]
fn rows_under_a_deferred_key_do_not_stand_in_the_way_of_the_next_file() {
    assert_runs(
        "",
        &[
            "create table p (id int primary key);
             create table c (p int references p deferrable initially deferred);
             insert into c values (1); insert into p values (1);",
            "alter table c add d int; alter table p add d int;",
        ],
    );
}

#[test]
fn constraints_that_are_initially_deferred_are_so_in_every_file() {
    let check =
        "insert into c values (2); insert into p values (2); delete from c where p = 2; delete from p where id = 2;";
    assert_runs(
        "",
        &[
            "create table p (id int primary key); create table c (p int references p deferrable initially deferred);
             create table other (p int references p deferrable);",
            check,
            "set constraints all immediate;",
            check,
            "set constraints all deferred;",
            "do $$begin
                begin
                    insert into other values (9);
                    raise 'deferred';
                exception when foreign_key_violation then null;
                end;
            end$$;",
        ],
    );
}

#[test]
fn a_deferred_violation_names_the_right_file_table_and_constraint() {
    let database = Database::new();
    let outcome = run(
        &database,
        &[
            "create table p (id int primary key); create table c (p int constraint c_p references p deferrable initially deferred);",
            "insert into c values (7);",
            "create table later (a int);",
        ],
    );
    outcome
        .assert_code(1)
        .assert_stdout("V2__f.sql: deferred constraints: insert or update on table \\\"c\\\" violates")
        .assert_stdout("table: public.c")
        .assert_stdout("constraint: c_p")
        .assert_stdout("state: nothing of this run was kept");
    assert_eq!(database.tables(), [TRAIL]);
}

#[test]
fn a_file_that_frees_the_lock_is_warned_of_and_the_lock_is_taken_again() {
    let database = Database::new();
    let outcome = run(&database, &["select pg_advisory_unlock_all();", "create table a ();"]);
    outcome.assert_code(0).assert_stdout("V1__f.sql freed schemagate's advisory lock; it was taken again");
    database.assert_no_advisory_lock();
}

/// Text in which the scan, with the standard's quotes, sees a string where the server sees a COMMIT.
const HIDDEN_COMMIT: &str = r"create table before (a int); select '\'', 'x'; commit; select 'y', '\'';";

#[test]
fn a_commit_behind_other_rules_of_quoting_is_noticed_and_nothing_later_runs() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__f.sql", HIDDEN_COMMIT).file("V2__f.sql", "create table later (a int);");
    let url = format!("{}?options=-c%20standard_conforming_strings%3Doff", database.url());
    let outcome = Job::on(&database).env("DATABASE_URL", url).migrations(folder.path()).run();
    outcome.assert_code(1).assert_stdout("V1__f.sql: it ended the transaction it ran in");
    outcome.assert_stdout("what V1__f.sql did before it ended its transaction is kept and not recorded");
    assert!(!database.tables().contains(&"public.later".to_owned()), "{:?}", database.tables());
    assert_eq!(
        database
            .value(
                "select to_regclass('drizzle.__migrations__') is null or
        not exists (select from pg_class where relname = 'later')"
            )
            .as_deref(),
        Some("t")
    );
    database.assert_no_advisory_lock();
    database.assert_no_session();
}

#[test]
fn turning_standard_strings_off_hides_nothing_in_the_files_after_it() {
    let database = Database::new();
    // The server splits a whole message before it runs any of it, and the setting is undone after each file.
    let outcome = run(
        &database,
        &[
            "do $$begin perform set_config('standard_conforming_strings', 'off', false); end$$; create table a ();",
            r"create table b (c text default '\'); create table d (e text default '\');",
        ],
    );
    outcome.assert_code(0);
    assert_eq!(database.tables(), [TRAIL, "drizzle.__migrations__", "public.a", "public.b", "public.d"]);
}

#[test]
fn a_file_of_comments_only_is_applied() {
    assert_runs("", &["-- nothing to do here", "/* nor\nhere */\n", "create table a ();"]);
}

/// What an event trigger does on every definition: it leads the next one astray.
const ASTRAY: &str = "create schema astray; create function astray() returns event_trigger language plpgsql as
    $f$begin perform set_config('search_path', 'astray', false); end$f$";
const ON_DEFINITIONS: &str = "create event trigger astray on ddl_command_end when tag in ('CREATE TABLE')
    execute function astray()";

#[test]
fn what_an_event_trigger_does_on_a_definition_never_reaches_the_next_file() {
    // One that was there before, and one that a file of the same batch makes.
    for (before, files) in [
        (format!("{ASTRAY}; {ON_DEFINITIONS}"), vec!["create table a ()", "create table b ()"]),
        (ASTRAY.to_owned(), vec![ON_DEFINITIONS, "create table a ()", "create table b ()"]),
    ] {
        let database = Database::new();
        database.execute(&before);
        run(&database, &files).assert_code(0);
        let tables = database.query_strings(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1",
        );
        assert_eq!(tables, [[Some("a".to_owned())], [Some("b".to_owned())]]);
    }
}

#[test]
fn a_deferred_check_is_made_at_the_end_of_its_file_whenever_the_constraint_came() {
    let table = "create table p (id int primary key)";
    let key = "create table c (p int references p deferrable initially deferred)";
    let hidden = "do $$begin execute 'create table c (p int references p deferrable initially deferred)'; end$$";
    for files in [
        vec![table, key, "insert into c values (1)", "select 1"],
        vec![table, hidden, "insert into c values (1)", "select 1"],
    ] {
        let database = Database::new();
        let outcome = run(&database, &files);
        outcome.assert_code(1).assert_stdout("V3__f.sql").assert_stdout("c_p_fkey");
    }
    let database = Database::new();
    database.execute(&format!("{table}; {key}"));
    run(&database, &["create table z ()", "insert into c values (1)", "select 1"])
        .assert_code(1)
        .assert_stdout("V2__f.sql");
}
