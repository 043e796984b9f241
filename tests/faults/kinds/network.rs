//! The network in between: cut, or slow.

use std::ops::Range;
use std::time::Duration;

use crate::lab::Lab;
use crate::trial::{Allowed, Hit, Trial, Verdict};
use crate::wire::{Cut, Pace, Way, Which, Wire};

const LATENCY: Duration = Duration::from_millis(200);
/// How much later than the job the server may hear of a cut.
const SERVER_LATER: Duration = Duration::from_millis(600);

pub fn upwards(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| cut_messages(Trial::new(lab, fault, number), Way::Up)).collect()
}

pub fn downwards(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    runs.map(|number| cut_messages(Trial::new(lab, fault, number), Way::Down)).collect()
}

pub fn before_commit(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let one = |number| {
        let mut trial = Trial::new(lab, fault, number);
        let part = trial.rng.below(0..1000);
        cut_commit(trial, Way::Up, part)
    };
    runs.map(one).collect()
}

pub fn after_commit(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let one = |number| {
        let mut trial = Trial::new(lab, fault, number);
        match trial.rng.flip() {
            true => cut_commit(trial, Way::Up, 1000),
            false => {
                let part = trial.rng.below(0..1000);
                cut_commit(trial, Way::Down, part)
            }
        }
    };
    runs.map(one).collect()
}

pub fn bytewise(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let one = |number| {
        let mut trial = Trial::new(lab, fault, number);
        let from = trial.rng.below(1..lab.traffic(trial.atomicity).up + 1);
        run(trial, &[], Pace::Bytewise { from })
    };
    runs.map(one).collect()
}

pub fn late(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let one = |number| {
        let mut trial = Trial::new(lab, fault, number);
        let from = trial.rng.below(1..lab.traffic(trial.atomicity).up + 1);
        run(trial, &[], Pace::Late { from, by: LATENCY })
    };
    runs.map(one).collect()
}

fn cut_messages(mut trial: Trial<'_>, way: Way) -> Verdict {
    let traffic = trial.lab.traffic(trial.atomicity);
    let all = if way == Way::Up { traffic.up } else { traffic.down };
    let mut at: Vec<usize> = (0..trial.rng.below(1..4)).map(|_| trial.rng.below(1..all + 1)).collect();
    at.sort_unstable();
    let cuts: Vec<Cut> = at
        .into_iter()
        .map(|number| {
            let thousandths = trial.rng.below(0..1000);
            cut(&mut trial, way, Which::Message(number), thousandths)
        })
        .collect();
    run(trial, &cuts, Pace::Usual)
}

fn cut_commit(mut trial: Trial<'_>, way: Way, thousandths: usize) -> Verdict {
    let number = trial.rng.below(1..trial.lab.traffic(trial.atomicity).commits + 1);
    let cut = cut(&mut trial, way, Which::Commit(number), thousandths);
    run(trial, &[cut], Pace::Usual)
}

fn cut(trial: &mut Trial<'_>, way: Way, which: Which, thousandths: usize) -> Cut {
    Cut { way, which, thousandths, reset: trial.rng.flip(), server_later: trial.rng.up_to(SERVER_LATER) }
}

fn run(mut trial: Trial<'_>, cuts: &[Cut], pace: Pace) -> Verdict {
    trial.note(format!("{cuts:?} {pace:?}"));
    let wire = Wire::before(trial.lab.server.port(), cuts, pace);
    let outcome = trial.job_at(&wire.url(trial.database.name())).run();
    let slow = match pace {
        Pace::Usual => false,
        Pace::Bytewise { from } | Pace::Late { from, .. } => wire.traffic().up >= from,
    };
    let hit = if slow || wire.traffic().cut > 0 { Hit::During } else { Hit::Not };
    trial.judge(hit, &outcome, Allowed::SUCCESS)
}
