//! The one list of exit codes: help, README and every error's code are made from it.

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Up to date, or brought up to date.
    Success,
    /// A migration failed.
    MigrationFailed,
    /// Wrong arguments.
    Usage,
    /// `--check`: not exactly up to date.
    NotUpToDate,
    /// Refused before running.
    Refused,
    /// The database could not be reached, or was lost for good.
    Unavailable,
    /// A defect of schemagate.
    Defect,
    /// Trying again may help.
    TryAgain,
    /// Not permitted.
    NotPermitted,
    /// Settings, URL, TLS, a pooler.
    Configuration,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

/// One row of the table that users read.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The code.
    pub code: ExitCode,
    /// When it is given.
    pub when: &'static str,
    /// Whether trying again can help.
    pub retry: &'static str,
}

const fn row(code: ExitCode, when: &'static str, retry: &'static str) -> Row {
    Row { code, when, retry }
}

/// Every exit code, in the order of their numbers.
pub const TABLE: &[Row] = &[
    row(ExitCode::Success, "up to date, or brought up to date", "–"),
    row(
        ExitCode::MigrationFailed,
        "a migration failed; its transaction is rolled back. A step of the qualification failed, evidence does not verify, or `lint` found errors",
        "no: fix the migration",
    ),
    row(ExitCode::Usage, "wrong arguments", "no"),
    row(
        ExitCode::NotUpToDate,
        "`status --check`: not exactly up to date, or an invalid index, or a constraint not validated",
        "–",
    ),
    row(
        ExitCode::Refused,
        "refused before running: bad names, duplicates, divergent, missing, out of order, unreadable files, \
         forbidden content",
        "no",
    ),
    row(
        ExitCode::Unavailable,
        "the database was not reachable within the deadline, or the session was lost for good",
        "yes",
    ),
    row(ExitCode::Defect, "a defect of schemagate", "–"),
    row(
        ExitCode::TryAgain,
        "another run held the lock too long; table locks not to be had; the server short of resources; \
         the deadline passed. What is not committed is rolled back",
        "yes",
    ),
    row(
        ExitCode::NotPermitted,
        "wrong password, a privilege is missing for schemagate's own statements, or the session is read-only",
        "no",
    ),
    row(
        ExitCode::Configuration,
        "settings, URL, unknown database, TLS, a transaction pooler in the way, or other sessions beside a rehearsal",
        "no",
    ),
    row(ExitCode::Interrupted, "SIGINT: the running statement was cancelled and rolled back", "yes"),
    row(ExitCode::Terminated, "SIGTERM: the running statement was cancelled and rolled back", "yes"),
];

impl ExitCode {
    /// The number that the process returns.
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::MigrationFailed => 1,
            Self::Usage => 2,
            Self::NotUpToDate => 3,
            Self::Refused => 65,
            Self::Unavailable => 69,
            Self::Defect => 70,
            Self::TryAgain => 75,
            Self::NotPermitted => 77,
            Self::Configuration => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
