//! One thing found in a file. In: a place and words. Out: a [`Finding`], as people and machines are to have it.

use super::rules::{Rule, Severity};
use super::source::Source;
use crate::migrations::script::{Excerpt, excerpt};

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, below the folder of migrations.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The rule.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The lock, how long it is held, and who waits.
    pub lock: Option<String>,
    /// The way out in words.
    pub hint: Option<String>,
    /// The way out as SQL.
    pub instead: Option<String>,
    /// The line of the source; none where the file as a whole is meant.
    pub excerpt: Option<Excerpt>,
    /// The line on which the statement starts.
    pub(super) statement_line: usize,
    /// The names under which comments may silence it, its own apart.
    pub(super) aliases: &'static [&'static str],
    /// Whether comments may silence it at all.
    pub(super) allowable: bool,
}

impl Finding {
    /// About a file as a whole.
    pub(super) fn of_file(rule: &'static Rule, file: &str, message: String) -> Finding {
        Finding {
            file: file.to_owned(),
            line: 1,
            column: 1,
            rule: rule.name,
            severity: rule.severity,
            message,
            lock: None,
            hint: None,
            instead: None,
            excerpt: None,
            statement_line: 1,
            aliases: rule.squawk,
            allowable: rule.allowable,
        }
    }

    /// About a byte of a file.
    pub(super) fn at(rule: &'static Rule, source: &Source<'_>, byte: usize, message: String) -> Finding {
        let place = source.place(byte);
        Finding {
            line: place.line,
            column: place.column,
            statement_line: place.line,
            excerpt: Some(excerpt(source.sql, place.byte)),
            ..Self::of_file(rule, source.file, message)
        }
    }

    /// In a statement that starts at a byte.
    pub(super) fn in_statement(self, source: &Source<'_>, start: usize) -> Finding {
        Finding { statement_line: source.line(start), ..self }
    }

    pub(super) fn warning(self) -> Finding {
        Finding { severity: Severity::Warning, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..self }
    }

    pub(super) fn instead(self, sql: String) -> Finding {
        Finding { instead: Some(sql), ..self }
    }
}
