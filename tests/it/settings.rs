//! Every setting acts, and a bad one is told before anything is connected to.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use schemagate::settings::VARIABLES;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

const SOON: Duration = Duration::from_secs(20);

fn tables() -> Migrations {
    Migrations::new().file("V1__a.sql", "create table a ()").file("V2__b.sql", "create table b ()")
}

/// Records what a migration sees of the session's settings.
fn looking() -> Migrations {
    Migrations::new().file(
        "V1__look.sql",
        "create table seen as select current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')",
    )
}

/// A place to connect to where nobody must.
struct Untouched {
    listener: TcpListener,
}

impl Untouched {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    fn url(&self) -> String {
        format!("postgres://user@127.0.0.1:{}/db", self.listener.local_addr().unwrap().port())
    }

    #[track_caller]
    fn refuses(&self, variables: &[(&str, &str)]) -> Outcome {
        let job = Job::new().env("DATABASE_URL", self.url());
        let outcome = variables.iter().fold(job, |job, (name, value)| job.env(name, *value)).run();
        outcome.assert_code(78);
        assert!(self.listener.accept().is_err(), "it connected\n{outcome}");
        outcome
    }
}

#[test]
fn every_setting_has_a_test_here() {
    let this = include_str!("settings.rs");
    for variable in VARIABLES {
        let quoted = format!("\"{}\"", variable.name);
        assert!(this.contains(&quoted), "{}", variable.name);
    }
}

#[test]
fn a_bad_value_of_any_setting_is_refused_before_a_connection() {
    let place = Untouched::new();
    let bad = [
        ("SCHEMAGATE_HISTORY_TABLE", "a.b.c", "write it as `schema.table` or `table`"),
        ("SCHEMAGATE_ATOMICITY", "relese", "did you mean `release`?"),
        ("SCHEMAGATE_DEADLINE", "5", "`500ms`, `30s` or `5m`"),
        ("SCHEMAGATE_CONNECT_DEADLINE", "-5s", "`500ms`, `30s` or `5m`"),
        ("SCHEMAGATE_LOCK_WAIT", "five minutes", "`500ms`, `30s` or `5m`"),
        ("SCHEMAGATE_LOCK_TIMEOUT", "25days", "up to 24 days"),
        ("SCHEMAGATE_LOCK_ATTEMPTS", "0", "no whole number from 1"),
        ("SCHEMAGATE_STATEMENT_TIMEOUT", "1us", "whole milliseconds"),
        ("SCHEMAGATE_WHEN_AHEAD", "ignore", "use one of: allow, refuse"),
        ("SCHEMAGATE_OUT_OF_ORDER", "yes", "use one of: refuse, allow"),
        ("SCHEMAGATE_WHEN_EXISTING", "Allow", "did you mean `allow`?"),
        ("SCHEMAGATE_DRIZZLE_TABLE", "drizzle.", "a part of it is empty"),
        ("SCHEMAGATE_DRIZZLE_IN_STEP", "yes", "use one of: on, off"),
        ("SCHEMAGATE_SPEC_ID", "../x", "is no identifier"),
        ("SCHEMAGATE_GXP_ID", "EV 1", "is no identifier"),
        ("SCHEMAGATE_VERIFICATION_TIER", "I/Q", "is no identifier"),
        ("SCHEMAGATE_USER_STORY", "ü", "is no identifier"),
        ("SCHEMAGATE_LOG_FORMAT", "xml", "use one of: auto, text, json"),
        ("SCHEMAGATE_LOG", "warning", "write it like `info`"),
        ("SCHEMAGATE_MIGRATIONS", "https://host/folder", "a URL, where a folder is wanted"),
        ("DATABASE_URL_FILE", "/run/secrets/url", "DATABASE_URL and DATABASE_URL_FILE are both set"),
        ("SCHEMAGATE_DATABASE_URL_FILE", "/run/secrets/no", "cannot read /run/secrets/no: No such file"),
    ];
    for (name, value, words) in bad {
        let outcome = place.refuses(&[(name, value)]);
        outcome.assert_stdout(name).assert_stdout(words);
    }
    let pairs: Vec<(&str, &str)> = bad.iter().map(|(name, value, _)| (*name, *value)).collect();
    let all = place.refuses(&pairs);
    for (name, _, _) in bad.iter().filter(|(name, _, _)| *name != "DATABASE_URL_FILE") {
        all.assert_stdout(name);
    }
}

