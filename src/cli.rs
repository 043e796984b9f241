//! Arguments, as typed. In: argv. Out: a command, or the error and the hint that belongs to it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use schemagate::exit_code;
use schemagate::settings::{VARIABLES, parse_duration};

/// Stands between a built release and its start: waits for PostgreSQL, takes a lock, applies pending migrations, and
/// exits with 0 or keeps the release out.
#[derive(Debug, Parser)]
#[command(name = "schemagate", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Folder of migrations [default: SCHEMAGATE_MIGRATIONS, else the embedded set]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) migrations: Option<PathBuf>,
    /// Shape of the output: of `up`, its log
    #[arg(long, value_enum, global = true)]
    pub(crate) format: Option<Format>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Shape of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For machines
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply what is pending (the default)
    Up {
        /// Stop after this version
        #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(0..))]
        target: Option<i64>,
    },
    /// Show what `up` would do; changes nothing
    Plan {
        /// Stop after this version
        #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(0..))]
        target: Option<i64>,
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
    /// Write the next numbered file
    New {
        /// What the migration does, in a few words
        name: String,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration like 500ms, 30s or 5m".to_owned())
}

/// Reads the arguments.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = Cli::command().after_help(after_help()).try_get_matches_from(&arguments)?;
    Cli::from_arg_matches(&matches)
}

/// What a stray word of a shell means here: pre-deploy commands run in exec form.
pub(crate) fn shell_hint(mut arguments: impl Iterator<Item = OsString>) -> Option<String> {
    let stray = arguments.find(|argument| {
        matches!(argument.to_str(), Some("&&" | "||" | ";" | "|" | "&" | ">" | ">>" | "<" | "2>&1"))
    })?;
    let word = stray.to_string_lossy();
    Some(format!(
        "hint: `{word}` is shell syntax, but no shell is involved here: it arrived as an argument. Run one command, or \
         start a shell yourself: sh -c \"schemagate && …\""
    ))
}

/// Settings and exit codes, from the lists that the code itself uses.
fn after_help() -> String {
    let mut text = String::from("Settings (environment):\n");
    for variable in VARIABLES {
        text.push_str(&format!("  {}\n      {} [default: {}]\n", variable.name, variable.meaning, variable.default));
    }
    text.push_str("\nExit codes:\n");
    for row in exit_code::TABLE {
        text.push_str(&format!("  {:>3}  {}\n", row.code.number(), row.when));
    }
    text.push_str("\nDurations are written 500ms, 30s, 5m. The manual is README.md.");
    text
}
