//! What the server said and where, as lines. In: an error of the server, a place in a file. Out: lines to print.

use crate::apply::{MigrationFailure, Phase};
use crate::postgres::server_error::ServerError;

pub(super) fn failure_lines(failure: &MigrationFailure) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(statement) = &failure.statement {
        lines.extend(excerpt_lines(statement.line, &statement.excerpt, statement.caret));
    }
    lines.extend(server_lines(Some(&failure.error)));
    if failure.phase == Phase::DeferredConstraints {
        // The context is our own statement, which says nothing of the file's.
        lines.retain(|line| !line.starts_with("context: ") && !line.starts_with("  PL/pgSQL"));
    }
    if let Some(blocked) = &failure.blocked {
        lines.push(blocked.describe());
    }
    lines
}

pub(super) fn excerpt_lines(line: usize, excerpt: &str, caret: Option<usize>) -> Vec<String> {
    let mut lines = vec![format!("{line:>4} | {excerpt}")];
    if let Some(caret) = caret {
        lines.push(format!("     | {}^", " ".repeat(caret)));
    }
    lines
}

pub(super) fn server_lines(error: Option<&ServerError>) -> Vec<String> {
    let Some(error) = error else { return Vec::new() };
    let internal = error.internal.as_ref().map(|(_, query)| query.clone());
    let named = [
        ("detail", &error.detail),
        ("server hint", &error.hint),
        ("table", &error.table),
        ("constraint", &error.constraint),
        ("in query", &internal),
        ("context", &error.context),
    ];
    let mut lines = Vec::new();
    for (name, text) in named {
        for (number, line) in text.iter().flat_map(|text| text.lines()).enumerate() {
            let lead = if number == 0 { format!("{name}: ") } else { "  ".to_owned() };
            lines.push(format!("{lead}{line}"));
        }
    }
    lines
}
