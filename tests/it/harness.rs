//! The harness's own tests: they need a server, but nothing of the job.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemagate::postgres::tls::{LazyTls, RootCertificates, SslMode, TlsSettings};

use crate::support::connection::Connection;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Signal};
use crate::support::redact::redact;
use crate::support::server::{Server, Stop};
use crate::support::tls::{Authority, Identity};
use crate::support::{poll, test_name};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_database_is_empty_and_gone_with_its_sessions_afterwards() {
    let database = Database::new();
    let name = database.name().to_owned();
    let address = database.address().clone();
    assert!(database.tables().is_empty());
    let role = database.role("login");
    database.execute(&format!("create table a (b int); grant all on a to {role}"));
    assert_eq!(database.tables(), ["public.a"]);
    let open = database.connect();
    drop(database);
    drop(open);
    let mut session = address.connect("postgres");
    let left = session.value(&format!("select count(*) from pg_database where datname = '{name}'"));
    assert_eq!(left.as_deref(), Some("0"));
    assert_eq!(session.value(&format!("select count(*) from pg_roles where rolname = '{role}'")).as_deref(), Some("0"));
}

#[test]
fn two_tests_do_not_see_each_other() {
    let (one, other) = (Database::new(), Database::new());
    one.execute("create table only_here ()");
    assert_ne!(one.name(), other.name());
    assert!(other.tables().is_empty());
}

#[test]
fn rows_come_as_text_and_null_as_none() {
    let database = Database::new();
    let rows = database.query_strings("select 1, null; select 'x', true");
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(rows, [[text("1"), None], [text("x"), text("t")]]);
    let error = database.connect().try_query("select 1/0").unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012");
}

#[test]
fn locks_and_sessions_of_others_are_seen_until_they_are_gone() {
    let database = Database::new();
    let mut holder = database.connect();
    holder.execute("set application_name = 'holder'; select pg_advisory_lock(7)");
    assert_eq!(database.advisory_locks().len(), 1);
    assert_eq!(database.sessions().len(), 1);
    assert_eq!(database.terminate_backends("hold%"), 1);
    database.assert_no_advisory_lock();
    database.assert_no_session();
    assert!(holder.try_query("select 1").is_err());
}

#[test]
fn a_condition_is_awaited() {
    let database = Database::new();
    let mut session = database.connect();
    let writer = std::thread::spawn(move || session.execute("select pg_sleep(0.2); create table late ()"));
    database.wait_until("select to_regclass('late') is not null", SOON);
    writer.join().unwrap();
}

#[test]
fn a_server_of_its_own_stops_starts_and_leaves_nothing() {
    let mut server = Server::builder().setting("max_connections", "17").start();
    assert_eq!(server.connect("postgres").value("show max_connections").as_deref(), Some("17"));
    let database = server.database();
    database.execute("create table kept ()");
    for mode in [Stop::Smart, Stop::Fast, Stop::Immediate] {
        server.restart(mode);
        assert_eq!(database.tables(), ["public.kept"], "after {mode:?}");
    }
    assert!(server.log().contains("database system was interrupted"), "{}", server.log());
    server.stop(Stop::Fast);
    let root = server.address().root.clone();
    drop(database);
    drop(server);
    assert!(!root.exists());
}

#[test]
fn a_server_that_is_not_started_refuses() {
    let mut server = Server::builder().stopped();
    let error = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    server.start();
    server.connect("postgres").execute("select 1");
}

#[test]
fn a_standby_follows_and_is_promoted() {
    let primary = Server::builder().start();
    let database = primary.database();
    let standby = primary.standby();
    database.execute("create table a ()");
    standby.wait_until_caught_up(&primary);
    let mut session = standby.connect(database.name());
    assert_eq!(session.value("select pg_is_in_recovery(), to_regclass('a')").as_deref(), Some("t"));
    assert_eq!(session.try_query("create table b ()").unwrap_err().code().unwrap().code(), "25006");
    standby.promote();
    session.execute("create table b ()");
}

