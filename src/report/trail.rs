//! The audit trail as `status` shows it. In: what was read of it. Out: lines, or a part of the JSON document.

use serde_json::{Value, json};

use super::table::align;
use crate::history::HistoryError;
use crate::history::runs::{ChainFault, Row, Trail};
use crate::postgres::counted;

/// How many runs are shown.
const SHOWN: usize = 5;
/// How much of a commit is shown.
const COMMIT_CHARS: usize = 12;

/// What is wrong with it, in words for a warning.
pub fn faults(trail: &Trail) -> Vec<String> {
    let chain = trail.chain.as_ref().err().map(|fault| format!("the audit trail {} is broken: {fault}", trail.table));
    let open = (trail.exists && !trail.append_only).then(|| {
        format!("the audit trail {} is not append-only: a trigger of it is missing, disabled or replaced", trail.table)
    });
    chain.into_iter().chain(open).collect()
}

/// The trail as lines.
pub fn lines(trail: &Result<Trail, HistoryError>) -> Vec<String> {
    let trail = match trail {
        Ok(trail) if !trail.exists => return vec![format!("audit trail: {} does not exist yet", trail.table)],
        Ok(trail) => trail,
        Err(error) => return vec![format!("audit trail: {error}")],
    };
    let mut lines = vec![headline(trail)];
    if !trail.unaccounted.is_empty() {
        lines.push(format!(
            "  {} of the history not accounted for by it: applied before it began, by another tool or by a run that was killed",
            counted(trail.unaccounted.len(), "migration")
        ));
    }
    if !trail.append_only {
        lines.push("  its rows can be changed: a trigger that refuses it is missing, disabled or replaced".to_owned());
    }
    if !trail.rows.is_empty() {
        lines.push(String::new());
        let header = ["RUN", "FINISHED", "OUTCOME", "EXIT", "MIGRATIONS", "ROLE", "COMMIT"];
        lines.extend(align(&header, &last(trail).map(cells).collect::<Vec<_>>()));
    }
    lines
}

fn last(trail: &Trail) -> impl Iterator<Item = &Row> {
    trail.rows.iter().skip(trail.rows.len().saturating_sub(SHOWN))
}

fn headline(trail: &Trail) -> String {
    let chain = match &trail.chain {
        Ok(()) => "chain intact".to_owned(),
        Err(fault) => format!("CHAIN BROKEN: {fault}"),
    };
    let last = trail.rows.last().map_or_else(String::new, |row| {
        let (time, outcome, code, what) = (&row.finished_at, &row.outcome, row.exit_code, versions(row));
        format!(", last {time} ({outcome}, exit {code}, {what})")
    });
    format!("audit trail: {}{last}, {chain}", counted(trail.rows.len(), "run"))
}

fn cells(row: &Row) -> Vec<String> {
    let dash = || "–".to_owned();
    let commit = row.git_commit.as_ref().map_or_else(dash, |commit| commit.chars().take(COMMIT_CHARS).collect());
    let outcome = row.error.as_ref().map_or_else(|| row.outcome.clone(), |error| format!("{}: {error}", row.outcome));
    vec![
        row.sequence.to_string(),
        row.finished_at.clone(),
        outcome,
        row.exit_code.to_string(),
        versions(row),
        row.database_role.clone(),
        commit,
    ]
}

/// What the run applied or adopted, in a word.
fn versions(row: &Row) -> String {
    let versions: Vec<i64> = row.migrations().iter().filter_map(|migration| migration.version).collect();
    match versions.as_slice() {
        [] => "nothing".to_owned(),
        [one] => format!("V{one}"),
        [first, .., last] => format!("V{first}–V{last}"),
    }
}

/// The trail as a part of a document.
pub fn json(trail: &Result<Trail, HistoryError>) -> Value {
    let trail = match trail {
        Ok(trail) => trail,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let fault = trail.chain.as_ref().err();
    json!({
        "table": trail.table.to_string(),
        "exists": trail.exists,
        "runs": trail.rows.len(),
        "intact": trail.chain.is_ok(),
        "broken_at": fault.and_then(ChainFault::sequence),
        "reason": fault.map(ToString::to_string),
        "append_only": trail.append_only,
        "not_accounted_for": trail.unaccounted,
        "last": last(trail).map(row_json).collect::<Vec<_>>(),
    })
}

fn row_json(row: &Row) -> Value {
    let mut value = json!(row);
    value["migrations"] = json!(row.migrations());
    value
}
