//! The job before a standby: what works there, what is waited for, and how several hosts are told apart.
//! Takes a primary and its streaming standby. Never writes to a standby, as no release could.

use std::time::Duration;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::gate::{CANARY, Gate};
use crate::support::job::Job;
use crate::support::server::{Server, Stop};

const SOON: Duration = Duration::from_secs(20);

struct Pair {
    database: Database,
    standby: Server,
    primary: Server,
}

impl Pair {
    fn new() -> Self {
        let primary = Server::builder().start();
        let database = primary.database();
        let standby = primary.standby();
        standby.wait_until_caught_up(&primary);
        Self { database, standby, primary }
    }

    fn url(&self, servers: &[&Server], parameters: &str) -> String {
        let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
        format!("postgresql://postgres:{CANARY}@{}/{}?{parameters}", hosts.join(","), self.database.name())
    }

    fn standby_url(&self) -> String {
        self.url(&[&self.standby], "")
    }
}

fn with(job: Job, arguments: &[&str]) -> Job {
    job.args(arguments)
}

#[test]
fn a_standby_is_waited_for_until_it_is_promoted() {
    let (gate, pair) = (Gate::new(), Pair::new());
    let refused = gate.expect(
        pair.standby_url(),
        69,
        &[
            "1 of 1 migration pending",
            "migrations are pending and the server is in recovery: waiting for a primary",
            "the server is in recovery (a standby)",
            "wait for the failover, or name the primary",
            "state: nothing was changed",
        ],
    );
    assert!(refused.elapsed >= Duration::from_secs(1), "{refused}");
    let mut run = gate.job(pair.standby_url()).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("waiting for the database", SOON);
    pair.standby.promote();
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
    let mut session = pair.standby.connect(pair.database.name());
    assert_eq!(session.value("select count(*) from gate_passed").as_deref(), Some("0"));
}

#[test]
fn what_only_reads_works_on_a_standby() {
    let (gate, pair) = (Gate::new(), Pair::new());
    let url = pair.standby_url();
    let run = |arguments: &[&str], code: i32| {
        let outcome = with(gate.job(&url), arguments).run();
        outcome.assert_code(code).assert_nowhere(CANARY);
        outcome
    };
    run(&["plan"], 0).assert_stdout("V1__gate.sql");
    run(&["status"], 0).assert_stdout("pending");
    run(&["status", "--check"], 3);
    gate.expect(pair.url(&[&pair.primary], ""), 0, &["applied 1 migration"]);
    pair.standby.wait_until_caught_up(&pair.primary);
    run(&["status", "--check"], 0);
    run(&["plan"], 0);
    gate.expect(&url, 0, &["up to date: 1 applied"]);
}

#[test]
fn of_several_hosts_the_primary_is_found() {
    let (gate, pair) = (Gate::new(), Pair::new());
    let primary = format!("127.0.0.1:{}", pair.primary.port());
    let outcome = gate.expect(pair.url(&[&pair.standby, &pair.primary], ""), 0, &["applied 1 migration"]);
    outcome.assert_stdout(&format!("connected to {primary}/"));
    pair.standby.wait_until_caught_up(&pair.primary);
}

#[test]
fn target_session_attrs_chooses_among_the_hosts() {
    let (gate, pair) = (Gate::new(), Pair::new());
    gate.expect(pair.url(&[&pair.primary], ""), 0, &[]);
    pair.standby.wait_until_caught_up(&pair.primary);
    let (primary, standby) = (pair.primary.port(), pair.standby.port());
    let both = [[&pair.primary, &pair.standby], [&pair.standby, &pair.primary]];
    for (attributes, wanted) in [
        ("read-write", primary),
        ("primary", primary),
        ("read-only", standby),
        ("standby", standby),
        ("prefer-standby", standby),
    ] {
        for order in &both {
            let url = pair.url(order, &format!("target_session_attrs={attributes}"));
            gate.expect(url, 0, &[&format!("connected to 127.0.0.1:{wanted}/"), "up to date"]);
        }
    }
    for order in both {
        let url = pair.url(&order, "target_session_attrs=any");
        gate.expect(url, 0, &[&format!("connected to 127.0.0.1:{}/", order[0].port())]);
    }
    // With nobody to prefer, prefer-standby takes what there is; the others have nobody to take.
    gate.expect(pair.url(&[&pair.primary], "target_session_attrs=prefer-standby"), 0, &["up to date"]);
    let none = gate.expect(pair.url(&[&pair.primary], "target_session_attrs=standby"), 69, &[]);
    none.assert_stdout("not what target_session_attrs=standby asks for")
        .assert_stdout("leave target_session_attrs out");
    let none = gate.expect(pair.url(&[&pair.standby], "target_session_attrs=read-write"), 69, &[]);
    none.assert_stdout("not what target_session_attrs=read-write asks for");
    // On a primary too, a session that is read-only by default is none that can write.
    pair.database.execute(&format!("alter database {} set default_transaction_read_only = on", pair.database.name()));
    gate.expect(pair.url(&[&pair.primary], "target_session_attrs=read-only"), 0, &["up to date"]);
    gate.expect(pair.url(&[&pair.primary], "target_session_attrs=read-write"), 69, &[]);
}

#[test]
fn with_something_pending_a_preferred_standby_gives_way_to_the_primary() {
    let (gate, pair) = (Gate::new(), Pair::new());
    let url = pair.url(&[&pair.primary, &pair.standby], "target_session_attrs=prefer-standby");
    let outcome = gate.expect(url, 0, &["waiting for a primary", "applied 1 migration"]);
    outcome.assert_stdout(&format!("connected to 127.0.0.1:{}/", pair.standby.port()));
    outcome.assert_stdout(&format!("connected to 127.0.0.1:{}/", pair.primary.port()));
    pair.standby.wait_until_caught_up(&pair.primary);
}

#[test]
fn what_a_failover_loses_is_applied_again_and_counted_once() {
    let Pair { database, standby, mut primary } = Pair::new();
    standby.configure(&[("primary_conninfo", "")]);
    standby.reload();
    let receives = "select not exists (select from pg_stat_replication)";
    primary.connect("postgres").wait_until(receives, SOON);
    let mut blocker = database.connect();
    blocker.execute("select pg_advisory_lock(7)");
    let folder = Migrations::new()
        .file("V1__a.sql", "create table a ();")
        .file("V2__b.sql", "create table b (); select pg_advisory_lock(7);");
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let url = format!("postgresql://postgres@{hosts}/{}?target_session_attrs=read-write", database.name());
    let run =
        Job::new().env("DATABASE_URL", url).env("SCHEMAGATE_ATOMICITY", "migration").migrations(folder.path()).spawn();
    let waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted)";
    database.wait_until(waits, SOON);
    primary.stop(Stop::Immediate);
    standby.promote();
    let outcome = run.wait();
    outcome.assert_code(0).assert_stdout("V1__a.sql was committed and is not in the history any more");
    assert!(outcome.last_line().contains("applied 2 migrations"), "{outcome}");
    let mut session = standby.connect(database.name());
    assert_eq!(session.column("select version from drizzle.__migrations__ order by 1"), ["1", "2"]);
}
