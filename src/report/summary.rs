//! The last line of `up`: what was done, in at most 2,048 bytes. In: progress and outcome. Out: words and fields.

use std::time::Duration;

use crate::apply::Progress;
use crate::postgres::duration_text;
use crate::run::UpToDate;

use super::termination::cut;

/// What Kubernetes keeps of a log's end where there is no termination message.
pub const LIMIT_BYTES: usize = 2048;

/// What the other fields of a JSON line may take of it.
const FIELDS_BYTES: usize = 300;

/// Whether the words fit the last line, also with what JSON escapes in them.
pub fn fits(words: &str) -> bool {
    escaped_bytes(words) + FIELDS_BYTES <= LIMIT_BYTES
}

/// The first line of a failure, as far as there is room, above the sentence on how the run went.
pub fn short(headline: &str, sentence: &str) -> String {
    let mut limit = LIMIT_BYTES / 4;
    loop {
        let words = format!("{}\n{sentence}", cut(headline, limit));
        if fits(&words) || limit == 0 {
            return words;
        }
        limit /= 2;
    }
}

fn escaped_bytes(words: &str) -> usize {
    serde_json::to_string(words).map_or(LIMIT_BYTES, |json| json.len())
}

/// How a run went, in one sentence.
pub fn success(outcome: &UpToDate, progress: &Progress, elapsed: Duration) -> String {
    let took = duration_text(elapsed);
    let newest = outcome.newest.map(|version| format!(", newest version {version}")).unwrap_or_default();
    let held_back = match outcome.held_back {
        0 => String::new(),
        count => format!("; {count} held back by --target"),
    };
    let ahead = match outcome.ahead {
        0 => String::new(),
        count => format!("; the database is ahead by {count}"),
    };
    match progress.applied.as_slice() {
        [] => format!("up to date: {} applied{newest}; nothing to do in {took}{held_back}{ahead}", outcome.total),
        [only] => format!(
            "applied 1 migration ({}) in {took}; {} applied in all{newest}{held_back}{ahead}",
            only.file, outcome.total
        ),
        [first, .., last] => format!(
            "applied {} migrations ({} to {}) in {took}; {} applied in all{newest}{held_back}{ahead}",
            progress.applied.len(),
            first.file,
            last.file,
            outcome.total
        ),
    }
}

/// How a run that failed went, in one sentence.
pub fn failure(progress: &Progress, elapsed: Duration, code: u8) -> String {
    let took = duration_text(elapsed);
    match progress.applied.len() {
        0 => format!("failed after {took} with exit code {code}: nothing of this release was applied"),
        1 => format!("failed after {took} with exit code {code}: 1 migration of this release was applied"),
        many => format!("failed after {took} with exit code {code}: {many} migrations of this release were applied"),
    }
}
