//! The reason of a failure where Kubernetes looks for it. In: the words. Out: the file, if it exists.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// What Kubernetes keeps of a container's termination message.
pub const LIMIT_BYTES: usize = 4096;

/// Cuts `text` to at most `limit` bytes, at a character.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// Writes the words to `path`, unless there is no such file: it is the kubelet that makes it.
pub fn write(path: &Path, words: &str) {
    let Ok(mut file) = OpenOptions::new().write(true).truncate(true).open(path) else { return };
    // The log has the same words; a message that cannot be written must not change the exit code.
    let _ = file.write_all(cut(words, LIMIT_BYTES).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_a_character_and_never_exceeds_the_limit() {
        let text = "añb".repeat(4000);
        for limit in [4096, 4095, 4094] {
            let cut = cut(&text, limit);
            assert!(cut.len() <= limit);
            assert!(cut.ends_with('…'));
        }
        assert_eq!(cut("short", 10), "short");
    }
}
