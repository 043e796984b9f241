//! Arguments, as typed. In: argv. Out: a command, or the error and the hints that belong to it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use schemagate::report::fit::harmless;
use schemagate::settings::{VARIABLES, parse_duration};
use schemagate::{exit_code, lint};

/// Stands between a built release and its start: waits for PostgreSQL, takes a lock, applies pending migrations, and
/// exits with 0 or keeps the release out.
#[derive(Debug, Parser)]
#[command(name = "schemagate", version)]
pub(crate) struct Cli {
    /// Folder of migrations [default: SCHEMAGATE_MIGRATIONS, else the embedded set]
    #[arg(long, value_name = "DIR", global = true, value_parser = PathBufValueParser::new().try_map(folder))]
    pub(crate) migrations: Option<PathBuf>,
    /// Shape of the result, or of the log of `up`; github is for `lint`, html is a page of `rehearse`
    #[arg(long, value_enum, global = true)]
    pub(crate) format: Option<AskedFormat>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Shape of the output, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AskedFormat {
    Text,
    Json,
    Github,
    Html,
}

/// Shape of the output of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl AskedFormat {
    /// The shape that every command has.
    pub(crate) fn plain(self) -> Format {
        match self {
            Self::Json => Format::Json,
            // No command but the one that has it gets this far with it.
            Self::Text | Self::Github | Self::Html => Format::Text,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply what is pending (the default)
    Up {
        /// Stop after this version
        #[arg(long, value_name = "VERSION", value_parser = version, allow_negative_numbers = true)]
        target: Option<i64>,
    },
    /// Show what `up` would do; changes nothing
    Plan {
        /// Stop after this version
        #[arg(long, value_name = "VERSION", value_parser = version, allow_negative_numbers = true)]
        target: Option<i64>,
        /// Print the SQL that `up` would send, as a script for psql
        #[arg(long)]
        sql: bool,
    },
    /// Run what is pending in one transaction and roll back: time, locks, rewrites, rows of each statement
    Rehearse {
        /// Stop after this version
        #[arg(long, value_name = "VERSION", value_parser = version, allow_negative_numbers = true)]
        target: Option<i64>,
        /// Go on beside other sessions, which wait for the locks that are taken
        #[arg(long)]
        with_traffic: bool,
    },
    /// Show every migration: applied, pending, divergent, missing, ahead
    Status {
        /// Exit with 3 unless exactly up to date
        #[arg(long)]
        check: bool,
        /// With --check: wait until up to date, at most this long (such as 5m)
        #[arg(long, value_name = "DURATION", requires = "check", value_parser = duration)]
        wait: Option<Duration>,
    },
    /// Record as applied, without running, what another tool has applied
    Adopt(AdoptArguments),
    /// Run the Installation Qualification on a scratch database, and write its evidence
    Qualify(QualifyArguments),
    /// Judge the files without a database: locks, rewrites, what `up` would refuse
    Lint(LintArguments),
    /// Write the next numbered file
    New {
        /// What the migration does, in a few words
        name: String,
    },
    /// Verify evidence, or export the audit trail of real runs
    #[command(subcommand)]
    Evidence(EvidenceCommand),
}

/// What is done with evidence.
#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Verify a record, an exported trail, a package, or a whole folder of evidence: signatures, hashes, completeness
    Verify {
        /// The file or folder
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// The public key, as PEM or JWK
        #[arg(long, value_name = "FILE", required = true)]
        public_key: PathBuf,
    },
    /// Export the audit trail of real runs, signed where SCHEMAGATE_SIGNING_KEY is set; exits with 1 if its chain is broken
    Runs {
        /// The file that takes it [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// What `adopt` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct AdoptArguments {
    /// Only show what would be recorded
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// An ambiguous or pending migration that is applied: record it (its tag, such as 0003_orders)
    #[arg(long, value_name = "TAG")]
    pub(crate) mark: Vec<String>,
    /// A migration that is never to be run, or a row of Drizzle's to pass over (its tag, or row-7)
    #[arg(long, value_name = "TAG")]
    pub(crate) skip: Vec<String>,
    /// Take the database as being at this version, if the tables that the migrations create exist
    #[arg(long, value_name = "VERSION", value_parser = version, allow_negative_numbers = true,
          conflicts_with_all = ["mark", "skip"])]
    pub(crate) baseline: Option<i64>,
}

/// What `lint` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct LintArguments {
    /// Major version of the target: 14 to 18
    #[arg(long, value_name = "MAJOR", default_value_t = 14, value_parser = clap::value_parser!(u32).range(14..=18))]
    pub(crate) postgres: u32,
    /// Judge only files that this git revision does not have, and that it has are not edited
    #[arg(long, value_name = "REV")]
    pub(crate) since: Option<String>,
    /// Look for numbers that this git revision, such as origin/main, has given to other files
    #[arg(long, value_name = "REV")]
    pub(crate) against: Option<String>,
    /// Exit with 1 for warnings too
    #[arg(long, value_enum)]
    pub(crate) deny: Option<Deny>,
}

