//! Signals to the job.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::support::job::Signal;
use crate::trial::{Allowed, Trial, Verdict};

/// A job that is told to end has ended within this.
const LIMIT: Duration = Duration::from_secs(5);

pub fn kill(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| one(lab, fault, number, Signal::KILL, false, Allowed::KILLED)).collect()
}

pub fn terminate(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| one(lab, fault, number, Signal::TERM, false, Allowed::codes(&[143]))).collect()
}

pub fn interrupt(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| one(lab, fault, number, Signal::INT, false, Allowed::codes(&[130]))).collect()
}

pub fn terminate_twice(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| one(lab, fault, number, Signal::TERM, true, Allowed::codes(&[143]))).collect()
}

fn one(lab: &Lab, fault: &str, number: usize, signal: Signal, twice: bool, allowed: Allowed) -> Verdict {
    let mut trial = Trial::new(lab, fault, number);
    let mut running = trial.job().spawn();
    let hit = trial.reach_point(&mut running);
    running.signal(signal);
    let sent = Instant::now();
    if twice {
        let pause = trial.rng.up_to(Duration::from_millis(20));
        trial.note(format!("again after {pause:?}"));
        running.wait_until_over(pause);
        running.signal(signal);
    }
    let outcome = running.wait();
    let took = sent.elapsed();
    let mut verdict = trial.judge(hit, &outcome, allowed);
    if took > LIMIT {
        verdict.violations.push(format!("it ended {took:?} after the signal"));
    }
    verdict.measured.push(("end", took));
    verdict
}
