//! Everything that can keep a release out, and the one map from it to an exit code. In: the rooms' own errors.
//! Out: a code. The words are in `report::failure`.

mod reason;

use std::path::PathBuf;
use std::time::Duration;

use crate::adopt::AdoptError;
use crate::apply::{ApplyError, Cause, DatabaseState, Phase};
use crate::exit_code::ExitCode;
use crate::history::HistoryError;
use crate::lint::LintError;
use crate::migrations::new::NewNameError;
use crate::migrations::{IntakeError, ReadError};
use crate::plan::PlanError;
use crate::postgres::attempt::{AttemptError, ConnectError};
use crate::postgres::lock::Holder;
use crate::postgres::server_error::{LoginRefusal, QueryError, ServerError};
use crate::postgres::soundness::Unsound;
use crate::postgres::url::UrlError;
use crate::postgres::{counted, duration_text};
use crate::protocol::QualificationError;
use crate::rehearsal::OtherSession;
use crate::review::ReviewError;
use crate::settings::SettingsError;
use crate::signing::KeyError;
use crate::stop::StopReason;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No variable says where the database is.
    #[error("DATABASE_URL is not set")]
    NoDatabaseUrl,
    /// A `PG…` variable holds what is no text.
    #[error("{variable}: the value is not valid UTF-8")]
    UnreadableVariable {
        /// The variable.
        variable: String,
    },
    /// The URL cannot be used.
    #[error("{}{source}", at_fault(variable, source))]
    Url {
        /// The variable that gave it; the fault may be in a `PG…` variable beside it.
        variable: &'static str,
        /// What is wrong with it.
        source: UrlError,
    },
    /// Several faults that one look at the environment shows.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Error>),
    /// The migrations cannot be taken in.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A file cannot be read again.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no session.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server is older than what is supported.
    #[error("the server is PostgreSQL {version}, which is not supported")]
    OldServer {
        /// Its version.
        version: String,
    },
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Files and history do not fit together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What another tool applied cannot be adopted.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// Pending files hold what cannot be run.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// The session may not write.
    #[error("the session is read-only, and the server is not in recovery (25006)")]
    ReadOnlySession,
    /// A pooler swaps sessions under the lock.
    #[error("a transaction pooler stands between schemagate and the server")]
    TransactionPooler {
        /// Whether `DATABASE_UNPOOLED_URL` is set.
        unpooled_url_set: bool,
    },
    /// The history is empty, but tables of pending files exist.
    #[error("the history is empty, but tables that pending files create exist: {}", .tables.join(", "))]
    TablesExist {
        /// The tables.
        tables: Vec<String>,
    },
    /// Another run held the lock for too long.
    #[error("another run holds the lock{}", still(*.waited))]
    LockHeld {
        /// Who holds it.
        holder: Option<Box<Holder>>,
        /// How long it was waited for.
        waited: Duration,
        /// The state of the database.
        state: DatabaseState,
    },
    /// A rehearsal would take its locks beside sessions that have work to do.
    #[error("other sessions are connected to this database: {}", counted(.sessions.len(), "session"))]
    Traffic {
        /// The sessions.
        sessions: Vec<OtherSession>,
    },
    /// Applying failed.
    #[error(transparent)]
    Apply(Box<ApplyError>),
    /// The session was lost again and again.
    #[error("the connection was lost {} times without progress{}: {reason}", .resumptions + 1,
            .during.as_ref().map(|what| format!(", while applying {what}")).unwrap_or_default())]
    SessionLost {
        /// What was being applied.
        during: Option<String>,
        /// What was heard last.
        reason: String,
        /// How often it was taken up again.
        resumptions: u32,
    },
    /// The session was lost, and there is no other.
    #[error("the connection was lost ({reason}) and could not be had again: {source}")]
    NotBack {
        /// What was heard when it was lost.
        reason: String,
        /// Why there is no new one.
        source: Box<ConnectError>,
        /// The state of the database.
        state: DatabaseState,
    },
    /// A statement of our own failed.
    #[error("{doing}: {source}")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// How it failed.
        source: QueryError,
    },
    /// The run was to end.
    #[error("stopped by {}", .reason.name())]
    Stopped {
        /// Why.
        reason: StopReason,
        /// The state of the database.
        state: DatabaseState,
    },
    /// `--check` found work to do.
    #[error("not up to date: {pending} pending, {divergent} divergent, {missing} missing, {ahead} ahead")]
    NotUpToDate {
        /// Files without a row.
        pending: usize,
        /// Rows whose file was edited.
        divergent: usize,
        /// Rows whose file is gone.
        missing: usize,
        /// Rows newer than every file.
        ahead: usize,
    },
    /// `--check` found what a migration left half done.
    #[error("up to date, but not sound: {}", unsound_words(.0))]
    Unsound(Unsound),
    /// The release was not qualified.
    #[error(transparent)]
    Qualification(#[from] QualificationError),
    /// Files were judged and found wanting, or cannot be judged.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// A new file cannot be named.
    #[error(transparent)]
    NewName(#[from] NewNameError),
    /// A file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A key that signs or verifies evidence cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// OpenSSL cannot sign.
    #[error("cannot sign: {source}")]
    Sign {
        /// Its reason.
        source: openssl::error::ErrorStack,
    },
    /// Evidence does not verify; what is wrong with it was printed.
    #[error("the evidence does not verify: {}", counted(*.faults, "fault"))]
    NotVerified {
        /// How much is wrong.
        faults: usize,
    },
    /// What was to be verified is none, or cannot be read.
    #[error("{}: {reason}", .path.display())]
    NoEvidence {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The result cannot be written to standard output.
    #[error("cannot write to standard output: {source}")]
    Output {
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// What was heard when the connection was lost, if that is what happened.
    pub fn lost(&self) -> Option<String> {
        let query = match self {
            Self::Query { source, .. } => source,
            Self::History(HistoryError::Query { source, .. }) => source,
            Self::Apply(error) => match error.as_ref() {
                ApplyError::Own { source, .. } => source,
                _ => return None,
            },
            _ => return None,
        };
        match query {
            QueryError::Lost { reason } => Some(reason.clone()),
            QueryError::Server(_) | QueryError::Protocol { .. } => None,
        }
    }

    /// The state of the database, where the error knows more than that nothing was changed.
    pub fn state(&self) -> Option<&DatabaseState> {
        match self {
            Self::LockHeld { state, .. } | Self::Stopped { state, .. } | Self::NotBack { state, .. } => Some(state),
            // Nobody has read the history since the connection was lost.
            Self::SessionLost { .. } => Some(&DatabaseState::Unknown),
            Self::Apply(error) => Some(match error.as_ref() {
                ApplyError::Migration(failure) | ApplyError::TableLocks(failure) => &failure.state,
                ApplyError::Unrecordable { state, .. }
                | ApplyError::Changed { state, .. }
                | ApplyError::Own { state, .. }
                | ApplyError::LockLost { state }
                | ApplyError::Stopped { state, .. } => state,
            }),
            _ => None,
        }
    }

    /// Whether a setting that gives the database URL cannot be read.
    pub fn is_about_url(&self) -> bool {
        matches!(self, Self::Settings(error) if error.is_about_url())
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) | Self::NoDatabaseUrl | Self::Url { .. } | Self::OldServer { .. } => {
                ExitCode::Configuration
            }
            Self::Traffic { .. }
            | Self::TransactionPooler { .. }
            | Self::UnreadableVariable { .. }
            | Self::Several(_)
            | Self::Key(_) => ExitCode::Configuration,
            Self::NotVerified { .. } => ExitCode::MigrationFailed,
            Self::NoEvidence { .. } => ExitCode::Refused,
            Self::Sign { .. } => ExitCode::TryAgain,
            Self::Adopt(AdoptError::Unknown { .. } | AdoptError::Twice { .. }) => ExitCode::Usage,
            Self::Adopt(_) => ExitCode::Refused,
            Self::Intake(_) | Self::Read(_) | Self::Review(_) | Self::TablesExist { .. } | Self::Write { .. } => {
                ExitCode::Refused
            }
            Self::Connect(error) => connect_code(error),
            Self::NotBack { source, .. } => connect_code(source),
            Self::History(error) => history_code(error),
            Self::Plan(PlanError::Divergent(_)) => ExitCode::Refused,
            Self::Plan(PlanError::UnknownTarget { .. }) => ExitCode::Usage,
            Self::ReadOnlySession => ExitCode::NotPermitted,
            Self::LockHeld { .. } | Self::Output { .. } => ExitCode::TryAgain,
            Self::Apply(error) => apply_code(error),
            Self::SessionLost { .. } => ExitCode::Unavailable,
            Self::Query { source, .. } => own_statement_code(source),
            Self::Stopped { reason, .. } => stop_code(*reason),
            Self::NotUpToDate { .. } | Self::Unsound(_) => ExitCode::NotUpToDate,
            Self::Qualification(QualificationError::Failed { .. }) => ExitCode::MigrationFailed,
            Self::Qualification(QualificationError::MayNotMake { .. }) => ExitCode::NotPermitted,
            Self::Qualification(QualificationError::NoTarget { .. }) => ExitCode::Configuration,
            Self::Qualification(_) => ExitCode::Refused,
            Self::Lint(LintError::Found { .. }) => ExitCode::MigrationFailed,
            Self::Lint(LintError::Embedded) => ExitCode::Usage,
            Self::Lint(LintError::Git(error)) if error.is_usage() => ExitCode::Usage,
            Self::Lint(LintError::Git(_) | LintError::Read(_)) => ExitCode::Refused,
            Self::NewName(error) => match error.is_usage() {
                true => ExitCode::Usage,
                false => ExitCode::Refused,
            },
        }
    }
}

fn unsound_words(unsound: &Unsound) -> String {
    let named = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let words = [
        named("invalid index", &unsound.invalid_indexes),
        named("constraint not validated", &unsound.unvalidated_constraints),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// A fault in `PGPORT` is not one of `DATABASE_URL`.
fn at_fault(variable: &str, source: &UrlError) -> String {
    if source.is_in_text() { format!("{variable}: ") } else { String::new() }
}

fn still(waited: Duration) -> String {
    if waited < Duration::from_secs(1) {
        String::new()
    } else {
        format!(", and still did after {}", duration_text(waited))
    }
}

/// The code of a run that was told to end.
pub fn stop_code(reason: StopReason) -> ExitCode {
    match reason {
        StopReason::Interrupt => ExitCode::Interrupted,
        StopReason::Terminate => ExitCode::Terminated,
        StopReason::Deadline => ExitCode::TryAgain,
    }
}

fn connect_code(error: &ConnectError) -> ExitCode {
    match error {
        ConnectError::Unreachable { .. } => ExitCode::Unavailable,
        ConnectError::Stopped(reason) => stop_code(*reason),
        ConnectError::Refused(attempt) => match &attempt.error {
            AttemptError::Server(error) => match error.login_refusal() {
                LoginRefusal::Password | LoginRefusal::Client | LoginRefusal::Privilege => ExitCode::NotPermitted,
                LoginRefusal::Database | LoginRefusal::Options | LoginRefusal::Other => ExitCode::Configuration,
            },
            AttemptError::PasswordMissing => ExitCode::NotPermitted,
            AttemptError::Socket { .. } => ExitCode::NotPermitted,
            AttemptError::Tls { .. }
            | AttemptError::TlsNotOffered
            | AttemptError::ChannelBinding
            | AttemptError::Authentication { .. }
            | AttemptError::Protocol { .. } => ExitCode::Configuration,
            AttemptError::Resolve { .. }
            | AttemptError::NoAddress
            | AttemptError::TimedOut { .. }
            | AttemptError::Closed { .. }
            | AttemptError::Unanswered { .. }
            | AttemptError::InRecovery
            | AttemptError::SessionAttributes { .. } => ExitCode::Unavailable,
        },
    }
}

fn history_code(error: &HistoryError) -> ExitCode {
    match error {
        HistoryError::Query { source, .. } => own_statement_code(source),
        HistoryError::Shape { .. }
        | HistoryError::TrailShape { .. }
        | HistoryError::NotDrizzle { .. }
        | HistoryError::NoSchema { .. } => ExitCode::Configuration,
        HistoryError::TrailNotWritable { .. } | HistoryError::TrailNotReadable { .. } => ExitCode::NotPermitted,
        HistoryError::Row { .. } | HistoryError::Twice { .. } | HistoryError::Elsewhere { .. } => ExitCode::Refused,
        HistoryError::Incomplete { .. } => ExitCode::Defect,
    }
}

fn apply_code(error: &ApplyError) -> ExitCode {
    match error {
        ApplyError::Migration(failure) if failure.error.short_of_resources() => ExitCode::TryAgain,
        ApplyError::Migration(failure) if failure.error.sqlstate == "25006" && failure.phase == Phase::Statement => {
            ExitCode::NotPermitted
        }
        ApplyError::Unrecordable { cause: Cause::PartOfOtherText, .. } => ExitCode::Refused,
        ApplyError::Migration(_) | ApplyError::Unrecordable { .. } => ExitCode::MigrationFailed,
        ApplyError::TableLocks(_) => ExitCode::TryAgain,
        ApplyError::Changed { .. } => ExitCode::Refused,
        ApplyError::Own { source, .. } => own_statement_code(source),
        ApplyError::LockLost { .. } => ExitCode::Configuration,
        ApplyError::Stopped { reason, .. } => stop_code(*reason),
    }
}

fn own_statement_code(error: &QueryError) -> ExitCode {
    match error {
        QueryError::Lost { .. } => ExitCode::Unavailable,
        QueryError::Protocol { .. } => ExitCode::Defect,
        QueryError::Server(error) => own_server_code(error),
    }
}

fn own_server_code(error: &ServerError) -> ExitCode {
    match error.sqlstate.as_str() {
        "42501" | "25006" => ExitCode::NotPermitted,
        // 23505: another tool, which takes no lock of ours, recorded the same version.
        "57014" | "23505" => ExitCode::TryAgain,
        // The history table takes no row of ours.
        code if code.starts_with("22") || code.starts_with("23") => ExitCode::Configuration,
        _ if error.short_of_resources() || error.lost_to_other_sessions() => ExitCode::TryAgain,
        // A statement that the server cannot read, or a function that it does not know, is ours to answer for.
        "42601" | "42883" => ExitCode::Defect,
        _ => ExitCode::Configuration,
    }
}

#[cfg(test)]
pub(crate) mod tests;
