//! A primary and its streaming standby.

use std::ops::Range;
use std::time::Duration;

use super::group::Group;
use crate::lab::Lab;
use crate::release::COUNT;
use crate::rng::Rng;
use crate::support::job::Job;
use crate::support::server::{Server, Stop};
use crate::trial::{Allowed, Hit, Trial, Verdict};

const SOON: Duration = Duration::from_secs(20);

/// The primary dies at once; the standby is promoted a moment later. What was committed is there in one half of the
/// groups (synchronous replication); in the other, what it had not got yet is lost with its rows in the history.
pub fn failover(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let mut rng = Rng::of(lab.seed, "failover of a group", runs.start);
    let synchronous = rng.flip();
    let mut primary = Server::builder().start();
    let standby = primary.standby();
    if synchronous {
        primary.configure(&[("synchronous_standby_names", "*")]);
        primary.reload();
        let synchronous = "select exists (select from pg_stat_replication where sync_state = 'sync')";
        primary.connect("postgres").wait_until(synchronous, SOON);
    }
    let trials = runs.map(|number| Trial::on(lab, fault, number, primary.address())).collect();
    standby.wait_until_caught_up(&primary);
    let (first, second) = (primary.port(), standby.port());
    let mut group = Group::start_at(trials, |trial| {
        let name = trial.database.name();
        format!("postgresql://postgres@127.0.0.1:{first},127.0.0.1:{second}/{name}?target_session_attrs=read-write")
    });
    primary.stop(Stop::Immediate);
    std::thread::sleep(rng.up_to(Duration::from_millis(500)));
    standby.promote();
    for trial in &mut group.trials {
        trial.note(if synchronous { "synchronous" } else { "asynchronous" });
        trial.database.follow(standby.address());
    }
    group.finish().judge(Allowed::SUCCESS)
}

/// The target is a standby all the time, with a random prefix of the release in it.
pub fn only(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let primary = Server::builder().start();
    let standby = primary.standby();
    runs.map(|number| {
        let mut trial = Trial::on(lab, fault, number, primary.address());
        trial.before = trial.rng.below(0..COUNT + 1);
        trial.note(format!("{} applied", trial.before));
        if trial.before > 0 {
            let target = trial.before.to_string();
            let first = Job::on(&trial.database).migrations(lab.folder.path()).args(["up", "--target", &target]);
            first.run().assert_code(0);
        }
        standby.wait_until_caught_up(&primary);
        let job = trial.job_at(&standby.url(trial.database.name())).env("SCHEMAGATE_CONNECT_DEADLINE", "300ms");
        let outcome = job.run();
        let up_to_date = trial.before == COUNT;
        let before = trial.before;
        let mut verdict = trial.judge(Hit::During, &outcome, Allowed::codes(&[69]));
        if (outcome.code == Some(0)) != up_to_date {
            verdict.violations.push(format!("{before} applied, and it ended with {:?}", outcome.code));
        }
        verdict
    })
    .collect()
}