#[test]
fn a_url_that_cannot_be_read_is_not_said_to_be_missing() {
    for (name, value) in [("DATABASE_URL_FILE", "/run/secrets/no"), ("SCHEMAGATE_DATABASE_URL_FILE", "/dev/null")] {
        let outcome = Job::new().env(name, value).run();
        outcome.assert_code(78).assert_stdout(name).assert_nowhere("is not set");
    }
}

#[test]
fn problems_with_settings_are_told_in_the_format_that_was_asked_for() {
    let outcome = Untouched::new().refuses(&[("SCHEMAGATE_LOCK_WAIT", "soon"), ("SCHEMAGATE_LOG_FORMAT", "text")]);
    assert!(!outcome.stdout.contains('{'), "{outcome}");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let database = Database::new();
    let folder = tables();
    for empty in ["", " \n"] {
        let job = VARIABLES.iter().fold(Job::new(), |job, variable| job.env(variable.name, empty));
        let job = job.env("DATABASE_URL", database.url()).migrations(folder.path());
        let outcome = job.run();
        outcome.assert_code(0);
        assert!(!outcome.stdout.contains("warn"), "{outcome}");
    }
}

#[test]
fn white_space_around_a_value_is_none_of_it() {
    let database = Database::new();
    let folder = tables();
    let job = Job::new()
        .env("DATABASE_URL", format!(" {}\n", database.url()))
        .env("SCHEMAGATE_MIGRATIONS", format!("{}\n", folder.path().display()))
        .env("SCHEMAGATE_LOG", " debug\n")
        .env("SCHEMAGATE_LOG_FORMAT", "text\n");
    job.run().assert_code(0).assert_stdout("debug");
}

#[test]
fn bytes_that_are_no_utf8_do_not_count_as_unset() {
    for variable in VARIABLES {
        let outcome = Job::new().env(variable.name, OsString::from_vec(b"caf\xe9".to_vec())).run();
        outcome.assert_code(78).assert_stdout(&format!("{}: the value is not valid UTF-8", variable.name));
    }
    let place = Untouched::new();
    let job = Job::new().env("DATABASE_URL", place.url()).env("PGPASSWORD", OsString::from_vec(b"caf\xe9".to_vec()));
    job.run().assert_code(78).assert_stdout("PGPASSWORD: the value is not valid UTF-8").assert_nowhere("caf");
    assert!(place.listener.accept().is_err());
}

#[test]
fn a_migrations_folder_that_is_no_utf8_does_not_fall_back_to_the_embedded_set() {
    let database = Database::new();
    let job = Job::on(&database).env("SCHEMAGATE_MIGRATIONS", OsString::from_vec(b"/migrations\xff".to_vec()));
    job.run().assert_code(78);
    assert!(database.tables().is_empty());
}

#[test]
fn unknown_variables_are_warned_of_with_the_nearest_name() {
    let database = Database::new();
    let folder = tables();
    let outcome = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_LOCK_WIAT", "1s")
        .env("SCHEMAGATE_lock_wait", "1 banana")
        .env("SCHEMAGATE_SERVICE_HOST", "10.0.0.1")
        .env("SCHEMAGATE_PORT", "tcp://10.0.0.1:5432")
        .env("SCHEMAGATE_PORT_5432_TCP_ADDR", "10.0.0.1")
        .run();
    outcome.assert_code(0);
    let warnings: Vec<String> = outcome
        .json_lines()
        .iter()
        .filter(|line| line["level"] == "warn")
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    unknown variable SCHEMAGATE_LOCK_WIAT is ignored; did you mean SCHEMAGATE_LOCK_WAIT?
    ignored, as no setting has the name: SCHEMAGATE_PORT, SCHEMAGATE_PORT_5432_TCP_ADDR, SCHEMAGATE_SERVICE_HOST, SCHEMAGATE_lock_wait (Kubernetes sets such variables for a service called schemagate)
    ");
}

