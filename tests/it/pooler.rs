//! The job behind PgBouncer: transaction and statement pooling are refused before anything is taken, session pooling
//! works. Takes PgBouncer, where it is installed. Never touches the server's own limits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemagate::apply::Progress;
use schemagate::error::Error;
use schemagate::migrations::MigrationSet;
use schemagate::postgres::connect::Dialer;
use schemagate::postgres::startup::SessionParameters;
use schemagate::postgres::url::Target;
use schemagate::run::{Run, UpToDate};
use schemagate::settings::Settings;
use schemagate::stop::Signals;

use crate::support::connection::Connection;
use crate::support::database::Database;
use crate::support::gate::{CANARY, Gate};
use crate::support::pgbouncer::Pgbouncer;
use crate::support::poll;
use crate::support::server::{Server, Stop};

const SOON: Duration = Duration::from_secs(20);
/// PgBouncer refuses startup options, unless it is told to let them pass by.
const IGNORE: &str = "ignore_startup_parameters = options,extra_float_digits";

#[test]
fn a_pooler_that_swaps_sessions_is_refused_before_anything_is_taken() {
    for mode in ["transaction", "statement"] {
        for more in ["", IGNORE] {
            for size in ["default_pool_size = 1", "default_pool_size = 20"] {
                let (gate, database) = (Gate::new(), Database::new());
                let settings = [&format!("pool_mode = {mode}"), more, size];
                let Some(pooler) = Pgbouncer::start(database.address(), &settings) else { return };
                let url = pooler.url(database.name());
                let words =
                    ["a transaction pooler stands between", "state: nothing was changed", "give a direct URL in"];
                let outcome = gate.expect(&url, 78, &words);
                assert!(!outcome.stdout.contains("lock taken"), "{settings:?}\n{outcome}");
                assert!(database.tables().is_empty(), "{settings:?}\n{outcome}");
                database.assert_no_advisory_lock();
                let job = gate.job(&url).env("DATABASE_UNPOOLED_URL", format!("postgresql://u:{CANARY}@direct/d"));
                let advised = gate.finish(job.spawn());
                advised.assert_code(78).assert_stdout("SCHEMAGATE_DATABASE_URL=${DATABASE_UNPOOLED_URL}");
                // What the advice says, done: the direct URL wins over the pooler's.
                let job = gate.job(&url).env("SCHEMAGATE_DATABASE_URL", database.url());
                gate.finish(job.spawn()).assert_code(0).assert_stdout("applied 1 migration");
                // Nothing pending: there is nothing that the pooler could spoil.
                gate.expect(&url, 0, &["up to date"]);
            }
        }
    }
}

#[test]
fn a_session_pooler_works() {
    for (more, size) in [("", 20), (IGNORE, 20), ("", 1), (IGNORE, 1)] {
        let (gate, database) = (Gate::new(), Database::new());
        let settings = ["pool_mode = session", more, &format!("default_pool_size = {size}")];
        let Some(pooler) = Pgbouncer::start(database.address(), &settings) else { return };
        let url = format!("{}?options=-c%20work_mem%3D5MB", pooler.url(database.name()));
        let show = crate::support::folder::Migrations::new().file(
            "V1__show.sql",
            "create table shown as select name, setting from pg_settings where name in ('lock_timeout', 'work_mem');",
        );
        let outcome = gate.finish(gate.job(&url).migrations(show.path()).spawn());
        outcome.assert_code(0).assert_stdout("a session pooler stands in between");
        assert!(outcome.elapsed < Duration::from_secs(10), "{settings:?}\n{outcome}");
        let shown = database.connect().column("select name || '=' || setting from shown order by name");
        assert_eq!(shown, ["lock_timeout=5000", "work_mem=5120"], "{settings:?}");
        database.assert_no_advisory_lock();
    }
}

