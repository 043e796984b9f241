//! What `up` would do. In: batches. Out: lines, or a JSON document.

use serde_json::{Value, json};

use super::status::Place;
use super::table::align;
use super::weight;
use crate::adopt::Adoption;
use crate::plan::{Batch, Plan};
use crate::postgres::counted;
use crate::weight::Weighed;

/// How many characters the statements of a migration are shown in; JSON has more.
const SHOWN_CHARS: usize = 240;
/// The least that is shown of a statement, where there are many.
const LEAST_CHARS: usize = 58;

/// The plan as lines.
pub fn text(
    place: Place<'_>,
    plan: &Plan<'_>,
    adoption: &Adoption<'_>,
    batches: &[Batch<'_>],
    weighed: &Weighed,
) -> Vec<String> {
    let exists = if place.table.exists { "" } else { " (will be created)" };
    let mut lines = vec![
        format!("database  {} (PostgreSQL {})", place.target, place.server_version),
        format!("history   {}{exists}", place.table.name),
        format!("files     {} applied, {} pending", plan.applied, plan.pending.len() + plan.held_back),
    ];
    if !adoption.is_empty() {
        lines.push(format!("adopted   {}", adoption.describe("Drizzle's history")));
    }
    let mut short = weighed.statements.iter();
    for (number, batch) in batches.iter().enumerate() {
        lines.push(String::new());
        lines.push(format!("batch {}: {}", number + 1, promise(batch)));
        let rows: Vec<Vec<String>> = batch
            .migrations
            .iter()
            .map(|reviewed| {
                vec![
                    format!("  {}", reviewed.migration.file()),
                    reviewed.judgement.statements.to_string(),
                    reviewed.migration.size_bytes().to_string(),
                    short.next().map_or_else(String::new, |short| in_one_line(short)),
                ]
            })
            .collect();
        lines.extend(align(&["  MIGRATION", "STATEMENTS", "BYTES", "WHAT"], &rows));
    }
    lines.extend(weight::lines(weighed));
    lines.push(String::new());
    lines.push(match plan.pending.len() {
        0 if plan.held_back > 0 => "nothing to do up to the target".to_owned(),
        0 if !adoption.is_empty() => "`schemagate up` would adopt them and run nothing".to_owned(),
        0 => "up to date: nothing to do".to_owned(),
        count => {
            let batches = if batches.len() == 1 { "1 batch" } else { &format!("{} batches", batches.len()) };
            format!("`schemagate up` would apply {} in {batches}", counted(count, "migration"))
        }
    });
    if plan.held_back > 0 {
        lines.push(format!("{} held back by --target", plan.held_back));
    }
    if !plan.ahead.is_empty() {
        lines.push(format!("the database is ahead of this release by {}", plan.ahead.len()));
    }
    lines
}

/// As many statements of a migration as fit, each cut to its share, and how many follow.
fn in_one_line(statements: &[String]) -> String {
    // Two characters stand between them.
    let share = ((SHOWN_CHARS + 2) / statements.len().max(1)).saturating_sub(2).max(LEAST_CHARS);
    let mut line = String::new();
    for (at, statement) in statements.iter().enumerate() {
        let statement = shortened(statement, share);
        let separator = if at == 0 { "" } else { "; " };
        if at > 0 && line.chars().count() + 2 + statement.chars().count() > SHOWN_CHARS {
            return format!("{line}; and {} more", statements.len() - at);
        }
        line = format!("{line}{separator}{statement}");
    }
    line
}

fn shortened(statement: &str, limit: usize) -> String {
    if statement.chars().count() <= limit {
        return statement.to_owned();
    }
    let kept: String = statement.chars().take(limit - 1).collect();
    format!("{}…", kept.trim_end().trim_end_matches('…'))
}

fn promise(batch: &Batch<'_>) -> &'static str {
    if batch.migrations.first().is_some_and(|reviewed| reviewed.half_done) {
        return "not all or nothing, and half done: what stands before its COMMIT is committed; `up` goes on behind it";
    }
    let parts = batch.migrations.first().is_some_and(|reviewed| reviewed.judgement.commit.is_some());
    if batch.transactional {
        "one transaction, all or nothing"
    } else if parts {
        "not all or nothing: a transaction up to its COMMIT, then each statement alone; the next run goes on where this \
         one fails"
    } else {
        "outside a transaction: not undone when it fails, repeated by the next run"
    }
}

/// The plan as a document.
pub fn json(
    place: Place<'_>,
    plan: &Plan<'_>,
    adoption: &Adoption<'_>,
    batches: &[Batch<'_>],
    weighed: &Weighed,
) -> Value {
    let mut short = weighed.statements.iter();
    let batches: Vec<Value> = batches
        .iter()
        .map(|batch| {
            let migrations: Vec<Value> = batch
                .migrations
                .iter()
                .map(|reviewed| {
                    json!({
                        "version": reviewed.migration.version().get(),
                        "file": reviewed.migration.file(),
                        "statements": reviewed.judgement.statements,
                        "size_bytes": reviewed.migration.size_bytes(),
                        "half_done": reviewed.half_done,
                        "what": short.next(),
                    })
                })
                .collect();
            json!({ "transactional": batch.transactional, "promise": promise(batch), "migrations": migrations })
        })
        .collect();
    json!({
        "database": place.target,
        "server_version": place.server_version,
        "history_table": place.table.name.to_string(),
        "history_exists": place.table.exists,
        "up_to_date": plan.pending.is_empty() && plan.held_back == 0 && adoption.is_empty(),
        "adopted": adoption.adopted.iter().map(|adopted| adopted.migration.file()).collect::<Vec<_>>(),
        "applied": plan.applied,
        "pending": plan.pending.len(),
        "held_back": plan.held_back,
        "ahead": plan.ahead.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "batches": batches,
        "tables": weight::tables_json(weighed),
        "judgements": weight::judgements_json(weighed),
        "findings": weight::findings_json(weighed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_as_much_of_each_statement_as_is_room_for() {
        let statements = |count: usize, length: usize| vec!["x".repeat(length); count];
        assert_eq!(in_one_line(&[]), "");
        assert_eq!(in_one_line(&statements(1, 240)), "x".repeat(240));
        assert_eq!(in_one_line(&statements(1, 241)), format!("{}…", "x".repeat(239)));
        assert_eq!(in_one_line(&statements(9, 20)), statements(9, 20).join("; "));
        assert_eq!(in_one_line(&statements(3, 78)), statements(3, 78).join("; "));
        assert_eq!(in_one_line(&statements(3, 79)).matches('…').count(), 3);
        let many = in_one_line(&statements(1000, 500));
        assert!(many.ends_with("…; and 996 more"), "{many}");
        assert!(many.chars().count() <= SHOWN_CHARS + "; and 996 more".len(), "{many}");
    }
}
