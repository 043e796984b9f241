//! `lint`: judges the files without a database.

use std::path::Path;

use schemagate::error::Error;
use schemagate::lint::{LintError, Options, Severity, lint};
use schemagate::migrations::MigrationSet;
use schemagate::report::lint as report;
use schemagate::settings::Settings;

use crate::cli::{AskedFormat, LintArguments};

pub(crate) fn run(settings: &Settings, arguments: &LintArguments, format: AskedFormat) -> Result<(), Error> {
    let set = MigrationSet::load(settings.migrations.as_deref())?;
    let options = Options {
        version: arguments.postgres,
        atomicity: settings.atomicity,
        since: arguments.since.clone(),
        against: arguments.against.clone(),
    };
    let found = lint(&set, &options)?;
    let since = options.since.as_deref();
    super::print(&match format {
        AskedFormat::Text | AskedFormat::Html => report::text(&found, since),
        AskedFormat::Json => vec![report::json(&found, since).to_string()],
        AskedFormat::Github => report::github(&found, &from_checkout(settings.migrations.as_deref()), since),
    })?;
    let (errors, warnings) = (found.count(Severity::Error), found.count(Severity::Warning));
    let denied = if arguments.deny.is_some() { warnings } else { 0 };
    if errors + denied > 0 { Err(LintError::Found { errors, warnings }.into()) } else { Ok(()) }
}

/// The folder as GitHub names files: from the root of the checkout, where workflows run.
fn from_checkout(folder: Option<&Path>) -> String {
    let Some(folder) = folder else { return String::new() };
    let here = std::env::current_dir().unwrap_or_default();
    let folder = folder.strip_prefix(&here).unwrap_or(folder);
    folder
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .collect::<std::path::PathBuf>()
        .display()
        .to_string()
}
