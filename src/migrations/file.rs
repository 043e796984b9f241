//! Reads one file. In: a path. Out: its text, or what is wrong with it. Never keeps more than one message can carry.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Fault;
use super::problem::{LARGEST_FILE_BYTES, check_text, decode};

/// Below that, a file is small: a buffer is filled with zeros rather than asked twice for the end of the file.
const SMALL_BYTES: usize = 64 * 1024;

/// Reads a migration as text.
///
/// # Errors
/// What [`read_raw`] finds, and [`Fault::Nul`].
pub(super) fn read_text(path: &Path) -> Result<String, Fault> {
    let text = decode(read_raw(path)?)?;
    check_text(&text).map(|()| text)
}

/// As [`read_text`], of what a listing has just shown to be a regular file. Comes with `one_large` where the file is
/// large, so that threads hold only one such file between them.
///
/// # Errors
/// As [`read_text`].
pub(super) fn read_listed<'a>(
    path: &Path,
    one_large: &'a Mutex<()>,
) -> Result<(String, Option<MutexGuard<'a, ()>>), Fault> {
    let (file, size) = open(path)?;
    let alone = (size >= SMALL_BYTES).then(|| one_large.lock().unwrap_or_else(PoisonError::into_inner));
    let text = decode(read_open(file, size)?)?;
    check_text(&text).map(|()| (text, alone))
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
    let (file, size) = open(path)?;
    read_open(file, size)
}

fn open(path: &Path) -> Result<(File, usize), Fault> {
    let unreadable = |reason| Fault::Unreadable { reason };
    let file = File::open(path).map_err(unreadable)?;
    let size_bytes = file.metadata().map_err(unreadable)?.len();
    if size_bytes > LARGEST_FILE_BYTES {
        return Err(Fault::TooLarge { size_bytes });
    }
    Ok((file, usize::try_from(size_bytes).unwrap_or(0)))
}

fn read_open(mut file: File, size: usize) -> Result<Vec<u8>, Fault> {
    let unreadable = |reason| Fault::Unreadable { reason };
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
