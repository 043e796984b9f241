//! SIGTERM, SIGINT and the deadline: the running statement is cancelled on the server and rolled back.

use std::time::{Duration, Instant};

use crate::support::connection::Connection;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome, Running, Signal};
use crate::support::poll;
use crate::support::proxy::Proxy;
use crate::support::server::Server;

const SOON: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(5);

/// Sends the signal and waits for the end, within the limit.
#[track_caller]
fn stop(run: Running, signal: Signal, code: i32) -> Outcome {
    let sent = Instant::now();
    run.signal(signal);
    let outcome = run.wait();
    assert!(sent.elapsed() < LIMIT, "{:?}\n{outcome}", sent.elapsed());
    outcome.assert_code(code);
    outcome
}

fn wait_for_statement(database: &Database, text: &str) {
    database.wait_until(
        &format!(
            "select exists (select from pg_stat_activity where application_name = 'schemagate' and state = 'active'
             and datname = current_database() and query like '%{text}%')"
        ),
        SOON,
    );
}

#[track_caller]
fn assert_nothing_left(database: &Database) {
    // The statement is cancelled, not left to run: its backend is gone at once, though it would run for a minute.
    database.assert_no_session();
    database.assert_no_advisory_lock();
    assert!(!database.tables().contains(&"public.a".to_owned()));
}

#[test]
fn a_signal_in_a_long_statement_cancels_it_and_rolls_back() {
    for (statement, signal, code) in [
        ("select pg_sleep(60)", Signal::TERM, 143),
        ("select pg_sleep(60)", Signal::INT, 130),
        ("do $$begin loop end loop; end$$", Signal::TERM, 143),
    ] {
        let database = Database::new();
        let folder = Migrations::new().file("V1__a.sql", format!("create table a ();\n{statement};"));
        let run = Job::on(&database).migrations(folder.path()).spawn();
        wait_for_statement(&database, "create table a");
        let outcome = stop(run, signal, code);
        let name = if code == 143 { "SIGTERM" } else { "SIGINT" };
        outcome.assert_stdout(&format!("stopped by {name}")).assert_stdout("state: nothing of this run was kept");
        outcome.assert_stdout("cancelling the running statement");
        assert!(outcome.elapsed < Duration::from_secs(15));
        assert_nothing_left(&database);
    }
}

#[test]
fn sigterm_says_what_earlier_transactions_kept() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__x.sql", "create table x ();").file("V2__a.sql", "select pg_sleep(60);");
    let run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_ATOMICITY", "migration").spawn();
    wait_for_statement(&database, "pg_sleep");
    stop(run, Signal::TERM, 143).assert_stdout("1 migration of this run is kept, up to V1__x.sql");
    assert_nothing_left(&database);
}

#[test]
fn sigterm_while_waiting_for_a_table_lock() {
    let database = Database::new();
    database.execute("create table orders ()");
    let mut blocker = database.connect();
    blocker.execute("begin; lock table orders");
    let folder = Migrations::new().file("V1__a.sql", "create table a (); alter table orders add b int;");
    let run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    database
        .wait_until("select exists (select from pg_locks where not granted and relation = 'orders'::regclass)", SOON);
    stop(run, Signal::TERM, 143).assert_stdout("nothing of this run was kept");
    assert_nothing_left(&database);
}

#[test]
fn sigterm_in_the_pause_between_attempts() {
    let database = Database::new();
    database.execute("create table orders ()");
    let mut blocker = database.connect();
    blocker.execute("begin; lock table orders");
    let folder = Migrations::new().file("V1__a.sql", "create table a (); alter table orders add b int;");
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "20ms").spawn();
    // The pause before the fifth attempt is 4 s.
    run.wait_for_line("attempt 5 of 10 follows", SOON);
    let sent = Instant::now();
    stop(run, Signal::TERM, 143).assert_stdout("nothing of this run was kept");
    assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    assert_nothing_left(&database);
}

#[test]
fn sigterm_while_waiting_for_the_advisory_lock() {
    let database = Database::new();
    let slow = Migrations::new().file("V1__a.sql", "select pg_sleep(60);");
    let holder = Job::on(&database).migrations(slow.path()).spawn();
    wait_for_statement(&database, "pg_sleep");
    let mut waiter = Job::on(&database).migrations(slow.path()).spawn();
    waiter.wait_for_line("waiting for the lock", SOON);
    stop(waiter, Signal::TERM, 143);
    stop(holder, Signal::TERM, 143);
    assert_nothing_left(&database);
}

#[test]
fn sigterm_while_the_history_table_is_locked() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__x.sql", "create table x ();");
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let mut blocker = database.connect();
    blocker.execute("begin; lock table drizzle.__migrations__");
    let run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    database.wait_until("select exists (select from pg_locks where not granted)", SOON);
    stop(run, Signal::TERM, 143);
    // Also the statement that waited there is gone.
    assert_nothing_left(&database);
}

