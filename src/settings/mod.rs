//! Turns the environment into `Settings`, once. In: variables. Out: typed values, or every bad one at once.
//! Never connects and never prints a secret.

mod check;
mod identity;
mod table_name;
mod values;
mod variables;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use identity::{EvidenceIds, Release, SigningKeySource};
pub use table_name::{TableName, TableNameError, quote_identifier};
pub use values::{ValueError, parse_duration};
pub use variables::{VARIABLES, Variable};

use check::Check;
use values::{Choice, duration, postgres_timeout};

/// Everything a run is told by its environment. Defaults are those of [`VARIABLES`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of migrations; `None` is the embedded set.
    pub migrations: Option<PathBuf>,
    /// Where the database is, if any variable says so.
    pub database_url: Option<DatabaseUrl>,
    /// Where to qualify, if not on the server of the database.
    pub scratch_url: Option<DatabaseUrl>,
    /// Whether `DATABASE_UNPOOLED_URL` is set; named in advice, never used.
    pub has_unpooled_url: bool,
    /// The history table.
    pub history_table: TableName,
    /// How pending migrations are grouped into transactions.
    pub atomicity: Atomicity,
    /// Limit of the whole run; `None` is no limit.
    pub deadline: Option<Duration>,
    /// How long to wait for a database that is not there yet; zero is one try.
    pub connect_deadline: Duration,
    /// How long to wait for another run's advisory lock; zero is one try.
    pub lock_wait: Duration,
    /// `lock_timeout` where set explicitly; zero is off.
    pub lock_timeout: Option<Duration>,
    /// Attempts at a batch that lost to other sessions' locks; at least 1.
    pub lock_attempts: u32,
    /// `statement_timeout` where set explicitly; zero is off.
    pub statement_timeout: Option<Duration>,
    /// What to do when the database is ahead of this release.
    pub when_ahead: WhenAhead,
    /// What to do with a pending file numbered below the newest applied one.
    pub out_of_order: Policy,
    /// What to do when the history is empty but tables of pending files exist.
    pub when_existing: Policy,
    /// Drizzle's own history table.
    pub drizzle_table: TableName,
    /// Whether Drizzle's table is kept in step.
    pub drizzle_in_step: bool,
    /// Where the key that signs evidence is, if anywhere; it is read by the commands that sign.
    pub signing_key: Option<SigningKeySource>,
    /// What evidence is filed under.
    pub evidence: EvidenceIds,
    /// What is being deployed.
    pub release: Release,
    /// Shape of the log.
    pub log_format: LogFormat,
    /// Filter of the log, as `tracing_subscriber::filter::Targets` reads it.
    pub log: String,
    /// File that takes the reason of a failure, if it exists.
    pub termination_log: PathBuf,
    /// `SCHEMAGATE_…` variables that no setting has, with the nearest name that one has.
    pub unknown: Vec<UnknownVariable>,
}

/// A variable of our prefix that is no setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// The name as found.
    pub name: String,
    /// The known name it resembles most, if any comes near.
    pub nearest: Option<&'static str>,
}

/// How pending migrations are grouped into transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atomicity {
    /// Everything pending in one transaction.
    Release,
    /// One transaction for each migration.
    Migration,
}

/// What to do when the database holds newer migrations than this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAhead {
    /// Warn and let the release through: a rolled-back deploy.
    Allow,
    /// Keep the release out.
    Refuse,
}

/// A plain refuse-or-allow choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Keep the release out.
    Refuse,
    /// Go on.
    Allow,
}

/// Shape of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The database URL as given, with the variable it came from. `Debug` hides it: it holds a password.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: String,
    variable: &'static str,
}

impl DatabaseUrl {
    /// A URL and what gave it: a variable or an argument.
    pub fn new(text: String, variable: &'static str) -> Self {
        Self { text, variable }
    }

    /// The URL itself, password and all.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The variable that gave it.
    pub fn variable(&self) -> &'static str {
        self.variable
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUrl").field("variable", &self.variable).finish_non_exhaustive()
    }
}

/// Every setting that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.list())]
pub struct SettingsError {
    /// The bad ones.
    pub problems: Vec<ValueError>,
    /// What could be read, with defaults for the rest: how the problems are to be told.
    pub readable: Box<Settings>,
}

impl SettingsError {
    /// Whether a variable that gives the database URL is among them.
    pub fn is_about_url(&self) -> bool {
        let mut urls = variables::URLS.iter().flat_map(|(variable, file)| [*variable, *file]);
        self.problems.iter().any(|problem| match problem {
            ValueError::File { variable, .. }
            | ValueError::EmptyFile { variable, .. }
            | ValueError::Both { variable, .. } => urls.any(|url| url == *variable),
            ValueError::NotUtf8 { variable } => urls.any(|url| url == variable),
            _ => false,
        })
    }

    fn list(&self) -> String {
        let lines: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }
}

