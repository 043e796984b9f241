//! The record: what was tested, how it ended, and on which files. In: a protocol. Out: the payload that is signed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::times::{rfc3339, seconds, ten_years_on};
use crate::postgres::milliseconds;
use crate::protocol::{Case, Installed, Protocol, Step};
use crate::sha256::sha256_hex;

/// The vocabulary that names the record's members.
pub const CONTEXT: &str = "https://www.rosie-standard.org/evidence/v1";
const TOOL: &str = "schemagate";
/// What stands where no variable names the commit.
const NO_COMMIT: &str = "unknown";

/// The payload of the record; `signed: false` in it where nobody signs it.
pub(super) fn payload(protocol: &Protocol, signed: bool, now: SystemTime) -> Value {
    let subject = &protocol.subject;
    let mut payload = json!({
        "@context": CONTEXT,
        "gxp_id": subject.ids.gxp_id,
        "spec_id": subject.ids.spec_id,
        "verification_tier": subject.ids.verification_tier,
        "traced_user_story": subject.ids.user_story,
        "test_results": test_results(protocol),
        "timestamp": rfc3339(protocol.finished),
        "system_state_hash": system_state_hash(&subject.migrations),
        "git_commit": subject.release.git_commit.as_deref().unwrap_or(NO_COMMIT),
        "iat": seconds(now),
        "exp": seconds(ten_years_on(now)),
    });
    if !signed && let Some(members) = payload.as_object_mut() {
        members.insert("signed".to_owned(), Value::Bool(false));
    }
    payload
}

fn test_results(protocol: &Protocol) -> Value {
    let counts = protocol.counts();
    let cases: Vec<Value> = protocol
        .cases()
        .zip(case_names(protocol))
        .map(|((step, case), name)| test_case(step, case, &name, &protocol.subject.ids.spec_id))
        .collect();
    json!({
        "tool": TOOL,
        "version": protocol.environment.tool_version,
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.not_executed,
        "duration_ms": milliseconds(protocol.finished.duration_since(protocol.started).unwrap_or_default()),
        "test_cases": cases,
    })
}

fn test_case(step: &Step, case: &Case, name: &str, spec_id: &str) -> Value {
    json!({
        "name": name,
        "status": case.verdict.status(),
        "duration": milliseconds(case.duration),
        "ancestorTitles": [spec_id, format!("{} {}", step.id, step.title)],
    })
}

/// A name for every case, in order, that no other case has: readers of test results join them by it.
pub fn case_names(protocol: &Protocol) -> Vec<String> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    let name = |(step, case): (&Step, &Case)| {
        let name = format!("{} {}", step.id, case.name);
        let times = taken.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name} ({times})") }
    };
    protocol.cases().map(name).collect()
}

/// SHA-256 over the lines of [`checksums`].
pub fn system_state_hash(migrations: &[Installed]) -> String {
    sha256_hex(checksums(migrations).as_bytes())
}

/// A line a file, sorted by the bytes of its name, exactly as `sha256sum` writes it: anybody can make the same text.
pub fn checksums(migrations: &[Installed]) -> String {
    let mut sorted: Vec<&Installed> = migrations.iter().collect();
    sorted.sort_by(|a, b| a.file.as_bytes().cmp(b.file.as_bytes()));
    let mut text = String::new();
    for Installed { file, sha256, .. } in sorted {
        // A name that would break the line is escaped, and the line says so with its first character.
        let escaped = file.replace('\\', r"\\").replace('\n', r"\n").replace('\r', r"\r");
        let mark = if escaped == *file { "" } else { "\\" };
        // Writing into a String does not fail.
        let _ = writeln!(text, "{mark}{sha256}  {escaped}");
    }
    text
}
