//! Opens files that others may have put there. In: a path. Out: an open regular file, or that it is none. Never waits on a
//! pipe and never opens a device or a socket.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What to do with a path that is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// The user named it: it counts what it leads to.
    Followed,
    /// It is no regular file.
    Refused,
}

/// Opens `path` for reading; none where it is no regular file.
///
/// # Errors
/// The system's.
pub(crate) fn open(path: &Path, links: Links) -> io::Result<Option<File>> {
    let (found, flag) = match links {
        Links::Followed => (fs::metadata(path)?, 0),
        Links::Refused => (fs::symlink_metadata(path)?, libc::O_NOFOLLOW),
    };
    if !found.is_file() {
        return Ok(None);
    }
    // What takes its place in between is opened without waiting for a writer, and looked at again.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | flag).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}
