//! One file a command; each only puts the rooms together.

pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod status;
pub(crate) mod up;

use std::io::Write as _;
use std::sync::Arc;

use schemagate::error::Error;
use schemagate::migrations::MigrationSet;
use schemagate::postgres::connect::Dialer;
use schemagate::postgres::startup::SessionParameters;
use schemagate::postgres::url::Target;
use schemagate::run::Run;
use schemagate::settings::Settings;
use schemagate::stop::Stop;

/// The dialer for the database that the settings name. Opens nothing.
pub(crate) fn dialer(settings: &Settings) -> Result<Arc<Dialer>, Error> {
    let url = settings.database_url.as_ref().ok_or(Error::NoDatabaseUrl)?;
    let environment = |name: &str| std::env::var(name).ok();
    let target =
        Target::parse(url.expose(), &environment).map_err(|source| Error::Url { variable: url.variable(), source })?;
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
    Ok(MigrationSet::load(settings.migrations.as_deref())?)
}

/// Prints a result. A reader that has gone away is no failure.
pub(crate) fn print(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
    let _ = out.flush();
}
