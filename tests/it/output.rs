//! What the job says, where, and in which form: for people at a terminal, for machines elsewhere.

use std::collections::HashSet;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome, Signal};
use crate::support::redact::redact;

const SOON: Duration = Duration::from_secs(20);
/// What Kubernetes keeps of the end of a log.
const LAST_LINE_BYTES: usize = 2048;
/// Where container engines cut a line.
const LINE_BYTES: usize = 16 * 1024;

fn tables() -> Migrations {
    Migrations::new().file("V1__a.sql", "create table a ()").file("V2__b.sql", "create table b ()")
}

fn up(database: &Database, folder: &Migrations) -> Job {
    Job::on(database).migrations(folder.path())
}

/// The log as text, without what differs from run to run.
fn text_of(job: Job) -> String {
    let outcome = job.env("SCHEMAGATE_LOG_FORMAT", "text").run();
    assert_eq!(outcome.stderr, "", "{outcome}");
    let version = regex::Regex::new(r"PostgreSQL [^,]+, ").unwrap();
    version.replace_all(&redact(&outcome.stdout), "PostgreSQL [version], ").into_owned()
}

/// Every line is a JSON object with level and message, short enough for a container engine, and the last one is a
/// summary; the summary's message.
#[track_caller]
fn summary_of(outcome: &Outcome) -> String {
    assert_eq!(outcome.stderr, "", "{outcome}");
    for (line, object) in outcome.stdout.lines().zip(outcome.json_lines()) {
        assert!(["debug", "info", "warn", "error"].contains(&object["level"].as_str().unwrap()), "{line}");
        assert!(!object["message"].as_str().unwrap().is_empty(), "{line}");
        assert!(line.len() <= LINE_BYTES, "{} bytes: {line}", line.len());
    }
    let last = outcome.last_line();
    assert!(last.len() <= LAST_LINE_BYTES, "{} bytes: {last}", last.len());
    let object: Value = serde_json::from_str(last).unwrap();
    assert_eq!(object["exit_code"].as_i64().unwrap(), i64::from(outcome.code.unwrap()), "{last}");
    assert!(object["elapsed_ms"].is_u64() && object["applied"].is_u64() && object["outcome"].is_string(), "{last}");
    object["message"].as_str().unwrap().to_owned()
}

#[test]
fn up_tells_people_what_it_did() {
    let (database, folder) = (Database::new(), tables());
    insta::assert_snapshot!(text_of(up(&database, &folder)), @r"
    [time]  info connected to 127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version], no TLS) by schemagate 0.1.0
    [time]  info 2 of 2 migrations pending in drizzle.__migrations__
    [time]  info lock taken after [duration]
    [time]  info recovery point before the first change: WAL [lsn] at [time]
    [time]  info V1__a.sql ran in [duration]
    [time]  info V2__b.sql ran in [duration]
    [time]  info recovery point after the last change: WAL [lsn] at [time]
    [time]  info applied 2 migrations (V1__a.sql to V2__b.sql) in [duration]; 2 applied in all, newest version 2
    ");
    insta::assert_snapshot!(text_of(up(&database, &folder)), @r"
    [time]  info connected to 127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version], no TLS) by schemagate 0.1.0
    [time]  info up to date: 2 applied, newest version 2; nothing to do in [duration]
    ");
    folder.remove("V2__b.sql");
    insta::assert_snapshot!(text_of(up(&database, &folder)), @r"
    [time]  info connected to 127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version], no TLS) by schemagate 0.1.0
    [time]  warn the database is ahead of this release by 1 migration (V2__b): let through as SCHEMAGATE_WHEN_AHEAD=allow says
    [time]  info up to date: 1 applied, newest version 2; nothing to do in [duration]; the database is ahead by 1
    ");
    folder.write("V2__b.sql", "create table b ()");
    folder.write("V3__c.sql", "create table c ();\ncreate table a ();\n");
    insta::assert_snapshot!(text_of(up(&database, &folder)), @r#"
    [time]  info connected to 127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version], no TLS) by schemagate 0.1.0
    [time]  info 1 of 3 migrations pending in drizzle.__migrations__
    [time]  info lock taken after [duration]
    [time]  info recovery point before the first change: WAL [lsn] at [time]
    [time] error V3__c.sql:2: statement 2: relation "a" already exists (42P07)
         2 | create table a ();
    state: nothing of this run was kept
    hint: fix the file and deploy again
    failed after [duration] with exit code 1: this run applied nothing
    "#);
    folder.write("V4__d.sql", "create table d ()");
    folder.write("V3__c.sql", "create table c ();");
    insta::assert_snapshot!(text_of(up(&database, &folder).args(["up", "--target", "3"])), @r"
    [time]  info connected to 127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version], no TLS) by schemagate 0.1.0
    [time]  info 1 of 4 migrations pending in drizzle.__migrations__
    [time]  info lock taken after [duration]
    [time]  info recovery point before the first change: WAL [lsn] at [time]
    [time]  info V3__c.sql ran in [duration]
    [time]  info recovery point after the last change: WAL [lsn] at [time]
    [time]  info applied 1 migration (V3__c.sql) in [duration]; 3 applied in all, newest version 3; 1 held back by --target
    ");
}