/// The variables as text; envy fills it, the checks below type it.
#[derive(Debug, Default, Deserialize)]
struct Raw {
    migrations: Option<String>,
    history_table: Option<String>,
    atomicity: Option<String>,
    deadline: Option<String>,
    connect_deadline: Option<String>,
    lock_wait: Option<String>,
    lock_timeout: Option<String>,
    lock_attempts: Option<String>,
    statement_timeout: Option<String>,
    when_ahead: Option<String>,
    out_of_order: Option<String>,
    when_existing: Option<String>,
    drizzle_table: Option<String>,
    drizzle_in_step: Option<String>,
    spec_id: Option<String>,
    gxp_id: Option<String>,
    verification_tier: Option<String>,
    user_story: Option<String>,
    log_format: Option<String>,
    log: Option<String>,
    termination_log: Option<String>,
}

impl Settings {
    /// Reads all settings from `environment`. An empty variable counts as unset; white space around a value is none
    /// of it.
    ///
    /// # Errors
    /// [`SettingsError`] lists every variable whose value cannot be used.
    pub fn read(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, SettingsError> {
        let mut problems = Vec::new();
        let mut check = Check { problems: &mut problems };
        let set = check.texts(environment);
        let raw = check.raw(&set);
        let settings = Self {
            migrations: check.folder(raw.migrations),
            database_url: check.database_url(&set),
            scratch_url: set.get(SCRATCH_URL).map(|text| DatabaseUrl::new(text.clone(), SCRATCH_URL)),
            has_unpooled_url: set.contains_key("DATABASE_UNPOOLED_URL"),
            history_table: check.table_name("SCHEMAGATE_HISTORY_TABLE", raw.history_table, DEFAULT_HISTORY_TABLE),
            atomicity: check.choice("SCHEMAGATE_ATOMICITY", raw.atomicity, Atomicity::CHOICES, Atomicity::Release),
            deadline: check.duration("SCHEMAGATE_DEADLINE", raw.deadline, duration).filter(|limit| !limit.is_zero()),
            connect_deadline: check
                .duration("SCHEMAGATE_CONNECT_DEADLINE", raw.connect_deadline, duration)
                .unwrap_or(DEFAULT_CONNECT_DEADLINE),
            lock_wait: check.duration("SCHEMAGATE_LOCK_WAIT", raw.lock_wait, duration).unwrap_or(DEFAULT_LOCK_WAIT),
            lock_timeout: check.duration("SCHEMAGATE_LOCK_TIMEOUT", raw.lock_timeout, postgres_timeout),
            lock_attempts: check.attempts(raw.lock_attempts),
            statement_timeout: check.duration("SCHEMAGATE_STATEMENT_TIMEOUT", raw.statement_timeout, postgres_timeout),
            when_ahead: check.choice("SCHEMAGATE_WHEN_AHEAD", raw.when_ahead, WhenAhead::CHOICES, WhenAhead::Allow),
            out_of_order: check.choice("SCHEMAGATE_OUT_OF_ORDER", raw.out_of_order, Policy::CHOICES, Policy::Refuse),
            when_existing: check.choice("SCHEMAGATE_WHEN_EXISTING", raw.when_existing, Policy::CHOICES, Policy::Refuse),
            drizzle_table: check.table_name("SCHEMAGATE_DRIZZLE_TABLE", raw.drizzle_table, DEFAULT_DRIZZLE_TABLE),
            drizzle_in_step: check.choice("SCHEMAGATE_DRIZZLE_IN_STEP", raw.drizzle_in_step, SWITCH, true),
            signing_key: check.keep(identity::signing_key(&set)).flatten(),
            evidence: check.evidence_ids(raw.spec_id, raw.gxp_id, raw.verification_tier, raw.user_story),
            release: Release::of(&set),
            log_format: check.choice("SCHEMAGATE_LOG_FORMAT", raw.log_format, LogFormat::CHOICES, LogFormat::Auto),
            log: check.filter(raw.log),
            termination_log: termination_log(raw.termination_log.map(OsString::from)),
            unknown: variables::unknown(set.keys().map(String::as_str)),
        };
        if problems.is_empty() { Ok(settings) } else { Err(SettingsError { problems, readable: Box::new(settings) }) }
    }
}

/// Default of `SCHEMAGATE_CONNECT_DEADLINE`.
pub const DEFAULT_CONNECT_DEADLINE: Duration = Duration::from_secs(60);
/// Default of `SCHEMAGATE_LOCK_WAIT`.
pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(300);
/// Default of `SCHEMAGATE_LOCK_TIMEOUT`.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const SCRATCH_URL: &str = "SCHEMAGATE_SCRATCH_URL";
const DEFAULT_LOCK_ATTEMPTS: u32 = 10;
const DEFAULT_HISTORY_TABLE: &str = "drizzle.__migrations__";
const DEFAULT_DRIZZLE_TABLE: &str = "drizzle.__drizzle_migrations";
const DEFAULT_LOG: &str = "info";
const DEFAULT_TERMINATION_LOG: &str = "/dev/termination-log";
/// The variable that must be read even where settings are not.
pub const TERMINATION_LOG: &str = "SCHEMAGATE_TERMINATION_LOG";

/// Where the reason of a failure goes, given what [`TERMINATION_LOG`] holds.
pub fn termination_log(value: Option<OsString>) -> PathBuf {
    value.filter(|path| !path.is_empty()).map_or_else(|| PathBuf::from(DEFAULT_TERMINATION_LOG), PathBuf::from)
}

impl Atomicity {
    /// The word of the setting.
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Migration => "migration",
        }
    }

    const CHOICES: &'static [Choice<Self>] = &[("release", Self::Release), ("migration", Self::Migration)];
}
impl WhenAhead {
    const CHOICES: &'static [Choice<Self>] = &[("allow", Self::Allow), ("refuse", Self::Refuse)];
}
impl Policy {
    const CHOICES: &'static [Choice<Self>] = &[("refuse", Self::Refuse), ("allow", Self::Allow)];
}
const SWITCH: &[Choice<bool>] = &[("on", true), ("off", false)];
impl LogFormat {
    const CHOICES: &'static [Choice<Self>] = &[("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn an_empty_environment_gives_the_documented_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.history_table.to_string(), "drizzle.__migrations__");
        assert_eq!(settings.connect_deadline, Duration::from_secs(60));
        assert_eq!(settings.lock_wait, Duration::from_secs(300));
        assert_eq!(settings.lock_attempts, 10);
        assert_eq!(settings.deadline, None);
        assert!(settings.database_url.is_none());
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let settings = read(&[("SCHEMAGATE_LOCK_WAIT", ""), ("DATABASE_URL", " ")]).unwrap();
        assert_eq!(settings.lock_wait, DEFAULT_LOCK_WAIT);
        assert!(settings.database_url.is_none());
    }

    #[test]
    fn every_bad_value_is_told_at_once() {
        let error = read(&[
            ("SCHEMAGATE_LOCK_WAIT", "5 bananas"),
            ("SCHEMAGATE_ATOMICITY", "relese"),
            ("SCHEMAGATE_LOCK_ATTEMPTS", "0"),
            ("SCHEMAGATE_HISTORY_TABLE", "a.b.c"),
            ("SCHEMAGATE_LOG", "schemagate=loud=x"),
        ])
        .unwrap_err();
        assert_eq!(error.problems.len(), 5, "{error}");
        assert!(error.to_string().contains("did you mean `release`"), "{error}");
    }

    #[test]
    fn our_own_url_wins_over_the_applications() {
        let settings =
            read(&[("DATABASE_URL", "postgres://pool/a"), ("SCHEMAGATE_DATABASE_URL", "postgres://direct/a")]);
        let url = settings.unwrap().database_url.unwrap();
        assert_eq!((url.variable(), url.expose()), ("SCHEMAGATE_DATABASE_URL", "postgres://direct/a"));
    }

    #[test]
    fn debug_of_the_settings_hides_the_url() {
        let settings = read(&[("DATABASE_URL", "postgres://u:canary@h/a")]).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
    }

    #[test]
    fn an_unknown_variable_is_kept_with_the_nearest_known_name() {
        let near = [("LOCK_WAITS", "LOCK_WAIT"), ("LOCK_WIAT", "LOCK_WAIT"), ("MIGRATION", "MIGRATIONS")];
        for (wrong, right) in near {
            let settings = read(&[(&format!("SCHEMAGATE_{wrong}"), "5m")]).unwrap();
            assert_eq!(settings.unknown[0].nearest, Some(format!("SCHEMAGATE_{right}").as_str()));
        }
        for far in ["PORT_80_TCP_ADDR", "PORT", "URL", "SERVICE_HOST"] {
            let settings = read(&[(&format!("SCHEMAGATE_{far}"), "5m")]).unwrap();
            assert_eq!(settings.unknown[0].nearest, None, "{far}");
        }
    }

    #[test]
    fn a_name_in_another_case_is_no_setting_and_hides_none() {
        let settings = read(&[("SCHEMAGATE_lock_wait", "1s"), ("SCHEMAGATE_LOCK_WAIT", "2s")]).unwrap();
        assert_eq!(settings.lock_wait, Duration::from_secs(2));
        assert_eq!(settings.unknown[0].name, "SCHEMAGATE_lock_wait");
    }

    #[test]
    fn what_can_be_read_says_how_the_problems_are_told() {
        let error = read(&[
            ("SCHEMAGATE_LOCK_WAIT", "5 bananas"),
            ("SCHEMAGATE_LOG_FORMAT", "text"),
            ("SCHEMAGATE_TERMINATION_LOG", "/x"),
        ])
        .unwrap_err();
        assert_eq!(error.readable.log_format, LogFormat::Text);
        assert_eq!(error.readable.termination_log, PathBuf::from("/x"));
    }
}
