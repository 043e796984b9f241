//! IQ-008: what is recorded cannot be changed.

use super::{Definition, case};
use crate::error::Error;
use crate::protocol::{Case, Verdict};
use crate::qualification::append_only::append_only;
use crate::qualification::bench::{Bench, is_trail};

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-008",
    title: "Append-only audit trail",
    requirement: "Rows of an audit trail cannot be changed or removed.",
    expected: "In the audit trail of runs, and in every table whose name says that it is an audit log, UPDATE, DELETE and \
               TRUNCATE are refused with SQLSTATE 42501.",
};

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let session = bench.session().await?;
    let cases = append_only(&session, |_, name| is_trail(name) || is_audit(name)).await;
    session.close().await;
    let mut cases = cases.map_err(|source| Error::Query { doing: "trying audit tables", source })?;
    if cases.is_empty() {
        cases.push(case("audit tables", Verdict::NotExecuted, "the schema has no audit table"));
    }
    Ok(cases)
}

/// Whether a table's name says that it is one: `audit_log`, `AuditTrail`, `user_audit`.
fn is_audit(name: &str) -> bool {
    const KINDS: [&str; 8] = ["log", "logs", "trail", "trails", "event", "events", "entries", "history"];
    let name = name.to_lowercase().replace('_', "");
    let of_kind = KINDS.iter().any(|kind| name.strip_suffix(kind).is_some_and(|rest| rest.ends_with("audit")));
    of_kind || name.ends_with("audit")
}

#[cfg(test)]
mod tests {
    #[test]
    fn audit_tables_are_known_by_their_names() {
        for name in ["audit_log", "audit_logs", "AuditTrail", "user_audit", "audit", "app_audit_events", "auditlog"] {
            assert!(super::is_audit(name), "{name}");
        }
        for name in ["auditors", "logs", "audit_findings", "events", "history"] {
            assert!(!super::is_audit(name), "{name}");
        }
    }
}
