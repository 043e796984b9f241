//! The record against itself: members, words and counts. In: its payload. Out: what it says, and faults.

use humantime::parse_rfc3339;
use serde_json::{Map, Value, json};

use super::Check;
use super::fault::Wrong;
use crate::evidence::record::CONTEXT;

impl Check<'_> {
    /// Looks at every member of a record; gives what it says.
    pub(super) fn record_members(&mut self, at: &str, payload: &Map<String, Value>) -> Map<String, Value> {
        let results = payload.get("test_results").and_then(Value::as_object).cloned().unwrap_or_default();
        for (member, wanted, holds) in members(payload, &results) {
            if !holds {
                self.fault(at, Wrong::Member { member: member.to_owned(), wanted: wanted.to_owned() });
            }
        }
        let text = |name: &str| payload.get(name).cloned().unwrap_or_default();
        let number = |name: &str| results.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (passed, failed, skipped) = (number("passed"), number("failed"), number("skipped"));
        self.counts(at, &results, [("passed", passed), ("failed", failed), ("skipped", skipped)]);
        let facts = json!({
            "gxp_id": text("gxp_id"),
            "spec_id": text("spec_id"),
            "verification_tier": text("verification_tier"),
            "traced_user_story": text("traced_user_story"),
            "verdict": verdict(passed, failed, skipped),
            "passed": passed,
            "failed": failed,
            "skipped": skipped,
            "timestamp": text("timestamp"),
            "git_commit": text("git_commit"),
            "system_state_hash": text("system_state_hash"),
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn counts(&mut self, at: &str, results: &Map<String, Value>, counts: [(&str, u64); 3]) {
        let cases = results.get("test_cases").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        for (status, said) in counts {
            let found = cases.iter().filter(|case| case["status"] == status).count();
            if u64::try_from(found) != Ok(said) {
                let (member, wanted) = (format!("test_results.{status}"), format!("{found}, as its test cases say"));
                self.fault(at, Wrong::Member { member, wanted });
            }
        }
        for (index, case) in cases.iter().enumerate() {
            let known = counts.iter().any(|(status, _)| case["status"] == *status);
            if !known || !case["name"].is_string() || !case["duration"].is_u64() || !titles(&case["ancestorTitles"]) {
                let member = format!("test_results.test_cases[{index}]");
                let wanted = "a case with name, status, duration and ancestorTitles".to_owned();
                self.fault(at, Wrong::Member { member, wanted });
            }
        }
    }
}

/// Every member, what it should be, and whether it is.
fn members(payload: &Map<String, Value>, results: &Map<String, Value>) -> Vec<(&'static str, &'static str, bool)> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_text = |name: &'static str| (name, "a text", !text(name).is_empty());
    let is_number =
        |member: &'static str, name: &str| (member, "a count", results.get(name).is_some_and(Value::is_u64));
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let list = results.get("test_cases").and_then(Value::as_array);
    vec![
        ("@context", CONTEXT, text("@context") == CONTEXT),
        is_text("gxp_id"),
        is_text("spec_id"),
        is_text("verification_tier"),
        is_text("traced_user_story"),
        is_text("git_commit"),
        ("timestamp", "a time as RFC 3339 has it", parse_rfc3339(text("timestamp")).is_ok()),
        ("system_state_hash", "a SHA-256", is_hash(text("system_state_hash"))),
        ("test_results.tool", "a text", results.get("tool").is_some_and(Value::is_string)),
        ("test_results.version", "a text", results.get("version").is_some_and(Value::is_string)),
        is_number("test_results.passed", "passed"),
        is_number("test_results.failed", "failed"),
        is_number("test_results.skipped", "skipped"),
        is_number("test_results.duration_ms", "duration_ms"),
        ("test_results.test_cases", "a list of at least one case", list.is_some_and(|list| !list.is_empty())),
    ]
}

fn titles(value: &Value) -> bool {
    value.as_array().is_some_and(|titles| !titles.is_empty() && titles.iter().all(Value::is_string))
}

/// What was not executed is never passed over.
fn verdict(passed: u64, failed: u64, skipped: u64) -> &'static str {
    match (passed, failed, skipped) {
        (_, 1.., _) => "failed",
        (_, _, 1..) | (0, ..) => "not executed in full",
        _ => "passed",
    }
}
