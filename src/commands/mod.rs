//! One file a command; each only puts the rooms together.

pub(crate) mod adopt;
pub(crate) mod evidence;
pub(crate) mod lint;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod qualify;
pub(crate) mod rehearse;
pub(crate) mod status;
pub(crate) mod up;

use std::cell::RefCell;
use std::io::Write as _;
use std::sync::Arc;

use schemagate::error::Error;
use schemagate::migrations::MigrationSet;
use schemagate::migrations::drizzle::oddity_lines;
use schemagate::postgres::connect::Dialer;
use schemagate::postgres::startup::SessionParameters;
use schemagate::postgres::url::Target;
use schemagate::run::Run;
use schemagate::settings::{DatabaseUrl, Settings};
use schemagate::stop::Stop;

/// Where files are, for commands that need no database, when neither argument nor variable says so.
pub(crate) const DEFAULT_FOLDER: &str = "migrations";

/// The dialer for the database that the settings name. Opens nothing.
pub(crate) fn dialer(settings: &Settings) -> Result<Arc<Dialer>, Error> {
    dialer_to(settings, settings.database_url.as_ref().ok_or(Error::NoDatabaseUrl)?)
}

/// As [`dialer`], for another URL.
pub(crate) fn dialer_to(settings: &Settings, url: &DatabaseUrl) -> Result<Arc<Dialer>, Error> {
    let unreadable = RefCell::new(Vec::new());
    let environment = |name: &str| {
        let value = std::env::var_os(name)?.into_string();
        value.map_err(|_| unreadable.borrow_mut().push(name.to_owned())).ok()
    };
    let target = Target::parse(url.expose(), &environment);
    // What cannot be read must not count as unset: a password in Latin-1 would be said to be missing.
    if let Some(variable) = unreadable.into_inner().into_iter().find(|name| name.starts_with("PG")) {
        return Err(Error::UnreadableVariable { variable });
    }
    let target = target.map_err(|source| Error::Url { variable: url.variable(), source })?;
    if !target.ignored.is_empty() {
        tracing::warn!("{}: ignored parameters that only an ORM knows: {}", url.variable(), target.ignored.join(", "));
    }
    for warning in &target.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(path) = target.tls.missing_client_certificate() {
        tracing::warn!("the client certificate {} does not exist; going on without one", path.display());
    }
    let nonce = format!("{:016x}", rand::random::<u64>());
    let parameters =
        SessionParameters::new(settings.lock_timeout, settings.statement_timeout, target.options.clone(), nonce);
    Ok(Arc::new(Dialer::new(target, parameters)))
}

/// A run over `set`.
pub(crate) fn run<'a>(settings: &'a Settings, set: &'a MigrationSet, stop: &Stop) -> Result<Run<'a>, Error> {
    Ok(Run { settings, set, dialer: dialer(settings)?, stop: stop.clone() })
}

/// Takes the migrations in.
pub(crate) fn load(settings: &Settings) -> Result<MigrationSet, Error> {
    let set = MigrationSet::load(settings.migrations.as_deref())?;
    for line in oddity_lines(set.oddities()) {
        tracing::warn!("{}: {line}", set.origin());
    }
    Ok(set)
}

/// Prints a result. A reader that has gone away is no failure; a disk without room is.
pub(crate) fn print(lines: &[String]) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all((lines.join("\n") + "\n").as_bytes()).and_then(|()| out.flush());
    match written {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Output { source }),
        _ => Ok(()),
    }
}
