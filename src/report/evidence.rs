//! What `evidence verify` found, and what `evidence runs` exported. In: data. Out: lines, or a JSON document.

use std::path::Path;

use serde_json::{Value, json};

use super::fit::harmless;
use crate::evidence::trail::Exported;
use crate::evidence::verify::Verification;
use crate::history::runs::Trail;
use crate::postgres::counted;

const LEFTOVER: &str = "begun by a run that was killed or is still at work; it is no evidence and was not looked at";

/// Every fault on a line of its own; what was verified, where there is none.
pub fn text(verification: &Verification) -> Vec<String> {
    let Verification { kid, documents, faults, leftovers } = verification;
    let line = |text: String| harmless(&text).replace('\n', " ");
    let left = leftovers.iter().map(|path| line(format!("{path}: {LEFTOVER}")));
    if !faults.is_empty() {
        return faults.iter().map(|fault| line(fault.to_string())).chain(left).collect();
    }
    let mut lines: Vec<String> = left.collect();
    for document in documents {
        lines.push(line(format!("verified {} {}", document.kind, document.path)));
        for (name, value) in &document.facts {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            lines.push(format!("  {name:<18} {}", line(value)));
        }
    }
    lines.push(format!("by the key {kid}"));
    lines
}

/// The same as a document.
pub fn json(verification: &Verification) -> Value {
    let Verification { kid, documents, faults, leftovers } = verification;
    let faults = faults.iter().map(|fault| json!({ "at": fault.at, "fault": fault.wrong.to_string() }));
    let documents =
        documents.iter().map(|it| json!({ "kind": it.kind, "path": it.path, "says": it.facts })).collect::<Vec<_>>();
    json!({
        "verified": verification.faults.is_empty(),
        "kid": kid,
        "faults": faults.collect::<Vec<_>>(),
        "documents": documents,
        "leftovers": leftovers,
    })
}

/// What was exported where.
pub fn exported_line(trail: &Trail, exported: &Exported, path: &Path) -> String {
    let signed = exported.kid.as_ref().map_or_else(|| "unsigned".to_owned(), |kid| format!("signed by the key {kid}"));
    harmless(&format!(
        "{} of {} written to {}, {signed}",
        counted(trail.rows.len(), "run"),
        trail.table,
        path.display()
    ))
}

/// The trail as a document, and its signed text.
pub fn exported_json(exported: &Exported, path: Option<&Path>) -> Value {
    json!({ "trail": exported.document, "jws": exported.jws, "kid": exported.kid, "file": path })
}