#[test]
fn durations_are_read_as_documented() {
    let read = |text: &str| Job::new().env("SCHEMAGATE_LOCK_WAIT", text).run();
    for good in ["0", "0s", "500ms", "30s", "5m", "1h", "1m 30s", "1.5s", "1day"] {
        read(good).assert_code(78).assert_stdout("DATABASE_URL is not set");
    }
    for bad in ["5", "-5s", "5 bananas", "s", "400days", "99999999999999999999s", "∞"] {
        read(bad).assert_code(78).assert_stdout("SCHEMAGATE_LOCK_WAIT: ").assert_stdout("is no duration");
    }
}

#[test]
fn the_timeouts_are_those_that_migrations_see() {
    for (variables, options, seen) in [
        (&[][..], "", "5s 0"),
        (&[("SCHEMAGATE_LOCK_TIMEOUT", "1500ms"), ("SCHEMAGATE_STATEMENT_TIMEOUT", "7m")], "", "1500ms 7min"),
        (&[("SCHEMAGATE_LOCK_TIMEOUT", "0"), ("SCHEMAGATE_STATEMENT_TIMEOUT", "0")], "", "0 0"),
        (&[], "?options=-c%20lock_timeout=2s%20-c%20statement_timeout=3s", "2s 3s"),
        (&[("SCHEMAGATE_LOCK_TIMEOUT", "4s")], "?options=-c%20lock_timeout=2s%20-c%20statement_timeout=3s", "4s 3s"),
    ] {
        let database = Database::new();
        // A default of the database must not cut a migration short.
        database.execute(&format!("alter database {} set statement_timeout = '1h'", database.name()));
        let job = Job::new().env("DATABASE_URL", database.url() + options).migrations(looking().path()).args(["up"]);
        let folder = looking();
        let job = variables.iter().fold(job, |job, (name, value)| job.env(name, *value)).migrations(folder.path());
        job.run().assert_code(0);
        assert_eq!(database.value("table seen").as_deref(), Some(seen));
    }
}

#[test]
fn lock_wait_limits_the_wait_for_another_run() {
    let database = Database::new();
    let slow = Migrations::new().file("V1__slow.sql", "create table a (); select pg_sleep(60)");
    let mut holder = Job::on(&database).migrations(slow.path()).spawn();
    holder.wait_for_line("lock taken", SOON);
    for (wait, least) in [("0", 0), ("700ms", 700)] {
        let outcome = Job::on(&database).migrations(slow.path()).env("SCHEMAGATE_LOCK_WAIT", wait).run();
        outcome.assert_code(75).assert_stdout("another run holds the lock");
        let range = Duration::from_millis(least)..Duration::from_millis(least + 5000);
        assert!(range.contains(&outcome.elapsed), "{outcome}");
    }
}

#[test]
fn lock_timeout_and_lock_attempts_limit_the_wait_for_table_locks() {
    let database = Database::new();
    database.execute("create table a ()");
    let mut reader = database.connect();
    reader.execute("begin; table a");
    let folder = Migrations::new().file("V1__alter.sql", "alter table a add b int");
    let job = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_LOCK_TIMEOUT", "50ms")
        .env("SCHEMAGATE_LOCK_ATTEMPTS", "2");
    job.run().assert_code(75).assert_stdout("after 2 attempts").assert_stdout("attempt 2 of 2 follows");
}

#[test]
fn the_statement_timeout_ends_a_statement() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__slow.sql", "select pg_sleep(60)");
    let job = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_STATEMENT_TIMEOUT", "200ms");
    job.run().assert_code(1).assert_stdout("57014").assert_stdout("SCHEMAGATE_STATEMENT_TIMEOUT");
}

