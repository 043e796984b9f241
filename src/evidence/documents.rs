//! The documents of a package: who, where, how it went. In: a protocol. Out: JSON. Holds no secret: a protocol has none.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::record::{case_names, checksums, system_state_hash};
use super::times::rfc3339;
use crate::postgres::milliseconds;
use crate::protocol::{Case, Protocol, Step};

/// What was qualified, by which run, and how it ended.
pub fn metadata(protocol: &Protocol, package_id: Option<&str>, kid: Option<&str>, now: SystemTime) -> Value {
    let Protocol { subject, .. } = protocol;
    let counts = protocol.counts();
    json!({
        "package_id": package_id,
        "gxp_id": subject.ids.gxp_id,
        "spec_id": subject.ids.spec_id,
        "tier": subject.ids.verification_tier,
        "traced_user_story": subject.ids.user_story,
        "run_id": protocol.run_id,
        "created_at": rfc3339(now),
        "started_at": rfc3339(protocol.started),
        "finished_at": rfc3339(protocol.finished),
        "tool": { "name": "schemagate", "version": protocol.environment.tool_version },
        "verdict": protocol.verdict().words(),
        "counts": { "passed": counts.passed, "failed": counts.failed, "not_executed": counts.not_executed },
        "deviations": protocol.deviations(),
        "signed": kid.is_some(),
        "kid": kid,
        "release": { "git_commit": subject.release.git_commit, "deployment_id": subject.release.deployment_id },
        "migrations": {
            "origin": subject.origin,
            "history_table": subject.history_table,
            "atomicity": subject.atomicity,
            "count": subject.migrations.len(),
            "system_state_hash": system_state_hash(&subject.migrations),
        },
    })
}

/// What it was qualified on.
pub fn environment(protocol: &Protocol) -> Value {
    let environment = &protocol.environment;
    json!({
        "server": {
            "version": environment.server_version,
            "system_identifier": environment.system_identifier,
            "host": environment.host,
            "encrypted_connection": environment.encrypted,
        },
        "databases": {
            "target": Some(&environment.target_database).filter(|name| !name.is_empty()),
            "scratch": environment.scratch_database,
            "encoding": environment.encoding,
            "collation": environment.collation,
        },
        "role": environment.role,
        "schemagate": {
            "version": environment.tool_version,
            "sha256": environment.tool_sha256,
            "architecture": std::env::consts::ARCH,
            "system": std::env::consts::OS,
        },
        "platform": protocol.subject.release.platform,
    })
}

/// Every step and case in full, and the files that they were run on.
pub fn test_results(protocol: &Protocol) -> Value {
    let counts = protocol.counts();
    let mut names = case_names(protocol).into_iter();
    let steps: Vec<Value> = protocol.steps.iter().map(|step| step_json(step, &mut names)).collect();
    let migrations: Vec<Value> = protocol
        .subject
        .migrations
        .iter()
        .map(|it| {
            json!({
                "version": it.version, "file": it.file, "sha256": it.sha256, "checksum": it.checksum,
                "size_bytes": it.size_bytes,
            })
        })
        .collect();
    json!({
        "run_id": protocol.run_id,
        "verdict": protocol.verdict().words(),
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.not_executed,
        "started_at": rfc3339(protocol.started),
        "finished_at": rfc3339(protocol.finished),
        "duration_ms": milliseconds(protocol.finished.duration_since(protocol.started).unwrap_or_default()),
        "steps": steps,
        "deviations": protocol.deviations(),
        "migrations": migrations,
    })
}

fn step_json(step: &Step, names: &mut impl Iterator<Item = String>) -> Value {
    let case = |(case, name): (&Case, String)| {
        json!({
            "name": name, "status": case.verdict.status(), "actual": case.actual,
            "duration_ms": milliseconds(case.duration),
        })
    };
    json!({
        "id": step.id,
        "title": step.title,
        "requirement": step.requirement,
        "expected": step.expected,
        "actual": step.actual,
        "verdict": step.verdict().words(),
        "started_at": rfc3339(step.started),
        "duration_ms": milliseconds(step.duration),
        "cases": step.cases.iter().zip(names).map(case).collect::<Vec<_>>(),
    })
}

/// Whether what the qualification itself stands on was in order.
pub(super) fn health_check(protocol: &Protocol) -> Value {
    let environment = &protocol.environment;
    let check =
        |name: &str, healthy: bool, detail: String| json!({ "name": name, "healthy": healthy, "detail": detail });
    let scratch = &environment.scratch_database;
    let left = match environment.leftovers.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    // Without a server of a supported version and without a scratch database there is no protocol at all.
    let checks = [
        check("server reachable", true, environment.host.clone()),
        check("server version supported", true, environment.server_version.clone()),
        check("scratch database ready", true, scratch.clone()),
        check("scratch database cleaned up", environment.cleaned_up, scratch.clone()),
        check("no scratch database of an earlier run left", environment.leftovers.is_empty(), left),
    ];
    let healthy = checks.iter().all(|check| check["healthy"] == true);
    json!({ "checked_at": rfc3339(protocol.finished), "healthy": healthy, "checks": checks })
}

/// The files that were qualified, as `sha256sum --check` reads them.
pub(super) fn migrations_text(protocol: &Protocol) -> String {
    checksums(&protocol.subject.migrations)
}
