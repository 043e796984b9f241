//! Ten copies of the job at once.

use std::ops::Range;
use std::time::Instant;

use crate::lab::Lab;
use crate::support::job::{Outcome, Running, Signal};
use crate::trial::{Allowed, Hit, Trial, Verdict};

const COPIES: usize = 10;

pub fn ten(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| one(Trial::new(lab, fault, number))).collect()
}

fn one(mut trial: Trial<'_>) -> Verdict {
    let copies: Vec<Running> = (0..COPIES).map(|_| trial.job().spawn()).collect();
    let begun = Instant::now();
    let mut kills: Vec<_> = (0..trial.rng.below(1..6))
        .map(|_| (trial.rng.up_to(trial.lab.length * 3 / 2), trial.rng.below(0..COPIES)))
        .collect();
    kills.sort();
    trial.note(format!("killed: {kills:?}"));
    let mut allowed = [Allowed::SUCCESS.uncounted(); COPIES];
    let mut hit = Hit::Not;
    for (at, copy) in kills {
        if !copies[copy].wait_until_over(at.saturating_sub(begun.elapsed())) {
            hit = Hit::During;
        }
        copies[copy].signal(Signal::KILL);
        allowed[copy].killed = true;
    }
    let outcomes: Vec<Outcome> = copies.into_iter().map(Running::wait).collect();
    trial.judge_all(hit, &outcomes, &allowed, Instant::now())
}
