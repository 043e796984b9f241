//! refinery on the same database: what its own runner and its own program did is done here, and the reverse.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;
use crate::support::{programs::cache, slow};

const TABLE: &str = "refinery_schema_history";

fn files() -> Migrations {
    Migrations::new()
        .file("V1__first.sql", "create table first (id int);\n")
        .file("sub/V2__second.sql", "-- ä\r\ncreate table second (id int);\r\n")
        .file("U3__Third_one.sql", "create table third (id int);")
        .file("V0010__last.sql", "create table last (id int)")
}

fn job(database: &Database, folder: &Migrations, arguments: &[&str]) -> Outcome {
    Job::on(database)
        .migrations(folder.path())
        .env("SCHEMAGATE_HISTORY_TABLE", TABLE)
        .env("SCHEMAGATE_LOG_FORMAT", "text")
        .args(arguments)
        .run()
}

/// Runs refinery's own runner, which refuses whatever differs; the versions it applied.
fn refinery_runner(database: &Database, folder: &Path) -> Vec<i32> {
    let migrations = refinery::load_sql_migrations(folder).unwrap();
    let runner = refinery::Runner::new(&migrations).set_abort_divergent(true).set_abort_missing(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let report = runner.run_async(&mut client).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
        report.applied_migrations().iter().map(refinery::Migration::version).collect()
    })
}

fn rows(database: &Database) -> Vec<Vec<Option<String>>> {
    database.query_strings(&format!("select version, name, checksum from {TABLE} order by version"))
}

#[test]
fn what_refinerys_runner_applied_is_up_to_date_here() {
    let (database, folder) = (Database::new(), files());
    assert_eq!(refinery_runner(&database, folder.path()), [1, 2, 3, 10]);
    job(&database, &folder, &["up"]).assert_code(0).assert_stdout("up to date: 4 applied").assert_nowhere("warn");
    job(&database, &folder, &["status", "--check"]).assert_code(0);
    folder.write("V11__more.sql", "create table more ();");
    job(&database, &folder, &["up"]).assert_code(0).assert_stdout("applied 1 migration (V11__more.sql)");
    assert_eq!(refinery_runner(&database, folder.path()), [0; 0]);
}

#[test]
fn what_is_applied_here_is_up_to_date_for_refinerys_runner() {
    let (database, folder, theirs) = (Database::new(), files(), Database::new());
    job(&database, &folder, &["up"]).assert_code(0).assert_stdout("applied 4 migrations");
    assert_eq!(refinery_runner(&database, folder.path()), [0; 0]);
    refinery_runner(&theirs, folder.path());
    assert_eq!(rows(&database), rows(&theirs));
    let shape = format!(
        "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute
         where attrelid = '{TABLE}'::regclass and attnum > 0 order by attnum"
    );
    assert_eq!(database.query_strings(&shape), theirs.query_strings(&shape));
}

#[test]
fn a_history_of_refinery_under_its_own_name_stops_every_command_and_names_the_setting() {
    let (database, folder) = (Database::new(), files());
    refinery_runner(&database, folder.path());
    folder.write("V11__more.sql", "create table more ();");
    let run = |arguments: &[&str]| {
        let job = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text");
        job.args(arguments).run()
    };
    for absent in [true, false] {
        if !absent {
            database.execute(
                "create schema drizzle; create table drizzle.__migrations__
                 (version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))",
            );
        }
        let before = database.tables();
        for arguments in [&["up"][..], &["plan"], &["status"], &["status", "--check", "--wait", "5m"]] {
            let outcome = run(arguments);
            outcome.assert_code(65);
            let words = if arguments == ["up"] { outcome.stdout } else { outcome.stderr };
            assert!(words.contains("set SCHEMAGATE_HISTORY_TABLE=refinery_schema_history"), "{words}");
        }
        assert_eq!(database.tables(), before);
    }
    insta::assert_snapshot!(redact(&run(&["plan"]).stderr), @"
    [time] error drizzle.__migrations__ is absent or empty, but refinery_schema_history has rows: this database was migrated under that name
    state: nothing was changed
    hint: set SCHEMAGATE_HISTORY_TABLE=refinery_schema_history to go on with that history
    hint: if it is another application's, keep its schema out of the search_path: options=-c%20search_path=…
    ");
}

/// refinery's own program, installed once under the target folder.
fn refinery_cli(features: &str) -> PathBuf {
    let folder = cache("refinery_cli");
    let root = folder.join(if features.is_empty() { "default" } else { features });
    let program = root.join("bin/refinery");
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["install", "--locked", "refinery_cli@0.10.0", "--no-default-features", "--debug", "--root"]);
        cargo
            .arg(&root)
            .args(["--features", &format!("postgresql,{features}")])
            .env("CARGO_TARGET_DIR", folder.join("target"));
        assert!(cargo.status().unwrap().success(), "refinery_cli is not to be had");
    }
    program
}

fn run_cli(program: &Path, database: &Database, folder: &Migrations) -> Outcome {
    Job::program(program)
        .env("DATABASE_URL", database.url())
        .args(["migrate", "-e", "DATABASE_URL", "-d", "-m", "-p"])
        .arg(folder.path())
        .run()
}

fn both_ways(features: &str, extra: (&str, &str)) {
    let program = refinery_cli(features);
    let (theirs, ours) = (Database::new(), Database::new());
    let folder = files().file(extra.0, extra.1);
    run_cli(&program, &theirs, &folder).assert_code(0);
    job(&theirs, &folder, &["up"]).assert_code(0).assert_stdout("up to date: 5 applied").assert_nowhere("warn");
    job(&ours, &folder, &["up"]).assert_code(0).assert_stdout("applied 5 migrations");
    assert_eq!(rows(&ours), rows(&theirs));
    run_cli(&program, &ours, &folder).assert_code(0);
    assert_eq!(rows(&ours), rows(&theirs));
}

#[test]
fn the_real_refinery_cli_and_this_job_take_each_others_databases() {
    if slow() {
        both_ways("", ("V11__more.sql", "create table more ();"));
    }
}

#[test]
fn the_real_refinery_cli_with_wide_versions_and_this_job_take_each_others_databases() {
    if slow() {
        both_ways("int8-versions", ("V20240501120000__time.sql", "create table time ();"));
    }
}
