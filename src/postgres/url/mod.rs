//! libpq's connection settings. In: a URL or keyword/value string, and the environment. Out: a typed `Target`, or the
//! first fault. Reads the service file, the password file and the name of this process's user; never connects, and
//! never prints a password or a piece of text that could be one.

mod account;
mod error;
mod hosts;
mod keyvalue;
mod parameters;
mod passfile;
mod service;
#[cfg(test)]
mod tests;
mod tls;
mod uri;
mod values;

pub use crate::postgres::secret::Secret;
pub use error::{Origin, UrlError, UrlWarning};
pub use hosts::{HostEntry, HostName};

use crate::postgres::tls::TlsSettings;
use account::Account;
use parameters::Collected;
use passfile::Passfile;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Which kind of server is wanted: libpq's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetSessionAttrs {
    /// Any (the default).
    #[default]
    Any,
    /// One whose sessions can write.
    ReadWrite,
    /// One whose sessions cannot write.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One in recovery, else any.
    PreferStandby,
}

impl TargetSessionAttrs {
    /// The word libpq uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

/// Whether authentication is bound to the TLS session: libpq's `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it (the default).
    #[default]
    Prefer,
    /// Or no connection.
    Require,
}

/// Where and how to connect, with every default of libpq filled in.
///
/// `Display` gives a description for logs: `db.example:5432/app as user api`.
///
/// The parameters are those of the PostgreSQL manual, "Database Connection Control Functions".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The hosts to try, in this order, at least one.
    pub hosts: Vec<HostEntry>,
    /// `user`; default the user of this process.
    pub user: String,
    /// `dbname`; default the name of the user.
    pub dbname: String,
    /// `application_name`, else `fallback_application_name`.
    pub application_name: Option<String>,
    /// `options`: command-line options for the server, such as `-c lock_timeout=5s`.
    pub options: Option<String>,
    /// `connect_timeout` for each host and address; default none.
    pub connect_timeout: Option<Duration>,
    /// `target_session_attrs`; default any.
    pub target_session_attrs: TargetSessionAttrs,
    /// `load_balance_hosts`: try hosts and addresses in random order; default false.
    pub load_balance_hosts: bool,
    /// `keepalives`; default true.
    pub keepalives: bool,
    /// `keepalives_idle`; default the operating system's.
    pub keepalives_idle: Option<Duration>,
    /// `keepalives_interval`; default the operating system's.
    pub keepalives_interval: Option<Duration>,
    /// `keepalives_count`; default the operating system's.
    pub keepalives_count: Option<u32>,
    /// `tcp_user_timeout`; default the operating system's.
    pub tcp_user_timeout: Option<Duration>,
    /// `channel_binding`; default prefer.
    pub channel_binding: ChannelBinding,
    /// The `ssl…` parameters.
    pub tls: TlsSettings,
    /// Names of parameters that only an ORM knows, in the order given, each once: for one warning.
    pub ignored: Vec<String>,
    /// What else is worth a warning.
    pub warnings: Vec<UrlWarning>,
}

impl Target {
    /// Reads a `postgres://` or `postgresql://` URL or a `keyword=value` string. What it does not say comes from the
    /// service it names, then from the `PG…` variables `env` gives, then from libpq's defaults.
    ///
    /// # Errors
    ///
    /// The first fault found, as [`UrlError`]; none of them holds a password.
    pub fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Target, UrlError> {
        let mut given = Collected::default();
        read_text(text.trim(), &mut given)?;
        let account = Account::current(env);
        service::fill(&mut given, env, &account)?;
        given.fill_from(env)?;
        from_collected(given, account)
    }

    /// As `Display` has it, with this one of the hosts.
    pub fn described_at(&self, host: &HostEntry) -> String {
        format!("{host}/{} as user {}", printable(&self.dbname), printable(&self.user))
    }
}

/// `db.example:5432/app as user api`, without password and control characters.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if index > 0 { "," } else { "" })?;
        }
        write!(f, "/{} as user {}", printable(&self.dbname), printable(&self.user))
    }
}

