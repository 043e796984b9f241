//! The reason of a failure where Kubernetes looks for it. In: the words. Out: the file, if it exists.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use super::fit::cut;

/// What Kubernetes keeps of a container's termination message.
pub const LIMIT_BYTES: usize = 4096;

/// Writes the words to `path`, unless there is no such file: it is the kubelet that makes it.
pub fn write(path: &Path, words: &str) {
    // Opening a pipe that nobody reads would wait for ever.
    if !path.is_file() {
        return;
    }
    let Ok(mut file) = OpenOptions::new().write(true).truncate(true).open(path) else { return };
    // The log has the same words; a message that cannot be written must not change the exit code.
    let _ = file.write_all(cut(words, LIMIT_BYTES).as_bytes());
}
