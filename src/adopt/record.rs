//! The message that records an adoption, and what the audit trail says of it. In: what is to be recorded, the history
//! table, a transaction id. Out: SQL that ends with COMMIT and fails unless all of it is there.

use super::{Adopted, Adoption, Reason};
use crate::history::runs::{RunMigration, sha256};
use crate::history::{Mirror, Reading};
use crate::migrations::Migration;

/// Everything after the fence, in one message.
pub fn record_sql(
    adoption: &Adoption<'_>,
    reading: &Reading,
    mirror: Option<&Mirror>,
    transaction_id: &str,
    trail: Option<&str>,
) -> String {
    let table = &reading.table;
    let mut statements = Vec::new();
    if !table.exists {
        statements.push(table.create_sql());
    }
    statements.extend(mirror.filter(|_| reading.drizzle.is_none()).map(Mirror::create_sql));
    for adopted in &adoption.adopted {
        statements.push(table.record_sql(adopted.migration, transaction_id));
        if reading.half_done.iter().any(|done| done.version == adopted.migration.version()) {
            statements.push(table.forget_part_sql(adopted.migration.version()));
        }
        let known = matches!(adopted.reason, Reason::Recorded { .. });
        let row = adopted.migration.drizzle().filter(|_| !known);
        statements.extend(mirror.zip(row).map(|(mirror, row)| mirror.record_sql(row)));
    }
    let migrations: Vec<&Migration> = adoption.adopted.iter().map(|adopted| adopted.migration).collect();
    statements.push(table.prove_sql(migrations.iter().copied(), reading.applied.len() + migrations.len()));
    statements.extend(trail.map(ToOwned::to_owned));
    statements.push("COMMIT".to_owned());
    statements.join("; ")
}

/// What was decided, for the audit trail: one entry for each migration, and one for each row that is passed over.
pub fn decisions(adoption: &Adoption<'_>, source: &str) -> Vec<RunMigration> {
    let of = |adopted: &Adopted<'_>| {
        let from = match &adopted.reason {
            Reason::Recorded { row } => format!("{source} {row}"),
            _ => source.to_owned(),
        };
        RunMigration {
            version: Some(adopted.migration.version().get()),
            file: adopted.migration.file().to_owned(),
            // A file that is gone by now is recorded all the same: it is not run.
            sha256: adopted.migration.read().ok().map(|text| sha256(&text)),
            duration_ms: None,
            decision: Some(adopted.reason.word().to_owned()),
            source: Some(from),
        }
    };
    let passed_over = |name: &String| RunMigration {
        version: None,
        file: name.clone(),
        sha256: None,
        duration_ms: None,
        decision: Some("passed over".to_owned()),
        source: Some(source.to_owned()),
    };
    adoption.adopted.iter().map(of).chain(adoption.passed_over.iter().map(passed_over)).collect()
}