/// Tells a URL from a keyword/value string, and both from what is neither.
fn read_text(text: &str, into: &mut Collected) -> Result<(), UrlError> {
    if text.is_empty() {
        return Err(UrlError::Empty);
    }
    if text.starts_with(['"', '\'', '`']) {
        return Err(UrlError::Quoted);
    }
    if text.starts_with("${") {
        return Err(UrlError::Unresolved);
    }
    let lower = text.get(..text.len().min(64)).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("jdbc:") {
        return Err(UrlError::DriverScheme { scheme: "jdbc:" });
    }
    match text.split_once("://") {
        Some((scheme, rest)) if ["postgres", "postgresql"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => {
            uri::read(rest, into)
        }
        Some(_) if lower.starts_with("postgresql+") || lower.starts_with("postgres+") => {
            Err(UrlError::DriverScheme { scheme: "postgresql+driver://" })
        }
        // A :// behind blanks or a = is in a value.
        Some((scheme, _)) if !scheme.contains(|c: char| c.is_whitespace() || c == '=') => Err(foreign(scheme)),
        _ if text.contains('=') => keyvalue::read(text, into),
        _ => Err(UrlError::Unrecognised),
    }
}

/// Only a scheme of this list is repeated; anything else could be a secret pasted into the wrong place.
fn foreign(scheme: &str) -> UrlError {
    const SCHEMES: [&str; 16] = [
        "mysql",
        "mysql2",
        "mariadb",
        "sqlite",
        "sqlite3",
        "file",
        "libsql",
        "mongodb",
        "mongodb+srv",
        "redis",
        "sqlserver",
        "mssql",
        "cockroachdb",
        "http",
        "https",
        "prisma",
    ];
    match SCHEMES.iter().find(|known| scheme.eq_ignore_ascii_case(known)) {
        Some(scheme) => UrlError::ForeignScheme { scheme },
        None => UrlError::Unrecognised,
    }
}

fn from_collected(given: Collected, account: Account) -> Result<Target, UrlError> {
    let text = |name: &str| given.text(name).map(str::to_owned);
    let user = text("user").or(account.name).ok_or(UrlError::UserMissing)?;
    let mut target = Target {
        hosts: hosts::read(&given)?,
        dbname: text("dbname").unwrap_or_else(|| user.clone()),
        user,
        application_name: text("application_name").or_else(|| text("fallback_application_name")),
        options: text("options"),
        connect_timeout: values::seconds(&given, "connect_timeout")?,
        target_session_attrs: read_session_attrs(&given)?,
        load_balance_hosts: values::choice(&given, "load_balance_hosts", &[("disable", false), ("random", true)])?
            .unwrap_or(false),
        keepalives: values::integer(&given, "keepalives")? != Some(0),
        keepalives_idle: values::seconds(&given, "keepalives_idle")?,
        keepalives_interval: values::seconds(&given, "keepalives_interval")?,
        keepalives_count: values::positive(&given, "keepalives_count")?.and_then(|count| count.try_into().ok()),
        tcp_user_timeout: values::positive(&given, "tcp_user_timeout")?.map(Duration::from_millis),
        channel_binding: read_channel_binding(&given)?,
        tls: tls::read(&given, account.home.as_deref())?,
        ignored: given.ignored.clone(),
        warnings: Vec::new(),
    };
    let default = account.home.map(|home| home.join(".pgpass"));
    fill_passwords(&mut target, &given, default);
    Ok(target)
}

fn read_session_attrs(given: &Collected) -> Result<TargetSessionAttrs, UrlError> {
    use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    let words = [Any, ReadWrite, ReadOnly, Primary, Standby, PreferStandby].map(|word| (word.as_str(), word));
    Ok(values::choice(given, "target_session_attrs", &words)?.unwrap_or_default())
}

fn read_channel_binding(given: &Collected) -> Result<ChannelBinding, UrlError> {
    let words = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    Ok(values::choice(given, "channel_binding", &words)?.unwrap_or_default())
}

/// The password given is for all hosts; without one, the password file may have one for each.
fn fill_passwords(target: &mut Target, given: &Collected, default: Option<PathBuf>) {
    if let Some(password) = given.text("password") {
        for host in &mut target.hosts {
            host.password = Some(Secret::new(password));
        }
        return;
    }
    let named = given.text("passfile").map(PathBuf::from);
    let is_named = named.is_some();
    let Some(path) = named.or(default) else {
        return;
    };
    let (file, warning) = Passfile::read_file(&path, is_named);
    target.warnings.extend(warning);
    for host in &mut target.hosts {
        let name = match &host.name {
            HostName::Tcp(name) => name.as_str(),
            // The default sockets are called localhost there: /tmp in PostgreSQL's own build, the other in Debian's.
            HostName::Unix(path) => match path.to_str().unwrap_or_default() {
                "/tmp" | "/var/run/postgresql" | "/run/postgresql" => "localhost",
                path => path,
            },
        };
        let port = host.port.to_string();
        host.password = file.find([name, &port, &target.dbname, &target.user]);
    }
}

/// Text for a log line: a control character would let a name write lines of its own.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