#[test]
fn a_server_speaks_tls_and_asks_for_client_certificates() {
    let authority = Authority::new("test authority");
    let server = Server::builder()
        .tls(&authority.server(&["localhost", "127.0.0.1"]))
        .client_authority(&authority)
        .hba("hostssl all app all cert")
        .hba("hostssl all all all scram-sha-256")
        .hba("hostnossl all all all reject")
        .start();
    server.connect("postgres").execute("create role app login; create role bob login password 'secret'");
    let folder = tempfile::tempdir().unwrap();
    let root = authority.save(folder.path());
    let connect = |url: String, identity: Option<&Identity>| tls_query(&url, &root, identity);
    let app = format!("postgresql://app@localhost:{}/postgres?sslmode=require", server.port());
    let bob = format!("postgresql://bob:secret@127.0.0.1:{}/postgres?sslmode=require", server.port());
    assert_eq!(connect(app.clone(), Some(&authority.client("app"))), Ok("app".to_owned()));
    assert_eq!(connect(bob.clone(), None), Ok("bob".to_owned()));
    assert!(connect(app, None).unwrap_err().contains("28000"));
    assert!(connect(bob.replace("require", "disable"), None).unwrap_err().contains("28000"));
}

#[test]
fn bad_certificates_do_not_verify() {
    let authority = Authority::new("test authority");
    let folder = tempfile::tempdir().unwrap();
    let root = authority.save(folder.path());
    for (identity, reason) in [
        (authority.expired_server(&["localhost"]), "certificate has expired"),
        (authority.server(&["elsewhere.example"]), "hostname mismatch"),
        (Authority::new("another").server(&["localhost"]), "unable to get local issuer certificate"),
    ] {
        let server = Server::builder().tls(&identity).start();
        let url = format!("postgresql://postgres@localhost:{}/postgres?sslmode=require", server.port());
        let error = tls_query(&url, &root, None).unwrap_err();
        assert!(error.to_lowercase().contains(reason), "{reason}: {error}");
    }
}

/// Who the server says we are, over TLS.
fn tls_query(url: &str, root: &Path, identity: Option<&Identity>) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let files = identity.map(|identity| identity.save(folder.path(), "client"));
    let (client_certificate, client_key) = files.unzip();
    let root = RootCertificates::File(root.to_owned());
    let settings =
        TlsSettings { mode: SslMode::VerifyFull, root, client_certificate, client_key, ..TlsSettings::default() };
    let connector = LazyTls::new(settings, "");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(url, connector).await.map_err(|error| format!("{error:?}"))?;
        let driver = tokio::spawn(connection);
        let row = client.query_one("select current_user::text", &[]).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
        Ok(row.get(0))
    })
}

#[test]
fn pg_hba_and_settings_change_while_the_server_runs() {
    let server = Server::builder().start();
    server.connect("postgres").execute("create role eve login password 'secret'");
    let url = server.address().url_as("eve:secret", "postgres");
    Connection::open(&url).unwrap();
    server.set_hba(&["host all eve all reject"]);
    server.configure(&[("work_mem", "5MB")]);
    server.reload();
    let error = Connection::open(&url).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "28000");
    assert_eq!(server.connect("postgres").value("show work_mem").as_deref(), Some("5MB"));
}

