//! What was adopted, or would be. In: the result of `adopt`. Out: lines, or a JSON document.

use serde_json::{Value, json};

use super::table::align;
use crate::adopt::{Adopted, Reason};
use crate::postgres::counted;
use crate::run::AdoptReport;

/// The result as lines.
pub fn text(report: &AdoptReport<'_>, dry_run: bool) -> Vec<String> {
    let AdoptReport { adoption, source, table, place } = report;
    let mut lines = vec![format!("database  {place}"), format!("history   {table}"), String::new()];
    let rows: Vec<Vec<String>> = adoption
        .adopted
        .iter()
        .map(|adopted| vec![adopted.migration.version().to_string(), adopted.migration.file().to_owned(), why(adopted)])
        .collect();
    if !rows.is_empty() {
        lines.extend(align(&["VERSION", "MIGRATION", "WHY"], &rows));
        lines.push(String::new());
    }
    lines.extend(adoption.passed_over.iter().map(|row| format!("{row} of {source} is passed over")));
    lines.push(match (adoption.is_empty(), dry_run) {
        (true, _) => "nothing to adopt: the history holds everything that is applied".to_owned(),
        (false, _) => {
            let skipped = adoption.adopted.iter().filter(|adopted| adopted.reason == Reason::Skipped).count();
            let applied = counted(adoption.adopted.len() - skipped, "migration");
            let never = if skipped == 0 { String::new() } else { format!(", and {skipped} as never to be run") };
            format!("{} {applied} as applied{never}", if dry_run { "would record" } else { "recorded" })
        }
    });
    lines
}

fn why(adopted: &Adopted<'_>) -> String {
    match &adopted.reason {
        Reason::Recorded { row } => row.clone(),
        Reason::Marked => "marked as applied".to_owned(),
        Reason::Skipped => "never to be run".to_owned(),
        Reason::Baseline => "baseline".to_owned(),
    }
}

/// The result as a document.
pub fn json(report: &AdoptReport<'_>, dry_run: bool) -> Value {
    let adopted: Vec<Value> = report
        .adoption
        .adopted
        .iter()
        .map(|adopted| {
            let row = match &adopted.reason {
                Reason::Recorded { row } => Some(row),
                Reason::Marked | Reason::Skipped | Reason::Baseline => None,
            };
            json!({
                "version": adopted.migration.version().get(),
                "file": adopted.migration.file(),
                "decision": adopted.reason.word(),
                "row": row,
            })
        })
        .collect();
    json!({
        "database": report.place,
        "history_table": report.table.to_string(),
        "source": report.source,
        "dry_run": dry_run,
        "adopted": adopted,
        "passed_over": report.adoption.passed_over,
    })
}