#[test]
fn what_pgbouncer_says_is_understood() {
    let gate = Gate::new();
    let server = Server::builder().hba("host all all all scram-sha-256").start();
    server.connect("postgres").execute(&format!("alter role postgres password '{CANARY}'"));
    let Some(pooler) = Pgbouncer::start_as(server.address(), "scram-sha-256", &["pool_mode = session"]) else { return };
    let url = pooler.url("postgres");
    gate.expect(url.replace(CANARY, "wrong"), 77, &["cannot connect to 127.0.0.1:"]);
    gate.expect(url.replace("postgres:", "nosuch:"), 77, &["cannot connect to 127.0.0.1:"]);
    gate.expect(pooler.url("nosuch"), 78, &["create the database, or mend its name in the URL"]);
    gate.expect(&url, 0, &["applied 1 migration"]);
}

#[test]
fn a_server_behind_pgbouncer_that_is_down_is_waited_for() {
    let gate = Gate::new();
    let mut server = Server::builder().start();
    let settings = ["pool_mode = session", "server_connect_timeout = 1", "query_wait_timeout = 2"];
    let Some(pooler) = Pgbouncer::start(server.address(), &settings) else { return };
    server.stop(Stop::Fast);
    let mut run = gate.job(pooler.url("postgres")).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("waiting for the database", SOON);
    server.start();
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
}

#[test]
fn a_standby_behind_pgbouncer_is_waited_for_without_a_circle() {
    let gate = Gate::new();
    let primary = Server::builder().start();
    let standby = primary.standby();
    let Some(pooler) = Pgbouncer::start(standby.address(), &["pool_mode = session"]) else { return };
    let outcome = gate.expect(pooler.url("postgres"), 69, &["the server is in recovery (a standby)"]);
    assert!(outcome.stdout.lines().count() < 15, "{outcome}");
    assert!(outcome.elapsed < Duration::from_secs(10), "{outcome}");
    let mut run = gate.job(pooler.url("postgres")).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("waiting for the database", SOON);
    standby.promote();
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
}

#[test]
fn a_full_pooler_is_waited_for() {
    let gate = Gate::new();
    let database = Database::new();
    let settings = ["pool_mode = session", "max_client_conn = 1"];
    let Some(pooler) = Pgbouncer::start(database.address(), &settings) else { return };
    let url = pooler.url(database.name());
    // The harness itself has just knocked at the pooler's door.
    let taken = poll("the pooler lets one in", SOON, || Connection::open(&url).ok());
    let mut run = gate.job(&url).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("waiting for the database", SOON);
    drop(taken);
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
}

#[test]
fn a_pool_without_a_free_session_is_given_up_at_the_deadline() {
    for (timeout, words) in
        [("query_wait_timeout = 1", "lost (query_wait_timeout"), ("query_wait_timeout = 0", "no answer")]
    {
        let gate = Gate::new();
        let database = Database::new();
        let settings = ["pool_mode = session", "default_pool_size = 1", timeout];
        let Some(pooler) = Pgbouncer::start(database.address(), &settings) else { return };
        let url = pooler.url(database.name());
        let mut taken = Connection::open(&url).unwrap();
        taken.execute("select 1");
        let outcome = gate.expect(&url, 69, &[words]);
        assert!(outcome.elapsed < SOON, "{outcome}");
        drop(taken);
        gate.expect(&url, 0, &["applied 1 migration"]);
    }
}

#[test]
fn a_session_pooler_that_resets_nothing_keeps_neither_lock_nor_settings() {
    let gate = Gate::new();
    let database = Database::new();
    let settings = ["pool_mode = session", "server_reset_query ="];
    let Some(pooler) = Pgbouncer::start(database.address(), &settings) else { return };
    gate.expect(pooler.url(database.name()), 0, &["applied 1 migration"]);
    database.assert_no_advisory_lock();
    let mut next = Connection::open(&pooler.url(database.name())).unwrap();
    assert_eq!(next.column("show default_transaction_isolation"), ["read committed"]);
    assert_eq!(next.column("show lock_timeout"), ["0"]);
}

