//! An exported audit trail: whether its rows are a whole chain. In: its document. Out: what it says, and faults.

use serde_json::{Map, Value, json};

use super::Check;
use super::fault::Wrong;
use crate::history::runs::{FORMAT, verify_document};

/// Whether a payload is that of a trail.
pub(super) fn is_trail(payload: &Map<String, Value>) -> bool {
    payload.get("format").and_then(Value::as_str) == Some(FORMAT)
}

impl Check<'_> {
    /// Verifies every row and that none is missing; gives what the trail says.
    pub(super) fn trail_members(&mut self, at: &str, payload: &Map<String, Value>) -> Map<String, Value> {
        if let Err(fault) = verify_document(&Value::Object(payload.clone())) {
            self.fault(at, Wrong::Chain(fault));
        }
        let said = |name: &str| payload.get(name).cloned().unwrap_or_default();
        let chain = said("chain");
        let facts = json!({
            "database": said("database"),
            "system_identifier": said("system_identifier"),
            "table": said("table"),
            "history_table": said("history_table"),
            "exported_at": said("exported_at"),
            "append_only": said("append_only"),
            "not_accounted_for": said("not_accounted_for"),
            "rows": chain["rows"],
            "last_hash": chain["last_hash"],
        });
        facts.as_object().cloned().unwrap_or_default()
    }
}
