//! Judges files without a database. In: a set of migrations and what is known of their target. Out: a [`Report`] of
//! everything found, from file to file and from top to bottom. Never connects; asks `git` where it is told a revision.

mod allow;
mod danger;
mod edited;
mod enums;
mod finding;
mod git;
mod guard;
mod instead;
mod made;
mod new_tables;
mod numbering;
mod oddities;
mod partitions;
mod queue;
mod refused;
mod rules;
mod search_path;
mod session;
mod source;
mod squawk;
mod statements;

use crate::effects;
use crate::migrations::{MigrationSet, Origin, ReadError};
use crate::settings::Atomicity;

pub use finding::Finding;
pub use git::GitError;
pub use guard::is_guarded;
pub use rules::{RULES, Rule, Severity};
pub use squawk::{OFF as SQUAWK_OFF, ON as SQUAWK_ON};

/// What lint is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The target's major version.
    pub version: u32,
    /// How pending migrations are grouped into transactions.
    pub atomicity: Atomicity,
    /// The revision after which files are new: a tag, a branch.
    pub since: Option<String>,
    /// The branch that numbers may collide with.
    pub against: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { version: *effects::VERSIONS.start(), atomicity: Atomicity::Release, since: None, against: None }
    }
}

/// Everything found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// By file and line.
    pub findings: Vec<Finding>,
    /// How many files there are.
    pub files: usize,
    /// How many of them were judged as the release.
    pub judged: usize,
    /// How many findings comments silenced.
    pub allowed: usize,
    /// How many statements squawk's rules did not judge: too long or nested too deep for its parser.
    pub unread: usize,
}

impl Report {
    /// Counts the findings of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Why there is no judgement, or none that lets the release through.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// A file is not the one that was taken in.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// git gave no answer.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A revision was given for migrations that are no files.
    #[error("the embedded migrations are no files that git could know")]
    Embedded,
    /// Something was found; it was printed.
    #[error("{} found", found_words(*.errors, *.warnings))]
    Found {
        /// How many errors.
        errors: usize,
        /// How many warnings.
        warnings: usize,
    },
}

impl LintError {
    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read(error) => error.hint(),
            Self::Git(error) => error.hint(),
            Self::Embedded => "name the folder: --migrations DIR",
            Self::Found { .. } => {
                "mend each as it says, or allow it above its line: `-- schemagate: allow RULE because …`"
            }
        }
    }
}

/// `2 errors and 1 warning`.
pub fn found_words(errors: usize, warnings: usize) -> String {
    use crate::postgres::counted;
    match (errors, warnings) {
        (0, warnings) => counted(warnings, "warning"),
        (errors, 0) => counted(errors, "error"),
        (errors, warnings) => format!("{} and {}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

/// Judges a set. The release is all of it, or what `since` does not have: what concerns the tables that it creates is
/// no danger, and older files are judged no more.
///
/// # Errors
/// [`LintError`] where a file or git cannot be read; findings are no error here.
pub fn lint(set: &MigrationSet, options: &Options) -> Result<Report, LintError> {
    let judged = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || judge(set, options));
        // Where the system gives no such stack, this thread's has to do.
        thread.ok().and_then(|thread| thread.join().ok())
    });
    judged.unwrap_or_else(|| judge(set, options))
}

/// For statements that nest deep: squawk's parser calls itself for every level. Only what is used of it becomes memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

fn judge(set: &MigrationSet, options: &Options) -> Result<Report, LintError> {
    let since = revision(set, options.since.as_deref(), git::Revision::since)?;
    let against = revision(set, options.against.as_deref(), git::Revision::read)?;
    let mut report = Report { files: set.len(), ..Report::default() };
    let key = edited::key(set);
    let is_new = |file: &str| since.as_ref().is_none_or(|since| !key(file).is_some_and(|key| since.has(key)));
    report.findings.extend(oddities::findings(set));
    if let Some(since) = &since {
        report.findings.extend(edited::findings(set, since)?);
    }
    let elsewhere: Vec<&git::Revision> = since.iter().chain(&against).collect();
    report.findings.extend(numbering::gaps(set, is_new, &elsewhere));
    report.findings.extend(against.iter().flat_map(|against| numbering::collisions(set, against)));
    let mut release = statements::Release::new(options);
    for migration in set.iter().filter(|migration| !is_new(migration.file())) {
        release.older(migration)?;
    }
    release.begin();
    for migration in set.iter().filter(|migration| is_new(migration.file())) {
        let judged = release.file(migration)?;
        report.judged += 1;
        report.allowed += judged.allowed;
        report.findings.extend(judged.findings);
    }
    report.unread = release.unread;
    report.findings.sort_by(|a, b| (&a.file, a.line, a.column, a.rule).cmp(&(&b.file, b.line, b.column, b.rule)));
    Ok(report)
}

type Read = fn(git::Folder<'_>, &str) -> Result<git::Revision, GitError>;

fn revision(set: &MigrationSet, name: Option<&str>, read: Read) -> Result<Option<git::Revision>, LintError> {
    let Some(name) = name else { return Ok(None) };
    match set.origin() {
        Origin::Embedded => Err(LintError::Embedded),
        Origin::Folder(path) | Origin::Drizzle { folder: path, .. } => {
            let migrations: Vec<&str> = set.iter().map(crate::migrations::Migration::file).collect();
            Ok(Some(read(git::Folder { path, migrations: &migrations, key: edited::key(set) }, name)?))
        }
    }
}

#[cfg(test)]
mod tests;
