//! Several runs on one server that a fault hits: started one after the other, so that it finds each at another point.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::support::cluster::Address;
use crate::support::job::{Outcome, Running};
use crate::trial::{Allowed, Hit, Trial, Verdict};

/// Runs under way on one server.
pub struct Group<'lab> {
    pub trials: Vec<Trial<'lab>>,
    running: Vec<Running>,
    hits: Vec<Hit>,
}

impl<'lab> Group<'lab> {
    /// Makes the databases, and starts the jobs over a span of time at whose end the fault is to come.
    pub fn start(lab: &'lab Lab, fault: &str, runs: Range<usize>, address: &Address) -> Self {
        Self::start_at(runs.map(|number| Trial::on(lab, fault, number, address)).collect(), |trial| {
            trial.database.url()
        })
    }

    /// As [`Self::start`], with trials that are made already and a URL of the fault's own.
    pub fn start_at(mut trials: Vec<Trial<'lab>>, url: impl Fn(&Trial<'lab>) -> String) -> Self {
        let span = trials[0].lab.length * 7 / 10;
        let mut starts: Vec<(Duration, usize)> = Vec::new();
        for (index, trial) in trials.iter_mut().enumerate() {
            let lead = trial.rng.up_to(span);
            trial.note(format!("{lead:?} after its start"));
            starts.push((span - lead, index));
        }
        starts.sort();
        let begun = Instant::now();
        let mut running: Vec<(usize, Running)> = Vec::new();
        for (at, index) in starts {
            std::thread::sleep(at.saturating_sub(begun.elapsed()));
            let trial = &trials[index];
            running.push((index, trial.job_at(&url(trial)).spawn()));
        }
        std::thread::sleep(span.saturating_sub(begun.elapsed()));
        running.sort_by_key(|(index, _)| *index);
        let running: Vec<Running> = running.into_iter().map(|(_, running)| running).collect();
        let hits = running.iter().map(|run| if run.is_over() { Hit::Not } else { Hit::During }).collect();
        Self { trials, running, hits }
    }

    /// Waits for all of them.
    pub fn finish(self) -> Finished<'lab> {
        let outcomes = self.running.into_iter().map(Running::wait).collect();
        Finished { trials: self.trials, hits: self.hits, outcomes, ended: Instant::now() }
    }
}

/// Runs that have ended.
pub struct Finished<'lab> {
    pub trials: Vec<Trial<'lab>>,
    hits: Vec<Hit>,
    outcomes: Vec<Outcome>,
    ended: Instant,
}

impl Finished<'_> {
    /// Judges them, beside each other.
    pub fn judge(self, allowed: Allowed) -> Vec<Verdict> {
        let ended = self.ended;
        let one =
            |((trial, hit), outcome): ((Trial<'_>, Hit), Outcome)| trial.judge_all(hit, &[outcome], &[allowed], ended);
        std::thread::scope(|scope| {
            let judged: Vec<_> = self
                .trials
                .into_iter()
                .zip(self.hits)
                .zip(self.outcomes)
                .map(|run| scope.spawn(move || one(run)))
                .collect();
            judged.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }
}
