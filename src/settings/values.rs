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
    #[error("{variable}: `{value}` is no duration; write it like `500ms`, `30s` or `5m`")]
    Duration {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A duration that PostgreSQL's timeouts cannot hold.
    #[error("{variable}: `{value}` is out of range; whole milliseconds up to 24 days are allowed")]
    TimeoutRange {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// None of the words allowed.
    #[error("{variable}: `{value}` is not allowed; {}", suggestion(.value, .allowed))]
    Choice {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The words allowed.
        allowed: Vec<&'static str>,
    },
    /// Not a whole number from 1.
    #[error("{variable}: `{value}` is no whole number from 1")]
    Number {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// Not the name of a table.
    #[error("{variable}: `{value}` names no table: {reason}")]
    Table {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: TableNameError,
    },
    /// Not a log filter.
    #[error("SCHEMAGATE_LOG: `{value}` is no log filter ({reason}); write it like `info` or `schemagate=debug`")]
    Filter {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable and its `_FILE` twin are both set.
    #[error("{variable} and {file_variable} are both set; unset one")]
    Both {
        /// The variable.
        variable: &'static str,
        /// Its twin.
        file_variable: &'static str,
    },
    /// Bytes that are no Unicode.
    #[error("{variable}: its value is not valid UTF-8")]
    NotUnicode {
        /// The variable.
        variable: &'static str,
    },
    /// A secret's file cannot be read.
    #[error("{variable}: cannot read {path}: {reason}")]
    File {
        /// The variable.
        variable: &'static str,
        /// The path it names.
        path: String,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// A secret's file is empty.
    #[error("{variable}: {path} is empty")]
    EmptyFile {
        /// The variable.
        variable: &'static str,
        /// The path it names.
        path: String,
    },
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
    fn a_timeout_that_postgres_cannot_hold_is_refused() {
        assert!(postgres_timeout("SCHEMAGATE_LOCK_TIMEOUT", "25d").is_err());
        assert!(postgres_timeout("SCHEMAGATE_LOCK_TIMEOUT", "500us").is_err());
        assert!(postgres_timeout("SCHEMAGATE_LOCK_TIMEOUT", "24d").is_ok());
    }
}
