//! What a plan says of the tables that exist. In: what was weighed. Out: lines, JSON.

use serde_json::{Value, json};

use super::fit::harmless;
use super::size::{bytes_text, size_text};
use super::table::align;
use crate::lint::Finding;
use crate::weight::{Judgement, Table, Weighed, Weighted};

/// The tables touched, and what may block for long.
pub(super) fn lines(weighed: &Weighed) -> Vec<String> {
    let mut lines = Vec::new();
    let rows: Vec<Vec<String>> = weighed
        .tables
        .iter()
        .map(|touched| {
            let Table { name, rows, bytes, .. } = &touched.table;
            let bytes = bytes.map_or_else(|| "unknown".to_owned(), bytes_text);
            vec![format!("  {name}"), rows_text(*rows), bytes, touched.by.join(", ")]
        })
        .collect();
    if !rows.is_empty() {
        lines.push(String::new());
        lines.push("tables that exist and are touched".to_owned());
        lines.extend(align(&["  TABLE", "ROWS", "SIZE", "BY"], &rows));
    }
    if !weighed.judgements.is_empty() {
        lines.push(String::new());
        lines.push("what takes the longer the larger its table is, while others wait".to_owned());
        lines.extend(weighed.judgements.iter().flat_map(judgement_lines));
    }
    if !weighed.findings.is_empty() {
        lines.push(String::new());
        lines.push("what lint finds besides (`schemagate lint` shows the lines and the way out)".to_owned());
        lines.extend(weighed.findings.iter().map(finding_line));
    }
    lines
}

fn finding_line(weighted: &Weighted) -> String {
    let Weighted { level, table, finding } = weighted;
    let size =
        table.as_ref().map_or_else(String::new, |table| format!(" ({}: {})", table.name, size_text(table.bytes)));
    let Finding { file, line, column, rule, message, .. } = finding;
    harmless(&format!("  {:<7}  {file}:{line}:{column}: {rule}: {message}{size}", level.name()))
}

fn judgement_lines(judgement: &Judgement) -> Vec<String> {
    let size = size_text(judgement.bytes);
    let mut lines = vec![format!("  {:<7}  {judgement} ({size})", judgement.level.name())];
    if let Some(safe) = &judgement.safe {
        lines.push("           instead:".to_owned());
        lines.extend(safe.lines().map(|line| format!("             {line}")));
    }
    lines
}

/// An estimate, as such.
fn rows_text(rows: Option<u64>) -> String {
    rows.map_or_else(|| "never counted".to_owned(), |rows| format!("about {rows}"))
}

/// The tables as JSON.
pub(super) fn tables_json(weighed: &Weighed) -> Vec<Value> {
    let table = |touched: &crate::weight::Touched| {
        json!({
            "table": touched.table.name,
            "rows": touched.table.rows,
            "bytes": touched.table.bytes,
            "touched_by": touched.by,
        })
    };
    weighed.tables.iter().map(table).collect()
}

/// The judgements as JSON.
pub(super) fn judgements_json(weighed: &Weighed) -> Vec<Value> {
    let judgement = |it: &Judgement| {
        json!({
            "level": it.level.name(),
            "file": it.file,
            "line": it.line,
            "column": it.column,
            "table": it.table.name,
            "bytes": it.bytes,
            "called": it.called,
            "rows": it.table.rows,
            "message": it.to_string(),
            "instead": it.safe,
        })
    };
    weighed.judgements.iter().map(judgement).collect()
}

/// What lint finds besides, as JSON.
pub(super) fn findings_json(weighed: &Weighed) -> Vec<Value> {
    let finding = |it: &Weighted| {
        json!({
            "level": it.level.name(),
            "rule": it.finding.rule,
            "file": it.finding.file,
            "line": it.finding.line,
            "column": it.finding.column,
            "table": it.table.as_ref().map(|table| &table.name),
            "bytes": it.table.as_ref().and_then(|table| table.bytes),
            "message": it.finding.message,
            "lock": it.finding.lock,
            "hint": it.finding.hint,
            "instead": it.finding.instead,
        })
    };
    weighed.findings.iter().map(finding).collect()
}
