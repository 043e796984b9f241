//! The last line of `up`: what was done, in at most 2,048 bytes. In: progress and outcome. Out: words and fields.

use std::time::Duration;

use super::failure::Failure;
use super::fit::{chunks, cut, escaped_bytes};
use crate::apply::Progress;
use crate::exit_code::ExitCode;
use crate::postgres::{counted, duration_text};
use crate::run::UpToDate;

/// What Kubernetes keeps of a log's end where there is no termination message.
pub const LIMIT_BYTES: usize = 2048;
/// What is left of it for the words, once time and fields have their room.
const WORDS_BYTES: usize = 1600;
/// What container engines keep whole of a line is 16 KiB; half of it, as they wrap the line in more JSON.
const REPORT_BYTES: usize = 8192;
/// A file's name may follow long names of folders.
const FILE_BYTES: usize = 300;

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
    let total = outcome.total;
    let waits = lock_waits(progress);
    match progress.applied.as_slice() {
        [] => format!("up to date: {total} applied{newest}; nothing to do in {took}{held_back}{ahead}{waits}"),
        [only] => {
            let file = cut(&only.file, FILE_BYTES);
            format!("applied 1 migration ({file}) in {took}; {total} applied in all{newest}{held_back}{ahead}{waits}")
        }
        [first, .., last] => {
            let (count, first, last) =
                (progress.applied.len(), cut(&first.file, FILE_BYTES), cut(&last.file, FILE_BYTES));
            format!(
                "applied {count} migrations ({first} to {last}) in {took}; {total} applied in all{newest}{held_back}\
                 {ahead}{waits}"
            )
        }
    }
}

/// How many files are named with their waits; the others are counted.
const NAMED_WAITS: usize = 3;

/// How long migrations waited for locks, the longest first.
fn lock_waits(progress: &Progress) -> String {
    let mut waits: Vec<&(String, Duration)> = progress.lock_waits.iter().collect();
    waits.sort_by_key(|(_, waited)| std::cmp::Reverse(*waited));
    let named: Vec<String> = waits
        .iter()
        .take(NAMED_WAITS)
        .map(|(what, waited)| format!("{} {}", cut(what, FILE_BYTES), duration_text(*waited)))
        .collect();
    match waits.len().saturating_sub(NAMED_WAITS) {
        _ if named.is_empty() => String::new(),
        0 => format!("; waited for locks: {}", named.join(", ")),
        more => format!("; waited for locks: {} and {more} more", named.join(", ")),
    }
}

/// How a run that failed went, in one sentence.
pub fn failure(progress: &Progress, elapsed: Duration, code: ExitCode, outcome_known: bool) -> String {
    let took = duration_text(elapsed);
    let applied = match (progress.applied.len(), outcome_known) {
        (0, true) => "this run applied nothing".to_owned(),
        (count, true) => format!("this run applied {}", counted(count, "migration")),
        (0, false) => "whether this run applied anything is in the history".to_owned(),
        (count, false) => {
            format!("this run applied {}, and whether any more is in the history", counted(count, "migration"))
        }
    };
    format!("failed after {took} with exit code {}: {applied}{}", code.number(), lock_waits(progress))
}

/// What a failure is told as: reports first, where the words are too long for the last line, and the last line. Only
/// `up` has a sentence, and a last line that must be short.
pub fn told(failure: &Failure, sentence: Option<&str>) -> (Vec<String>, String) {
    let mut reports = chunks(&failure.lines(), REPORT_BYTES);
    let Some(sentence) = sentence else {
        let last = reports.pop().unwrap_or_default();
        return (reports, last);
    };
    let whole = format!("{}\n{sentence}", failure.lines().join("\n"));
    if escaped_bytes(&whole) <= WORDS_BYTES {
        return (Vec::new(), whole);
    }
    let room = WORDS_BYTES.saturating_sub(escaped_bytes(sentence) + 2);
    (reports, format!("{}\n{sentence}", failure.brief(room)))
}