#[test]
fn plan_and_status_tell_people_how_things_stand() {
    let (database, folder) = (Database::new(), tables());
    let shown = |arguments: &[&str]| {
        let outcome = up(&database, &folder).args(arguments).run();
        assert_eq!(outcome.assert_code(0).stderr, "");
        let version = regex::Regex::new(r"\(PostgreSQL .*\)").unwrap();
        let checksum = regex::Regex::new(r"\b\d{15,20} *").unwrap();
        let text = version.replace_all(&outcome.stdout, "(PostgreSQL [version])").into_owned();
        redact(&checksum.replace_all(&text, "[checksum]            "))
    };
    insta::assert_snapshot!(shown(&["plan"]), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__ (will be created)
    files     0 applied, 2 pending

    batch 1: one transaction, all or nothing
      MIGRATION  STATEMENTS  BYTES  WHAT
      V1__a.sql  1           17     create table a ()
      V2__b.sql  1           17     create table b ()

    `schemagate up` would apply 2 migrations in 1 batch
    ");
    insta::assert_snapshot!(shown(&["status"]), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__ (does not exist yet)

    VERSION  STATE    APPLIED ON  CHECKSUM  MIGRATION
    1        pending  –           –         V1__a.sql
    2        pending  –           –         V2__b.sql

    0 applied, 2 pending, 0 divergent, 0 missing, 0 ahead

    audit trail: drizzle.__migration_runs__ does not exist yet
    ");
    up(&database, &folder).run().assert_code(0);
    folder.write("V3__later.sql", "-- schemagate: no-transaction\ncreate index concurrently i on a ((1))");
    insta::assert_snapshot!(shown(&["status"]), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__

    VERSION  STATE    APPLIED ON                   CHECKSUM             MIGRATION
    1        applied  [time]  [checksum]            V1__a.sql
    2        applied  [time]  [checksum]            V2__b.sql
    3        pending  –                            –                    V3__later.sql

    2 applied, 1 pending, 0 divergent, 0 missing, 0 ahead

    audit trail: 1 run, last [time] (applied, exit 0, V1–V2), chain intact

    RUN  FINISHED                     OUTCOME  EXIT  MIGRATIONS  ROLE      COMMIT
    1    [time]  applied  0     V1–V2       postgres  –
    ");
    insta::assert_snapshot!(shown(&["plan"]), @"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__
    files     2 applied, 1 pending

    batch 1: outside a transaction: not undone when it fails, repeated by the next run
      MIGRATION      STATEMENTS  BYTES  WHAT
      V3__later.sql  1           68     create index concurrently i on a ((1))

    tables that exist and are touched
      TABLE     ROWS           SIZE     BY
      public.a  never counted  0 bytes  V3__later.sql

    `schemagate up` would apply 1 migration in 1 batch
    ");
    folder.remove("V3__later.sql");
    insta::assert_snapshot!(shown(&["plan"]), @r"
    database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
    history   drizzle.__migrations__
    files     2 applied, 0 pending

    up to date: nothing to do
    ");
}

#[test]
fn columns_are_aligned_whatever_the_names_hold() {
    let (database, folder) = (Database::new(), Migrations::new());
    folder.write("V1__a.sql", "select 1");
    folder.write("it's \"ödd\"\n\u{1b}[2J/V10__b.sql", "select 1");
    let outcome = up(&database, &folder).arg("status").run();
    outcome.assert_code(0).assert_nowhere("\u{1b}");
    let rows: Vec<&str> = outcome.stdout.lines().skip(3).take(3).collect();
    let column = rows[0].find("STATE").unwrap();
    assert!(
        rows[1..].iter().all(|row| row.is_char_boundary(column) && row[column..].starts_with("pending")),
        "{outcome}"
    );
    // A name of two lines would make one more, and the audit trail's words follow after the counts.
    assert_eq!(outcome.stdout.lines().count(), 10, "{outcome}");
    up(&database, &folder).args(["status", "--format", "json"]).run().assert_code(0).json();
}

#[test]
fn results_go_to_stdout_and_logs_to_stderr() {
    let (database, folder) = (Database::new(), tables());
    let job = |arguments: &[&str]| up(&database, &folder).env("SCHEMAGATE_LOG", "debug").args(arguments).run();
    for arguments in [["plan", "--format", "json"], ["status", "--format", "json"]] {
        let outcome = job(&arguments);
        assert!(outcome.assert_code(0).json().is_object());
        assert_eq!(outcome.stdout.lines().count(), 1);
        for line in outcome.stderr.lines() {
            assert!(serde_json::from_str::<Value>(line).unwrap()["level"].is_string());
        }
        outcome.assert_stderr("connected");
    }
    let outcome = job(&["status", "--check"]);
    outcome.assert_code(3).assert_stdout("pending").assert_stderr("2 pending");
    assert_eq!(job(&["up"]).assert_code(0).stderr, "");
}

#[test]
fn a_command_that_cannot_give_its_result_writes_nothing_to_stdout() {
    for arguments in [["plan"], ["status"]] {
        let outcome = Job::new().args(arguments).run();
        outcome.assert_code(78).assert_stderr("DATABASE_URL is not set");
        assert_eq!(outcome.stdout, "");
        // What was applied is no business of a command that applies nothing.
        assert!(!outcome.stderr.contains("\"applied\""), "{outcome}");
    }
}

#[test]
fn format_overrides_the_log_format_of_up_and_only_of_up() {
    let (database, folder) = (Database::new(), tables());
    let run = |format: &str, log_format: &str, command: &str| {
        let job = up(&database, &folder).args(["--format", format, command]).env("SCHEMAGATE_LOG", "debug");
        job.env("SCHEMAGATE_LOG_FORMAT", log_format).run()
    };
    run("json", "text", "up").assert_code(0).json_lines();
    assert!(!run("text", "json", "up").assert_code(0).stdout.contains("{\""));
    let outcome = run("json", "text", "plan");
    outcome.assert_code(0).json();
    assert!(!outcome.stderr.contains("{\"") && outcome.stderr.contains("connected"), "{outcome}");
}

/// Runs the job with a terminal for stdout and stderr.
fn on_a_terminal(job: Job, arguments: &str) -> Outcome {
    let command = format!("'{}' {arguments}", env!("CARGO_BIN_EXE_schemagate"));
    job.args(["--quiet", "--return", "--command", &command, "/dev/null"]).run()
}

#[test]
fn a_terminal_gets_text_in_colour() {
    let (database, folder) = (Database::new(), tables());
    let job = || {
        let job = Job::program("script").env("DATABASE_URL", database.url()).env("TERM", "xterm");
        job.migrations(folder.path())
    };
    let outcome = on_a_terminal(job(), "up");
    outcome.assert_code(0).assert_stdout("\u{1b}[32m info\u{1b}[0m applied 2 migrations (V1__a.sql to V2__b.sql)");
    for (name, value, colour) in [("NO_COLOR", "1", false), ("NO_COLOR", "", true), ("TERM", "dumb", false)] {
        let outcome = on_a_terminal(job().env(name, value), "up");
        outcome.assert_code(0).assert_stdout("up to date: 2 applied");
        assert_eq!(outcome.stdout.contains('\u{1b}'), colour, "{name}={value}\n{outcome}");
        assert!(!outcome.stdout.contains("{\""), "{outcome}");
    }
    on_a_terminal(job(), "up --format json").assert_code(0).assert_stdout("{\"timestamp\"").assert_nowhere("\u{1b}");
    let outcome = on_a_terminal(job(), "status");
    outcome.assert_code(0).assert_nowhere("\u{1b}");
    let header = outcome.stdout.lines().find(|line| line.starts_with("VERSION")).unwrap();
    let row = outcome.stdout.lines().find(|line| line.contains("V2__b.sql")).unwrap();
    assert_eq!(header.find("MIGRATION"), row.find("V2__b.sql"), "{outcome}");
}

#[test]
fn text_that_is_not_for_a_terminal_has_no_colour() {
    let (database, folder) = (Database::new(), tables());
    up(&database, &folder).args(["up", "--format", "text"]).run().assert_code(0).assert_nowhere("\u{1b}");
}

#[test]
fn the_last_line_counts_what_was_done() {
    let (database, folder) = (Database::new(), tables());
    let run = |arguments: &[&str]| {
        let outcome = up(&database, &folder).args(arguments).run();
        redact(&summary_of(outcome.assert_code(0)))
    };
    let time = "[duration]";
    assert_eq!(
        run(&["up", "--target", "1"]),
        format!(
            "applied 1 migration (V1__a.sql) in {time}; 1 applied in all, newest version 1; 1 held back by --target"
        )
    );
    assert_eq!(run(&[]), format!("applied 1 migration (V2__b.sql) in {time}; 2 applied in all, newest version 2"));
    assert_eq!(run(&[]), format!("up to date: 2 applied, newest version 2; nothing to do in {time}"));
    folder.write("V3__c.sql", "create table c ()");
    folder.write("V4__d.sql", "create table d ()");
    assert_eq!(
        run(&[]),
        format!("applied 2 migrations (V3__c.sql to V4__d.sql) in {time}; 4 applied in all, newest version 4")
    );
    folder.remove("V4__d.sql");
    assert_eq!(
        run(&[]),
        format!("up to date: 3 applied, newest version 4; nothing to do in {time}; the database is ahead by 1")
    );
    let outcome = up(&database, &folder).run();
    outcome.assert_stdout("the database is ahead of this release by 1 migration (V4__d):");
}

#[test]
fn the_last_line_of_every_failure_is_a_short_summary() {
    let database = Database::new();
    database.execute("create table a (); create table locked ()");
    let mut holder = database.connect();
    holder.execute("begin; lock table locked");
    let file = |text: &str| Migrations::new().file("V1__x.sql", text);
    let cases = [
        (file("select 1/0"), 1, "SCHEMAGATE_LOG", "info"),
        (file("commit"), 65, "SCHEMAGATE_LOG", "info"),
        (file("create table a ()"), 65, "SCHEMAGATE_LOG", "info"),
        (Migrations::new(), 65, "SCHEMAGATE_LOG", "info"),
        (file("table locked"), 75, "SCHEMAGATE_LOCK_TIMEOUT", "50ms"),
        (file("select 1"), 78, "SCHEMAGATE_LOCK_WAIT", "soon"),
        (file("select 1"), 78, "DATABASE_URL", "mysql://"),
        (file("select 1"), 69, "DATABASE_URL", "postgres://user@127.0.0.1:1/db"),
        (file("select pg_sleep(60)"), 75, "SCHEMAGATE_DEADLINE", "500ms"),
    ];
    for (folder, code, name, value) in cases {
        let job = || {
            let job = up(&database, &folder).env("SCHEMAGATE_CONNECT_DEADLINE", "0");
            job.env("SCHEMAGATE_LOCK_ATTEMPTS", "1").env(name, value)
        };
        let outcome = job().run();
        let summary = summary_of(outcome.assert_code(code));
        let sentence = summary.lines().last().unwrap();
        assert!(redact(sentence).starts_with(&format!("failed after [duration] with exit code {code}: ")), "{outcome}");
        assert!(summary.contains("\nhint: ") || summary.contains("  hint: "), "{outcome}");
        let text = job().args(["up", "--format", "text"]).run();
        assert!(text.assert_code(code).last_line().starts_with("failed after "), "{text}");
    }
}

#[test]
fn a_signal_ends_with_a_summary_too() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__slow.sql", "select pg_sleep(60)"));
    let mut run = up(&database, &folder).spawn();
    run.wait_for_line("recovery point before", SOON);
    run.signal(Signal::TERM);
    let outcome = run.wait();
    let summary = summary_of(outcome.assert_code(143));
    assert!(summary.starts_with("stopped by SIGTERM"), "{outcome}");
    assert!(summary.contains("\nstate: nothing of this run was kept\n"), "{outcome}");
}

#[test]
fn ten_thousand_misnamed_files_are_all_told_and_the_last_line_is_short() {
    let folder = Migrations::new();
    for number in 0..10_000 {
        folder.write(&format!("{number}-orders.sql"), "select 1");
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let job = Job::new().env("DATABASE_URL", "postgres://user@127.0.0.1:1/db").migrations(folder.path());
    let outcome = job.env("SCHEMAGATE_TERMINATION_LOG", log.path()).run();
    let summary = summary_of(outcome.assert_code(65));
    assert!(summary.starts_with("10000 problems in the migrations folder "), "{summary}");
    assert!(summary.contains("\nhint: ") && summary.contains("\nfailed after "), "{summary}");
    let told = outcome.json_lines();
    let told = told.iter().flat_map(|line| line["message"].as_str().unwrap().lines());
    let files: HashSet<&str> =
        told.filter_map(|line| line.trim_start().split_once("-orders.sql: ")).map(|it| it.0).collect();
    assert_eq!(files.len(), 10_000);
    let told = std::fs::read_to_string(log.path()).unwrap();
    assert!(told.len() <= 4096 && told.starts_with("10000 problems") && told.contains("\nhint: "), "{told}");
}

#[test]
fn a_server_message_of_a_megabyte_does_not_push_the_advice_out() {
    let database = Database::new();
    let raise = "do $$ begin raise notice '%', repeat('ü\"', 400000);
        raise exception using message = repeat(E'x\"\\n\\x01', 300000), detail = repeat('d', 1000000); end $$";
    let folder = Migrations::new().file("V1__x.sql", raise);
    let log = tempfile::NamedTempFile::new().unwrap();
    let outcome = up(&database, &folder).env("SCHEMAGATE_TERMINATION_LOG", log.path()).run();
    let summary = summary_of(outcome.assert_code(1));
    let told = std::fs::read_to_string(log.path()).unwrap();
    assert!(told.len() <= 4096, "{}", told.len());
    for words in [&summary, &told] {
        assert!(
            words.starts_with("V1__x.sql:1: ") && words.contains("\nhint: fix the file and deploy again"),
            "{words}"
        );
    }
    let text = up(&database, &folder).args(["up", "--format", "text"]).run();
    assert!(text.last_line().starts_with("failed after "), "{text}");
}

#[test]
fn every_line_is_json_whatever_server_and_files_say() {
    let database = Database::new();
    let odd = r#"do $$ begin raise warning E'quote " backslash \\ feed \n return \r bell \a escape \x1b[2J ls \u2028 é 🦀';
        raise exception E'it\'s "%"', E'\x01\x7f{"level":"info"}'; end $$"#;
    let folder = Migrations::new().file("it's \"odd\" {}\n%s\u{1b}[2J\\/V1__a.sql", odd);
    let outcome = up(&database, &folder).env("SCHEMAGATE_LOG", "trace").run();
    let summary = summary_of(outcome.assert_code(1));
    assert!(summary.contains("it's \"\u{1}\u{7f}{\"level\":\"info\"}\""), "{outcome}");
    let warned = outcome.json_lines().iter().any(|line| {
        let message = line["message"].as_str().unwrap();
        message.contains("feed \n return \r bell") && message.contains("\u{2028} é 🦀")
    });
    assert!(warned, "{outcome}");
    let text = up(&database, &folder).args(["up", "--format", "text"]).run();
    text.assert_code(1).assert_nowhere("\u{1b}").assert_stdout("escape \\u{1b}[2J ls").assert_nowhere("\r");
}

#[test]
fn a_long_folder_name_does_not_make_the_last_line_long() {
    let database = Database::new();
    let deep = format!("{0}/{0}/{0}/{0}/{0}", "\"\u{1}".repeat(100));
    let folder = Migrations::new()
        .file(&format!("{deep}/V1__a.sql"), "create table a ()")
        .file(&format!("{deep}/V2__b.sql"), "create table b ()");
    let summary = summary_of(up(&database, &folder).run().assert_code(0));
    assert!(summary.starts_with("applied 2 migrations ("), "{summary}");
}

/// The program itself, for streams that are not read.
fn program(database: &Database, folder: &Migrations) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schemagate"));
    command.env_clear().env("DATABASE_URL", database.url()).env("SCHEMAGATE_MIGRATIONS", folder.path());
    command
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn a_run_whose_log_cannot_be_written_goes_on_to_its_end() {
    let streams: [fn() -> Stdio; 2] = [|| closed().into(), || full().into()];
    for stream in streams {
        let (database, folder) = (Database::new(), tables());
        let status = program(&database, &folder).stdout(stream()).stderr(stream()).status().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(database.tables().contains(&"public.b".to_owned()));
        folder.write("V3__bad.sql", "select 1/0");
        let status = program(&database, &folder).stdout(stream()).stderr(stream()).status().unwrap();
        assert_eq!(status.code(), Some(1));
        let wrong = program(&database, &folder).arg("up").arg("&&").stdout(stream()).stderr(stream()).status().unwrap();
        assert_eq!(wrong.code(), Some(2));
    }
}

#[test]
fn a_log_that_cannot_be_written_is_not_complained_about_elsewhere() {
    let (database, folder) = (Database::new(), tables());
    let output = program(&database, &folder).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn a_result_that_nobody_reads_is_no_failure_and_one_that_is_cut_short_is() {
    let (database, folder) = (Database::new(), tables());
    for command in ["plan", "status"] {
        let unread = program(&database, &folder).arg(command).stdout(closed()).output().unwrap();
        assert_eq!((unread.status.code(), unread.stderr.as_slice()), (Some(0), b"".as_slice()));
        let cut = program(&database, &folder).arg(command).stdout(full()).output().unwrap();
        assert_eq!(cut.status.code(), Some(75));
        assert!(String::from_utf8_lossy(&cut.stderr).contains("cannot write to standard output: No space left"));
    }
}

#[test]
fn a_wait_for_being_up_to_date_is_told_once_and_not_every_second() {
    let (database, folder) = (Database::new(), tables());
    let outcome = up(&database, &folder).args(["status", "--check", "--wait", "2500ms"]).run();
    outcome.assert_code(3);
    assert_eq!(outcome.stderr.matches("waiting until up to date").count(), 1, "{outcome}");
}