#[test]
fn the_deadline_ends_the_run() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__slow.sql", "select pg_sleep(60)");
    let job = Job::on(&database).migrations(folder.path());
    job.env("SCHEMAGATE_DEADLINE", "600ms").run().assert_code(75).assert_stdout("SCHEMAGATE_DEADLINE");
    let quick = tables();
    let job = Job::on(&database).migrations(quick.path());
    job.env("SCHEMAGATE_DEADLINE", "0").run().assert_code(0);
}

#[test]
fn the_connect_deadline_limits_the_wait_for_a_database() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (deadline, least) in [("0", 0), ("800ms", 500)] {
        let job = Job::new()
            .env("DATABASE_URL", format!("postgres://user@127.0.0.1:{closed}/db"))
            .env("SCHEMAGATE_CONNECT_DEADLINE", deadline);
        let outcome = job.run();
        outcome.assert_code(69);
        let range = Duration::from_millis(least)..Duration::from_millis(least + 5000);
        assert!(range.contains(&outcome.elapsed), "{outcome}");
    }
}

#[test]
fn atomicity_says_what_stands_or_falls_together() {
    for (atomicity, kept) in [("release", false), ("migration", true)] {
        let database = Database::new();
        let folder = Migrations::new().file("V1__a.sql", "create table a ()").file("V2__bad.sql", "select 1/0");
        let job = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_ATOMICITY", atomicity);
        job.run().assert_code(1);
        assert_eq!(database.tables().contains(&"public.a".to_owned()), kept, "{atomicity}");
    }
}

#[test]
fn the_history_table_is_the_one_named() {
    for (name, table) in [
        ("ops.migrations", "ops.migrations"),
        ("plain", "public.plain"),
        ("\"My.Schema\".\"It's\"\"one\"", "My.Schema.It's\"one"),
    ] {
        let database = Database::new();
        let folder = tables();
        let job = || Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_HISTORY_TABLE", name);
        job().run().assert_code(0);
        assert!(database.tables().contains(&table.to_owned()), "{:?}", database.tables());
        job().args(["status", "--check"]).run().assert_code(0);
    }
}

#[test]
fn when_ahead_lets_a_rolled_back_release_through_or_not() {
    let database = Database::new();
    let folder = tables();
    let job = || Job::on(&database).migrations(folder.path());
    job().run().assert_code(0);
    folder.remove("V2__b.sql");
    for (value, code) in [("", 0), ("allow", 0), ("refuse", 65)] {
        job().env("SCHEMAGATE_WHEN_AHEAD", value).run().assert_code(code);
    }
}

#[test]
fn out_of_order_lets_a_file_in_between_through_or_not() {
    let database = Database::new();
    let folder = Migrations::new().file("V2__b.sql", "create table b ()");
    let job = || Job::on(&database).migrations(folder.path());
    job().run().assert_code(0);
    folder.write("V1__a.sql", "create table a ()");
    for (value, code) in [("", 65), ("refuse", 65), ("allow", 0)] {
        job().env("SCHEMAGATE_OUT_OF_ORDER", value).run().assert_code(code);
    }
}

#[test]
fn when_existing_lets_tables_that_are_there_already_through_or_not() {
    let database = Database::new();
    database.execute("create table a ()");
    let folder = Migrations::new().file("V1__a.sql", "create table if not exists a ()");
    let job = || Job::on(&database).migrations(folder.path());
    for (value, code) in [("", 65), ("refuse", 65), ("allow", 0)] {
        job().env("SCHEMAGATE_WHEN_EXISTING", value).run().assert_code(code);
    }
}

