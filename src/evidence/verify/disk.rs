//! Reads what evidence consists of. In: paths. Out: bytes, hashes, the files below a folder. Never follows a link below
//! the folder, never waits on a pipe, never reads without a limit.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::fault::Wrong;
use crate::regular::{self, Links};
use crate::sha256::hex;
use crate::signing::strict;

/// No document of ours comes near it.
const LONGEST_BYTES: u64 = 64 << 20;

/// The contents of a document.
pub(super) fn read(path: &Path, links: Links) -> Result<Vec<u8>, Wrong> {
    let mut bytes = Vec::new();
    open(path, links)?.take(LONGEST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match u64::try_from(bytes.len()) {
        Ok(read) if read <= LONGEST_BYTES => Ok(bytes),
        _ => Err(Wrong::Unreadable { reason: format!("longer than {} MiB", LONGEST_BYTES >> 20) }),
    }
}

/// As [`read`], of a file that must be one itself, and no link to one.
pub(super) fn read_regular(path: &Path) -> Result<Vec<u8>, Wrong> {
    read(path, Links::Refused)
}

/// The object of a JSON file.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, Wrong> {
    object(&read_regular(path)?)
}

/// The object that these bytes say.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Wrong> {
    match strict::parse(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Wrong::NotJson { reason: "another value".to_owned() }),
        Err(error) => Err(Wrong::NotJson { reason: error.to_string() }),
    }
}

/// Size and SHA-256 of a file of any size.
pub(super) fn measure(path: &Path) -> Result<(u64, String), Wrong> {
    let mut file = open(path, Links::Refused)?;
    let mut hash = Sha256::new();
    let (mut buffer, mut size) = (vec![0; 64 * 1024], 0_u64);
    loop {
        let read = file.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            return Ok((size, hex(&hash.finalize())));
        }
        hash.update(&buffer[..read]);
        size += u64::try_from(read).unwrap_or_default();
    }
}

fn open(path: &Path, links: Links) -> Result<File, Wrong> {
    match regular::open(path, links) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(Wrong::NotAFile),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Wrong::Missing),
        Err(error) => Err(unreadable(error)),
    }
}

/// Everything below `folder` by its path with `/`, sorted; of the folders, with a `/` behind, those with nothing in them.
pub(super) fn files_below(folder: &Path) -> Result<Vec<String>, Wrong> {
    let mut found = Vec::new();
    let mut left = vec![String::new()];
    while let Some(prefix) = left.pop() {
        let mut empty = !prefix.is_empty();
        for entry in fs::read_dir(folder.join(&prefix)).map_err(unreadable)? {
            empty = false;
            let entry = entry.map_err(unreadable)?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // Of a link this is the link's own type.
            match entry.file_type().map_err(unreadable)?.is_dir() {
                true => left.push(format!("{path}/")),
                false => found.push(path),
            }
        }
        if empty {
            found.push(prefix);
        }
    }
    found.sort();
    Ok(found)
}

/// Why something could not be read, in the system's words.
pub(super) fn unreadable(error: std::io::Error) -> Wrong {
    Wrong::Unreadable { reason: error.to_string() }
}
