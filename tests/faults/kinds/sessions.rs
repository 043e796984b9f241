//! What an operator does to the job's sessions.

use std::ops::Range;

use crate::lab::Lab;
use crate::support::connection::Connection;
use crate::support::job::Running;
use crate::trial::{Allowed, Hit, Trial, Verdict};

pub fn terminate(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let one = |number| {
        let mut trial = Trial::new(lab, fault, number);
        let times = trial.rng.below(1..4);
        call(trial, times, "pg_terminate_backend", Allowed::SUCCESS)
    };
    runs.map(one).collect()
}

pub fn cancel(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    // 1 where it meets a migration's statement, 75 where it meets one of ours.
    let one = |number| call(Trial::new(lab, fault, number), 1, "pg_cancel_backend", Allowed::codes(&[1, 75]));
    runs.map(one).collect()
}

fn call(mut trial: Trial<'_>, times: usize, function: &str, allowed: Allowed) -> Verdict {
    let mut session = trial.database.connect();
    let mut running = trial.job().spawn();
    let mut hit = Hit::Not;
    for _ in 0..times {
        trial.reach_point(&mut running);
        if call_now(&mut session, &running, function) {
            hit = Hit::During;
        }
    }
    drop(session);
    let outcome = running.wait();
    trial.judge(hit, &outcome, allowed)
}

/// Whether there was a session to call it on.
fn call_now(session: &mut Connection, running: &Running, function: &str) -> bool {
    let called = session.query_strings(&format!(
        "select {function}(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'schemagate'"
    ));
    !running.is_over() && !called.is_empty()
}
