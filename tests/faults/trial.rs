//! One run under a fault: a database, a job, a point at which the fault hits, and the judgement of what it left.
//! In: a laboratory, a fault's name, a number. Out: a `Verdict`. Never knows how a fault is made.

use std::time::{Duration, Instant};

use crate::audit;
use crate::lab::Lab;
use crate::release::{COUNT, OUTSIDE};
use crate::rng::Rng;
use crate::state::State;
use crate::support::cluster::Address;
use crate::support::database::Database;
use crate::support::job::{Job, Outcome, Running, Signal};

/// Within this, all that a run leaves must be gone.
const GONE: Duration = Duration::from_secs(10);
/// A run that lasts longer hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// A run to be.
#[derive(Debug)]
pub struct Trial<'lab> {
    pub lab: &'lab Lab,
    pub number: usize,
    pub rng: Rng,
    pub database: Database,
    pub atomicity: &'static str,
    /// How many migrations the database had before.
    pub before: usize,
    /// Where and what the fault was, for whoever reads of a violation.
    pub point: String,
}

/// When a fault came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// The job was running.
    During,
    /// It had ended, or what was aimed at did not come.
    Not,
}

/// How a job may end under a fault.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Exit codes besides 0.
    pub codes: &'static [i32],
    /// Whether it was killed.
    pub killed: bool,
    /// Whether the number of migrations that the last line gives is to be that of the history.
    pub counts: bool,
}

impl Allowed {
    pub const SUCCESS: Self = Self::codes(&[]);
    pub const KILLED: Self = Self { codes: &[], killed: true, counts: true };

    pub const fn codes(codes: &'static [i32]) -> Self {
        Self { codes, killed: false, counts: true }
    }

    /// For runs beside others, which apply too.
    pub const fn uncounted(self) -> Self {
        Self { counts: false, ..self }
    }
}

/// One run, judged.
#[derive(Debug)]
pub struct Verdict {
    pub number: usize,
    pub point: String,
    pub hit: Hit,
    /// How the job, or each copy of it, ended.
    pub ends: Vec<String>,
    pub violations: Vec<String>,
    pub log: String,
    /// What was measured, by name.
    pub measured: Vec<(&'static str, Duration)>,
}

impl<'lab> Trial<'lab> {
    /// A run with an empty database on this server.
    pub fn on(lab: &'lab Lab, fault: &str, number: usize, address: &Address) -> Self {
        Self::with(lab, fault, number, Database::on(address))
    }

    pub fn with(lab: &'lab Lab, fault: &str, number: usize, database: Database) -> Self {
        let mut rng = Rng::of(lab.seed, fault, number);
        let atomicity = rng.pick(&["release", "migration"]);
        Self { lab, number, rng, database, atomicity, before: 0, point: format!("atomicity {atomicity}") }
    }

    /// On the server that such runs share.
    pub fn new(lab: &'lab Lab, fault: &str, number: usize) -> Self {
        Self::on(lab, fault, number, lab.server.address())
    }

    pub fn job(&self) -> Job {
        self.job_at(&self.database.url())
    }

    pub fn job_at(&self, url: &str) -> Job {
        Job::new()
            .env("DATABASE_URL", url)
            .env("SCHEMAGATE_ATOMICITY", self.atomicity)
            .migrations(self.lab.folder.path())
            .limit(LONGEST)
    }

    pub fn note(&mut self, what: impl AsRef<str>) {
        self.point.push_str("; ");
        self.point.push_str(what.as_ref());
    }

