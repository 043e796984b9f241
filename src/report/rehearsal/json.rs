//! A rehearsal as one document.

use serde_json::{Value, json};

use super::words::blocked;
use super::worst::strongest;
use crate::effects::LockMode;
use crate::rehearsal::{Held, Measured, Outcome, RehearsedBatch, RehearsedMigration, Relation};
use crate::report::failure::Failure;
use crate::report::size::precise_ms;
use crate::run::Rehearsed;

/// The rehearsal as a document.
pub fn json(rehearsed: &Rehearsed) -> Value {
    let rehearsal = &rehearsed.rehearsal;
    let failure = rehearsed.failed.as_ref().map(|error| {
        let failure = Failure::of_rehearsal(error);
        json!({
            "exit_code": error.exit_code().number(),
            "migration": failure.migration,
            "sqlstate": failure.sqlstate,
            "message": failure.lines().join("\n"),
        })
    });
    json!({
        "database": rehearsed.place,
        "server_version": rehearsed.server_version,
        "history_table": rehearsed.table.name.to_string(),
        "applied": rehearsed.applied,
        "pending": rehearsed.pending,
        "held_back": rehearsed.held_back,
        "adopts": rehearsed.adopts,
        "other_sessions": rehearsed.traffic.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "attempts": rehearsal.attempts,
        "batches": rehearsal.batches.iter().map(batch).collect::<Vec<_>>(),
        "failure": failure,
    })
}

fn batch(batch: &RehearsedBatch) -> Value {
    json!({
        "transactional": batch.transactional,
        "elapsed_ms": precise_ms(batch.elapsed),
        "migrations": batch.migrations.iter().map(migration).collect::<Vec<_>>(),
        "held": batch.held.iter().map(held).collect::<Vec<_>>(),
        "strongest": strongest(&batch.held).into_iter().map(held).collect::<Vec<_>>(),
        "held_by_earlier_batches": batch.carried.iter().map(|(relation, mode)| lock(relation, *mode)).collect::<Vec<_>>(),
    })
}

fn migration(migration: &RehearsedMigration) -> Value {
    let (outcome, reason) = match &migration.outcome {
        Outcome::Ran => ("rehearsed", None),
        Outcome::Failed => ("failed", None),
        Outcome::NotReached => ("not_reached", None),
        Outcome::NotRehearsed(reason) => ("not_rehearsed", Some(reason.words())),
    };
    json!({
        "version": migration.version,
        "file": migration.file,
        "outcome": outcome,
        "reason": reason,
        "statements": migration.statements.iter().map(statement).collect::<Vec<_>>(),
        "creates": migration.creates,
    })
}

fn statement(measured: &Measured) -> Value {
    json!({
        "line": measured.line,
        "column": measured.column,
        "statement": measured.text,
        "started_ms": precise_ms(measured.start),
        "elapsed_ms": precise_ms(measured.elapsed),
        "failed": measured.failed,
        "locks": measured.locks.iter().map(|(relation, mode)| lock(relation, *mode)).collect::<Vec<_>>(),
        "rewrites": measured.rewrites.iter().map(|rewrite| json!({
            "relation": rewrite.relation.name,
            "kind": rewrite.relation.kind.name(),
            "bytes_before": rewrite.bytes_before,
            "bytes_after": rewrite.bytes_after,
        })).collect::<Vec<_>>(),
        "rows": measured.rows.iter().map(|rows| json!({
            "table": rows.table,
            "inserted": rows.inserted,
            "updated": rows.updated,
            "deleted": rows.deleted,
        })).collect::<Vec<_>>(),
        "wal_bytes": measured.wal_bytes,
        "notices": measured.notices.iter().map(|notice| json!({
            "severity": notice.severity,
            "sqlstate": notice.sqlstate,
            "message": notice.message,
        })).collect::<Vec<_>>(),
        "notices_left_out": measured.notices_left_out,
    })
}

fn lock(relation: &Relation, mode: LockMode) -> Value {
    json!({
        "relation": relation.name,
        "kind": relation.kind.name(),
        "mode": mode.name(),
        "blocks": blocked(mode.blocks()),
    })
}

fn held(held: &Held) -> Value {
    let mut value = lock(&held.relation, held.mode);
    value["from_ms"] = precise_ms(held.from).into();
    value["held_ms"] = precise_ms(held.lasts()).into();
    value["since"] = held.taken_at.clone().into();
    value["bytes"] = held.relation.size_bytes.into();
    value["rows"] = held.relation.rows.into();
    value
}