#[test]
fn two_signals_end_the_run_at_once() {
    let server = Server::builder().start();
    let database = server.database();
    let folder = Migrations::new().file("V1__a.sql", "select pg_sleep(60);");
    let run = Job::on(&database).migrations(folder.path()).spawn();
    wait_for_statement(&database, "pg_sleep");
    let pid = database.value("select pid from pg_stat_activity where query like 'select pg_sleep%'").unwrap();
    let backend = Suspended::new(&pid);
    run.signal(Signal::TERM);
    let mut run = run;
    run.wait_for_line("cancelling", SOON);
    // One that came within 10 ms would be taken for the same.
    std::thread::sleep(Duration::from_millis(20));
    let sent = Instant::now();
    run.signal(Signal::TERM);
    run.wait().assert_code(143).assert_stdout("second SIGTERM: left at once");
    assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    drop(backend);
}

#[test]
fn a_server_that_does_not_answer_is_left_within_five_seconds() {
    let server = Server::builder().start();
    let database = server.database();
    let folder = Migrations::new().file("V1__a.sql", "create table a (); select pg_sleep(60);");
    let run = Job::on(&database).migrations(folder.path()).spawn();
    wait_for_statement(&database, "pg_sleep");
    let pid = database
        .value("select pid from pg_stat_activity where query like '%; select pg_sleep%' and pid <> pg_backend_pid()")
        .unwrap();
    let backend = Suspended::new(&pid);
    let outcome = stop(run, Signal::TERM, 143);
    // The COMMIT is on its way behind the file; nobody can say that it will not take place.
    outcome.assert_stdout("state: what the history records counts");
    drop(backend);
    assert_nothing_left(&database);
}

#[test]
fn a_server_that_does_not_answer_our_own_query_is_left_within_five_seconds() {
    let server = Server::builder().start();
    let database = server.database();
    let proxy = Proxy::holding(server.port(), "pg_try_advisory_xact_lock");
    let folder = Migrations::new().file("V1__a.sql", "create table a ();");
    let run = Job::new().env("DATABASE_URL", proxy.url(database.name())).migrations(folder.path()).spawn();
    poll("the fence is on its way", SOON, || proxy.has_cut().then_some(()));
    stop(run, Signal::TERM, 143).assert_stdout("SIGTERM, and nothing answers: left at once");
    assert_nothing_left(&database);
}

/// A server process that stands still.
struct Suspended(rustix::process::Pid);

impl Suspended {
    fn new(pid: &str) -> Self {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.0, Signal::CONT);
    }
}

#[test]
fn the_deadline_acts_as_sigterm_with_75() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a (); select pg_sleep(60);");
    let outcome = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_DEADLINE", "700ms").run();
    outcome.assert_code(75).assert_stdout("stopped by SCHEMAGATE_DEADLINE");
    assert!(outcome.elapsed < LIMIT, "{outcome}");
    assert_nothing_left(&database);
}

#[test]
fn sigterm_before_there_is_a_connection_ends_the_run_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://postgres@127.0.0.1:{}/x", listener.local_addr().unwrap().port());
    let folder = Migrations::new().file("V1__a.sql", "select 1;");
    let run = Job::new().env("DATABASE_URL", url).migrations(folder.path()).spawn();
    let accepted = listener.accept().unwrap();
    let sent = Instant::now();
    stop(run, Signal::TERM, 143);
    assert!(sent.elapsed() < Duration::from_secs(1));
    drop(accepted);
}

#[test]
fn a_signal_that_cancels_only_the_reading_back_is_too_late_and_the_run_succeeds() {
    let (database, folder, blocker) = commit_with_blocked_reading();
    let mut run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "0").spawn();
    let blocker = commit_while_blocked(&database, blocker);
    run.signal(Signal::TERM);
    run.wait_for_line("cancelling the running statement", SOON);
    drop(blocker);
    run.wait().assert_code(0).assert_stdout("applied 1 migration (V2__a.sql)");
    assert_eq!(database.value("select count(*) from drizzle.__migrations__").as_deref(), Some("2"));
}

#[test]
fn a_reading_back_that_waits_too_long_is_repeated_and_the_migration_is_not() {
    let (database, folder, blocker) = commit_with_blocked_reading();
    let run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOCK_TIMEOUT", "400ms").spawn();
    let blocker = commit_while_blocked(&database, blocker);
    let since = "select max(waitstart)::text from pg_locks where not granted and mode = 'AccessShareLock'
        and relation = 'drizzle.__migrations__'::regclass";
    let first = database.value(since).unwrap();
    database.wait_until(&format!("select ({since}) > '{first}'"), SOON);
    drop(blocker);
    run.wait().assert_code(0).assert_nowhere("attempt 2");
}

