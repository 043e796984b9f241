//! What can be wrong with connection settings, as facts. Never holds a password or text that could be part of one:
//! a value is kept only where the parser knows that it is none (see `Given::showable`).

use crate::postgres::tls::SslMode;
use std::fmt;
use std::path::PathBuf;

/// Where a setting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The URL or keyword/value string.
    Text,
    /// A `PG…` variable of the environment.
    Environment(&'static str),
    /// The service file.
    ServiceFile,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Text => f.write_str("database URL"),
            Origin::Environment(name) => f.write_str(name),
            Origin::ServiceFile => f.write_str("service file"),
        }
    }
}

/// Why connection settings cannot be used. Every one is for exit code 78: no retry helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Nothing but white space.
    #[error("the database URL is empty")]
    Empty,
    /// Quotation marks around the whole.
    #[error("the database URL is wrapped in quotation marks")]
    Quoted,
    /// A platform's reference to another variable, as it was written.
    #[error("the database URL is a reference that nothing has resolved")]
    Unresolved,
    /// Neither a URL nor `keyword=value`.
    #[error("the database URL is neither a postgres:// URL nor a keyword=value string")]
    Unrecognised,
    /// The scheme of another kind of server.
    #[error("the database URL begins with {scheme}:, and only PostgreSQL is supported")]
    ForeignScheme {
        /// The scheme.
        scheme: &'static str,
    },
    /// A scheme that names a driver, as SQLAlchemy and JDBC have it.
    #[error("the database URL begins with {scheme}, the form of another tool")]
    DriverScheme {
        /// `jdbc:` or `postgresql+driver://`.
        scheme: &'static str,
    },
    /// More than one `@`, so that nobody can say where the password ends.
    #[error("the database URL has more than one @")]
    SeveralAtSigns,
    /// An `@` behind a `/`, or a `?` with a `=` before it: probably a password.
    #[error("the database URL has {character} before its @")]
    ReservedBeforeAtSign {
        /// The character that should be encoded.
        character: char,
    },
    /// A `%` without two hexadecimal digits, `%00`, or bytes that are no UTF-8.
    #[error("the {part} in the database URL is not valid percent-encoding")]
    PercentEncoding {
        /// Which part.
        part: &'static str,
    },
    /// A `[` without its `]`, or text behind it.
    #[error("host {position} in the database URL has brackets that do not match")]
    Brackets {
        /// Counted from 1.
        position: usize,
    },
    /// No host name, address or absolute path.
    #[error("host {position} in {origin} is neither a name, an address nor an absolute path")]
    InvalidHost {
        /// Counted from 1.
        position: usize,
        /// Where.
        origin: Origin,
    },
    /// `hostaddr` is no IP address.
    #[error("hostaddr {position} in {origin} is not an IP address")]
    InvalidHostAddress {
        /// Counted from 1.
        position: usize,
        /// Where.
        origin: Origin,
    },
    /// A port that is no number from 1 to 65535.
    #[error("the port{} in {origin} is not a number from 1 to 65535", of_host(*.position))]
    InvalidPort {
        /// Counted from 1.
        position: usize,
        /// Where.
        origin: Origin,
    },
    /// Lists of different length.
    #[error("{given} values of {name} do not match {hosts} hosts")]
    CountMismatch {
        /// `port` or `hostaddr`.
        name: &'static str,
        /// How many of it.
        given: usize,
        /// How many hosts.
        hosts: usize,
    },
    /// A parameter without `=`.
    #[error("parameter {position} in {origin} has no = after its name")]
    MissingEquals {
        /// Counted from 1; the line in a service file.
        position: usize,
        /// Where.
        origin: Origin,
    },
    /// A quotation mark that nothing closes.
    #[error("parameter {position} in the database URL has a quotation mark that nothing closes")]
    UnterminatedQuote {
        /// Counted from 1.
        position: usize,
    },
    /// A parameter that neither libpq nor a known ORM has.
    #[error("{} in {origin} is unknown", parameter(name, *position))]
    UnknownParameter {
        /// Its name; `None` where it could be part of a password.
        name: Option<String>,
        /// Counted from 1; the line in a service file.
        position: usize,
        /// The known one that is spelled most like it.
        nearest: Option<&'static str>,
        /// Where.
        origin: Origin,
    },
    /// A setting of the server, given as if it were one of the connection.
    #[error("{name} in {origin} is a setting of the server, not of the connection")]
    ServerSetting {
        /// Its name.
        name: &'static str,
        /// Where.
        origin: Origin,
    },
    /// A parameter of libpq that is not supported.
    #[error("{name} in {origin} is not supported{}", with_value(value))]
    Unsupported {
        /// Its name.
        name: &'static str,
        /// Its value, where it can be shown.
        value: Option<String>,
        /// Where.
        origin: Origin,
        /// What to do instead.
        hint: &'static str,
    },
    /// A value that its parameter does not have.
    #[error("{name} in {origin} is not {expected}{}", with_value(value))]
    InvalidValue {
        /// The parameter.
        name: &'static str,
        /// Its value, where it can be shown.
        value: Option<String>,
        /// What it may be.
        expected: String,
        /// Where.
        origin: Origin,
    },
    /// An `sslmode` too weak for another parameter.
    #[error("sslmode={mode} is too weak for {parameter}")]
    WeakSslMode {
        /// The mode.
        mode: SslMode,
        /// The parameter.
        parameter: &'static str,
        /// What to write instead.
        hint: &'static str,
    },
    /// `ssl_min_protocol_version` above `ssl_max_protocol_version`.
    #[error("ssl_min_protocol_version is above ssl_max_protocol_version")]
    ProtocolRange,
    /// A service that no service file defines.
    #[error("the service of {origin} is not defined in {}", paths(files))]
    ServiceNotFound {
        /// Where the service was named.
        origin: Origin,
        /// The files that were read.
        files: Vec<PathBuf>,
    },
    /// A service file that cannot be read.
    #[error("service file {} cannot be read ({kind})", path.display())]
    ServiceUnreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        kind: std::io::ErrorKind,
    },
    /// `service=` or LDAP inside a service file.
    #[error("service file {}:{line}: nested services and LDAP are not supported", path.display())]
    ServiceNested {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// No user was given, and the operating system knows none.
    #[error("no user is given, and the operating system has no name for this process")]
    UserMissing,
}

