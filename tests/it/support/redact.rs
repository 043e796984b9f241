//! What differs from run to run, taken out of an output before it is compared with a snapshot.
//! Takes text. Never takes out more than pids, measured times, WAL positions, ports, server versions, paths and names
//! of the harness.

use std::sync::LazyLock;

use regex::Regex;

/// In this order: what is cut out first cannot be mistaken for something else later.
const RULES: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?", "[time]"),
    (r"/(tmp|var/tmp|dev/shm)/[\w.-]+", "[tmp]"),
    (r"\bsg_[a-z0-9_]+_\d+_\d+\b", "[database]"),
    (r"\brole\d+_[a-z0-9_]+_\d+_\d+\b", "[role]"),
    (r"(127\.0\.0\.1|localhost|\[?::1\]?):\d+", "$1:[port]"),
    (r"PostgreSQL \d+[.\w]*( \([^)]*\))?", "PostgreSQL [version]"),
    (r#"("server_version" ?: ?")[^"]*"#, "$1[version]"),
    (r#"(\bport"?[ =:]+"?)\d+"#, "$1[port]"),
    (r#"(pid"?[ =:]+"?)\d+"#, "$1[pid]"),
    (r"\bPID \d+", "PID [pid]"),
    (r"\b[0-9A-F]{1,8}/[0-9A-F]{5,8}\b", "[lsn]"),
    (r#"("\w+_ms"\s*:\s*)\d+(\.\d+)?"#, "$1[ms]"),
    (r"(\b\w+_ms=)\d+(\.\d+)?", "$1[ms]"),
    // A measured time has a fraction or is in milliseconds; a setting such as `5s` stays.
    (r"\b(\d+m ?)?\d+\.\d+ ?(ns|µs|us|ms|s)\b", "[duration]"),
    (r"\b(\d+s )?\d+ ?(ns|µs|us|ms)\b", "[duration]"),
];

static FILTERS: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| RULES.iter().map(|(pattern, with)| (Regex::new(pattern).unwrap(), *with)).collect());

/// `text` without what differs from run to run.
pub fn redact(text: &str) -> String {
    FILTERS.iter().fold(text.to_owned(), |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}
