//! Arguments as users, orchestrators and pre-deploy commands hand them over.

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

/// The job with these arguments and no database: whatever they are taken for, nothing is connected to.
fn given<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    Job::new().args(arguments).run()
}

#[track_caller]
fn wrong(arguments: &[&str]) -> String {
    let outcome = given(arguments.iter().copied());
    outcome.assert_code(2);
    assert_eq!(outcome.stdout, "", "{outcome}");
    outcome.stderr
}

#[test]
fn help_shows_commands_settings_and_exit_codes() {
    let help = given(["--help"]);
    help.assert_code(0);
    assert_eq!(help.stderr, "");
    insta::assert_snapshot!(help.stdout);
    for same in [&["-h"][..], &["help"]] {
        assert_eq!(given(same.iter().copied()).assert_code(0).stdout, help.stdout);
    }
}

#[test]
fn help_of_a_command_shows_its_arguments() {
    for arguments in [["up", "--help"], ["help", "up"]] {
        given(arguments).assert_code(0).assert_stdout("--target <VERSION>");
    }
    given(["status", "--help"]).assert_code(0).assert_stdout("--wait <DURATION>");
}

#[test]
fn version_is_one_line() {
    for argument in ["--version", "-V"] {
        let outcome = given([argument]);
        assert_eq!(outcome.assert_code(0).stdout, concat!("schemagate ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn stray_arguments_are_refused() {
    for arguments in
        [&["up", "seed"][..], &["seed"], &["plan", "now"], &["status", "1"], &["new", "a", "b"], &["--", "up", "x"]]
    {
        wrong(arguments);
    }
}

#[test]
fn shell_syntax_gets_the_hint_that_no_shell_is_involved() {
    for (arguments, word) in [
        (&["&&", "node", "server.js"][..], "&&"),
        (&["up", "&&", "node", "server.js"], "&&"),
        (&["up", ";", "echo", "done"], ";"),
        (&["up;", "echo"], ";"),
        (&["up && node server.js"], "&&"),
        (&["status", "|", "head"], "|"),
        (&["plan", ">", "plan.txt"], ">"),
        (&["up", "2>&1"], "2>&1"),
        (&["up", "||", "true"], "||"),
    ] {
        let told = wrong(arguments);
        assert!(told.contains(&format!("hint: `{word}` is shell syntax, but no shell is involved")), "{told}");
    }
    assert!(!wrong(&["up", "seed"]).contains("shell"));
}

#[test]
fn an_unknown_command_is_answered_with_the_nearest_or_with_all() {
    assert!(wrong(&["staus"]).contains("a similar subcommand exists: 'status'"));
    assert!(wrong(&["migrate"]).contains(
        "hint: the commands are up, plan, rehearse, status, adopt, qualify, lint, new, evidence; without one it is up"
    ));
    assert!(wrong(&["--migration", "x"]).contains("a similar argument exists: '--migrations'"));
}

#[test]
fn a_wrong_value_is_answered_with_the_right_ones() {
    let told = wrong(&["--format", "jsn"]);
    assert!(told.contains("[possible values: text, json, github, html]") && told.contains("'json'"), "{told}");
    for target in ["V12", "-1", "12__orders", "99999999999999999999"] {
        assert!(wrong(&["up", "--target", target]).contains("such as 12 for V12__orders.sql"), "{target}");
    }
    assert!(wrong(&["status", "--check", "--wait", "5"]).contains("write a duration like 500ms, 30s or 5m"));
    assert!(wrong(&["status", "--wait", "5s"]).contains("--check"));
    assert!(wrong(&["--migrations", ""]).contains("--migrations"));
    assert!(wrong(&["--migrations", "a", "--migrations", "b"]).contains("multiple times"));
}

#[test]
fn a_database_url_among_the_arguments_is_not_shown() {
    for arguments in [
        &["postgres://user:canary@host/db"][..],
        &["up", "postgres://user:canary@host/db"],
        &["--migrations", "postgres://user:canary@host/db"],
        &["--migrations=postgres://user:canary@host/db?sslmode=require"],
        &["up", "host=h password=canary"],
        &["user:canary@host/db"],
    ] {
        let told = wrong(arguments);
        assert!(!told.contains("canary"), "{told}");
        assert!(told.contains("hint: the database goes into DATABASE_URL"), "{told}");
    }
}

#[test]
fn an_escape_sequence_among_the_arguments_does_not_reach_the_terminal() {
    let told = wrong(&["\u{1b}[2Jup"]);
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn wrong_arguments_go_to_the_termination_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("termination-log");
    std::fs::write(&log, "old").unwrap();
    let outcome = Job::new().args(["up", "&&", "seed"]).env("SCHEMAGATE_TERMINATION_LOG", &log).run();
    outcome.assert_code(2);
    let told = std::fs::read_to_string(log).unwrap();
    assert_eq!(told, outcome.stderr.trim_end());
    assert!(told.contains("unexpected argument '&&'") && told.contains("no shell"), "{told}");
}

#[test]
fn migrations_and_format_may_stand_on_either_side_of_the_command() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__only_here.sql", "create table a ()");
    let path = folder.path().to_str().unwrap();
    for arguments in [
        ["--migrations", path, "--format", "json", "plan"],
        ["plan", "--migrations", path, "--format", "json"],
        ["--format", "json", "plan", "--migrations", path],
    ] {
        let outcome = Job::on(&database).args(arguments).run();
        assert_eq!(outcome.assert_code(0).json()["batches"][0]["migrations"][0]["file"], "V1__only_here.sql");
    }
}

#[test]
fn migrations_as_an_argument_wins_over_the_variable() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__only_here.sql", "create table a ()");
    let job = Job::on(&database).env("SCHEMAGATE_MIGRATIONS", "/nowhere").arg("--migrations").arg(folder.path());
    job.arg("up").run().assert_code(0).assert_stdout("V1__only_here.sql");
}

#[test]
fn without_a_command_it_is_up() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a ()");
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    assert!(database.tables().contains(&"public.a".to_owned()));
}
