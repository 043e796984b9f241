//! Hosts, addresses and ports. In: libpq's comma-separated lists. Out: one entry for each host. Looks only whether
//! `/var/run/postgresql` exists; never resolves a name.

use super::error::{Origin, UrlError};
use super::parameters::{Collected, Given};
use crate::postgres::secret::Secret;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// PostgreSQL's port.
pub(super) const DEFAULT_PORT: u16 = 5432;
/// Where distributions put the server's socket. libpq's default host is such a folder too.
const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// What a host is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// A name to be resolved, or an address.
    Tcp(String),
    /// The folder of a Unix-domain socket `.s.PGSQL.{port}`.
    Unix(PathBuf),
}

/// One place to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// Its name, which a certificate is checked against; the address where only `hostaddr` was given.
    pub name: HostName,
    /// `hostaddr`: connect to this address, and resolve nothing.
    pub address: Option<IpAddr>,
    /// Its port; default 5432.
    pub port: u16,
    /// The password: the one given, else the password file's for this host.
    pub password: Option<Secret>,
}

impl HostEntry {
    /// The name that the server's certificate must carry in `verify-full`; empty for a socket, which has no TLS.
    pub fn server_name(&self) -> String {
        match (&self.name, self.address) {
            (HostName::Tcp(name), _) => name.clone(),
            (HostName::Unix(_), Some(address)) => address.to_string(),
            (HostName::Unix(_), None) => String::new(),
        }
    }

    /// Whether the connection is made through a Unix-domain socket, where libpq ignores `sslmode`.
    pub fn is_unix(&self) -> bool {
        self.address.is_none() && matches!(self.name, HostName::Unix(_))
    }
}

/// `db.example:5432`, `[::1]:5432` or `/var/run/postgresql:5432`.
impl fmt::Display for HostEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            HostName::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            HostName::Tcp(name) => write!(f, "{name}:{}", self.port),
            HostName::Unix(folder) => {
                let folder = folder.to_string_lossy();
                write!(f, "{}:{}", super::printable(&folder), self.port)
            }
        }
    }
}

/// Reads `host`, `hostaddr` and `port`; passwords come later.
pub(super) fn read(from: &Collected) -> Result<Vec<HostEntry>, UrlError> {
    let names = list(from, "host");
    let addresses = list(from, "hostaddr");
    let count = if names.is_empty() { addresses.len().max(1) } else { names.len() };
    if !addresses.is_empty() && addresses.len() != count {
        return Err(UrlError::CountMismatch { name: "hostaddr", given: addresses.len(), hosts: count });
    }
    let ports = list(from, "port");
    if ports.len() > 1 && ports.len() != count {
        return Err(UrlError::CountMismatch { name: "port", given: ports.len(), hosts: count });
    }
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        let address = read_address(addresses.get(index), index + 1, origin(from, "hostaddr"))?;
        let name = match (names.get(index).filter(|name| !name.is_empty()), address) {
            (Some(name), _) => read_name(name, index + 1, origin(from, "host"))?,
            (None, Some(address)) => HostName::Tcp(address.to_string()),
            (None, None) => default_host(),
        };
        // One port is for all hosts.
        let port = if ports.len() == 1 { ports.first() } else { ports.get(index) };
        let port = read_port(port, index + 1, origin(from, "port"))?;
        entries.push(HostEntry { name, address, port, password: None });
    }
    Ok(entries)
}

fn list<'a>(from: &'a Collected, name: &str) -> Vec<&'a str> {
    from.text(name).map(|text| text.split(',').map(str::trim).collect()).unwrap_or_default()
}

fn origin(from: &Collected, name: &str) -> Origin {
    from.get(name).map_or(Origin::Text, |given: &Given| given.origin)
}

fn read_name(name: &str, position: usize, origin: Origin) -> Result<HostName, UrlError> {
    if name.starts_with('/') {
        return Ok(HostName::Unix(PathBuf::from(name)));
    }
    let usual = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let address = name.split_once('%').map_or(name, |(address, _zone)| address);
    let is_address = address.parse::<Ipv6Addr>().is_ok() && name.chars().all(|c| usual(c) || ":%".contains(c));
    if is_address || (name.len() <= 253 && name.chars().all(usual)) {
        return Ok(HostName::Tcp(name.to_owned()));
    }
    Err(UrlError::InvalidHost { position, origin })
}

fn read_address(text: Option<&&str>, position: usize, origin: Origin) -> Result<Option<IpAddr>, UrlError> {
    match text.filter(|text| !text.is_empty()).map(|text| text.parse()) {
        None => Ok(None),
        Some(Ok(address)) => Ok(Some(address)),
        Some(Err(_)) => Err(UrlError::InvalidHostAddress { position, origin }),
    }
}

fn read_port(text: Option<&&str>, position: usize, origin: Origin) -> Result<u16, UrlError> {
    match text.filter(|text| !text.is_empty()).map(|text| text.parse()) {
        None => Ok(DEFAULT_PORT),
        Some(Ok(port)) if port > 0 => Ok(port),
        Some(_) => Err(UrlError::InvalidPort { position, origin }),
    }
}

/// libpq's own default is a socket folder; where there is none (another container), `localhost`.
fn default_host() -> HostName {
    let folder = Path::new(SOCKET_FOLDER);
    if folder.is_dir() { HostName::Unix(folder.to_owned()) } else { HostName::Tcp("localhost".to_owned()) }
}