/// What counts as an error besides errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deny {
    Warnings,
}

/// What `qualify` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct QualifyArguments {
    /// Empty database to qualify in [default: SCHEMAGATE_SCRATCH_URL, else one that is made beside the target and dropped]
    #[arg(long, value_name = "URL")]
    pub(crate) scratch_url: Option<String>,
    /// Folder that takes the evidence: record, package, protocol
    #[arg(long, value_name = "DIR", value_parser = PathBufValueParser::new().try_map(folder))]
    pub(crate) evidence: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration like 500ms, 30s or 5m".to_owned())
}

fn version(text: &str) -> Result<i64, String> {
    let version = text.parse().ok().filter(|version| *version >= 0);
    version.ok_or_else(|| "write the number of a version, such as 12 for V12__orders.sql".to_owned())
}

fn folder(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.to_string_lossy().contains("://") { Err("write a folder") } else { Ok(path) }
}

/// Reads the arguments.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = Cli::command().after_help(after_help()).mut_subcommand("lint", |lint| lint.after_help(rules_help()));
    let matches = command.try_get_matches_from(&arguments)?;
    let cli = Cli::from_arg_matches(&matches)?;
    match cli.format {
        Some(AskedFormat::Github) if !matches!(cli.command, Some(Command::Lint(_))) => {
            Err(Cli::command().error(ErrorKind::ArgumentConflict, "--format github is for `lint` alone"))
        }
        Some(AskedFormat::Html) if !matches!(cli.command, Some(Command::Rehearse { .. })) => {
            Err(Cli::command().error(ErrorKind::ArgumentConflict, "--format html is for `rehearse` alone"))
        }
        _ => Ok(cli),
    }
}

/// What is wrong with the arguments, and the hints that belong to it.
pub(crate) fn explain(error: &clap::Error, arguments: impl Iterator<Item = OsString>) -> String {
    let arguments: Vec<String> = arguments.skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut text = error.render().to_string().trim_end().to_owned();
    if error.kind() == ErrorKind::InvalidSubcommand && !text.contains("tip:") {
        let command = Cli::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        text.push_str(&format!("\n\nhint: the commands are {}; without one it is up", names.join(", ")));
    }
    if let Some(word) = arguments.iter().flat_map(|argument| argument.split_whitespace()).find_map(shell_syntax) {
        text.push_str(&format!(
            "\n\nhint: `{word}` is shell syntax, but no shell is involved here: it arrived as an argument. Run one \
             command, or start a shell yourself: sh -c \"schemagate && …\""
        ));
    }
    let values = arguments.iter().map(|argument| match argument.split_once('=') {
        Some((_, value)) if argument.starts_with('-') => value,
        _ => argument,
    });
    for secret in values.filter(|value| may_hold_password(value)) {
        text = text.replace(secret, "(not shown: it may hold a password)");
        text.push_str("\n\nhint: the database goes into DATABASE_URL; everybody on the machine can see arguments");
    }
    harmless(&text)
}

fn may_hold_password(value: &str) -> bool {
    !value.starts_with('-') && (value.contains("://") || value.contains('@') || value.contains("password="))
}

/// What a stray word of a shell is: pre-deploy commands run in exec form.
fn shell_syntax(word: &str) -> Option<&str> {
    let operator = matches!(word, "&&" | "||" | ";" | "|" | "&" | ">" | ">>" | "<" | "2>" | "2>&1");
    if operator { Some(word) } else { word.ends_with(';').then_some(";") }
}

/// The rules of `lint`, from the lists that it judges by.
fn rules_help() -> String {
    let mut text = String::from("Rules:\n");
    for rule in lint::RULES.iter().copied().chain(lint::SQUAWK_ON) {
        text.push_str(&format!("  {} ({})\n      {}\n", rule.name, rule.severity.name(), rule.summary));
    }
    text.push_str("\nA comment above the line silences a finding: -- schemagate: allow RULE because …\nThe manual is docs/lint.md.");
    text
}

/// Settings and exit codes, from the lists that the code itself uses.
fn after_help() -> String {
    let mut text = String::from("Settings (environment):\n");
    for variable in VARIABLES {
        let default = match variable.default {
            "none" => String::new(),
            "required" => " (required)".to_owned(),
            default => format!(" (default: {default})"),
        };
        text.push_str(&format!("  {}{default}\n      {}\n", variable.name, variable.meaning));
    }
    text.push_str("\nExit codes:\n");
    for row in exit_code::TABLE {
        text.push_str(&format!("  {:>3}  {}\n", row.code.number(), row.when));
    }
    text.push_str("\nDurations are written 500ms, 30s, 5m. The manual is README.md.");
    text
}