#[test]
fn a_server_ends_with_the_process_that_uses_it_even_when_killed() {
    // This very test, in a process of its own, is the one that is killed.
    if std::env::var_os("SCHEMAGATE_TEST_HOLD").is_some() {
        let server = Server::builder().start();
        println!("root={}", server.address().root.display());
        loop {
            std::thread::park();
        }
    }
    let mut holder = Job::program(std::env::current_exe().unwrap())
        .args(["--exact", &test_name(), "--nocapture"])
        .env("SCHEMAGATE_TEST_HOLD", "1");
    if let Some(bin) = std::env::var_os("SCHEMAGATE_TEST_PG_BIN") {
        holder = holder.env("SCHEMAGATE_TEST_PG_BIN", bin);
    }
    let mut holder = holder.spawn();
    let line = holder.wait_for_line("root=", SOON);
    let root = PathBuf::from(line.split_once("root=").unwrap().1);
    let process = std::fs::read_to_string(root.join("data/postmaster.pid")).unwrap();
    let process = Path::new("/proc").join(process.lines().next().unwrap());
    assert!(process.exists());
    holder.signal(Signal::KILL);
    assert_eq!(holder.wait().signal, Some(9));
    poll("the folder is gone", SOON, || (!root.exists()).then_some(()));
    // Its parent is gone, so it may stay as a zombie; it works nowhere any more.
    assert!(std::fs::read_link(process.join("cwd")).is_err());
}

#[test]
fn a_run_has_a_clean_environment_and_gives_its_outcome() {
    let outcome =
        Job::program("sh").args(["-c", "env | sort | sed 's/=.*//'; echo oops >&2; exit 3"]).env("GIVEN", "x").run();
    outcome.assert_code(3).assert_stderr("oops").assert_nowhere("CARGO");
    let ours = ["GIVEN", "HOME", "PATH"];
    assert!(ours.iter().all(|name| outcome.stdout.lines().any(|line| line == *name)), "{outcome}");
    assert!(!outcome.stdout.contains("SCHEMAGATE"), "{outcome}");
}

#[test]
fn a_run_is_read_while_it_lives_and_takes_signals() {
    let mut run = Job::program("sh")
        .args([
            "-c",
            "trap 'echo \"{\\\"got\\\": 1}\"; exit 143' TERM; echo '{\"a\": 1}'; while :; do sleep 0.05; done",
        ])
        .spawn();
    assert_eq!(run.wait_for_line("a", SOON), "{\"a\": 1}");
    assert!(!run.is_over());
    run.signal(Signal::TERM);
    run.wait_for_line("got", SOON);
    let outcome = run.wait();
    outcome.assert_code(143);
    assert_eq!(outcome.json_lines().len(), 2);
}

#[test]
fn a_run_that_is_dropped_is_killed() {
    let mut run = Job::program("sh").args(["-c", "echo up; exec sleep 600"]).spawn();
    run.wait_for_line("up", SOON);
    let process = PathBuf::from(format!("/proc/{}", run.pid()));
    assert!(process.exists());
    drop(run);
    poll("the process is gone", SOON, || (!process.exists()).then_some(()));
}

#[test]
fn a_folder_holds_what_it_is_given() {
    let folder = Migrations::new().file("V1__a.sql", "select 1;").file("sub/V2__b.sql", [0xff]);
    assert_eq!(std::fs::read(folder.path().join("sub/V2__b.sql")).unwrap(), [0xff]);
    folder.remove("V1__a.sql");
    let path = folder.path().to_owned();
    drop(folder);
    assert!(!path.exists());
}

#[test]
fn what_differs_from_run_to_run_is_redacted_and_nothing_else() {
    let text = "2026-11-22T10:00:00.123456Z applied V1 in 12.5 ms (lock_timeout 5s, attempt 1/10)\n\
        {\"pid\":4711,\"elapsed_ms\":12,\"batch\":2} held by pid 99 at 127.0.0.1:20123/sg_a_test_12_0\n\
        WAL 0/1912A40, file /tmp/migrations-x1/V1__a.sql:12:5, since 2026-11-22 10:00:00.1+00 for 1m 2.3s";
    insta::assert_snapshot!(redact(text), @r#"
    [time] applied V1 in [duration] (lock_timeout 5s, attempt 1/10)
    {"pid":[pid],"elapsed_ms":[ms],"batch":2} held by pid [pid] at 127.0.0.1:[port]/[database]
    WAL [lsn], file [tmp]/V1__a.sql:12:5, since [time] for [duration]
    "#);
}