/// Which of several; the first needs no number.
fn of_host(position: usize) -> String {
    if position > 1 { format!(" of host {position}") } else { String::new() }
}

impl UrlError {
    /// Whether the fault is in the URL or string itself, and not in a `PG…` variable or a file.
    pub fn is_in_text(&self) -> bool {
        !matches!(
            self,
            UrlError::InvalidPort { origin: Origin::Environment(_) | Origin::ServiceFile, .. }
                | UrlError::InvalidValue { origin: Origin::Environment(_) | Origin::ServiceFile, .. }
                | UrlError::InvalidHost { origin: Origin::Environment(_) | Origin::ServiceFile, .. }
        )
    }

    /// The way out, where there is one to name.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            UrlError::Empty | UrlError::Unrecognised | UrlError::ForeignScheme { .. } => {
                "write postgresql://user:password@host:5432/database".to_owned()
            }
            UrlError::Unresolved => {
                "${{Service.VARIABLE}} is resolved by the platform: check the names of the service and of its variable"
                    .to_owned()
            }
            UrlError::Quoted => "remove them; no shell or .env reader has done so".to_owned(),
            UrlError::DriverScheme { .. } => {
                "write postgresql:// instead, and user and password as user:password@ before the host".to_owned()
            }
            UrlError::SeveralAtSigns | UrlError::ReservedBeforeAtSign { .. } | UrlError::PercentEncoding { .. } => {
                "percent-encode special characters in user, password and parameters: @ is %40, : is %3A, / is %2F, \
                 ? is %3F, # is %23, % is %25"
                    .to_owned()
            }
            UrlError::Brackets { .. } => "an IPv6 address is written [::1]:5432".to_owned(),
            UrlError::InvalidPort { origin: Origin::Text, .. } | UrlError::InvalidHost { origin: Origin::Text, .. } => {
                "special characters in a password are percent-encoded (: is %3A, / is %2F), an IPv6 address is \
                 written [::1]:5432"
                    .to_owned()
            }
            UrlError::CountMismatch { name, .. } => format!("give one {name} for each host, separated by commas"),
            UrlError::MissingEquals { .. } | UrlError::UnterminatedQuote { .. } => {
                "percent-encode special characters in a URL; quote a value with blanks in a keyword=value string"
                    .to_owned()
            }
            UrlError::UnknownParameter { nearest: Some(nearest), .. } => format!("did you mean {nearest}?"),
            UrlError::UnknownParameter { name: None, .. } => {
                "if it is part of a password: percent-encode it in a URL, quote it in a keyword=value string".to_owned()
            }
            UrlError::ServerSetting { name, .. } => format!("write options=-c%20{name}%3Dvalue"),
            UrlError::Unsupported { hint, .. } | UrlError::WeakSslMode { hint, .. } => (*hint).to_owned(),
            UrlError::InvalidValue { name: "sslmode", value: Some(value), .. } if value == "no-verify" => {
                "sslmode=require without sslrootcert does not verify".to_owned()
            }
            UrlError::UserMissing => "name the user in the URL or in PGUSER".to_owned(),
            UrlError::UnknownParameter { .. }
            | UrlError::InvalidHost { .. }
            | UrlError::InvalidHostAddress { .. }
            | UrlError::InvalidPort { .. }
            | UrlError::InvalidValue { .. }
            | UrlError::ProtocolRange
            | UrlError::ServiceNotFound { .. }
            | UrlError::ServiceUnreadable { .. }
            | UrlError::ServiceNested { .. } => return None,
        })
    }
}

/// What is worth a warning, though the connection can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlWarning {
    /// Others may read the password file, so it is not used.
    PassfilePermissions {
        /// Where it is.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The password file is no regular file, so it is not used.
    PassfileNotAFile {
        /// Where it is.
        path: PathBuf,
    },
    /// The password file was named, and cannot be read.
    PassfileUnreadable {
        /// Where it is.
        path: PathBuf,
        /// Why.
        kind: std::io::ErrorKind,
    },
}

impl fmt::Display for UrlWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlWarning::PassfilePermissions { path, mode } => write!(
                f,
                "password file {} has mode {:04o}, which lets others read it, and is not used; chmod 0600",
                path.display(),
                mode & 0o7777
            ),
            UrlWarning::PassfileNotAFile { path } => {
                write!(f, "password file {} is not a regular file, and is not used", path.display())
            }
            UrlWarning::PassfileUnreadable { path, kind } => {
                write!(f, "password file {} cannot be read ({kind})", path.display())
            }
        }
    }
}

fn parameter(name: &Option<String>, position: usize) -> String {
    match name {
        Some(name) => format!("parameter {name}"),
        None => format!("parameter {position}"),
    }
}

fn with_value(value: &Option<String>) -> String {
    value.as_ref().map(|value| format!(": {value}")).unwrap_or_default()
}

fn paths(files: &[PathBuf]) -> String {
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    if files.is_empty() { "any service file".to_owned() } else { files.join(" or ") }
}
