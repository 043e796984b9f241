//! Finds the statement that failed. In: a file and the server's error. Out: line, column, excerpt. Sends nothing.

use crate::migrations::{Migration, script};
use crate::postgres::server_error::ServerError;

use super::Statement;

/// What the server does when it breaks the protocol counts as the file's failure: it must not be tried in a loop.
pub(super) fn broken_protocol(reason: String) -> ServerError {
    ServerError {
        severity: "ERROR".to_owned(),
        sqlstate: "08P01".to_owned(),
        message: format!("unexpected protocol message: {reason}"),
        ..ServerError::default()
    }
}

/// The failing statement: by the error's position, or, where it has none, by counting those that completed.
pub(super) fn locate(migration: &Migration, completed: usize, error: &ServerError) -> Option<Statement> {
    let text = migration.read().ok()?;
    let sql = Migration::statements_text(&text);
    let number = completed + 1;
    if let Some(position) = error.position {
        // An error "at end of input" points behind the last line feed; the last line that says something is meant.
        let place = script::position_of(sql.trim_end(), usize::try_from(position).ok()?);
        let excerpt = script::excerpt(sql, place.byte);
        return Some(Statement {
            line: place.line,
            column: Some(place.column),
            number,
            excerpt: excerpt.text,
            caret: Some(excerpt.caret),
        });
    }
    let statement = script::nth_statement(sql, number)?;
    let excerpt = script::excerpt(sql, statement.range.start).text;
    Some(Statement { line: statement.line, column: None, number, excerpt, caret: None })
}
