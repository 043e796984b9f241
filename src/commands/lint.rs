//! `lint`: judges the files without a database.

use std::path::{Path, PathBuf};

use schemagate::error::Error;
use schemagate::lint::{LintError, Options, Severity, lint};
use schemagate::migrations::{IntakeError, MigrationSet, Origin};
use schemagate::report::lint as report;
use schemagate::settings::Settings;

use super::DEFAULT_FOLDER;
use crate::cli::{AskedFormat, LintArguments};

pub(crate) fn run(settings: &Settings, arguments: &LintArguments, format: AskedFormat) -> Result<(), Error> {
    let folder = folder(settings);
    let set = MigrationSet::load(folder).map_err(|error| unreadable(error, folder, format))?;
    let options = Options {
        version: arguments.postgres,
        atomicity: settings.atomicity,
        since: arguments.since.clone(),
        against: arguments.against.clone(),
    };
    let found = lint(&set, &options)?;
    let since = options.since.as_deref();
    let mut lines = match format {
        AskedFormat::Text | AskedFormat::Html => report::text(&found, since),
        AskedFormat::Json => vec![report::json(&found, since, set.origin()).to_string()],
        AskedFormat::Github => report::github(&found, &from_checkout(folder), since),
    };
    if format != AskedFormat::Json && *set.origin() == Origin::Embedded {
        lines.push("judged were the migrations in the program; `--migrations DIR` names others".to_owned());
    }
    super::print(&lines)?;
    let (errors, warnings) = (found.count(Severity::Error), found.count(Severity::Warning));
    let denied = if arguments.deny.is_some() { warnings } else { 0 };
    if errors + denied > 0 { Err(LintError::Found { errors, warnings }.into()) } else { Ok(()) }
}

/// The folder that is named, or the one where `new` puts files; none for the embedded migrations.
fn folder(settings: &Settings) -> Option<&Path> {
    settings.migrations.as_deref().or_else(|| Some(Path::new(DEFAULT_FOLDER)).filter(|folder| folder.is_dir()))
}

/// What cannot be judged is shown in the shape that was asked for, before it is told as an error.
fn unreadable(error: IntakeError, folder: Option<&Path>, format: AskedFormat) -> Error {
    let lines = match format {
        AskedFormat::Text | AskedFormat::Html => Vec::new(),
        AskedFormat::Json => vec![report::unreadable_json(&error).to_string()],
        AskedFormat::Github => report::unreadable_github(&error, &from_checkout(folder)),
    };
    super::print(&lines).err().unwrap_or_else(|| error.into())
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
