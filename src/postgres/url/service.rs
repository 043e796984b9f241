//! libpq's connection service file. In: the service's name and where the files lie. Out: the settings that nothing
//! else gives. Reads files, in `read_file` only. See the PostgreSQL manual, "The Connection Service File".

use super::account::Account;
use super::error::{Origin, UrlError};
use super::parameters::{Collected, Given};
use std::io;
use std::path::{Path, PathBuf};

/// Where the system's service file lies: Debian's folder, and that of PostgreSQL's own packages.
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

/// Fills from the service that is named, if one is: in the text, or in `PGSERVICE`.
pub(super) fn fill(
    into: &mut Collected,
    env: &dyn Fn(&str) -> Option<String>,
    account: &Account,
) -> Result<(), UrlError> {
    let variable = |name: &str| env(name).filter(|value| !value.is_empty());
    let (service, origin) = match (into.text("service"), variable("PGSERVICE")) {
        (Some(service), _) => (service.to_owned(), Origin::Text),
        (None, Some(service)) => (service, Origin::Environment("PGSERVICE")),
        (None, None) => return Ok(()),
    };
    let named = into.text("servicefile").map(str::to_owned).or_else(|| variable("PGSERVICEFILE"));
    let mut files = Vec::new();
    match (&named, &account.home) {
        (Some(path), _) => files.push(PathBuf::from(path)),
        (None, Some(home)) => files.push(home.join(".pg_service.conf")),
        (None, None) => {}
    }
    let system = variable("PGSYSCONFDIR");
    let system = system.map_or_else(|| SYSTEM_FOLDERS.map(PathBuf::from).to_vec(), |dir| vec![dir.into()]);
    files.extend(system.into_iter().map(|folder| folder.join("pg_service.conf")));
    for (index, path) in files.iter().enumerate() {
        // Only a file that was named must exist.
        let Some(text) = read_file(path, named.is_some() && index == 0)? else {
            continue;
        };
        if take_group(&text, &service, path, into)? {
            return Ok(());
        }
    }
    Err(UrlError::ServiceNotFound { origin, files })
}

fn read_file(path: &Path, must_exist: bool) -> Result<Option<String>, UrlError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(error) => Err(UrlError::ServiceUnreadable { path: path.to_owned(), kind: error.kind() }),
    }
}

/// Takes the settings of `[service]`; false where the file does not define it.
fn take_group(text: &str, service: &str, path: &Path, into: &mut Collected) -> Result<bool, UrlError> {
    let mut inside = false;
    // Within one group the first of a name wins, as in libpq.
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(group) = line.strip_prefix('[') {
            if inside {
                return Ok(true);
            }
            inside = group.strip_suffix(']') == Some(service);
            continue;
        }
        if !inside {
            continue;
        }
        let origin = Origin::ServiceFile;
        if line.starts_with("ldap") {
            return Err(UrlError::ServiceNested { path: path.to_owned(), line: number });
        }
        let (name, value) = line.split_once('=').ok_or(UrlError::MissingEquals { position: number, origin })?;
        if name == "service" || name == "servicefile" {
            return Err(UrlError::ServiceNested { path: path.to_owned(), line: number });
        }
        let given = Given { value: value.to_owned(), origin, showable: false };
        into.set_missing(name, number, given)?;
    }
    Ok(inside)
}
