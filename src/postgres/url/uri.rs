//! Reads `postgresql://user:password@host:port,host:port/dbname?name=value`. In: the text. Out: the settings given in
//! it. Splits as libpq does, and refuses what libpq would misread when a password is not percent-encoded. Never
//! repeats any part of the text that could belong to a password.

use super::error::{Origin, UrlError};
use super::parameters::{Collected, Given};
use percent_encoding::percent_decode_str;

/// The parts of a URI, still percent-encoded.
struct Parts<'a> {
    userinfo: Option<&'a str>,
    authority: &'a str,
    dbname: &'a str,
    query: &'a str,
}

/// Reads what follows `postgresql://`.
pub(super) fn read(text: &str, into: &mut Collected) -> Result<(), UrlError> {
    let parts = split(text)?;
    if let Some(userinfo) = parts.userinfo {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        put(into, "user", user)?;
        put(into, "password", password)?;
    }
    read_hosts(parts.authority, into)?;
    put(into, "dbname", parts.dbname)?;
    read_query(&parts, into)
}

/// Splits as libpq: an `@` ends the user's part only before the first `/`, whatever else comes before it.
fn split(text: &str) -> Result<Parts<'_>, UrlError> {
    let at = text.find('@');
    let slash = text.find('/');
    let has_userinfo = at.is_some_and(|at| slash.is_none_or(|slash| at < slash));
    let (userinfo, rest) = match text.split_once('@') {
        Some((userinfo, rest)) if has_userinfo => (Some(userinfo), rest),
        _ => (None, text),
    };
    // `host?user=a@b` is a user "host?user=a" to libpq, which nobody means; `u:pa?ss@h` is a password.
    if userinfo.and_then(|u| u.split_once('?')).is_some_and(|(_, behind)| behind.contains('=')) {
        return Err(UrlError::ReservedBeforeAtSign { character: '?' });
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    match userinfo {
        // The second @ may end a password that goes on behind the first one, even within the parameters.
        Some(userinfo) if place.contains('@') || (userinfo.contains(':') && query.contains('@')) => {
            return Err(UrlError::SeveralAtSigns);
        }
        None if place.contains('@') => {
            return Err(UrlError::ReservedBeforeAtSign { character: '/' });
        }
        // `u:5432?host=x@h` may be a password that begins with a number; `host/db?user=a@b` cannot be one.
        None if place.contains(':') && query.contains('@') => {
            return Err(UrlError::ReservedBeforeAtSign { character: '?' });
        }
        _ => {}
    }
    let (authority, dbname) = place.split_once('/').unwrap_or((place, ""));
    Ok(Parts { userinfo, authority, dbname, query })
}

fn read_hosts(authority: &str, into: &mut Collected) -> Result<(), UrlError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for (index, item) in authority.split(',').enumerate() {
        let position = index + 1;
        let (host, port) = match item.strip_prefix('[') {
            Some(rest) => {
                let (address, behind) = rest.split_once(']').ok_or(UrlError::Brackets { position })?;
                let port = behind.strip_prefix(':').or_else(|| behind.is_empty().then_some(""));
                if address.is_empty() {
                    return Err(UrlError::Brackets { position });
                }
                (address, port.ok_or(UrlError::Brackets { position })?)
            }
            None => item.split_once(':').unwrap_or((item, "")),
        };
        hosts.push(decode(host, "host")?);
        ports.push(decode(port, "port")?);
    }
    for (name, list) in [("host", hosts.join(",")), ("port", ports.join(","))] {
        if !list.is_empty() {
            into.set(name, 0, Given { value: list, origin: Origin::Text, showable: false })?;
        }
    }
    Ok(())
}

fn read_query(parts: &Parts<'_>, into: &mut Collected) -> Result<(), UrlError> {
    // Without an @ in them, the parameters cannot be the rest of a password before the @.
    let mut showable = !parts.query.contains('@');
    for (index, pair) in parts.query.split('&').enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let position = index + 1;
        let (name, value) = pair.split_once('=').ok_or(UrlError::MissingEquals { position, origin: Origin::Text })?;
        let name = decode(name, "name of a parameter")?;
        let value = decode(value, "value of a parameter")?;
        // A password with an unencoded & goes on in what looks like further parameters.
        let secret = matches!(name.as_str(), "password" | "sslpassword");
        showable = showable && !secret;
        into.set(&name, position, Given { value, origin: Origin::Text, showable })?;
    }
    Ok(())
}

fn put(into: &mut Collected, name: &'static str, encoded: &str) -> Result<(), UrlError> {
    if encoded.is_empty() {
        return Ok(());
    }
    let value = decode(encoded, name)?;
    into.set(name, 0, Given { value, origin: Origin::Text, showable: false })
}

/// Decodes strictly: a lone `%` is more likely an unencoded password than meant.
fn decode(text: &str, part: &'static str) -> Result<String, UrlError> {
    let bytes = text.as_bytes();
    for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let digits = bytes.get(index + 1..index + 3);
        let valid = digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit) && d != b"00");
        if !valid {
            return Err(UrlError::PercentEncoding { part });
        }
    }
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| UrlError::PercentEncoding { part })?.into_owned())
}
