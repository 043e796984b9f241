//! What a qualification found: steps, cases, verdicts, what they were found on, and why there may be none. Data only;
//! never asks, never prints.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::postgres::counted;
use crate::settings::{EvidenceIds, Release};

/// How a step or a case ended. The order is that of weight: the heaviest case decides its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// Not to be had here; the reason stands beside it. Never counts as passed.
    NotExecuted,
    /// Not as expected.
    Failed,
}

impl Verdict {
    /// The words people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotExecuted => "not executed",
            Self::Failed => "failed",
        }
    }

    /// The word that test reports use.
    pub fn status(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotExecuted => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// One thing that was tried within a step.
#[derive(Debug, Clone)]
pub struct Case {
    /// What was tried, such as the name of a foreign key or of a file.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen, or why it was not executed; one sentence.
    pub actual: String,
    /// How long it took.
    pub duration: Duration,
}

/// One step of the protocol.
#[derive(Debug, Clone)]
pub struct Step {
    /// `IQ-001`.
    pub id: String,
    /// In a few words.
    pub title: String,
    /// What is required, in one sentence.
    pub requirement: String,
    /// What is expected to be seen, in one sentence.
    pub expected: String,
    /// What was seen, in one or a few sentences.
    pub actual: String,
    /// When it began, by this machine's clock.
    pub started: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// What was tried; at least one.
    pub cases: Vec<Case>,
}

impl Step {
    /// That of the heaviest case: a step passes only where every case did.
    pub fn verdict(&self) -> Verdict {
        self.cases.iter().map(|case| case.verdict).max().unwrap_or(Verdict::NotExecuted)
    }
}

/// One migration as it was qualified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: i64,
    /// Its file, by the path below the migrations folder.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The checksum that the history records.
    pub checksum: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
}

/// What was qualified.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What the evidence is filed under.
    pub ids: EvidenceIds,
    /// The release.
    pub release: Release,
    /// Where the migrations came from, in words.
    pub origin: String,
    /// The migrations, by version.
    pub migrations: Vec<Installed>,
    /// The history table's name.
    pub history_table: String,
    /// `SCHEMAGATE_ATOMICITY`, under which the steps ran.
    pub atomicity: &'static str,
}

/// What it was qualified on. No secrets.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The server's version, as it writes it.
    pub server_version: String,
    /// The cluster's `system_identifier`, where the role may read it.
    pub system_identifier: Option<String>,
    /// Host and port, or socket.
    pub host: String,
    /// The database that `DATABASE_URL` names; it was not touched.
    pub target_database: String,
    /// The scratch database that the steps ran in.
    pub scratch_database: String,
    /// The database role.
    pub role: String,
    /// The scratch database's encoding.
    pub encoding: String,
    /// The scratch database's collation.
    pub collation: String,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// schemagate's version.
    pub tool_version: String,
    /// SHA-256 of the running binary, where it can be read.
    pub tool_sha256: Option<String>,
    /// Scratch databases that earlier runs left behind.
    pub leftovers: Vec<String>,
    /// Whether the scratch database was dropped, or emptied where it was given.
    pub cleaned_up: bool,
    /// What changed of the whole server while the steps ran: roles, databases, tablespaces and their settings.
    pub server_changes: Vec<String>,
}

/// A whole qualification.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// Id of this run: 16 hexadecimal digits.
    pub run_id: String,
    /// What was qualified.
    pub subject: Subject,
    /// What it was qualified on.
    pub environment: Environment,
    /// When it began, by this machine's clock.
    pub started: SystemTime,
    /// When it ended, by this machine's clock.
    pub finished: SystemTime,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// How many cases ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As expected.
    pub passed: usize,
    /// Not as expected.
    pub failed: usize,
    /// Not executed.
    pub not_executed: usize,
}

impl Protocol {
    /// The heaviest verdict of all steps.
    pub fn verdict(&self) -> Verdict {
        self.steps.iter().map(Step::verdict).max().unwrap_or(Verdict::NotExecuted)
    }

    /// Every case with its step, in order.
    pub fn cases(&self) -> impl Iterator<Item = (&Step, &Case)> {
        self.steps.iter().flat_map(|step| step.cases.iter().map(move |case| (step, case)))
    }

    /// Counts the cases.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, case) in self.cases() {
            let count = match case.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Failed => &mut counts.failed,
                Verdict::NotExecuted => &mut counts.not_executed,
            };
            *count += 1;
        }
        counts
    }

    /// What did not go as expected, and what was not executed: a line each.
    pub fn deviations(&self) -> Vec<String> {
        let cases = self.cases().filter(|(_, case)| case.verdict != Verdict::Passed);
        let mut lines: Vec<String> = cases
            .map(|(step, case)| format!("{} {} {}: {}", step.id, case.name, case.verdict.words(), case.actual))
            .collect();
        let environment = &self.environment;
        lines.extend(
            environment.leftovers.iter().map(|name| format!("an earlier run left the scratch database {name}")),
        );
        lines.extend(environment.server_changes.iter().map(|change| {
            format!(
                "while the steps ran, the server changed beyond the scratch database, by a file or by others: {change}"
            )
        }));
        if !environment.cleaned_up {
            lines.push(format!("the scratch database {} could not be cleaned up", environment.scratch_database));
        }
        lines
    }
}

/// Why a qualification was not made, or was not passed.
#[derive(Debug, thiserror::Error)]
pub enum QualificationError {
    /// The scratch database given holds something.
    #[error("the scratch database {database} is not empty: it holds {}", few(.held))]
    NotEmpty {
        /// The database.
        database: String,
        /// What it holds.
        held: Vec<String>,
    },
    /// The scratch database given cannot serve as one.
    #[error("the database {database} cannot be the scratch database: {reason}")]
    Unsuitable {
        /// The database.
        database: String,
        /// Why.
        reason: String,
    },
    /// The target does not exist.
    #[error("the target database {database} does not exist on the server")]
    NoTarget {
        /// The database.
        database: String,
    },
    /// Files would change the server beyond the scratch database.
    #[error("files reach beyond their database, and the server is the one that DATABASE_URL names{}", lines(.statements))]
    Beyond {
        /// File, line and first words of each statement.
        statements: Vec<String>,
    },
    /// The role may not make a scratch database.
    #[error("the role {role} may not make a scratch database: {reason}")]
    MayNotMake {
        /// The role.
        role: String,
        /// The server's words.
        reason: String,
    },
    /// A file of `qualification/` cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Steps failed.
    #[error("not qualified: {} failed ({})", counted(.failed.len(), "step"), .failed.join(", "))]
    Failed {
        /// Their ids.
        failed: Vec<String>,
    },
}

fn few(held: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = held.len().saturating_sub(SHOWN);
    let shown = held.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn lines(statements: &[String]) -> String {
    statements.iter().map(|statement| format!("\n  {statement}")).collect()
}
