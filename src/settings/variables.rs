//! The one list of settings: help, README and the check for unknown names are made from it.

use super::UnknownVariable;

/// What every setting's name begins with.
pub(super) const PREFIX: &str = "SCHEMAGATE_";

/// One setting as users see it.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The variable's name.
    pub name: &'static str,
    /// Its default, in words where it is no value.
    pub default: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning }
}

/// Where a URL may come from, the first that is set wins: the variable and the one that names a file.
pub(super) const URLS: &[(&str, &str)] =
    &[("SCHEMAGATE_DATABASE_URL", "SCHEMAGATE_DATABASE_URL_FILE"), ("DATABASE_URL", "DATABASE_URL_FILE")];

/// Whether `name` is a setting.
pub(super) fn is_known(name: &str) -> bool {
    VARIABLES.iter().any(|variable| variable.name == name)
}

/// Every setting, in the order users read them.
pub const VARIABLES: &[Variable] = &[
    variable(
        "DATABASE_URL",
        "required",
        "the database, as a libpq URL; `DATABASE_URL_FILE` names a file that holds it",
    ),
    variable("DATABASE_URL_FILE", "none", "file that holds `DATABASE_URL` (a mounted secret)"),
    variable(
        "SCHEMAGATE_DATABASE_URL",
        "none",
        "wins over `DATABASE_URL`, for an application whose `DATABASE_URL` is a pooler",
    ),
    variable("SCHEMAGATE_DATABASE_URL_FILE", "none", "file that holds `SCHEMAGATE_DATABASE_URL`"),
    variable(
        "SCHEMAGATE_MIGRATIONS",
        "the embedded set",
        "folder of migrations (a folder of drizzle-kit is known by what it holds)",
    ),
    variable(
        "SCHEMAGATE_HISTORY_TABLE",
        "drizzle.__migrations__",
        "history table, `schema.table` or `table` (looked up on the search_path, else created in the current schema)",
    ),
    variable(
        "SCHEMAGATE_ATOMICITY",
        "release",
        "`release`: everything pending in one transaction; `migration`: one transaction each",
    ),
    variable(
        "SCHEMAGATE_DEADLINE",
        "none",
        "limit of the whole run; when it passes, as SIGTERM, with exit code 75; 0: none",
    ),
    variable("SCHEMAGATE_CONNECT_DEADLINE", "60s", "how long to wait for a database that is not there yet; 0: one try"),
    variable("SCHEMAGATE_LOCK_WAIT", "5m", "how long to wait for another run's advisory lock; 0: one try"),
    variable(
        "SCHEMAGATE_LOCK_TIMEOUT",
        "5s",
        "`lock_timeout` for each attempt at the migrations' own table locks; 0: none",
    ),
    variable(
        "SCHEMAGATE_LOCK_ATTEMPTS",
        "10",
        "attempts at a batch that lost to `lock_timeout`, a deadlock or a serialization failure",
    ),
    variable("SCHEMAGATE_STATEMENT_TIMEOUT", "0", "`statement_timeout`; 0: none, whatever the role's own default is"),
    variable(
        "SCHEMAGATE_WHEN_AHEAD",
        "allow",
        "the database holds newer migrations than this release: `allow` warns and exits 0, `refuse` exits 65",
    ),
    variable(
        "SCHEMAGATE_OUT_OF_ORDER",
        "refuse",
        "a pending `V` file numbered below the newest applied one: `refuse` or `allow`",
    ),
    variable(
        "SCHEMAGATE_WHEN_EXISTING",
        "refuse",
        "the history is empty but a table that a pending file creates exists: `refuse` or `allow`",
    ),
    variable(
        "SCHEMAGATE_DRIZZLE_TABLE",
        "drizzle.__drizzle_migrations",
        "Drizzle's own history, read for take-over and kept in step",
    ),
    variable("SCHEMAGATE_DRIZZLE_IN_STEP", "on", "write Drizzle's row too while its table exists: `on` or `off`"),
    variable(
        "SCHEMAGATE_SCRATCH_URL",
        "none",
        "empty database for `qualify`, else one is made beside the target and dropped again",
    ),
    variable(
        "SCHEMAGATE_SIGNING_KEY",
        "none",
        "key that signs evidence: PKCS#8 PEM, P-256, its line ends also written out as `\\n`",
    ),
    variable("SCHEMAGATE_SIGNING_KEY_FILE", "none", "file that holds `SCHEMAGATE_SIGNING_KEY` (a mounted secret)"),
    variable("SCHEMAGATE_SPEC_ID", "SPEC-INF-002", "specification that the qualification verifies"),
    variable("SCHEMAGATE_GXP_ID", "EV-SPEC-INF-002", "id of the evidence itself; follows the specification"),
    variable("SCHEMAGATE_VERIFICATION_TIER", "IQ", "verification tier of the evidence"),
    variable("SCHEMAGATE_USER_STORY", "US-005-001", "user story that the specification traces to"),
    variable(
        "SCHEMAGATE_GIT_COMMIT",
        "the platform's",
        "commit that is deployed, for evidence and audit trail (else RAILWAY_GIT_COMMIT_SHA, GITHUB_SHA, …)",
    ),
    variable(
        "SCHEMAGATE_DEPLOYMENT_ID",
        "the platform's",
        "deployment, for evidence and audit trail (else RAILWAY_DEPLOYMENT_ID, POD_NAME, …)",
    ),
    variable("SCHEMAGATE_LOG_FORMAT", "auto", "`text`, `json`, or `auto`: text on a terminal, JSON elsewhere"),
    variable("SCHEMAGATE_LOG", "info", "log filter, such as `debug` or `schemagate=debug`"),
    variable(
        "SCHEMAGATE_TERMINATION_LOG",
        "/dev/termination-log",
        "file that takes the reason of a failure, if it exists",
    ),
];

/// The variables of our prefix that no setting has. Kubernetes injects such names for a service called schemagate,
/// so they are told and not refused.
pub(super) fn unknown<'a>(names: impl Iterator<Item = &'a str>) -> Vec<UnknownVariable> {
    let mut unknown: Vec<UnknownVariable> = names
        .filter(|name| name.starts_with(PREFIX) && !is_known(name))
        .map(|name| UnknownVariable { name: name.to_owned(), nearest: nearest(name) })
        .collect();
    unknown.sort_by(|a, b| a.name.cmp(&b.name));
    unknown
}

/// A third of the letters behind the prefix may be wrong: `LOCK_WIAT` is meant for `LOCK_WAIT`, `URL` not for `LOG`.
fn nearest(name: &str) -> Option<&'static str> {
    let letters = name.len().saturating_sub(PREFIX.len());
    VARIABLES
        .iter()
        .map(|variable| (strsim::damerau_levenshtein(variable.name, name), variable.name))
        .min()
        .filter(|(distance, _)| *distance <= letters / 3)
        .map(|(_, name)| name)
}
