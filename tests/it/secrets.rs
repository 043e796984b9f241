//! A password is nowhere to be read: not in the output, not in the termination log, not on the server.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome, Signal};
use crate::support::server::Server;
use crate::support::tls::{Authority, write_private};

const SOON: Duration = Duration::from_secs(20);
/// Stands for every password; URL-safe, so that no encoding hides it.
const CANARY: &str = "c4n4ry";

/// Runs the job with the most talkative log and looks for the password everywhere it writes to.
#[track_caller]
fn quiet(job: Job) -> Outcome {
    let log = tempfile::NamedTempFile::new().unwrap();
    let job = job
        .env("SCHEMAGATE_LOG", "trace")
        .env("SCHEMAGATE_TERMINATION_LOG", log.path())
        .env("SCHEMAGATE_CONNECT_DEADLINE", "0");
    let outcome = job.run();
    assert_nowhere(&outcome);
    let told = std::fs::read_to_string(log.path()).unwrap();
    assert!(!told.contains(CANARY), "{told}");
    assert_eq!(told.is_empty(), outcome.code == Some(0), "{outcome}\n{told}");
    outcome
}

#[track_caller]
fn assert_nowhere(outcome: &Outcome) {
    let text = format!("{}{}", outcome.stdout, outcome.stderr).to_lowercase();
    for form in [CANARY, "c4n4", "n4ry"] {
        assert!(!text.contains(form), "the output holds {form}\n{outcome}");
    }
}

fn file(text: &str) -> Migrations {
    Migrations::new().file("V1__x.sql", text)
}

#[test]
fn a_url_that_cannot_be_used_does_not_show_its_password() {
    for url in [
        "postgres://u:c4n4ry@h@x/d",
        "postgres://u:c4n4/ry@h/d",
        "postgres://u:c4n4?ry@h/d",
        "postgres://u:c4n4#ry@h/d",
        "postgres://u:c4n4:ry@h:x/d",
        "postgres://u:c4n4%ry@h/d",
        "postgres://u:c4n4%zzry@h/d",
        "postgres://u:c4n4 ry@h:99999/d",
        "postgres://u:c4n4[ry@h/d",
        "postgres://u:c4n4ry@[::1/d",
        "postgres://u:c4n4ry@h/d?sslmode=maybe",
        "postgres://u:c4n4ry@h/d?c4n4ry",
        "postgres://u@h/d?password=c4n4ry&sslmode=x",
        "postgres://u@h/d?passwrod=c4n4ry",
        "postgres://u@h/d?port=c4n4ry",
        "postgres:/u:c4n4ry@h/d",
        "postgres:u:c4n4ry@h/d",
        "u:c4n4ry@h/d",
        "c4n4ry",
        "mysql://u:c4n4ry@h/d",
        "c4n4ry://u@h/d",
        "jdbc:postgresql://h/d?user=u&password=c4n4ry",
        "postgresql+psycopg2://u:c4n4ry@h/d",
        "\"postgres://u:c4n4ry@h/d\"",
        "'postgres://u:c4n4ry@h/d'",
        "DATABASE_URL=postgres://u:c4n4ry@h/d",
        "host=h user=u password=c4n4ry sslmode=maybe",
        "host=h user=u password='c4n4ry",
        "host=h user=u password c4n4ry",
        "host=h user=u passwrod=c4n4ry",
        "host=h password=abc c4n4ry=x",
        "host=h password=abc c4n4ry",
        "host = h password = c4n4 ry",
    ] {
        for command in ["up", "status"] {
            let outcome = quiet(Job::new().env("DATABASE_URL", url).arg(command));
            assert!([Some(78), Some(69)].contains(&outcome.code), "{url}\n{outcome}");
        }
        let secret = Migrations::new().file("url", url);
        quiet(Job::new().env("DATABASE_URL_FILE", secret.path().join("url")));
        quiet(Job::new().env("SCHEMAGATE_DATABASE_URL_FILE", url)).assert_code(78);
    }
}

#[test]
fn settings_that_cannot_be_used_do_not_show_a_password_in_the_wrong_place() {
    let url = "postgres://u:c4n4ry@h.x.y/d";
    for name in [
        "SCHEMAGATE_MIGRATIONS",
        "SCHEMAGATE_HISTORY_TABLE",
        "SCHEMAGATE_ATOMICITY",
        "SCHEMAGATE_DEADLINE",
        "SCHEMAGATE_LOCK_WAIT",
        "SCHEMAGATE_LOCK_TIMEOUT",
        "SCHEMAGATE_LOCK_ATTEMPTS",
        "SCHEMAGATE_WHEN_AHEAD",
        "SCHEMAGATE_LOG_FORMAT",
        "SCHEMAGATE_PASSWORD",
    ] {
        quiet(Job::new().env("DATABASE_URL", "postgres://u:c4n4ry@127.0.0.1:1/d").env(name, url));
    }
    let log = Job::new().env("SCHEMAGATE_LOG", url).run();
    assert_nowhere(log.assert_code(78));
    quiet(Job::new().args(["--migrations", url])).assert_code(2);
    quiet(Job::new().arg(url)).assert_code(2);
}

