//! The project's own steps: `*.sql` in `qualification/`, each in a transaction that is taken back. In: a folder. Out: steps.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::check;
use crate::error::Error;
use crate::migrations::script::{self, excerpt};
use crate::migrations::{MigrationSet, Origin};
use crate::protocol::QualificationError;
use crate::protocol::{Case, Step, Verdict};
use crate::qualification::bench::{Bench, query};
use crate::sha256::sha256_hex;

/// The folder's name.
const FOLDER: &str = "qualification";
const DOING: &str = "running a step of the project's own";

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct OwnStep {
    id: String,
    file: String,
    title: String,
    requirement: String,
    text: String,
    sha256: String,
}

/// The files of `qualification/`, in the migrations folder or beside it, by name.
pub(crate) fn own_steps(set: &MigrationSet) -> Result<Vec<OwnStep>, Error> {
    let folder = match set.origin() {
        Origin::Embedded => return Ok(Vec::new()),
        Origin::Folder(folder) | Origin::Drizzle { folder, .. } => folder,
    };
    let beside = folder.canonicalize().ok().and_then(|folder| Some(folder.parent()?.join(FOLDER)));
    let Some(folder) = [Some(folder.join(FOLDER)), beside].into_iter().flatten().find(|folder| folder.is_dir()) else {
        return Ok(Vec::new());
    };
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::from(QualificationError::Unreadable { path, source })
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable(&folder))? {
        let path = entry.map_err(unreadable(&folder))?.path();
        let is_sql = path.extension().is_some_and(|extension| extension == "sql");
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_sql && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    let read = |(number, path): (usize, &PathBuf)| {
        Ok(OwnStep::of(number + 1, path, std::fs::read_to_string(path).map_err(unreadable(path))?))
    };
    files.iter().enumerate().map(read).collect()
}

impl OwnStep {
    /// The first comment line is the title, the second the requirement; `title:` and `requirement:` may stand before them.
    fn of(number: usize, path: &Path, text: String) -> Self {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut title = None;
        let mut requirement = None;
        let comments = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        for comment in comments.map_while(|line| line.strip_prefix("--")).map(str::trim) {
            let value = |name: &str| {
                let (head, rest) = comment.split_once(':')?;
                head.trim().eq_ignore_ascii_case(name).then(|| rest.trim().to_owned())
            };
            if let Some(named) = value("title") {
                title = Some(named);
            } else if let Some(named) = value("requirement") {
                requirement = Some(named);
            } else if title.is_none() && !comment.is_empty() {
                title = Some(comment.to_owned());
            } else if requirement.is_none() && !comment.is_empty() {
                requirement = Some(comment.to_owned());
            }
        }
        let title = title.unwrap_or_else(|| file.trim_end_matches(".sql").replace('_', " "));
        let requirement = requirement.unwrap_or_else(|| "Not stated in the file.".to_owned());
        let sha256 = sha256_hex(text.as_bytes());
        Self { id: format!("IQ-P{number:02}"), file, title, requirement, text, sha256 }
    }

    fn step(&self, started: SystemTime, duration: Duration, case: Case) -> Step {
        Step {
            id: self.id.clone(),
            title: self.title.clone(),
            requirement: self.requirement.clone(),
            expected: format!("{} (SHA-256 {}) runs to its end without an error.", self.file, self.sha256),
            actual: format!("{}.", case.actual),
            started,
            duration,
            cases: vec![case],
        }
    }

    /// With the checksum, so that the record says which text it was.
    fn name(&self) -> String {
        format!("{} (SHA-256 {})", self.file, self.sha256)
    }

    /// As a step that could not be run.
    pub(super) fn not_executed(&self, reason: &str) -> Step {
        self.step(SystemTime::now(), Duration::ZERO, super::case(&self.name(), Verdict::NotExecuted, reason))
    }

    /// Runs it.
    pub(super) async fn run(&self, bench: &Bench<'_>) -> Result<Step, Error> {
        let (started, clock) = (SystemTime::now(), Instant::now());
        tracing::info!("{} {}", self.id, self.title);
        let seen = match self.refusal() {
            Some(refusal) => Err(refusal),
            None => self.try_out(bench).await?,
        };
        let step = self.step(started, clock.elapsed(), check(&self.name(), clock, seen));
        tracing::info!(step = step.id, verdict = step.verdict().status(), "{} {}", step.id, step.verdict().words());
        Ok(step)
    }

    /// What must not be in it: it would leave its transaction, or hang.
    fn refusal(&self) -> Option<String> {
        if self.text.trim().is_empty() {
            return Some("the file is empty: a step that checks nothing cannot pass".to_owned());
        }
        let judgement = script::judge(&self.text);
        let refusal = judgement.refusals.first();
        let refusal = refusal
            .map(|refusal| format!("line {}: {}", refusal.line, refusal.rule.message().replace("migration", "step")));
        let directive = judgement.no_transaction.then(|| "a step runs in a transaction".to_owned());
        let empty = (judgement.statements == 0).then(|| "the file holds no statement".to_owned());
        refusal.or(directive).or(empty)
    }

    async fn try_out(&self, bench: &Bench<'_>) -> Result<Result<String, String>, Error> {
        let session = bench.session().await?;
        query(&session, DOING, "BEGIN").await?;
        let text = self.text.trim_start_matches('\u{feff}');
        let seen = match session.query(text).await {
            Ok(_) => {
                // A deferred constraint is part of what the step did.
                let deferred = session.query("SET CONSTRAINTS ALL IMMEDIATE").await;
                deferred.map(|_| "ran to its end; taken back".to_owned()).map_err(|error| error.to_string())
            }
            Err(error) => match error.server() {
                Some(server) => Err(failure(text, server)),
                None => {
                    // Whether it ended its own session, or the server is gone, shows in the next one.
                    bench.session().await?.close().await;
                    return Ok(Err(format!("it ended its session: {error}")));
                }
            },
        };
        query(&session, DOING, "ROLLBACK").await?;
        session.close().await;
        Ok(seen)
    }
}

/// The server's words, with the place where it gives one.
fn failure(text: &str, error: &crate::postgres::server_error::ServerError) -> String {
    let place = error.position.and_then(|at| usize::try_from(at).ok()).map(|at| script::position_of(text, at));
    let line = place.map(|place| format!(" at line {} ({})", place.line, excerpt(text, place.byte).text.trim()));
    let detail = error.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("{}{detail} ({}){}", error.message, error.sqlstate, line.unwrap_or_default())
}
