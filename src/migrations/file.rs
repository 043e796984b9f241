//! Reads one file. In: a path. Out: its text, or what is wrong with it. Never keeps more than one message can carry.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Fault;
use super::problem::{LARGEST_FILE_BYTES, check_text, decode};

/// Reads a migration as text.
///
/// # Errors
/// What [`read_raw`] finds, and [`Fault::Nul`].
pub(super) fn read_text(path: &Path) -> Result<String, Fault> {
    let text = decode(read_raw(path)?)?;
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
    let file = File::open(path).map_err(unreadable)?;
    let size_bytes = file.metadata().map_err(unreadable)?.len();
    if size_bytes > LARGEST_FILE_BYTES {
        return Err(Fault::TooLarge { size_bytes });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0) + 1);
    // A file that grows meanwhile must not fill the memory.
    let read = file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let size_bytes = u64::try_from(read).unwrap_or(u64::MAX);
    if size_bytes > LARGEST_FILE_BYTES {
        return Err(Fault::TooLarge { size_bytes });
    }
    Ok(bytes)
}