#[test]
fn the_log_filter_chooses_what_is_told() {
    let database = Database::new();
    let folder = tables();
    let levels = |filter: &str| -> Vec<String> {
        let outcome = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOG", filter).run();
        let lines = outcome.assert_code(0).json_lines();
        let mut levels: Vec<String> = lines.iter().map(|line| line["level"].as_str().unwrap().to_owned()).collect();
        levels.sort();
        levels.dedup();
        levels
    };
    assert_eq!(levels("info"), ["info"]);
    assert_eq!(levels("debug"), ["debug", "info"]);
    assert_eq!(levels("schemagate=trace"), ["debug", "info"]);
    assert_eq!(levels("WARN"), [""; 0]);
    assert_eq!(levels("off"), [""; 0]);
}

#[test]
fn a_filter_of_another_module_does_not_silence_the_reason_of_a_failure() {
    let job = Job::new().env("SCHEMAGATE_LOG", "tokio_postgres=debug");
    job.run().assert_code(78).assert_stdout("DATABASE_URL is not set");
}

#[test]
fn the_log_format_is_the_one_named() {
    let database = Database::new();
    let folder = tables();
    let run = |format: &str| Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", format).run();
    for format in ["", "auto", "json"] {
        run(format).assert_code(0).json_lines();
    }
    assert!(!run("text").assert_code(0).stdout.contains('{'));
}

#[test]
fn the_termination_log_takes_the_reason_of_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let fail = |log: PathBuf| Job::new().env("SCHEMAGATE_TERMINATION_LOG", log).run();
    std::fs::write(path("log"), "x".repeat(9000)).unwrap();
    fail(path("log")).assert_code(78);
    insta::assert_snapshot!(std::fs::read_to_string(path("log")).unwrap(), @r"
    DATABASE_URL is not set
    state: nothing was changed
    hint: set DATABASE_URL (or SCHEMAGATE_DATABASE_URL), like postgres://user:password@host:5432/database
    ");
    // The kubelet makes the file; without it there is nobody who reads one.
    fail(path("absent")).assert_code(78);
    assert!(!path("absent").exists());
    std::fs::create_dir(path("folder")).unwrap();
    fail(path("folder")).assert_code(78);
}

#[test]
fn a_termination_log_that_is_a_pipe_does_not_hold_the_exit_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let outcome = Job::new().env("SCHEMAGATE_TERMINATION_LOG", pipe).limit(SOON).run();
    outcome.assert_code(78);
}

#[test]
fn a_success_leaves_the_termination_log_alone() {
    let database = Database::new();
    let (folder, log) = (tables(), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(log.path(), "as it was").unwrap();
    let job = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_TERMINATION_LOG", log.path());
    job.run().assert_code(0);
    assert_eq!(std::fs::read_to_string(log.path()).unwrap(), "as it was");
}

#[test]
fn the_url_may_come_from_a_file_and_ours_wins() {
    let (theirs, ours) = (Database::new(), Database::new());
    let folder = tables();
    let secrets = Migrations::new().file("theirs", theirs.url() + "\n").file("ours", ours.url() + "\r\n");
    let file = |name: &str| secrets.path().join(name).into_os_string();
    let closed = OsString::from("postgres://127.0.0.1:1/closed");
    for (variables, database) in [
        (vec![("DATABASE_URL_FILE", file("theirs"))], &theirs),
        (vec![("DATABASE_URL", closed.clone()), ("SCHEMAGATE_DATABASE_URL", ours.url().into())], &ours),
        (vec![("DATABASE_URL", closed), ("SCHEMAGATE_DATABASE_URL_FILE", file("ours"))], &ours),
        (vec![("DATABASE_URL_FILE", file("theirs")), ("SCHEMAGATE_DATABASE_URL_FILE", file("ours"))], &ours),
    ] {
        let job = variables.into_iter().fold(Job::new(), |job, (name, value)| job.env(name, value));
        job.migrations(folder.path()).run().assert_code(0).assert_stdout(database.name());
    }
}

#[test]
fn an_empty_secret_file_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let job = Job::new().env("DATABASE_URL_FILE", file.path());
    job.run().assert_code(78).assert_stdout("is empty");
}

