//! A black hole: the packets of the job's connection vanish both ways, and nobody gets a reset. Takes a network of its
//! own, as scripts/faults makes it for root. Never touches the machine's network.

use std::ops::Range;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Fault;
use crate::lab::Lab;
use crate::support::connection::Connection;
use crate::support::job::Outcome;
use crate::trial::{Allowed, Hit, Trial, Verdict};

/// A job that vanished has freed its lock within this.
const LOCK_FREE: Duration = Duration::from_secs(10);
/// A server that vanished is noticed within this.
const NOTICED: Duration = Duration::from_secs(15);

pub const FAULT: Fault = Fault {
    at_once: 25,
    missing: || {
        let own = std::env::var_os("SCHEMAGATE_FAULTS_OWN_NETWORK").is_some_and(|value| value == "1");
        if own { None } else { Some("it takes root, unshare, ip and iptables for a network of its own") }
    },
    ..super::fault("black-hole", "the packets of the job's connection vanish, both ways", inject)
};

/// Drops what goes to and from one port, until it is dropped itself.
struct Hole {
    port: String,
}

impl Hole {
    fn open(port: &str) -> Self {
        let hole = Self { port: port.to_owned() };
        hole.rules("-I");
        hole
    }

    fn rules(&self, change: &str) {
        for side in ["--sport", "--dport"] {
            let mut command = Command::new("iptables");
            command.args(["-w", change, "INPUT", "-p", "tcp", side, &self.port, "-j", "DROP"]);
            assert!(command.status().unwrap().success(), "{command:?}");
        }
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        self.rules("-D");
    }
}

fn inject(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| one(Trial::new(lab, fault, number))).collect()
}

fn one(mut trial: Trial<'_>) -> Verdict {
    let mut session = trial.database.connect();
    let mut running = trial.job().spawn();
    trial.reach_point(&mut running);
    let seen = session.query_strings(
        "select client_port, pid from pg_stat_activity
         where datname = current_database() and application_name = 'schemagate' limit 1",
    );
    let Some([Some(port), Some(pid)]) = seen.first().map(Vec::as_slice) else {
        drop(session);
        let outcome = running.wait();
        return trial.judge(Hit::Not, &outcome, Allowed::SUCCESS);
    };
    let hole = Hole::open(port);
    let opened = Instant::now();
    let freed = until_gone(&mut session, pid, opened);
    let noticed = running.find_line("connection lost", NOTICED).map(|_| opened.elapsed());
    drop(session);
    let outcome = running.wait();
    drop(hole);
    let mut verdict = trial.judge(Hit::During, &outcome, Allowed::SUCCESS);
    add_measures(&mut verdict, freed, noticed, &outcome);
    verdict
}

/// How long the server kept the session.
fn until_gone(session: &mut Connection, pid: &str, opened: Instant) -> Duration {
    let there = format!("select exists (select from pg_stat_activity where pid = {pid})");
    while session.value(&there).as_deref() == Some("t") && opened.elapsed() < LOCK_FREE * 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
    opened.elapsed()
}

fn add_measures(verdict: &mut Verdict, freed: Duration, noticed: Option<Duration>, outcome: &Outcome) {
    if freed > LOCK_FREE {
        verdict.violations.push(format!("the server kept the session for {freed:?}"));
    }
    verdict.measured.push(("lock free", freed));
    match noticed {
        Some(noticed) if noticed > NOTICED => verdict.violations.push(format!("noticed after {noticed:?}")),
        // It had done its work before.
        None if outcome.code != Some(0) => verdict.violations.push("not noticed".to_owned()),
        _ => {}
    }
    verdict.measured.extend(noticed.map(|noticed| ("noticed", noticed)));
}
