//! `lint`: judges the files without a database.

use std::path::{Path, PathBuf};

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

/// The folder as GitHub names files: from the root of the checkout, wherever in it the step runs.
fn from_checkout(folder: Option<&Path>) -> String {
    let Some(folder) = folder else { return String::new() };
    let root = std::env::var_os("GITHUB_WORKSPACE").filter(|root| !root.is_empty()).map(PathBuf::from);
    let root = root.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let (root, folder) = (real(&root), real(folder));
    folder.strip_prefix(&root).unwrap_or(&folder).display().to_string()
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