/// An applied migration, and a pending one that ends when an advisory lock is free.
fn commit_with_blocked_reading() -> (Database, Migrations, Connection) {
    let database = Database::new();
    let folder = Migrations::new().file("V1__x.sql", "create table x ();");
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let wait = "do $$begin while not pg_try_advisory_lock_shared(7) loop perform pg_sleep(0.01); end loop; end$$";
    (database, folder.file("V2__a.sql", format!("lock table drizzle.__migrations__ in share mode; {wait};")), blocker)
}

/// Lets the migration go on once a session waits for the history table; that session, which has it after the COMMIT.
fn commit_while_blocked(database: &Database, mut gate: Connection) -> Connection {
    wait_for_statement(database, "lock table");
    let mut blocker = database.connect();
    let waiting = std::thread::spawn(move || {
        blocker.execute("begin; lock table drizzle.__migrations__");
        blocker
    });
    let table = "relation = 'drizzle.__migrations__'::regclass";
    database.wait_until(&format!("select exists (select from pg_locks where not granted and {table})"), SOON);
    gate.execute("select pg_advisory_unlock(7)");
    let blocker = waiting.join().unwrap();
    database.wait_until(
        &format!("select exists (select from pg_locks where not granted and mode = 'AccessShareLock' and {table})"),
        SOON,
    );
    blocker
}

#[test]
fn at_whatever_moment_the_signal_comes_the_exit_code_says_what_is_applied() {
    let folder = Migrations::new();
    for number in 1..=60 {
        folder.write(&format!("V{number}__t.sql"), format!("create table t{number} (a int primary key);"));
    }
    let whole = {
        let database = Database::new();
        Job::on(&database).migrations(folder.path()).run().assert_code(0).elapsed
    };
    let mut seen = Vec::new();
    for round in 0..30_u32 {
        let database = Database::new();
        let atomicity = if round % 3 == 0 { "migration" } else { "release" };
        let run = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_ATOMICITY", atomicity).spawn();
        // Spread over the run, and dense at its end, where the COMMIT is.
        let part = if round < 15 { f64::from(round) / 15.0 } else { 0.75 + f64::from(round - 15) / 45.0 };
        std::thread::sleep(whole.mul_f64(part));
        let sent = Instant::now();
        run.signal(Signal::TERM);
        let outcome = run.wait();
        assert!(sent.elapsed() < LIMIT, "{outcome}");
        let tables = database.tables().iter().filter(|table| table.starts_with("public.t")).count();
        let rows = match database.value("select to_regclass('drizzle.__migrations__')") {
            None => 0,
            Some(_) => database.value("select count(*) from drizzle.__migrations__").unwrap().parse().unwrap(),
        };
        assert_eq!(tables, rows, "{outcome}");
        match outcome.code {
            Some(0) => assert_eq!(rows, 60, "{outcome}"),
            Some(143) => {
                assert!(rows < 60, "everything is applied\n{outcome}");
                let said = match rows {
                    0 => "nothing".to_owned(),
                    rows => format!("{rows} migration"),
                };
                assert!(outcome.stdout.contains(&said), "{rows} rows\n{outcome}");
            }
            // Before the handlers are set, the signal's default action ends it.
            None => assert_eq!((outcome.signal, rows), (Some(15), 0), "{outcome}"),
            _ => panic!("{outcome}"),
        }
        seen.push(outcome.code);
    }
    assert!(seen.contains(&Some(143)), "{seen:?}");
}

#[test]
fn a_stop_while_the_commit_is_unanswered_does_not_say_that_nothing_was_applied() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a ();");
    let proxy = Proxy::holding(database.address().port, "; COMMIT;");
    let run = Job::new().env("DATABASE_URL", proxy.url(database.name())).migrations(folder.path()).spawn();
    database.wait_until("select to_regclass('a') is not null", SOON);
    run.signal(Signal::TERM);
    let outcome = run.wait();
    outcome.assert_code(143).assert_stdout("whether this run applied anything is in the history");
    assert!(!outcome.stdout.contains("\"applied\":0,\"elapsed_ms\""), "{outcome}");
}

#[test]
fn a_run_whose_output_nobody_reads_still_ends_within_five_seconds() {
    let database = Database::new();
    let notices = "do $$ begin for i in 1..20000 loop raise notice '% and some more words', i; end loop; end $$;";
    let folder = Migrations::new().file("V1__a.sql", notices);
    let mut job = std::process::Command::new(env!("CARGO_BIN_EXE_schemagate"))
        .args(["--migrations", folder.path().to_str().unwrap()])
        .env_clear()
        .env("DATABASE_URL", database.url())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let idle = "select exists (select from pg_stat_activity where datname = current_database()
        and application_name = 'schemagate' and state <> 'active' and query like '%COMMIT%')";
    database.wait_until(idle, SOON);
    let pid = rustix::process::Pid::from_child(&job);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(job.wait().unwrap().code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
}
