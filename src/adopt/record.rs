//! The message that records an adoption. In: what is to be recorded, the history table, a transaction id. Out: SQL that
//! ends with COMMIT and fails unless all of it is there.

use super::{Adoption, Reason, decisions_table};
use crate::history::{HistoryTable, Mirror, Reading};
use crate::migrations::Migration;
use crate::postgres::literal;

/// Everything after the fence, in one message.
pub fn record_sql(
    adoption: &Adoption<'_>,
    reading: &Reading,
    mirror: Option<&Mirror>,
    transaction_id: &str,
    source: &str,
) -> String {
    let table = &reading.table;
    let mut statements = Vec::new();
    if !table.exists {
        statements.push(table.create_sql());
    }
    statements.push(create_decisions_sql(table));
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
    statements.push(decisions_sql(adoption, table, source));
    let migrations: Vec<&Migration> = adoption.adopted.iter().map(|adopted| adopted.migration).collect();
    statements.push(table.prove_sql(migrations.iter().copied(), reading.applied.len() + migrations.len()));
    statements.push("COMMIT".to_owned());
    statements.join("; ")
}

fn create_decisions_sql(table: &HistoryTable) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (version pg_catalog.int8, name pg_catalog.text NOT NULL, \
         decision pg_catalog.text NOT NULL, source pg_catalog.text NOT NULL, \
         decided_on pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), \
         decided_by pg_catalog.text NOT NULL DEFAULT session_user, tool pg_catalog.text NOT NULL)",
        decisions_table(table).quoted()
    )
}

/// One row for each migration, and one for each row that is passed over.
fn decisions_sql(adoption: &Adoption<'_>, table: &HistoryTable, source: &str) -> String {
    let tool = literal(concat!("schemagate ", env!("CARGO_PKG_VERSION")));
    let row = |version: &str, name: &str, decision: &str, source: &str| {
        format!("({version}, {}, {}, {}, {tool})", literal(name), literal(decision), literal(source))
    };
    let migrations = adoption.adopted.iter().map(|adopted| {
        let from = match &adopted.reason {
            Reason::Recorded { row } => format!("{source} {row}"),
            _ => source.to_owned(),
        };
        row(&adopted.migration.version().to_string(), adopted.migration.file(), adopted.reason.word(), &from)
    });
    let rows = adoption.passed_over.iter().map(|name| row("NULL", name, "passed over", source));
    let values: Vec<String> = migrations.chain(rows).collect();
    format!(
        "INSERT INTO {} (version, name, decision, source, tool) VALUES {}",
        decisions_table(table).quoted(),
        values.join(", ")
    )
}
