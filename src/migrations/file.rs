//! Reads one file. In: a path. Out: its text, or what is wrong with it. Never keeps more than one message can carry.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Fault;
use super::problem::{LARGEST_FILE_BYTES, check_text, decode};

/// Below that, a buffer is filled with zeros rather than asked twice for the end of the file.
const SMALL_BYTES: usize = 64 * 1024;

/// Reads a migration as text.
///
/// # Errors
/// What [`read_raw`] finds, and [`Fault::Nul`].
pub(super) fn read_text(path: &Path) -> Result<String, Fault> {
    let text = decode(read_raw(path)?)?;
    check_text(&text).map(|()| text)
}

/// As [`read_text`], of what a listing has just shown to be a regular file.
///
/// # Errors
/// As [`read_text`].
pub(super) fn read_listed(path: &Path) -> Result<String, Fault> {
    let text = decode(read_open(path)?)?;
    check_text(&text).map(|()| text)
}

/// Reads a regular file of at most one message's size.
///
/// # Errors
/// [`Fault::Unreadable`], [`Fault::NotAFile`] and [`Fault::TooLarge`].
pub(super) fn read_raw(path: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |reason| Fault::Unreadable { reason };
    // A pipe would be waited for until somebody writes to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Fault::NotAFile);
    }
    read_open(path)
}

fn read_open(path: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |reason| Fault::Unreadable { reason };
    let mut file = File::open(path).map_err(unreadable)?;
    let size_bytes = file.metadata().map_err(unreadable)?.len();
    if size_bytes > LARGEST_FILE_BYTES {
        return Err(Fault::TooLarge { size_bytes });
    }
    let size = usize::try_from(size_bytes).unwrap_or(0);
    let mut bytes = Vec::with_capacity(size + 1);
    if size < SMALL_BYTES {
        // One call reads it, and shows by the byte that is left over that this is all.
        bytes.resize(size + 1, 0);
        let read = match file.read(&mut bytes) {
            Err(reason) if reason.kind() == std::io::ErrorKind::Interrupted => 0,
            read => read.map_err(unreadable)?,
        };
        bytes.truncate(read);
        if read == size {
            return Ok(bytes);
        }
    }
    // A file that grows meanwhile must not fill the memory.
    file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size_bytes > LARGEST_FILE_BYTES {
        return Err(Fault::TooLarge { size_bytes });
    }
    Ok(bytes)
}