    /// Waits for a random point of a run that has just begun: by time, by what the log says, or about the time of the
    /// migration outside a transaction, which alone can leave something behind.
    pub fn reach_point(&mut self, running: &mut Running) -> Hit {
        let (version, most) = match self.rng.below(0..3) {
            0 => {
                let delay = self.rng.up_to(self.lab.length);
                self.note(format!("after {delay:?}"));
                return if running.wait_until_over(delay) { Hit::Not } else { Hit::During };
            }
            1 => (self.rng.below(1..COUNT + 1), Duration::from_millis(20)),
            _ => (OUTSIDE - 1, Duration::from_millis(200)),
        };
        let more = self.rng.up_to(most);
        self.note(format!("{more:?} after V{version} in the log"));
        let seen = running.find_line(&format!("V{version}__"), LONGEST).is_some();
        if seen && !running.wait_until_over(more) { Hit::During } else { Hit::Not }
    }

    /// Judges what one job left.
    pub fn judge(self, hit: Hit, outcome: &Outcome, allowed: Allowed) -> Verdict {
        let ended = Instant::now();
        self.judge_all(hit, std::slice::from_ref(outcome), &[allowed], ended)
    }

    /// Judges what several jobs left, the last of which ended at `ended`.
    pub fn judge_all(self, hit: Hit, outcomes: &[Outcome], allowed: &[Allowed], ended: Instant) -> Verdict {
        let mut violations = self.left_behind(ended);
        let state = State::read(&mut self.database.connect());
        let (applied, differences) = self.lab.reference.compare(&state);
        violations.extend(differences);
        for (outcome, allowed) in outcomes.iter().zip(allowed) {
            violations.extend(self.judge_end(outcome, *allowed, applied));
        }
        violations.extend(self.run_again());
        let complete = outcomes.iter().all(|outcome| outcome.code == Some(0));
        violations.extend(audit::violations(&mut self.database.connect(), complete));
        Verdict {
            number: self.number,
            point: self.point,
            hit,
            ends: outcomes.iter().map(end).collect(),
            violations,
            log: outcomes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            measured: Vec::new(),
        }
    }

    fn left_behind(&self, ended: Instant) -> Vec<String> {
        loop {
            let (sessions, locks) = (self.database.sessions(), self.database.advisory_locks());
            if sessions.is_empty() && locks.is_empty() {
                return Vec::new();
            }
            if ended.elapsed() > GONE {
                return vec![format!("left after {GONE:?}: sessions {sessions:?}, advisory locks {locks:?}")];
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn judge_end(&self, outcome: &Outcome, allowed: Allowed, applied: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        match outcome.code {
            Some(0) if applied != COUNT => wrong.push(format!("exit code 0, and the history holds {applied}")),
            Some(0) => {}
            Some(code) if allowed.codes.contains(&code) => {}
            None if allowed.killed && outcome.signal == Some(Signal::KILL.as_raw()) => return wrong,
            _ => wrong.push(format!("ended with {}", end(outcome))),
        }
        let last: serde_json::Value =
            serde_json::from_str(outcome.stdout.lines().last().unwrap_or_default()).unwrap_or(serde_json::Value::Null);
        if last["exit_code"].as_i64() != outcome.code.map(i64::from) {
            wrong.push(format!("the last line says exit code {}", last["exit_code"]));
        }
        let said = last["applied"].as_u64();
        if let Some(said) = said.filter(|said| allowed.counts && *said != (applied - self.before) as u64) {
            wrong.push(format!("it says that it applied {said}, and it was {}", applied - self.before));
        }
        wrong
    }

    /// A clean run after it ends well, and the catalogue is complete then.
    fn run_again(&self) -> Vec<String> {
        let again = Job::on(&self.database).migrations(self.lab.folder.path()).limit(LONGEST).run();
        let state = State::read(&mut self.database.connect());
        let (applied, mut wrong) = self.lab.reference.compare(&state);
        if again.code != Some(0) || applied != COUNT {
            wrong.push(format!("the clean run after it left {applied} in the history\n{again}"));
        }
        wrong
    }
}

/// How a job ended, in a word.
pub fn end(outcome: &Outcome) -> String {
    match (outcome.code, outcome.signal) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) if signal == Signal::KILL.as_raw() => "killed".to_owned(),
        (None, other) => format!("signal {other:?}"),
    }
}
