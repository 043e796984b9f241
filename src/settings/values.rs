//! Types single values. In: a variable's name and text. Out: the value, or what is wrong with it and what is allowed.

use std::path::Path;
use std::time::Duration;

use super::TableNameError;

/// A word and what it stands for.
pub(super) type Choice<T> = (&'static str, T);

/// Why a setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// Not a duration.
    #[error("{variable}: {} is no duration; write it like `500ms`, `30s` or `5m`, up to a year", shown(.value))]
    Duration {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A duration that PostgreSQL's timeouts cannot hold.
    #[error("{variable}: {} is out of range; whole milliseconds up to 24 days are allowed", shown(.value))]
    TimeoutRange {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// None of the words allowed.
    #[error("{variable}: {} is not allowed; {}", shown(.value), suggestion(.value, .allowed))]
    Choice {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The words allowed.
        allowed: Vec<&'static str>,
    },
    /// Not a whole number from 1.
    #[error("{variable}: {} is no whole number from 1", shown(.value))]
    Number {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// Not the name of a table.
    #[error("{variable}: {} names no table: {reason}", shown(.value))]
    Table {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: TableNameError,
    },
    /// Not to be used in the names of files.
    #[error("{variable}: {} is no identifier; letters, digits, `.`, `_` and `-` are allowed, 64 of them at most", shown(.value))]
    Identifier {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// Not a log filter.
    #[error("SCHEMAGATE_LOG: {} is no log filter; write it like `info`, `debug` or `schemagate=debug`", shown(.value))]
    Filter {
        /// The value.
        value: String,
    },
    /// A URL where a folder is wanted.
    #[error("{variable}: a URL, where a folder is wanted (not shown: it may hold a password)")]
    UrlForFolder {
        /// The variable.
        variable: &'static str,
    },
    /// Bytes that are no UTF-8, which would otherwise look like no value at all.
    #[error("{variable}: the value is not valid UTF-8")]
    NotUtf8 {
        /// The variable.
        variable: String,
    },
    /// The environment could not be taken in.
    #[error("the SCHEMAGATE_ variables cannot be read: {source}")]
    Environment {
        /// The reason.
        source: envy::Error,
    },
    /// A variable and its `_FILE` twin are both set.
    #[error("{variable} and {file_variable} are both set; unset one")]
    Both {
        /// The variable.
        variable: &'static str,
        /// Its twin.
        file_variable: &'static str,
    },
    /// A secret's file cannot be read.
    #[error("{variable}: cannot read {}: {reason}", file_shown(.path))]
    File {
        /// The variable.
        variable: &'static str,
        /// The path it names.
        path: String,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// A secret's file is empty.
    #[error("{variable}: {} is empty", file_shown(.path))]
    EmptyFile {
        /// The variable.
        variable: &'static str,
        /// The path it names.
        path: String,
    },
}

/// A value as a message repeats it, unless it looks like a URL pasted into the wrong variable.
fn shown(value: &str) -> String {
    const LONGEST_CHARS: usize = 80;
    if value.contains("://") || value.contains('@') || value.to_lowercase().contains("password") {
        return "the value (not shown: it may hold a password)".to_owned();
    }
    let more = if value.chars().nth(LONGEST_CHARS).is_some() { "…" } else { "" };
    let text: String = value.chars().take(LONGEST_CHARS).collect();
    format!("`{}{more}`", text.escape_debug())
}

/// A path as a message repeats it. What does not begin like one may be the secret itself instead of its file.
fn file_shown(path: &str) -> String {
    let is_path = path.starts_with(['/', '.']) && !path.contains("://");
    if is_path { path.escape_debug().to_string() } else { "the file that it should name".to_owned() }
}

fn suggestion(value: &str, allowed: &[&'static str]) -> String {
    let near = allowed.iter().find(|word| strsim::damerau_levenshtein(word, &value.to_lowercase()) <= 2);
    match near {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("use one of: {}", allowed.join(", ")),
    }
}

/// Reads `500ms`, `30s`, `5m`, `1h`, `1m 30s` or a plain `0`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    // Longer than a year is a slip of the keyboard, and would overflow the clock where it is added to now.
    humantime::parse_duration(text).ok().filter(|duration| *duration <= Duration::from_secs(366 * 24 * 3600))
}

pub(super) fn duration(variable: &'static str, text: &str) -> Result<Duration, ValueError> {
    parse_duration(text).ok_or_else(|| ValueError::Duration { variable, value: text.to_owned() })
}

/// A duration that fits PostgreSQL's timeouts: whole milliseconds in an `int4`.
pub(super) fn postgres_timeout(variable: &'static str, text: &str) -> Result<Duration, ValueError> {
    let value = duration(variable, text)?;
    let whole = value.subsec_nanos() % 1_000_000 == 0;
    if whole && i32::try_from(value.as_millis()).is_ok() {
        return Ok(value);
    }
    Err(ValueError::TimeoutRange { variable, value: text.to_owned() })
}

pub(super) fn choice<T: Copy>(
    variable: &'static str,
    text: &str,
    choices: &'static [Choice<T>],
) -> Result<T, ValueError> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| ValueError::Choice {
        variable,
        value: text.to_owned(),
        allowed: choices.iter().map(|(word, _)| *word).collect(),
    })
}

/// Whether `text` filters a log. A single word that is no level would be taken for a module of that name, and
/// silence everything: `inof`, `warning`.
pub(super) fn is_filter(text: &str) -> bool {
    let is_word = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let known = |part: &str| part.parse::<tracing_subscriber::filter::LevelFilter>().is_ok() || part == "schemagate";
    text.split(',').map(str::trim).all(|part| !is_word(part) || known(part))
        && text.parse::<tracing_subscriber::filter::Targets>().is_ok()
}

/// The text of a mounted secret, without the line end that editors leave.
pub(super) fn secret_file(variable: &'static str, path: &str) -> Result<String, ValueError> {
    let text = std::fs::read_to_string(Path::new(path)).map_err(|reason| ValueError::File {
        variable,
        path: path.to_owned(),
        reason,
    })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(ValueError::EmptyFile { variable, path: path.to_owned() });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_documented() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse_duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_duration("0"), Some(Duration::ZERO));
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration("-5s"), None);
        assert_eq!(parse_duration("9999999999999d"), None);
    }

    #[test]
    fn a_filter_is_a_level_or_names_a_level_for_a_module() {
        for text in ["info", "DEBUG", "off", "0", "schemagate", "warn,schemagate::run=debug", "schemagate=trace, info"]
        {
            assert!(is_filter(text), "{text}");
        }
        for text in ["inof", "warning", "warn,verbose", "schemagate=loud", "a=b=c"] {
            assert!(!is_filter(text), "{text}");
        }
    }

    #[test]
    fn a_value_that_may_be_a_secret_is_not_repeated() {
        for value in ["postgres://u:canary@h/d", "u:canary@h", "host=h password=canary"] {
            assert!(!shown(value).contains("canary"));
            assert!(!file_shown(value).contains("canary"));
        }
        assert!(!file_shown("canary").contains("canary"));
        assert_eq!(shown("5\n\u{1b}[2J"), "`5\\n\\u{1b}[2J`");
        assert_eq!(shown(&"x".repeat(81)).chars().count(), 83);
        assert_eq!(file_shown("/run/secrets/url"), "/run/secrets/url");
    }

    #[test]
    fn a_timeout_that_postgres_cannot_hold_is_refused() {
        assert!(postgres_timeout("SCHEMAGATE_LOCK_TIMEOUT", "25d").is_err());
        assert!(postgres_timeout("SCHEMAGATE_LOCK_TIMEOUT", "500us").is_err());
        assert!(postgres_timeout("SCHEMAGATE_LOCK_TIMEOUT", "24d").is_ok());
    }
}