#[test]
fn what_is_wrong_with_the_url_is_told_with_what_is_wrong_with_the_settings() {
    let job = |url: &str| Job::new().env("DATABASE_URL", url).env("SCHEMAGATE_LOCK_WAIT", "5").run();
    let outcome = job("postgres://h/d?sslmode=foo");
    outcome.assert_code(78).assert_stdout("SCHEMAGATE_LOCK_WAIT: ").assert_stdout("sslmode");
    let outcome = job("");
    outcome.assert_code(78).assert_stdout("SCHEMAGATE_LOCK_WAIT: ").assert_stdout("DATABASE_URL is not set");
    let outcome = Job::new().env("DATABASE_URL", "postgres://h/d").env("PGPORT", "abc").run();
    outcome.assert_code(78).assert_stdout("the port in PGPORT");
    assert!(!outcome.stdout.contains("DATABASE_URL: "), "{outcome}");
    let outcome = Job::new().env("DATABASE_URL", "${{Postgres.DATABASE_URL}}").run();
    outcome.assert_code(78).assert_stdout("nothing has resolved");
}

#[test]
fn what_is_deployed_is_on_record_and_our_own_variables_win() {
    let (database, folder) = (Database::new(), Migrations::new());
    let ours = [("SCHEMAGATE_GIT_COMMIT", "ours"), ("SCHEMAGATE_DEPLOYMENT_ID", "deployment 1")];
    let platform = [("RAILWAY_GIT_COMMIT_SHA", "theirs"), ("POD_NAME", "api-7")];
    let both = [platform.as_slice(), &ours].concat();
    for (version, variables) in [&[] as &[(&str, &str)], &platform, &both].into_iter().enumerate() {
        folder.write(&format!("V{version}__x.sql"), "select 1;");
        let job = Job::on(&database).migrations(folder.path());
        variables.iter().fold(job, |job, (name, value)| job.env(name, value)).run().assert_code(0);
    }
    let rows = database
        .connect()
        .column("select concat_ws(', ', git_commit, deployment_id) from drizzle.__migration_runs__ order by sequence");
    assert_eq!(rows, ["", "theirs, api-7", "ours, deployment 1"]);
}

#[test]
fn a_scratch_database_can_be_named_where_nobody_sees_it() {
    let scratch = Database::new();
    let folder = tables();
    let qualify = |url: &str| {
        let job = Job::new().env("SCHEMAGATE_SCRATCH_URL", url).env("SCHEMAGATE_CONNECT_DEADLINE", "0");
        job.migrations(folder.path()).args(["qualify", "--format", "json"]).run()
    };
    let outcome = qualify(&scratch.url());
    let document: serde_json::Value = serde_json::from_str(&outcome.assert_code(0).stdout).unwrap();
    assert_eq!(document["environment"]["databases"]["scratch"], scratch.name());
    qualify("postgres://u:canary@h:port/db")
        .assert_code(78)
        .assert_stderr("SCHEMAGATE_SCRATCH_URL")
        .assert_nowhere("canary");
}

#[test]
fn the_signing_key_is_wanted_by_what_signs_and_by_nothing_else() {
    let (database, folder) = (Database::new(), tables());
    let missing = ("SCHEMAGATE_SIGNING_KEY_FILE", "/run/secrets/no");
    let job = |arguments: &[&str]| {
        Job::on(&database).env(missing.0, missing.1).migrations(folder.path()).args(arguments).run()
    };
    job(&["up"]).assert_code(0);
    job(&["qualify"]).assert_code(78).assert_stderr(missing.0).assert_stderr("/run/secrets/no");
    let wrong = Job::on(&database).env("SCHEMAGATE_SIGNING_KEY", "canary").arg("qualify").run();
    wrong.assert_code(78).assert_stderr("SCHEMAGATE_SIGNING_KEY").assert_nowhere("canary");
    Untouched::new().refuses(&[("SCHEMAGATE_SIGNING_KEY", "canary"), missing]).assert_nowhere("canary");
}
