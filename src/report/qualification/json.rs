//! The protocol as one JSON document.

use serde_json::{Value, json};

use crate::evidence::Written;
use crate::evidence::documents::{environment, metadata, test_results};
use crate::protocol::Protocol;

/// Everything that is known of the run, and what was written of it where.
pub fn json(protocol: &Protocol, written: Option<&Written>) -> Value {
    let kid = written.and_then(|written| written.kid.as_deref());
    let evidence = written.map(|written| {
        json!({
            "signed": written.kid.is_some(),
            "kid": written.kid,
            "record": written.record,
            "package": written.package,
            "html": written.html,
            "junit": written.junit,
        })
    });
    json!({
        "metadata": metadata(protocol, None, kid, protocol.finished),
        "environment": environment(protocol),
        "results": test_results(protocol),
        "evidence": evidence,
    })
}
