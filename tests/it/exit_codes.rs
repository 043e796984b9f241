//! Every exit code that a run can have, produced by the built program.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome, Running, Signal};
use crate::support::server::Server;
use crate::support::{poll, skipped};

const SOON: Duration = Duration::from_secs(20);

fn file(text: &str) -> Migrations {
    Migrations::new().file("V1__x.sql", text)
}

fn up(database: &Database, folder: &Migrations) -> Job {
    let job = Job::on(database).migrations(folder.path());
    job.env("SCHEMAGATE_LOCK_WAIT", "0").env("SCHEMAGATE_LOCK_TIMEOUT", "50ms").env("SCHEMAGATE_LOCK_ATTEMPTS", "1")
}

/// Applies `text` and asserts code and words.
#[track_caller]
fn applying(text: &str, code: i32, words: &str) {
    let database = Database::new();
    up(&database, &file(text)).run().assert_code(code).assert_stdout(words);
    database.assert_no_session();
}

#[track_caller]
fn connecting_to(url: &str, code: i32, words: &str) {
    let folder = file("select 1");
    let job = Job::new().env("DATABASE_URL", url).migrations(folder.path()).env("SCHEMAGATE_CONNECT_DEADLINE", "0");
    job.run().assert_code(code).assert_stdout(words);
}

#[test]
fn success_is_0() {
    let (database, folder) = (Database::new(), file("create table a ()"));
    for arguments in [&["plan"][..], &["status"], &["up"], &["up"], &["status", "--check"], &["--version"]] {
        up(&database, &folder).args(arguments).run().assert_code(0);
    }
}

#[test]
fn a_migration_that_fails_is_1() {
    for (text, words) in [
        ("select 1/0", "22012"),
        ("selec 1", "42601"),
        ("do $$ begin raise exception 'no' using errcode = 'XX000'; end $$", "XX000"),
        ("do $$ begin raise insufficient_privilege; end $$", "42501"),
        ("do $$ begin raise query_canceled; end $$", "57014"),
        (
            "create table a (b int unique deferrable initially deferred); insert into a values (1), (1)",
            "deferred constraints: ",
        ),
    ] {
        applying(text, 1, words);
    }
}

#[test]
fn wrong_arguments_are_2() {
    for arguments in [&["up", "now"][..], &["--format", "xml"], &["new"], &["up", "--target", "x"]] {
        Job::new().args(arguments).run().assert_code(2);
    }
    let (database, folder) = (Database::new(), file("select 1"));
    up(&database, &folder).args(["up", "--target", "7"]).run().assert_code(2).assert_stdout("7");
}

#[test]
fn not_up_to_date_is_3() {
    let (database, folder) = (Database::new(), file("create table a ()"));
    let check = || up(&database, &folder).args(["status", "--check"]).run();
    check().assert_code(3).assert_stderr("1 pending");
    up(&database, &folder).run().assert_code(0);
    check().assert_code(0);
    folder.write("V1__x.sql", "create table b ()");
    check().assert_code(3).assert_stderr("1 divergent");
    folder.remove("V1__x.sql");
    folder.write("V2__y.sql", "select 1");
    check().assert_code(3).assert_stderr("1 missing");
}

#[test]
fn what_is_refused_before_running_is_65() {
    applying("commit", 65, "COMMIT");
    applying("copy a from stdin", 65, "COPY");
    applying("create index concurrently i on a (b)", 65, "no-transaction");
    applying(" \n", 65, "the file is empty");
    let (database, folder) = (Database::new(), file("create table a ()"));
    let refused = |words: &str| up(&database, &folder).run().assert_code(65).assert_stdout(words).code;
    folder.write("V01__y.sql", "select 1");
    refused("version 1 is already that of");
    folder.remove("V01__y.sql");
    folder.write("V2-y.sql", "select 1");
    refused("1 problem in the migrations folder");
    folder.remove("V2-y.sql");
    up(&database, &folder).run().assert_code(0);
    folder.write("V1__x.sql", "create table b ()");
    refused("changed after it was applied");
    folder.remove("V1__x.sql");
    refused("no migrations in it");
    folder.write("V5__z.sql", "select 1");
    refused("V1__x");
}

#[test]
fn a_database_that_cannot_be_reached_is_69() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    connecting_to(&format!("postgres://u@127.0.0.1:{closed}/d"), 69, "Connection refused");
    connecting_to("postgres://u@host.invalid/d", 69, "host.invalid");
    connecting_to("postgres://u@%2Fnowhere/d", 69, "/nowhere");
}

#[test]
fn what_may_pass_by_itself_is_75() {
    let (database, folder) = (Database::new(), file("create table a (); select pg_sleep(60)"));
    let mut holder = up(&database, &folder).spawn();
    holder.wait_for_line("recovery point before", SOON);
    up(&database, &folder).run().assert_code(75).assert_stdout("another run holds the lock");
    drop(holder);
    for (class, words) in [
        ("lock_not_available", "55P03"),
        ("deadlock_detected", "40P01"),
        ("serialization_failure", "40001"),
        ("disk_full", "53100"),
        ("io_error", "58030"),
    ] {
        applying(&format!("do $$ begin raise {class}; end $$"), 75, words);
    }
    let database = Database::new();
    up(&database, &folder).env("SCHEMAGATE_DEADLINE", "500ms").run().assert_code(75).assert_stdout("DEADLINE");
}