#[test]
fn a_server_that_is_not_there_does_not_bring_the_password_out() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for host in [format!("127.0.0.1:{closed}"), "host.invalid".to_owned(), "%2Fnowhere".to_owned()] {
        quiet(Job::new().env("DATABASE_URL", format!("postgres://u:{CANARY}@{host}/d"))).assert_code(69);
        let job = Job::new().env("DATABASE_URL", format!("postgres://u@{host}/d")).env("PGPASSWORD", CANARY);
        quiet(job).assert_code(69);
    }
}

/// The four ways to give a password, each on a job that has no other.
fn with_password(url: &dyn Fn(&str) -> String, user: &str) -> Vec<Job> {
    let plain = || Job::new().env("DATABASE_URL", url(user));
    let named = plain();
    write_private(&named.home().join("passfile"), &format!("*:*:*:*:{CANARY}\n"));
    let passfile = named.home().join("passfile");
    let secret = Job::new();
    std::fs::write(secret.home().join("url"), url(&format!("{user}:{CANARY}"))).unwrap();
    let secret_file = secret.home().join("url");
    vec![
        Job::new().env("DATABASE_URL", url(&format!("{user}:{CANARY}"))),
        plain().env("PGPASSWORD", CANARY),
        named.env("PGPASSFILE", passfile),
        secret.env("DATABASE_URL_FILE", secret_file),
    ]
}

#[test]
fn a_server_that_refuses_or_fails_does_not_bring_the_password_out() {
    let authority = Authority::new("test authority");
    let server = Server::builder()
        .tls(&authority.server(&["elsewhere.example"]))
        .setting("log_connections", "on")
        .setting("log_statement", "all")
        .setting("log_min_messages", "debug1")
        .hba("host all clear all password")
        .hba("host all hashed all md5")
        .hba("host all all all scram-sha-256")
        .start();
    let mut session = server.connect("postgres");
    for user in ["right", "clear", "hashed"] {
        session.execute("set log_statement = 'none'; set log_min_messages = 'panic'");
        session.execute(&format!("create role {user} superuser login password '{CANARY}'"));
    }
    session.execute("create role wrong login password 'another'");
    let folder = file("select 1/0");
    let slow = file("select pg_sleep(60)");
    for user in ["right", "clear", "hashed", "wrong", "unknown"] {
        let url = |user: &str| server.address().url_as(user, "postgres");
        let known = !["wrong", "unknown"].contains(&user);
        for job in with_password(&url, user) {
            quiet(job.migrations(folder.path())).assert_code(if known { 1 } else { 77 });
        }
    }
    for (suffix, code) in [
        ("nowhere", 78),
        ("postgres?sslmode=verify-full&sslrootcert=system", 78),
        ("postgres?options=-c%20nonsense.x%3D1%20--bad", 78),
        ("postgres?target_session_attrs=standby", 69),
    ] {
        let url = |user: &str| server.address().url_as(user, suffix);
        for job in with_password(&url, "right").into_iter().take(2) {
            quiet(job.migrations(folder.path())).assert_code(code);
        }
    }
    let url = |user: &str| server.address().url_as(user, "postgres");
    for job in with_password(&url, "right") {
        let mut run = job.migrations(slow.path()).env("SCHEMAGATE_LOG", "trace").spawn();
        run.wait_for_line("recovery point before", SOON);
        let seen = session.query_strings("select datname, application_name, query, backend_type from pg_stat_activity");
        assert!(!format!("{seen:?}").contains(CANARY), "{seen:?}");
        let other = Job::new().env("DATABASE_URL", url(&format!("right:{CANARY}"))).migrations(slow.path());
        quiet(other.env("SCHEMAGATE_LOCK_WAIT", "0")).assert_code(75);
        run.signal(Signal::TERM);
        assert_nowhere(run.wait().assert_code(143));
    }
    let log = server.log();
    assert!(log.contains("pg_sleep(60)"), "the server's log holds the statements");
    assert!(!log.contains(CANARY), "the server's log holds the password");
}

#[test]
fn files_and_plans_that_are_refused_do_not_bring_the_password_out() {
    let database = crate::support::database::Database::new();
    let url = database.url_as(&format!("postgres:{CANARY}"));
    let job = |folder: &Migrations| Job::new().env("DATABASE_URL", &url).migrations(folder.path());
    quiet(job(&Migrations::new())).assert_code(65);
    quiet(job(&file("commit"))).assert_code(65);
    quiet(job(&Migrations::new().file("bad.sql", "x"))).assert_code(65);
    quiet(job(&file("create table a ()"))).assert_code(0);
    quiet(job(&file("create table b ()"))).assert_code(65);
    quiet(job(&file("create table b ()")).args(["status", "--check"])).assert_code(3);
    quiet(job(&file("create table a ()")).args(["up", "--target", "9"])).assert_code(2);
    quiet(job(&file("create table a ()")).env("SCHEMAGATE_HISTORY_TABLE", "pg_catalog.pg_class")).assert_code(78);
}