#[test]
fn a_commit_that_a_pooler_cuts_off_is_read_from_the_history() {
    let gate = Gate::new();
    let server = Server::builder().setting("max_prepared_transactions", "2").start();
    // Its COMMIT waits for a standby that there is not.
    server.configure(&[("synchronous_standby_names", "nobody")]);
    server.reload();
    let settings = ["pool_mode = session", "query_timeout = 2"];
    let Some(pooler) = Pgbouncer::start(server.address(), &settings) else { return };
    let job = gate.job(pooler.url("postgres")).env("SCHEMAGATE_LOG_FORMAT", "text");
    let mut run = job.spawn();
    run.wait_for_line("query timeout", SOON);
    server.configure(&[("synchronous_standby_names", "")]);
    server.reload();
    let outcome = gate.finish(run);
    outcome.assert_code(0).assert_stdout("is in the history: it was committed").assert_stdout("applied 1 migration");
}

/// The probe rests on the nonce of the startup options. A role that has this run's nonce as a setting of its own makes the
/// pooler look like a direct connection, so that the fence alone stands between the lock and another run's session.
#[test]
fn the_fence_keeps_a_swapped_session_from_changing_anything() {
    const NONCE: &str = "a nonce that every session has";
    let database = Database::new();
    let settings = ["pool_mode = transaction", IGNORE, "default_pool_size = 4"];
    let Some(pooler) = Pgbouncer::start(database.address(), &settings) else { return };
    let url = pooler.url(database.name());
    database.execute(&format!("alter database {} set schemagate.session = '{NONCE}'", database.name()));
    let stop = Arc::new(AtomicBool::new(false));
    let traffic: Vec<_> = (0..3)
        .map(|_| {
            let (url, stop) = (url.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut application = Connection::open(&url).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    application.execute("begin; select pg_sleep(0.001); commit");
                }
            })
        })
        .collect();
    let (mut refused, mut applied) = (0, 0);
    for round in 0..100 {
        let table = format!("history_{round}");
        let folder = crate::support::folder::Migrations::new().file("V1__x.sql", format!("create table x_{round} ();"));
        match run_without_probe(&url, &table, folder.path(), NONCE) {
            Ok(_) => applied += 1,
            Err(error) => {
                assert_eq!(error.exit_code().number(), 78, "{error}");
                assert!(error.to_string().contains("does not hold the advisory lock"), "{error}");
                refused += 1;
            }
        }
        assert_eq!(
            database.value(&format!("select to_regclass('x_{round}') is null")).as_deref(),
            database.value(&format!("select to_regclass('public.{table}') is null")).as_deref(),
            "table and history stand or fall together"
        );
        if refused >= 3 && applied >= 3 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for thread in traffic {
        thread.join().unwrap();
    }
    assert!(refused > 0, "no session was swapped, so that the fence was not asked ({applied} applied)");
}

/// A run in this process, whose sessions carry a nonce that is known.
fn run_without_probe(url: &str, table: &str, folder: &Path, nonce: &str) -> Result<UpToDate, Error> {
    let signals = Signals::listen(|_| {}).unwrap();
    let environment =
        [("SCHEMAGATE_HISTORY_TABLE", format!("public.{table}")), ("SCHEMAGATE_DEADLINE", "20s".to_owned())];
    let settings = Settings::read(environment.map(|(name, value)| (name.into(), value.into()))).unwrap();
    let set = MigrationSet::load(Some(folder)).unwrap();
    let target = Target::parse(url, &|_| None).unwrap();
    let parameters = SessionParameters::new(None, None, target.options.clone(), nonce.to_owned());
    let dialer = Arc::new(Dialer::new(target, parameters));
    let mut run = Run { settings: &settings, set: &set, dialer, stop: signals.stop() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let up = async { run.up(None, &mut Progress::default()).await };
    runtime.block_on(tokio::task::LocalSet::new().run_until(up))
}