#[test]
fn what_is_not_permitted_is_77() {
    let (database, folder) = (Database::new(), file("create table a ()"));
    let role = database.role("login");
    let job = || up(&database, &folder).env("DATABASE_URL", database.url_as(&role));
    job().run().assert_code(77).assert_stdout("42501").assert_stdout("GRANT CREATE");
    database.execute(&format!("alter role {role} set default_transaction_read_only = on"));
    job().run().assert_code(77).assert_stdout("read-only");
}

#[test]
fn wrong_passwords_are_77_and_unknown_databases_78() {
    let server = Server::builder().hba("host all open all trust").hba("host all all all scram-sha-256").start();
    server.connect("postgres").execute("create role app login password 'right'; create role open login");
    let url = |user: &str, database: &str| server.address().url_as(user, database);
    connecting_to(&url("app:wrong", "postgres"), 77, "28P01");
    connecting_to(&url("app", "postgres"), 77, "the server wants a password and none is given");
    connecting_to(&url("open", "nowhere"), 78, "3D000");
    connecting_to(&(url("open", "postgres") + "?sslmode=require"), 78, "the server does not support TLS");
}

#[test]
fn settings_and_urls_that_cannot_be_used_are_78() {
    Job::new().run().assert_code(78).assert_stdout("DATABASE_URL is not set");
    Job::new().env("SCHEMAGATE_LOCK_WAIT", "soon").run().assert_code(78);
    connecting_to("mysql://u@h/d", 78, "mysql");
    connecting_to("postgres://u@h/d?sslmode=maybe", 78, "sslmode");
    connecting_to("postgres://u@h/d?gssencmode=require", 78, "gssencmode");
}

#[test]
fn sigint_is_130_and_sigterm_143_and_the_statement_is_gone() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (database, folder) = (Database::new(), file("create table a (); select pg_sleep(60)"));
        let mut run = up(&database, &folder).spawn();
        run.wait_for_line("recovery point before", SOON);
        database.wait_until(
            "select exists (select from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()
                and datname = current_database() and state = 'active')",
            SOON,
        );
        run.signal(signal);
        run.wait().assert_code(code).assert_stdout("nothing of this run was kept");
        database.assert_no_session();
        assert_eq!(database.tables(), [TRAIL]);
    }
}

#[test]
fn a_signal_before_a_connection_ends_at_once() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut run = Job::new().env("DATABASE_URL", format!("postgres://u@127.0.0.1:{closed}/d")).spawn();
        run.wait_for_line("waiting for the database", SOON);
        run.signal(signal);
        run.wait().assert_code(code).assert_stdout("nothing was changed");
    }
}

/// The job as the first process of a container: it has no default reaction to signals, and nobody above it.
fn as_pid_1(database: &Database, folder: &Migrations) -> Option<Job> {
    let arguments = ["--pid", "--fork", "--mount-proc"];
    let allowed = Command::new("unshare").args(arguments).arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skipped("process namespaces are not to be had here");
        return None;
    }
    let job = Job::program("unshare").args(arguments).arg(env!("CARGO_BIN_EXE_schemagate"));
    Some(job.env("DATABASE_URL", database.url()).migrations(folder.path()))
}

/// The job's process, as seen from outside.
fn child_of(run: &Running) -> i32 {
    let list = format!("/proc/{0}/task/{0}/children", run.pid());
    poll("the job is forked", SOON, || std::fs::read_to_string(&list).ok()?.split_whitespace().next()?.parse().ok())
}

#[track_caller]
fn signalled_as_pid_1(signal: Signal) -> Option<Outcome> {
    let (database, folder) = (Database::new(), file("create table a (); select pg_sleep(60)"));
    let mut run = as_pid_1(&database, &folder)?.spawn();
    run.wait_for_line("recovery point before", SOON);
    let job = child_of(&run);
    let inside = std::fs::read_to_string(format!("/proc/{job}/status")).unwrap();
    let pids = inside.lines().find(|line| line.starts_with("NSpid:")).unwrap();
    assert_eq!(pids.split_whitespace().last(), Some("1"), "{pids}");
    rustix::process::kill_process(rustix::process::Pid::from_raw(job).unwrap(), signal).unwrap();
    let outcome = run.wait();
    assert!(!std::path::Path::new(&format!("/proc/{job}")).exists());
    database.assert_no_session();
    assert_eq!(database.tables(), [TRAIL]);
    Some(outcome)
}

#[test]
fn as_pid_1_sigterm_rolls_back_and_exits_143() {
    if let Some(outcome) = signalled_as_pid_1(Signal::TERM) {
        outcome.assert_code(143).assert_stdout("stopped by SIGTERM");
    }
}

#[test]
fn as_pid_1_sigint_rolls_back_and_exits_130() {
    if let Some(outcome) = signalled_as_pid_1(Signal::INT) {
        outcome.assert_code(130).assert_stdout("stopped by SIGINT");
    }
}

#[test]
fn as_pid_1_the_exit_code_is_the_same() {
    let (database, folder) = (Database::new(), file("create table a ()"));
    let Some(job) = as_pid_1(&database, &folder) else { return };
    job.run().assert_code(0);
    folder.write("V2__bad.sql", "select 1/0");
    as_pid_1(&database, &folder).unwrap().run().assert_code(1);
}
