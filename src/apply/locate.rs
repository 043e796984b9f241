//! Finds the statement that failed. In: a file and the server's error. Out: line, column, excerpt. Sends nothing.

use std::ops::Range;

use crate::migrations::{Migration, script};
use crate::postgres::server_error::ServerError;
use crate::review::Reviewed;

use super::Statement;

/// What the server does when it breaks the protocol counts as the file's failure: it must not be tried in a loop.
pub(crate) fn broken_protocol(reason: String) -> ServerError {
    ServerError {
        severity: "ERROR".to_owned(),
        sqlstate: "08P01".to_owned(),
        message: format!("unexpected protocol message: {reason}"),
        ..ServerError::default()
    }
}

/// The failing statement: by the error's position, or, where it has none, by counting those that completed. `sent` is
/// the part of the file that was sent; none is the whole.
pub(crate) fn locate(
    reviewed: &Reviewed<'_>,
    sent: Option<Range<usize>>,
    completed: usize,
    error: &ServerError,
) -> Option<Statement> {
    let text = reviewed.migration.read().ok()?;
    let written = Migration::statements_text(&text);
    let sql = &reviewed.judgement.sent(written);
    let sent = sent.unwrap_or(0..sql.len());
    let part = sql.get(sent.clone())?;
    let number = completed + 1 + sql.get(..sent.start).map_or(0, |before| script::Statements::new(before).count());
    if let Some(position) = error.position {
        // An error "at end of input" points behind the last line feed; the last line that says something is meant.
        let place = script::position_of(part.trim_end(), usize::try_from(position).ok()?);
        let place = script::place_of(sql, sent.start + place.byte);
        let excerpt = script::excerpt(written, place.byte);
        return Some(Statement {
            line: place.line,
            column: Some(place.column),
            number,
            excerpt: excerpt.text,
            caret: Some(excerpt.caret),
        });
    }
    let statement = script::nth_statement(part, completed + 1)?;
    let place = script::place_of(sql, sent.start + statement.range.start);
    let excerpt = script::excerpt(written, place.byte).text;
    Some(Statement { line: place.line, column: None, number, excerpt, caret: None })
}
